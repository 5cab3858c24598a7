"""The whole server inside the running loop, on a socket that the kernel chose, and a client that sees raw bytes."""

import asyncio
import socket
from contextlib import AsyncExitStack, asynccontextmanager
from random import Random

from durable.real_disk import RealDisk
from miniredis.persistence.snapshotter import StepSnapshotter
from miniredis.server import Server
from serving.clock import SystemClock
from serving.listener import Bound
from tests.miniredis.engine_fixtures import make_settings

DEADLINE_S = 10.0


class RawClient:
    """Bytes out, bytes in; every wait has a deadline."""

    def __init__(self, reader, writer):
        self.reader, self.writer = reader, writer

    @property
    def address(self):
        host, port = self.writer.get_extra_info("sockname")[:2]
        return f"{host}:{port}".encode()

    def send(self, data):
        self.writer.write(data)

    def call(self, *words):
        """One request as an array of bulk strings."""
        self.send(request(*words))

    async def receive(self, expected):
        """The next bytes, as many as are `expected`; fewer when the connection ended before."""
        async with asyncio.timeout(DEADLINE_S):
            try:
                return await self.reader.readexactly(len(expected))
            except asyncio.IncompleteReadError as error:
                return error.partial

    async def rest(self):
        """All bytes until the server closes; a reset counts as the end."""
        pieces = []
        async with asyncio.timeout(DEADLINE_S):
            try:
                while piece := await self.reader.read(2**16):
                    pieces.append(piece)
            except ConnectionError:
                pass
        return b"".join(pieces)

    async def line(self):
        async with asyncio.timeout(DEADLINE_S):
            return await self.reader.readuntil(b"\r\n")

    async def bulk(self):
        """A bulk or verbatim string, without its header."""
        head = await self.line()
        async with asyncio.timeout(DEADLINE_S):
            return (await self.reader.readexactly(int(head[1:]) + 2))[:-2]


def request(*words):
    parts = [word if isinstance(word, bytes) else str(word).encode() for word in words]
    return b"*%d\r\n" % len(parts) + b"".join(b"$%d\r\n%b\r\n" % (len(part), part) for part in parts)


class Live:
    """A started server; `dial()` opens a raw client that is hung up in the end."""

    def __init__(self, server, port, stack):
        self.server, self.port, self._stack = server, port, stack

    async def dial(self):
        return await self.dial_at(asyncio.open_connection("127.0.0.1", self.port, limit=2**26))

    async def dial_at(self, opening):
        """A client of any other way in: `opening` yields the streams."""
        reader, writer = await opening
        self._stack.callback(writer.transport.abort)
        return RawClient(reader, writer)

    async def until(self, condition):
        """Let the loop run until `condition()`."""
        async with asyncio.timeout(DEADLINE_S):
            while not condition():  # noqa: ASYNC110 (the condition is anything at all)
                await asyncio.sleep(0.001)


@asynccontextmanager
async def live_server(*endpoints, **settings):
    """A server with `settings` on a bound loopback socket, or on `endpoints`; stopped on leaving."""
    async with AsyncExitStack() as stack:
        disk = RealDisk()
        port = 0
        if not endpoints:
            listening = socket.create_server(("127.0.0.1", 0))
            port = listening.getsockname()[1]
            endpoints = (Bound(listening),)
        server = Server(
            make_settings(**{"save": [], "drain_seconds": 0.2} | settings),
            clock=SystemClock(),
            random=Random(7),
            disk=disk,
            snapshotter=StepSnapshotter(disk, asyncio.get_running_loop().call_later),
            endpoints=endpoints,
        )
        await server.start()
        stack.push_async_callback(server.background.stop)
        stack.push_async_callback(server.stop)
        live = Live(server, port, stack)
        yield live
