"""What coordinators have written and not yet seen committed: answers wait here for the high watermark.

    add(records, ...)      a change, in order
    take(bytes_max)     -> records of as many changes as one batch holds: the owner appends them ...
    appended(end)          ... and says where the log ends now, or `refused(error)`
    committed(watermark)   changes below are applied, and whoever asked for them is answered

A change becomes visible when it is committed, never before: an offset that a client could read and that the next
coordinator would not know might be committed once more, lower (in the simulator this is a planted mistake).  Nothing
needs to be undone, then: what was refused has not happened yet.

    ----- committed ------|---- appended, waiting ----|---- to be appended ----
                     high watermark                log end

A change that waits for too long is answered with an error, but its records are in the log: it is applied if they are
committed after all.

Source: Kafka `CoordinatorRuntime` (deferred events, write timeouts).
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence

from minikafka.records.record import Record
from minikafka.wire.errors import ErrorCode

RECORD_OVERHEAD = 40
"""Bytes that a record takes in a batch beside its key and value, at most."""

Settled = Callable[[ErrorCode], None]


Ended = Callable[[bool], None]


def nothing(committed: bool) -> None:
    """Of a change whose records say all: there is nothing to apply."""


class Write:
    """A change.

    settled(error)    answers who asked: NONE when it is committed, else an error, perhaps before its end is known
    ended(committed)  just before, once that is known for good
    """

    __slots__ = ("deadline_ms", "end_offset", "ended", "records", "settled", "size")

    def __init__(self, records: Sequence[Record], ended: Ended, settled: Settled, deadline_ms: int) -> None:
        self.records = records
        self.ended = ended
        self.settled: Settled | None = settled
        self.deadline_ms = deadline_ms
        self.end_offset = -1
        self.size = sum(RECORD_OVERHEAD + len(key or b"") + len(value or b"") for key, value, *_ in records)

    def end(self, error: ErrorCode) -> None:
        self.ended(error is ErrorCode.NONE)
        self.settle(error)

    def settle(self, error: ErrorCode) -> None:
        settled, self.settled = self.settled, None
        if settled is not None:
            settled(error)


class Writes:
    """The changes of one coordinator.

    timeout_ms   how long one may wait for its commit
    """

    def __init__(self, timeout_ms: int) -> None:
        self.timeout_ms = timeout_ms
        self._to_append: deque[Write] = deque()
        self._taken: list[Write] = []
        self._uncommitted: deque[Write] = deque()
        self._by_deadline: deque[Write] = deque()  # all wait for as long: in order of time

    def __len__(self) -> int:
        return len(self._to_append) + len(self._taken) + len(self._uncommitted)

    @property
    def to_append(self) -> bool:
        """Whether there is something to `take` now."""
        return bool(self._to_append) and not self._taken

    def add(self, records: Sequence[Record], now_ms: int, settled: Settled, ended: Ended = nothing) -> None:
        """Without records it is a look at the state as of all that was added before."""
        write = Write(records, ended, settled, now_ms + self.timeout_ms)
        if not records and not self._to_append and not self._taken:
            if not self._uncommitted:
                write.end(ErrorCode.NONE)
                return
            write.end_offset = self._uncommitted[-1].end_offset
            self._uncommitted.append(write)
        else:
            self._to_append.append(write)
        self._by_deadline.append(write)

    def take(self, bytes_max: int) -> list[Record]:
        """Records to append as one batch.  To be followed by `appended` or `refused`; empty: there are none.

        A change that is larger than a batch may be comes alone: the log refuses it, and it alone.
        """
        if self._taken:  # asked from within the append
            return []
        size = 0
        records: list[Record] = []
        waiting = self._to_append
        while waiting and (not size or size + waiting[0].size <= bytes_max):
            write = waiting.popleft()
            size += write.size
            records += write.records
            self._taken.append(write)
        return records

    def appended(self, end_offset: int) -> None:
        """What was taken is in the log, which ends at `end_offset`."""
        taken, self._taken = self._taken, []
        for write in taken:
            write.end_offset = end_offset
            write.records = ()
        self._uncommitted.extend(taken)

    def refused(self, error: ErrorCode) -> None:
        """What was taken is not in the log."""
        taken, self._taken = self._taken, []
        for write in taken:
            write.end(error)

    def committed(self, high_watermark: int) -> None:
        """Apply and answer what lies below."""
        waiting = self._uncommitted
        while waiting and waiting[0].end_offset <= high_watermark:
            waiting.popleft().end(ErrorCode.NONE)

    @property
    def next_ms(self) -> int | None:
        """When the next one has waited for too long."""
        waiting = self._by_deadline
        while waiting and waiting[0].settled is None:
            waiting.popleft()
        return waiting[0].deadline_ms if waiting else None

    def expire(self, now_ms: int) -> None:
        """REQUEST_TIMED_OUT for whoever has waited for too long."""
        while (next_ms := self.next_ms) is not None and next_ms <= now_ms:
            self._by_deadline.popleft().settle(ErrorCode.REQUEST_TIMED_OUT)

    def fail(self, error: ErrorCode) -> None:
        """Everything: another broker coordinates now."""
        everything = [*self._uncommitted, *self._taken, *self._to_append]
        self._uncommitted.clear()
        self._taken.clear()
        self._to_append.clear()
        self._by_deadline.clear()
        for write in everything:
            write.end(error)
