"""Batches against two other libraries' builders and readers, both ways, with every codec."""

from contextlib import suppress

import pytest
from aiokafka.record.default_records import DefaultRecordBatch as AioBatch
from aiokafka.record.default_records import DefaultRecordBatchBuilder as AioBuilder
from hypothesis import given, settings
from hypothesis import strategies as st
from kafka.record.default_records import DefaultRecordBatch, DefaultRecordBatchBuilder

from minikafka.records.batch import (
    BadBatch,
    build_batch,
    checksum_holds,
    read_header,
    read_records,
    recompress,
    stamp_time,
    walk,
)
from minikafka.records.marker import ABORT, COMMIT, Marker, build_marker, read_marker
from minikafka.records.record import Record

HEADERS = st.lists(st.tuples(st.text(max_size=5), st.none() | st.binary(max_size=5)), max_size=3).map(tuple)
BYTES = st.none() | st.binary(max_size=200)
RECORDS = st.lists(st.builds(Record, BYTES, BYTES, HEADERS, st.integers(0, 2**40)), min_size=1, max_size=8)
CODECS = pytest.mark.parametrize("codec", range(5))


def read_back(records: list[Record]) -> list[Record]:
    return [record._replace(offset=offset) for offset, record in enumerate(records)]


def plain(record: object) -> Record:
    """A record of the other libraries as ours."""
    return Record(record.key, record.value, tuple(record.headers), record.timestamp, record.offset)  # type: ignore[attr-defined]


@CODECS
@settings(max_examples=20, deadline=None)
@given(records=RECORDS)
def test_other_readers_read_what_we_build(codec, records):
    data = bytes(build_batch(records, codec=codec, timestamp_ms=0))
    theirs = DefaultRecordBatch(data)
    assert theirs.validate_crc()
    assert [plain(record) for record in theirs] == read_back(records)
    assert [plain(record) for record in AioBatch(bytearray(data))] == read_back(records)


@CODECS
@pytest.mark.parametrize("builder", [DefaultRecordBatchBuilder, AioBuilder])
@settings(max_examples=20, deadline=None)
@given(records=RECORDS)
def test_we_read_what_other_builders_build(builder, codec, records):
    theirs = builder(
        magic=2,
        compression_type=codec,
        is_transactional=0,
        producer_id=-1,
        producer_epoch=-1,
        base_sequence=-1,
        batch_size=1 << 20,
    )
    for offset, record in enumerate(records):
        theirs.append(offset, record.timestamp_ms, record.key, record.value, list(record.headers))
    data = bytes(theirs.build())
    batch = read_header(data)
    assert checksum_holds(data, 0, batch)
    assert (batch.size, batch.record_count, batch.max_timestamp) == (
        len(data),
        len(records),
        max(record.timestamp_ms for record in records),
    )
    assert list(read_records(data)) == read_back(records)


def test_a_batch_without_records_holds_its_place():
    """What compaction leaves of a producer's last batch."""
    data = build_batch([], timestamp_ms=7)
    assert read_header(data).record_count == 0
    assert list(read_records(data)) == []


@settings(max_examples=20, deadline=None)
@given(records=RECORDS, cut=st.integers(0, 400))
def test_walking_ends_where_a_batch_is_cut_off(records, cut):
    first, second = build_batch([Record(b"k", b"v")], timestamp_ms=0), build_batch(records, timestamp_ms=0)
    data = bytes(first + second)[: len(first) + cut]
    whole = [0] if cut < len(second) else [0, len(first)]
    assert [position for position, _ in walk(data)] == whole


def test_a_flipped_bit_anywhere_behind_the_checksum_is_found():
    data = build_batch([Record(b"key", b"value")], timestamp_ms=5)
    for position in range(21, len(data)):
        data[position] ^= 16
        assert not checksum_holds(data, 0, read_header(data))
        data[position] ^= 16


@pytest.mark.parametrize("place", range(61, 90))
@pytest.mark.parametrize("value", [0x01, 0x7F, 0x80, 0xFF])
def test_damaged_records_are_read_or_refused(place, value):
    data = build_batch([Record(b"key", b"value", (("h", b"x"),)), Record(b"", None)], timestamp_ms=5)
    data[min(place, len(data) - 1)] = value
    with suppress(BadBatch):
        assert len(list(read_records(data))) == 2


@CODECS
def test_packing_again_keeps_the_records(codec):
    records = [Record(b"k", b"value " * 20, (("h", None),), 5), Record(None, None, (), 9)]
    data = build_batch(records, codec=codec, timestamp_ms=0, producer_id=4, producer_epoch=1, base_sequence=3)
    for other in range(5):
        again = recompress(data, read_header(data), other)
        header = read_header(again)
        assert checksum_holds(again, 0, header)
        assert (header.codec, header.producer_id, header.base_sequence) == (other, 4, 3)
        assert list(read_records(again)) == read_back(records)


def test_log_append_time_is_in_the_header_and_so_in_every_record():
    data = build_batch([Record(b"a", b"1", (), 5), Record(b"b", b"2", (), 6)], timestamp_ms=0, codec=1)
    header = stamp_time(data, read_header(data), 1234)
    assert header == read_header(data)._replace(crc=header.crc)
    assert checksum_holds(data, 0, read_header(data))
    assert [record.timestamp_ms for record in read_records(data)] == [1234, 1234]


@pytest.mark.parametrize("kind", [ABORT, COMMIT])
def test_a_marker_says_how_a_transaction_ended(kind):
    data = build_marker(Marker(kind, 7), producer_id=5, producer_epoch=2, timestamp_ms=0)
    header = read_header(data)
    assert (header.is_control, header.is_transactional, header.record_count) == (True, True, 1)
    assert read_marker(data) == Marker(kind, 7)


def test_another_control_record_is_no_marker():
    data = build_batch([Record(b"\0\0\0\2", b"\0\0")], control=True, timestamp_ms=0)
    assert read_marker(data) is None
