"""Declarations as Python objects: constructors, defaults, equality, and the text of ids."""

import pytest

from minikafka.wire.messages.fetch import FetchRequest
from minikafka.wire.messages.metadata import MetadataResponse
from minikafka.wire.types import ALWAYS, NEVER, ZERO_UUID, Versions, uuid_bytes, uuid_text


def test_what_is_left_out_takes_the_declared_default():
    request = FetchRequest()
    assert (request.replica_id, request.session_epoch, request.max_bytes) == (-1, -1, 2**31 - 1)
    assert (request.topics, request.rack_id, request.cluster_id, request.replica_state) == ([], "", None, None)
    assert MetadataResponse.Topic().topic_id == ZERO_UUID


def test_each_object_has_lists_of_its_own():
    one, other = FetchRequest(), FetchRequest()
    one.topics.append(FetchRequest.Topic(topic="t"))
    assert other.topics == []


def test_an_unknown_field_is_refused():
    with pytest.raises(TypeError, match="topicz"):
        FetchRequest(topicz=[])
    with pytest.raises(AttributeError):
        FetchRequest().topicz = []


def test_objects_are_equal_when_their_fields_are():
    broker = MetadataResponse.Broker
    assert broker(node_id=1, host="a") == broker(node_id=1, host="a", port=0)
    assert broker(node_id=1) != broker(node_id=2)
    assert broker() != MetadataResponse.Topic()


def test_an_object_shows_its_fields():
    broker = MetadataResponse.Broker(node_id=1, host="a")
    assert repr(broker) == "MetadataResponse.Broker(node_id=1, host='a', port=0, rack=None)"


def test_a_uuid_has_the_text_that_kafka_prints():
    assert uuid_text(ZERO_UUID) == "AAAAAAAAAAAAAAAAAAAAAA"
    assert uuid_text(bytes([0xFB, 0xFF] * 8)) == "-__7__v_-__7__v_-__7_w"
    assert uuid_bytes("-__7__v_-__7__v_-__7_w") == bytes([0xFB, 0xFF] * 8)


@pytest.mark.parametrize("text", ["", "AAAA", "A" * 23, "+" * 22, "ä" * 22, "A" * 44])
def test_other_text_is_no_uuid(text):
    with pytest.raises(ValueError, match="is no uuid"):
        uuid_bytes(text)


@pytest.mark.parametrize(
    ("text", "versions"),
    [("3", Versions(3, 3)), ("3-13", Versions(3, 13)), ("9+", Versions(9, None)), ("0+", ALWAYS), ("none", NEVER)],
)
def test_ranges_of_versions_are_written_as_in_the_protocol_guide(text, versions):
    assert Versions.parse(text) == versions
    assert str(versions) == text


def test_versions_contain_what_lies_between_their_ends():
    assert [version for version in range(6) if version in Versions(2, 4)] == [2, 3, 4] == list(Versions(2, 4))
    assert [version for version in range(6) if version in Versions(4, None)] == [4, 5]
    assert [version for version in range(6) if version in NEVER] == []
