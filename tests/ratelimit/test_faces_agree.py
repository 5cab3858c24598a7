"""The same rules behind every door, over memory or miniredis: the same trace is admitted and denied alike."""

import asyncio
from collections import deque
from contextlib import AsyncExitStack, asynccontextmanager
from random import Random

import aiohttp
import httpx
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from ratelimit.asgi import RateLimitMiddleware
from ratelimit.failing import GuardedStore
from ratelimit.memory_store import MemoryStore
from ratelimit.options import OPTIONS
from ratelimit.questions import request_of
from ratelimit.redis_link import RedisLink
from ratelimit.redis_store import RedisStore
from ratelimit.reload import RulesFile
from ratelimit.rules_file import read_rules
from ratelimit.server import Server
from ratelimit.wsgi import RateLimitMiddleware as WsgiMiddleware
from serving.background import Background
from serving.config import Given
from tests.miniredis.live_server import live_server
from tests.ratelimit.test_wsgi import call, hello

RULES = """
[client]
trusted_proxies = ["127.0.0.1", "10.0.0.0/8"]

[allow]
path = "/health"

[[rules]]
name = "address"
who = "ip"
limit = ["4/s", "20 per minute burst 9"]
ipv4_prefix = 24
  [[rules.routes]]
  path = "/search"
  cost = 2
  [[rules.routes]]
  path = "/login"
  limit = "3 per minute"
  algorithm = "sliding_window_log"

[[rules]]
name = "key"
who = "api_key"
path = "/api/**"
limit = "7 per 10 seconds"
algorithm = "sliding_window_counter"

[[rules]]
name = "tried"
limit = "5/s"
algorithm = "fixed_window"
shadow = true
"""
PATHS = ("/", "/search", "/login", "/api/x", "/health")
START = 1_700_000_000_000


def trace(seed, length=250):
    """Requests as (ms, path, address, API key or "")."""
    random, now = Random(seed), START
    for _ in range(length):
        now += random.choice((0, 1, 40, 250, 900))
        yield (
            now,
            random.choice(PATHS),
            f"203.0.{random.randrange(2)}.{random.randrange(9)}",
            random.choice(("", "k", "l")),
        )


class Turned:
    """A clock that the trace turns."""

    now_ms = START

    def __call__(self):
        return self.now_ms


def headers_of(address, key):
    return {"x-forwarded-for": address} | ({"x-api-key": key} if key else {})


async def by_python(stack, store, clock):
    rules = read_rules(RULES)

    async def ask(path, address, key):
        request = request_of(rules, "GET", path, "127.0.0.1", headers_of(address, key), None)
        if isinstance(store, MemoryStore):
            verdict = rules.check(request, store)
        else:
            verdict = await rules.check_async(request, store)
        return 200 if verdict.allowed else 429, {
            name.decode(): value.decode() for name, value in rules.fields(verdict, clock)
        }

    return ask


async def by_asgi(stack, store, clock):
    async def answer(request):
        return PlainTextResponse("")

    limited = Middleware(RateLimitMiddleware, rules=read_rules(RULES), store=store, now_ms=clock)
    app = Starlette(routes=[Route(path, answer) for path in PATHS], middleware=[limited])
    transport = httpx.ASGITransport(app)
    client = await stack.enter_async_context(httpx.AsyncClient(transport=transport, base_url="http://test"))

    async def ask(path, address, key):
        answer = await client.get(path, headers=headers_of(address, key))
        return answer.status_code, answer.headers

    return ask


async def by_wsgi(stack, store, clock):
    app = WsgiMiddleware(hello, read_rules(RULES), store, now_ms=clock)

    async def ask(path, address, key):
        fields = {"HTTP_X_FORWARDED_FOR": address} | ({"HTTP_X_API_KEY": key} if key else {})
        status, headers, _ = call(Closing(app), path, REMOTE_ADDR="127.0.0.1", **fields)
        return int(status[:3]), headers

    return ask


class Closing:
    """A WSGI application whose body has the `close` that the caller calls."""

    def __init__(self, app):
        self.app = app

    def __call__(self, environ, start_response):
        return Body(self.app(environ, start_response))


class Body(deque):
    def close(self):
        pass


@asynccontextmanager
async def service(store, clock):
    background = Background()
    file = RulesFile("r", now_ms=clock, read=lambda path: RULES, sign=lambda path: 0)
    server = Server(OPTIONS.load([Given("port", ["0"], "test")]), file, store, background, clock)
    await server.start()
    try:
        async with aiohttp.ClientSession(f"http://127.0.0.1:{server.addresses()[0][1]}") as client:
            yield client
    finally:
        await server.stop()
        await background.stop()


async def by_check(stack, store, clock):
    client = await stack.enter_async_context(service(store, clock))

    async def ask(path, address, key):
        question = {"path": path, "ip": "127.0.0.1", "headers": headers_of(address, key)}
        async with client.post("/check", json=question) as answer:
            return answer.status, answer.headers

    return ask


async def by_auth(stack, store, clock):
    client = await stack.enter_async_context(service(store, clock))

    async def ask(path, address, key):
        async with client.get("/auth", headers={"x-original-uri": path, **headers_of(address, key)}) as answer:
            return answer.status, answer.headers

    return ask


FIELDS = ("ratelimit", "ratelimit-policy", "retry-after")


async def answers(face, store, clock, seed):
    """Status and fields of each request of the trace."""
    said = []
    async with AsyncExitStack() as stack, asyncio.timeout(60):
        ask = await face(stack, store, clock)
        for clock.now_ms, path, address, key in trace(seed):
            status, headers = await ask(path, address, key)
            said.append((status, *(headers.get(name) for name in FIELDS)))
    return said


async def test_every_face_and_store_admits_the_same():
    clock = Turned()
    expected = await answers(by_python, MemoryStore(now_ms=clock), clock, 7)
    statuses = [status for status, *_ in expected]
    assert 60 < statuses.count(429) < 190
    for face in (by_asgi, by_wsgi, by_check, by_auth):
        assert await answers(face, MemoryStore(now_ms=clock), clock, 7) == expected, face.__name__
    async with live_server() as live:
        for number, face in enumerate((by_python, by_asgi, by_check, by_auth)):
            link = RedisLink(f"redis://127.0.0.1:{live.port}/{number}", timeout_ms=20_000)
            store = GuardedStore(RedisStore(link, now_ms=clock), timeout_ms=None, on_failure="closed")
            assert await answers(face, store, clock, 7) == expected, face.__name__
            await link.close()
