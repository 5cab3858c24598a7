"""The compiled functions: what goes in comes out, and bytes that are no message are refused, whatever they are."""

import random
import struct

import pytest

from minikafka.wire.compile import decode, decoder, encode, encode_parts
from minikafka.wire.messages.fetch import FetchRequest, FetchResponse
from minikafka.wire.messages.groups import JoinGroupResponse
from minikafka.wire.messages.metadata import DescribeTopicPartitionsRequest, MetadataRequest, MetadataResponse
from minikafka.wire.messages.produce import ProduceRequest, ProduceResponse
from minikafka.wire.types import ZERO_UUID, WireError
from tests.minikafka.wire.declared import ALL, name_of
from tests.minikafka.wire.made_up import full


@pytest.mark.parametrize("cls", ALL, ids=name_of)
def test_a_full_message_of_each_version_comes_back(cls):
    for version in cls.__versions__:
        value = full(cls, version)
        data = encode(value, version)
        assert decode(cls, version, data) == (value, len(data))
        assert decode(cls, version, bytearray(b"abc" + data + b"def"), 3) == (value, 3 + len(data))


@pytest.mark.parametrize("cls", ALL, ids=name_of)
def test_an_empty_message_of_each_version_can_be_written_and_read(cls):
    for version in cls.__versions__:
        data = encode(cls(), version)
        value, end = decode(cls, version, data)
        assert (encode(value, version), end) == (data, len(data))


@pytest.mark.parametrize("cls", ALL, ids=name_of)
def test_every_cut_is_refused(cls):
    for version in cls.__versions__:
        data = encode(full(cls, version), version)
        for cut in range(len(data)):
            with pytest.raises(WireError):
                decode(cls, version, data[:cut])


@pytest.mark.parametrize("cls", ALL, ids=name_of)
def test_damaged_bytes_decode_to_something_or_are_refused(cls):
    dice = random.Random(cls.__name__)
    for version in cls.__versions__:
        data = encode(full(cls, version), version)
        for _ in range(40 if data else 0):
            damaged = bytearray(data)
            for _ in range(dice.randint(1, 4)):
                damaged[dice.randrange(len(data))] = dice.choice((0, 1, 127, 128, 255, dice.randrange(256)))
            try:
                _, end = decode(cls, version, damaged)
            except WireError:
                continue
            assert end <= len(damaged)


@pytest.mark.parametrize("cls", ALL, ids=name_of)
def test_garbage_decodes_to_something_or_is_refused(cls):
    dice = random.Random(cls.__name__)
    for version in cls.__versions__:
        for size in (1, 5, 20, 200):
            garbage = dice.randbytes(size)
            try:
                _, end = decode(cls, version, garbage)
            except WireError:
                continue
            assert end <= size


@pytest.mark.parametrize("count", [2**31 - 1, 10**6, 2])
def test_a_count_beyond_the_bytes_is_refused(count):
    partition = struct.pack(">hiii", 0, 3, 0, count)  # error, index, leader, then a number of replicas
    head = struct.pack(">ii", 0, 1) + struct.pack(">hh", 0, 1) + b"t" + struct.pack(">i", 1)
    with pytest.raises(WireError, match="replica_nodes has more items than bytes"):
        decode(MetadataResponse, 0, head + partition)


@pytest.mark.parametrize("version", [4, 9])
def test_a_large_count_is_refused_before_the_first_item_is_made(version):
    count = {4: struct.pack(">i", 2**31 - 1), 9: b"\xff\xff\xff\xff\x0f"}[version]
    with pytest.raises(WireError, match="topics has more items than bytes"):
        decode(MetadataRequest, version, count + bytes(1000))


def test_a_null_that_may_not_be_is_refused():
    with pytest.raises(WireError, match="topic_data is null"):
        decode(ProduceRequest, 9, struct.pack(">Bhixx", 0, -1, 1000))
    with pytest.raises(WireError, match="name is null"):
        decode(MetadataRequest, 4, struct.pack(">ih?", 1, -1, True))


def test_null_and_empty_are_two_things():
    everything, nothing = MetadataRequest(topics=None), MetadataRequest(topics=[])
    assert [decode(MetadataRequest, 9, encode(request, 9))[0].topics for request in (everything, nothing)] == [None, []]


def test_a_null_that_a_version_cannot_say_is_written_as_empty():
    refused = JoinGroupResponse(protocol_name=None)
    answers = {version: decode(JoinGroupResponse, version, encode(refused, version))[0] for version in (5, 6, 7)}
    assert {version: answer.protocol_name for version, answer in answers.items()} == {5: "", 6: "", 7: None}
    assert decode(MetadataRequest, 0, encode(MetadataRequest(topics=None), 0))[0].topics == []


def test_a_struct_may_be_null():
    cursor = DescribeTopicPartitionsRequest.Cursor(topic_name="orders", partition_index=7)
    for value in (None, cursor):
        request = DescribeTopicPartitionsRequest(cursor=value)
        assert decode(DescribeTopicPartitionsRequest, 0, encode(request, 0))[0].cursor == value


def test_unknown_tags_are_skipped():
    """KIP-482: that is how fields are added without a new version."""
    known = encode(MetadataRequest(topics=[]), 9)
    assert known[-1] == 0
    unknown = known[:-1] + bytes([2, 5, 3]) + b"abc" + bytes([0x80, 0x01, 0])
    assert decode(MetadataRequest, 9, unknown) == (MetadataRequest(topics=[]), len(unknown))


def test_tags_are_written_in_order_and_only_if_they_say_something():
    leader = ProduceResponse.Topic.Partition.CurrentLeader(leader_id=2, leader_epoch=5)
    bare = ProduceResponse.Topic.Partition()
    moved = ProduceResponse.Topic.Partition(current_leader=leader)
    response = ProduceResponse(responses=[ProduceResponse.Topic(name="t", partition_responses=[bare, moved])])
    data = encode(response, 10)
    assert data.count(bytes([1, 0, 9]) + struct.pack(">iix", 2, 5)) == 1
    assert decode(ProduceResponse, 10, data)[0] == response
    assert decode(ProduceResponse, 9, encode(response, 9))[0].responses[0].partition_responses == [bare, bare]


def test_a_tag_of_another_size_than_it_says_is_refused():
    request = encode(FetchRequest(cluster_id="abc"), 12)
    tag = bytes([1, 0, 4, 4]) + b"abc"
    assert request.endswith(tag)
    for size in (3, 5):
        with pytest.raises(WireError):
            decode(FetchRequest, 12, request.removesuffix(tag) + bytes([1, 0, size, 4]) + b"abc")


def test_a_field_that_a_version_lacks_is_left_out_and_comes_back_as_its_default():
    topic_id = bytes(range(16))
    topic = ProduceRequest.Topic(name="orders", topic_id=topic_id)
    by_name, by_id = (decode(ProduceRequest, v, encode(ProduceRequest(topic_data=[topic]), v))[0] for v in (12, 13))
    assert (by_name.topic_data[0].name, by_name.topic_data[0].topic_id) == ("orders", ZERO_UUID)
    assert (by_id.topic_data[0].name, by_id.topic_data[0].topic_id) == ("", topic_id)


def test_long_strings_and_records_take_longer_lengths():
    for size in (0, 1, 126, 127, 128, 16382, 16383, 16384, 70000):
        partition = ProduceRequest.Topic.Partition(records=bytes(size))
        request = ProduceRequest(
            topic_data=[ProduceRequest.Topic(name="x" * min(size, 32000), partition_data=[partition])]
        )
        for version in (7, 9):
            assert decode(ProduceRequest, version, encode(request, version))[0] == request


def test_records_are_a_view_of_the_frame():
    request = ProduceRequest(
        topic_data=[ProduceRequest.Topic(name="t", partition_data=[ProduceRequest.Topic.Partition(records=b"batch")])]
    )
    frame = bytearray(encode(request, 9))
    records = decode(ProduceRequest, 9, frame)[0].topic_data[0].partition_data[0].records
    frame[frame.index(b"batch")] = ord("B")
    assert bytes(records) == b"Batch"


def test_large_records_are_handed_out_as_the_buffers_they_are():
    large, small = memoryview(bytes(100_000)), b"small"
    partitions = [
        FetchResponse.Topic.Partition(partition_index=i, records=r) for i, r in enumerate((large, small, large))
    ]
    response = FetchResponse(responses=[FetchResponse.Topic(topic="t", partitions=partitions)])
    parts = encode_parts(response, 12)
    assert [part is large for part in parts] == [False, True, False, True, False]
    assert b"".join(parts) == encode(response, 12)


def test_bytes_that_are_no_text_become_replacement_characters():
    """As in Kafka, where a name of broken UTF-8 is a topic that does not exist, not a broken connection."""
    data = struct.pack(">ih", 1, 2) + b"\xff\xfe" + b"\x01"
    assert decode(MetadataRequest, 4, data)[0].topics[0].name == "\ufffd\ufffd"


def test_an_undeclared_version_is_refused():
    with pytest.raises(WireError, match="ProduceRequest has no version 14, only 3-13"):
        encode(ProduceRequest(), 14)
    with pytest.raises(WireError, match="has no version 2"):
        decoder(ProduceRequest, 2)
