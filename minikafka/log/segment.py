"""A segment: one file of batches back to back, with the indexes that find a place in it.

    00000000000000368769.log         368769 is the base offset: no batch in it begins below
    00000000000000368769.index       offset -> position, every 4 KiB                       index.py
    00000000000000368769.timeindex   timestamp -> offset, every 4 KiB                      index.py
    00000000000000368769.txnindex    aborted transactions, when there are any              transaction_index.py
    00000000000000368769.snapshot    what was known of producers before it                 producer_snapshot.py

Only the last segment of a log, the active one, is written.  What is read is given to sockets as a view of the page cache,
without a copy, unless it is so small that copying is quicker.  A view outlives what happens to its file's name, but not a
cut of the file itself: reading a mapping past the end of its file kills the process.  So while a view is about the file is
not cut in place: what remains is copied to a new file, which takes over the name.

Source: Kafka's `LogSegment.java`, `FileRecords.java`.  Next: partition_log.py, segments in order.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from mmap import mmap
from posixpath import join
from weakref import WeakSet

from durable.disk import Disk, DiskError
from minikafka.log.index import TIME_ENTRY, BadIndex, OffsetIndex, TimeIndex
from minikafka.log.open_files import OpenFiles
from minikafka.log.transaction_index import TransactionIndex
from minikafka.records.batch import (
    HEADER_SIZE,
    PREFIX,
    PREFIX_SIZE,
    BadBatch,
    Batch,
    Buffer,
    checksum_holds,
    read_header,
)

LOG, INDEX, TIME_INDEX, TRANSACTIONS, SNAPSHOT = ".log", ".index", ".timeindex", ".txnindex", ".snapshot"
DELETED = ".deleted"
VIEW_BYTES = 32 * 1024  # from here on mapping a file costs less than copying from it
SCAN = 64 * 1024  # bytes read at once when batches are walked
COPY = 1 << 20
WALKED_BELOW = 1 << 20  # bytes of log: a few milliseconds


def file_name(offset: int, suffix: str) -> str:
    """As Kafka names what belongs to the segment, or the state, at `offset`."""
    return f"{offset:020d}{suffix}"


class Segment:
    """Batches from `base_offset` on.  Knows bytes, offsets and times; what they mean is the log's business."""

    def __init__(
        self,
        files: OpenFiles,
        folder: str,
        base_offset: int,
        *,
        index_interval_bytes: int,
        index_bytes_max: int,
        created_ms: int,
    ) -> None:
        """
        index_interval_bytes  how much log lies between two index entries, at least
        index_bytes_max       of each index: then the segment is `full`
        created_ms            when it was made, or found: counts for `segment.ms` until there is a batch
        """
        disk = files.disk
        self.files, self.folder, self.base_offset = files, folder, base_offset
        self.path = join(folder, file_name(base_offset, LOG))
        self.index = OffsetIndex(disk, join(folder, file_name(base_offset, INDEX)), base_offset)
        self.time_index = TimeIndex(disk, join(folder, file_name(base_offset, TIME_INDEX)), base_offset)
        self.transactions = TransactionIndex(disk, join(folder, file_name(base_offset, TRANSACTIONS)))
        self.index_interval_bytes, self.created_ms = index_interval_bytes, created_ms
        self.entries_max = index_bytes_max // TIME_ENTRY.size - 1  # the last place is for the entry at the roll
        self.full = False
        self.size = 0  # bytes
        self.active = False
        self.max_timestamp = -1  # ms, of all batches
        self.max_timestamp_offset = base_offset  # the last offset of the first batch that has it
        self.first_timestamp = -1  # ms, the largest in the first batch; -1 when not known
        self._since_index_entry = 0  # bytes
        self._views: WeakSet[mmap] = WeakSet()

    @property
    def disk(self) -> Disk:
        return self.files.disk

    # -- life ---------------------------------------------------------------------------------------------------

    def create(self) -> None:
        """Make the file, and be active.  Raises OSError."""
        self.disk.open(self.path, "w").close()
        self.index.start_afresh()
        self.time_index.start_afresh()
        self.active = True

    def load(self) -> None:
        """Take up what the files of a full segment say.  Raises OSError; BadIndex, also for a missing one: recover then."""
        self.size = self.disk.size(self.path)
        for index in (self.index, self.time_index):
            if not self.disk.exists(index.path):
                raise BadIndex(f"{index.path} is missing")
        self.index.check(self.size)
        self.time_index.check()
        last = self.time_index.last()
        if last:
            self.max_timestamp, self.max_timestamp_offset = last[0], self.base_offset + last[1]
        if self.size and not self.time_index:
            raise BadIndex(f"{self.time_index.path} is empty, the log is not")

    def open_active(self) -> int:
        """Take up what the files of the last segment say; returns as `activate` does.  Raises as `load` does."""
        self.size = self.disk.size(self.path)
        if self.size >= WALKED_BELOW:
            self.load()
        return self.activate()

    def activate(self) -> int:
        """Be the segment that is written; returns the offset behind its last batch.  Raises OSError, BadBatch.

        The indexes of a small one are made from its headers: a stop then need not wait for the files to be durable.
        """
        self.active = True
        if self.size < WALKED_BELOW:
            self.index.start_afresh()
            self.time_index.start_afresh()
            self.max_timestamp, self.max_timestamp_offset, self._since_index_entry = -1, self.base_offset, 0
            for position, batch in self.batches():
                self.note(position, batch.size, batch.last_offset, batch.max_timestamp)
        self.index.resume()
        self.time_index.resume()
        last = self.index.last()
        end, end_offset = last[1] if last else 0, self.base_offset
        for position, batch in self.batches(end):
            end, end_offset = position + batch.size, batch.last_offset + 1
            if batch.max_timestamp > self.max_timestamp:
                self.max_timestamp, self.max_timestamp_offset = batch.max_timestamp, batch.last_offset
        if end < self.size:
            raise BadBatch(f"{self.path} ends in {self.size - end} bytes of a batch")
        if self.size:
            self.first_timestamp = read_header(self._read(HEADER_SIZE, 0)).max_timestamp
        return end_offset

    def let_go(self) -> None:
        """Close what is open of it."""
        for path in self.names():
            self.files.close(path)

    def retire(self, durably: bool = False) -> None:
        """No more is appended: the indexes get their last entry and go to their files.  Raises OSError."""
        if self.max_timestamp >= 0:
            self.time_index.append(self.max_timestamp, self.max_timestamp_offset)
        self.index.finish(durably)
        self.time_index.finish(durably)
        self.active = False
        self.files.close(self.path)

    def settle(self) -> list[str]:
        """Bring the files of the indexes up to date for a stop; returns paths of those that are to be fsynced."""
        if not self.size:
            return []
        if self.max_timestamp >= 0:
            self.time_index.append(self.max_timestamp, self.max_timestamp_offset)
        written = [index.path for index in (self.index, self.time_index) if index.write()]
        return written if self.size >= WALKED_BELOW else []

    def age(self, timestamp_ms: int, now_ms: int) -> int:
        """How much time has gone into it when a batch with this timestamp comes, in ms: by the records' time, if known."""
        if self.first_timestamp >= 0:
            return timestamp_ms - self.first_timestamp
        return now_ms - self.created_ms

    def names(self) -> list[str]:
        """Paths of all its files that exist, the log first."""
        paths = [self.path, self.index.path, self.time_index.path, self.transactions.path]
        return [path for path in paths if self.disk.exists(path)]

    # -- writing ------------------------------------------------------------------------------------------------

    def append(self, data: Buffer) -> None:
        """Write whole batches at the end; `note` each of them then.  Raises OSError, and nothing of it stands, unless
        cutting it off failed too."""
        file = self.files.get(self.path)
        size = len(data)
        written = file.append(data)
        if written < size:
            file.truncate(self.size)
            raise DiskError(errno.ENOSPC, os.strerror(errno.ENOSPC), self.path)
        self.size += size

    def note(self, position: int, size: int, last_offset: int, max_timestamp: int) -> None:
        """A batch stands at `position`: it may be due for an entry in the indexes."""
        if max_timestamp > self.max_timestamp:
            self.max_timestamp, self.max_timestamp_offset = max_timestamp, last_offset
        if position == 0:
            self.first_timestamp = max_timestamp
        if self._since_index_entry > self.index_interval_bytes:
            self.index.append(last_offset, position)
            self.time_index.append(self.max_timestamp, self.max_timestamp_offset)
            self.full = len(self.index) >= self.entries_max
            self._since_index_entry = 0
        self._since_index_entry += size

    # -- reading ------------------------------------------------------------------------------------------------

    def _read(self, size: int, position: int) -> bytes:
        return self.files.get(self.path).pread(size, position)

    def bytes_at(self, position: int, size: int) -> Buffer:
        """`size` bytes, which are there."""
        if size < VIEW_BYTES:
            return self._read(size, position)
        view = self.disk.view(self.path, position, size)
        if isinstance(view.obj, mmap):
            self._views.add(view.obj)  # what every slice of the view keeps alive
        return view

    def batches(self, position: int = 0) -> Iterator[tuple[int, Batch]]:
        """(position, header) of each batch from one that begins at `position`.  Raises BadBatch."""
        data, start = b"", position
        while position + HEADER_SIZE <= self.size:
            if position + HEADER_SIZE > start + len(data):
                data, start = self._read(min(SCAN, self.size - position), position), position
            batch = read_header(data, position - start)
            if position + batch.size > self.size:
                return
            yield position, batch
            position += batch.size

    def locate(self, offset: int) -> int:
        """The position of the first batch whose last offset is at least `offset`; `size` when there is none."""
        for position, batch in self.batches(self.index.lookup(offset)):
            if batch.base_offset + batch.last_offset_delta >= offset:
                return position
        return self.size

    def batch_size(self, position: int) -> int:
        """Bytes of the batch at `position`."""
        return int(PREFIX.unpack(self._read(PREFIX_SIZE, position))[1]) + PREFIX_SIZE

    def batch_bytes(self, position: int) -> bytes:
        """The whole batch at `position`."""
        return self._read(self.batch_size(position), position)

    # -- cutting and mending ------------------------------------------------------------------------------------

    def truncate_to(self, offset: int) -> int:
        """Cut off everything from the batch that contains `offset` on, and be active.  Raises OSError.

        Returns where the log ends now: at `offset`, or where the batch begins that contained it.
        """
        position = self.locate(offset)
        self.index.resume()
        self.time_index.resume()
        end_offset = offset
        if position < self.size:
            end_offset = min(offset, read_header(self._read(HEADER_SIZE, position)).base_offset)
            self._cut(position)
            self.index.truncate_to(offset)
            self.time_index.truncate_to(offset)
            self.transactions.truncate_to(offset)
        self.max_timestamp, self.max_timestamp_offset, self._since_index_entry = -1, self.base_offset, 0
        self.full = False
        last = self.time_index.last()
        if last:
            self.max_timestamp, self.max_timestamp_offset = last[0], self.base_offset + last[1]
        self.activate()
        return end_offset

    def _cut(self, size: int) -> None:
        """The file ends at `size` from now on, durably: else what was cut off could come back under what is written
        next.  Views of it that are still about stay whole."""
        if self._views:
            aside = self.path + ".cut"
            copy = self.disk.open(aside, "w")
            try:
                for start in range(0, size, COPY):
                    piece = self._read(min(COPY, size - start), start)
                    if copy.append(piece) < len(piece):
                        raise DiskError(errno.ENOSPC, os.strerror(errno.ENOSPC), aside)
                copy.fsync_now()
            except OSError:
                with suppress(OSError):
                    self.disk.unlink(aside)
                raise
            finally:
                copy.close()
            self.files.close(self.path)
            self.disk.rename(aside, self.path)
            self.disk.fsync_dir(self.folder)
            self._views.clear()
        else:
            file = self.files.get(self.path)
            file.truncate(size)
            file.fsync_now()
        self.size = size

    def recover(self, on_batch: Callable[[Batch, memoryview], None]) -> int:
        """Read all batches, check them, and build the indexes anew; what stands from the first bad one on is cut off.

        on_batch   called with the header and the bytes of each good one

        Returns how many bytes were cut off.  Raises OSError.
        """
        self.size = self.disk.size(self.path)
        self.index.start_afresh()
        self.time_index.start_afresh()
        if self.disk.exists(self.transactions.path):
            self.disk.unlink(self.transactions.path)
        self.max_timestamp, self.max_timestamp_offset, self._since_index_entry = -1, self.base_offset, 0
        self.active = True
        good, next_offset = 0, self.base_offset
        for batch, data in self._whole_batches():
            if batch.base_offset < next_offset or batch.last_offset_delta < 0 or not checksum_holds(data, 0, batch):
                break
            self.note(good, batch.size, batch.last_offset, batch.max_timestamp)
            on_batch(batch, data)
            good, next_offset = good + batch.size, batch.last_offset + 1
        cut = self.size - good
        if cut:
            self._cut(good)
        return cut

    def _whole_batches(self) -> Iterator[tuple[Batch, memoryview]]:
        """The header and the bytes of each batch; ends where no whole batch stands, whatever there is instead."""
        data, start, position = memoryview(b""), 0, 0  # `data` begins at `start` of the file
        while position + HEADER_SIZE <= self.size:
            if position + HEADER_SIZE > start + len(data):
                data, start = memoryview(self._read(SCAN, position)), position
            try:
                batch = read_header(data, position - start)
            except BadBatch:
                return
            if position + batch.size > self.size:
                return
            if position + batch.size > start + len(data):
                data, start = memoryview(self._read(max(SCAN, batch.size), position)), position
            yield batch, data[position - start : position - start + batch.size]
            position += batch.size
