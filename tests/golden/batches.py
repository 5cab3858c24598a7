"""Record batches made by hand, for requests: right ones, and every kind of wrong one."""

import struct

from minikafka.records.batch import HEADER, seal
from minikafka.records.batch import build_batch as build
from minikafka.records.record import Record
from minikafka.wire.messages.produce import ProduceRequest

TIME_MS = 1_700_000_000_000
"""The time of every record: long past, so topics must keep old records (log.retention.ms=-1)."""


def batch(*values: bytes | str, key: bytes | None = None, time_ms: int = TIME_MS, **settings: int | bool) -> bytes:
    """A batch of records with these values, one millisecond apart.  `settings`: those of records/batch.py."""
    records = [
        Record(key, value if isinstance(value, bytes) else value.encode(), timestamp_ms=time_ms + at)
        for at, value in enumerate(values)
    ]
    return bytes(build(records, timestamp_ms=time_ms, **settings))  # type: ignore[arg-type]


def records_of(*records: Record, **settings: int | bool) -> bytes:
    return bytes(build(records, timestamp_ms=TIME_MS, **settings))  # type: ignore[arg-type]


def changed(data: bytes, sealed: bool = True, **fields: int) -> bytes:
    """The batch with other header fields, by name as in `Batch`; its checksum made right again unless told not to."""
    header = dict(zip(FIELDS, HEADER.unpack_from(data), strict=True)) | fields
    result = bytearray(data)
    HEADER.pack_into(result, 0, *header.values())
    if sealed and "crc" not in fields:
        seal(result)
    return bytes(result)


FIELDS = (
    "base_offset", "length", "leader_epoch", "magic", "crc", "attributes", "last_offset_delta", "base_timestamp",
    "max_timestamp", "producer_id", "producer_epoch", "base_sequence", "record_count",
)  # fmt: skip


def message_set(magic: int, value: bytes) -> bytes:
    """One message of format 0 or 1, as producers before Kafka 0.11 wrote it; its checksum is left 0."""
    body = struct.pack(">bb", magic, 0) + (struct.pack(">q", TIME_MS) if magic else b"")
    body += struct.pack(">i", -1) + struct.pack(">i", len(value)) + value
    return struct.pack(">qiI", 0, len(body) + 4, 0) + body


def produce(
    topic: str | bytes,
    *parts: bytes | None,
    acks: int = -1,
    transactional_id: str | None = None,
    timeout_ms: int = 1000,
) -> ProduceRequest:
    """A request that brings `parts` to partitions 0, 1 ... of a topic; its id as bytes for version 13."""
    Topic = ProduceRequest.Topic
    partitions = [Topic.Partition(index=index, records=part) for index, part in enumerate(parts)]
    where = {"name": topic} if isinstance(topic, str) else {"topic_id": topic}
    return ProduceRequest(
        transactional_id=transactional_id,
        acks=acks,
        timeout_ms=timeout_ms,
        topic_data=[Topic(**where, partition_data=partitions)],
    )
