"""Snapshots: the whole keyspace into an RDB file, and an RDB file into the keyspace.

What the file looks like is told in `rdb_format.py`.  Here is what a server adds to it: which keys are worth loading,
how recently each was used, and what to do with one that comes twice.

Both ways are generators, so that whoever drives them decides about pace, files and failures: a forked child writes the
chunks as fast as the disk takes them; a server that starts loads for some milliseconds, answers its clients `-LOADING`,
and goes on.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING, Any

from miniredis import REDIS_VERSION
from miniredis.persistence.rdb_format import RdbError
from miniredis.persistence.rdb_reader import Aux, Entry, Notice, RdbReader, TableSizes
from miniredis.persistence.rdb_writer import Encoding, Keyspace, aux_fields, write
from miniredis.persistence.snapshotter import Progress

if TYPE_CHECKING:
    from miniredis.database import Database
    from miniredis.engine import Engine

__all__ = ["Aux", "Encoding", "Loading", "Notice", "RdbError", "RdbReader", "TableSizes", "snapshot"]


def snapshot(
    engine: Engine, *, version: int = 10, aof_base: bool = False, progress: Progress | None = None
) -> Iterator[bytes]:
    """The bytes of an RDB file of all that `engine` holds, in chunks of about 64 KiB.

    The keyspace must not change until the last chunk is taken: take all at once, or in a forked child.

    version   10, or 11 for servers from 7.2 on
    aof_base  whether the file is the base of an append-only file
    progress  counts the keys as they are written
    """
    settings = engine.settings
    progress = progress or Progress()
    return write(
        [_keyspace(database, progress) for database in engine.databases if database.values],
        aux=aux_fields(REDIS_VERSION, engine.now_ms, engine.eviction.used(), aof_base=aof_base),
        encoding=Encoding.of(settings)._replace(version=version),
        checksum=settings.rdbchecksum,
    )


def _keyspace(database: Database, progress: Progress) -> Keyspace:
    """`database`, with idle times or frequencies when eviction goes by them."""
    eviction, policy = database.engine.eviction, database.engine.settings.maxmemory_policy
    return Keyspace(
        database.index,
        len(database.values),
        len(database.expires),
        _counted(database, progress),
        idle_seconds=partial(eviction.idle_seconds, database) if policy.endswith("lru") else None,
        frequency=partial(eviction.counter, database) if policy.endswith("lfu") else None,
    )


def _counted(database: Database, progress: Progress) -> Iterator[tuple[bytes, Any, int | None]]:
    for entry in database.items():
        progress.keys += 1
        yield entry


class Loading:
    """Loads one file into an engine; what it did so far can be looked at between two steps."""

    def __init__(
        self,
        engine: Engine,
        reader: RdbReader,
        *,
        keep_expired: bool = False,
        replace: bool = False,
    ) -> None:
        """
        keep_expired  for the base of an append-only file: the log that follows may still speak of such keys
        replace       keys that stand already are replaced; else they are an error, in the file or before it
        """
        self.engine = engine
        self.reader = reader
        reader.databases = len(engine.databases)
        self.keep_expired = keep_expired
        self.replace = replace
        self.keys_loaded = 0
        self.keys_expired = 0  # left out, as their time had come
        self.notices: list[str] = []  # lines for the log

    @property
    def position(self) -> int:
        """Bytes read so far."""
        return self.reader.position

    def steps(self) -> Iterator[None]:
        """Load; each `next` is a key or a part of a large one.  Raises RdbError, what was loaded remaining."""
        databases, now_ms = self.engine.databases, self.engine.now_ms
        for event in self.reader.events():
            if type(event) is Entry:
                expires_at_ms = event.expires_at_ms
                if expires_at_ms is not None and expires_at_ms < now_ms and not self.keep_expired:
                    self.keys_expired += 1
                else:
                    self._store(databases[event.database], event)
            elif type(event) is Notice:
                self.notices.append(event.text)
            yield

    def _store(self, database: Database, entry: Entry) -> None:
        key = entry.key
        if key in database.values:
            if not self.replace:
                raise RdbError(f"database {entry.database} has the key {key[:100]!r} twice", self.position)
            database.delete(key)
        database.store(key, entry.value)
        if entry.expires_at_ms is not None:
            database.set_expiry(key, entry.expires_at_ms)
        eviction = self.engine.eviction
        if entry.frequency is not None and eviction.frequency:
            database.touched[key] = eviction.stamp_of_frequency(entry.frequency)
        elif entry.idle_seconds is not None and not eviction.frequency:
            database.touched[key] = eviction.stamp_of_idle(entry.idle_seconds)
        if self.engine.weighing:
            self.engine.weigh(database, key)
        self.keys_loaded += 1
