"""The rules as WSGI middleware, for Flask, Django and what else runs in threads.

    app.wsgi_app = RateLimitMiddleware(app.wsgi_app, "rules.toml")

The same decisions as asgi.py, over a store that answers at once: in the process, where threads share it, or in Redis by
redis-py (`SyncRedisStore`).  Processes beside each other (gunicorn's workers) each count for themselves unless they share
a Redis.

Source: PEP 3333.  Text in the environment is latin-1 in disguise; the path is decoded as UTF-8 here.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from http import HTTPStatus
from typing import Any

from ratelimit.circuit_breaker import CircuitBreaker
from ratelimit.decision import CostTooHigh
from ratelimit.failing import SyncGuardedStore
from ratelimit.headers import Field
from ratelimit.limiter import Store
from ratelimit.memory_store import MemoryStore
from ratelimit.problem import Denial, answer, denial, never
from ratelimit.reload import RulesFile
from ratelimit.rules import Request, RuleSet
from serving.clock import steady_ms

Environ = dict[str, Any]
StartResponse = Callable[..., Any]
App = Callable[[Environ, StartResponse], Iterable[bytes]]

ENVIRON_KEY = "mini.ratelimit"
"""The Verdict stands in the environment under this name."""


class RateLimitMiddleware:
    """A WSGI application around another.

    rules    a path, a RulesFile, or a RuleSet; what comes from a file is followed when it changes
    store    where states are; None: a MemoryStore of its own.  Any other (SyncRedisStore) is guarded here unless it is
             a SyncGuardedStore already
    user     who has signed in, read from the environment; cost: what the request costs
    sleep    how a queue's turn is waited for: seconds to nothing
    """

    def __init__(
        self,
        app: App,
        rules: str | RulesFile | RuleSet,
        store: Store | None = None,
        *,
        user: Callable[[Environ], str | None] | None = None,
        cost: Callable[[Environ], int] | None = None,
        now_ms: Callable[[], int] = steady_ms,
        sleep: Callable[[float], object] = time.sleep,
    ) -> None:
        """Raises RulesError, OSError."""
        self.app = app
        store = MemoryStore() if store is None else store
        if not isinstance(store, MemoryStore | SyncGuardedStore):
            store = SyncGuardedStore(store, breaker=CircuitBreaker())
        self.store: Store = store
        self._source = RulesFile(rules) if isinstance(rules, str) else rules
        if isinstance(self._source, RulesFile) and isinstance(store, MemoryStore):
            self._source.keep_small(store)
        self._user, self._cost, self._now_ms, self._sleep = user, cost, now_ms, sleep

    def __call__(self, environ: Environ, start_response: StartResponse) -> Iterable[bytes]:
        rules = self._source if isinstance(self._source, RuleSet) else self._source.current()
        request = request_of(rules, environ, None if self._user is None else self._user(environ))
        try:
            verdict = rules.check(request, self.store, 1 if self._cost is None else self._cost(environ))
        except CostTooHigh as error:
            return deny(answer(never(str(error))), request, start_response)
        environ[ENVIRON_KEY] = verdict
        if not verdict.allowed:
            return deny(denial(rules, verdict, self._now_ms), request, start_response)
        if verdict.delay_ms:
            self._sleep(verdict.delay_ms / 1000)
        ours = [*map(_as_text, rules.fields(verdict, self._now_ms))]

        def start_with_fields(status: str, headers: list[tuple[str, str]], *rest: Any) -> Any:
            theirs = {name.lower() for name, _ in headers}
            return start_response(status, [*headers, *[field for field in ours if field[0] not in theirs]], *rest)

        return self.app(environ, start_with_fields)


def deny(response: Denial, request: Request, start_response: StartResponse) -> Iterable[bytes]:
    """Answer in the application's stead."""
    status, fields, body = response
    start_response(f"{status} {HTTPStatus(status).phrase}", [*map(_as_text, fields)])
    return [] if request.method == "HEAD" else [body]


def _as_text(field: Field) -> tuple[str, str]:
    return field[0].decode("latin-1"), field[1].decode("latin-1")


def request_of(rules: RuleSet, environ: Environ, user: str | None = None) -> Request:
    """What the rules look at."""
    headers = {}
    for name in rules.reads:
        value = environ.get("HTTP_" + name.upper().replace("-", "_"))
        if value is not None:
            headers[name] = value
    peer = environ.get("REMOTE_ADDR", "")
    if rules.proxies.trusted:
        peer = rules.proxies.client(peer, headers.get(rules.proxies.field, ""))
    path = environ.get("SCRIPT_NAME", "") + environ.get("PATH_INFO", "")
    text = path.encode("latin-1", "replace").decode("utf-8", "replace")
    return Request(environ["REQUEST_METHOD"], text, peer, headers, user)
