"""The middleware around applications: bare ones, Starlette's and FastAPI's."""

import asyncio
import json
from contextlib import asynccontextmanager

import fastapi
import http_sf
import httpx
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.responses import PlainTextResponse, StreamingResponse
from starlette.routing import Mount, Route, WebSocketRoute

from ratelimit.asgi import SCOPE_KEY, RateLimitMiddleware
from ratelimit.memory_store import MemoryStore
from ratelimit.reload import RulesFile
from ratelimit.rules_file import read_rules

NOW = 1_700_000_000_000
TWO = '[[rules]]\nname = "per-address"\nwho = "ip"\nlimit = "2 per minute"\n'


def store():
    return MemoryStore(now_ms=lambda: NOW)


async def hello(request):
    return PlainTextResponse("hello", headers={"RateLimit": "mine"} if "own" in request.query_params else None)


async def socket(websocket):
    await websocket.accept()
    await websocket.send_text("hello")
    await websocket.close()


def starlette(rules, **options):
    options.setdefault("store", store())
    limited = Middleware(RateLimitMiddleware, rules=rules, now_ms=lambda: NOW, **options)
    routes = [Route("/", hello), WebSocketRoute("/ws", socket), Mount("/sub", routes=[Route("/x", hello)])]
    return Starlette(routes=routes, middleware=[limited])


@asynccontextmanager
async def client_of(app, **options):
    transport = httpx.ASGITransport(app, **options)
    async with httpx.AsyncClient(transport=transport, base_url="http://test") as client:
        yield client


async def test_the_third_of_two_per_minute_is_denied_with_all_that_a_client_wants_to_know():
    async with client_of(starlette(read_rules(TWO))) as client:
        answers = [await client.get("/") for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert [answer.headers["ratelimit"] for answer in answers] == [
        '"per-address";r=1;t=30',
        '"per-address";r=0;t=60',
        '"per-address";r=0;t=30',
    ]
    assert {answer.headers["ratelimit-policy"] for answer in answers} == {'"per-address";q=2;w=60'}
    denied = answers[2]
    assert denied.headers["retry-after"] == "30"
    assert denied.headers["content-type"] == "application/problem+json"
    assert denied.headers["cache-control"] == "no-store"
    assert int(denied.headers["content-length"]) == len(denied.content)
    assert denied.json()["violated-policies"] == ["per-address"]
    http_sf.parse(denied.headers["ratelimit"].encode(), tltype="list")


async def test_fastapi_takes_it_by_add_middleware():
    app = fastapi.FastAPI()
    app.add_middleware(RateLimitMiddleware, rules=read_rules(TWO), store=store())

    @app.get("/items/{number}")
    async def item(number: int, request: fastapi.Request):
        return {"number": number, "left": request.scope[SCOPE_KEY].decision.remaining}

    async with client_of(app) as client:
        answers = [await client.get("/items/7") for _ in range(3)]
    assert [answer.json() for answer in answers[:2]] == [{"number": 7, "left": 1}, {"number": 7, "left": 0}]
    assert answers[2].status_code == 429


async def test_the_application_s_own_fields_stand():
    async with client_of(starlette(read_rules(TWO))) as client:
        answer = await client.get("/?own")
    assert answer.headers.get_list("ratelimit") == ["mine"]
    assert answer.headers["ratelimit-policy"] == '"per-address";q=2;w=60'


async def test_clients_behind_a_proxy_are_told_apart_and_cannot_forge_others():
    top = '[client]\ntrusted_proxies = ["10.0.0.0/8"]\n'
    async with client_of(starlette(read_rules(top + TWO)), client=("10.0.0.1", 1)) as client:
        chains = ["203.0.113.9", "1.1.1.1, 203.0.113.9", "2.2.2.2, 203.0.113.9", "203.0.113.10"]
        answers = [await client.get("/", headers={"X-Forwarded-For": chain}) for chain in chains]
    assert [answer.status_code for answer in answers] == [200, 200, 429, 200]


async def test_several_lines_of_the_field_are_one_chain():
    top = '[client]\ntrusted_proxies = ["10.0.0.0/8"]\n'
    rules = read_rules(top + TWO)
    async with client_of(starlette(rules), client=("10.0.0.1", 1)) as client:
        lines = [("X-Forwarded-For", "1.1.1.1"), ("X-Forwarded-For", "203.0.113.9")]
        await client.get("/", headers=lines)
        answer = await client.get("/", headers=[("X-Forwarded-For", "203.0.113.9")])
    assert answer.headers["ratelimit"] == '"per-address";r=0;t=60'


async def test_users_are_whom_the_application_says():
    rules = read_rules('[[rules]]\nname = "u"\nwho = "user"\nlimit = "1/h"\n')
    users = iter(["ann", "bob", "ann"])
    async with client_of(starlette(rules, user=lambda scope: next(users))) as client:
        assert [(await client.get("/")).status_code for _ in range(3)] == [200, 200, 429]


async def test_a_request_that_could_never_pass_is_a_mistake_not_a_denial():
    async with client_of(starlette(read_rules(TWO), cost=lambda scope: 3)) as client:
        answer = await client.get("/")
    assert (answer.status_code, answer.json()["detail"]) == (
        400,
        "a cost of 3 can never pass: the limit admits 2 at most",
    )


async def test_a_denied_head_has_no_body():
    rules = read_rules('[[rules]]\nname = "none"\nlimit = "0/s"\n')
    async with client_of(starlette(rules)) as client:
        answer = await client.head("/")
    assert (answer.status_code, answer.content) == (429, b"")


async def test_mounted_applications_are_limited_by_their_whole_path():
    rules = read_rules('[[rules]]\nname = "none"\nlimit = "0/s"\npath = "/sub/*"\n')
    async with client_of(starlette(rules)) as client:
        assert [(await client.get(path)).status_code for path in ("/", "/sub/x")] == [200, 429]


async def test_a_store_that_must_be_awaited():
    class Awaited(MemoryStore):
        async def hit(self, asks, now_ms=None):
            await asyncio.sleep(0)
            return MemoryStore.hit(self, asks, now_ms)

    async with client_of(starlette(read_rules(TWO), store=Awaited(now_ms=lambda: NOW))) as client:
        assert [(await client.get("/")).status_code for _ in range(3)] == [200, 200, 429]


async def test_rules_that_change_while_it_runs():
    texts, now = [TWO], [NOW]
    file = RulesFile("r", now_ms=lambda: now[0], read=lambda path: texts[-1], sign=lambda path: len(texts))
    async with client_of(starlette(file)) as client:
        before = (await client.get("/")).headers["ratelimit-policy"]
        texts.append(TWO.replace("2 per", "9 per"))
        now[0] += 1000
        after = (await client.get("/")).headers["ratelimit-policy"]
    assert (before, after) == ('"per-address";q=2;w=60', '"per-address";q=9;w=60')


async def test_without_a_rule_that_speaks_nothing_is_added():
    async with client_of(starlette(read_rules(""))) as client:
        answer = await client.get("/")
    assert not [name for name in answer.headers if "ratelimit" in name]


async def test_a_stream_is_passed_on_piece_by_piece():
    sent = []

    async def pieces():
        for piece in (b"one", b"two"):
            yield piece

    async def send(message):
        sent.append((message["type"], message.get("body")))

    app = RateLimitMiddleware(StreamingResponse(pieces()), read_rules(TWO), store())
    scope = {
        "type": "http",
        "method": "GET",
        "path": "/",
        "headers": [],
        "client": None,
        "asgi": {"spec_version": "2.4"},
    }
    await app(scope, None, send)
    bodies = [body for kind, body in sent if kind == "http.response.body"]
    assert bodies == [b"one", b"two", b""]


async def conversation(app, scope, *incoming):
    """What `app` sends while it receives `incoming`."""
    sent, messages = [], iter(incoming)

    async def receive():
        return next(messages)

    async def send(message):
        sent.append(message)

    await app(scope, receive, send)
    return sent


async def test_lifespan_passes_untouched():
    events = []

    @asynccontextmanager
    async def lifespan(app):
        events.append("up")
        yield
        events.append("down")

    app = Starlette(lifespan=lifespan, middleware=[Middleware(RateLimitMiddleware, rules=read_rules(TWO))])
    scope = {"type": "lifespan", "asgi": {"version": "3.0"}, "state": {}}
    sent = await conversation(app, scope, {"type": "lifespan.startup"}, {"type": "lifespan.shutdown"})
    assert [message["type"] for message in sent] == ["lifespan.startup.complete", "lifespan.shutdown.complete"]
    assert events == ["up", "down"]


NONE = '[[rules]]\nname = "none"\nlimit = "0/h"\n'
HANDSHAKE = {"type": "websocket", "path": "/ws", "headers": [], "client": None}
CONNECT = {"type": "websocket.connect"}


async def test_websockets_pass_unless_they_are_to_be_limited():
    sent = await conversation(starlette(read_rules(NONE)), dict(HANDSHAKE), CONNECT)
    assert [message["type"] for message in sent] == ["websocket.accept", "websocket.send", "websocket.close"]


async def test_a_limited_handshake_is_answered_with_429_where_the_server_can():
    scope = HANDSHAKE | {"extensions": {"websocket.http.response": {}}}
    start, body = await conversation(starlette(read_rules(NONE), websockets=True), scope, CONNECT)
    assert (start["type"], start["status"]) == ("websocket.http.response.start", 429)
    assert (b"retry-after", b"3600") in start["headers"]
    assert json.loads(body["body"])["violated-policies"] == ["none"]


async def test_and_closed_where_it_cannot():
    sent = await conversation(starlette(read_rules(NONE), websockets=True), dict(HANDSHAKE), CONNECT)
    assert sent == [{"type": "websocket.close", "code": 1013, "reason": "Try again later"}]


async def test_an_open_handshake_carries_the_fields():
    accept, *_ = await conversation(starlette(read_rules(TWO), websockets=True), dict(HANDSHAKE), CONNECT)
    assert (b"ratelimit", b'"per-address";r=1;t=30') in accept["headers"]
