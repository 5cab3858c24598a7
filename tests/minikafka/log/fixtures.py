"""Small batches and logs on a simulated disk, for the tests of this folder."""

from random import Random
from typing import Any

from minikafka.log.partition_log import LogSettings, PartitionLog
from minikafka.records.batch import build_batch
from minikafka.records.record import Record
from simulation.disk import DiskOptions, SimulatedDisk

FOLDER = "data/topic-0"
TOPIC_ID = bytes(range(16))
NOW = 1_000_000
SMALL = LogSettings(segment_bytes=400, index_interval_bytes=100, max_message_bytes=350, retention_ms=-1)


def disk(seed: int = 0, **options: Any) -> SimulatedDisk:
    return SimulatedDisk(Random(seed), DiskOptions(**options))


def open_log(on: SimulatedDisk, settings: LogSettings = SMALL, **arguments: Any) -> PartitionLog:
    arguments.setdefault("now_ms", NOW)
    return PartitionLog.open(on, FOLDER, topic_id=TOPIC_ID, settings=settings, **arguments)


def batch(*values: str, timestamp_ms: int = NOW, **arguments: Any) -> bytes:
    """One record for each value, with the value as its key too."""
    records = [Record(value.encode(), value.encode()) for value in values]
    return bytes(build_batch(records, timestamp_ms=timestamp_ms, **arguments))


def append(log: PartitionLog, *values: str, epoch: int = 0, now_ms: int = NOW, **arguments: Any) -> int:
    """As the leader; returns the base offset."""
    return log.append_as_leader(batch(*values, timestamp_ms=now_ms, **arguments), epoch, now_ms).base_offset
