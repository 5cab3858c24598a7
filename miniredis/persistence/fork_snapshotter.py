"""Snapshots by fork: the child's memory is the copy.

fork() gives the child the parent's memory as it is at that moment; pages are copied only when one of the two writes.
So the child has all the time it needs and the parent pays with the fork itself (about 10 ms per gigabyte of page
tables) and with memory for what changes meanwhile.  In Python every look at an object writes its reference count, so
nearly everything that is looked at is copied, in the child: expect up to twice the memory during a snapshot.

A child of a server must not act like one.  In this order it

    1  dies with its parent      PR_SET_PDEATHSIG; and at once if the parent is dead already
    2  forgets all signals       the parent's handlers wake the parent's loop
    3  closes every descriptor   listening sockets above all: after a kill -9 the port must be free at once
    4  writes, and reports       lines in a pipe: progress, then the end
    5  leaves by os._exit        no finally, no atexit, no buffers: they are all the parent's

Source: Redis 7.2 `rdb.c`, rdbSaveBackground; `childinfo.c`; Linux `man 2 prctl`, `man 2 fork`.
"""

from __future__ import annotations

import asyncio
import ctypes
import errno
import gc
import os
import signal
from contextlib import suppress
from typing import NoReturn

from durable.disk import Disk, File
from durable.real_disk import RealDisk
from miniredis.persistence.snapshotter import Chunks, Copying, Done, Progress

PR_SET_PDEATHSIG = 1
REPORT_EVERY = 4 * 1024 * 1024  # bytes written between two lines of progress, and two fsyncs: with a single one at
# the end the disk would be busy with the whole file at once, and the append-only file's fsync would wait behind it

_prctl = ctypes.CDLL(None, use_errno=True).prctl


class ForkSnapshotter:
    """Forks a child for every copy.  Needs the running asyncio loop, in the main thread."""

    def __init__(self, disk: Disk | None = None) -> None:
        """disk: what the child writes to; for tests"""
        self.disk = disk

    def begin(self, path: str, chunks: Chunks, done: Done) -> Copying:
        loop = asyncio.get_running_loop()
        reading, writing = os.pipe()
        parent = os.getpid()
        # A signal in the child's first instants would run a handler of the parent's.
        mask = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
        try:
            child = os.fork()
            if child == 0:
                self._be_the_child(parent, writing, path, chunks)
        except OSError:
            os.close(reading)
            raise
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)
            os.close(writing)
        os.set_blocking(reading, False)
        return ForkedCopy(loop, child, reading, path, done)

    def _be_the_child(self, parent: int, report: int, path: str, chunks: Chunks) -> NoReturn:
        try:
            _prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
            if os.getppid() != parent:
                os._exit(1)
            forget_signals()
            close_all_but(report)
            gc.disable()  # a collection would touch, and so copy, every page
            write_copy(self.disk or RealDisk(), path, chunks, report)
            os._exit(0)
        except BaseException as error:
            with suppress(BaseException):
                os.write(report, b"failed %b\n" % str(error).replace("\n", " ").encode())
        finally:
            os._exit(1)


def forget_signals() -> None:
    """Every signal means again what it means to a new process, but Ctrl-C, which reaches parent and child alike: the
    parent decides what it means."""
    signal.set_wakeup_fd(-1)
    for number in signal.valid_signals():
        if callable(signal.getsignal(number)):
            signal.signal(number, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())


def close_all_but(kept: int) -> None:
    """Close every descriptor but the three standard ones and `kept`."""
    os.closerange(3, kept)
    os.closerange(kept + 1, os.sysconf("SC_OPEN_MAX"))


def write_copy(disk: Disk, path: str, chunks: Chunks, report: int) -> None:
    """In the child: write, fsync, and tell how it goes.  Raises OSError."""
    progress = Progress()
    reported = 0
    os.set_blocking(report, False)
    file: File = disk.open(path, "w")
    for chunk in chunks(progress):
        if (written := file.append(chunk)) < len(chunk):
            raise OSError(errno.ENOSPC, f"No space left on device after {progress.bytes + written} bytes", path)
        progress.bytes += written
        if progress.bytes - reported >= REPORT_EVERY:
            reported = progress.bytes
            file.fsync_now()
            with suppress(BlockingIOError):  # the parent does not read: then it need not know either
                os.write(report, b"progress %d %d\n" % (progress.keys, progress.bytes))
    file.fsync_now()
    file.close()
    os.set_blocking(report, True)
    os.write(report, b"done %d %d\n" % (progress.keys, progress.bytes))


class ForkedCopy:
    """The parent's side: watches the pipe, and collects the child when it has ended."""

    def __init__(self, loop: asyncio.AbstractEventLoop, child: int, pipe: int, path: str, done: Done) -> None:
        self.child = child
        self.progress = Progress()
        self._loop = loop
        self._pipe = pipe
        self._path = path
        self._done: Done | None = done
        self._heard = b""
        self._finished = False
        self._error: str | None = None
        loop.add_reader(pipe, self._readable)

    def _readable(self) -> None:
        try:
            data = os.read(self._pipe, 65536)
        except BlockingIOError:
            return
        if data:
            *lines, self._heard = (self._heard + data).split(b"\n")
            for line in lines:
                self._take(line)
            return
        done, self._done = self._done, None
        status = self._collect()
        error = self._error
        if error is None and not (self._finished and status == 0):
            error = f"the child was killed by signal {-status}" if status < 0 else f"the child ended with {status}"
        if error is not None:
            self._remove()
        if done is not None:
            done(error)

    def _take(self, line: bytes) -> None:
        kind, _, rest = line.partition(b" ")
        if kind == b"failed":
            self._error = rest.decode(errors="replace")
            return
        keys, size = rest.split()
        self.progress.keys, self.progress.bytes = int(keys), int(size)
        self._finished = kind == b"done"

    def _collect(self) -> int:
        """Close the pipe and wait for the child, which is ending; its exit code, negative for a signal."""
        self._loop.remove_reader(self._pipe)
        os.close(self._pipe)
        try:
            _, status = os.waitpid(self.child, 0)
        except ChildProcessError:  # somebody else has collected it
            return 0
        return os.waitstatus_to_exitcode(status)

    def _remove(self) -> None:
        with suppress(OSError):
            os.unlink(self._path)

    def cancel(self) -> None:
        if self._done is None:
            return
        self._done = None
        with suppress(ProcessLookupError):
            os.kill(self.child, signal.SIGKILL)
        self._collect()
        self._remove()
