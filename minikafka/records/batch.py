"""The record batch, format 2: the unit that is produced, stored, replicated and fetched, as one run of bytes.

     0                 8             12              16    17     21           23                  27
    +-----------------+-------------+---------------+-----+------+------------+-------------------+----
    | base offset i64 | length i32  | leader epoch  |magic| crc  | attributes | last offset delta | ...
    +-----------------+-------------+---------------+-----+------+------------+-------------------+----
          27               35              43            51             53              57           61
        --+----------------+---------------+-------------+--------------+---------------+------------+---------
     ...  | base timestamp | max timestamp | producer id |producer epoch| base sequence | record count| records
        --+----------------+---------------+-------------+--------------+---------------+------------+---------

    length      bytes behind this field: the batch takes 12 more
    crc         CRC-32C of everything from the attributes to the end
    attributes  0-2 codec, 3 log append time, 4 transactional, 5 control, 6 delete horizon in base timestamp

The leader's own fields, base offset and leader epoch, stand before the checksum: it stamps them into the bytes that came
and stores them, without a look at the records and without a new checksum.

Source: KIP-98; Kafka's protocol guide, "Record Batch".  Next: log/segment.py, a file of these back to back.
"""

from collections.abc import Iterable, Iterator
from struct import Struct
from typing import NamedTuple

from crc32c import crc32c

from minikafka.records.compression import CompressionError, pack, unpack
from minikafka.records.record import BadRecord, Record, append_record, decode_records

Buffer = bytes | bytearray | memoryview

HEADER = Struct(">qiibIhiqqqhii")
HEADER_SIZE = HEADER.size  # 61
PREFIX = Struct(">qi")  # base offset, length: enough to find the next batch
PREFIX_SIZE = PREFIX.size  # 12
LENGTH_MIN = HEADER_SIZE - PREFIX_SIZE  # of the length field: an empty batch
CRC_START = 21  # the first byte that the checksum covers
STAMP = Struct(">qii")  # base offset, length, leader epoch: what a leader writes
CRC_FIELD = Struct(">I")
ATTRIBUTES = Struct(">h")
ATTRIBUTES_AT = 21
MAX_TIMESTAMP = Struct(">q")
MAX_TIMESTAMP_AT = 35
MAGIC = 2

CODEC_MASK = 0x07
LOG_APPEND_TIME = 0x08
TRANSACTIONAL = 0x10
LOW_ATTRIBUTES_AT = 22  # the lower byte of the attributes
CONTROL = 0x20
DELETE_HORIZON = 0x40


class BadBatch(ValueError):
    """Bytes that are no batch, or whose checksum is wrong."""


class Batch(NamedTuple):
    """The header of a batch, read without a look at its records."""

    base_offset: int
    length: int  # bytes behind the length field
    leader_epoch: int
    magic: int
    crc: int
    attributes: int
    last_offset_delta: int
    base_timestamp: int  # ms
    max_timestamp: int  # ms
    producer_id: int
    producer_epoch: int
    base_sequence: int
    record_count: int

    @property
    def size(self) -> int:
        """Bytes, all told."""
        return self.length + PREFIX_SIZE

    @property
    def last_offset(self) -> int:
        return self.base_offset + self.last_offset_delta

    @property
    def last_sequence(self) -> int:
        """Of the last record: sequences go on at 0 after 2^31-1.  -1 without a producer."""
        return -1 if self.base_sequence < 0 else (self.base_sequence + self.last_offset_delta) & 0x7FFFFFFF

    @property
    def codec(self) -> int:
        return self.attributes & CODEC_MASK

    @property
    def is_log_append_time(self) -> bool:
        return bool(self.attributes & LOG_APPEND_TIME)

    @property
    def is_transactional(self) -> bool:
        return bool(self.attributes & TRANSACTIONAL)

    @property
    def is_control(self) -> bool:
        return bool(self.attributes & CONTROL)


def read_header(data: Buffer, position: int = 0) -> Batch:
    """The header at `position`.  Raises BadBatch when it is cut off, or cannot be one of format 2."""
    if len(data) - position < HEADER_SIZE:
        raise BadBatch(f"{len(data) - position} bytes are no batch header")
    batch = Batch._make(HEADER.unpack_from(data, position))
    if batch.length < LENGTH_MIN:
        raise BadBatch(f"a batch length of {batch.length} at {position}, below the least, {LENGTH_MIN}")
    if batch.magic != MAGIC:
        raise BadBatch(f"magic {batch.magic} at {position}, expected {MAGIC}")
    return batch


def is_transactional(records: Buffer) -> bool:
    """Whether the batch that `records` begin with says that it belongs to a transaction."""
    return len(records) > LOW_ATTRIBUTES_AT and bool(records[LOW_ATTRIBUTES_AT] & TRANSACTIONAL)


def walk(data: Buffer, position: int = 0) -> Iterator[tuple[int, Batch]]:
    """(position, header) of each whole batch; ends at a batch that is cut off.  Raises BadBatch."""
    end = len(data)
    while end - position >= HEADER_SIZE:
        batch = read_header(data, position)
        behind = position + batch.size
        if behind > end:
            return
        yield position, batch
        position = behind


def checksum_holds(data: Buffer, position: int, batch: Batch) -> bool:
    """Whether the CRC over the batch at `position`, which is whole, is what its header says."""
    return crc32c(memoryview(data)[position + CRC_START : position + batch.size]) == batch.crc


def read_records(data: Buffer, position: int = 0) -> Iterator[Record]:
    """The records of the batch at `position`, unpacked.  Raises BadBatch.  The checksum is not looked at."""
    batch = read_header(data, position)
    payload = memoryview(data)[position + HEADER_SIZE : position + batch.size]
    try:
        plain = unpack(batch.codec, payload)
        if batch.codec:
            plain = bytes(plain)
        for record in decode_records(plain, batch.record_count, batch.base_offset, batch.base_timestamp):
            yield record._replace(timestamp_ms=batch.max_timestamp) if batch.is_log_append_time else record
    except (BadRecord, CompressionError) as error:
        raise BadBatch(f"in the batch at offset {batch.base_offset}: {error}") from None


def build_batch(
    records: Iterable[Record],
    *,
    base_offset: int = 0,
    codec: int = 0,
    producer_id: int = -1,
    producer_epoch: int = -1,
    base_sequence: int = -1,
    timestamp_ms: int,
    control: bool = False,
    transactional: bool = False,
) -> bytearray:
    """A batch of `records`, whole and with its checksum.

    timestamp_ms  of records that bring none
    """
    payload = bytearray()
    count, base_timestamp, max_timestamp = 0, timestamp_ms, -1
    for count, record in enumerate(records, 1):
        stamp = timestamp_ms if record.timestamp_ms < 0 else record.timestamp_ms
        if count == 1:
            base_timestamp = stamp
        if stamp > max_timestamp:
            max_timestamp = stamp
        append_record(payload, record, count - 1, stamp - base_timestamp)
    packed = payload if codec == 0 else pack(codec, payload)
    attributes = codec | (TRANSACTIONAL if transactional else 0) | (CONTROL if control else 0)
    batch = bytearray(HEADER_SIZE)
    HEADER.pack_into(
        batch, 0,
        base_offset, LENGTH_MIN + len(packed), -1, MAGIC, 0, attributes, max(count - 1, 0), base_timestamp, max_timestamp,
        producer_id, producer_epoch, base_sequence, count,
    )  # fmt: skip
    batch += packed
    seal(batch)
    return batch


def seal(batch: bytearray | memoryview) -> None:
    """Write the checksum of what stands in `batch`, one whole batch."""
    CRC_FIELD.pack_into(batch, CRC_START - CRC_FIELD.size, crc32c(memoryview(batch)[CRC_START:]))


def recompress(data: Buffer, batch: Batch, codec: int) -> bytearray:
    """The batch in `data` with its records packed by another codec.  Raises BadBatch."""
    try:
        packed = pack(codec, unpack(batch.codec, memoryview(data)[HEADER_SIZE : batch.size]))
    except CompressionError as error:
        raise BadBatch(str(error)) from None
    attributes = batch.attributes & ~CODEC_MASK | codec
    again = bytearray(HEADER.pack(*batch._replace(length=LENGTH_MIN + len(packed), attributes=attributes)))
    again += packed
    seal(again)
    return again


def stamp_time(data: bytearray | memoryview, batch: Batch, append_time_ms: int | None) -> Batch:
    """Write into the batch in `data` that it was appended at this time, and all its records with it; None: that it has
    the times its producer gave.  The checksum is made right again."""
    if append_time_ms is None:
        batch = batch._replace(attributes=batch.attributes & ~LOG_APPEND_TIME)
    else:
        batch = batch._replace(attributes=batch.attributes | LOG_APPEND_TIME, max_timestamp=append_time_ms)
    ATTRIBUTES.pack_into(data, ATTRIBUTES_AT, batch.attributes)
    MAX_TIMESTAMP.pack_into(data, MAX_TIMESTAMP_AT, batch.max_timestamp)
    seal(data)
    return batch


def stamp_newest(data: bytearray | memoryview, batch: Batch, max_timestamp: int) -> Batch:
    """Write the largest timestamp of the records in `data`, where its producer gave another, and a new checksum."""
    batch = batch._replace(max_timestamp=max_timestamp)
    MAX_TIMESTAMP.pack_into(data, MAX_TIMESTAMP_AT, max_timestamp)
    seal(data)
    return batch
