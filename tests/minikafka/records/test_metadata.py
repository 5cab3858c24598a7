"""The frame around a metadata record."""

import pytest

from minikafka.records.metadata import (
    METADATA_RECORDS,
    NoOpRecord,
    PartitionChangeRecord,
    PartitionRecord,
    TopicRecord,
    decode_record,
    encode_record,
)
from minikafka.wire.types import WireError
from tests.minikafka.wire.made_up import full

TOPIC_ID = bytes(range(16))


def test_a_record_stands_behind_frame_version_type_and_version():
    assert encode_record(TopicRecord(name="orders", topic_id=TOPIC_ID)) == (
        bytes([1, 2, 0]) + bytes([7]) + b"orders" + TOPIC_ID + b"\0"
    )
    assert encode_record(NoOpRecord()) == bytes([1, 20, 0, 0])


def test_what_did_not_change_takes_no_room():
    change = PartitionChangeRecord(partition_id=3, topic_id=TOPIC_ID, leader=-1)
    data = encode_record(change)
    assert data == bytes([1, 5, 2, 0, 0, 0, 3]) + TOPIC_ID + bytes([1, 1, 4]) + b"\xff\xff\xff\xff"
    assert decode_record(data) == change


@pytest.mark.parametrize("cls", METADATA_RECORDS.values(), ids=lambda cls: cls.__name__)
def test_a_record_of_each_version_comes_back(cls):
    for version in cls.__versions__:
        assert decode_record(encode_record(full(cls, version), version)) == full(cls, version)


@pytest.mark.parametrize("cls", METADATA_RECORDS.values(), ids=lambda cls: cls.__name__)
def test_every_cut_of_a_record_is_refused(cls):
    data = encode_record(full(cls, cls.__versions__.last))
    for cut in range(len(data)):
        with pytest.raises(WireError):
            decode_record(data[:cut])


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (bytes([2, 20, 0, 0]), "frame version 2"),
        (bytes([1, 99, 0, 0]), "unknown type 99"),
        (bytes([1, 20, 1, 0]), "has no version 1"),
        (bytes([1, 20, 0, 0, 0]), "1 bytes after"),
    ],
)
def test_what_is_no_record_is_refused(data, why):
    with pytest.raises(WireError, match=why):
        decode_record(data)


def uuid(number):
    return number.to_bytes(16, "big")


def test_a_partition_is_written_as_kafkas_own_classes_write_it():
    """Recorded from Apache Kafka 4.1.1, org.apache.kafka.common.metadata, without the frame."""
    record = PartitionRecord(
        partition_id=3, topic_id=uuid(2), replicas=[1], leader_recovery_state=1, last_known_elr=[9]
    )
    assert encode_record(record)[3:].hex() == (
        "00000003" "00000000000000000000000000000002" "0200000001" "01" "01" "01" "ffffffff" "ffffffff" "ffffffff" "01"
        "02" "000101" "02050200000009"
    )  # fmt: skip


def test_a_change_is_written_as_kafkas_own_classes_write_it():
    """Tags go by number, whatever the order of the fields.  Recorded from Apache Kafka 4.1.1."""
    change = PartitionChangeRecord(
        partition_id=3,
        topic_id=uuid(2),
        leader=-1,
        isr=[1, 2],
        directories=[uuid(4)],
        eligible_leader_replicas=[5],
    )
    assert encode_record(change)[3:].hex() == (
        "00000003" "00000000000000000000000000000002" "04" "0009030000000100000002" "0104ffffffff"
        "06050200000005" "08110200000000000000000000000000000004"
    )  # fmt: skip
