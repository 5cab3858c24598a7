"""Snapshots: how the keyspace of one instant gets into a file while clients go on changing it.

Redis asks the kernel.  `fork` gives a child that sees memory as it was, page by page copied only where the parent
writes afterwards; the child writes the file in peace, says how it went, and is gone.

    parent   fork ── serves clients ── ... ─────────────────── hears of the end, reaps, renames the file
    child        └─ closes every socket ─ writes ─ fsync ─ reports through a pipe ─ leaves

What a child must not do is what makes this a chapter.  It must not keep a socket open: after a kill -9 of the parent
the port would stay taken and clients would wait on a connection that nobody serves.  It must not outlive the parent,
so the kernel is asked to kill it then.  It must not run what the parent registered for signals or for its exit.

In simulation there is no fork.  There all bytes are made in the instant of the snapshot, which takes no virtual time,
and go to the disk over many ticks, in which the server may crash, be cancelled, or find the disk full.

Both are used in the same way: a Job in, an Outcome later.  Differences to Redis: the report is text and holds no size
of the memory that was copied.  Source: Redis `childinfo.c`, `rdb.c` (rdbSaveBackground), `server.c` (redisFork,
closeChildUnusedResourceAfterFork); Linux prctl(2).
"""

from __future__ import annotations

import asyncio
import ctypes
import errno
import gc
import os
import signal
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import NamedTuple, NoReturn, Protocol

from durable.disk import Disk, DiskError

SYNC_EVERY = 4 << 20  # bytes; so that the last fsync does not push out the whole file at once
TICK_S = 0.001  # between two chunks, in simulation
ERROR_MAX = 4096  # bytes of an error that a child reports
PR_SET_PDEATHSIG = 1

libc = ctypes.CDLL(None, use_errno=True)


@dataclass(slots=True)
class Tally:
    """Counted by whoever makes the chunks, read by whoever writes them."""

    keys: int = 0


class Outcome(NamedTuple):
    """How a snapshot ended: keys and bytes written, and why it failed if it did."""

    keys: int
    size: int
    error: str | None


@dataclass(frozen=True, slots=True)
class Job:
    """What is to be written.

    path      a temporary name; durable after success but for its name, gone after failure
    chunks    makes the bytes of the file.  With a fork it runs in the child, otherwise before `begin` returns: what it
              reads is the keyspace at the time of `begin`, and what it changes is never seen
    ended     called once, later, unless the job was cancelled
    progress  called now and then with the keys done so far
    """

    path: str
    chunks: Callable[[Tally], Iterable[bytes]]
    ended: Callable[[Outcome], None]
    progress: Callable[[int], None] = lambda keys: None


class Running(Protocol):
    """A snapshot under way."""

    process_id: int

    def cancel(self) -> None:
        """End it now: nobody hears of it again, and its file is gone."""


class Snapshotter(Protocol):
    """A way to take snapshots."""

    def begin(self, disk: Disk, job: Job) -> Running:
        """Start.  Raises OSError when it cannot."""


def written(disk: Disk, path: str, chunks: Iterable[bytes]) -> Iterator[int]:
    """Write a new file, durable at the end but for its name; yields its size after each chunk.  Raises OSError."""
    file = disk.open(path, "w")
    try:
        size = synced = 0
        for chunk in chunks:
            if file.append(chunk) < len(chunk):
                raise DiskError(errno.ENOSPC, os.strerror(errno.ENOSPC), path)
            size += len(chunk)
            if size - synced >= SYNC_EVERY:
                file.fsync_now()
                synced = size
            yield size
        file.fsync_now()
    finally:
        file.close()


def remove(disk: Disk, path: str) -> None:
    with suppress(OSError):
        disk.unlink(path)


# -- a forked child -----------------------------------------------------------------------------------


class ForkSnapshotter:
    """Snapshots by a forked child; for servers on a real event loop, from its own thread."""

    def begin(self, disk: Disk, job: Job) -> Child:
        receiving, sending = os.pipe()
        parent = os.getpid()
        # No handler of the parent's may run in the child, not even in its first instants.
        mask = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
        try:
            process_id = os.fork()
        except OSError:
            os.close(receiving)
            os.close(sending)
            raise
        else:
            if process_id == 0:
                be_child(disk, job, sending, parent)
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)
        os.close(sending)
        return Child(disk, job, process_id, receiving)


def be_child(disk: Disk, job: Job, sending: int, parent: int) -> NoReturn:
    """All that a child does, from the first line to its last; whatever happens, it never returns to the parent's code."""
    status = 1
    try:
        settle_in(sending, parent)
        status = write_and_report(disk, job, sending)
    finally:
        os._exit(status)


def settle_in(sending: int, parent: int) -> None:
    """Let go of what belongs to the parent: its life, its sockets, its signals."""
    libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:  # it died before we asked
        os._exit(1)
    os.closerange(3, sending)
    os.closerange(sending + 1, os.sysconf("SC_OPEN_MAX"))
    signal.set_wakeup_fd(-1)
    for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}:
        if callable(signal.getsignal(number)):
            signal.signal(number, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C reaches the whole group; the parent decides what it means
    signal.pthread_sigmask(signal.SIG_SETMASK, [])
    gc.disable()  # a collection would touch, and so copy, every page


def write_and_report(disk: Disk, job: Job, sending: int) -> int:
    """The exit status; the pipe has said the rest: `progress KEYS` lines, then `done KEYS BYTES` or `error TEXT`."""
    tally = Tally()
    size = told = 0
    try:
        for size in written(disk, job.path, job.chunks(tally)):
            if size - told >= SYNC_EVERY:
                told = size
                os.write(sending, b"progress %d\n" % tally.keys)
        os.write(sending, b"done %d %d\n" % (tally.keys, size))
        return 0
    except BaseException as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else f"{type(error).__name__}: {error}"
        text = " ".join(reason.split())
        os.write(sending, b"error %b\n" % text.encode()[:ERROR_MAX])
        return 1


class Child:
    """The parent's end: listens to the pipe, reaps, tidies up."""

    def __init__(self, disk: Disk, job: Job, process_id: int, receiving: int) -> None:
        self.process_id = process_id
        self._disk, self._job = disk, job
        self._pipe: int | None = receiving
        self._heard = b""
        self._outcome: Outcome | None = None
        self._loop = asyncio.get_running_loop()
        os.set_blocking(receiving, False)
        self._loop.add_reader(receiving, self._listen)

    def _listen(self) -> None:
        assert self._pipe is not None
        try:
            data = os.read(self._pipe, 65536)
        except BlockingIOError:
            return
        *lines, self._heard = (self._heard + data).split(b"\n")
        for line in lines:
            self._understand(line)
        if not data:
            self._reap()

    def _understand(self, line: bytes) -> None:
        kind, _, rest = line.partition(b" ")
        if kind == b"progress":
            self._job.progress(int(rest))
        elif kind == b"done":
            keys, size = map(int, rest.split())
            self._outcome = Outcome(keys, size, None)
        else:
            self._outcome = Outcome(0, 0, rest.decode(errors="replace"))

    def _reap(self) -> None:
        """The pipe is closed, so the child has left, or is doing so."""
        status = self._end()
        outcome = self._outcome
        if os.WIFSIGNALED(status):
            outcome = Outcome(0, 0, f"terminated by signal {os.WTERMSIG(status)}")
        elif outcome is None or (status and outcome.error is None):
            outcome = Outcome(0, 0, f"left with status {os.waitstatus_to_exitcode(status)}")
        if outcome.error is not None:
            remove(self._disk, self._job.path)
        self._job.ended(outcome)

    def _end(self) -> int:
        """Forget the pipe and the process; returns the latter's status."""
        assert self._pipe is not None
        self._loop.remove_reader(self._pipe)
        os.close(self._pipe)
        self._pipe = None
        return os.waitpid(self.process_id, 0)[1]

    def cancel(self) -> None:
        if self._pipe is not None:
            os.kill(self.process_id, signal.SIGKILL)
            self._end()
            remove(self._disk, self._job.path)


# -- over many ticks -----------------------------------------------------------------------------------


class StepSnapshotter:
    """Snapshots on the event loop itself: for the simulator, and where there is no fork."""

    def __init__(self, tick_s: float = TICK_S) -> None:
        self.tick_s = tick_s

    def begin(self, disk: Disk, job: Job) -> Steps:
        tally = Tally()
        return Steps(disk, job, list(job.chunks(tally)), tally.keys, self.tick_s)


class Steps:
    """One snapshot: a chunk each tick, then the fsync."""

    process_id = 0

    def __init__(self, disk: Disk, job: Job, chunks: list[bytes], keys: int, tick_s: float) -> None:
        self._disk, self._job, self._keys, self._tick_s = disk, job, keys, tick_s
        self._over = False
        self._size = 0
        self._chunks = iter(chunks)
        self._loop = asyncio.get_running_loop()
        self._file = disk.open(job.path, "w")
        self._loop.call_later(tick_s, self._step)

    def _step(self) -> None:
        if self._over:
            return
        chunk = next(self._chunks, None)
        if chunk is None:
            asyncio.ensure_future(self._file.fsync()).add_done_callback(self._synced)
            return
        try:
            if self._file.append(chunk) < len(chunk):
                raise DiskError(errno.ENOSPC, os.strerror(errno.ENOSPC), self._job.path)
        except OSError as error:
            self._end(Outcome(0, 0, error.strerror))
            return
        self._size += len(chunk)
        self._loop.call_later(self._tick_s, self._step)

    def _synced(self, done: asyncio.Future[None]) -> None:
        if self._over or done.cancelled():
            return
        error = done.exception()
        if error is None:
            self._end(Outcome(self._keys, self._size, None))
        elif isinstance(error, OSError):
            self._end(Outcome(0, 0, error.strerror))
        else:
            raise error

    def _end(self, outcome: Outcome) -> None:
        self._over = True
        self._file.close()
        if outcome.error is not None:
            remove(self._disk, self._job.path)
        self._job.ended(outcome)

    def cancel(self) -> None:
        if not self._over:
            self._over = True
            self._file.close()
            remove(self._disk, self._job.path)
