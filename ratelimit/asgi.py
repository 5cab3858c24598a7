"""The rules as ASGI middleware: before the application a decision, on its response the fields.

    app = Starlette(middleware=[Middleware(RateLimitMiddleware, rules="rules.toml")])
    app.add_middleware(RateLimitMiddleware, rules="rules.toml")                           FastAPI

    request ──> asks of the rules ──> store.hit ──> allowed: the application, its response with RateLimit fields
                                                └──> denied: 429, problem+json; the application does not hear of it

With a store in the process nothing is awaited on the way and no lock is waited for; with one in Redis the request waits
for one round trip.  Several workers with a store each admit as many times as much: let them share a Redis.

Lifespan events pass untouched.  A WebSocket passes too, unless `websockets` is set: then its handshake counts as a
request, and is answered with 429 where the server can, else by closing.  What was decided stands in the scope, under
SCOPE_KEY, for the application to look at.

Source: ASGI specification 3.0, HTTP & WebSocket message format, "WebSocket Denial Response".
"""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, cast

from ratelimit.circuit_breaker import CircuitBreaker
from ratelimit.decision import CostTooHigh
from ratelimit.failing import GuardedStore
from ratelimit.headers import added
from ratelimit.limiter import AsyncStore, Store
from ratelimit.memory_store import MemoryStore
from ratelimit.problem import Denial, answer, denial, never
from ratelimit.reload import RulesFile
from ratelimit.rules import Request, RuleSet
from serving.clock import steady_ms

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

SCOPE_KEY = "mini.ratelimit"
"""The Verdict stands in the scope under this name."""

DENIAL_EXTENSION = "websocket.http.response"


class RateLimitMiddleware:
    """An ASGI application around another.

    rules        a path, a RulesFile, or a RuleSet; what comes from a file is followed when it changes
    store        where states are; None: a MemoryStore of its own.  One that must be awaited (RedisStore) is guarded here
                 unless it is a GuardedStore already
    user         who has signed in, read from the scope: for rules by user
    cost         what a request costs, read from the scope, times the rules' own cost
    websockets   whether handshakes count as requests
    now_ms       the wall clock, for legacy fields alone
    """

    def __init__(
        self,
        app: App,
        rules: str | RulesFile | RuleSet,
        store: Store | AsyncStore | None = None,
        *,
        user: Callable[[Scope], str | None] | None = None,
        cost: Callable[[Scope], int] | None = None,
        websockets: bool = False,
        now_ms: Callable[[], int] = steady_ms,
    ) -> None:
        """Raises RulesError, OSError."""
        self.app = app
        store = MemoryStore() if store is None else store
        self._awaits = inspect.iscoroutinefunction(store.hit)
        if self._awaits and not isinstance(store, GuardedStore):
            store = GuardedStore(cast(AsyncStore, store), breaker=CircuitBreaker())
        self.store = store
        self._rules = rules if isinstance(rules, RuleSet) else None
        self._file = RulesFile(rules) if isinstance(rules, str) else rules if isinstance(rules, RulesFile) else None
        if self._file is not None and isinstance(store, MemoryStore):
            self._file.keep_small(store)
        self._user, self._cost, self._now_ms = user, cost, now_ms
        self._limited = frozenset({"http", "websocket"} if websockets else {"http"})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] not in self._limited:
            await self.app(scope, receive, send)
            return
        rules = self._rules or cast(RulesFile, self._file).current()
        request = request_of(rules, scope, None if self._user is None else self._user(scope))
        cost = 1 if self._cost is None else self._cost(scope)
        try:
            if self._awaits:
                verdict = await rules.check_async(request, cast(AsyncStore, self.store), cost)
            else:
                verdict = rules.check(request, cast(Store, self.store), cost)
        except CostTooHigh as error:
            await deny(answer(never(str(error))), scope, receive, send)
            return
        scope[SCOPE_KEY] = verdict
        if not verdict.allowed:
            await deny(denial(rules, verdict, self._now_ms), scope, receive, send)
            return
        if verdict.delay_ms:
            await asyncio.sleep(verdict.delay_ms / 1000)
        fields = rules.fields(verdict, self._now_ms)
        if not fields:
            await self.app(scope, receive, send)
            return

        def send_with_fields(message: Message) -> Awaitable[None]:
            if message["type"] in ("http.response.start", "websocket.accept"):
                message = {**message, "headers": added(message.get("headers", ()), fields)}
            return send(message)

        await self.app(scope, receive, send_with_fields)


async def deny(response: Denial, scope: Scope, receive: Receive, send: Send) -> None:
    """Answer in the application's stead."""
    status, fields, body = response
    prefix = ""
    if scope["type"] == "websocket":
        await receive()  # websocket.connect
        if DENIAL_EXTENSION not in scope.get("extensions", {}):
            await send({"type": "websocket.close", "code": 1013, "reason": "Try again later"})
            return
        prefix = "websocket."
    elif scope["method"] == "HEAD":
        body = b""
    await send({"type": f"{prefix}http.response.start", "status": status, "headers": fields})
    await send({"type": f"{prefix}http.response.body", "body": body})


def request_of(rules: RuleSet, scope: Scope, user: str | None = None) -> Request:
    """What the rules look at, and no header more."""
    client = scope.get("client")
    peer = client[0] if client else ""
    method = scope.get("method", "GET")  # a handshake is a GET, and has no method in its scope
    if not (reads := rules.reads_raw):
        return Request(method, scope["path"], peer, {}, user)
    headers: dict[str, str] = {}
    for name, value in scope["headers"]:
        if (known := reads.get(name)) is not None:
            text = value.decode("latin-1")
            headers[known] = f"{headers[known]}, {text}" if known in headers else text
    if rules.proxies.trusted:
        peer = rules.proxies.client(peer, headers.get(rules.proxies.field, ""))
    return Request(method, scope["path"], peer, headers, user)
