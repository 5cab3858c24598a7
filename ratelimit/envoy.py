"""Envoy's global rate limiting: the gRPC service that its filter `envoy.filters.http.ratelimit` asks.

    envoy ──ShouldRateLimit(domain, [descriptor, ...], hits)──> OK or OVER_LIMIT, per descriptor what is left

A descriptor is a list of names and values that Envoy's `actions` made of a request.  Here it is read as a request again,
and the rules find what speaks about it; so one file of rules serves Envoy, nginx and an application alike:

    remote_address, masked_remote_address   the client        path, method, user     what they say
    rule                                    this rule alone   any other name         a header of that name

All descriptors of a question are decided together: when one is over its limit, none is consumed.  (Envoy's reference
service counts them all; then a client that one limit denies drains its others.)  A denial carries the same header fields
and problem document as every other face.  Limits that Envoy brings itself (`limit` of a descriptor) are not heeded: the
file of rules says what holds.

grpclib speaks gRPC; the messages are tables of protobuf.py.
Sources: envoy/service/ratelimit/v3/rls.proto, envoy/extensions/common/ratelimit/v3/ratelimit.proto.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from grpclib.const import Cardinality, Handler, Status
from grpclib.encoding.base import CodecBase
from grpclib.exceptions import GRPCError
from grpclib.server import Server, Stream

from ratelimit import problem
from ratelimit.decision import Ask, CostTooHigh, Decision
from ratelimit.limit import DAY_MS, HOUR_MS, MINUTE_MS, SECOND_MS, Limit
from ratelimit.protobuf import Bytes, DecodeError, Integer, Message, Text
from ratelimit.questions import BadQuestion, asked_by_request
from ratelimit.rules import Asked, Policy, Request, RuleSet, Verdict, normal_path

METHOD = "/envoy.service.ratelimit.v3.RateLimitService/ShouldRateLimit"
OK, OVER_LIMIT = 1, 2
UNITS = {SECOND_MS: 1, MINUTE_MS: 2, HOUR_MS: 3, DAY_MS: 4}
UINT32_MOST = 2**32 - 1
DESCRIPTORS_MOST = 100

ENTRY = Message({1: ("key", Text), 2: ("value", Text)})
DESCRIPTOR = Message({1: ("entries", [ENTRY])})
REQUEST = Message({1: ("domain", Text), 2: ("descriptors", [DESCRIPTOR]), 3: ("hits_addend", Integer)})

RATE_LIMIT = Message({1: ("requests_per_unit", Integer), 2: ("unit", Integer), 3: ("name", Text)})
DURATION = Message({1: ("seconds", Integer), 2: ("nanos", Integer)})
STATUS = Message(
    {
        1: ("code", Integer),
        2: ("current_limit", RATE_LIMIT),
        3: ("limit_remaining", Integer),
        4: ("duration_until_reset", DURATION),
    }
)
HEADER = Message({1: ("key", Text), 2: ("value", Text)})
RESPONSE = Message(
    {
        1: ("overall_code", Integer),
        2: ("statuses", [STATUS]),
        3: ("response_headers_to_add", [HEADER]),
        5: ("raw_body", Bytes),
    }
)

Decide = Callable[[RuleSet, Asked], Awaitable[Verdict]]


class TableCodec(CodecBase):
    """Messages as dicts, by the tables above."""

    __content_subtype__ = "proto"

    def encode(self, message: Any, message_type: Any) -> bytes:
        return bytes(message_type.encode(message))

    def decode(self, data: bytes, message_type: Any) -> Any:
        try:
            return message_type.decode(data)
        except DecodeError as error:
            raise GRPCError(Status.INVALID_ARGUMENT, str(error)) from None


class RateLimitService:
    """The service.  `decide` asks the store and counts, as for every other face."""

    def __init__(self, rules: Callable[[], RuleSet], decide: Decide, now_ms: Callable[[], int]) -> None:
        self._rules, self._decide, self._now_ms = rules, decide, now_ms

    def __mapping__(self) -> Mapping[str, Handler]:
        return {METHOD: Handler(self.should_rate_limit, Cardinality.UNARY_UNARY, REQUEST, RESPONSE)}

    async def should_rate_limit(self, stream: Stream[Any, Any]) -> None:
        question = await stream.recv_message()
        assert question is not None  # grpclib refuses a call without a message
        try:
            answer = await self.answer(question)
        except (BadQuestion, CostTooHigh) as error:
            raise GRPCError(Status.INVALID_ARGUMENT, str(error)) from None
        await stream.send_message(answer)

    async def answer(self, question: Mapping[str, Any]) -> dict[str, Any]:
        """A RESPONSE for a REQUEST.  Raises BadQuestion, CostTooHigh."""
        if len(question["descriptors"]) > DESCRIPTORS_MOST:
            raise BadQuestion(f"more than {DESCRIPTORS_MOST} descriptors")
        rules = self._rules()
        cost = max(1, question["hits_addend"])
        askeds = [asked_by_descriptor(rules, descriptor["entries"], cost) for descriptor in question["descriptors"]]
        whole = together(askeds)
        verdict = await self._decide(rules, whole)
        decided = {ask[:2]: decision for ask, (_, decision) in zip(whole.asks, verdict.parts, strict=True)}
        statuses = [
            status_of([(policy, decided[ask[:2]]) for policy, ask in zip(asked.policies, asked.asks, strict=True)])
            for asked in askeds
        ]
        answer: dict[str, Any] = {"overall_code": OK if verdict.allowed else OVER_LIMIT, "statuses": statuses}
        fields = rules.fields(verdict, self._now_ms)
        if not verdict.allowed:
            denial = problem.denial(rules, verdict, self._now_ms)
            fields = [field for field in denial.fields if field[0] != b"content-length"]
            answer["raw_body"] = denial.body
        answer["response_headers_to_add"] = [{"key": name.decode(), "value": value.decode()} for name, value in fields]
        return answer


def asked_by_descriptor(rules: RuleSet, entries: Sequence[Mapping[str, str]], cost: int) -> Asked:
    """What to ask about one descriptor.  Raises BadQuestion for a rule that there is not."""
    said = {entry["key"]: entry["value"] for entry in entries}
    client = said.pop("remote_address", "") or said.pop("masked_remote_address", "").partition("/")[0]
    method, path = said.pop("method", "GET"), said.pop("path", "/")
    user, rule = said.pop("user", None), said.pop("rule", "")
    headers = {name.lower(): value for name, value in said.items()}
    request = Request(method.upper(), normal_path(path), client, headers, user)
    return asked_by_request(rules, request, rule, cost)


def together(askeds: Sequence[Asked]) -> Asked:
    """Several questions as one.  What two descriptors ask about one key is asked once, at the higher cost."""
    asks: dict[tuple[Limit, str], tuple[Policy, Ask]] = {}
    shadows: dict[str, tuple[Sequence[Policy], list[Ask]]] = {}
    for asked in askeds:
        for policy, ask in zip(asked.policies, asked.asks, strict=True):
            known = asks.get(ask[:2])
            if known is None or known[1].cost < ask.cost:
                asks[ask[:2]] = policy, ask
        for policies, its_asks in asked.shadows:
            shadows.setdefault(its_asks[0].key, (policies, its_asks))
    return Asked([policy for policy, _ in asks.values()], [ask for _, ask in asks.values()], list(shadows.values()))


def status_of(parts: Sequence[tuple[Policy, Decision]]) -> dict[str, Any]:
    """A STATUS of one descriptor: of its strictest policy; without a policy it is OK."""
    verdict = RuleSet.verdict([policy for policy, _ in parts], [decision for _, decision in parts])
    status: dict[str, Any] = {"code": OK if verdict.allowed else OVER_LIMIT}
    if verdict.policy is None or verdict.decision is None:
        return status
    limit, decision = verdict.policy.limit, verdict.decision
    if unit := UNITS.get(limit.per_ms):
        rate = min(limit.rate, UINT32_MOST)
        status["current_limit"] = {"requests_per_unit": rate, "unit": unit, "name": verdict.policy.name}
    seconds, ms = divmod(decision.reset_ms if decision.allowed else decision.retry_after_ms, 1000)
    status["limit_remaining"] = min(decision.remaining, UINT32_MOST)
    status["duration_until_reset"] = {"seconds": seconds, "nanos": ms * 1_000_000}
    return status


def grpc_server(service: RateLimitService) -> Server:
    """The service on grpclib, not yet listening."""
    return Server([service], codec=TableCodec())
