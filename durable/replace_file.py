"""Replacing a small file so that a reader, or a reboot, finds the old one or the new one and nothing between.

    1  write the new content aside, under a temporary name
    2  fsync it                          else step 3 may be durable before the bytes are: an empty file
    3  rename it over the old one        atomic to everyone who looks
    4  fsync the folder                  now a power failure cannot bring the old name back

Each step guards the next; leaving one out works until the power fails.

Source: Pillai et al., "All File Systems Are Not Created Equal" (OSDI 2014); POSIX rename.
"""

import errno
from contextlib import suppress
from posixpath import dirname, join

from durable.disk import Disk, DiskError


def replace_file(disk: Disk, path: str, content: bytes, *, temporary: str | None = None) -> None:
    """Put `content` at `path`, durably.  Raises OSError, and then `path` is as it was.

    temporary  the name beside it that is used meanwhile; one left behind by a crash is overwritten
    """
    folder = dirname(path)
    aside = join(folder, temporary) if temporary else path + ".new"
    try:
        file = disk.open(aside, "w")
        try:
            if (written := file.append(content)) < len(content):
                raise DiskError(errno.ENOSPC, f"No space left on device after {written} of {len(content)} bytes", aside)
            file.fsync_now()
        finally:
            file.close()
        disk.rename(aside, path)
    except OSError:
        with suppress(OSError):
            disk.unlink(aside)
        raise
    disk.fsync_dir(folder or ".")
