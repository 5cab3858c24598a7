"""The service over HTTP: 200, 429, and an answer to everything else."""

import asyncio
import json
from contextlib import asynccontextmanager

import aiohttp
import http_sf
import pytest

from ratelimit.circuit_breaker import CircuitBreaker
from ratelimit.failing import GuardedStore
from ratelimit.memory_store import MemoryStore
from ratelimit.metrics import admin_of
from ratelimit.options import OPTIONS, read_file
from ratelimit.reload import RulesFile
from ratelimit.server import Server
from serving.background import Background
from serving.config import Given

NOW = 1_700_000_000_000
RULES = """
[[rules]]
name = "per-address"
who = "ip"
limit = "2 per minute"

[[rules]]
name = "sign-in"
who = "ip"
path = "/login"
limit = "1 per hour"
shadow = true
"""


class Live:
    """A started service, and a client of it."""

    def __init__(self, server, client):
        self.server, self.client = server, client

    async def call(self, method, path, body=None, **headers):
        """Status, header fields, and the body as JSON where it is."""
        fields = {name.replace("_", "-"): value for name, value in headers.items()}
        data = json.dumps(body) if isinstance(body, dict | list) else body
        async with self.client.request(method, path, data=data, headers=fields) as answer:
            text = await answer.text()
            return answer.status, answer.headers, json.loads(text) if "json" in answer.content_type else text

    async def check(self, body):
        return await self.call("POST", "/check", body)


@asynccontextmanager
async def live_service(rules=RULES, store=None, **settings):
    given = [Given(name.replace("_", "-"), [str(value)], "test") for name, value in {"port": 0, **settings}.items()]
    file = RulesFile("rules.toml", now_ms=lambda: NOW, read=lambda path: rules, sign=lambda path: 0)
    background = Background()
    store = store or MemoryStore(now_ms=lambda: NOW)
    server = Server(OPTIONS.load(given), file, store, background, now_ms=lambda: NOW)
    server.admin = admin_of(server)
    await server.start()
    try:
        url = f"http://127.0.0.1:{server.addresses()[0][1]}"
        async with asyncio.timeout(20), aiohttp.ClientSession(url) as client:
            yield Live(server, client)
    finally:
        await server.stop()
        await background.stop()


async def test_the_third_of_two_per_minute_is_answered_429():
    async with live_service() as live:
        answers = [await live.check({"ip": "203.0.113.9", "path": "/x"}) for _ in range(3)]
    assert [status for status, _, _ in answers] == [200, 200, 429]
    assert answers[0][2] == {
        "allowed": True,
        "rule": "per-address",
        "remaining": 1,
        "retry_after_ms": 0,
        "reset_ms": 30_000,
        "delay_ms": 0,
        "limits": [
            {"rule": "per-address", "allowed": True, "remaining": 1, "retry_after_ms": 0, "reset_ms": 30_000},
        ],
    }
    _, fields, body = answers[2]
    assert (fields["Retry-After"], fields["Content-Type"]) == ("30", "application/problem+json")
    assert (body["violated-policies"], body["retry_after_ms"]) == (["per-address"], 30_000)
    read = http_sf.parse(fields["RateLimit"].encode(), tltype="list")
    assert [(str(name), parameters) for name, parameters in read] == [("per-address", {"r": 0, "t": 30})]


async def test_a_proxy_asks_with_the_request_in_header_fields():
    async with live_service() as live:
        asked = {"X_Original_URI": "/login?x", "X_Forwarded_For": "203.0.113.9"}
        statuses = [(await live.call("GET", "/auth", **asked))[0] for _ in range(3)]
        nginx, _, body = await live.call("GET", "/auth?denied=403", **asked)
        other, fields, _ = await live.call("GET", "/auth", X_Forwarded_For="203.0.113.10")
    assert statuses == [200, 200, 429]
    assert (nginx, body["status"]) == (403, 429)
    assert (other, fields["RateLimit"]) == (200, '"per-address";r=1;t=30')


async def test_a_queue_answers_the_proxy_when_it_is_the_request_s_turn():
    rules = '[[rules]]\nname = "q"\nlimit = "20/s"\nalgorithm = "leaking_bucket"\nqueue = true\n'
    async with live_service(rules) as live:
        loop = asyncio.get_running_loop()
        began = loop.time()
        answers = await asyncio.gather(*(live.call("GET", "/auth") for _ in range(3)))
        took = loop.time() - began
        _, _, told = await live.check({})
    assert [status for status, _, _ in answers] == [200, 200, 200]
    assert took >= 0.1
    assert told["delay_ms"] == 150


async def test_a_batch_is_answered_one_by_one():
    question = {"rule": "per-address", "key": "203.0.113.9"}
    questions = [question, question, question, {"rule": "nobody", "key": ""}, {"cost": 3}, 7]
    async with live_service() as live:
        status, _, body = await live.call("POST", "/check/batch", questions)
    assert status == 200
    assert [result["status"] for result in body["results"]] == [200, 200, 429, 404, 400, 400]


async def test_looking_changes_nothing_and_forgetting_gives_all_back():
    async with live_service() as live:
        await live.check({"ip": "203.0.113.9"})
        looks = [await live.call("GET", "/limits/ip=203.0.113.9?rule=per-address") for _ in range(3)]
        forgotten = await live.call("DELETE", "/limits/ip=203.0.113.9")
        after = await live.call("GET", "/limits/ip=203.0.113.9")
    row = {"rule": "per-address", "limit": "2 per minute", "algorithm": "gcra", "remaining": 1, "retry_after_ms": 0}
    assert [body for _, _, body in looks] == [{"key": "ip=203.0.113.9", "limits": [row]}] * 3
    assert forgotten[2] == {"key": "ip=203.0.113.9", "forgotten": ["per-address"]}
    assert [limit["remaining"] for limit in after[2]["limits"]] == [2, 1]


async def test_a_shadow_rule_reports_and_denies_nobody():
    async with live_service() as live:
        answers = [await live.check({"ip": "203.0.113.9", "path": "/login"}) for _ in range(2)]
        _, _, busiest = await live.call("GET", "/busiest")
    assert [status for status, _, _ in answers] == [200, 200]
    assert [body["shadow"][0]["allowed"] for _, _, body in answers] == [True, False]
    assert live.server.decided == {
        ("per-address", "allowed"): 2,
        ("sign-in", "would allow"): 1,
        ("sign-in", "would deny"): 1,
    }
    assert [(row["key"], row["rule"]) for row in busiest["busiest"]] == [("ip=203.0.113.9", "per-address")]


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "detail"),
    [
        ("POST", "/check", b"{", 400, "the body is not JSON: Expecting property name enclosed in double quotes"),
        ("POST", "/check", b'{"user": "\\ud800"}', 400, "user: half a surrogate pair is no text"),
        ("POST", "/check", {"pth": "/"}, 400, "pth: unknown; do you mean path?"),
        ("POST", "/check", {"ip": "::1", "cost": 3}, 400, "a cost of 3 can never pass: the limit admits 2 at most"),
        ("POST", "/check", {"rule": "per", "key": "x"}, 404, "there is no rule 'per'"),
        ("POST", "/check", b" " * 3000, 413, "Maximum request body size 2048 exceeded"),
        ("POST", "/check/batch", {"a": []}, 400, "expected an array of questions"),
        ("GET", "/check", None, 405, "405: Method Not Allowed"),
        ("GET", "/nothing", None, 404, "404: Not Found"),
        ("GET", "/limits/nobody", None, 404, "no limit counts 'nobody'; keys look like NAME=VALUE, with one of: ip"),
        ("GET", "/limits/ip=%ff%ed%a0%80?rule=x", None, 404, "no limit of rule 'x' counts"),
        ("GET", "/busiest?top=0", None, 400, "top: expected 1 to 200"),
    ],
)
async def test_garbage_is_answered_with_the_reason_and_counts_for_nothing(method, path, body, status, detail):
    async with live_service(max_body=2048) as live:
        answered, fields, problem = await live.call(method, path, body)
        assert (answered, problem["status"], fields["Content-Type"]) == (status, status, "application/problem+json")
        assert problem["detail"].startswith(detail)
        assert live.server.decided == {}


async def test_the_rules_are_shown_and_a_bad_reload_is_too():
    async with live_service() as live:
        live.server.rules_file._read = lambda path: "[[rules]]"
        live.server.reload()
        _, _, body = await live.call("GET", "/rules")
    assert [rule["name"] for rule in body["rules"]] == ["per-address", "sign-in"]
    assert body["rules"][0]["limits"] == [{"name": "per-address", "limit": "2 per minute", "algorithm": "gcra"}]
    assert (body["loaded"], body["refused"]) == (1, 1)
    assert body["trouble"].startswith("rules.toml, line 1: rules.1: has no name")


async def test_curl_finds_its_way():
    async with live_service() as live:
        status, _, text = await live.call("GET", "/")
    assert (status, "curl -i localhost:" in text) == (200, True)


class Dead:
    """A Redis that is not there."""

    async def hit(self, asks, now_ms=None):
        raise ConnectionError("nobody listens")

    peek = hit

    async def reset(self, limit, key):
        raise ConnectionError("nobody listens")


async def test_without_a_store_rules_decide_by_themselves_and_say_so():
    closed = '[[rules]]\nname = "a"\nlimit = "2/h"\non_failure = "closed"\npath = "/closed"\n'
    opened = '[[rules]]\nname = "b"\nlimit = "2/h"\npath = "/open"\n'
    store = GuardedStore(Dead(), breaker=CircuitBreaker(failures=2), now_ms=lambda: NOW)
    async with live_service(closed + opened, store) as live:
        denied, fields, problem = await live.check({"path": "/closed"})
        admitted, admitted_fields, _ = await live.check({"path": "/open"})
        looked, _, _ = await live.call("GET", "/limits/everyone")
        metrics = live.server.admin.registry
        assert metrics.get_sample_value("ratelimit_store_failures_total") == 2
        assert metrics.get_sample_value("ratelimit_store_breaker", {"state": "open"}) == 1
    assert (denied, fields["Retry-After"], problem["violated-policies"]) == (503, "1", ["a"])
    assert (admitted, "RateLimit" in admitted_fields) == (200, False)
    assert looked == 503


async def test_metrics_count_decisions_answers_and_keys():
    async with live_service() as live:
        for _ in range(3):
            await live.check({"ip": "203.0.113.9"})
        read = live.server.admin.registry.get_sample_value
        assert read("ratelimit_decisions_total", {"policy": "per-address", "result": "allowed"}) == 2
        assert read("ratelimit_decisions_total", {"policy": "per-address", "result": "denied"}) == 1
        assert read("ratelimit_responses_total", {"route": "/check", "status": "429"}) == 1
        assert read("ratelimit_keys", {"policy": "per-address"}) == 1


def test_the_file_of_rules_may_hold_the_settings_too():
    given = read_file('[server]\nport = 1\nstore_timeout_ms = 7\n[[rules]]\nname = "x"', "rules.toml", None)
    settings = OPTIONS.load(given)
    assert (settings.port, settings.store_timeout_ms) == (1, 7)
