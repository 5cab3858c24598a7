"""What coordinators write, and what consumers send each other."""

import struct

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from kafka.protocol.consumer.metadata import ConsumerProtocolAssignment as TheirAssignment
from kafka.protocol.consumer.metadata import ConsumerProtocolSubscription as TheirSubscription

from minikafka.records.consumer_groups import ConsumerGroupMemberMetadataValue
from minikafka.records.coordinator import (
    KEYS,
    VALUES,
    ConsumerProtocolAssignment,
    ConsumerProtocolSubscription,
    GroupMetadataKey,
    GroupMetadataValue,
    LegacyOffsetCommitKey,
    OffsetCommitKey,
    OffsetCommitValue,
    TransactionLogKey,
    TransactionLogValue,
    decode_key,
    decode_of_consumer,
    decode_transaction_key,
    decode_value,
    decode_versioned,
    encode_key,
    encode_transaction_key,
    encode_versioned,
)
from minikafka.wire.types import WireError
from tests.minikafka.wire.made_up import full, structs


def test_a_key_begins_with_its_type():
    key = OffsetCommitKey(group="g", topic="orders", partition=3)
    assert encode_key(key) == b"\0\1" + b"\0\1g" + b"\0\6orders" + struct.pack(">i", 3)
    assert decode_key(encode_key(key)) == key
    assert encode_key(GroupMetadataKey(group="g")) == b"\0\2\0\1g"


def test_a_value_begins_with_its_version():
    value = OffsetCommitValue(offset=5, leader_epoch=2, metadata="m", commit_timestamp=9)
    data = encode_versioned(value, 3)
    assert data == b"\0\3" + struct.pack(">qi", 5, 2) + b"\0\1m" + struct.pack(">q", 9)
    assert decode_value(OffsetCommitKey(), data) == value
    assert decode_value(LegacyOffsetCommitKey(), data) == value


@pytest.mark.parametrize("kind", sorted(KEYS))
def test_every_key_and_value_comes_back(kind):
    key = full(KEYS[kind], 0)
    assert decode_key(encode_key(key)) == key
    for version in VALUES[kind].__versions__:
        value = full(VALUES[kind], version)
        assert decode_value(key, encode_versioned(value, version)) == value


def test_every_kind_of_key_has_values():
    assert sorted(KEYS) == sorted(VALUES) == [*range(9), 16]


def test_a_transaction_comes_back():
    key, value = TransactionLogKey(transactional_id="t"), full(TransactionLogValue, 1)
    assert decode_transaction_key(encode_transaction_key(key)) == key
    assert decode_versioned(TransactionLogValue, encode_versioned(value)) == value


@pytest.mark.parametrize("data", [b"", b"\0", b"\0\x63abc", b"\xff\xff", b"\0\1\0\5ab"])
def test_what_is_no_key_is_refused(data):
    with pytest.raises(WireError):
        decode_key(data)
    with pytest.raises(WireError):
        decode_transaction_key(b"\0\7" + data)


def test_a_value_of_an_unknown_version_is_refused():
    with pytest.raises(WireError, match="no version 9"):
        decode_versioned(GroupMetadataValue, b"\0\x09abc")


def test_a_subscription_newer_than_ours_is_read_as_ours():
    value = full(ConsumerProtocolSubscription, 3)
    newer = b"\0\x07" + encode_versioned(value, 3)[2:] + b"what later versions append"
    assert decode_of_consumer(ConsumerProtocolSubscription, newer) == value


def test_a_subscription_of_a_negative_version_is_refused():
    with pytest.raises(WireError):
        decode_of_consumer(ConsumerProtocolSubscription, b"\xff\xff\0\0\0\0")


@pytest.mark.parametrize("classic", [False, True])
def test_a_member_is_written_as_kafkas_own_classes_write_it(classic):
    """A tagged struct that may be null has a byte before it even there.  Recorded from Apache Kafka 4.1.1."""
    cls = ConsumerGroupMemberMetadataValue
    value = cls(
        instance_id="", rack_id="", client_id="c", client_host="h", subscribed_topic_regex="", server_assignor=""
    )
    if classic:
        ranged = cls.ClassicMemberMetadata.SupportedProtocol(name="range", metadata=b"\1\2")
        value.classic_member_metadata = cls.ClassicMemberMetadata(session_timeout_ms=7, supported_protocols=[ranged])
    tags = "01" "0011" "01" "00000007" "02" "0672616e6765" "030102" "00" "00" if classic else "00"  # fmt: skip
    assert encode_versioned(value).hex() == "0000" "01010263026801" "01ffffffff01" + tags  # fmt: skip


PAIRS = [(ConsumerProtocolSubscription, TheirSubscription), (ConsumerProtocolAssignment, TheirAssignment)]


@pytest.mark.parametrize(("ours", "theirs"), PAIRS)
@settings(max_examples=30, deadline=None, derandomize=True)
@given(data=st.data())
def test_kafka_python_reads_what_we_write_and_writes_the_same(ours, theirs, data):
    version = data.draw(st.integers(0, 3))
    value = data.draw(structs(ours, version))
    encoded = encode_versioned(value, version)
    assert theirs.decode(encoded).encode() == encoded
    assert decode_of_consumer(ours, encoded) == value
