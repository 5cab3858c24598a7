"""A journal: records of our own, checksummed, in segments, for what has no file format of its own.

    folder/  00000000000000000000.journal      named by the position of its first byte: one number line through
             00000000000016777301.journal      all segments, so the place of a record is a single integer

    segment     "mini-journal 1\\n"  record  record  record ...

     0            4                 8               12         12+length
    +------------+-----------------+----------------+----------+
    | length u32 | crc32c of data  | crc32c of both | data     |       little-endian
    +------------+-----------------+----------------+----------+

What may go wrong with a record, and what it means when the journal is opened again:

    torn       The power failed before its fsync: the file ends inside it, or goes on with empty sectors.  Only the last
               record of the last segment can be; nobody was told that it is durable.  It is cut off.
    corrupt    Anything else: its bytes are all there and are not what was written.  What was promised is gone, and whoever
               owns the data must not go on as if it were whole.  `CorruptJournal` says which file and where.

Two rules keep these apart.  A segment is left behind only when all of it is durable, so whatever is wrong in one that is
not the last is corruption.  And the header has a checksum of its own, so a damaged length is not taken for a long record
whose end was torn off.

Opening writes the last segment anew, its whole records only, by `replace_file`: what is read from it then *is* on the
platter.  A process killed before its fsync leaves records in the page cache that no fsync ever covered; and after a failed
fsync the cache holds pages that the next fsync will not write.  Reading them, and promising them, would be a lie.

Nothing is cut from the back: an owner that changes its mind appends a record which says so (Raft's storage: an entry
replaces all entries from its index on).  From the front whole segments go, once nobody needs them (`drop_before`); an owner
with a few old records in a segment appends those again and lets it go.  So many owners can share one journal and one
fsync: each puts its name into its records.

Sources: the write-ahead log of etcd (wal/decoder.go: torn is what ends in an empty sector); Alagappan et al.,
"Protocol-Aware Recovery for Consensus-Based Storage" (FAST 2018), why a torn and a corrupt record must not be confused;
Rebello et al., "Can Applications Recover from fsync Failures?" (ATC 2020).  Next: raft/storage.py.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from posixpath import join
from struct import Struct

from crc32c import crc32c

from durable.appender import Appender
from durable.disk import Disk, File
from durable.replace_file import replace_file

MAGIC = b"mini-journal 1\n"
SUFFIX = ".journal"
HEADER = Struct("<III")
FIELDS = Struct("<II")  # the header without its own checksum
SEGMENT_BYTES = 16 * 1024 * 1024
SECTOR = 512  # bytes a disk writes as one


class CorruptJournal(Exception):
    """Bytes that were promised to be durable are not what was written.

    path      the damaged segment
    position  in that file, of the record that is damaged
    """

    def __init__(self, path: str, position: int, what: str) -> None:
        super().__init__(f"{path} is corrupt at byte {position}: {what}")
        self.path, self.position = path, position


def encode_record(data: bytes) -> bytes:
    """The bytes of one record."""
    fields = FIELDS.pack(len(data), crc32c(data))
    return fields + crc32c(fields).to_bytes(4, "little") + data


class Segment:
    """One file of the journal; `base` is the position of its first byte, `end` the one behind its last."""

    def __init__(self, path: str, base: int, end: int) -> None:
        self.path, self.base, self.end = path, base, end
        self.file: File | None = None  # open for reading, once somebody did


class Journal:
    """Appends records and says how far they are durable.  A position is a place on one line through all segments."""

    def __init__(
        self,
        disk: Disk,
        folder: str,
        *,
        replay: Callable[[int, bytes], None] = lambda position, data: None,
        on_durable: Callable[[int], None] = lambda position: None,
        on_broken: Callable[[OSError], None] = lambda error: None,
        segment_bytes: int = SEGMENT_BYTES,
    ) -> None:
        """Open the journal in `folder`, made when it is not there; the caller sees to it that it is the only one.

        replay         called with each record found, in order: its position, its data
        on_durable     called with the new `durable`, once for all who wait
        on_broken      called when an fsync failed; nothing can be appended from then on
        segment_bytes  where a new segment is begun.  At least: a segment is left only when all of it is durable

        Raises CorruptJournal, OSError.
        """
        self._disk, self._folder, self._segment_bytes = disk, folder, segment_bytes
        self._on_durable, self._on_broken = on_durable, on_broken
        self.syncs_before = 0  # fsyncs of the segments that were left
        disk.mkdir(folder)
        self.segments = self._found()
        for segment in self.segments:
            self._recover(segment, segment is self.segments[-1], replay)
        if not self.segments:
            self._create(0)
        self._open_last()

    # -- opening ------------------------------------------------------------------------------------------------

    def _found(self) -> list[Segment]:
        """The segments in the folder, each beginning where the one before it ends."""
        segments: list[Segment] = []
        for name in self._disk.listdir(self._folder):
            path = join(self._folder, name)
            if name.endswith(SUFFIX + ".new"):
                self._disk.unlink(path)  # of a replacement that a crash cut short
            elif name.endswith(SUFFIX):
                base = int(name.removesuffix(SUFFIX))
                if segments and segments[-1].end != base:
                    missing = f"{base - segments[-1].end} bytes are missing behind it"
                    raise CorruptJournal(segments[-1].path, segments[-1].end - segments[-1].base, missing)
                segments.append(Segment(path, base, base + self._disk.size(path)))
        return segments

    def _recover(self, segment: Segment, last: bool, replay: Callable[[int, bytes], None]) -> None:
        content = self._disk.read(segment.path)
        if not content.startswith(MAGIC):
            if not (last and MAGIC.startswith(content)):
                raise CorruptJournal(segment.path, 0, "this is no segment of a journal")
            content = b""
        whole = len(MAGIC)
        for position, data in whole_records(segment.path, content, may_be_torn=last):
            replay(segment.base + position, data)
            whole = position + HEADER.size + len(data)
        if last:
            replace_file(self._disk, segment.path, MAGIC + content[len(MAGIC) : whole])
            segment.end = segment.base + whole

    def _create(self, base: int) -> None:
        path = join(self._folder, f"{base:020}{SUFFIX}")
        replace_file(self._disk, path, MAGIC)
        self.segments.append(Segment(path, base, base + len(MAGIC)))

    def _open_last(self) -> None:
        base = self.segments[-1].base
        self._appender = Appender(
            self._disk.open(self.segments[-1].path, "a"),
            on_durable=lambda offset: self._on_durable(base + offset),
            on_broken=self._on_broken,
        )

    # -- appending ----------------------------------------------------------------------------------------------

    @property
    def start(self) -> int:
        """The position of the first byte that is still kept."""
        return self.segments[0].base

    @property
    def written(self) -> int:
        """The position behind the last record."""
        return self.segments[-1].end

    @property
    def durable(self) -> int:
        """The position up to which nothing can be lost."""
        return self.segments[-1].base + self._appender.durable

    @property
    def broken(self) -> bool:
        """An fsync failed: nobody knows what is on the platter, and nothing is taken any more."""
        return self._appender.broken

    @property
    def syncs(self) -> int:
        """fsyncs begun, since it was opened."""
        return self.syncs_before + self._appender.syncs

    def append(self, records: Iterable[bytes]) -> int:
        """Append them with one write; none of them stands when OSError is raised.

        Returns the position of the first; each next one lies behind the `HEADER.size + length` bytes of that before it.
        All of them are durable once `durable` has reached what `written` is now.
        """
        data = b"".join(map(encode_record, records))
        if data:
            self._roll_if_full()
            self.segments[-1].end = self.segments[-1].base + self._appender.append(data)
        return self.written - len(data)

    def _roll_if_full(self) -> None:
        """Begin a new segment, at the first moment when the old one is durable; a very full one is made so."""
        size = self._appender.written
        if size < self._segment_bytes or self.broken:
            return
        if self._appender.durable < size:
            if size < 2 * self._segment_bytes:
                return
            self._appender.sync_now()
        left = self._appender
        self._create(self.written)
        self._open_last()
        self.syncs_before += left.syncs
        left.close()

    def sync(self) -> None:
        """Make all that is written durable, in the background; `on_durable` tells when it is."""
        self._appender.sync()

    def sync_now(self) -> None:
        """The same, blocking.  Raises OSError, and the journal is broken."""
        self._appender.sync_now()

    # -- reading, forgetting, closing ---------------------------------------------------------------------------

    def read(self, position: int) -> bytes:
        """The record at `position`, as `append` or `replay` told it.

        Raises CorruptJournal, and LookupError when it was dropped or is not written yet.
        """
        segment = self.segments[bisect_right(self.segments, position, key=lambda each: each.base) - 1]
        if not segment.base <= position < segment.end:
            raise LookupError(f"no record at {position}: the journal holds {self.start} to {self.written}")
        file = segment.file = segment.file or self._disk.open(segment.path)
        place = position - segment.base
        header = file.pread(HEADER.size, place)
        length = FIELDS.unpack_from(header)[0] if _header_is_whole(header) else 0
        return next(whole_records(segment.path, header + file.pread(length, place + HEADER.size), base=place))[1]

    def drop_before(self, position: int) -> None:
        """Forget the segments that end at `position` or before.  The last one stays.  Raises OSError."""
        while len(self.segments) > 1 and self.segments[0].end <= position:
            gone = self.segments[0]
            self._disk.unlink(gone.path)
            self._disk.fsync_dir(self._folder)  # one by one: a power failure must not keep an older and lose a newer
            del self.segments[0]
            if gone.file is not None:
                gone.file.close()

    def close(self) -> None:
        """Close the files; what is not durable by then may never be."""
        self._appender.close()
        for segment in self.segments:
            if segment.file is not None:
                with suppress(OSError):
                    segment.file.close()


def _header_is_whole(header: bytes) -> bool:
    return len(header) == HEADER.size and crc32c(header[: FIELDS.size]).to_bytes(4, "little") == header[FIELDS.size :]


def whole_records(
    path: str, content: bytes, *, may_be_torn: bool = False, base: int | None = None
) -> Iterator[tuple[int, bytes]]:
    """(position, data) of the records in a segment's bytes.  Raises CorruptJournal.

    may_be_torn  the last record may be incomplete, and is then left out
    base         the bytes are no whole segment but begin with a record, at this place in the file
    """
    place, size = len(MAGIC) if base is None else 0, len(content)
    while place < size:
        header = content[place : place + HEADER.size]
        position = place + (base or 0)
        if not _header_is_whole(header):
            if may_be_torn and (len(header) < HEADER.size or ends_in_empty_sectors(content, place)):
                return
            raise CorruptJournal(path, position, "the header of a record does not match its checksum")
        length, checksum = FIELDS.unpack_from(header)
        data = content[place + HEADER.size : place + HEADER.size + length]
        if len(data) < length:
            if may_be_torn:
                return
            raise CorruptJournal(path, position, f"a record of {length} bytes ends after {len(data)}")
        if crc32c(data) != checksum:
            if may_be_torn and ends_in_empty_sectors(content, place):
                return
            raise CorruptJournal(path, position, f"a record of {length} bytes does not match its checksum")
        yield position, data
        place += HEADER.size + length


def ends_in_empty_sectors(content: bytes, start: int) -> bool:
    """Whether the file was made longer, but the last sectors from within the record at `start` on never written.

    A file grows before its data arrives; the sectors in between read as zeros, up to the end of the file.
    """
    filled = len(content.rstrip(b"\0"))
    first_empty = -(-filled // SECTOR) * SECTOR
    return first_empty > start and first_empty < len(content)
