"""Questions in JSON, and those of proxies in their header fields."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ratelimit import questions
from ratelimit.decision import Ask
from ratelimit.limit import Limit
from ratelimit.questions import BadQuestion, asked_by, batch_of, forwarded_request, json_of
from ratelimit.rules import Request, hashed
from ratelimit.rules_file import read_rules

RULES = read_rules("""
[client]
trusted_proxies = ["10.0.0.0/8"]

[[rules]]
name = "per-address"
who = "ip"
limit = "9/s"
ipv4_prefix = 24
cost = 2
  [[rules.routes]]
  path = "/search"
  limit = "8/s"

[[rules]]
name = "per-key"
who = "api_key"
limit = "7/s"
path = "/api/**"

[[rules]]
name = "pair"
who = ["user", "method"]
limit = "6/s"
shadow = true
absent = "skip"
""")


def test_a_request_is_described_and_the_rules_find_what_speaks_about_it():
    asked = asked_by(
        RULES,
        {
            "method": "post",
            "path": "/api/x",
            "ip": "203.0.113.9",
            "headers": {"X-API-Key": "k"},
            "user": "ann",
            "cost": 3,
        },
    )
    assert asked.asks == [
        Ask(Limit(9, 1000), "{ip=203.0.113.0/24}:per-address", 6),
        Ask(Limit(7, 1000), f"{{api_key={hashed('k')}}}:per-key", 3),
    ]
    assert [asks for _, asks in asked.shadows] == [[Ask(Limit(6, 1000), "{user=ann&method=POST}:pair", 3)]]


def test_a_described_chain_is_walked_as_any():
    question = {"ip": "10.0.0.1", "headers": {"x-forwarded-for": "1.1.1.1, 203.0.113.9"}}
    assert asked_by(RULES, question).asks[0].key == "{ip=203.0.113.0/24}:per-address"


@pytest.mark.parametrize(
    ("rule", "key", "stored"),
    [
        ("per-address", "203.0.113.9", "{ip=203.0.113.0/24}:per-address"),
        ("per-address", "ip=203.0.113.0/24", "{ip=203.0.113.0/24}:per-address"),
        ("per-address.search", "203.0.113.9", "{ip=203.0.113.0/24}:per-address.search"),
        ("per-key", "k", f"{{api_key={hashed('k')}}}:per-key"),
    ],
)
def test_a_rule_and_a_key_are_named(rule, key, stored):
    assert [ask.key for ask in asked_by(RULES, {"rule": rule, "key": key}).asks] == [stored]


def test_a_shadow_rule_that_is_named_is_a_shadow_still():
    asked = asked_by(RULES, {"rule": "pair", "key": "user=ann&method=GET"})
    assert (asked.asks, len(asked.shadows)) == ([], 1)


@pytest.mark.parametrize(
    ("question", "reason"),
    [
        ([], "expected an object that describes a request, or names a rule and a key"),
        ({"pth": "/"}, "pth: unknown; do you mean path?"),
        ({"ip": 3}, "ip: expected text"),
        ({"ip": "x" * 99}, f"ip: '{'x' * 40}' is not an address"),
        ({"rule": "per-address", "key": "me"}, "key: 'me' is not an address"),
        ({"rule": "per-address", "key": "ip=" + "x" * 1000}, "key: more than 1000 characters"),
        ({"user": "\ud800"}, "user: half a surrogate pair is no text"),
        ({"headers": ["a"]}, "headers: expected an object of texts"),
        ({"headers": {"a": 1}}, "headers.a: expected text"),
        ({"cost": 0}, "cost: expected a whole number from 1 to 1000000"),
        ({"cost": True}, "cost: expected a whole number from 1 to 1000000"),
        ({"rule": "per-address"}, "key: is missing"),
        ({"key": "x"}, "rule: is missing"),
        ({"rule": "per-adres", "key": "x"}, "there is no rule 'per-adres'; do you mean per-address?"),
        ({"rule": "pair", "key": "ann"}, "rule 'pair' counts user=...&method=..., and 'ann' does not look so"),
    ],
)
def test_a_bad_question_is_told_why(question, reason):
    with pytest.raises(BadQuestion) as error:
        asked_by(RULES, question)
    assert str(error.value) == reason


names = st.sampled_from([*questions.REQUEST, "rule", "key"])
plain = st.none() | st.booleans() | st.integers() | st.floats() | st.text()


@given(st.recursive(plain, lambda inner: st.lists(inner) | st.dictionaries(names, inner)))
def test_whatever_json_is_asked_it_is_a_question_or_a_bad_one(value):
    try:
        asked = asked_by(RULES, value)
    except BadQuestion:
        return
    assert all(ask.key.encode() for ask in asked.asks)


def test_a_batch_is_an_array_of_a_thousand_at_most():
    assert batch_of([1]) == batch_of({"checks": [1]}) == [1]
    for value, reason in (({}, "expected an array"), ([1] * 1001, "1001 questions are too many")):
        with pytest.raises(BadQuestion, match=reason):
            batch_of(value)


@pytest.mark.parametrize("body", [b"", b"{", b"\xff", b"[" * 100_000, b'{"a":' * 100_000])
def test_what_is_not_json_is_a_bad_question(body):
    with pytest.raises(BadQuestion, match="the body is not JSON"):
        json_of(body)


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({}, ("GET", "/", "10.0.0.1")),
        ({"x-original-uri": "/a%20b?c=/d", "x-original-method": "POST"}, ("POST", "/a b", "10.0.0.1")),
        ({"x-original-url": "https://host/a/b?c"}, ("GET", "/a/b", "10.0.0.1")),
        ({"x-forwarded-uri": "/a", "x-forwarded-method": "put"}, ("PUT", "/a", "10.0.0.1")),
        ({"x-forwarded-for": "1.1.1.1, 203.0.113.9"}, ("GET", "/", "203.0.113.9")),
    ],
)
def test_the_request_a_proxy_asks_about(headers, expected):
    request = forwarded_request(RULES, "10.0.0.1", headers)
    assert request == Request(*expected, headers)


def test_whoever_asks_for_another_is_believed_once():
    headers = {"x-forwarded-for": "1.1.1.1, 203.0.113.9"}
    assert forwarded_request(read_rules(""), "192.0.2.1", headers).client == "203.0.113.9"
