"""Segments in order: where bytes lie by offset, when a new file begins, and what of it all is durable.

    |  segment 0  |  segment 368769  |  segment 737337 ...        |
    |   full: read by views, to be fsynced once, then deleted     | active: written, read by pread
                                                    places: where its newest batches begin

This half of a log knows files and offsets.  What a batch means (producers, epochs, who may write it) is the other half's,
partition_log.py, which stands on it.  Methods raise OSError; nobody here decides what a failing disk means.

Segments come and go only at the ends: appended when the active one is full, old ones deleted from the front, newer ones
dropped at a truncation.  Deleted files are renamed first and removed later, so that who reads them now can finish.

Source: Kafka's `LocalLog.java`, `LogSegments.java`.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from contextlib import suppress
from posixpath import basename, dirname, join
from random import Random
from typing import NamedTuple

from durable.disk import Disk
from minikafka.log.open_files import OpenFiles
from minikafka.log.retention import SegmentFacts
from minikafka.log.segment import DELETED, SNAPSHOT, Segment, file_name
from minikafka.log.settings import LogSettings
from minikafka.records.batch import PREFIX, PREFIX_SIZE, Buffer

RELATIVE_MAX = (1 << 31) - 1  # offsets in an index are relative to the segment's base, in 32 bits
PLACES_MAX = 4096  # of the newest batches: where they begin


class Slice(NamedTuple):
    """Whole batches as stored; the last may be cut."""

    records: Buffer


NOTHING = Slice(b"")


class Mark(NamedTuple):
    """A place in the log."""

    offset: int
    segment: Segment
    truncations: int  # so far: after one more, the offset means something else


class SegmentedLog:
    """The segments in one folder.

    segments         from the oldest to the active one
    log_end_offset   the next offset to be given
    recovery_point   everything before it is durable
    rolled           there are full segments that are not durable yet: time for a flush
    """

    def __init__(self, files: OpenFiles, folder: str, settings: LogSettings, random: Random | None) -> None:
        self.files, self.folder, self.settings = files, folder, settings
        self.name = basename(folder)  # "topic-0"
        self.segments: list[Segment] = []
        self.active: Segment
        self.log_end_offset = self.recovery_point = 0
        self.rolled = False
        self.unsynced: list[Segment] = []  # full, but not durable
        self.names_changed = False  # the folder may not be durable
        self.folder_made = False  # by us, and not durably yet
        self.places: dict[int, int] = {}  # base offset -> position in the active segment, of its newest batches
        self._random = random
        self._jitter_ms = 0
        self._truncations = 0
        self._doomed: list[tuple[int, list[str]]] = []  # (when, files) of deleted segments

    @property
    def disk(self) -> Disk:
        return self.files.disk

    @property
    def size(self) -> int:
        """Bytes in all segments."""
        return sum(segment.size for segment in self.segments)

    @property
    def unflushed(self) -> int:
        """How many offsets are not known to be durable."""
        return self.log_end_offset - self.recovery_point

    # -- at the end: the next segment ----------------------------------------------------------------------------

    def new_segment(self, base_offset: int, now_ms: int) -> Segment:
        """The Segment object for `base_offset`; no file is touched."""
        settings = self.settings
        return Segment(
            self.files,
            self.folder,
            base_offset,
            index_interval_bytes=settings.index_interval_bytes,
            index_bytes_max=settings.segment_index_bytes,
            created_ms=now_ms,
        )

    def start_segment(self, base_offset: int, now_ms: int) -> None:
        """A new, empty active segment behind the others.  Raises OSError."""
        segment = self.new_segment(base_offset, now_ms)
        segment.create()
        self.segments.append(segment)
        self.active = segment
        self.names_changed = True
        self.places.clear()
        jitter = min(self.settings.segment_jitter_ms, self.settings.segment_ms)
        self._jitter_ms = self._random.randrange(jitter) if self._random and jitter else 0

    def segment_for(self, size: int, base_offset: int, last_offset: int, max_timestamp: int, now_ms: int) -> Segment:
        """The active segment, rolled before if `size` more bytes would not do."""
        segment, settings = self.active, self.settings
        if segment.size and (
            segment.size + size > settings.segment_bytes
            or segment.full
            or last_offset - segment.base_offset > RELATIVE_MAX
            or segment.age(max_timestamp, now_ms) > settings.segment_ms - self._jitter_ms
        ):
            self.roll(now_ms)
            segment = self.active
        if last_offset - segment.base_offset > RELATIVE_MAX:  # a follower over a very wide hole
            self.drop(self.segments.pop())
            self.start_segment(base_offset, now_ms)
            segment = self.active
        return segment

    def roll(self, now_ms: int) -> None:
        """The active segment is full; the next begins at the log's end.  Raises OSError.

        The folder is made durable first, unless a flush has done so: no segment may be there without the one before it.
        """
        if self.names_changed:
            self.fsync_folder()
        self.active.retire()
        self.unsynced.append(self.active)
        self.rolled = True
        self.take_snapshot(self.log_end_offset)
        self.start_segment(self.log_end_offset, now_ms)

    def take_snapshot(self, offset: int) -> None:
        """For the other half: what is to be kept at a roll."""

    def snapshot_path(self, offset: int) -> str:
        return join(self.folder, file_name(offset, SNAPSHOT))

    def is_due(self, now_ms: int) -> bool:
        """Whether the active segment is older than `segment.ms` though nothing is appended."""
        segment = self.active
        return segment.size > 0 and now_ms - segment.created_ms > self.settings.segment_ms - self._jitter_ms

    # -- finding and reading -------------------------------------------------------------------------------------

    def segments_from(self, offset: int) -> Iterator[tuple[Segment, int]]:
        """The segment in which `offset` lies and those behind it, each with where it ends."""
        active, segments = self.active, self.segments
        if offset < active.base_offset:
            first = max(bisect_right(segments, offset, key=lambda segment: segment.base_offset) - 1, 0)
            for place in range(first, len(segments) - 1):
                yield segments[place], segments[place + 1].base_offset
        yield active, self.log_end_offset

    def _position(self, segment: Segment, offset: int) -> int:
        """Where the first batch with `offset` or more in it begins."""
        if segment is self.active:
            position = self.places.get(offset)
            if position is not None:
                return position
        return segment.locate(offset)

    def slice(self, offset: int, end: int, max_bytes: int, at_least_one: bool) -> Slice:
        """Batches from the one that contains `offset` on, below `end`: one run of bytes of one segment."""
        for segment, segment_end in self.segments_from(offset):
            start = self._position(segment, offset)
            stop = segment.size if end >= segment_end else self._position(segment, end)
            if start < stop:
                return _slice(segment, start, stop - start, max_bytes, at_least_one)
            if end <= segment_end:
                break
        return NOTHING

    def bytes_between(self, offset: int, up_to: int) -> int:
        """How many bytes of batches lie from `offset` to `up_to`: whether a fetch has its `min_bytes`."""
        end, total = min(up_to, self.log_end_offset), 0
        if offset < end:
            for segment, segment_end in self.segments_from(offset):
                stop = segment.size if end >= segment_end else self._position(segment, end)
                total += stop - (self._position(segment, offset) if offset > segment.base_offset else 0)
                if end <= segment_end:
                    break
        return total

    # -- cutting at the end --------------------------------------------------------------------------------------

    def cut(self, offset: int) -> None:
        """The log ends at `offset`, which lies above the oldest segment's base, or before a batch that contains it."""
        while self.segments[-1].base_offset >= offset:
            self.drop(self.segments.pop())
        if self.names_changed:
            self.fsync_folder()
        self.active = self.segments[-1]
        self.places.clear()
        self.log_end_offset = self.active.truncate_to(offset)
        self._lowered()

    def cut_all(self, offset: int) -> None:
        """The log is empty and begins at `offset`."""
        while self.segments:
            self.drop(self.segments.pop())
        self.log_end_offset = offset
        self.start_segment(offset, 0)
        self._lowered()

    def _lowered(self) -> None:
        self._truncations += 1
        self.unsynced = [segment for segment in self.unsynced if segment in self.segments[:-1]]
        self.recovery_point = min(self.recovery_point, self.log_end_offset)

    def drop(self, segment: Segment) -> None:
        """Remove a segment's files now.  Views of them live on."""
        segment.let_go()
        for path in segment.names():
            self.disk.unlink(path)
        self.names_changed = True

    # -- deleting at the front -----------------------------------------------------------------------------------

    def facts(self) -> list[SegmentFacts]:
        ends = [*(segment.base_offset for segment in self.segments[1:]), self.log_end_offset]
        return [
            SegmentFacts(
                segment.size,
                segment.max_timestamp if segment.max_timestamp >= 0 else segment.created_ms,
                end,
                segment is self.active,
            )
            for segment, end in zip(self.segments, ends, strict=True)
        ]

    def delete_oldest(self, count: int, when_ms: int) -> None:
        """Rename the files of the `count` oldest segments; they are removed at `when_ms`."""
        for segment in self.segments[:count]:
            self._doom(segment, when_ms)
        del self.segments[:count]
        self.unsynced = [segment for segment in self.unsynced if segment in self.segments]

    def _doom(self, segment: Segment, when_ms: int) -> None:
        doomed = []
        paths = segment.names()
        snapshot = self.snapshot_path(segment.base_offset)
        if self.disk.exists(snapshot):
            paths.append(snapshot)
        for path in paths:
            self.files.close(path)
            self.disk.rename(path, path + DELETED)
            doomed.append(path + DELETED)
        self._doomed.append((when_ms, doomed))
        self.names_changed = True

    def let_go(self) -> None:
        """Close its files as they are: the folder is to be renamed, or is lost."""
        for segment in self.segments:
            segment.let_go()

    def remove_doomed(self, now_ms: int) -> None:
        """Unlink the files of segments that were deleted long enough ago."""
        while self._doomed and self._doomed[0][0] <= now_ms:
            for path in self._doomed.pop(0)[1]:
                with suppress(FileNotFoundError):
                    self.disk.unlink(path)

    # -- durability ----------------------------------------------------------------------------------------------

    def mark(self) -> Mark:
        """Where the log is now, for a `sync` up to here."""
        return Mark(self.log_end_offset, self.active, self._truncations)

    async def sync(self, mark: Mark) -> None:
        """Make everything before `mark` durable, and move the recovery point there.  Others may append, roll, cut and
        delete meanwhile, and even ask for another."""
        target, active, truncations = mark
        self.rolled = False
        if self.names_changed:
            self.names_changed = False
            self.fsync_folder()
        for segment in list(self.unsynced):
            for path in segment.names():
                if segment in self.segments:
                    await self.files.get(path).fsync()
            if truncations != self._truncations:
                return  # what was full may be written again
            if segment in self.unsynced:
                self.unsynced.remove(segment)
                segment.let_go()
        if target > self.recovery_point and active in self.segments:
            await self.files.get(active.path).fsync()
        if truncations == self._truncations:
            self.recovery_point = max(self.recovery_point, target)

    def sync_now(self) -> None:
        """The same at a stop, with the indexes of the active segment, and blocking."""
        paths = [name for segment in self.unsynced for name in segment.names()]
        paths += self.active.settle()
        if self.log_end_offset > self.recovery_point:
            paths.append(self.active.path)
        for path in paths:
            self.files.get(path).fsync_now()
            self.files.close(path)
        self.files.close(self.active.path)
        self.unsynced.clear()
        if self.names_changed:
            self.names_changed = False
            self.fsync_folder()
        self.recovery_point = self.log_end_offset

    def fsync_folder(self) -> None:
        """Make the names in it durable, and its own."""
        self.disk.fsync_dir(self.folder)
        if self.folder_made:
            self.disk.fsync_dir(dirname(self.folder) or ".")
            self.folder_made = False


def _slice(segment: Segment, position: int, available: int, max_bytes: int, at_least_one: bool) -> Slice:
    if available <= max_bytes:
        return Slice(segment.bytes_at(position, available))
    size = max(max_bytes, PREFIX_SIZE)
    data = segment.bytes_at(position, size)
    first = PREFIX.unpack_from(data)[1] + PREFIX_SIZE
    if first <= max_bytes:
        return Slice(data)
    return Slice(segment.bytes_at(position, first)) if at_least_one else NOTHING
