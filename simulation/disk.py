"""A disk that keeps what was written apart from what is durable, and knows every way to disappoint.

    Inode   written   what read and pread see: the page cache, shared by all processes of the host
            durable   what the platter holds
            pending   the changes from the second to the first, in order: append, truncate
    folder  names, durable names, and pending changes of names: create, rename, unlink

`fsync` moves a file's pending changes over, `fsync_dir` a folder's.  Then:

    crash()        the process was killed: locks are gone, open files are dead, the page cache lives on
    power_loss()   of each file a prefix of its pending changes survives, the last append torn at any byte; of the
                   pending changes of names each survives or not, so an unlink may outlive the rename before it

Faults: a capacity (a short append, then ENOSPC), errors on append, fsync and fsync_dir (EIO).  After a failed fsync the
kernel marks the dirty pages clean: they can be read, yet may never reach the platter, and the next fsync succeeds.
A disk can also say when the process is to die: between two system calls of one turn, where no virtual time passes.

Simpler than the real thing: folders are durable at once and are not renamed; reading never fails and nothing rots.

Sources: Pillai et al., "All File Systems Are Not Created Equal" (OSDI 2014); Rebello et al., "Can Applications Recover
from fsync Failures?" (ATC 2020); PostgreSQL wiki, "Fsync Errors".  Next: world.py cuts the power.
"""

import asyncio
import errno
import os
from collections import deque
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from posixpath import dirname, normpath
from random import Random
from typing import Literal

from durable.disk import DiskError

PENDING_MAX = 1024  # changes of one file after which the kernel writes the older half back by itself

Operation = Literal["append", "fsync", "fsync_dir"]
Append = bytes
Truncate = int


@dataclass(frozen=True)
class Hole:
    """Bytes whose pages a failed fsync dropped: on the platter they are zeros."""

    size: int


Change = Append | Truncate | Hole


@dataclass
class DiskOptions:
    """The dials; may be turned while the simulation runs.  Times in seconds, chances between 0 and 1."""

    fsync_s: tuple[float, float] = (0.0005, 0.01)
    stall: float = 0.01  # chance that an fsync takes as long as `stall_s` says
    stall_s: tuple[float, float] = (0.1, 1.5)
    slowness: float = 1.0  # times all of that
    garbage: float = 0.0  # chance that behind a torn append stand zeros or noise up to its full length
    append_error: float = 0.0
    fsync_error: float = 0.0
    capacity: int | None = None  # bytes in all files

    @classmethod
    def drawn(cls, random: Random) -> "DiskOptions":
        """A healthy disk, slow or fast; faults are for the scenario to ask for."""
        return cls(
            fsync_s=random.choice(((0.0001, 0.001), (0.0005, 0.01), (0.005, 0.05))),
            stall=random.choice((0.0, 0.01, 0.05)),
        )


class Struck(SystemExit):
    """The process has just been killed, in the middle of a system call: what leads out of its code."""


class Inode:
    """The bytes of one file, whatever its name."""

    def __init__(self) -> None:
        self.written = bytearray()
        self.durable = bytearray()
        self.pending: deque[Change] = deque()
        self.first_pending = 0  # how many changes went before: the number of pending[0]

    def change(self, change: Append | Truncate) -> None:
        apply(self.written, change)
        self.pending.append(change)
        if len(self.pending) > PENDING_MAX:
            self.persist(self.first_pending + PENDING_MAX // 2)

    def persist(self, end: int) -> None:
        """Make the changes before number `end` durable."""
        while self.first_pending < end:
            apply(self.durable, self.pending.popleft())
            self.first_pending += 1

    def end(self) -> int:
        """The number that the next change will have."""
        return self.first_pending + len(self.pending)

    def forget_dirty(self, end: int, random: Random) -> None:
        """After a failed fsync: of the changes before `end`, each append is on its way still, or lost."""
        for place in range(max(0, end - self.first_pending)):
            change = self.pending[place]
            if isinstance(change, bytes) and random.random() < 0.5:
                self.pending[place] = Hole(len(change))

    def power_loss(self, random: Random, garbage: float) -> None:
        survivors = random.randint(0, len(self.pending))
        torn = self.pending[survivors] if survivors < len(self.pending) else None
        self.persist(self.first_pending + survivors)
        if isinstance(torn, bytes):
            kept = random.randrange(len(torn))
            self.durable += torn[:kept]
            if random.random() < garbage:
                lost = len(torn) - kept
                self.durable += bytes(lost) if random.random() < 0.5 else random.randbytes(lost)
        self.written = bytearray(self.durable)
        self.first_pending, self.pending = self.end(), deque()


def apply(content: bytearray, change: Change) -> None:
    if isinstance(change, bytes):
        content += change
    elif isinstance(change, Hole):
        content += bytes(change.size)
    elif change < len(content):
        del content[change:]
    else:
        content += bytes(change - len(content))


@dataclass(frozen=True)
class NameChange:
    """create: old is None; unlink: new is None; else rename."""

    old: str | None
    new: str | None
    inode: Inode

    def concerns(self, folder: str) -> bool:
        return any(name is not None and dirname(name) == folder for name in (self.old, self.new))

    def apply(self, names: dict[str, Inode]) -> None:
        """Without effect where `old` is not there, as its own creation may have been lost."""
        if self.old is not None and names.pop(self.old, None) is None:
            return
        if self.new is not None:
            names[self.new] = self.inode


class SimulatedFile:
    """One open file (`durable.disk.File`)."""

    def __init__(self, disk: "SimulatedDisk", path: str, inode: Inode, writable: bool) -> None:
        self.path = path
        self._disk, self._inode, self._writable = disk, inode, writable
        self._life = disk.life
        self._closed = False

    def append(self, data: bytes | bytearray | memoryview) -> int:
        self._check(writing=True)
        self._disk.begin(self.path)
        data = bytes(data)
        self._disk.fail("append", self.path)
        room = self._disk.room()
        if room is not None and room < len(data):
            if room <= 0:
                raise self._disk.error(errno.ENOSPC, self.path)
            data = data[:room]
        if data:
            self._inode.change(data)
        return len(data)

    def pread(self, size: int, position: int) -> bytes:
        self._check()
        return bytes(self._inode.written[position : position + size])

    def size(self) -> int:
        self._check()
        return len(self._inode.written)

    def truncate(self, size: int) -> None:
        self._check(writing=True)
        self._disk.begin(self.path)
        self._inode.change(size)

    def fsync(self) -> Awaitable[None]:
        """Durable up to now, a little later.  When the process dies before, it is not known what is."""
        self._check()
        self._disk.begin(self.path)
        loop = asyncio.get_running_loop()
        done: asyncio.Future[None] = loop.create_future()
        loop.call_later(self._disk.fsync_seconds(), self._fsynced, done, self._inode.end())
        return done

    def _fsynced(self, done: "asyncio.Future[None]", end: int) -> None:
        if self._life is not self._disk.life:
            return
        try:
            self._disk.sync(self.path, self._inode, end)
        except OSError as error:
            if not done.done():
                done.set_exception(error)
        else:
            if not done.done():
                done.set_result(None)

    def fsync_now(self) -> None:
        self._check()
        self._disk.begin(self.path)
        self._disk.sync(self.path, self._inode, self._inode.end())

    def close(self) -> None:
        self._closed = True

    def _check(self, writing: bool = False) -> None:
        if self._closed or self._life is not self._disk.life or (writing and not self._writable):
            raise OSError(errno.EBADF, os.strerror(errno.EBADF), self.path)


class SimulatedLock:
    def __init__(self, locks: dict[str, "SimulatedLock"], path: str) -> None:
        self._locks, self._path = locks, path

    def close(self) -> None:
        if self._locks.get(self._path) is self:
            del self._locks[self._path]


class SimulatedDisk:
    """The disk of one host (`durable.disk.Disk`); it outlives the processes that use it."""

    def __init__(self, random: Random, options: DiskOptions | None = None) -> None:
        self.random, self.options = random, options or DiskOptions()
        self.life = object()  # of the process that uses it: files opened in an earlier one are dead
        self.fsyncs = 0
        self._names: dict[str, Inode] = {}
        self._durable_names: dict[str, Inode] = {}
        self._pending_names: list[NameChange] = []
        self._folders = {".", "/", ""}
        self._locks: dict[str, SimulatedLock] = {}
        self._planned_failures: list[tuple[Operation, int, str]] = []
        self._strike: Callable[[], None] | None = None
        self._strike_in, self._strike_at = 0, ""

    # What the world does to it

    def crash(self) -> None:
        """The process was killed; what it wrote is still in the page cache."""
        self.life = object()
        self._locks.clear()
        self._strike = None

    def power_loss(self) -> None:
        """Only what is durable is sure to be there afterwards."""
        self.crash()
        for change in self._pending_names:
            if self.random.random() < 0.5:
                change.apply(self._durable_names)
        self._pending_names.clear()
        self._names = dict(sorted(self._durable_names.items()))
        for name in self._names:  # the folder of one that is back may have been renamed
            self.mkdir(dirname(name))
        for inode in self._names.values():
            inode.power_loss(self.random, self.options.garbage)

    def fail_next(self, operation: Operation, error: int = errno.EIO, path: str = "") -> None:
        """The next `operation` on a file whose path contains `path` raises this errno; may be called several times."""
        self._planned_failures.append((operation, error, path))

    def strike_before(self, operation: int, strike: Callable[[], None], path: str = "") -> None:
        """Call `strike`, which kills the process, before its change number `operation`, counted from 1 on.

        path  only changes of files count whose path contains this
        """
        self._strike_in, self._strike, self._strike_at = operation, strike, path

    def strike_no_more(self) -> None:
        """Take back a strike that has not come."""
        self._strike = None

    def begin(self, path: str) -> None:
        """A change is asked for: of bytes, of names, or of what is durable.  Raises Struck instead of returning."""
        if self._strike is not None and self._strike_at in path:
            self._strike_in -= 1
            if not self._strike_in:
                self._strike()
                self._strike = None
                raise Struck

    def fail(self, operation: Operation, path: str) -> None:
        """Raise when a failure was planned, or the dice say so."""
        for plan in self._planned_failures:
            if plan[0] == operation and plan[2] in path:
                self._planned_failures.remove(plan)
                raise self.error(plan[1], path)
        chance = {"append": self.options.append_error, "fsync": self.options.fsync_error, "fsync_dir": 0.0}[operation]
        if chance and self.random.random() < chance:
            raise self.error(errno.EIO, path)

    def error(self, number: int, path: str) -> DiskError:
        return DiskError(number, os.strerror(number), path)

    def room(self) -> int | None:
        """Bytes that still fit; None without a limit."""
        if self.options.capacity is None:
            return None
        return self.options.capacity - self.used()

    def used(self) -> int:
        """Bytes in all files."""
        return sum(len(inode.written) for inode in self._names.values())

    def fsync_seconds(self) -> float:
        options = self.options
        slow = options.stall and self.random.random() < options.stall
        return options.slowness * self.random.uniform(*(options.stall_s if slow else options.fsync_s))

    def sync(self, path: str, inode: Inode, end: int) -> None:
        """Make a file's changes before number `end` durable, or fail and lose some of them."""
        self.fsyncs += 1
        try:
            self.fail("fsync", path)
        except OSError:
            inode.forget_dirty(end, self.random)
            raise
        inode.persist(end)

    # What a server asks of it

    def open(self, path: str, mode: str = "r") -> SimulatedFile:
        name = normpath(path)
        if mode not in ("r", "a", "w", "x"):
            raise ValueError(f"mode must be 'r', 'a', 'w' or 'x', not {mode!r}")
        if name in self._folders:
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), path)
        inode = self._names.get(name)
        if inode is None:
            if mode == "r" or dirname(name) not in self._folders:
                raise self._missing(path)
            self.begin(path)
            inode = self._create(name)
        elif mode == "x":
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), path)
        elif mode == "w" and inode.written:
            inode.change(0)
        return SimulatedFile(self, path, inode, mode != "r")

    def read(self, path: str) -> bytes:
        return bytes(self._inode(path).written)

    def exists(self, path: str) -> bool:
        name = normpath(path)
        return name in self._names or name in self._folders

    def size(self, path: str) -> int:
        return len(self._inode(path).written)

    def rename(self, old: str, new: str) -> None:
        if normpath(old) in self._folders:
            self._rename_folder(normpath(old), normpath(new), new)
            return
        inode, target = self._inode(old), normpath(new)
        if target in self._folders:
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), new)
        if dirname(target) not in self._folders:
            raise self._missing(new)
        self.begin(new)
        if normpath(old) != target:
            self._change_name(NameChange(normpath(old), target, inode))

    def _rename_folder(self, old: str, new: str, path: str) -> None:
        """Its files change names one by one, so that a power failure may bring back some: harder than a real disk is."""
        if self.exists(new):
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), path)
        self.begin(path)
        for folder in [each for each in self._folders if each == old or each.startswith(old + "/")]:
            self._folders.add(new + folder.removeprefix(old))
        for name in [each for each in self._names if each.startswith(old + "/")]:
            self._change_name(NameChange(name, new + name.removeprefix(old), self._names[name]))
        self._folders = {each for each in self._folders if each != old and not each.startswith(old + "/")}

    def rmdir(self, path: str) -> None:
        folder = normpath(path)
        if folder not in self._folders:
            raise self._missing(path)
        if self.listdir(path):
            raise OSError(errno.ENOTEMPTY, os.strerror(errno.ENOTEMPTY), path)
        self._folders.discard(folder)

    def unlink(self, path: str) -> None:
        self.begin(path)
        self._change_name(NameChange(normpath(path), None, self._inode(path)))

    def listdir(self, path: str) -> list[str]:
        folder = normpath(path)
        if folder not in self._folders:
            raise self._missing(path)
        start = "" if folder == "." else folder.rstrip("/") + "/"
        everything = [*self._names, *(self._folders - {"", ".", "/"})]
        below = {name.removeprefix(start) for name in everything if name.startswith(start)}
        return sorted(name for name in below if "/" not in name)

    def mkdir(self, path: str, durable: bool = True) -> None:
        folder = normpath(path)
        while folder not in self._folders:
            if folder in self._names:
                raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), path)
            self._folders.add(folder)
            folder = dirname(folder)

    def fsync_dir(self, path: str) -> None:
        folder = normpath(path)
        if folder not in self._folders:
            raise self._missing(path)
        self.begin(path)
        self.fail("fsync_dir", path)
        folder = "" if folder == "." else folder
        for change in self._pending_names:
            if change.concerns(folder):
                change.apply(self._durable_names)
        self._pending_names = [change for change in self._pending_names if not change.concerns(folder)]

    def lock(self, path: str) -> SimulatedLock:
        name = normpath(path)
        if name in self._locks:
            raise BlockingIOError(errno.EWOULDBLOCK, os.strerror(errno.EWOULDBLOCK), path)
        self.open(path, "a").close()
        lock = self._locks[name] = SimulatedLock(self._locks, name)
        return lock

    def view(self, path: str, position: int, length: int) -> memoryview:
        return memoryview(bytes(self._inode(path).written[position : position + length]))

    def _inode(self, path: str) -> Inode:
        inode = self._names.get(normpath(path))
        if inode is None:
            raise self._missing(path)
        return inode

    def _create(self, name: str) -> Inode:
        inode = Inode()
        self._change_name(NameChange(None, name, inode))
        return inode

    def _change_name(self, change: NameChange) -> None:
        change.apply(self._names)
        self._pending_names.append(change)

    @staticmethod
    def _missing(path: str) -> FileNotFoundError:
        return FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path)
