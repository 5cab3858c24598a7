"""From a request to a verdict: who is counted, where, how much, and by all rules together."""

import asyncio

import pytest

from ratelimit.decision import Ask, CostTooHigh, Decision
from ratelimit.failing import SyncGuardedStore
from ratelimit.limit import Limit
from ratelimit.memory_store import MemoryStore
from ratelimit.rules import PASS, Request, Verdict, Where, hashed, normal_path, short
from ratelimit.rules_file import read_rules

NOW = 1_700_000_000_000


def rules_of(*tables, top=""):
    """A rule for each text; names are r1, r2 ... where the text has none."""
    named = [text if "name =" in text else f'name = "r{number}"\n{text}' for number, text in enumerate(tables, 1)]
    return read_rules(top + "".join(f"\n[[rules]]\n{text}\n" for text in named))


def request(path="/", method="GET", client="203.0.113.9", user=None, **headers):
    return Request(method, path, client, {name.replace("_", "-"): value for name, value in headers.items()}, user)


def keys(rules, *args, **kwargs):
    return [ask.key for ask in rules.asks(request(*args, **kwargs)).asks]


def store():
    return MemoryStore(now_ms=lambda: NOW)


@pytest.mark.parametrize(
    ("who", "key"),
    [
        ('"ip"', "{ip=203.0.113.9}:r1"),
        ('"user"', "{user=ann}:r1"),
        ('"api_key"', f"{{api_key={hashed('secret')}}}:r1"),
        ('"method"', "{method=GET}:r1"),
        ('"path"', "{path=/a/b}:r1"),
        ('"header:X-Tenant"', "{header:x-tenant=a%26b}:r1"),
        ('["header:X-Tenant", "user"]', "{header:x-tenant=a%26b&user=ann}:r1"),
        ("[]", "{everyone}:r1"),
    ],
)
def test_whom_a_rule_counts(who, key):
    rules = rules_of(f'who = {who}\nlimit = "3 per minute"')
    one = request("/a//b/?q=1", user="ann", x_api_key="secret", x_tenant="a&b")
    assert rules.asks(one).asks == [Ask(Limit(3, 60_000), key, 1)]
    assert [ask.key for _, ask in rules.asks_about(key[1:].partition("}")[0])] == [key]


def test_who_has_no_api_key_is_counted_by_address_unless_the_rule_says_otherwise():
    text = 'who = "api_key"\nlimit = "3 per minute"\n'
    assert keys(rules_of(text)) == ["{ip=203.0.113.9}:r1"]
    assert keys(rules_of(text + 'absent = "skip"')) == []
    assert keys(rules_of(text + 'absent = "together"')) == ["{api_key=}:r1"]


def test_a_user_may_be_named_by_a_gateway_s_header_where_the_file_says_so():
    rules = rules_of('who = "user"\nlimit = "3/s"', top='[client]\nuser_header = "X-User"\n')
    assert keys(rules, x_user="ann") == ["{user=ann}:r1"]
    assert keys(rules_of('who = "user"\nlimit = "3/s"'), x_user="ann") == ["{ip=203.0.113.9}:r1"]


def test_no_key_is_longer_than_callers_may_make_it():
    rules = rules_of('who = "header:x"\nlimit = "3/s"')
    (key,) = keys(rules, x="y" * 10_000)
    assert len(key) < 60
    assert short("~" + hashed("y" * 100)) != short("y" * 100)


def test_a_rule_speaks_about_its_paths_and_methods_alone():
    rules = rules_of('who = "ip"\nlimit = "5/h"\npath = ["/login", "/api/**"]\nmethod = ["get", "POST"]')
    spoken = [
        (method, path)
        for method in ("GET", "HEAD", "POST", "DELETE")
        for path in ("/login", "//login/", "/x/../login", "/loginx", "/api", "/api/a/b", "/apis", "/")
        if rules.asks(request(path, method)).asks
    ]
    paths = ["/login", "//login/", "/x/../login", "/api", "/api/a/b"]
    assert spoken == [(method, path) for method in ("GET", "HEAD", "POST") for path in paths]


@pytest.mark.parametrize(
    ("pattern", "matching", "not_matching"),
    [
        ("/", ["/"], ["/a"]),
        ("/users/{id}/posts", ["/users/7/posts"], ["/users/posts", "/users/7/8/posts"]),
        ("/files/*.txt", ["/files/a.txt"], ["/files/atxt", "/files/a/b.txt"]),
        ("**/admin", ["/admin", "/x/y/admin"], ["/admin/x"]),
        ("/a/**/z", ["/a/z", "/a/b/c/z"], ["/a", "/az"]),
        ("/**", ["/", "/a"], []),
        ("/a/", ["/a"], ["/a/b"]),
    ],
)
def test_paths_with_stars(pattern, matching, not_matching):
    where = Where([pattern])
    assert [path for path in matching + not_matching if where.matches("GET", path)] == matching


def test_a_path_is_compared_as_servers_route_it():
    paths = ("", "/", "//", "/a/", "/a//b", "/a/./b", "/a/../b", "/..", "/a?x=//", "/.well-known")
    assert [normal_path(path) for path in paths] == [
        "/",
        "/",
        "/",
        "/a",
        "/a/b",
        "/a/b",
        "/b",
        "/",
        "/a",
        "/.well-known",
    ]


def test_a_route_has_a_limit_of_its_own_a_cost_of_its_own_or_none():
    rules = rules_of("""who = "ip"
limit = "10/s"
[[rules.routes]]
path = "/search"
limit = "1/s"
[[rules.routes]]
path = "/upload"
cost = 5
[[rules.routes]]
path = "/health"
exempt = true""")
    asked = {path: rules.asks(request(path)).asks for path in ("/", "/search", "/upload", "/health")}
    assert asked == {
        "/": [Ask(Limit(10, 1000), "{ip=203.0.113.9}:r1", 1)],
        "/search": [Ask(Limit(1, 1000), "{ip=203.0.113.9}:r1.search", 1)],
        "/upload": [Ask(Limit(10, 1000), "{ip=203.0.113.9}:r1", 5)],
        "/health": [],
    }


def test_the_allowed_are_not_limited():
    top = '[allow]\nip = ["192.0.2.0/24", "2001:db8::/32"]\nuser = "root"\napi_key = "k"\npath = "/health"\n'
    rules = rules_of('who = "ip"\nlimit = "0/s"\n[rules.allow]\nmethod = "OPTIONS"', top=top)
    passing = [
        request(client="192.0.2.77"),
        request(client="192.0.2.77"),
        request(client="::ffff:192.0.2.77"),
        request(client="2001:db8::1"),
        request(user="root"),
        request(x_api_key="k"),
        request("/health/"),
        request(method="OPTIONS"),
    ]
    assert [rules.check(one, store()) for one in passing] == [PASS] * len(passing)
    assert not rules.check(request(user="ann", x_api_key="l"), store()).allowed


def test_the_strictest_decides_and_a_denial_consumes_nothing():
    rules = rules_of('who = "ip"\nlimit = ["3/s", "4/h"]', 'limit = "2/day"')
    asked = store()
    verdicts = [rules.check(request(), asked) for _ in range(3)]
    assert [verdict.allowed for verdict in verdicts] == [True, True, False]
    assert [verdict.policy.name for verdict in verdicts] == ["r2", "r2", "r2"]
    assert verdicts[0].decision == Decision(True, 1, 0, 43_200_000)
    assert verdicts[2].violated == ["r2"]
    left = [(policy.name, decision.remaining) for policy, decision in verdicts[2].parts]
    assert left == [("r1.1", 1), ("r1.2", 2), ("r2", 0)]


def test_of_two_denials_the_longer_wait_is_told():
    rules = rules_of('limit = ["0/s", "0/h"]')
    verdict = rules.check(request(), store())
    assert (verdict.policy.name, verdict.violated) == ("r1.2", ["r1.1", "r1.2"])


def test_a_shadow_rule_counts_what_passed_and_denies_nobody():
    rules = rules_of('who = "ip"\nlimit = "3/h"', 'who = "ip"\nlimit = "1/h"\nshadow = true')
    asked = store()
    verdicts = [rules.check(request(), asked) for _ in range(4)]
    assert [verdict.allowed for verdict in verdicts] == [True, True, True, False]
    assert [[decision.allowed for _, decision in verdict.shadows] for verdict in verdicts] == [
        [True],
        [False],
        [False],
        [],
    ]
    assert [policy.name for policy, _ in verdicts[0].parts] == ["r1"]


def test_a_request_may_cost_more():
    rules = rules_of('limit = "10/h"\ncost = 2')
    assert rules.check(request(), store(), cost=3).decision.remaining == 4
    with pytest.raises(CostTooHigh):
        rules.check(request(), store(), cost=6)


def test_each_rule_says_what_a_hit_is_worth_when_the_store_does_not_answer():
    class Dead:
        def hit(self, asks, now_ms=None):
            raise ConnectionError

    texts = [f'limit = "1/h"\non_failure = "{mode}"' for mode in ("open", "local", "closed")]
    verdicts = []
    for chosen in (texts[:1], texts[:2], texts):
        guarded = SyncGuardedStore(Dead(), now_ms=lambda: NOW)
        rules = rules_of(*chosen)
        verdicts.append([rules.check(request(), guarded) for _ in range(2)])
    assert [[verdict.allowed for verdict in pair] for pair in verdicts] == [[True, True], [True, False], [False, False]]
    assert [[verdict.blind for verdict in pair] for pair in verdicts] == [[True, True], [False, False], [True, True]]
    assert verdicts[2][0].violated == ["r3"]


def test_the_same_over_a_store_that_must_be_awaited():
    rules = rules_of('limit = "1/h"', 'limit = "1/h"\nshadow = true')

    class Awaited:
        def __init__(self):
            self.store = store()

        async def hit(self, asks):
            return self.store.hit(asks)

    asked, awaited = store(), Awaited()
    for _ in range(2):
        assert asyncio.run(rules.check_async(request(), awaited)) == rules.check(request(), asked)


def test_a_queue_tells_how_long_to_wait_for_one_s_turn():
    rules = rules_of('limit = "10/s"\nalgorithm = "leaking_bucket"\nqueue = true')
    asked = store()
    assert [rules.check(request(), asked).delay_ms for _ in range(3)] == [0, 100, 200]
    assert Verdict(True).delay_ms == 0


def test_what_is_remembered_of_paths_is_bounded():
    rules = rules_of('limit = "1/s"')
    for number in range(20_000):
        rules.asks(request(f"/{number}"))
    assert len(rules._rows) <= 8192
    rules.asks(request("/" + "x" * 300))
    assert max(len(path) for _, path in rules._rows) < 300


def test_the_fields_of_a_verdict():
    rules = rules_of('who = "ip"\nlimit = ["3/s", "5/h"]')
    verdict = rules.check(request(), store())
    assert rules.fields(verdict, lambda: NOW) == [
        (b"ratelimit-policy", b'"r1.1";q=3;w=1, "r1.2";q=5;w=3600'),
        (b"ratelimit", b'"r1.1";r=2;t=1, "r1.2";r=4;t=720'),
    ]
    assert rules.fields(PASS, lambda: NOW) == []
