"""All open connections of a server: how many there may be, which are idle, and how they end together.

An idle connection is found by looking, not by a timer each: once a second, when there is an idle time at all,
as Redis's clientsCron does.  A connection says `heard = True` for every request, which costs one store, and
the look turns that into `idle_since`; so an idle time is exact to about a second, here and in Redis.

Order is the order of arrival, so that what is done to all is done in the same order in every run.
"""

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass, field

from serving.connection import Limits, Link

LOOK_SECONDS = 1.0


@dataclass
class OpenConnections:
    """`refusal` is written to the one past `maximum`.  0 means no limit, and no idle time."""

    maximum: int = 0
    refusal: bytes = b""
    idle_seconds: float = 0
    limits: Limits = field(default_factory=Limits)
    accepted: int = field(default=0, init=False)
    refused: int = field(default=0, init=False)
    dropped_idle: int = field(default=0, init=False)
    dropped_output: int = field(default=0, init=False)
    dropped_query_buffer: int = field(default=0, init=False)
    stopping: bool = field(default=False, init=False)
    _open: dict[Link, None] = field(default_factory=dict, init=False, repr=False)
    _look: asyncio.TimerHandle | None = field(default=None, init=False, repr=False)
    _empty: asyncio.Future[None] | None = field(default=None, init=False, repr=False)

    def __len__(self) -> int:
        return len(self._open)

    def __iter__(self) -> Iterator[Link]:
        """A copy: what is done to each may end it."""
        return iter(list(self._open))

    def admit(self, connection: Link) -> bool:
        """Whether there is room.  Counts it, either way."""
        if self.stopping or (self.maximum and len(self._open) >= self.maximum):
            self.refused += 1
            return False
        self.accepted += 1
        self._open[connection] = None
        if self.idle_seconds and self._look is None:
            self._look_later()
        return True

    def forget(self, connection: Link) -> None:
        self._open.pop(connection, None)
        if not self._open and self._empty is not None and not self._empty.done():
            self._empty.set_result(None)

    def use_idle_seconds(self, seconds: float) -> None:
        """The idle time from now on, for the open ones too."""
        self.idle_seconds = seconds
        if seconds and self._open and self._look is None:
            self._look_later()

    def _look_later(self) -> None:
        self._look = asyncio.get_running_loop().call_later(LOOK_SECONDS, self._close_idle)

    def _close_idle(self) -> None:
        self._look = None
        now = asyncio.get_running_loop().time()
        for connection in self:
            if connection.heard or connection.idle_allowed:
                connection.heard = False
                connection.idle_since = now
            elif self.idle_seconds and now - connection.idle_since >= self.idle_seconds:
                self.dropped_idle += 1
                connection.close("idle")
        if self.idle_seconds and self._open:
            self._look_later()

    async def stop(self, seconds: float) -> bool:
        """Ask each connection to `drain`, abort those left after `seconds`.  True when none was."""
        self.stopping = True
        if self._look is not None:
            self._look.cancel()
        for connection in self:
            connection.drain()
        if not self._open:
            return True
        self._empty = asyncio.get_running_loop().create_future()
        done, _ = await asyncio.wait([self._empty], timeout=seconds)
        remaining = list(self)
        for connection in remaining:
            connection.abort("shutdown")
        if remaining:
            await asyncio.wait([self._empty], timeout=1)
        return bool(done)
