"""Opening a log: what the files say, believed after a clean stop, checked after anything else.

    1  remove what was on its way out, or half made
    2  segments, by the names of the .log files; each with its indexes, built anew where they are missing or absurd
    3  unclean: every batch from the recovery point on is checked; from the first bad one on, all is cut off: what stands
       behind it in this segment, and all segments after it
    4  leader epochs from their file, and from the batches that were checked
    5  producers from the newest sound snapshot, and from the batches behind it

The order of writes makes this enough.  Below the recovery point all has been fsynced, indexes and epochs included, before
the point moved.  Above it, a power failure may have taken any tail of any file; a segment whose predecessor does not
reach it stands behind a hole, and goes.

Source: Kafka's `LogLoader.java`.
"""

from __future__ import annotations

import logging
from collections.abc import Collection
from contextlib import suppress
from posixpath import join
from typing import TYPE_CHECKING

from minikafka.log import producer_snapshot
from minikafka.log.checkpoints import read_partition_metadata, write_partition_metadata
from minikafka.log.index import BadIndex
from minikafka.log.segment import DELETED, LOG, SNAPSHOT, Segment
from minikafka.records.batch import BadBatch, Batch
from minikafka.wire.errors import ErrorCode, KafkaError

if TYPE_CHECKING:
    from minikafka.log.partition_log import PartitionLog

logger = logging.getLogger("minikafka")

LEFTOVERS = (DELETED, ".cut", ".new", ".cleaned", ".swap")
METADATA = "partition.metadata"
EVERYTHING = 1 << 63
RECALLED_BYTES = 256 * 1024
"""How much of the log is looked through for the last batches of producers that a snapshot knows."""


def open_log(
    log: PartitionLog, topic_id: bytes | None, now_ms: int, clean: bool, recovery_point: int, log_start_offset: int
) -> None:
    """Fill `log` from its folder.  Raises OSError, KafkaError."""
    if not log.disk.exists(log.folder):
        log.disk.mkdir(log.folder, durable=False)
        log.folder_made = True
    names = log.disk.listdir(log.folder)
    for name in names:
        if name.endswith(LEFTOVERS):
            log.disk.unlink(join(log.folder, name))
    if topic_id is not None:
        _check_topic_id(log, topic_id)
    epochs_known = log.epochs.load()
    epochs_before = log.epochs.entries
    bases = sorted(int(name.removesuffix(LOG)) for name in names if name.endswith(LOG))
    log.log_start_offset = max(log_start_offset, bases[0] if bases else 0)
    if bases:
        _load_segments(log, bases, now_ms, EVERYTHING if clean else recovery_point, check_all=not epochs_known)
    else:
        log.log_end_offset = log.log_start_offset
        log.start_segment(log.log_start_offset, now_ms)
    if log.log_end_offset < log.log_start_offset:
        logger.warning(
            "%s ends at %d, before its start %d: emptied", log.name, log.log_end_offset, log.log_start_offset
        )
        log.truncate_fully_and_start_at(log.log_start_offset)
    log.recovery_point = log.log_end_offset if clean else min(recovery_point, log.log_end_offset)
    log.high_watermark = log.log_start_offset
    log.epochs.truncate_from_end(log.log_end_offset + 1)
    log.epochs.truncate_from_start(log.log_start_offset)
    if log.epochs.entries != epochs_before:
        log.epochs.write()
    load_producers(log)
    log.recovered.clear()
    _drop_stray_snapshots(log)


def _check_topic_id(log: PartitionLog, topic_id: bytes) -> None:
    path = join(log.folder, METADATA)
    try:
        found = read_partition_metadata(log.disk, path)
    except (FileNotFoundError, ValueError):
        write_partition_metadata(log.disk, path, topic_id)
    else:
        if found != topic_id:
            raise KafkaError(
                ErrorCode.INCONSISTENT_TOPIC_ID,
                f"The folder {log.folder} belongs to the topic with id {found.hex()}, not to {topic_id.hex()}",
            )


def _load_segments(log: PartitionLog, bases: list[int], now_ms: int, durable: int, check_all: bool) -> None:
    """durable  the offset below which all is, indexes too"""
    doubted = False
    for place, base_offset in enumerate(bases):
        segment = log.new_segment(base_offset, now_ms)
        last = place == len(bases) - 1
        next_base = durable if last else bases[place + 1]
        whole, end_offset = True, None
        # a segment that ends at the recovery point may have been rolled since, and its indexes not be durable
        if check_all or (durable != EVERYTHING and next_base >= durable):
            if not doubted:
                doubted = True
                log.epochs.forget_from(base_offset)
            whole, end_offset = _recover(log, segment)
        else:
            try:
                if last:
                    end_offset = segment.open_active()
                else:
                    segment.load()
            except (BadIndex, BadBatch) as error:
                logger.warning("%s: %s; recovering the segment", log.name, error)
                whole, end_offset = _recover(log, segment)
        log.segments.append(segment)
        log.active = segment
        if not last and end_offset is not None:
            if not whole or (next_base > durable and end_offset != next_base):
                for base in bases[place + 1 :]:
                    logger.warning(
                        "%s: the segment at %d stands behind a hole at %d: removed", log.name, base, end_offset
                    )
                    log.drop(log.new_segment(base, now_ms))
                log.fsync_folder()  # else they could come back behind what is appended next
                last = True
            else:
                segment.retire(durably=next_base <= durable)
                if next_base > durable:
                    log.unsynced.append(segment)
        if last:
            assert end_offset is not None
            log.log_end_offset = end_offset
            return


def _recover(log: PartitionLog, segment: Segment) -> tuple[bool, int]:
    """Check every batch; returns whether nothing had to be cut off, and the offset behind the last good one."""
    end_offset = segment.base_offset

    def on_batch(batch: Batch, data: memoryview) -> None:
        nonlocal end_offset
        end_offset = batch.last_offset + 1
        if batch.leader_epoch > log.epochs.latest:
            log.epochs.note(batch.leader_epoch, batch.base_offset)

    log.recovered.add(segment.base_offset)
    cut = segment.recover(on_batch)
    if cut:
        logger.warning("%s: cut %d bytes off the segment at %d", log.name, cut, segment.base_offset)
    return not cut, end_offset


def load_producers(log: PartitionLog) -> None:
    """What is known of producers at the log's end: the newest sound snapshot, and the batches behind it."""
    end_offset, start_offset = log.log_end_offset, log.log_start_offset
    newest = min(log.recovered, default=end_offset)  # what was not durable may be of another history
    offsets = []
    for name in log.disk.listdir(log.folder):
        if name.endswith(SNAPSHOT):
            offset = int(name.removesuffix(SNAPSHOT))
            if offset > newest:
                log.disk.unlink(join(log.folder, name))
            else:
                offsets.append(offset)
    log.producers.clear(start_offset)
    log.snapshot_offset = start_offset
    for offset in sorted(offsets, reverse=True):
        path = log.snapshot_path(offset)
        try:
            producers = producer_snapshot.decode(log.disk.read(path))
        except producer_snapshot.BadSnapshot as error:
            logger.warning("%s: %s: %s; removed", log.name, path, error)
            log.disk.unlink(path)
        else:
            producer_snapshot.restore(log.producers, producers, offset)
            log.snapshot_offset = offset
            if log.producers.producers:
                log.producers.recall(_batches_before(log, offset))
            break
    replay_from = max(log.producers.end_offset, start_offset)
    if replay_from < end_offset:
        for segment, _ in log.segments_from(replay_from):
            if log.recovered and segment.base_offset > log.snapshot_offset:
                log.take_snapshot(segment.base_offset)
            for position, batch in segment.batches(segment.locate(replay_from)):
                if batch.producer_id >= 0:
                    records = segment.batch_bytes(position) if batch.is_control else b""
                    indexed = segment.base_offset not in log.recovered
                    log.take_producer(segment, batch, batch.base_offset, records, indexed)
    log.producers.end_offset = end_offset


def _batches_before(log: PartitionLog, offset: int) -> list[Batch]:
    """The batches that end below `offset`, in order, as far back as RECALLED_BYTES go."""
    found: list[Batch] = []
    room = RECALLED_BYTES
    for segment in reversed(log.segments):
        if room > 0 and segment.base_offset < offset:
            end = segment.locate(offset)
            start = segment.index.batch_at(max(0, end - room))
            found = [*(batch for position, batch in segment.batches(start) if position < end), *found]
            room -= end - start
    return found


def _drop_stray_snapshots(log: PartitionLog) -> None:
    """Only those at the beginning of a segment stay, and the newest."""
    drop_snapshots(log, {segment.base_offset for segment in log.segments} | {log.snapshot_offset})


def drop_snapshots(log: PartitionLog, wanted: Collection[int] = ()) -> None:
    """Remove all but the wanted ones."""
    for name in log.disk.listdir(log.folder):
        if name.endswith(SNAPSHOT) and int(name.removesuffix(SNAPSHOT)) not in wanted:
            with suppress(FileNotFoundError):
                log.disk.unlink(join(log.folder, name))
