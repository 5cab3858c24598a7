"""Snapshotters: how a copy of the keyspace, as it is at this moment, gets into a file while the server goes on.

Two ways, one contract.  `begin` is handed a function that yields the bytes, and takes the copy before it returns, as
far as anyone can tell:

    ForkSnapshotter   production: a forked child owns a frozen copy of all memory, and writes from that
    StepSnapshotter   simulation: the bytes are made at once, and written over many ticks, like a child would

The file at `path` is whole and durable when `done` is called without an error.  What it means to have one (renaming it
into its place, exchanging a manifest) is the caller's.
"""

from __future__ import annotations

import asyncio
import errno
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Protocol

from durable.disk import Disk, DiskError, File


@dataclass(slots=True)
class Progress:
    """How far a copy has come."""

    keys: int = 0
    bytes: int = 0


Chunks = Callable[[Progress], Iterator[bytes]]
"""Yields the bytes of the file; counts the keys in the Progress it is given, as it goes."""

Done = Callable[[str | None], None]
"""Called once at the end, with the reason when it failed.  Not called after `cancel`."""


class Copying(Protocol):
    """A copy under way."""

    progress: Progress

    def cancel(self) -> None:
        """Stop it, and remove what it has written."""


class Snapshotter(Protocol):
    def begin(self, path: str, chunks: Chunks, done: Done) -> Copying:
        """Start writing to `path`.  Raises OSError when it cannot even begin."""


class StepSnapshotter:
    """Copies a chunk a tick; the copy itself is made at once, so it is consistent and takes memory for all of it."""

    def __init__(self, disk: Disk, call_later: Callable[[float, Callable[[], None]], object], tick: float = 0.001):
        """tick: seconds from one chunk to the next"""
        self.disk = disk
        self.call_later = call_later
        self.tick = tick

    def begin(self, path: str, chunks: Chunks, done: Done) -> Copying:
        copying = SteppedCopy(self, path, done)
        copying.remaining = iter(list(chunks(copying.counted)))
        self.call_later(self.tick, copying.step)
        return copying


class SteppedCopy:
    """One copy of a StepSnapshotter."""

    remaining: Iterator[bytes]

    def __init__(self, owner: StepSnapshotter, path: str, done: Done) -> None:
        self.progress = Progress()
        self.counted = Progress()  # when all was made; `progress` follows as it is written
        self._owner = owner
        self._path = path
        self._done: Done | None = done
        self._file: File = owner.disk.open(path, "w")

    def step(self) -> None:
        if self._done is None:
            return
        try:
            chunk = next(self.remaining, None)
            if chunk is None:
                asyncio.ensure_future(self._file.fsync()).add_done_callback(self._synced)
                return
            if self._file.append(chunk) < len(chunk):
                raise DiskError(errno.ENOSPC, "No space left on device", self._path)
        except OSError as error:
            self._end(str(error))
            return
        self.progress.bytes += len(chunk)
        self._owner.call_later(self._owner.tick, self.step)

    def _synced(self, ended: asyncio.Future[None]) -> None:
        error = None if ended.cancelled() else ended.exception()
        self.progress.keys = self.counted.keys
        self._end(str(error) if error else None)

    def _end(self, error: str | None) -> None:
        if (done := self._done) is None:
            return
        self._done = None
        self._file.close()
        if error is not None:
            with suppress(OSError):
                self._owner.disk.unlink(self._path)
        done(error)

    def cancel(self) -> None:
        if self._done is not None:
            self._done = None
            self._file.close()
            with suppress(OSError):
                self._owner.disk.unlink(self._path)
