"""Persistence with files: when a snapshot is due, when the log is rewritten, and what clients are told when it fails.

    snapshot   `dbfilename`      all keys at one moment   SAVE, BGSAVE, save points, SHUTDOWN
    log        `appenddirname`   every change since       each turn, rewritten when it has grown

One child at a time, as each may take as much memory again as the data; what is asked for meanwhile is scheduled.  The
regular work (`tick`, `hz` times a second) starts what is due.

Failure has one form for clients: writes are refused with MISCONF until it is over.

    a snapshot failed      and `stop-writes-on-bgsave-error` with save points: until one succeeds
    the log, `always`      the process ends: nothing may be acknowledged that is not on the disk
    the log, otherwise     until an append succeeds; after a failed fsync, until a rewrite has begun a new log

Source: Redis 7.2 `rdb.c`, `aof.c`, and in `server.c` serverCron, writeCommandsGetDiskErrorMessage, finishShutdown.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Iterator
from functools import partial
from posixpath import join
from typing import TYPE_CHECKING, Any

from durable.disk import Disk
from miniredis.host import ShutdownWish
from miniredis.persistence import rdb
from miniredis.persistence.aof import Log
from miniredis.persistence.aof_folder import LogFolder, write_all
from miniredis.persistence.contract import PersistenceState
from miniredis.persistence.restore import UNREADABLE, Restore
from miniredis.persistence.snapshotter import Copying, Progress, Snapshotter

if TYPE_CHECKING:
    from miniredis.engine import Engine

logger = logging.getLogger("miniredis")

SLICE_US = 10_000  # of reading in, between two looks at the sockets
SLICE_STEPS = 1_000  # the same in simulation, where computing takes no time
RETRY_MS = 5_000  # after a failed snapshot, or the failed rewrite of a log that is broken
REWRITE_FAILURES = 3  # in a row, after which rewrites are put off
REWRITE_DELAY_MAX_MS = 60 * 60_000

SNAPSHOT_FAILED = (
    "MISCONF Redis is configured to save RDB snapshots, but it's currently unable to persist to disk. Commands that "
    "may modify the data set are disabled, because this instance is configured to report errors during writes if RDB "
    "snapshotting fails (stop-writes-on-bgsave-error option). Please check the Redis logs for details about the RDB "
    "error."
)


class LoadFailed(Exception):
    """The data cannot be read in, so the server cannot start."""


class FilePersistence:
    """The snapshot file and the append-only file of one engine; what commands ask of it is in contract.py.

    on_durable  more of the log is on the disk: replies that waited for it may leave
    on_fatal    nothing may be acknowledged any more
    """

    def __init__(
        self,
        engine: Engine,
        disk: Disk,
        snapshotter: Snapshotter,
        *,
        on_durable: Callable[[], None] = lambda: None,
        on_fatal: Callable[[str], None] = lambda reason: None,
    ) -> None:
        self.engine = engine
        self.settings: Any = engine.settings
        self.disk = disk
        self.snapshotter = snapshotter
        self.state = PersistenceState(last_save_ms=engine.now_ms)
        self.log = Log(self.settings, engine.clock, on_durable=self._durable_advanced, on_error=self._log_failed)
        self.folder = self._new_folder()
        self._on_durable = on_durable
        self._on_fatal = on_fatal
        self._waiting: deque[tuple[int, Callable[[], None]]] = deque()  # (offset, ...) in order
        self._child: Copying | None = None
        self._child_path = ""
        self._dirty_before = 0  # engine.dirty when the snapshot was begun
        self._tried_ms = 0  # when a snapshot was begun last
        self._rewrite_after_ms = 0  # not before, after failures
        self._outside = 0  # log_size - offset of the log
        self.settings.on_change(self._switch_log, "appendonly")

    def _new_folder(self) -> LogFolder:
        settings = self.settings
        return LogFolder(self.disk, settings.dir, settings.appenddirname, settings.appendfilename)

    @property
    def snapshot_path(self) -> str:
        settings = self.settings
        return join(str(settings.dir), str(settings.dbfilename))

    def _aside(self, name: str) -> str:
        """`name` with the process in it, so that two servers in one folder do not meet."""
        return name.format(self.engine.host.facts.process_id)

    # -- the start ------------------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Read the data in, then keep it.  Clients are answered -LOADING meanwhile.  Raises LoadFailed."""
        engine, settings = self.engine, self.settings
        restore = Restore(engine, self.disk, self.state)
        engine.loading = True
        engine.guards.add("loading")
        try:
            self.folder.read()
            if settings.appendonly:
                self.folder.upgrade()
                steps = restore.from_log(self.folder)
            else:
                steps = restore.from_snapshot(self.snapshot_path)
            while self._slice(steps):  # noqa: ASYNC110  nobody is waited for: others get their turn
                await asyncio.sleep(0)
            engine.refresh_time()
            if settings.appendonly:
                self._open_log(restore.found)
            self.folder.clean()
        except UNREADABLE as error:
            raise LoadFailed(f"cannot read {restore.reading or 'the data'}: {error}") from error
        finally:
            engine.loading = False
            engine.guards.discard("loading")
        engine.dirty = 0
        self.state.last_save_ms = engine.clock.now_ms()

    def _slice(self, steps: Iterator[None]) -> bool:
        """Read in for a moment; False at the end."""
        clock = self.engine.clock
        self.engine.refresh_time()
        until_us = clock.monotonic_us() + SLICE_US
        for done in range(SLICE_STEPS):
            if next(steps, self) is self:
                return False
            if done % 16 == 15 and clock.monotonic_us() > until_us:
                break
        return True

    def _open_log(self, found: bool) -> None:
        if found:
            file = self.folder.open_last()
        else:
            if self.disk.exists(self.snapshot_path):
                logger.warning("appendonly is on and there is no log: %s is not read", self.snapshot_path)
            file = self.folder.begin(self._bytes(Progress(), base=True))
        self.log.open(file)
        self.engine.propagate_to = self.log.append
        base = self.folder.manifest.base
        self._measure(self.disk.size(self.folder.path_of(base)) if base else 0)

    def _measure(self, base_size: int) -> None:
        """Look how large the log is; from here on it is reckoned."""
        self._outside = self.folder.size() - self.log.flushed_offset
        self.state.log_base_size = base_size
        self._reckon()

    def _reckon(self) -> None:
        self.state.log_size = self._outside + self.log.flushed_offset
        self.state.log_buffered = self.log.buffered

    # -- every turn -----------------------------------------------------------------------------------------------

    @property
    def appending(self) -> bool:
        """Whether what commands change goes into a log, so that `flush` has to be called before replies leave."""
        return self.log.is_open

    @property
    def gating(self) -> bool:
        """Whether replies have to wait until `durable_offset` has reached what they depend on."""
        return self.log.is_open and self.settings.appendfsync == "always" and not self.log.incomplete and self._may_sync

    @property
    def _may_sync(self) -> bool:
        return self._child is None or not self.settings.no_appendfsync_on_rewrite

    @property
    def written_offset(self) -> int:
        return self.log.written_offset

    @property
    def durable_offset(self) -> int:
        return self.log.durable_offset

    def flush(self) -> None:
        """The end of a turn: one write() for all that was changed in it; under `always` an fsync is begun."""
        log = self.log
        if log.buffered:
            log.flush(sync=self.settings.appendfsync == "always" and self._may_sync)
            self._reckon()

    def when_durable(self, offset: int, callback: Callable[[], None]) -> None:
        if self.durable_offset >= offset:
            callback()
        else:
            self._waiting.append((offset, callback))

    def _durable_advanced(self) -> None:
        waiting, durable = self._waiting, self.log.durable_offset
        while waiting and waiting[0][0] <= durable:
            waiting.popleft()[1]()
        self._on_durable()

    def _log_failed(self, error: OSError | None) -> None:
        """An append or an fsync of the log failed, or (None) it goes again."""
        self.state.last_write_ok = error is None
        if error is not None and self.settings.appendfsync == "always":
            self._on_fatal(f"cannot write the append-only file, and appendfsync is always ({error})")
        self._judge_writes()

    def _judge_writes(self) -> None:
        """Refuse writes while they could not be kept."""
        engine, settings = self.engine, self.settings
        error = None
        if settings.save and settings.stop_writes_on_bgsave_error and not self.state.last_save_ok:
            error = SNAPSHOT_FAILED
        elif self.log.is_open and self.log.error is not None:
            error = f"MISCONF Errors writing to the AOF file: {self.log.error.strerror}"
        engine.write_error = error
        if error is None:
            engine.guards.discard("disk")
        else:
            engine.guards.add("disk")

    # -- the regular work -----------------------------------------------------------------------------------------

    def tick(self) -> None:
        """Called `hz` times a second: start what is due."""
        state = self.state
        if self.log.is_open:
            self._tick_log()
        if self._child is not None:
            state.child_keys_done = self._child.progress.keys
        elif not self.engine.loading:
            self._start_what_is_due(self.engine.clock.now_ms())
        self._judge_writes()

    def _tick_log(self) -> None:
        log, policy = self.log, self.settings.appendfsync
        if log.buffered or policy == "always":
            log.flush(sync=policy == "always" and self._may_sync)
        if policy == "everysec" and self._may_sync:
            log.every_second()
        if log.incomplete and self._child is None:
            self.state.rewrite_scheduled = True  # the one cure for a broken log, and the end of switching one on
        self.state.log_pending_fsyncs = int(log.syncing)
        self.state.log_delayed_fsyncs = log.delayed_fsyncs
        self._reckon()

    def _start_what_is_due(self, now_ms: int) -> None:
        state, settings, dirty = self.state, self.settings, self.engine.dirty
        rewrite_allowed = now_ms >= self._rewrite_after_ms
        if state.rewrite_scheduled and rewrite_allowed:
            self.begin_rewrite()
            return
        may_try = state.last_save_ok or now_ms - self._tried_ms > RETRY_MS
        for seconds, changes in settings.save:
            if dirty >= changes and now_ms - state.last_save_ms > seconds * 1000 and may_try:
                logger.info("%d changes in %d seconds: saving", changes, seconds)
                self.begin_save()
                return
        if self.log.is_open and rewrite_allowed and self._has_grown():
            logger.info("the append-only file has grown from %d to %d bytes", state.log_base_size, state.log_size)
            self.begin_rewrite()
        elif state.save_scheduled and may_try:
            self.begin_save()

    def _has_grown(self) -> bool:
        """Whether the log is due for a rewrite: `auto-aof-rewrite-percentage` above what the last one left."""
        state, percentage = self.state, self.settings.auto_aof_rewrite_percentage
        if not percentage or state.log_size <= self.settings.auto_aof_rewrite_min_size:
            return False
        growth = state.log_size * 100 // (state.log_base_size or 1) - 100
        return growth >= int(percentage)

    # -- snapshots ------------------------------------------------------------------------------------------------

    def _bytes(self, progress: Progress, *, base: bool = False) -> Iterator[bytes]:
        return rdb.snapshot(self.engine, version=self.settings.rdb_version, aof_base=base, progress=progress)

    def save(self) -> bool:
        """Write a snapshot now, while everyone waits."""
        state, engine = self.state, self.engine
        aside = join(self.settings.dir, self._aside("temp-{}.rdb"))
        state.saves += 1
        try:
            file = self.disk.open(aside, "w")
            try:
                write_all(file, self._bytes(Progress()))
                file.fsync_now()
            finally:
                file.close()
            self._put_in_place(aside)
        except OSError as error:
            logger.error("cannot save: %s", error)
            self._remove(aside)
            return False
        logger.info("saved %s", self.snapshot_path)
        engine.dirty = 0
        state.last_save_ms = engine.clock.now_ms()
        state.last_save_ok = True
        self._judge_writes()
        return True

    def _put_in_place(self, written: str) -> None:
        self.disk.rename(written, self.snapshot_path)
        self.disk.fsync_dir(self.settings.dir)

    def _remove(self, path: str) -> None:
        try:
            if self.disk.exists(path):
                self.disk.unlink(path)
        except OSError as error:
            logger.warning("cannot remove %s: %s", path, error)

    def begin_save(self) -> bool:
        """Start a child that writes a snapshot."""
        if self._child is not None:
            return False
        self.state.saves += 1
        self.state.save_scheduled = False
        self._dirty_before = self.engine.dirty
        self._tried_ms = self.engine.clock.now_ms()
        path = join(self.settings.dir, self._aside("temp-{}.rdb"))
        if not self._begin_child("rdb", path, self._bytes, self._save_ended):
            self.state.last_save_ok = False
            self._judge_writes()
            return False
        return True

    def _save_ended(self, error: str | None) -> None:
        state, path = self.state, self._child_path
        state.last_save_seconds = self._child_ended()
        if error is None:
            try:
                self._put_in_place(path)
            except OSError as failure:
                error = str(failure)
                self._remove(path)
        if error is None:
            logger.info("saved %s in the background", self.snapshot_path)
            self.engine.dirty = max(0, self.engine.dirty - self._dirty_before)
            state.last_save_ms = self.engine.clock.now_ms()
        else:
            logger.error("saving in the background failed: %s", error)
        state.last_save_ok = error is None
        self._judge_writes()

    def everything_removed(self) -> None:
        self._cancel_child("rdb")
        if self.settings.save:
            dirty = self.engine.dirty
            self.save()
            self.engine.dirty = dirty  # FLUSHALL has still to be seen as a change

    # -- children -------------------------------------------------------------------------------------------------

    def _begin_child(
        self, kind: str, path: str, chunks: Callable[[Progress], Iterator[bytes]], done: Callable[[str | None], None]
    ) -> bool:
        state, engine = self.state, self.engine
        started_us = engine.clock.monotonic_us()
        try:
            self._child = self.snapshotter.begin(path, chunks, done)
        except OSError as error:
            logger.error("cannot start a child: %s", error)
            return False
        state.last_fork_us = engine.clock.monotonic_us() - started_us
        engine.latency.note("fork", state.last_fork_us // 1000)
        state.forks += 1
        state.child, state.child_started_ms = kind, engine.clock.now_ms()
        state.child_keys_done, state.child_keys_total = 0, sum(map(len, engine.databases))
        self._child_path = path
        logger.info("a child writes %s", "a snapshot" if kind == "rdb" else "the append-only file anew")
        return True

    def _child_ended(self) -> int:
        """Forget the child; how many seconds it took."""
        state = self.state
        self._child = None
        state.child = None
        return (self.engine.clock.now_ms() - state.child_started_ms) // 1000

    def _cancel_child(self, kind: str) -> None:
        if self._child is not None and self.state.child == kind:
            self._child.cancel()
            self._child_ended()

    # -- the log --------------------------------------------------------------------------------------------------

    def begin_rewrite(self) -> bool:
        """Start a child that writes the base of a new log; commands go to a new increment from now on."""
        if self._child is not None:
            return False
        state = self.state
        state.rewrite_scheduled = False
        state.rewrites += 1
        try:
            self.disk.mkdir(self.folder.path)
            if self.log.incomplete:
                self.log.open_incomplete(self.folder.open_waiting())
            elif self.log.is_open:
                self.log.flush_now()
                self.log.open(self.folder.open_next())
        except OSError as error:
            logger.error("cannot begin to rewrite the append-only file: %s", error)
            self._rewrite_failed()
            return False
        path = join(self.folder.path, self._aside("temp-rewriteaof-bg-{}.aof"))
        done = partial(self._rewrite_ended, self.log.is_open, self.log.incomplete)
        if not self._begin_child("aof", path, partial(self._bytes, base=True), done):
            self._rewrite_failed()
            return False
        return True

    def _rewrite_ended(self, is_open: bool, incomplete: bool, error: str | None) -> None:
        state, path = self.state, self._child_path
        state.last_rewrite_seconds = self._child_ended()
        if error is None:
            try:
                self.folder.commit(path, kept=1 if is_open and not incomplete else 0, waiting=incomplete)
            except OSError as failure:
                error = str(failure)
                self._remove(path)
        if error is not None:
            logger.error("rewriting the append-only file failed: %s", error)
            self._rewrite_failed()
            return
        logger.info("the append-only file begins with %s now", self.folder.manifest.files[0].name)
        state.last_rewrite_ok = True
        state.rewrite_failures = 0
        self._rewrite_after_ms = 0
        if incomplete:
            self.log.completed()
        if is_open:
            self._measure(self.folder.size())

    def _rewrite_failed(self) -> None:
        state = self.state
        state.last_rewrite_ok = False
        state.rewrite_failures += 1
        if self.log.incomplete and self.log.error is not None:
            self._rewrite_after_ms = self.engine.clock.now_ms() + RETRY_MS  # until then all writes are refused
        elif (extra := state.rewrite_failures - REWRITE_FAILURES) >= 0:
            delay_ms = min(60_000 << min(extra, 6), REWRITE_DELAY_MAX_MS)
            self._rewrite_after_ms = self.engine.clock.now_ms() + delay_ms

    def _switch_log(self, settings: Any) -> None:
        """CONFIG SET appendonly.  Raises ValueError with what the client is told."""
        if settings.appendonly == self.log.is_open:
            return
        if not settings.appendonly:
            self._cancel_child("aof")
            self._close_log()
            return
        self._cancel_child("aof")  # it writes a base without an increment
        self.state.rewrite_scheduled = True
        try:
            self.disk.mkdir(self.folder.path)
            self.log.open_incomplete(self.folder.open_waiting())
        except OSError as error:
            logger.error("cannot switch the append-only file on: %s", error)
            self.state.rewrite_scheduled = False
            raise ValueError("Unable to turn on AOF. Check server logs.") from None
        self.engine.propagate_to = self.log.append
        if self._child is None and not self.begin_rewrite():
            self.state.rewrite_scheduled = False
            self._close_log()
            raise ValueError("Unable to turn on AOF. Check server logs.")

    def _close_log(self) -> None:
        """CONFIG SET appendonly no: what was written stands; nobody waits for more."""
        try:
            self.log.flush_now()
        except OSError as error:
            logger.error("the end of the append-only file may be missing: %s", error)
        self.engine.propagate_to = None
        self.log.close()
        self.state.rewrite_scheduled = False
        self._judge_writes()

    # -- DEBUG ----------------------------------------------------------------------------------------------------

    def reload(self, *, save: bool, flush: bool) -> bool:
        if save:
            dirty = self.engine.dirty
            if not self.save():
                return False
            self.engine.dirty = dirty
        restore = Restore(self.engine, self.disk, self.state)
        return self._read_again(restore.from_snapshot(self.snapshot_path, replace=not flush), flush)

    def reload_log(self) -> bool:
        self.flush()
        return self._read_again(Restore(self.engine, self.disk, self.state).from_log(self.folder), True)

    def _read_again(self, steps: Iterator[None], flush: bool) -> bool:
        engine = self.engine
        engine.loading = True
        try:
            if flush:
                for database in engine.databases:
                    database.clear()
            for _ in steps:
                pass
        except UNREADABLE as error:
            logger.error("cannot read the data again: %s", error)
            return False
        finally:
            engine.loading = False
        return True

    # -- the end --------------------------------------------------------------------------------------------------

    def prepare_stop(self, wish: ShutdownWish) -> bool:
        """Keep what is to be kept; False when that failed, and the server should not end.  May be called again."""
        self._cancel_child("rdb")
        if self.log.is_open:
            if self.log.incomplete and self._child is not None and not wish.force:
                logger.warning("the first append-only file is being written: not stopping")
                return False
            self._cancel_child("aof")
            try:
                self.log.flush_now()
            except OSError as error:
                logger.error("the end of the append-only file may be missing: %s", error)
        wanted = wish.save if wish.save is not None else bool(self.settings.save)
        if wanted and not self.engine.loading and not self.save():
            return wish.force
        return True

    async def stop(self) -> None:
        """Let go of all files; the data stays as the last `prepare_stop` left it."""
        if self._child is not None:
            self._cancel_child(self.state.child or "")
        if self.log.is_open:
            self.flush()
            try:
                self.log.flush_now()
            except OSError as error:
                logger.error("the end of the append-only file may be missing: %s", error)
