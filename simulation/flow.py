"""A flow: one direction of a TCP connection, from the sender's kernel to the receiver's.

    send ──▶ [segment, arrival time] [segment, arrival time] ... ──▶ target.arrived

It never loses, doubles or swaps a byte, as TCP does not: loss is delay, a cut link makes segments wait.  Arrival times
never fall, and one timer, for the first segment, serves the whole queue; so order needs no further care, not even when
a link is cut with segments under way.

Kinder than the real TCP: acknowledgements take no time and cannot be lost on their own; a reset arrives behind the data
sent before it; a connection given up by one side is reset on the other once the link heals, though an idle peer would
really learn of it only when it writes.

Source: RFC 9293 (§3.8.1 retransmission, §3.8.3 giving up).  Next: transport.py, the two ends.
"""

import asyncio
import errno
import os
from collections import deque
from enum import Enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from simulation.network import Network
    from simulation.transport import SimulatedTransport


class Mark(Enum):
    """What a segment can be besides bytes."""

    END = "end"  # FIN: no more bytes from this side
    RESET = "reset"  # RST: this connection is no more


Item = bytes | Mark


def connection_error(number: int) -> OSError:
    """As the kernel says it; Python picks the subclass (ConnectionResetError, TimeoutError, ...)."""
    return OSError(number, os.strerror(number))


class Flow:
    """One direction of a connection: what was sent and has not arrived."""

    def __init__(self, network: "Network", source: "SimulatedTransport", target: "SimulatedTransport") -> None:
        self.network, self.source, self.target = network, source, target
        self.path = source.local[0], target.local[0]
        self.unread = 0  # bytes sent which the receiving protocol has not been given
        self._items: deque[tuple[float, Item]] = deque()  # with arrival times, which never fall
        self._last_arrival = 0.0
        self._arrival: asyncio.TimerHandle | None = None
        self._giving_up: asyncio.TimerHandle | None = None

    def send(self, item: Item) -> None:
        if isinstance(item, bytes):
            self.unread += len(item)
            first, *others = self.network.split(item)
            self._enqueue(first, 0.0)
            for piece in others:
                self._enqueue(piece, self.network.gap())
        else:
            self._enqueue(item, 0.0)

    def _enqueue(self, item: Item, gap: float) -> None:
        arrival = max(self._last_arrival + gap, self.network.loop.now + self.network.delay(self.path))
        self._last_arrival = arrival
        self._items.append((arrival, item))
        if self._arrival is None and self._giving_up is None:
            self._expect()

    def _expect(self) -> None:
        if self._items:
            self._arrival = self.network.call_at(self._items[0][0], self._arrive)

    def _arrive(self) -> None:
        self._arrival = None
        if self.network.is_blocked(self.path):
            self._giving_up = self.network.call_later(self.network.patience(), self._give_up)
            self.network.stalled[self] = None
            return
        now = self.network.loop.now
        while self._items and self._items[0][0] <= now:
            self.target.arrived(self._items.popleft()[1])
        self._expect()

    def unblocked(self) -> None:
        """The link has healed: what waited is sent again, in order, and what comes later queues behind it."""
        if self._giving_up is not None:
            self._giving_up.cancel()
            self._giving_up = None
        earliest = self.network.loop.now + self.network.delay(self.path)
        self._items = deque((max(earliest, arrival), item) for arrival, item in self._items)
        self._last_arrival = max(earliest, self._last_arrival)
        self._expect()

    def _give_up(self) -> None:
        """Nothing was acknowledged for too long: the sender gets ETIMEDOUT, the receiver a reset when it is back."""
        self.network.note(f"timeout {self.source}")
        self._items = deque([(self._last_arrival, Mark.RESET)])
        self.source.fail_soon(errno.ETIMEDOUT)

    def discard(self) -> None:
        """Nothing of what is under way arrives."""
        self._items.clear()
