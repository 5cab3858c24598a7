"""The two sparse indexes of a segment: from an offset, or a time, to a place near it.

    .index      int32 offset - base of the last offset in a batch, int32 position of that batch in the .log      8 bytes
    .timeindex  int64 largest timestamp so far, int32 offset - base of the batch that has it                    12 bytes

An entry is made for the first batch after every `index.interval.bytes` of log: a lookup finds the nearest entry at or
below what is asked by binary search, and the rest of the way is walked from header to header, 4 KiB on the average.

Entries rise, so the file is a sorted array and needs no other structure.  While the segment grows they live in memory
(2 MiB for a full gigabyte) and go to the file at a roll or close: a killed broker rebuilds the last segment's anyway, and
a produce stays one system call.  Kafka maps a preallocated file instead, which its tools then see full of zeros.

Source: Kafka's `OffsetIndex.java`, `TimeIndex.java`.  Next: segment.py.
"""

import errno
import os
from collections.abc import Callable, Iterator
from struct import Struct

from durable.disk import Disk, DiskError
from durable.replace_file import replace_file

OFFSET_ENTRY = Struct(">ii")
TIME_ENTRY = Struct(">qi")


class BadIndex(ValueError):
    """An index file whose content cannot be: it is built anew from the log."""


class SparseIndex:
    """What both have in common: a run of entries, and a file that holds them."""

    ENTRY: Struct

    def __init__(self, disk: Disk, path: str, base_offset: int) -> None:
        self._disk = disk
        self.path = path
        self.base_offset = base_offset
        self._growing: bytearray | None = None  # None: all is in the file
        self._written = 0  # bytes of `_growing` that stand in the file; -1: the file is to be written anew

    def entries(self) -> bytearray | memoryview:
        """All entries, packed.  A buffer over the file is used and let go of at once."""
        if self._growing is not None:
            return self._growing
        size = self._disk.size(self.path)
        return self._disk.view(self.path, 0, size - size % self.ENTRY.size)

    def __len__(self) -> int:
        return len(self.entries()) // self.ENTRY.size

    def __iter__(self) -> Iterator[tuple[int, int]]:
        """The entries as they stand in the file."""
        yield from self.ENTRY.iter_unpack(bytes(self.entries()))

    def last(self) -> tuple[int, int] | None:
        entries = self.entries()
        return self.ENTRY.unpack_from(entries, len(entries) - self.ENTRY.size) if entries else None

    # -- growing ------------------------------------------------------------------------------------------------

    def start_afresh(self) -> None:
        """Forget all entries: they come again from the log."""
        self._growing, self._written = bytearray(), -1

    def resume(self) -> None:
        """The segment is written again: entries are taken into memory."""
        if self._growing is None:
            self._growing = bytearray(self.entries())
            self._written = len(self._growing)

    def write(self) -> bool:
        """Bring the file up to date, through write() and no further; whether it was not.  Raises OSError."""
        entries = self._growing
        if entries is None or (self._written == len(entries) and self._disk.exists(self.path)):
            return False
        file = self._disk.open(self.path, "a" if self._written > 0 else "w")
        try:
            start, self._written = max(self._written, 0), -1  # until all of it is there
            if start < len(entries):
                rest = bytes(entries[start:])
                if file.append(rest) < len(rest):
                    raise DiskError(errno.ENOSPC, os.strerror(errno.ENOSPC), self.path)
            self._written = len(entries)
        finally:
            file.close()
        return True

    def finish(self, durably: bool = False) -> None:
        """The segment is full: all entries to the file, none in memory.  Raises OSError.

        durably  the file stands in for one that was durable, and must never be half of it
        """
        if durably and self._growing is not None:
            replace_file(self._disk, self.path, bytes(self._growing))
        else:
            self.write()
        self._growing = None

    def _keep(self, count: int) -> None:
        """Only the first `count` entries stay."""
        if count < len(self):
            self.resume()
            assert self._growing is not None
            del self._growing[count * self.ENTRY.size :]
            self._written = -1

    def _places_below(self, column: int, limit: int) -> tuple[int, tuple[int, int] | None]:
        """How many entries have at most `limit` in `column`, which rises; and the last of them."""
        entries, size, unpack = self.entries(), self.ENTRY.size, self.ENTRY.unpack_from
        low, high = 0, len(entries) // size
        while low < high:
            middle = (low + high) // 2
            if unpack(entries, middle * size)[column] <= limit:
                low = middle + 1
            else:
                high = middle
        return low, unpack(entries, (low - 1) * size) if low else None

    def _check(self, rises: Callable[[tuple[int, int], tuple[int, int]], bool]) -> None:
        entries, size = self.entries(), self.ENTRY.size
        last_two = [
            self.ENTRY.unpack_from(entries, at) for at in range(max(0, len(entries) - 2 * size), len(entries), size)
        ]
        if any(entry[1] < 0 for entry in last_two) or (len(last_two) == 2 and not rises(*last_two)):
            raise BadIndex(f"{self.path} ends in the entries {last_two}")


class OffsetIndex(SparseIndex):
    """`.index`: the position of a batch at or before an offset."""

    ENTRY = OFFSET_ENTRY

    def append(self, offset: int, position: int) -> None:
        assert self._growing is not None
        self._growing += OFFSET_ENTRY.pack(offset - self.base_offset, position)

    def lookup(self, offset: int) -> int:
        """The position of the last indexed batch whose last offset is at most `offset`; 0 when there is none."""
        _, entry = self._places_below(0, offset - self.base_offset)
        return entry[1] if entry else 0

    def batch_at(self, position: int) -> int:
        """The position of the last indexed batch that begins at `position` or before; 0 when there is none."""
        _, entry = self._places_below(1, position)
        return entry[1] if entry else 0

    def truncate_to(self, offset: int) -> None:
        """Drop the entries of `offset` and above."""
        self._keep(self._places_below(0, offset - self.base_offset - 1)[0])

    def check(self, log_size: int) -> None:
        """Raises BadIndex when the last entries do not rise, or lead beyond the log's end."""
        self._check(lambda before, after: before[0] < after[0] and before[1] < after[1])
        last = self.last()
        if last and (last[1] >= log_size or last[0] < 0):
            raise BadIndex(f"{self.path} leads to {last[1]} in a log of {log_size} bytes")


class TimeIndex(SparseIndex):
    """`.timeindex`: how far the log is older than a timestamp."""

    ENTRY = TIME_ENTRY

    def append(self, timestamp_ms: int, offset: int) -> None:
        """Only a timestamp above the last one's makes an entry."""
        assert self._growing is not None
        last = self.last()
        if timestamp_ms > (last[0] if last else -1):
            self._growing += TIME_ENTRY.pack(timestamp_ms, offset - self.base_offset)

    def lookup(self, timestamp_ms: int) -> int:
        """An offset such that everything before it is older than `timestamp_ms`; the base offset when there is none."""
        _, entry = self._places_below(0, timestamp_ms - 1)
        return self.base_offset + (entry[1] if entry else 0)

    def truncate_to(self, offset: int) -> None:
        """Drop the entries of `offset` and above."""
        self._keep(self._places_below(1, offset - self.base_offset - 1)[0])

    def check(self) -> None:
        """Raises BadIndex when the last entries do not rise."""
        self._check(lambda before, after: before[0] < after[0] and before[1] <= after[1])
