"""Both ends of a real connection: a line server made from Connection, and how to wait for what it sees."""

import asyncio

from serving.connection import Connection
from serving.listener import Listener, Tcp

DEADLINE_SECONDS = 10


class Lines(Connection):
    """Answers each line with `>line`; BLOCK holds, QUIT closes, BIG n sends n bytes."""

    def __init__(self, connections, limits=None):
        super().__init__(connections, limits)
        self.kept = b""
        self.ends = []
        self.over = asyncio.get_running_loop().create_future()
        self.ready = asyncio.get_running_loop().create_future()

    def made(self):
        self.ready.set_result(None)

    def data_received(self, data):
        self.kept += data
        if self.held:
            self.read_ahead(len(data))
        else:
            self.work()
            self.check_query_buffer(len(self.kept))

    def resumed(self):
        self.work()

    def work(self):
        while not self.held and b"\n" in self.kept:
            line, self.kept = self.kept.split(b"\n", 1)
            self.heard = True
            self.answer(line)

    def answer(self, line):
        word, _, rest = line.partition(b" ")
        match word:
            case b"BLOCK":
                self.hold("blocked")
            case b"QUIT":
                self.write(b"bye\n")
                self.close("quit")
            case b"BIG":
                self.write(b"x" * int(rest))
            case _:
                self.write(b">" + line + b"\n")

    def lost(self, why):
        self.ends.append(why)
        self.over.set_result(why)


class Service:
    """A listener on a free port of the loopback, its connections in order of arrival."""

    def __init__(self, connections, make=Lines):
        self.connections = connections
        self.make = make
        self.made = []
        self.listener = Listener(self._make)

    def _make(self):
        connection = self.make(self.connections)
        self.made.append(connection)
        return connection

    async def __aenter__(self):
        await self.listener.start([Tcp("127.0.0.1", 0)])
        return self

    async def __aexit__(self, *_):
        self.listener.stop_accepting()
        await self.connections.stop(0)

    async def dial(self):
        """(reader, writer) of a client, and the server's end once it is made."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.listener.port, limit=2**26)
        await until(lambda: self.made and self.made[-1].ready.done())
        return reader, writer, self.made[-1]


async def until(condition):
    """Run the loop until `condition()`; fails past the deadline."""
    async with asyncio.timeout(DEADLINE_SECONDS):
        while not condition():  # noqa: ASYNC110 (the condition is anything at all)
            await asyncio.sleep(0)


async def within(awaitable):
    """The result of `awaitable`, which must come before the deadline."""
    async with asyncio.timeout(DEADLINE_SECONDS):
        return await awaitable
