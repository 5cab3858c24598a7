"""Requests that cannot be answered yet: produces that wait for replicas, fetches that wait for records.

Kafka calls the place a purgatory.  Who waits is a value with a deadline, no task: a produce hangs in its partitions,
ordered by the offset it needs, so that a rising high watermark looks at the head alone; a fetch hangs in the partitions
it asked for and is looked at again when one of them has news.  Whatever comes first, the news or the deadline, answers
it, once.

    Deadlines     one ordered heap for all, and one timer of the event loop, whose time is the earliest

Cancelled entries stay in the heap until they are due, or until they are the larger half of it.

Source: Kafka `DelayedOperationPurgatory`, `DelayedProduce`, `DelayedFetch`.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from minikafka.wire.errors import ErrorCode

if TYPE_CHECKING:
    from minikafka.replication.partition import Partition

COMPACT_FROM = 1000


class Deadline:
    """A promise to call `due()` at `at_ms`, unless `done` by then."""

    __slots__ = ("at_ms", "done", "due")

    def __init__(self, at_ms: int, due: Callable[[], None]) -> None:
        self.at_ms = at_ms
        self.due = due
        self.done = False


class Deadlines:
    """All that wait, by when they stop waiting.  `wake_at(ms)` is called when the earliest time has changed."""

    def __init__(self, wake_at: Callable[[int], None]) -> None:
        self._heap: list[tuple[int, int, Deadline]] = []
        self._number = 0  # equal times keep their order
        self._wake_at = wake_at
        self._cancelled = 0

    def __len__(self) -> int:
        return len(self._heap) - self._cancelled

    def add(self, at_ms: int, due: Callable[[], None]) -> Deadline:
        deadline = Deadline(at_ms, due)
        self._number += 1
        heap = self._heap
        heapq.heappush(heap, (at_ms, self._number, deadline))
        if heap[0][2] is deadline:
            self._wake_at(at_ms)
        return deadline

    def cancel(self, deadline: Deadline) -> None:
        """It is answered; forget it."""
        if deadline.done:
            return
        deadline.done = True
        self._cancelled += 1
        if self._cancelled > COMPACT_FROM and self._cancelled * 2 > len(self._heap):
            self._heap = [entry for entry in self._heap if not entry[2].done]
            heapq.heapify(self._heap)
            self._cancelled = 0

    def expire(self, now_ms: int) -> None:
        """Call what is due.  To be called at the time last given to `wake_at`."""
        while self._heap and (self._heap[0][2].done or self._heap[0][0] <= now_ms):
            deadline = heapq.heappop(self._heap)[2]
            if deadline.done:
                self._cancelled -= 1
                continue
            deadline.done = True
            deadline.due()
        if self._heap:
            self._wake_at(self._heap[0][0])


class WaitingProduce:
    """A produce with acks=all whose records are appended: one outcome for each partition, then one answer.

    outcome(part, error)   called for each part of the answer that was waited for
    finish()               called once, when all are known
    """

    __slots__ = ("_deadline", "_deadlines", "_finish", "_outcome", "_pending")

    def __init__(
        self, deadlines: Deadlines, outcome: Callable[[Any, ErrorCode], None], finish: Callable[[], None]
    ) -> None:
        self._deadlines = deadlines
        self._deadline: Deadline | None = None
        self._outcome = outcome
        self._finish = finish
        self._pending: dict[int, Any] = {}  # by identity

    def wait_for(self, part: Any, partition: Partition, end_offset: int) -> bool:
        """Whether it has to wait; when not, the outcome is known to be good."""

        def told(error: ErrorCode) -> None:
            if self._pending.pop(id(part), None) is None:
                return  # timed out before
            if error is ErrorCode.NONE and partition.under_min_isr:
                error = ErrorCode.NOT_ENOUGH_REPLICAS_AFTER_APPEND
            self._outcome(part, error)
            if not self._pending:
                self._end()

        if not partition.when_committed(end_offset, told):
            return False
        self._pending[id(part)] = part
        return True

    def begin(self, now_ms: int, timeout_ms: int) -> None:
        """Everything is appended and asked for: wait."""
        if self._pending:
            self._deadline = self._deadlines.add(now_ms + max(timeout_ms, 0), self._timed_out)
        else:  # committed while the rest was appended
            self._finish()

    def _timed_out(self) -> None:
        """REQUEST_TIMED_OUT: the records are there, and may yet be committed."""
        pending, self._pending = self._pending, {}
        for part in pending.values():
            self._outcome(part, ErrorCode.REQUEST_TIMED_OUT)
        self._finish()

    def _end(self) -> None:
        if self._deadline is not None:
            self._deadlines.cancel(self._deadline)
            self._finish()


class WaitingFetch:
    """A fetch that found too little.  `attempt(last)` answers it and says True, or says False; with `last` it must."""

    __slots__ = ("_attempt", "_deadline", "_deadlines", "_partitions")

    def __init__(
        self,
        deadlines: Deadlines,
        partitions: Iterable[Partition],
        attempt: Callable[[bool], bool],
        now_ms: int,
        max_wait_ms: int,
    ) -> None:
        self._deadlines = deadlines
        self._attempt = attempt
        self._partitions = list(partitions)
        for partition in self._partitions:
            partition.watchers[self] = None
        self._deadline = deadlines.add(now_ms + max_wait_ms, self._due)

    def appended(self, partition: Partition) -> None:
        """Nothing yet: a consumer reads what is committed."""

    def committed(self, partition: Partition) -> None:
        """One of its partitions has more to read, or is ours to read from no longer."""
        if not self._deadline.done and self._attempt(False):
            self.cancel()

    moved = committed

    def cancel(self) -> None:
        """Answered, or the client is gone."""
        self._deadlines.cancel(self._deadline)
        self._forget()

    def _due(self) -> None:
        self._forget()
        self._attempt(True)

    def _forget(self) -> None:
        for partition in self._partitions:
            partition.watchers.pop(self, None)
