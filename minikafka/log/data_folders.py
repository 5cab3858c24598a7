"""The data folders of a broker (log.dirs): which logs lie where, how they are found again, how they go.

    <folder>/meta.properties                    node.id, directory.id, cluster.id
    <folder>/.lock                              one process at a time
    <folder>/<topic>-<partition>/               a log: see partition_log.py
    <folder>/<topic>-<partition>.<id>-delete/   on its way out
    <folder>/replication-offset-checkpoint      high watermarks, every 5 s
    <folder>/recovery-point-offset-checkpoint   what is on the platter for sure, every minute
    <folder>/log-start-offset-checkpoint
    <folder>/.kafka_cleanshutdown               the last stop was clean; holds the broker's epoch

A new partition goes to the folder with the fewest.  An I/O error takes a folder offline: its logs refuse, the controller
hears of it with the next heartbeat, and moves what is led there; a broker without any folder left cannot go on.

The marker is removed before anything is appended, and written last of all: a start without it looks through the segments
above the recovery point, and registers as one that may have lost what it had (KIP-966).

Source: Kafka `LogManager`, `MetaPropertiesEnsemble`, `CleanShutdownFileHandler`; KIP-858.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from posixpath import join
from random import Random
from typing import TYPE_CHECKING, Any

from durable.disk import Disk, Lock
from durable.replace_file import replace_file, replace_file_soon
from minikafka.log.checkpoints import (
    HIGH_WATERMARK,
    LOG_START,
    META_PROPERTIES,
    RECOVERY_POINT,
    BadCheckpoint,
    Offsets,
    deleted_folder,
    mark_clean_shutdown,
    offsets_text,
    read_meta_properties,
    read_offsets,
    read_partition_metadata,
    take_clean_shutdown,
    write_meta_properties,
)
from minikafka.log.open_files import OpenFiles
from minikafka.log.partition_log import LogSettings, PartitionLog
from minikafka.turns import Turns
from minikafka.wire.errors import ErrorCode, KafkaError
from minikafka.wire.types import uuid_bytes, uuid_text
from serving.clock import Clock

if TYPE_CHECKING:
    from minikafka.controller.image import MetadataImage
    from minikafka.replication.partition import Partition

logger = logging.getLogger("minikafka.log")

METADATA_FOLDER = "metadata-quorum"
DELETE_SUFFIX = "-delete"
PARTITION_METADATA = "partition.metadata"
CLOSERS = 16
"""Logs of one folder that are flushed side by side when the broker stops."""


class FolderError(Exception):
    """The data cannot be used as it lies there: `str()` says why, and what to do."""


class DataFolder:
    """One folder of log.dirs.

    online     False from the first I/O error on
    left_by    the epoch of this broker that left it in good order; None after any other end
    meta       what meta.properties says
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self.online = True
        self.left_by: int | None = None
        self.meta: dict[str, str] = {}
        self.lock: Lock | None = None
        self.writing = asyncio.Lock()  # one checkpoint at a time: they share the name that is written aside
        self.logs: dict[tuple[str, int], PartitionLog] = {}
        self.watermarks: Offsets = {}
        self.recovery_points: Offsets = {}
        self.starts: Offsets = {}

    @property
    def id(self) -> bytes:
        return uuid_bytes(self.meta["directory.id"])


class DataFolders:
    """All data folders of broker `me`, and the logs in them.

    previous_epoch   of this broker, when every folder was left clean by it; -1 otherwise: it may have lost records
    """

    def __init__(
        self,
        settings: Any,
        disk: Disk,
        clock: Clock,
        random: Random,
        on_failed: Callable[[DataFolder], None] = lambda folder: None,
    ) -> None:
        """on_failed  called once for each folder that goes offline"""
        self.settings = settings
        self.on_failed = on_failed
        self.disk = disk
        self.clock = clock
        self.random = random
        self.files = OpenFiles(disk)
        paths = settings.log_dirs or (settings.log_dir,)
        self.folders = [DataFolder(path.rstrip("/")) for path in paths]
        self.metadata_folder = join((settings.metadata_log_dir or paths[0]).rstrip("/"), METADATA_FOLDER)
        self.previous_epoch = -1
        self.cluster_id = ""
        self._folder_of: dict[PartitionLog, DataFolder] = {}
        self._topic_ids: dict[PartitionLog, bytes | None] = {}
        self._doomed: list[tuple[int, str]] = []  # (when, folder) of deleted logs
        self._broker_epoch = -1

    # -- start ------------------------------------------------------------------------------------------------------

    async def open(self) -> None:
        """Lock the folders and read who they belong to.  Raises FolderError."""
        for folder in self.folders:
            try:
                self.disk.mkdir(folder.path)
                folder.lock = self.disk.lock(join(folder.path, ".lock"))
                folder.meta = self._meta_of(folder)
                folder.left_by = take_clean_shutdown(self.disk, folder.path)
            except BlockingIOError:
                raise FolderError(f"{folder.path} is in use by another process") from None
            except OSError as error:
                raise FolderError(f"{folder.path} cannot be used: {error.strerror}") from None
        epochs = {folder.left_by for folder in self.folders}
        if len(epochs) == 1 and (epoch := epochs.pop()) is not None:
            self.previous_epoch = epoch
        self.cluster_id = next((id for folder in self.folders if (id := folder.meta.get("cluster.id"))), "")

    def _meta_of(self, folder: DataFolder) -> dict[str, str]:
        """What the folder says of itself; a new one is given an id."""
        me = str(self.settings.node_id)
        path = join(folder.path, META_PROPERTIES)
        try:
            meta = read_meta_properties(self.disk, folder.path)
        except UnicodeDecodeError:
            raise FolderError(f"{path} is damaged: it is no text") from None
        if meta is None:
            meta = {"version": "1", "node.id": me, "directory.id": uuid_text(self.random.randbytes(16))}
            write_meta_properties(self.disk, folder.path, meta)
        if missing := [key for key in ("node.id", "directory.id") if not meta.get(key)]:
            raise FolderError(f"{path} is damaged: it does not say {' and '.join(missing)}")
        try:
            uuid_bytes(meta["directory.id"])
        except ValueError:
            raise FolderError(f"{path} is damaged: {meta['directory.id']!r} is no directory.id") from None
        if meta.get("node.id") != me:
            raise FolderError(f"{folder.path} holds the data of node {meta.get('node.id')}, not of node {me}")
        return meta

    def belongs_to(self, cluster_id: str) -> str:
        """Write down whose data this is from now on; "" or why it cannot be."""
        for folder in self.folders:
            known = folder.meta.setdefault("cluster.id", "")
            if not known:
                folder.meta["cluster.id"] = cluster_id
                write_meta_properties(self.disk, folder.path, folder.meta)
            elif known != cluster_id:
                return f"{folder.path} belongs to cluster {known}, the controllers are of {cluster_id}"
        self.cluster_id = cluster_id
        return ""

    async def load(self) -> None:
        """Open every log that is there, a few milliseconds at a time.  Raises FolderError when no folder can be read."""
        turns = Turns()
        for folder in self.folders:
            try:
                folder.watermarks = self._checkpoint(folder, HIGH_WATERMARK)
                folder.recovery_points = self._checkpoint(folder, RECOVERY_POINT)
                folder.starts = self._checkpoint(folder, LOG_START)
                names = self.disk.listdir(folder.path)
            except OSError as error:
                self._offline(folder, error)
                continue
            for name in names:
                if name.endswith(DELETE_SUFFIX):
                    self._doomed.append((self.clock.now_ms(), join(folder.path, name)))
                elif (partition := partition_of(name)) is not None:
                    self._open(folder, partition, self._topic_id_of(join(folder.path, name)), LogSettings())
                await turns.give()
        if not any(folder.online for folder in self.folders):
            raise FolderError("none of log.dirs can be read")

    def _checkpoint(self, folder: DataFolder, name: str) -> Offsets:
        """A checkpoint only spares work: one that cannot be read is as good as none."""
        try:
            return read_offsets(self.disk, join(folder.path, name))
        except BadCheckpoint as error:
            logger.warning("%s: going on without it", error)
            return {}

    def _topic_id_of(self, path: str) -> bytes | None:
        try:
            return read_partition_metadata(self.disk, join(path, PARTITION_METADATA))
        except (FileNotFoundError, ValueError):
            return None

    def begin(self, broker_epoch: int) -> None:
        """The controller has taken us: this is the epoch that a clean stop will leave behind."""
        self._broker_epoch = broker_epoch

    def _open(
        self, folder: DataFolder, partition: tuple[str, int], topic_id: bytes | None, settings: LogSettings
    ) -> PartitionLog | None:
        topic, index = partition
        try:
            log = PartitionLog.open(
                self.disk,
                join(folder.path, f"{topic}-{index}"),
                topic_id=topic_id,
                settings=settings,
                now_ms=self.clock.now_ms(),
                clean=folder.left_by is not None,
                recovery_point=folder.recovery_points.get(partition, 0),
                log_start_offset=folder.starts.get(partition, 0),
                files=self.files,
                random=self.random,
            )
        except OSError as error:
            self._offline(folder, error)
            return None
        log.high_watermark = max(log.log_start_offset, min(folder.watermarks.get(partition, 0), log.log_end_offset))
        folder.logs[partition] = log
        self._folder_of[log] = folder
        self._topic_ids[log] = topic_id
        return log

    # -- logs come and go ----------------------------------------------------------------------------------------------

    def open_or_create(
        self, topic: str, index: int, topic_id: bytes, settings: LogSettings, directory: bytes = b""
    ) -> PartitionLog:
        """The log of a partition that is ours.

        directory   id of the folder that it lies in, as the metadata has it; one of no folder: it may lie in any, or be new

        Raises KafkaError (56) when no folder is left for it, or the one that it lies in is offline: an empty log in another
        would pass for the one that the controller knows to be in sync.
        """
        for folder in self.folders:
            log = folder.logs.get((topic, index))
            if log is not None and self._topic_ids[log] in (None, topic_id):
                log.configure(settings)
                return log
            if log is not None:  # of a topic of that name that is no more
                self.delete(log)
        if directory in self.offline_ids():
            raise KafkaError(ErrorCode.KAFKA_STORAGE_ERROR, "its log directory is offline")
        while online := self._online():  # one that fails now is not asked again
            roomiest = min(online, key=lambda folder: len(folder.logs))
            made = self._open(roomiest, (topic, index), topic_id, settings)
            if made is not None:
                return made
        raise KafkaError(ErrorCode.KAFKA_STORAGE_ERROR, "no log directory is left")

    def delete(self, log: PartitionLog) -> None:
        """Rename its folder now, remove the files after file.delete.delay.ms."""
        folder = self._folder_of.pop(log)
        self._topic_ids.pop(log)
        partition = next(key for key, each in folder.logs.items() if each is log)
        del folder.logs[partition]
        for offsets in (folder.watermarks, folder.recovery_points, folder.starts):
            offsets.pop(partition, None)
        try:
            log.let_go()
            doomed = deleted_folder(log.folder, self.random.randbytes(16))
            self.disk.rename(log.folder, doomed)
            self._doomed.append((self.clock.now_ms() + log.settings.file_delete_delay_ms, doomed))
        except OSError as error:
            self._offline(folder, error)

    def delete_strays(self, image: MetadataImage) -> None:
        """Logs that the cluster no longer has, or not here: topics deleted, replicas moved, while we were away."""
        for folder in self.folders:
            for (topic, index), log in list(folder.logs.items()):
                topic_id = image.topic_ids.get(topic)
                registration = image.partition(topic_id, index) if topic_id is not None else None
                if registration is None or self.settings.node_id not in registration.replicas:
                    logger.info("%s-%d is not ours any more: deleting it", topic, index)
                    self.delete(log)

    def sweep(self) -> None:
        """Remove the files of logs and segments whose time has come."""
        now_ms = self.clock.now_ms()
        due = [path for when, path in self._doomed if when <= now_ms]
        self._doomed = [(when, path) for when, path in self._doomed if when > now_ms]
        for path in due:
            try:
                for name in self.disk.listdir(path):
                    self.disk.unlink(join(path, name))
                self.disk.rmdir(path)
            except OSError as error:
                logger.warning("%s cannot be removed: %s", path, error)  # the next start tries again

    async def retention(self, partitions: Iterable[Partition]) -> None:
        """Roll by time, forget by age and size, a few milliseconds at a time."""
        turns = Turns()
        for partition in partitions:
            log, now_ms = partition.log, self.clock.now_ms()
            try:
                log.roll_if_due(now_ms)
                if partition.leading:
                    log.delete_old_segments(now_ms)
                log.remove_doomed(now_ms)
            except KafkaError as error:
                logger.error("%s: %s", log.name, error)
                self.went_offline(log)
            await turns.give()
        self.sweep()

    # -- trouble ------------------------------------------------------------------------------------------------------

    def went_offline(self, log: PartitionLog) -> None:
        """The disk under `log` failed: nothing in that folder can be trusted any more."""
        folder = self._folder_of.get(log)
        if folder is not None and folder.online:
            self._offline(folder, log.offline or OSError("unknown"))

    def _offline(self, folder: DataFolder, error: OSError) -> None:
        if not folder.online:
            return
        folder.online = False
        logger.error("The log directory %s is offline: %s", folder.path, error)
        for log in folder.logs.values():
            log.offline = log.offline or error
        self.on_failed(folder)

    @property
    def none_left(self) -> bool:
        return not any(folder.online for folder in self.folders)

    def directory_of(self, log: PartitionLog) -> bytes | None:
        """Id of the folder that holds it; None once it is deleted."""
        folder = self._folder_of.get(log)
        return folder.id if folder is not None else None

    def online_ids(self) -> list[bytes]:
        return [folder.id for folder in self.folders if folder.online]

    def offline_ids(self) -> list[bytes]:
        return [folder.id for folder in self.folders if not folder.online]

    # -- checkpoints and the end ----------------------------------------------------------------------------------------

    async def checkpoint_high_watermarks(self) -> None:
        for folder in self._online():
            folder.watermarks = {key: log.high_watermark for key, log in folder.logs.items()}
            await self._write(folder, HIGH_WATERMARK, folder.watermarks)

    async def checkpoint_recovery_points(self) -> None:
        for folder in self._online():
            points = folder.recovery_points = {key: log.recovery_point for key, log in folder.logs.items()}
            folder.starts = {key: log.log_start_offset for key, log in folder.logs.items() if log.log_start_offset}
            await self._write(folder, RECOVERY_POINT, points, partial(self._still_so, folder, points))
            await self._write(folder, LOG_START, folder.starts)

    @staticmethod
    def _still_so(folder: DataFolder, points: Offsets) -> bool:
        return folder.recovery_points is points

    def truncated(self, log: PartitionLog) -> None:
        """The log was cut.  Where the checkpoint says that more is durable it is replaced now, before anything is appended:
        after a power failure nobody would look whether what stands below it is whole.  What is durable is rarely cut."""
        folder = self._folder_of.get(log)
        if folder is None or not folder.online:
            return
        if any(folder.recovery_points.get(key, 0) > each.recovery_point for key, each in folder.logs.items()):
            folder.recovery_points = {key: each.recovery_point for key, each in folder.logs.items()}
            try:
                content = offsets_text(folder.recovery_points)
                path = join(folder.path, RECOVERY_POINT)
                replace_file(self.disk, path, content, temporary=f"{RECOVERY_POINT}.cut.new")
            except OSError as error:
                self._offline(folder, error)

    def _online(self) -> list[DataFolder]:
        return [folder for folder in self.folders if folder.online]

    async def _write(
        self, folder: DataFolder, name: str, offsets: Offsets, wanted: Callable[[], bool] = lambda: True
    ) -> None:
        try:
            async with folder.writing:
                await replace_file_soon(self.disk, join(folder.path, name), offsets_text(offsets), wanted=wanted)
        except OSError as error:
            self._offline(folder, error)

    async def close(self) -> None:
        """Flush, snapshot, checkpoint, and say last of all that it was so."""
        for folder in self._online():
            waiting = iter(list(folder.logs.values()))
            await asyncio.gather(*(self._close_all(folder, waiting) for _ in range(CLOSERS)))
        await self.checkpoint_recovery_points()
        await self.checkpoint_high_watermarks()
        for folder in self._online():
            if self._broker_epoch >= 0:
                mark_clean_shutdown(self.disk, folder.path, self._broker_epoch)
        for folder in self.folders:
            if folder.lock is not None:
                folder.lock.close()
        self.files.close_all()

    async def _close_all(self, folder: DataFolder, waiting: Iterator[PartitionLog]) -> None:
        """Of those that share `waiting`, one log after another, never two in one turn of the loop."""
        for log in waiting:
            if not folder.online:
                return
            try:
                await log.flush()
                log.close(self.clock.now_ms())
            except KafkaError as error:
                self._offline(folder, log.offline or OSError(str(error)))
            await asyncio.sleep(0)


def partition_of(name: str) -> tuple[str, int] | None:
    """Topic and partition of a folder's name; None for one that holds no log."""
    topic, dash, index = name.rpartition("-")
    return (topic, int(index)) if dash and topic and index.isascii() and index.isdecimal() else None
