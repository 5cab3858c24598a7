"""The smallest Redis client: RESP2 on asyncio streams.

Scenarios must not share code with the server they judge, so they bring a client of their own: requests are always
arrays of bulk strings, replies are read token by token.  It is slow and obvious, which is its merit.

    simple and bulk strings -> bytes       integers -> int       arrays -> list       nulls -> None
    errors -> a ReplyError, returned inside pipelines and raised by `call`

Source: Redis serialization protocol specification, "RESP2".  Next: redis_model.py says what the replies ought to be.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Sequence
from contextlib import suppress

Command = tuple[bytes, ...]
Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]
Connect = Callable[[], Awaitable[Streams]]
Reply = object


class ReplyError(Exception):
    """The server answered with an error; `code` is its first word, as in WRONGTYPE."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.code = text.partition(" ")[0]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ReplyError) and self.args == other.args

    def __hash__(self) -> int:
        return hash(self.args)


def encode(command: Sequence[bytes]) -> bytes:
    """One request as an array of bulk strings."""
    parts = [b"*%d\r\n" % len(command)]
    for argument in command:
        parts += (b"$%d\r\n" % len(argument), argument, b"\r\n")
    return b"".join(parts)


class Client:
    """One connection.  Whoever shares it must await one call before making the next."""

    def __init__(self, streams: Streams) -> None:
        self._reader, self._writer = streams

    @classmethod
    async def connected(cls, connect: Connect) -> "Client":
        return cls(await connect())

    async def call(self, *command: bytes | str | int) -> Reply:
        """The reply to one command.  Raises ReplyError, and OSError or EOFError when the connection is lost."""
        self.send([as_bytes(command)])
        reply = await self.receive()
        if isinstance(reply, ReplyError):
            raise reply
        return reply

    async def pipeline(self, commands: Iterable[Command]) -> list[Reply]:
        """All commands in one write, then all their replies; errors stand in the list."""
        commands = list(commands)
        self.send(commands)
        return [await self.receive() for _ in commands]

    def send(self, commands: Iterable[Sequence[bytes]]) -> None:
        self._writer.write(b"".join(map(encode, commands)))

    async def receive(self) -> Reply:
        line = await self._reader.readuntil(b"\r\n")
        kind, rest = line[:1], line[1:-2]
        if kind == b"+":
            return rest
        if kind == b":":
            return int(rest)
        if kind == b"-":
            return ReplyError(rest.decode(errors="replace"))
        if kind == b"$":
            return None if rest == b"-1" else (await self._reader.readexactly(int(rest) + 2))[:-2]
        if kind == b"*":
            return None if rest == b"-1" else [await self.receive() for _ in range(int(rest))]
        raise ValueError(f"not a RESP2 reply: {line!r}")

    async def close(self) -> None:
        """Hang up, whatever is still under way."""
        self._writer.transport.abort()
        with suppress(OSError):
            await self._writer.wait_closed()


def as_bytes(command: Iterable[bytes | str | int]) -> Command:
    return tuple(part if isinstance(part, bytes) else str(part).encode() for part in command)
