"""What is asked of records without reading them."""

from random import Random

import pytest

from minikafka.log.partition_log import LogSettings, PartitionLog
from minikafka.log.validation import newest_by_steps, newest_of_few
from minikafka.records.batch import HEADER_SIZE, build_batch, checksum_holds, read_header
from minikafka.records.compression import Codec
from minikafka.records.record import Record
from minikafka.wire.errors import ErrorCode, KafkaError
from tests.golden.batches import changed
from tests.minikafka.log.fixtures import disk

NOW = 1_795_000_000_000
SIZES = [*range(130), *range(8120, 8200), 16_300, 16_400, 20_000]


def log() -> PartitionLog:
    return PartitionLog.open(disk(), "data/t-0", topic_id=None, settings=LogSettings(), now_ms=NOW)


def refused(records: bytes) -> ErrorCode:
    where = log()
    with pytest.raises(KafkaError) as error:
        where.append_as_leader(records, 0, NOW)
    assert where.log_end_offset == 0
    return error.value.code


def asked(ask, records) -> int | ErrorCode:
    try:
        return ask(records, read_header(records), "t-0")
    except KafkaError as error:
        return error.code


def test_one_look_at_a_single_record_says_what_stepping_over_it_says():
    random = Random(1)
    for size in SIZES:
        records = build_batch([Record(None, bytes(size), timestamp_ms=NOW)], timestamp_ms=NOW)
        assert asked(newest_of_few, records) == asked(newest_by_steps, records) == NOW
        for _ in range(20):
            damaged = bytearray(records)
            damaged[HEADER_SIZE + random.randrange(min(8, len(records) - HEADER_SIZE))] = random.choice(
                (0, 1, 2, 128, 255)
            )
            assert asked(newest_of_few, damaged) == asked(newest_by_steps, damaged)


@pytest.mark.parametrize(
    "payload", [b"", b"\0", b"\x08\0\0\0", b"\x0a\0\0\0\1\0", b"\x01" * 7, b"\x80" * 4, b"\xfe\xff\xff\xff\x0f"]
)
def test_bytes_that_are_too_few_for_a_record_are_none(payload):
    batch = build_batch([Record(None, b"", timestamp_ms=NOW)], timestamp_ms=NOW)
    records = changed(bytes(batch[:HEADER_SIZE]) + payload, length=HEADER_SIZE - 12 + len(payload))
    assert refused(records) == ErrorCode.INVALID_RECORD


@pytest.mark.parametrize("count", [2, 3, 4, 1000])
def test_more_records_than_there_are_bytes_for_are_refused(count):
    batch = build_batch([Record(None, bytes(8), timestamp_ms=NOW)], timestamp_ms=NOW)
    assert refused(changed(bytes(batch), record_count=count, last_offset_delta=count - 1)) == ErrorCode.INVALID_RECORD


@pytest.mark.parametrize("times", [(0, 0), (5, 9, 7), (9, 1, 5), (-1,)])
def test_the_largest_timestamp_of_a_few_records_is_written_where_another_stands(times):
    records = [Record(None, b"x", timestamp_ms=NOW + time) for time in times]
    right = bytes(build_batch(records, timestamp_ms=NOW))
    where = log()
    where.append_as_leader(changed(right, max_timestamp=NOW - 5), 0, NOW)
    stored = bytes(where.read(0, 1 << 20, len(times)).records)
    header = read_header(stored)
    assert (header.max_timestamp, checksum_holds(stored, 0, header)) == (NOW + max(times), True)
    assert stored[HEADER_SIZE:] == right[HEADER_SIZE:]


@pytest.mark.parametrize("codec", Codec)
@pytest.mark.parametrize("size", [0, 1, 100, 300, 100_000])
@pytest.mark.parametrize("count", [1, 3, 4, 100])
def test_whatever_producers_pack_is_taken(codec, size, count):
    value = Random(size).randbytes(size // count)
    where = log()
    records = build_batch([Record(value, value, timestamp_ms=NOW)] * count, timestamp_ms=NOW, codec=codec)
    assert where.append_as_leader(records, 0, NOW).last_offset == count - 1
