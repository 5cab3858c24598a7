"""A shop behind the idempotency handler: an application, and just enough HTTP to be asked.

    HTTP/1.1, one request a connection ─▶ ASGI ─▶ IdempotencyMiddleware ─▶ Shop ─▶ ledger

For simulations and tests: any ASGI server would do, but none of them runs on virtual time.  The shop thinks, looks
whether it is still the one, writes its line into the ledger, and thinks again, so that a fault may strike on both sides
of the deed.  What stands in the ledger no fault undoes: it is a database with a transaction.
"""

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from random import Random

from ratelimit.idempotency.answer import Answer
from ratelimit.idempotency.asgi import SCOPE_KEY, Application, Message, Receive, Scope, Send, once, say
from ratelimit.idempotency.handler import Execution
from scenarios.idempotency import Deed

HEAD_BYTES_MAX = 8192


@dataclass
class Ledger:
    """What was done.  A fenced one does an order once, and none for a worker that has been succeeded."""

    fenced: bool
    now: Callable[[], float]
    deeds: list[Deed] = field(default_factory=list)
    _orders: dict[str, str] = field(default_factory=dict)
    _fences: dict[str, int] = field(default_factory=dict)

    def carry_out(self, execution: Execution, worker: int) -> str | None:
        """The order's number; None for a worker that came too late."""
        key = execution.key.decode()
        if self.fenced:
            if key in self._orders:
                return self._orders[key]
            if execution.fence < self._fences.get(key, 0):
                return None
            self._fences[key] = execution.fence
        order = self._orders[key] = f"order {len(self.deeds) + 1}"
        self.deeds.append(Deed(key, order, worker, execution.fence, execution.attempt, self.now()))
        return order


@dataclass(frozen=True)
class Shop:
    """An ASGI application.

    think_s   longest time before the deed, and after it
    failing   chance of a 500, before anything is done
    looks     whether it asks the store once more, right before the deed
    """

    ledger: Ledger
    worker: int
    random: Random
    think_s: float
    failing: float
    looks: bool

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        execution: Execution = scope[SCOPE_KEY]
        await receive()
        await asyncio.sleep(self.random.uniform(0, self.think_s))
        if self.random.random() < self.failing:
            return await say(text(500, "out of paper"), send)
        if self.looks and not await execution.still_holds():
            return await say(text(503, "perhaps succeeded"), send)
        order = self.ledger.carry_out(execution, self.worker)
        if order is None:
            return await say(text(503, "succeeded"), send)
        await asyncio.sleep(self.random.uniform(0, self.think_s))
        return await say(text(201, order), send)


def text(status: int, body: str) -> Answer:
    data = body.encode()
    return Answer(status, [(b"content-length", b"%d" % len(data))], data)


async def serve(app: Application, host: str | None, port: int) -> asyncio.Server:
    """`app` over HTTP/1.1."""
    return await asyncio.start_server(partial(answer_one, app), host, port, limit=HEAD_BYTES_MAX)


async def answer_one(app: Application, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """One request of a well-behaved client, and the end of the connection."""

    async def send(message: Message) -> None:
        if message["type"] == "http.response.start":
            lines = [
                b"HTTP/1.1 %d -" % message["status"],
                *(name + b": " + value for name, value in message["headers"]),
            ]
            writer.write(b"\r\n".join([*lines, b"connection: close", b"", b""]))
        else:
            writer.write(message["body"])
            await writer.drain()

    async def gone() -> Message:
        await reader.read()
        return {"type": "http.disconnect"}

    with suppress(OSError, EOFError):
        first, *lines = (await reader.readuntil(b"\r\n\r\n")).rstrip().split(b"\r\n")
        method, target, _ = first.split()
        headers = [(name.lower(), value.strip()) for name, _, value in (line.partition(b":") for line in lines)]
        body = await reader.readexactly(int(dict(headers).get(b"content-length", b"0")))
        path = target.partition(b"?")[0]
        scope: Scope = {
            "type": "http",
            "method": method.decode(),
            "raw_path": path,
            "path": path.decode(),
            "query_string": target.partition(b"?")[2],
            "headers": headers,
        }
        await app(scope, once(body, gone), send)
    writer.close()
    with suppress(OSError):
        await writer.wait_closed()
