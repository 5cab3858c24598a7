"""Envoy's question over gRPC, asked by grpclib's client."""

import json
from contextlib import asynccontextmanager

import pytest
from grpclib.client import Channel, UnaryUnaryMethod
from grpclib.const import Status
from grpclib.exceptions import GRPCError

from ratelimit import envoy
from ratelimit.envoy import METHOD, REQUEST, RESPONSE, TableCodec
from tests.ratelimit.test_server import live_service

RULES = """
[[rules]]
name = "per-address"
who = "ip"
limit = "2 per minute"
  [[rules.routes]]
  path = "/upload"
  cost = 2

[[rules]]
name = "per-tenant"
who = "header:x-tenant"
absent = "skip"
limit = "1 per hour"
on_failure = "closed"
"""


@asynccontextmanager
async def envoys(rules=RULES):
    """A function that asks the service as Envoy does: descriptors as dicts."""
    async with live_service(rules) as live:
        await live.server.start_grpc(0)
        host, port = live.server.addresses()[-1]
        channel = Channel(host, port, codec=TableCodec())
        method = UnaryUnaryMethod(channel, METHOD, REQUEST, RESPONSE)

        async def ask(*descriptors, hits=0):
            rows = [{"entries": [{"key": key, "value": value} for key, value in one.items()]} for one in descriptors]
            return await method({"domain": "mini", "descriptors": rows, "hits_addend": hits}, timeout=10)

        try:
            yield ask, method
        finally:
            channel.close()


async def test_the_third_of_two_per_minute_is_over_limit():
    async with envoys() as (ask, _):
        answers = [await ask({"remote_address": "203.0.113.9"}) for _ in range(3)]
    assert [answer["overall_code"] for answer in answers] == [envoy.OK, envoy.OK, envoy.OVER_LIMIT]
    limit = {"requests_per_unit": 2, "unit": 2, "name": "per-address"}
    assert [status for answer in answers for status in answer["statuses"]] == [
        {"code": 1, "current_limit": limit, "limit_remaining": 1, "duration_until_reset": {"seconds": 30, "nanos": 0}},
        {"code": 1, "current_limit": limit, "limit_remaining": 0, "duration_until_reset": {"seconds": 60, "nanos": 0}},
        {"code": 2, "current_limit": limit, "limit_remaining": 0, "duration_until_reset": {"seconds": 30, "nanos": 0}},
    ]
    headers = {header["key"]: header["value"] for header in answers[2]["response_headers_to_add"]}
    assert headers == {
        "content-type": "application/problem+json",
        "cache-control": "no-store",
        "ratelimit-policy": '"per-address";q=2;w=60',
        "ratelimit": '"per-address";r=0;t=30',
        "retry-after": "30",
    }
    assert json.loads(answers[2]["raw_body"])["violated-policies"] == ["per-address"]


async def test_all_descriptors_are_decided_together_and_a_denial_consumes_nothing():
    both = {"remote_address": "203.0.113.9"}, {"x-tenant": "acme", "remote_address": "203.0.113.9"}
    async with envoys() as (ask, _):
        first, second = await ask(*both), await ask(*both)
        third = await ask(both[0])
    assert [[status["code"] for status in answer["statuses"]] for answer in (first, second)] == [[1, 1], [1, 2]]
    assert second["overall_code"] == envoy.OVER_LIMIT
    assert (third["overall_code"], third["statuses"][0]["limit_remaining"]) == (envoy.OK, 0)


async def test_hits_and_paths_weigh():
    async with envoys() as (ask, _):
        assert (await ask({"remote_address": "1.1.1.1"}, hits=2))["statuses"][0]["limit_remaining"] == 0
        upload = await ask({"masked_remote_address": "1.1.1.2/32", "path": "/upload?x", "method": "POST"})
        assert upload["statuses"][0]["limit_remaining"] == 0


async def test_one_key_that_two_descriptors_count_is_counted_once_at_the_higher_cost():
    async with envoys() as (ask, _):
        answer = await ask({"remote_address": "1.1.1.1"}, {"remote_address": "1.1.1.1", "path": "/upload"})
    assert [status["limit_remaining"] for status in answer["statuses"]] == [0, 0]


async def test_a_descriptor_may_name_one_rule():
    async with envoys() as (ask, _):
        answer = await ask({"rule": "per-tenant", "x-tenant": "acme", "remote_address": "1.1.1.1"})
        nobody = await ask({"rule": "per-tenant", "remote_address": "1.1.1.1"})
    assert [status["current_limit"]["name"] for status in answer["statuses"]] == ["per-tenant"]
    assert (nobody["overall_code"], nobody["statuses"][0]["current_limit"]) == (envoy.OK, None)


@pytest.mark.parametrize(
    ("descriptors", "hits", "reason"),
    [
        ([{"rule": "per"}], 0, "there is no rule 'per'"),
        ([{"remote_address": "1.1.1.1"}], 3, "a cost of 3 can never pass"),
        ([{}] * 101, 0, "more than 100 descriptors"),
    ],
)
async def test_a_bad_question_is_an_invalid_argument(descriptors, hits, reason):
    async with envoys() as (ask, _):
        with pytest.raises(GRPCError, match=reason) as error:
            await ask(*descriptors, hits=hits)
    assert error.value.status is Status.INVALID_ARGUMENT


async def test_bytes_that_are_no_question_are_an_invalid_argument():
    class Raw(TableCodec):
        def encode(self, message, message_type):
            return message

    async with envoys() as (_, method):
        method.channel._codec = Raw()
        with pytest.raises(GRPCError) as error:
            await method(b"\x0a\xff", timeout=10)
    assert error.value.status is Status.INVALID_ARGUMENT
