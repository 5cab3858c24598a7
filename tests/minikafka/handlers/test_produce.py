"""What a producer is told of a batch that is refused."""

from minikafka.records.batch import build_batch, read_records
from minikafka.records.compression import Codec
from minikafka.records.record import Record
from minikafka.wire.errors import ErrorCode
from minikafka.wire.messages.fetch import FetchRequest
from minikafka.wire.messages.produce import ProduceRequest, ProduceResponse
from tests.minikafka.simulated_nodes import Nodes, in_world

Answer = ProduceResponse.Topic.Partition


def to(topic: str, *records: bytearray) -> ProduceRequest.Topic:
    parts = [ProduceRequest.Topic.Partition(index=0, records=each) for each in records]
    return ProduceRequest.Topic(name=topic, partition_data=parts)


def one(value: bytes) -> bytearray:
    return build_batch([Record(None, value)], timestamp_ms=1)


def answered(records: bytearray, version: int, **configs: str) -> Answer:
    async def story(nodes: Nodes) -> Answer:
        client = await nodes.connect()
        await client.create("orders", **configs)
        topics = [to("orders", records)]
        response = await client.ask(ProduceRequest(acks=1, timeout_ms=1000, topic_data=topics), version)
        return response.responses[0].partition_responses[0]

    return in_world(story)


def test_records_without_a_key_on_a_compacted_topic_are_named_one_by_one():
    answer = answered(build_batch([Record(b"k", b""), Record(None, b"")], timestamp_ms=1), 9, cleanup_policy="compact")
    assert (answer.error_code, answer.base_offset, answer.log_start_offset) == (ErrorCode.INVALID_RECORD, -1, 0)
    assert [error.batch_index for error in answer.record_errors] == [1]
    assert answer.error_message is not None and "1 record errors in total" in answer.error_message


def test_a_damaged_batch_is_told_by_its_code_alone():
    records = build_batch([Record(None, b"x")], timestamp_ms=1)
    records[-1] ^= 1
    answer = answered(records, 9)
    assert answer == Answer(error_code=ErrorCode.CORRUPT_MESSAGE, base_offset=-1)


def test_zstd_is_refused_before_version_7():
    records = build_batch([Record(None, b"x")], timestamp_ms=1, codec=Codec.ZSTD)
    assert answered(records, 6).error_code == ErrorCode.UNSUPPORTED_COMPRESSION_TYPE
    assert answered(records, 7).error_code == ErrorCode.NONE


def test_of_a_partition_named_twice_the_last_records_are_written():
    """KafkaApis.handleProduceRequest keeps them by partition."""

    async def story(nodes: Nodes) -> None:
        client = await nodes.connect()
        await client.create("orders")
        await client.create("bills")
        topics = [to("orders", one(b"1"), one(b"2")), to("bills", one(b"3")), to("orders", one(b"4"))]
        response = await client.ask(ProduceRequest(acks=1, timeout_ms=1000, topic_data=topics), 9)
        assert response.responses == [
            ProduceResponse.Topic(name=name, partition_responses=[Answer(log_start_offset=0)])
            for name in ("orders", "bills")
        ]
        part = FetchRequest.Topic.Partition(partition=0, partition_max_bytes=1000)
        fetched = await client.ask(FetchRequest(topics=[FetchRequest.Topic(topic="orders", partitions=[part])]), 4)
        records = fetched.responses[0].partitions[0].records
        assert [record.value for record in read_records(records)] == [b"4"]

    in_world(story)
