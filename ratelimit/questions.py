"""What may be asked of the service, as JSON: read strictly, and refused with the reason.

    {"method": "POST", "path": "/login", "ip": "203.0.113.9", "headers": {"x-api-key": "..."}, "user": "ann"}
    {"rule": "per-address", "key": "203.0.113.9", "cost": 2}

The first describes a request, and the rules find what speaks about it; the second names one rule and whom it counts.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from difflib import get_close_matches
from typing import Any
from urllib.parse import unquote

from ratelimit.decision import Ask
from ratelimit.rules import Asked, Request, Rule, RuleSet, hashed, key_of, short
from ratelimit.who import pack

COST_MOST = 1_000_000
KEY_MOST = 1000
"""Characters of a key that is named: more than any key has that a rule makes."""
BATCH_MOST = 1000
"""Questions in one batch: more would keep the others waiting."""


class BadQuestion(ValueError):
    """The asker's mistake: 400, and `str()` is the detail.  `status` 404: it asks about a rule that there is not."""

    def __init__(self, reason: str, status: int = 400) -> None:
        super().__init__(reason)
        self.status = status


def _text(name: str, value: Any) -> str:
    if not isinstance(value, str):
        raise BadQuestion(f"{name}: expected text")
    if not value.isascii() and any("\ud800" <= letter <= "\udfff" for letter in value):
        raise BadQuestion(f"{name}: half a surrogate pair is no text")
    return value


def _address(name: str, value: Any) -> str:
    """Addresses are kept as keys, so they must be some: not any text that a caller likes."""
    if _text(name, value) and pack(value) is None:
        raise BadQuestion(f"{name}: {value[:40]!r} is not an address")
    return str(value)


def named_key(name: str, value: Any) -> str:
    if len(_text(name, value)) > KEY_MOST:
        raise BadQuestion(f"{name}: more than {KEY_MOST} characters")
    return str(value)


def _cost(name: str, value: Any) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 1 <= value <= COST_MOST:
        raise BadQuestion(f"{name}: expected a whole number from 1 to {COST_MOST}")
    return value


def _headers(name: str, value: Any) -> dict[str, str]:
    if not isinstance(value, dict):
        raise BadQuestion(f"{name}: expected an object of texts")
    return {header.lower(): _text(f"{name}.{header}", one) for header, one in value.items()}


REQUEST: dict[str, Callable[[str, Any], Any]] = {
    "method": _text, "path": _text, "ip": _address, "headers": _headers, "user": _text, "cost": _cost,
}  # fmt: skip
BY_RULE: dict[str, Callable[[str, Any], Any]] = {"rule": _text, "key": named_key, "cost": _cost}


def json_of(body: bytes) -> Any:
    """Raises BadQuestion."""
    try:
        return json.loads(body)
    except (ValueError, RecursionError) as error:
        raise BadQuestion(f"the body is not JSON: {error}") from None


def batch_of(value: Any) -> list[Any]:
    """The questions of a batch: an array, or an object that has one under `checks`.  Raises BadQuestion."""
    if isinstance(value, dict) and set(value) == {"checks"}:
        value = value["checks"]
    if not isinstance(value, list):
        raise BadQuestion('expected an array of questions, or {"checks": [...]}')
    if len(value) > BATCH_MOST:
        raise BadQuestion(f"{len(value)} questions are too many: {BATCH_MOST} at most")
    return value


def asked_by(rules: RuleSet, value: Any) -> Asked:
    """What to ask the store for one question.  Raises BadQuestion."""
    if not isinstance(value, dict):
        raise BadQuestion("expected an object that describes a request, or names a rule and a key")
    if "rule" in value or "key" in value:
        said = _read(value, BY_RULE)
        for needed in ("rule", "key"):
            if needed not in said:
                raise BadQuestion(f"{needed}: is missing")
        return asked_by_rule(rules, said["rule"], said["key"], said.get("cost", 1))
    said = _read(value, REQUEST)
    request = request_of(
        rules,
        said.get("method", "GET"),
        said.get("path", "/"),
        said.get("ip", ""),
        said.get("headers", {}),
        said.get("user"),
    )
    return rules.asks(request, said.get("cost", 1))


def _read(value: Mapping[str, Any], known: Mapping[str, Callable[[str, Any], Any]]) -> dict[str, Any]:
    for name in value:
        if name not in known:
            near = get_close_matches(name, list(known), 1)
            raise BadQuestion(f"{name}: unknown" + (f"; do you mean {near[0]}?" if near else ""))
    return {name: known[name](name, one) for name, one in value.items()}


def asked_by_rule(rules: RuleSet, name: str, key: str, cost: int = 1) -> Asked:
    """One rule or route by name, whomever it would count."""
    for rule in rules.rules:
        for its_name, policies in (
            (rule.name, rule.policies),
            *((route.name, route.policies) for route in rule.routes),
        ):
            if its_name == name and policies:
                stored = key_of(who_of(rule, key), its_name)
                asks = [Ask(policy.limit, stored, rule.cost * cost) for policy in policies]
                if rule.shadow:
                    return Asked([], [], [(policies, asks)])
                return Asked(list(policies), asks, [])
    names = [policy_name for rule in rules.rules for policy_name in (rule.name, *(route.name for route in rule.routes))]
    near = get_close_matches(name, names, 1)
    raise BadQuestion(f"there is no rule {name!r}" + (f"; do you mean {near[0]}?" if near else ""), 404)


def asked_by_request(rules: RuleSet, request: Request, rule: str = "", cost: int = 1) -> Asked:
    """All rules about a request, or one by name, where it applies.  Raises BadQuestion for a rule that there is not."""
    _address("address", request.client)
    asked = rules.asks(request, cost)
    if not rule:
        return asked
    if all(rule != one.name for one in rules.rules):
        raise BadQuestion(f"there is no rule {rule!r}", 404)
    kept = [pair for pair in zip(asked.policies, asked.asks, strict=True) if pair[0].rule.name == rule]
    shadows = [(policies, asks) for policies, asks in asked.shadows if policies[0].rule.name == rule]
    return Asked([policy for policy, _ in kept], [ask for _, ask in kept], shadows)


def who_of(rule: Rule, key: str) -> str:
    """Whom `key` means to `rule`: the text as keys have it (`user=ann`), or the value alone (`ann`)."""
    if rule.who.could_be(key):
        return named_key("key", key)
    names = rule.who.names
    if len(names) != 1:
        expected = "&".join(f"{name}=..." for name in names) or "everyone"
        raise BadQuestion(f"rule {rule.name!r} counts {expected}, and {key!r} does not look so")
    if names[0] == "ip":
        return f"ip={rule.who.prefixes.of(_address('key', key))}"
    return f"{names[0]}={hashed(key) if names[0] == 'api_key' else short(key)}"


def request_of(
    rules: RuleSet, method: str, path: str, peer: str, headers: Mapping[str, str], user: str | None
) -> Request:
    """A request as somebody describes it who stands where the client connected."""
    client = rules.proxies.client(peer, headers.get(rules.proxies.field, ""))
    return Request(method.upper(), path, client, headers, user)


METHOD_FIELDS = ("x-original-method", "x-forwarded-method")
TARGET_FIELDS = ("x-original-uri", "x-original-url", "x-forwarded-uri")


def forwarded_request(rules: RuleSet, peer: str, headers: Mapping[str, str]) -> Request:
    """The request that a proxy asks about: nginx's X-Original-* (auth_request), Traefik's and Caddy's X-Forwarded-*.

    Whoever asks here is a proxy: it is believed what it wrote into X-Forwarded-For, and those before it as always.
    """
    method = next((headers[name] for name in METHOD_FIELDS if name in headers), "GET")
    target = next((headers[name] for name in TARGET_FIELDS if name in headers), "/")
    if "://" in target:
        target = "/" + target.partition("://")[2].partition("/")[2]
    path = unquote(target.partition("?")[0], errors="replace")
    field = rules.proxies.field if rules.proxies.field != "none" else "x-forwarded-for"
    client = rules.proxies.client(peer, headers.get(field, ""), believe_peer=True)
    return Request(method.upper(), path, client, headers)
