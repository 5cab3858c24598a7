"""An append-only file: how far it is written, how far it is durable, and what happens when the disk says no.

    0 ............ durable ............ written
    | on the platter | in the page cache | not here: nothing is buffered in the process

`append` has gone through write() when it returns, so a killed process loses nothing of it.  `sync` starts an fsync and
returns; `on_durable` is called when it ends, once for everyone: whoever waits compares an offset, so a thousand waiting
requests are a thousand integers and no task.  While an fsync runs, another `sync` is remembered and served by one more
(group commit).  How often to sync is the caller's policy.

Failures, and why they are treated so differently:

    append   Some bytes may have gone in: they are cut away, so that the file ends with a whole record again.  The
             disk may have room later, so the next append tries again.
    fsync    Nobody can tell what is on the platter: the kernel marks the lost pages clean, and the next fsync
             succeeds over a hole.  The appender is `broken` for good; whoever owns the data writes a new file.

Sources: Rebello et al., "Can Applications Recover from fsync Failures?" (ATC 2020); PostgreSQL wiki, "Fsync Errors".
Next: miniredis/persistence/aof.py decides when to sync.
"""

from __future__ import annotations

import asyncio
import errno
import os
from collections.abc import Callable
from contextlib import suppress

from durable.disk import Disk, DiskError, File

CHUNK = 256 * 1024  # bytes read at once by the tail scan


class Appender:
    """Appends to one file.  Offsets are positions in it, in bytes."""

    def __init__(
        self,
        file: File,
        *,
        on_durable: Callable[[int], None] = lambda offset: None,
        on_broken: Callable[[OSError], None] = lambda error: None,
    ) -> None:
        """
        file        opened for appending; what stands in it already is taken for durable
        on_durable  called with the new `durable`
        on_broken   called when an fsync failed
        """
        self.file = file
        self.written = self.durable = file.size()
        self.error: OSError | None = None  # why the last append or fsync failed; None again after a good append
        self.broken = False
        self.syncing = False
        self.syncs = 0  # fsyncs begun
        self._on_durable = on_durable
        self._on_broken = on_broken
        self._wanted = self.durable  # how far somebody asked to sync
        self._torn = False  # bytes of a failed append stand behind `written`

    def append(self, data: bytes | bytearray | memoryview) -> int:
        """Write `data` at the end; returns `written`, the offset behind it.  Raises OSError: nothing of it stands."""
        if self.broken:
            assert self.error is not None
            raise self.error
        try:
            if self._torn:
                self._cut()
            size = self.file.append(data)
            if size < len(data):
                self._torn = True
                raise DiskError(errno.ENOSPC, os.strerror(errno.ENOSPC), self.file.path)
        except OSError as error:
            self.error = error
            if self._torn:
                with suppress(OSError):  # the next append tries again first
                    self._cut()
            raise
        self.error = None
        self.written += size
        return self.written

    def _cut(self) -> None:
        self.file.truncate(self.written)
        self._torn = False

    # -- fsync --------------------------------------------------------------------------------------------------

    def sync(self) -> None:
        """Make all that is written durable, in the background; `on_durable` tells when it is."""
        self._wanted = self.written
        if not self.syncing and not self.broken and self._wanted > self.durable:
            self._begin()

    def _begin(self) -> None:
        self.syncing = True
        self.syncs += 1
        target = self.written
        running = asyncio.ensure_future(self.file.fsync())
        running.add_done_callback(lambda ended: self._synced(ended, target))

    def _synced(self, ended: asyncio.Future[None], target: int) -> None:
        self.syncing = False
        if ended.cancelled():
            return
        error = ended.exception()
        if isinstance(error, OSError):
            self._break(error)
        elif error is not None:
            raise error
        elif not self.broken:
            self._reached(target)
            if self._wanted > self.durable and not self.syncing:
                self._begin()

    def sync_now(self) -> None:
        """The same, blocking.  Raises OSError, and the appender is broken."""
        if self.broken:
            assert self.error is not None
            raise self.error
        if self.written == self.durable:
            return
        self.syncs += 1
        target = self.written
        try:
            self.file.fsync_now()
        except OSError as error:
            self._break(error)
            raise
        self._reached(target)

    def _reached(self, target: int) -> None:
        if target > self.durable:
            self.durable = target
            self._on_durable(target)

    def _break(self, error: OSError) -> None:
        self.broken = True
        self.error = error
        self._on_broken(error)

    def close(self) -> None:
        """Close the file; what is not durable by then may never be."""
        self.file.close()


def whole_length(disk: Disk, path: str, scan: Callable[[bytes], int], *, record_max: int, start: int = 0) -> int:
    """How many bytes of the file at `path` are whole records: what stands behind was torn by a crash.

    scan        the format's own knowledge: given bytes that begin with a record, how many of them are whole records.
                It raises for damage, which no torn write explains.
    record_max  bytes; no record is longer, so no more than about twice that is held
    cost        linear: of a long record, each scan sees twice as much as the one before
    start       where the first record begins

    Raises OSError, and what `scan` raises.
    """
    file = disk.open(path)
    try:
        whole, held = start, b""
        while data := file.pread(max(CHUNK, len(held)), whole + len(held)):
            held += data
            known = scan(held)
            whole += known
            held = held[known:]
            if len(held) > record_max:
                break  # whatever this is, it is no record
        return whole
    finally:
        file.close()
