"""What commands may ask of persistence, and what they may know of it.

The engine opens no file.  SAVE, BGSAVE, BGREWRITEAOF, WAITAOF, DEBUG RELOAD and INFO speak to this `Persistence`; the
shell puts one that has a disk and a snapshotter in its place.  The one that stands here from the start keeps nothing,
so every save fails.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol


@dataclass(slots=True)
class PersistenceState:
    """What INFO persistence and LASTSAVE tell.  Times in ms since 1970, durations in seconds, sizes in bytes."""

    child: str | None = None  # what a child is writing: rdb, aof
    child_started_ms: int = 0
    child_keys_done: int = 0
    child_keys_total: int = 0
    forks: int = 0
    last_fork_us: int = 0

    last_save_ms: int = 0
    last_save_ok: bool = True
    last_save_seconds: int = -1  # of the last background save; -1 before the first
    save_scheduled: bool = False
    saves: int = 0

    rewrite_scheduled: bool = False
    last_rewrite_ok: bool = True
    last_rewrite_seconds: int = -1
    rewrites: int = 0
    rewrite_failures: int = 0  # in a row

    last_write_ok: bool = True
    log_size: int = 0
    log_base_size: int = 0  # after the last rewrite, or at the start
    log_buffered: int = 0
    log_pending_fsyncs: int = 0
    log_delayed_fsyncs: int = 0

    keys_loaded: int = 0
    keys_expired: int = 0  # left out while loading: their time had come
    loading_started_ms: int = 0
    loading_total_bytes: int = 0
    loading_done_bytes: int = 0


class Persistence(Protocol):
    """Every method that can fail returns False then, having logged why."""

    state: PersistenceState

    def save(self) -> bool:
        """Write a snapshot now, while everyone waits."""

    def begin_save(self) -> bool:
        """Start a child that writes one."""

    def begin_rewrite(self) -> bool:
        """Start a child that rewrites the append-only file."""

    def everything_removed(self) -> None:
        """FLUSHALL: a snapshot under way is pointless; where there are save points, the file becomes empty too."""

    def reload(self, *, save: bool, flush: bool) -> bool:
        """DEBUG RELOAD: read the snapshot again, written before if `save`, into nothing if `flush`."""

    def reload_log(self) -> bool:
        """DEBUG LOADAOF: read the append-only file again."""

    @property
    def written_offset(self) -> int:
        """How far the append-only file goes, what this turn has still to append included."""

    @property
    def durable_offset(self) -> int:
        """How far it has reached the disk."""

    def when_durable(self, offset: int, callback: Callable[[], None]) -> None:
        """Call back once `durable_offset` has reached `offset`."""


class NoPersistence:
    """No disk, no files."""

    def __init__(self, now_ms: int) -> None:
        self.state = PersistenceState(last_save_ms=now_ms)
        self.written_offset = self.durable_offset = 0

    def save(self) -> bool:
        return False

    def begin_save(self) -> bool:
        return False

    def begin_rewrite(self) -> bool:
        return False

    def everything_removed(self) -> None:
        pass

    def reload(self, *, save: bool, flush: bool) -> bool:
        return False

    def reload_log(self) -> bool:
        return False

    def when_durable(self, offset: int, callback: Callable[[], None]) -> None:
        pass
