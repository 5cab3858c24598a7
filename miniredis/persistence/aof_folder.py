"""The folder of the append-only file: the manifest's steps, done to files in an order that survives a power failure.

The rule behind every step: *a manifest never names a file whose name is not yet durable*.  So each change goes

    1  the new file: written, fsynced, under its final name, the folder fsynced
    2  the manifest, replaced as a whole (replace_file: aside, fsync, rename, fsync the folder)
    3  what is no longer named is deleted; a crash before leaves it listed as history, and it is deleted at the next start

Two kinds of rewrite differ in when the new increment is named.  While the log is in use, at once: if the rewrite
fails, base and both increments are still the log.  When there is no usable log (it was off, or the disk broke under
it), only when the base is there: the increment waits under a temporary name, as it means nothing without that base.

Source: Redis 7.2 `aof.c`, openNewIncrAofForAppend, backgroundRewriteDoneHandler, aofUpgradePrepare.
"""

from __future__ import annotations

import errno
import logging
from collections.abc import Iterable
from contextlib import suppress
from posixpath import dirname, join

from durable.disk import Disk, DiskError, File
from durable.replace_file import replace_file
from miniredis.persistence.aof_manifest import LogFile, Manifest, ManifestError, parse

logger = logging.getLogger("miniredis")

WAITING_INCREMENT = "temp-{prefix}.incr"


class LogFolder:
    """`appenddirname` within `dir`, and the manifest that stands in it."""

    def __init__(self, disk: Disk, directory: str, folder: str, prefix: str) -> None:
        """
        directory  `dir`: where the one-file log of Redis before 7 is looked for
        folder     `appenddirname`
        prefix     `appendfilename`: how all names begin
        """
        self.disk = disk
        self.directory = directory
        self.prefix = prefix
        self.path = join(directory, folder)
        self.manifest_name = f"{prefix}.manifest"
        self.manifest = Manifest()
        self._unsure = False  # the manifest is in place, but an older one may be what the disk holds

    def path_of(self, file: LogFile) -> str:
        return join(self.path, file.name)

    @property
    def exists(self) -> bool:
        """Whether there is a log to load."""
        return bool(self.manifest.files)

    def size(self) -> int:
        """Bytes of base and increments together.  Raises OSError when one is missing."""
        return sum(self.disk.size(self.path_of(file)) for file in self.manifest.files)

    # -- at the start ---------------------------------------------------------------------------------------------

    def read(self) -> None:
        """Read the manifest, if there is one.  Raises ManifestError, OSError."""
        path = join(self.path, self.manifest_name)
        if self.disk.exists(path):
            self.manifest = parse(self.disk.read(path).decode("utf-8", "surrogateescape"))

    def upgrade(self) -> None:
        """Take over the one-file log of Redis before 7: it becomes the base.  Raises OSError.

        In that order: manifest first, then the move.  A crash between leaves a manifest that names a file which is
        still outside, and the next start goes on from there.
        """
        old = join(self.directory, self.prefix)
        if not self.disk.exists(old):
            return
        base = LogFile(self.prefix, 1, "b")
        if self.manifest.files not in ((), (base,)) or self.disk.exists(self.path_of(base)):
            return
        self.disk.mkdir(self.path)
        self._replace(Manifest(base))
        self.disk.rename(old, self.path_of(base))
        self.disk.fsync_dir(self.path)
        self.disk.fsync_dir(self.directory)
        logger.info("took over the append-only file %s of an older version into %s", self.prefix, self.path)

    def check(self) -> None:
        """Whether every file that the manifest names is there.  Raises ManifestError."""
        for file in self.manifest.files:
            if not self.disk.exists(self.path_of(file)):
                raise ManifestError(f"the manifest names {file.name}, which is not there")

    def clean(self) -> None:
        """Delete what a crash left undeleted."""
        if self.manifest.history:
            self._delete_history()
        waiting = self._waiting_path()
        if self.disk.exists(waiting):
            self.disk.unlink(waiting)

    # -- files to append to ---------------------------------------------------------------------------------------

    def begin(self, base: Iterable[bytes]) -> File:
        """A new log of a base with these bytes and an empty increment; returns that, opened.  Raises OSError."""
        self.disk.mkdir(self.path)
        manifest = self.manifest
        name = manifest.next_base(self.prefix)
        file = self.disk.open(self.path_of(name), "w")
        try:
            write_all(file, base)
            file.fsync_now()
        finally:
            file.close()
        increment = manifest.next_increment(self.prefix)
        opened = self.disk.open(self.path_of(increment), "w")
        self.disk.fsync_dir(self.path)
        self._replace(manifest.with_increment(increment).rewritten(name))
        self._be_sure()
        return opened

    def open_last(self) -> File:
        """The increment to go on with, begun when there is none; all of it is durable.  Raises OSError.

        A killed process leaves bytes and names that only the page cache has.  They have been read in and will be
        shown to clients, so from now on a power failure must not take them back.
        """
        if not self.manifest.increments:
            return self.open_next()
        file = self.disk.open(self.path_of(self.manifest.increments[-1]), "a")
        try:
            file.fsync_now()
            self.disk.fsync_dir(self.path)
        except OSError:
            file.close()
            raise
        return file

    def open_next(self) -> File:
        """Another increment, from now on part of the log.  Raises OSError; then the one before is to be gone on with."""
        increment = self.manifest.next_increment(self.prefix)
        opened = self.disk.open(self.path_of(increment), "w")
        try:
            self.disk.fsync_dir(self.path)
            self._replace(self.manifest.with_increment(increment))
            self._be_sure()
        except OSError:
            opened.close()
            raise
        return opened

    def _be_sure(self) -> None:
        """Nothing may be acknowledged that stands in a file which no manifest names after a power failure."""
        if self._unsure:
            raise DiskError(errno.EIO, "it is not sure that the new manifest is durable", self.path)

    def open_waiting(self) -> File:
        """An increment that is no part of the log until its base is written.  Raises OSError."""
        self.disk.mkdir(self.path)
        return self.disk.open(self._waiting_path(), "w")

    def _waiting_path(self) -> str:
        return join(self.path, WAITING_INCREMENT.format(prefix=self.prefix))

    # -- the end of a rewrite -------------------------------------------------------------------------------------

    def commit(self, written: str, *, kept: int = 1, waiting: bool = False) -> None:
        """The file at `written`, durable already, is the base from now on.  Raises OSError; then the log is as it was.

        kept     how many increments at the end come after that base: none while no log is kept
        waiting  the log goes on with the increment of `open_waiting`
        """
        manifest = self.manifest
        base = manifest.next_base(self.prefix)
        named = [self.path_of(base)]
        try:
            self.disk.fsync_dir(dirname(written) or ".")  # else a crash may lose the name that the rename starts from
            self.disk.rename(written, named[0])
            if waiting:
                increment = manifest.next_increment(self.prefix)
                named.append(self.path_of(increment))
                self.disk.rename(self._waiting_path(), named[1])
                manifest, kept = manifest.with_increment(increment), 1
            self.disk.fsync_dir(self.path)
            self._replace(manifest.rewritten(base, kept))
        except OSError:
            for path in named:
                with suppress(OSError):
                    self.disk.unlink(path)
            raise
        self._delete_history()

    def _replace(self, manifest: Manifest) -> None:
        """Put `manifest` in place.  Raises OSError; the one before stands then."""
        path = join(self.path, self.manifest_name)
        content = manifest.text().encode("utf-8", "surrogateescape")
        try:
            replace_file(self.disk, path, content, temporary=f"temp-{self.manifest_name}")
            self._unsure = False
        except OSError as error:
            if not (self.disk.exists(path) and self.disk.read(path) == content):
                raise
            logger.warning("a power failure may bring back the manifest before this one: %s", error)
            self._unsure = True  # it is in place, only not surely durable: what the one before names must stay
        self.manifest = manifest

    def _delete_history(self) -> None:
        """Unlink what is history and say so in the manifest; what fails is left for the next start."""
        try:
            if self._unsure:
                self.disk.fsync_dir(self.path)
                self._unsure = False
            for file in self.manifest.history:
                if self.disk.exists(self.path_of(file)):
                    self.disk.unlink(self.path_of(file))
            self._replace(self.manifest.without_history())
        except OSError as error:
            logger.warning("cannot delete old append-only files: %s", error)


def write_all(file: File, chunks: Iterable[bytes]) -> int:
    """Append every chunk; returns how many bytes.  Raises OSError when not all of it fits."""
    size = 0
    for chunk in chunks:
        if file.append(chunk) < len(chunk):
            raise DiskError(errno.ENOSPC, "No space left on device", file.path)
        size += len(chunk)
    return size
