"""Rules as TOML: what is read, and what is said of mistakes."""

import pytest

from ratelimit.limit import Limit
from ratelimit.rules_file import RulesError, lines_of, read_rules

GOOD = """
[client]
trusted_proxies = ["10.0.0.0/8", "127.0.0.1"]
user_header = "X-User"

[defaults]
algorithm = "token_bucket"
on_failure = "closed"

[headers]
legacy = "x-ratelimit"

[allow]
ip = "192.0.2.1"
path = "/health"

[[rules]]
name = "per-address"
who = "ip"
limit = ["10/s", {limit = "1000 per hour", algorithm = "fixed_window", name = "hourly"}]
ipv6_prefix = 56

  [[rules.routes]]
  path = "/search/**"
  limit = "1/s"
  burst = 3

  [[rules.routes]]
  path = "/upload"
  method = "post"
  cost = 5

[[rules]]
name = "sign-in"
who = ["header:X-Tenant", "ip"]
path = "/login"
method = ["POST"]
limit = "5 per 15 minutes"
algorithm = "sliding_window_log"
log_denied = true
shadow = true
on_failure = "open"
absent = "skip"
"""


def errors_of(content):
    with pytest.raises(RulesError) as error:
        read_rules(content)
    return error.value.errors


def test_a_file_with_everything_is_read():
    rules = read_rules(GOOD)
    address, sign_in = rules.rules
    assert [(policy.name, policy.limit) for policy in address.policies] == [
        ("per-address.1", Limit(10, 1000, algorithm="token_bucket")),
        ("hourly", Limit(1000, 3_600_000, algorithm="fixed_window")),
    ]
    search, upload = address.routes
    assert [(policy.name, policy.limit) for policy in search.policies] == [
        ("per-address.search-**", Limit(1, 1000, 3, algorithm="token_bucket"))
    ]
    assert (upload.cost, upload.policies, sorted(upload.where.methods)) == (5, (), ["POST"])
    assert (address.on_failure, address.shadow, address.who.prefixes.ipv6) == ("closed", False, 56)
    assert (sign_in.who.names, sign_in.who.absent) == (("header:x-tenant", "ip"), "skip")
    assert sign_in.policies[0].limit == Limit(5, 900_000, algorithm="sliding_window_log", log_denied=True)
    assert (sign_in.shadow, sign_in.on_failure) == (True, "open")
    assert (rules.headers.when, rules.headers.legacy) == ("always", "x-ratelimit")
    assert [network.text for network in rules.proxies.trusted] == ["10.0.0.0/8", "127.0.0.1/32"]
    assert rules.reads == {"x-forwarded-for", "x-tenant"}
    assert [network.text for network in rules.allow.networks] == ["192.0.2.1/32"]


def test_an_empty_file_has_no_rules():
    assert read_rules("").rules == ()


def test_every_mistake_is_told_at_once_with_its_line_and_what_was_meant():
    assert errors_of("""[client]
trusted_proxies = ["10.0.0.1/8"]
forwarded = "x-forwarded-four"

[[rules]]
name = "per address"
limt = "3 per minute"

[[rules]]
name = "api"
who = ["ip", "usr"]
limit = "lots"
cost = 0
shadow = "yes"

  [[rules.routes]]
  path = "search"
  limit = "1/s"

[[rules]]
name = "api"
limit = ["10/s", "10 per second", "2/day"]
cost = 3
[ruls]
""") == [
        "rules.toml, line 2: client.trusted_proxies: '10.0.0.1/8' has bits beyond its prefix; do you mean 10.0.0.0/8?",
        "rules.toml, line 3: client.forwarded: expected one of none, x-forwarded-for, forwarded, not 'x-forwarded-four'"
        "; do you mean x-forwarded-for?",
        "rules.toml, line 5: rules.per address: has no limit",
        "rules.toml, line 6: rules.per address.name: expected 1 to 64 letters, digits and any of _.*-, not 'per address'",
        "rules.toml, line 7: rules.per address.limt: unknown; do you mean limit?",
        "rules.toml, line 11: rules.api.who: expected ip, user, api_key, method, path or header:NAME, not 'usr'"
        "; do you mean user?",
        "rules.toml, line 12: rules.api.limit: 'lots' is not a limit: write `3 per minute`, `10/s`,"
        " `100 per 15 minutes burst 20`",
        "rules.toml, line 13: rules.api.cost: expected 1 to 1000000, not 0",
        "rules.toml, line 14: rules.api.shadow: expected true or false, not 'yes'",
        "rules.toml, line 17: rules.api.routes.1.path: a path begins with a slash, 'search' does not",
        "rules.toml, line 21: rules.api.name: the name 'api' is taken; give another one",
        "rules.toml, line 22: rules.api.limit.2: 10 per second stands here twice",
        "rules.toml, line 23: rules.api.cost: 3 can never pass: api.3 admits 2 at most",
        "rules.toml, line 24: ruls: unknown; do you mean rules?",
    ]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("rules = 3", "rules.toml, line 1: rules: expected tables, [[rules]]"),
        ("trusted_proxies = []", "rules.toml, line 1: trusted_proxies: unknown; it belongs in [client]"),
        ("[client]\nabsent = 1", "rules.toml, line 2: client.absent: unknown; it belongs in [[rules]] or [defaults]"),
        ("rules = [3]", "rules.toml, line 1: rules.1: expected a table, not 3"),
        ("client = []", "rules.toml, line 1: client: expected a table, not a list"),
        ('[[rules]]\nname = "a"\nlimit = []', "rules.toml, line 3: rules.a.limit: is empty"),
        ('[[rules]]\nname = "a"\nlimit = 10', "rules.toml, line 3: rules.a.limit.limit: expected text, not 10"),
        ('[[rules]]\nname = "a"\nlimit = [{burst = 2}]', "rules.toml, line 3: rules.a.limit: has no limit"),
        (
            '[[rules]]\nname = "a"\nlimit = "1/s"\nburst = 2\nalgorithm = "fixed_window"',
            "rules.toml, line 3: rules.a.limit: fixed_window has no burst",
        ),
        (
            '[[rules]]\nname = "a"\nlimit = "1/s burst 3"\nburst = 2',
            "rules.toml, line 3: rules.a.limit: '1/s burst 3' has a burst, and `burst` is given as well",
        ),
        (
            '[[rules]]\nname = "a"\nlimit = "1/s"\n[[rules.routes]]\npath = "/x"',
            "rules.toml, line 4: rules.a.routes.1: changes nothing: give it a limit, a cost, or exempt = true",
        ),
        (
            '[[rules]]\nname = "a"\nlimit = "1/s"\n[[rules.routes]]\ncost = 1',
            "rules.toml, line 4: rules.a.routes.1: has neither path nor method: it would match everywhere",
        ),
        (
            '[[rules]]\nname = "a"\nlimit = "2/s"\n[[rules.routes]]\npath = "/x"\ncost = 3',
            "rules.toml, line 6: rules.a.routes.1.cost: 3 can never pass: a admits 2 at most",
        ),
        ('[[rules]]\nname = "a"\nlimit = "2/s"\n[rules.allow]\nip = "me"',
         "rules.toml, line 5: rules.a.allow.ip: 'me' is not an address or a network"),
    ],
)  # fmt: skip
def test_a_mistake_has_a_clear_line(content, message):
    assert errors_of(content) == [message]


def test_what_is_not_toml_is_said_with_its_place():
    (message,) = errors_of("[[rules]\n")
    assert message.startswith("rules.toml: ")
    assert "line 1" in message


def test_places_are_found_by_how_lines_begin():
    assert lines_of('a = 1\n[b]\n"c d".e = 2\n[[f]]\ng = 3\n [[f.h]]\n i = 4\n[[f]]\n[f.j]\nk = 1') == {
        ("a",): 1,
        ("b",): 2,
        ("b", "c d"): 3,
        ("b", "c d", "e"): 3,
        ("f", 0): 4,
        ("f", 0, "g"): 5,
        ("f", 0, "h", 0): 6,
        ("f", 0, "h", 0, "i"): 7,
        ("f", 1): 8,
        ("f", 1, "j"): 9,
        ("f", 1, "j", "k"): 10,
    }
