"""The Disk of production: the operating system's files, and one small pool of threads for fsync.

Reading and writing are plain system calls.  `fsync` runs in an executor, and callers share: whoever asks while one is
running waits for the *next* one, which begins when that ends and covers all who asked in between.  A hundred clients
cost two fsyncs, not a hundred; this is what databases call group commit.

    fsync 1  |---------------|
    asked    A    B    C     |
    fsync 2                  |---------------|      covers B and C

fdatasync is used where there is one: it leaves out the times of the inode and nothing that reading needs.

Source: POSIX fsync and fdatasync; Linux `man 2 open`, `man 2 flock`.  Next: appender.py.
"""

from __future__ import annotations

import asyncio
import errno
import fcntl
import mmap
import os
from collections.abc import Awaitable
from concurrent.futures import ThreadPoolExecutor

MODES = {
    "r": os.O_RDONLY,
    "a": os.O_RDWR | os.O_APPEND | os.O_CREAT,
    "w": os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_TRUNC,
    "x": os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_EXCL,
}
WRITE_MAX = 1 << 30  # bytes a call; Linux takes no more than 2 GiB at once
FSYNC_THREADS = 4  # files that may be on their way to the platter at the same time

force_out = getattr(os, "fdatasync", os.fsync)


class RealFile:
    """One open file (`durable.disk.File`)."""

    def __init__(self, disk: RealDisk, path: str, fd: int) -> None:
        self.path = path
        self._disk = disk
        self._fd = fd
        self._closed = False
        self._running = False  # an fsync is in the executor
        self._waiting: list[asyncio.Future[None]] = []  # for the fsync after it

    def append(self, data: bytes | bytearray | memoryview) -> int:
        written, size = 0, len(data)
        try:
            written = os.write(self._fd, data)
            if written < size:
                with memoryview(data) as rest:
                    while written < size:
                        written += os.write(self._fd, rest[written : written + WRITE_MAX])
        except OSError as error:
            if not written:
                raise self._named(error) from None
        return written

    def pread(self, size: int, position: int) -> bytes:
        return os.pread(self._fd, size, position)

    def size(self) -> int:
        return os.fstat(self._fd).st_size

    def truncate(self, size: int) -> None:
        try:
            os.ftruncate(self._fd, size)
        except OSError as error:
            raise self._named(error) from None

    def fsync(self) -> Awaitable[None]:
        """The next fsync to begin; shared with everyone who asks before it does."""
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        if self._closed:
            done.set_exception(OSError(errno.EBADF, os.strerror(errno.EBADF), self.path))
            return done
        self._waiting.append(done)
        if not self._running:
            self._begin_fsync()
        return done

    def _begin_fsync(self) -> None:
        served, self._waiting = self._waiting, []
        self._running = True
        running = asyncio.get_running_loop().run_in_executor(self._disk.executor(), force_out, self._fd)
        running.add_done_callback(lambda ended: self._fsync_ended(ended, served))

    def _fsync_ended(self, ended: asyncio.Future[None], served: list[asyncio.Future[None]]) -> None:
        self._running = False
        error = ended.exception() if not ended.cancelled() else OSError(errno.ECANCELED, os.strerror(errno.ECANCELED))
        if isinstance(error, OSError):
            error = self._named(error)
        for waiter in served:
            if waiter.done():
                continue
            if error is None:
                waiter.set_result(None)
            else:
                waiter.set_exception(error)
        if self._waiting:
            self._begin_fsync()
        elif self._closed:
            os.close(self._fd)

    def fsync_now(self) -> None:
        try:
            force_out(self._fd)
        except OSError as error:
            raise self._named(error) from None

    def close(self) -> None:
        """Close; an fsync under way is let finish first, as its descriptor may not become another file's."""
        if self._closed:
            return
        self._closed = True
        if not self._running:
            os.close(self._fd)

    def fileno(self) -> int:
        return self._fd

    def _named(self, error: OSError) -> OSError:
        return OSError(error.errno, error.strerror, self.path)


class RealLock:
    """A held lock; the kernel lets go of it when the process dies."""

    def __init__(self, fd: int) -> None:
        self._fd: int | None = fd

    def close(self) -> None:
        if self._fd is not None:
            os.close(self._fd)
            self._fd = None


class RealDisk:
    """The operating system's file tree (`durable.disk.Disk`)."""

    def __init__(self) -> None:
        self._executor: ThreadPoolExecutor | None = None

    def executor(self) -> ThreadPoolExecutor:
        """Where fsync blocks; made when first needed, so that a server which never asks stays single-threaded."""
        if self._executor is None:
            self._executor = ThreadPoolExecutor(FSYNC_THREADS, thread_name_prefix="fsync")
        return self._executor

    def close(self) -> None:
        """Wait for what is under way and end the threads."""
        if self._executor is not None:
            self._executor.shutdown()
            self._executor = None

    def open(self, path: str, mode: str = "r") -> RealFile:
        if mode not in MODES:
            raise ValueError(f"mode must be 'r', 'a', 'w' or 'x', not {mode!r}")
        return RealFile(self, path, os.open(path, MODES[mode] | os.O_CLOEXEC, 0o644))

    def read(self, path: str) -> bytes:
        with open(path, "rb") as file:
            return file.read()

    def exists(self, path: str) -> bool:
        return os.path.exists(path)

    def size(self, path: str) -> int:
        return os.stat(path).st_size

    def rename(self, old: str, new: str) -> None:
        os.rename(old, new)

    def unlink(self, path: str) -> None:
        os.unlink(path)

    def listdir(self, path: str) -> list[str]:
        return sorted(os.listdir(path))

    def mkdir(self, path: str, durable: bool = True) -> None:
        """Durable at once, with its parents: they are few, and what is fsynced in a folder that is not is lost with it."""
        parent = os.path.dirname(os.path.abspath(path))
        if not os.path.isdir(parent):
            self.mkdir(parent)
        try:
            os.mkdir(path)
        except FileExistsError:
            if not os.path.isdir(path):
                raise
        else:
            if durable:
                self.fsync_dir(parent)

    def rmdir(self, path: str) -> None:
        os.rmdir(path)

    def fsync_dir(self, path: str) -> None:
        fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)

    def lock(self, path: str) -> RealLock:
        fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(fd)
            raise type(error)(error.errno, error.strerror, path) from None
        return RealLock(fd)

    def view(self, path: str, position: int, length: int) -> memoryview:
        """`length` bytes from `position`, fewer where the file ends; the mapping lives as long as the view."""
        fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            end = min(position + length, os.fstat(fd).st_size)
            if end <= position:
                return memoryview(b"")
            page = position - position % mmap.ALLOCATIONGRANULARITY
            mapped = mmap.mmap(fd, end - page, access=mmap.ACCESS_READ, offset=page)
        finally:
            os.close(fd)
        return memoryview(mapped)[position - page :]
