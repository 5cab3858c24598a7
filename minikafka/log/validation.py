"""May this batch of a client be appended?  The refusals, in the order and the words of Kafka.

The log looks at the header once, by one comparison of everything that is usual; only a batch which is not gets here, where
it is found out what is wrong.  What needs the records themselves is asked only of topics with a rule about them.

    INVALID_RECORD (87)              none or several batches, another magic, base offset not 0, offsets and count that
                                     disagree, a control batch, a producer without a sequence; more records said than
                                     there can be, bytes behind the last; a compacted topic: no key
    MESSAGE_TOO_LARGE (10)           above max.message.bytes, as sent
    CORRUPT_MESSAGE (2)              an impossible length, a checksum that does not hold
    INVALID_TIMESTAMP (32)           outside message.timestamp.before.max.ms and .after.max.ms
    UNSUPPORTED_COMPRESSION_TYPE (76) zstd below version 7 of Produce
    UNKNOWN_SERVER_ERROR (-1)        a codec that there is not, records that cannot be read

Different: Kafka reads every record of every batch and so finds damage under a good checksum, and mends a largest timestamp
that is not.  Here the records of a batch are stepped over, from length to length, when they are at most three and not
packed; of others it is asked whether so many could fit, or whether the packed bytes begin as their codec does.  Records are
read where keys are needed or a finite `message.timestamp.before.max.ms` is set.

Source: Kafka's `ProduceRequest.java` validateRecords, `UnifiedLog.java` analyzeAndValidateRecords, `LogValidator.java`;
each answer asked of a running 4.1.1.  Next: partition_log.py.
"""

from collections.abc import Sequence
from enum import Enum
from struct import Struct

from crc32c import crc32c

from minikafka.log.settings import FOREVER, LogSettings
from minikafka.records.batch import (
    CONTROL,
    CRC_START,
    HEADER_SIZE,
    MAGIC,
    PREFIX,
    PREFIX_SIZE,
    BadBatch,
    Batch,
    Buffer,
    read_header,
    read_records,
)
from minikafka.records.compression import Codec, begins_as
from minikafka.records.varint import read_varint
from minikafka.wire.errors import ErrorCode, KafkaError

MAGIC_AT = 16
SIGNED_BYTE = Struct(">b")
OLD_OVERHEAD = 14  # of the first message format: what Kafka's text says
SHOWN_ERRORS = 3
FEW = 3  # records that are stepped over when they are produced
RECORD_MIN = 7  # bytes: length, attributes, two deltas, no key, no value, no headers
VARLONG_BYTES = 10
FIRST = Struct("<HBB")  # length (and attributes), attributes or timestamp delta, timestamp delta or offset delta
NO_TIMESTAMP = -1


class Origin(Enum):
    """Who appends: rules for clients do not bind the coordinators, whose batches this broker built itself."""

    CLIENT = "client"
    COORDINATOR = "coordinator"


class RecordsRefused(KafkaError):
    """A refusal of which the client gets the text, and the records at fault, in Produce answers from version 8 on.  Of
    other KafkaErrors it gets the code alone."""

    def __init__(self, code: ErrorCode, message: str, record_errors: Sequence[tuple[int, str]] = ()) -> None:
        super().__init__(code, message)
        self.record_errors = record_errors  # (index in the batch, message)


class NoBatch(KafkaError):
    """Not one batch of format 2: refused before the log is asked."""


TOLD_LOG_START = {
    ErrorCode.INVALID_RECORD,
    ErrorCode.INVALID_TIMESTAMP,
    ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER,
    ErrorCode.INVALID_PRODUCER_EPOCH,
    ErrorCode.UNKNOWN_SERVER_ERROR,
}


def tells_log_start(error: KafkaError) -> bool:
    """Whether a Produce answer with this error has the log's start offset in it, or -1."""
    return error.code in TOLD_LOG_START and not isinstance(error, NoBatch)


def text_for_client(error: KafkaError) -> str | None:
    """The error message in a Produce answer."""
    return str(error) if isinstance(error, RecordsRefused) else None


def refuse(code: ErrorCode, message: str) -> KafkaError:
    return KafkaError(code, message)


def examine(records: Buffer, partition: str, settings: LogSettings, origin: Origin) -> Batch:
    """The header of the one batch in `records`, which looked unusual.  Raises KafkaError unless it may be taken.

    Taken are: a few bytes of junk behind it; whatever a coordinator builds.
    """
    length = _length(records)
    if len(records) < length:
        raise NoBatch(ErrorCode.INVALID_RECORD, "Produce requests must have at least one record batch per partition")
    (magic,) = SIGNED_BYTE.unpack_from(records, MAGIC_AT)
    if not 0 <= magic <= MAGIC:
        raise RecordsRefused(ErrorCode.CORRUPT_MESSAGE, f"Invalid magic found in record: {magic}")
    if magic != MAGIC:
        raise NoBatch(
            ErrorCode.INVALID_RECORD, "Produce requests are only allowed to contain record batches with magic version 2"
        )
    if len(records) >= length + PREFIX_SIZE and len(records) >= length + _length(records, length):
        raise NoBatch(
            ErrorCode.INVALID_RECORD,
            "Produce requests are only allowed to contain exactly one record batch per partition",
        )
    try:
        batch = read_header(records)
    except BadBatch as error:
        raise refuse(ErrorCode.CORRUPT_MESSAGE, f"Record batch is corrupted: {error}") from None
    client = origin is Origin.CLIENT
    if client and batch.base_offset != 0:
        raise refuse(
            ErrorCode.INVALID_RECORD,
            f"The baseOffset of the record batch in the append to {partition} should be 0, but it is {batch.base_offset}",
        )
    if batch.size > settings.max_message_bytes:
        raise refuse(
            ErrorCode.MESSAGE_TOO_LARGE,
            f"The record batch size in the append to {partition} is {batch.size} bytes which exceeds the maximum "
            f"configured value of {settings.max_message_bytes}).",
        )
    if crc32c(memoryview(records)[CRC_START : batch.size]) != batch.crc:
        raise corrupt(batch, partition)
    if batch.last_offset_delta < 0:
        raise refuse(
            ErrorCode.INVALID_RECORD,
            f"Batch has an invalid offset range: [{batch.base_offset}, {batch.last_offset}] in topic partition {partition}",
        )
    if batch.record_count <= 0:
        raise refuse(
            ErrorCode.INVALID_RECORD,
            f"Invalid reported count for record batch: {batch.record_count} in topic partition {partition}",
        )
    if batch.record_count != batch.last_offset_delta + 1:
        raise refuse(
            ErrorCode.INVALID_RECORD,
            f"Inconsistent batch offset range [{batch.base_offset}, {batch.last_offset}] and count of records "
            f"{batch.record_count} in topic partition {partition}",
        )
    if client and batch.attributes & CONTROL:
        raise refuse(
            ErrorCode.INVALID_RECORD, f"Clients are not allowed to write control records in topic partition {partition}"
        )
    if client and batch.producer_id >= 0 and batch.base_sequence < 0:
        raise refuse(
            ErrorCode.INVALID_RECORD,
            f"Invalid sequence number {batch.base_sequence} in record batch with producerId {batch.producer_id} "
            f"in topic partition {partition}",
        )
    if batch.codec > Codec.ZSTD:
        raise refuse(ErrorCode.UNKNOWN_SERVER_ERROR, f"Unknown compression type id: {batch.codec}")
    return batch


def _length(records: Buffer, position: int = 0) -> int:
    """Of the batch at `position`, all told, by its own word; no format has less than 14 bytes behind the length."""
    if len(records) - position < PREFIX_SIZE:
        return HEADER_SIZE
    length = PREFIX.unpack_from(records, position)[1]
    if length < OLD_OVERHEAD:
        raise RecordsRefused(
            ErrorCode.CORRUPT_MESSAGE, f"Record size {length} is less than the minimum record overhead ({OLD_OVERHEAD})"
        )
    return int(length) + PREFIX_SIZE


def corrupt(batch: Batch, partition: str) -> KafkaError:
    """The checksum does not hold."""
    return refuse(
        ErrorCode.CORRUPT_MESSAGE, f"Record is corrupt (stored crc = {batch.crc}) in topic partition {partition}."
    )


def too_large_for_segment(size: int, partition: str, settings: LogSettings) -> KafkaError:
    return refuse(
        ErrorCode.RECORD_LIST_TOO_LARGE,
        f"Message batch size is {size} bytes in append to partition {partition}, which exceeds the maximum "
        f"configured segment size of {settings.segment_bytes}.",
    )


def bad_timestamps(record_errors: Sequence[tuple[int, str]]) -> RecordsRefused:
    return RecordsRefused(
        ErrorCode.INVALID_TIMESTAMP, "One or more records have been rejected due to invalid timestamp", record_errors
    )


def newest_of_few(records: Buffer, batch: Batch, partition: str) -> int:
    """The largest timestamp of a few records that are not packed.  Raises KafkaError unless they fill their batch.

    How a batch of one record begins is known before it is read, but for keys and values: a length that reaches to the end,
    no attributes, no later than the batch.  One look tells that it is so.
    """
    if batch.record_count == 1:
        body = batch.length + (PREFIX_SIZE - HEADER_SIZE - 1)
        if body < 64:
            length = body << 1
        else:
            body -= 1
            length = (body & 63) << 1 | 0x80 | body >> 6 << 8
        if body + 1 >= RECORD_MIN and length < 0x8000 and FIRST.unpack_from(records, HEADER_SIZE) == (length, 0, 0):
            return batch.base_timestamp
    return newest_by_steps(records, batch, partition)


def newest_by_steps(records: Buffer, batch: Batch, partition: str) -> int:
    """The same from length to length: keys and values are not looked at."""
    position, newest, end = HEADER_SIZE, NO_TIMESTAMP - batch.base_timestamp, batch.size
    try:
        for _ in range(batch.record_count):
            length = records[position]
            if length < 0x80 and not length & 1:
                length >>= 1
                position += 1
            else:
                length, position = read_varint(records, position)
            if length < RECORD_MIN - 1:
                raise ill_structured(partition)
            delta = records[position + 1]
            if delta:
                delta, _ = read_varint(records, position + 1, VARLONG_BYTES)
            if delta > newest:
                newest = delta
            position += length
    except IndexError:
        raise ill_structured(partition) from None
    except ValueError as error:
        raise refuse(ErrorCode.UNKNOWN_SERVER_ERROR, f"{error} in topic partition {partition}") from None
    if position != end:
        raise ill_structured(partition)
    return batch.base_timestamp + newest


def check_packed(records: Buffer, batch: Batch, partition: str) -> None:
    """Raises KafkaError when the bytes cannot be of the codec that the header names."""
    if not begins_as(batch.codec, memoryview(records)[HEADER_SIZE : batch.size]):
        raise refuse(ErrorCode.UNKNOWN_SERVER_ERROR, f"Not {Codec(batch.codec).name} in topic partition {partition}")


def ill_structured(partition: str) -> KafkaError:
    return refuse(ErrorCode.INVALID_RECORD, f"Found invalid record structure in topic partition {partition}")


def looks_at_records(settings: LogSettings) -> bool:
    """Whether a rule of the topic is about single records."""
    return settings.compact or settings.timestamp_before_max_ms != FOREVER


def check_records(records: Buffer, batch: Batch, partition: str, settings: LogSettings, now_ms: int) -> None:
    """The rules about single records: keys on compacted topics, timestamps.  Raises RecordsRefused, KafkaError."""
    oldest, newest = now_ms - settings.timestamp_before_max_ms, now_ms + settings.timestamp_after_max_ms
    no_key, bad_time = [], []
    try:
        for index, record in enumerate(read_records(records)):
            if settings.compact and record.key is None:
                no_key.append(
                    (index, f"Compacted topic cannot accept message without key in topic partition {partition}")
                )
            elif (
                not settings.log_append_time
                and not oldest <= record.timestamp_ms <= newest
                and record.timestamp_ms >= 0
            ):
                message = (
                    f"Timestamp {record.timestamp_ms} of message with offset {record.offset} is out of range. "
                    f"The timestamp should be within [{oldest}, {newest}]"
                )
                bad_time.append((index, message))
    except BadBatch as error:
        raise refuse(ErrorCode.UNKNOWN_SERVER_ERROR, str(error)) from None
    if bad_time:
        raise bad_timestamps(bad_time)
    if no_key:
        shown = ", ".join(f"RecordError(batchIndex={index}, message='{text}')" for index, text in no_key[:SHOWN_ERRORS])
        raise RecordsRefused(
            ErrorCode.INVALID_RECORD,
            f"One or more records have been rejected due to {len(no_key)} record errors in total, "
            f"and only showing the first three errors at most: [{shown}]",
            no_key,
        )


def refuse_zstd(records: Buffer, version: int) -> None:
    """zstd came with Produce 7; raises KafkaError (76) below."""
    if version < 7 and len(records) >= HEADER_SIZE and records[22] & 7 == Codec.ZSTD:
        raise refuse(
            ErrorCode.UNSUPPORTED_COMPRESSION_TYPE,
            f"Produce requests with version {version} are not allowed to use ZStandard compression",
        )
