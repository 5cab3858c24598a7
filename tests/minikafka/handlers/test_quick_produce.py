"""The short way and the long way answer with the same bytes, and what is unusual takes the long way."""

from types import SimpleNamespace

import pytest

from minikafka.handlers.produce import produce
from minikafka.handlers.quick_produce import VERSIONS, quick_produce
from minikafka.wire.compile import decode
from minikafka.wire.frame import request_frame, request_header, response_frame
from minikafka.wire.messages.produce import ProduceRequest
from tests.minikafka.replication.replicas import TOPIC_ID, WALL, batch, registration, replica

Topic = ProduceRequest.Topic
Part = ProduceRequest.Topic.Partition


def lone_broker(isr=(1,), replicas=(1,)):
    """A broker that leads partition 0 of "orders"."""
    partition = replica(min_isr=1)
    partition.update(registration(isr=isr, replicas=replicas), now_ms=0)
    return SimpleNamespace(
        image=SimpleNamespace(topic_ids={"orders": TOPIC_ID, "__consumer_offsets": TOPIC_ID}, topics={}),
        partitions={(TOPIC_ID, 0): partition},
        now_ms=lambda: 0,
        wall_ms=lambda: WALL,
        records_in=0,
        flush_soon=lambda _: None,
    )


def asked(acks=-1, topic="orders", index=0, records=None, **more):
    part = Part(index=index, records=batch("a", "b") if records is None else records)
    return ProduceRequest(acks=acks, timeout_ms=1000, topic_data=[Topic(name=topic, partition_data=[part])], **more)


def quick(broker, request, version=9):
    frame = request_frame(request, version, 7, "client")
    return quick_produce(broker, frame, request_header(frame).position, 7)


def by_the_declared_messages(broker, request, version):
    frame = request_frame(request, version, 7, "client")
    again, _ = decode(ProduceRequest, version, frame, request_header(frame).position)
    answers = []
    produce(broker, again, SimpleNamespace(disconnect=None, listener="PLAINTEXT", api_version=version), answers.append)
    return response_frame(answers[0], version, 7, tagged=True)


@pytest.mark.parametrize("acks", [-1, 1])
@pytest.mark.parametrize("version", VERSIONS)
def test_both_ways_answer_with_the_same_bytes_and_write_the_same(version, acks):
    short, long = lone_broker(), lone_broker()
    for _ in range(3):
        assert quick(short, asked(acks), version) == by_the_declared_messages(long, asked(acks), version)
    logs = [each.partitions[TOPIC_ID, 0].log for each in (short, long)]
    read = [bytes(log.read(0, 1 << 20, log.log_end_offset).records) for log in logs]
    assert read[0] == read[1]
    assert [log.high_watermark for log in logs] == [6, 6]
    assert short.records_in == long.records_in == 6


@pytest.mark.parametrize(
    "request_",
    [
        asked(acks=0),
        asked(acks=2),
        asked(topic="nobody"),
        asked(topic="__consumer_offsets"),
        asked(topic="bestellungen-für-alle"),
        asked(index=1),
        asked(records=b""),
        asked(records=b"no batch at all"),
        asked(transactional_id="t"),
        ProduceRequest(acks=1, topic_data=[]),
        ProduceRequest(acks=1, topic_data=[Topic(name="orders", partition_data=[])]),
        ProduceRequest(acks=1, topic_data=[Topic(name="orders", partition_data=[Part(), Part()])]),
    ],
)
def test_what_is_unusual_is_left_alone(request_):
    broker = lone_broker()
    assert quick(broker, request_) is None
    assert broker.partitions[TOPIC_ID, 0].log.log_end_offset == 0


def test_what_must_wait_for_replicas_is_left_alone():
    broker = lone_broker(isr=(1, 2), replicas=(1, 2))
    assert quick(broker, asked(acks=-1)) is None
    assert broker.partitions[TOPIC_ID, 0].log.log_end_offset == 0
    assert quick(broker, asked(acks=1)) is not None


def test_a_request_that_is_cut_anywhere_is_left_alone():
    broker = lone_broker()
    frame = request_frame(asked(), 9, 7, "client")
    position = request_header(frame).position
    assert {quick_produce(broker, frame[:cut], position, 7) for cut in range(position, len(frame))} == {None}
    assert broker.partitions[TOPIC_ID, 0].log.log_end_offset == 0
