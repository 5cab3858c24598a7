"""The Disk: every file a server touches, it touches through this.

Why a seam here: the simulator hands in a disk that keeps *written* and *durable* apart, tears the tail of a file when
the power fails, fills up, or answers with an I/O error; production hands in `RealDisk`.  A server that keeps its
promises on the first keeps them on the second.

Everything is synchronous but `fsync`: reading and writing end in the page cache, and a thread hop would cost more than
the call.  Waiting for the platter is what takes milliseconds, so that one is awaited, and its executor is the one place
in the house with threads.

What a power failure keeps, and what it may take:

    append, truncate          durable after fsync of that file; until then any prefix of the appended bytes may survive
    open(create), rename,     durable after fsync_dir of the folder; until then the old name, or none
    unlink
"""

from collections.abc import Awaitable
from typing import Protocol, runtime_checkable


class DiskError(OSError):
    """A disk that is full, broken or refuses: `errno` and `filename` as the operating system said them."""


@runtime_checkable
class File(Protocol):
    """One open file.  Positions and sizes in bytes."""

    path: str

    def append(self, data: bytes | bytearray | memoryview) -> int:
        """Write at the end; returns how many bytes went in, fewer than given only when the disk filled up midway.
        Raises OSError when none did."""

    def pread(self, size: int, position: int) -> bytes:
        """At most `size` bytes from `position`; b"" at the end."""

    def size(self) -> int: ...

    def truncate(self, size: int) -> None: ...

    def fsync(self) -> Awaitable[None]:
        """Durable up to what was appended before this call.  Raises OSError; then nothing can be said of what is
        on the platter (fsyncgate), and a careful server stops."""

    def fsync_now(self) -> None:
        """The same, blocking: for SAVE and for the last breath of a shutdown."""

    def close(self) -> None: ...


@runtime_checkable
class Disk(Protocol):
    """A tree of files.  Paths are strings, "/" between folders."""

    def open(self, path: str, mode: str = "r") -> File:
        """mode "r" an existing file, "a" appending (created when absent), "w" emptied or created, "x" must be new."""

    def read(self, path: str) -> bytes:
        """The whole of a small file."""

    def exists(self, path: str) -> bool: ...

    def size(self, path: str) -> int: ...

    def rename(self, old: str, new: str) -> None:
        """Atomic, replacing `new`; of a folder too, where `new` must not be there."""

    def unlink(self, path: str) -> None: ...

    def listdir(self, path: str) -> list[str]:
        """Names in a folder, sorted."""

    def mkdir(self, path: str, durable: bool = True) -> None:
        """With parents, and durable at once; no error when it stands.  Raises FileExistsError where a file does.

        durable  False: it is after fsync_dir of the folder it is in, as where a thousand are made together
        """

    def rmdir(self, path: str) -> None:
        """Remove an empty folder; durable after fsync_dir of the one it was in."""

    def fsync_dir(self, path: str) -> None: ...

    def lock(self, path: str) -> "Lock":
        """Exclusive, held until closed or the process dies.  Raises BlockingIOError when another process has it."""

    def view(self, path: str, position: int, length: int) -> memoryview:
        """A buffer over bytes that no longer change, for a socket: mmap, without a copy.  A copy in simulation."""


class Lock(Protocol):
    def close(self) -> None: ...
