"""The floor answers right, and in each version it lists: judged by the declarations of minikafka and by librdkafka."""

import asyncio
import struct

import pytest
from confluent_kafka import Consumer, Producer, TopicPartition

from lab.benchmarks.kafka_floor import SMALLEST_BUFFER, Broker, Connection
from lab.benchmarks.kafka_servers import floor
from minikafka.records.batch import build_batch, read_records
from minikafka.records.record import Record
from minikafka.wire.frame import read_response, request_frame
from minikafka.wire.messages.cluster import ApiVersionsRequest, ApiVersionsResponse
from minikafka.wire.messages.fetch import FetchRequest, FetchResponse, ListOffsetsResponse
from minikafka.wire.messages.fetch import ListOffsetsRequest as Offsets
from minikafka.wire.messages.metadata import MetadataRequest, MetadataResponse
from minikafka.wire.messages.produce import ProduceRequest, ProduceResponse

VALUES = [b"one", b"two", b"three"]


def batch(*values):
    return bytes(
        build_batch([Record(offset=n, key=None, value=value) for n, value in enumerate(values)], timestamp_ms=1000)
    )


def produce(records, topic="t", index=0, acks=-1):
    partition = ProduceRequest.Topic.Partition(index=index, records=records)
    return ProduceRequest(
        acks=acks, timeout_ms=1000, topic_data=[ProduceRequest.Topic(name=topic, partition_data=[partition])]
    )


def fetch(offset, index=0, max_bytes=1 << 20, wait_ms=0):
    partition = FetchRequest.Topic.Partition(partition=index, fetch_offset=offset, partition_max_bytes=max_bytes)
    topic = FetchRequest.Topic(topic="t", partitions=[partition])
    return FetchRequest(max_wait_ms=wait_ms, min_bytes=1, topics=[topic])


class Wire:
    """A connection without a socket: bytes in, answers out."""

    def __init__(self, folder):
        self.broker = Broker(9092, folder)
        self.broker.create("t", 2)
        self.connection = Connection(self.broker)
        self.connection.transport = self
        self.sent = b""
        self.closed = False

    def write(self, data):
        self.sent += data

    def writelines(self, pieces):
        self.sent += b"".join(pieces)

    def close(self):
        self.closed = True

    def receive(self, data):
        while data:
            room = self.connection.get_buffer(-1)
            count = min(len(room), len(data))
            room[:count] = data[:count]
            self.connection.buffer_updated(count)
            data = data[count:]

    def answers(self, *expected):
        """The responses that stand in what was sent, as many and of the kinds and versions expected."""
        found = []
        for kind, version in expected:
            size = struct.unpack_from(">i", self.sent)[0] + 4
            found.append(read_response(self.sent[:size], kind, version)[1])
            self.sent = self.sent[size:]
        assert self.sent == b""
        return found

    def ask(self, request, version, kind):
        self.receive(request_frame(request, version, 7, "test"))
        return self.answers((kind, version))[0]


@pytest.fixture
def wire(tmp_path):
    return Wire(tmp_path)


def produced(answer):
    partition = answer.responses[0].partition_responses[0]
    return partition.index, partition.error_code, partition.base_offset


def fetched(answer):
    """(error, high watermark, values) of a fetch of one partition."""
    partition = answer.responses[0].partitions[0]
    values, data, at = [], bytes(partition.records or b""), 0
    while at < len(data):
        values += [record.value for record in read_records(data, at)]
        at += 12 + struct.unpack_from(">i", data, at + 8)[0]
    return partition.error_code, partition.high_watermark, values


@pytest.mark.parametrize("version", range(3, 10))
def test_each_version_of_produce_gives_offsets(wire, version):
    assert produced(wire.ask(produce(batch(*VALUES), index=1), version, ProduceResponse)) == (1, 0, 0)
    assert produced(wire.ask(produce(batch(*VALUES), index=1), version, ProduceResponse)) == (1, 0, 3)


@pytest.mark.parametrize("version", range(4, 13))
def test_each_version_of_fetch_gives_what_was_produced(wire, version):
    wire.ask(produce(batch(*VALUES)), 9, ProduceResponse)
    wire.ask(produce(batch(b"four")), 9, ProduceResponse)
    assert fetched(wire.ask(fetch(0), version, FetchResponse)) == (0, 4, [*VALUES, b"four"])
    assert fetched(wire.ask(fetch(3), version, FetchResponse)) == (0, 4, [b"four"])
    assert fetched(wire.ask(fetch(1, max_bytes=1), version, FetchResponse)) == (0, 4, VALUES)  # the batch that holds it


@pytest.mark.parametrize("version", [0, 1, 2, 3])
def test_each_version_of_api_versions_lists_the_same(wire, version):
    request = ApiVersionsRequest(client_software_name="test", client_software_version="1")
    listed = wire.ask(request, version, ApiVersionsResponse).api_keys
    assert [(api.api_key, api.min_version, api.max_version) for api in listed][:2] == [(0, 3, 9), (1, 4, 12)]


@pytest.mark.parametrize("version", [1, 2, 3, 4])
def test_each_version_of_metadata_names_the_leader(wire, version):
    request = MetadataRequest(topics=[MetadataRequest.Topic(name="t"), MetadataRequest.Topic(name="new")])
    answer = wire.ask(request, version, MetadataResponse)
    assert [(broker.node_id, broker.host, broker.port) for broker in answer.brokers] == [(1, "127.0.0.1", 9092)]
    assert [(topic.name, [partition.leader_id for partition in topic.partitions]) for topic in answer.topics] == [
        ("t", [1, 1]),
        ("new", [1]),  # created by being asked for
    ]


@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize("timestamp, offset", [(-2, 0), (-1, 3)])
def test_the_beginning_and_the_end_have_offsets(wire, version, timestamp, offset):
    wire.ask(produce(batch(*VALUES)), 9, ProduceResponse)
    partition = Offsets.Topic.Partition(partition_index=0, timestamp=timestamp)
    request = Offsets(replica_id=-1, topics=[Offsets.Topic(name="t", partitions=[partition])])
    found = wire.ask(request, version, ListOffsetsResponse).topics[0].partitions[0]
    assert (found.error_code, found.offset) == (0, offset)


def test_a_flipped_bit_is_refused_and_not_stored(wire):
    spoilt = bytearray(batch(*VALUES))
    spoilt[-1] ^= 1
    assert produced(wire.ask(produce(bytes(spoilt)), 9, ProduceResponse)) == (0, 2, -1)
    assert wire.broker.topics["t"][0].size == 0


def test_unknown_topics_and_offsets_are_errors(wire):
    assert produced(wire.ask(produce(batch(b"x"), topic="nothing"), 9, ProduceResponse)) == (0, 3, -1)
    assert fetched(wire.ask(fetch(1), 12, FetchResponse)) == (1, 0, [])


def test_several_batches_for_one_partition_lie_behind_each_other(wire):
    assert produced(wire.ask(produce(batch(*VALUES) + batch(b"four")), 9, ProduceResponse)) == (0, 0, 0)
    assert fetched(wire.ask(fetch(3), 12, FetchResponse)) == (0, 4, [b"four"])


def test_acks_0_is_not_answered(wire):
    wire.receive(request_frame(produce(batch(b"x"), acks=0), 9, 1))
    assert wire.sent == b""
    assert wire.broker.topics["t"][0].end == 1


STREAM = b"".join(request_frame(produce(batch(*VALUES)), version, version) for version in (9, 7))


@pytest.mark.parametrize("cut", range(0, len(STREAM) + 1, 7))
def test_the_same_answers_come_out_wherever_the_stream_is_cut(wire, cut):
    wire.receive(STREAM[:cut])
    wire.receive(STREAM[cut:])
    assert [produced(answer) for answer in wire.answers((ProduceResponse, 9), (ProduceResponse, 7))] == [
        (0, 0, 0),
        (0, 0, 3),
    ]


def test_a_frame_larger_than_the_buffer_gets_one_that_holds_it(wire):
    large = b"x" * (3 * SMALLEST_BUFFER)
    small = request_frame(produce(batch(b"y")), 9, 1)
    wire.receive(small + request_frame(produce(batch(large)), 9, 2) + small)
    assert [produced(answer)[2] for answer in wire.answers(*[(ProduceResponse, 9)] * 3)] == [0, 1, 2]
    assert fetched(wire.ask(fetch(1, max_bytes=1), 12, FetchResponse)) == (0, 3, [large])


def test_a_version_that_is_not_listed_closes_the_connection(wire):
    wire.receive(request_frame(produce(batch(b"x")), 10, 1))
    assert wire.closed


async def test_a_fetch_at_the_end_waits_and_holds_up_what_comes_after_it(wire):
    wire.receive(request_frame(fetch(0, wait_ms=60_000), 12, 1) + request_frame(fetch(5), 12, 2))
    assert wire.sent == b""
    wire.broker.topics["t"][0].append(memoryview(bytearray(batch(b"x"))))
    first, second = wire.answers((FetchResponse, 12), (FetchResponse, 12))
    assert (fetched(first), fetched(second)) == ((0, 1, [b"x"]), (1, 1, []))


async def test_a_fetch_that_waited_in_vain_is_answered_with_nothing(wire):
    wire.receive(request_frame(fetch(0, wait_ms=1), 12, 1))
    async with asyncio.timeout(5):
        while not wire.sent:  # noqa: ASYNC110  a transport made of bytes sets no event
            await asyncio.sleep(0)
    assert fetched(wire.answers((FetchResponse, 12))[0]) == (0, 0, [])


def test_librdkafka_reads_what_it_wrote():
    with floor() as kafka:
        producer = Producer({"bootstrap.servers": kafka.bootstrap, "compression.type": "zstd", "linger.ms": 1})
        sent = [b"%d" % number for number in range(1000)]
        for value in sent:
            producer.produce("t", value)
        assert producer.flush(10) == 0
        consumer = Consumer({"bootstrap.servers": kafka.bootstrap, "group.id": "nobody", "enable.auto.commit": False})
        consumer.assign([TopicPartition("t", 0, 0)])
        read = []
        while len(read) < len(sent) and (messages := consumer.consume(1000, 10)):
            read += [message.value() for message in messages if not message.error()]
        consumer.close()
    assert read == sent
