"""The limiter as a service: anything that speaks HTTP asks, and is answered 200 or 429.

    POST   /check           a request described in JSON, or a rule and a key: counts it
    POST   /check/batch     many of them at once, each by itself
    GET    /auth            the same for proxies that ask before they pass a request on: nginx, Traefik, Caddy
    GET    /limits/{key}    what is left for whom; changes nothing          ?rule=NAME
    DELETE /limits/{key}    forget what they have spent                     ?rule=NAME
    GET    /rules           what is limited, and whether the file is good
    GET    /busiest         whom the service hears of most                  ?top=20

Every answer of /check and /auth carries the header fields that the application's own responses should carry.  What is
asked wrongly is answered with 400 and the reason, as application/problem+json, and counts for nothing.

With `grpc-port` it also answers Envoy: see envoy.py.

The service has no keys and no TLS of its own: it listens on loopback, for the proxy or application beside it.  Its state
is in memory, or in a Redis that several such services share.
"""

from __future__ import annotations

import asyncio
import json
import logging
import socket
from collections.abc import Awaitable, Callable, Mapping, Sequence
from random import Random
from typing import Any

from aiohttp import web

from ratelimit import problem, questions
from ratelimit.answers import described, described_rule
from ratelimit.busiest import Busiest
from ratelimit.circuit_breaker import CircuitBreaker
from ratelimit.decision import CostTooHigh
from ratelimit.failing import GuardedStore
from ratelimit.headers import Field
from ratelimit.limiter import AsyncStore
from ratelimit.memory_store import MemoryStore
from ratelimit.problem import Denial
from ratelimit.reload import LOOK_MS, RulesFile
from ratelimit.rules import Asked, Policy, RuleSet, Verdict
from serving.background import Background
from serving.clock import steady_ms
from serving.config import Settings
from serving.listener import listen_error
from serving.program import StartError

logger = logging.getLogger("ratelimit")

TOP_MOST = 200
FORBIDDEN = 403
"""nginx's auth_request passes on 401 and 403 alone and takes any other denial for a failure: `/auth?denied=403`."""

USAGE = """mini ratelimit

curl -i localhost:{port}/auth                                             200, or 429 when you asked too often
curl -i localhost:{port}/check -d '{{"method": "GET", "path": "/", "ip": "203.0.113.9"}}'
curl localhost:{port}/limits/ip=203.0.113.9                               what is left; -X DELETE forgets what was spent
curl localhost:{port}/rules
curl localhost:{port}/busiest
"""

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def store_of(settings: Settings, random: Random) -> MemoryStore | GuardedStore:
    """Where the settings want states to be.  Raises StartError."""
    if settings.store == "memory":
        return MemoryStore(settings.max_keys)
    try:
        from ratelimit.redis_link import AddressError, RedisLink
        from ratelimit.redis_store import RedisStore
    except ImportError:
        raise StartError("a store in Redis needs hiredis: pip install hiredis") from None

    try:
        link = RedisLink(settings.store, timeout_ms=settings.store_timeout_ms, random=random)
    except AddressError as error:
        raise StartError(str(error)) from None
    timeout_ms = settings.store_timeout_ms
    return GuardedStore(RedisStore(link), timeout_ms=timeout_ms, nodes=settings.nodes, breaker=CircuitBreaker())


class Awaited:
    """A store in the process in the words of one that must be awaited."""

    def __init__(self, store: MemoryStore) -> None:
        self.hit, self.peek, self.reset = _awaited(store.hit), _awaited(store.peek), _awaited(store.reset)


def _awaited(function: Callable[..., Any]) -> Callable[..., Any]:
    async def call(*args: Any) -> Any:
        return function(*args)

    return call


class Server:
    """The service of one process."""

    def __init__(
        self,
        settings: Settings,
        rules: RulesFile,
        store: MemoryStore | GuardedStore,
        background: Background,
        now_ms: Callable[[], int] = steady_ms,
    ) -> None:
        self.settings, self.rules_file, self.store, self.background = settings, rules, store, background
        self.now_ms = now_ms
        self.admin: Any = None  # /metrics and /health, where asked for
        self.decided: dict[tuple[str, str], int] = {}  # by policy, and "allowed", "denied" or "would deny"
        self.answered: dict[tuple[str, str], int] = {}  # by route and status
        self.busiest = Busiest(now_ms())
        if isinstance(store, MemoryStore):
            rules.keep_small(store)
        self._asked: AsyncStore = Awaited(store) if isinstance(store, MemoryStore) else store
        self._app = web.Application(client_max_size=settings.max_body, middlewares=[self._answer])
        self._app.add_routes(
            [
                web.get("/", self._get_usage),
                web.post("/check", self._post_check),
                web.post("/check/batch", self._post_batch),
                web.get("/auth", self._get_auth),
                web.get("/limits/{key:.+}", self._get_limits),
                web.delete("/limits/{key:.+}", self._delete_limits),
                web.get("/rules", self._get_rules),
                web.get("/busiest", self._get_busiest),
            ]
        )
        self._runner = web.AppRunner(
            self._app, handle_signals=False, access_log=None, shutdown_timeout=settings.drain_seconds
        )
        self._addresses: list[tuple[str, int] | str] = []
        self._grpc: Any = None

    # Its life

    def addresses(self) -> list[tuple[str, int] | str]:
        return self._addresses

    async def start(self) -> None:
        """Listen.  Raises AddressInUse, ListenError."""
        bind, port = self.settings.bind, self.settings.port
        await self._runner.setup()
        try:
            await web.TCPSite(self._runner, bind, port).start()
        except OSError as error:
            await self._runner.cleanup()
            raise listen_error(error, f"{bind}:{port}") from None
        self._addresses = [(address[0], address[1]) for address in self._runner.addresses]
        if self.settings.grpc_port:
            await self.start_grpc(self.settings.grpc_port)
        self.background.every(lambda: LOOK_MS / 1000, self._look, "rules file")
        if self.admin is not None:
            await self.admin.start(self.settings.admin_bind, self.settings.admin_port)
        logger.info("%d rules from %s", len(self.rules_file.rules.rules), self.rules_file.path)

    async def start_grpc(self, port: int) -> None:
        """Listen for Envoy; 0 lets the kernel choose.  Raises AddressInUse, ListenError, StartError."""
        try:
            from ratelimit.envoy import RateLimitService, grpc_server
        except ImportError:
            raise StartError("grpc-port needs grpclib: pip install grpclib") from None
        self._grpc = grpc_server(RateLimitService(lambda: self.rules_file.rules, self.decide, self.now_ms))
        bind = self.settings.bind
        try:
            family = socket.AF_INET6 if ":" in bind else socket.AF_INET
            listening = socket.create_server((bind, port), family=family)
            await self._grpc.start(sock=listening)
        except OSError as error:
            raise listen_error(error, f"{bind}:{port} (gRPC)") from None
        self._addresses.append(listening.getsockname()[:2])

    async def stop(self) -> None:
        if self.admin is not None:
            await self.admin.stop()
        if self._grpc is not None:
            self._grpc.close()  # its connections end with the process: Envoy never closes them
        await self._runner.cleanup()
        link = getattr(getattr(self.store, "store", None), "link", None)
        if link is not None:
            await link.close()

    def reload(self) -> None:
        """SIGHUP."""
        self.rules_file.reload()

    def _look(self) -> None:
        self.rules_file.look()

    # Around every answer

    @web.middleware
    async def _answer(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Mistakes become problem documents, and every answer is counted."""
        resource = request.match_info.route.resource
        route = "none" if resource is None else resource.canonical
        try:
            response = await handler(request)
        except questions.BadQuestion as error:
            title = "No such rule" if error.status == 404 else "Bad question"
            response = as_response(problem.answer(problem.document(error.status, title, str(error))))
        except CostTooHigh as error:
            response = as_response(problem.answer(problem.never(str(error))))
        except web.HTTPException as error:
            response = as_response(problem.answer(problem.document(error.status, error.reason, error.text or "")))
            if isinstance(error, web.HTTPMethodNotAllowed):
                response.headers["Allow"] = ", ".join(sorted(error.allowed_methods))
        except OSError as error:  # of a peek or a reset: a hit is decided by on_failure
            document = problem.document(503, "The store does not answer", str(error))
            response = as_response(problem.answer(document, [(b"retry-after", b"1")]))
        key = route, str(response.status)
        self.answered[key] = self.answered.get(key, 0) + 1
        return response

    # Questions

    async def decide(self, rules: RuleSet, asked: Asked) -> Verdict:
        verdict = await rules.decide_async(asked, self._asked)
        now_ms = self.now_ms()
        for ask in asked.asks:
            self.busiest.count(ask.key, verdict.allowed, now_ms)
        for policy, decision in verdict.parts:
            self._count(policy, "allowed" if verdict.allowed else "denied" if not decision.allowed else "held back")
        for policy, decision in verdict.shadows:
            self._count(policy, "would allow" if decision.allowed else "would deny")
        return verdict

    def _count(self, policy: Policy, result: str) -> None:
        key = policy.name, result
        self.decided[key] = self.decided.get(key, 0) + 1

    async def _post_check(self, request: web.Request) -> web.Response:
        rules = self.rules_file.rules
        asked = questions.asked_by(rules, questions.json_of(await request.read()))
        verdict = await self.decide(rules, asked)
        said = described(verdict)
        if not verdict.allowed:
            return as_response(problem.denial(rules, verdict, self.now_ms, **said))
        return json_response(said, rules.fields(verdict, self.now_ms))

    async def _post_batch(self, request: web.Request) -> web.Response:
        rules = self.rules_file.rules
        results = []
        for question in questions.batch_of(questions.json_of(await request.read())):
            try:
                verdict = await self.decide(rules, questions.asked_by(rules, question))
            except questions.BadQuestion as error:
                results.append({"status": error.status, "detail": str(error)})
            except CostTooHigh as error:
                results.append({"status": 400, "detail": str(error)})
            else:
                status = 200 if verdict.allowed else 503 if verdict.blind else 429
                results.append({"status": status, **described(verdict)})
        return json_response({"results": results})

    async def _get_auth(self, request: web.Request) -> web.Response:
        rules = self.rules_file.rules
        headers: dict[str, str] = {}
        for raw, value in request.raw_headers:  # bytes, as asgi.py has them: the same bytes make the same key
            name, text = raw.decode("latin-1").lower(), value.decode("latin-1")
            headers[name] = f"{headers[name]}, {text}" if name in headers else text
        asked = rules.asks(questions.forwarded_request(rules, request.remote or "", headers))
        verdict = await self.decide(rules, asked)
        if verdict.allowed:
            if verdict.delay_ms:  # the proxy waits for this answer, and so its client for its turn
                await asyncio.sleep(verdict.delay_ms / 1000)
            return as_response(Denial(200, rules.fields(verdict, self.now_ms), b""))
        denial = problem.denial(rules, verdict, self.now_ms)
        return as_response(denial._replace(status=FORBIDDEN) if request.query.get("denied") == "403" else denial)

    # Looking, and forgetting

    def _about(self, request: web.Request) -> tuple[str, list[tuple[Policy, Any]]]:
        """The key of the path, and all that may have counted it.  Raises BadQuestion."""
        key, rule = questions.named_key("key", request.match_info["key"]), request.query.get("rule", "")
        about = self.rules_file.rules.asks_about(key, rule)
        if not about:
            of_rule = f" of rule {rule!r}" if rule else ""
            names = sorted({"&".join(one.who.names) or "everyone" for one in self.rules_file.rules.rules})
            reason = f"no limit{of_rule} counts {key!r}; keys look like NAME=VALUE, with one of: {', '.join(names)}"
            raise questions.BadQuestion(reason, 404)
        return key, about

    async def _get_limits(self, request: web.Request) -> web.Response:
        key, about = self._about(request)
        decisions = await self._asked.peek([ask for _, ask in about])
        limits = [
            {
                "rule": policy.name,
                "limit": str(policy.limit),
                "algorithm": policy.limit.algorithm,
                "remaining": decision.remaining,
                "retry_after_ms": decision.retry_after_ms,
            }
            for (policy, _), decision in zip(about, decisions, strict=True)
        ]
        return json_response({"key": key, "limits": limits})

    async def _delete_limits(self, request: web.Request) -> web.Response:
        key, about = self._about(request)
        forgotten = [policy.name for policy, ask in about if await self._asked.reset(ask.limit, ask.key)]
        return json_response({"key": key, "forgotten": forgotten})

    async def _get_rules(self, request: web.Request) -> web.Response:
        file = self.rules_file
        return json_response(
            {
                "file": file.path,
                "loaded": file.loaded,
                "refused": file.refused,
                "trouble": file.trouble,
                "rules": [described_rule(rule) for rule in file.rules.rules],
            }
        )

    async def _get_busiest(self, request: web.Request) -> web.Response:
        text = request.query.get("top", "20")
        if not text.isdecimal() or not 1 <= int(text) <= TOP_MOST:
            raise questions.BadQuestion(f"top: expected 1 to {TOP_MOST}")
        busy = self.busiest.top(int(text), self.now_ms())
        rows = []
        for key, passed, denied in busy:
            who, _, rule = key[1:].rpartition("}:")
            rows.append({"key": who, "rule": rule, "passed_per_s": round(passed, 2), "denied_per_s": round(denied, 2)})
        return json_response({"busiest": rows})

    async def _get_usage(self, request: web.Request) -> web.Response:
        return web.Response(text=USAGE.format(port=self._addresses[0][1]))


def as_response(denial: Denial) -> web.Response:
    """A response in aiohttp's terms."""
    response = web.Response(status=denial.status, body=denial.body, headers={"Cache-Control": "no-store"})
    for name, value in denial.fields:
        response.headers[FIELD_NAMES.get(name) or name.decode().title()] = value.decode()
    return response


FIELD_NAMES = {b"ratelimit": "RateLimit", b"ratelimit-policy": "RateLimit-Policy"}
"""As the draft spells them: the case means nothing, and people read it."""


def json_response(content: Mapping[str, Any], fields: Sequence[Field] = ()) -> web.Response:
    """200 with `content`."""
    body = json.dumps(content, ensure_ascii=False).encode("utf-8", "replace") + b"\n"
    return as_response(Denial(200, [(b"content-type", b"application/json"), *fields], body))
