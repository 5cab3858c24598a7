"""Around an ASGI application: it runs once for each key, and everybody gets its answer.

    app = IdempotencyMiddleware(app, RedisStore(link), who=header("authorization"))

    receive   the body is read first, since it belongs to the fingerprint, and then given to the application in one piece
    send      the answer is held back until it is whole and stored; one that grows too long, or is an event stream, is
              marked as executed and then passes through
    scope     gets the Execution under SCOPE_KEY, and loses its extensions: a file sent by the server itself, or early
              hints, would bypass the store

A client that hangs up stops nothing: the application is not told, so the deed is done and its answer is there when the
client asks again.  An application that raises has failed, and the key is free again, if 5xx are released; one that is
cancelled was stopped half way, and nobody knows.

Source: ASGI specification 3.0, "HTTP connection scope".
"""

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from contextlib import suppress
from random import Random
from typing import Any

from ratelimit.idempotency import answer as answers
from ratelimit.idempotency.answer import Answer, problem
from ratelimit.idempotency.field import Request, Who
from ratelimit.idempotency.handler import Execution, Handler
from ratelimit.idempotency.policy import Policy
from ratelimit.idempotency.store import Store

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]

SCOPE_KEY = "mini.idempotency"
DISCONNECT: Message = {"type": "http.disconnect"}


class IdempotencyMiddleware:
    """See Handler for `who`, Policy for the options."""

    def __init__(
        self, app: Application, store: Store, who: Who, policy: Policy | None = None, random: Random | None = None
    ) -> None:
        self.app, self.handler = app, Handler(store, who, policy, random)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        handler = self.handler
        if scope["type"] != "http" or not handler.guards(scope["method"]):
            return await self.app(scope, receive, send)
        request = request_of(scope)
        key = handler.key(request)
        if key is None:
            return await self.app(scope, receive, send)
        if isinstance(key, Answer):
            return await say(key, send)
        body = await whole_body(receive, handler.policy.request_bytes)
        if body is None:
            return await say(handler.too_large(), send)
        if isinstance(body, Gone):
            return None
        decision = await handler.acquire(request._replace(body=body), key)
        if isinstance(decision, Answer):
            return await say(decision, send)
        if decision is None:
            return await self.app(scope, once(body, receive), send)
        return await Answering(decision, send, handler.policy).run(self.app, scope, body)


class Answering:
    """The application's side of one execution: its `receive` and `send`."""

    def __init__(self, execution: Execution, send: Send, policy: Policy) -> None:
        self._execution, self._send, self._policy = execution, send, policy
        self._start: Message = {}
        self._pieces: list[bytes] = []
        self._size = 0
        self._passing = False  # marked as executed, and no longer held back
        self._over = asyncio.Event()

    async def run(self, app: Application, scope: Scope, body: bytes) -> None:
        """Call the application, and see to the key however it ends."""
        execution = self._execution
        try:
            await app({**scope, SCOPE_KEY: execution, "extensions": {}}, once(body, self._until_over), self._take)
        except Exception:
            await self._failed()
            raise
        except BaseException:
            if not self._over.is_set():
                execution.abandon()
            raise
        if not self._over.is_set():
            await self._failed()

    async def _failed(self) -> None:
        """It raised, or left without having answered; after its answer that changes nothing any more."""
        if self._over.is_set() or self._passing:
            return
        if 500 in self._policy.released:
            await self._execution.fail()
        else:
            await self._execution.complete(problem(answers.FAILED, self._policy.documentation))

    async def _until_over(self) -> Message:
        await self._over.wait()
        return DISCONNECT

    async def _take(self, message: Message) -> None:
        """What the application sends; after its end, and when another's answer stands in its place, to nobody."""
        if self._over.is_set():
            return
        if message["type"] == "http.response.start":
            self._start = message
            return
        if message["type"] != "http.response.body":
            return
        whole = not message.get("more_body", False)
        if self._passing:
            if whole:
                self._over.set()
            await self._send(message)
            return
        self._pieces.append(message.get("body", b""))
        self._size += len(self._pieces[-1])
        if whole:
            await self._complete()
        elif self._size > self._policy.answer_bytes or self._has_no_end():
            await self._pass_on()

    def _head(self) -> list[tuple[bytes, bytes]]:
        return [(bytes(name).lower(), bytes(value)) for name, value in self._start.get("headers", ())]

    def _has_no_end(self) -> bool:
        return any(name == b"content-type" and value.startswith(b"text/event-stream") for name, value in self._head())

    async def _complete(self) -> None:
        answer = Answer(self._start["status"], self._head(), b"".join(self._pieces))
        told = await self._execution.complete(answer)
        self._over.set()
        await say(told, self._send)

    async def _pass_on(self) -> None:
        answer = Answer(self._start["status"], self._head(), None)
        told = await self._execution.complete(answer)
        self._passing = True
        if told is not answer:
            self._over.set()
            await say(told, self._send)
            return
        await self._send(self._start)
        await self._send({"type": "http.response.body", "body": b"".join(self._pieces), "more_body": True})
        self._pieces.clear()


class Gone:
    """The client hung up before it had sent its whole request."""


def request_of(scope: Scope) -> Request:
    """The head of a request.  The target is taken as it was sent, since what a server decodes it may decode alike."""
    path = scope.get("raw_path") or scope["path"].encode()
    query = scope.get("query_string", b"")
    target = path + b"?" + query if query else path
    return Request(scope["method"], target, list(scope["headers"]), user=user_of(scope))


def user_of(scope: Scope) -> str:
    """What Starlette's authentication has found out: a user's identity, or the name where a user class has none."""
    user = scope.get("user")
    if user is None:
        return ""
    for attribute in ("identity", "username"):
        with suppress(NotImplementedError):  # as Starlette's own classes say it
            if name := getattr(user, attribute, ""):
                return str(name)
    return ""


async def whole_body(receive: Receive, bytes_max: int) -> bytes | Gone | None:
    """The body; None when it has more than `bytes_max`."""
    pieces, size = [], 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return Gone()
        pieces.append(message.get("body", b""))
        size += len(pieces[-1])
        if size > bytes_max:
            return None
        if not message.get("more_body", False):
            return b"".join(pieces)


def once(body: bytes, then: Receive) -> Receive:
    """A `receive` that gives the body in one piece, and then asks `then`."""
    given = False

    async def receive() -> Message:
        nonlocal given
        if given:
            return await then()
        given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return receive


async def say(answer: Answer, send: Send) -> None:
    """Send a whole answer."""
    await send({"type": "http.response.start", "status": answer.status, "headers": list(answer.headers)})
    await send({"type": "http.response.body", "body": answer.body or b"", "more_body": False})
