"""The middleware around WSGI applications, checked by the standard library's validator."""

from wsgiref.util import setup_testing_defaults
from wsgiref.validate import validator

from ratelimit.memory_store import MemoryStore
from ratelimit.rules_file import read_rules
from ratelimit.wsgi import ENVIRON_KEY, RateLimitMiddleware

NOW = 1_700_000_000_000
TWO = '[[rules]]\nname = "per-address"\nwho = "ip"\nlimit = "2 per minute"\n'


def hello(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"hello" if environ[ENVIRON_KEY].allowed else b""]


def limited(rules, app=hello, **options):
    store = MemoryStore(now_ms=lambda: NOW)
    return validator(RateLimitMiddleware(validator(app), read_rules(rules), store, now_ms=lambda: NOW, **options))


def call(app, path="/", method="GET", **environ):
    own = {"PATH_INFO": path, "REQUEST_METHOD": method, "REMOTE_ADDR": "203.0.113.9"}
    environ = {"SCRIPT_NAME": "", "QUERY_STRING": "", **own, **environ}
    setup_testing_defaults(environ)
    heard = []

    def start_response(status, headers, exc_info=None):
        heard.append((status, dict(headers)))
        return lambda data: None

    body = app(environ, start_response)
    content = b"".join(body)
    body.close()
    (status, headers), = heard  # fmt: skip
    return status, headers, content


def test_the_third_of_two_per_minute_is_denied():
    app = limited(TWO)
    answers = [call(app) for _ in range(3)]
    assert [status for status, _, _ in answers] == ["200 OK", "200 OK", "429 Too Many Requests"]
    assert answers[0][1] == {
        "Content-Type": "text/plain",
        "ratelimit-policy": '"per-address";q=2;w=60',
        "ratelimit": '"per-address";r=1;t=30',
    }
    assert answers[2][1]["retry-after"] == "30"
    assert b'"violated-policies":["per-address"]' in answers[2][2]


def test_a_denied_head_has_no_body():
    assert call(limited('[[rules]]\nname = "none"\nlimit = "0/s"\n'), method="HEAD")[2] == b""


def test_the_whole_path_counts_and_is_utf_8():
    app = limited('[[rules]]\nname = "none"\nlimit = "0/s"\npath = "/app/größe"\n')
    path = "/größe".encode().decode("latin-1")
    assert call(app, path, SCRIPT_NAME="/app")[0] == "429 Too Many Requests"


def test_proxies_are_seen_through():
    app = limited('[client]\ntrusted_proxies = ["203.0.113.0/24"]\n' + TWO)
    statuses = [
        call(app, HTTP_X_FORWARDED_FOR=chain)[0][:3] for chain in ("1.1.1.1", "9.9.9.9, 1.1.1.1", "1.1.1.1", "2.2.2.2")
    ]
    assert statuses == ["200", "200", "429", "200"]


def test_users_and_costs_are_what_the_application_says():
    app = limited(
        '[[rules]]\nname = "u"\nwho = "user"\nlimit = "3/h"\n',
        user=lambda environ: environ["HTTP_X_WHO"],
        cost=lambda environ: int(environ["HTTP_X_COST"]),
    )
    asked = [("ann", "2"), ("bob", "3"), ("ann", "2"), ("eve", "4")]
    assert [call(app, HTTP_X_WHO=who, HTTP_X_COST=cost)[0][:3] for who, cost in asked] == ["200", "200", "429", "400"]


def test_a_queue_s_turn_is_waited_for():
    slept = []
    app = limited(
        '[[rules]]\nname = "q"\nlimit = "10/s"\nalgorithm = "leaking_bucket"\nqueue = true\n', sleep=slept.append
    )
    for _ in range(3):
        call(app)
    assert slept == [0.1, 0.2]
