"""Replacing a small file so that a reader, or a reboot, finds the old one or the new one and nothing between.

    1  write the new content aside, under a temporary name
    2  fsync it                          else step 3 may be durable before the bytes are: an empty file
    3  rename it over the old one        atomic to everyone who looks
    4  fsync the folder                  now a power failure cannot bring the old name back

Each step guards the next; leaving one out works until the power fails.

Source: Pillai et al., "All File Systems Are Not Created Equal" (OSDI 2014); POSIX rename.
"""

import errno
from collections.abc import Callable
from contextlib import suppress
from posixpath import dirname, join

from durable.disk import Disk, DiskError, File


def replace_file(disk: Disk, path: str, content: bytes, *, temporary: str | None = None) -> None:
    """Put `content` at `path`, durably.  Raises OSError, and then `path` is as it was.

    temporary  the name beside it that is used meanwhile; one left behind by a crash is overwritten
    """
    aside = _aside(path, temporary)
    try:
        file = _written(disk, aside, content)
        try:
            file.fsync_now()
        finally:
            file.close()
        disk.rename(aside, path)
    except OSError:
        _forget(disk, aside)
        raise
    disk.fsync_dir(dirname(path) or ".")


async def replace_file_soon(
    disk: Disk, path: str, content: bytes, *, temporary: str | None = None, wanted: Callable[[], bool] = lambda: True
) -> None:
    """The same, without holding up everyone else during the fsync; nobody may replace the same path meanwhile, unless
    `wanted()` then says that this content is not the newest any more, and is dropped."""
    aside = _aside(path, temporary)
    try:
        file = _written(disk, aside, content)
        try:
            await file.fsync()
        finally:
            file.close()
        if not wanted():
            _forget(disk, aside)
            return
        disk.rename(aside, path)
    except OSError:
        _forget(disk, aside)
        raise
    disk.fsync_dir(dirname(path) or ".")


def _aside(path: str, temporary: str | None) -> str:
    return join(dirname(path), temporary) if temporary else path + ".new"


def _written(disk: Disk, aside: str, content: bytes) -> File:
    file = disk.open(aside, "w")
    try:
        if (written := file.append(content)) < len(content):
            raise DiskError(errno.ENOSPC, f"No space left on device after {written} of {len(content)} bytes", aside)
    except OSError:
        file.close()
        raise
    return file


def _forget(disk: Disk, aside: str) -> None:
    with suppress(OSError):
        disk.unlink(aside)
