"""Reading the data in: from the append-only file when that is on, from the snapshot else, never from both.

The log is the more complete of the two, and a server that mixed them would bring back what was deleted.  So with
`appendonly yes` and no log the server starts empty, even beside a good snapshot, as Redis does: whoever wants to switch
starts with the snapshot and says CONFIG SET appendonly yes.

Reading is a generator; each `next` takes well under a millisecond, so the server answers -LOADING in between.  Whatever
is wrong ends it, and the start of the server: serving half of the data would be worse than serving none.

Source: Redis 7.2 `server.c`, loadDataFromDisk; `aof.c`, loadAppendOnlyFiles.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import TYPE_CHECKING

from durable.disk import Disk
from miniredis.persistence import rdb
from miniredis.persistence.aof_folder import LogFolder
from miniredis.persistence.aof_manifest import ManifestError
from miniredis.persistence.aof_reader import AofError, Replay
from miniredis.persistence.contract import PersistenceState

if TYPE_CHECKING:
    from miniredis.engine import Engine

logger = logging.getLogger("miniredis")

UNREADABLE = (rdb.RdbError, AofError, ManifestError, OSError)
"""What reading in may raise: a file that is damaged, missing, or holds what is not supported."""


class Restore:
    """Reads files into the engine, and keeps the figures of INFO's loading section."""

    def __init__(self, engine: Engine, disk: Disk, state: PersistenceState) -> None:
        self.engine = engine
        self.disk = disk
        self.state = state
        self.found = False  # whether there was anything to read
        self.reading = ""  # the file in hand, for whoever reports damage

    def from_log(self, folder: LogFolder) -> Iterator[None]:
        """Read base and increments.  Raises UNREADABLE."""
        folder.check()
        files = folder.manifest.files
        self.found = bool(files)
        self._begin(folder.size())
        before = 0
        for index, file in enumerate(files):
            self.reading = folder.path_of(file)
            replay = Replay(self.engine, self.disk, folder.path_of(file), last=index == len(files) - 1)
            for _ in replay.steps():
                self.state.loading_done_bytes = before + replay.position
                self.state.keys_loaded = replay.keys_loaded or self.state.keys_loaded
                yield
            before += replay.position
            logger.info("read %s: %d keys, %d commands", file.name, replay.keys_loaded, replay.commands)
        self.state.loading_done_bytes = before

    def from_snapshot(self, path: str, *, replace: bool = False) -> Iterator[None]:
        """Read an RDB file, if there is one.  `replace`: over what is there already.  Raises UNREADABLE."""
        if not self.disk.exists(path):
            return
        self.found, self.reading = True, path
        settings, state = self.engine.settings, self.state
        file = self.disk.open(path)
        try:
            self._begin(file.size())
            loading = rdb.Loading(
                self.engine,
                rdb.RdbReader.of_file(file, settings, verify=settings.rdbchecksum),
                replace=replace,
            )
            for _ in loading.steps():
                state.loading_done_bytes = loading.position
                state.keys_loaded, state.keys_expired = loading.keys_loaded, loading.keys_expired
                yield
        finally:
            file.close()
        for notice in loading.notices:
            logger.warning("%s: %s", path, notice)
        logger.info("read %s: %d keys, %d had expired", path, loading.keys_loaded, loading.keys_expired)

    def _begin(self, size: int) -> None:
        state = self.state
        state.loading_started_ms = self.engine.clock.now_ms()
        state.loading_total_bytes, state.loading_done_bytes = size, 0
        state.keys_loaded = state.keys_expired = 0
