"""Deadlines by name: a heap that is touched when one comes nearer, not when it moves away.

A member's session is extended by every heartbeat, thousands of times for each time that it ends.  So moving a deadline
away writes one number down; the entry in the heap stays, comes up at its old time, and goes back in with the new one.

Source: Varghese and Lauck 1987 compare the structures; Kafka uses their hierarchical wheels (`SystemTimer`).
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Hashable
from typing import NamedTuple

COMPACT_FROM = 1000


class Moment(NamedTuple):
    """One look at two clocks.

    now_ms   never goes back: for waiting
    wall_ms  since 1970: for records
    """

    now_ms: int
    wall_ms: int


class Timer:
    """at_ms: when it is due, None once it is cancelled.  queued_ms: when the heap brings it up, never later."""

    __slots__ = ("at_ms", "due", "queued_ms")

    def __init__(self, at_ms: int, due: Callable[[], None]) -> None:
        self.at_ms: int | None = at_ms
        self.due = due
        self.queued_ms = at_ms


class Timers:
    """At most one timer of a name."""

    def __init__(self) -> None:
        self._timers: dict[Hashable, Timer] = {}
        self._heap: list[tuple[int, int, Hashable, Timer]] = []
        self._number = 0  # equal times keep their order

    def __len__(self) -> int:
        return len(self._timers)

    def __contains__(self, name: Hashable) -> bool:
        return name in self._timers

    def set(self, name: Hashable, at_ms: int, due: Callable[[], None]) -> None:
        """Call `due()` at `at_ms`, instead of what was to be called for this name."""
        timer = self._timers.get(name)
        if timer is not None and timer.queued_ms <= at_ms:
            timer.at_ms, timer.due = at_ms, due
            return
        if timer is not None:
            timer.at_ms = None
        timer = self._timers[name] = Timer(at_ms, due)
        self._push(name, timer)

    def cancel(self, name: Hashable) -> None:
        """Nothing is called."""
        timer = self._timers.pop(name, None)
        if timer is not None:
            timer.at_ms = None
            if len(self._heap) > COMPACT_FROM and len(self._heap) > 2 * len(self._timers):
                self._heap = [entry for entry in self._heap if entry[3].at_ms is not None]
                heapq.heapify(self._heap)

    def clear(self) -> None:
        self._timers.clear()
        self._heap.clear()

    @property
    def next_ms(self) -> int | None:
        """When `tick` wants to be called; perhaps earlier than anything is due."""
        while self._heap and self._heap[0][3].at_ms is None:
            heapq.heappop(self._heap)
        return self._heap[0][0] if self._heap else None

    def tick(self, now_ms: int) -> None:
        """Call all that is due, in order of time.  What they set for now or earlier is called by the next tick."""
        up: list[tuple[Hashable, Timer]] = []
        while self._heap and self._heap[0][0] <= now_ms:
            _, _, name, timer = heapq.heappop(self._heap)
            up.append((name, timer))
        for name, timer in up:  # each may cancel or extend one of the others
            if timer.at_ms is None:
                continue
            if timer.at_ms > now_ms:
                timer.queued_ms = timer.at_ms
                self._push(name, timer)
                continue
            self.cancel(name)
            timer.due()

    def _push(self, name: Hashable, timer: Timer) -> None:
        self._number += 1
        heapq.heappush(self._heap, (timer.queued_ms, self._number, name, timer))
