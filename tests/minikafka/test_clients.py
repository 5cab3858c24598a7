"""Clients that people use, unchanged: kcat, confluent-kafka (librdkafka), aiokafka, kafka-python, and ours, on one broker.

Each writes with every codec and each reads what the others wrote; then they form groups together.
"""

import asyncio
import subprocess
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import aiokafka
import confluent_kafka
import kafka as kafka_python
import pytest
from aiokafka.coordinator.assignors.range import RangePartitionAssignor
from kafka.coordinator.assignors.range import RangePartitionAssignor as RangeOfKafkaPython

from minikafka.client import admin
from minikafka.client.consumer import Consumer, ConsumerSettings
from minikafka.client.group_consumer import GroupConsumer
from minikafka.client.offsets import EARLIEST
from minikafka.client.producer import Producer, ProducerSettings
from minikafka.records.compression import Codec
from serving.clock import SystemClock
from tests.minikafka.live_broker import client

CODECS = ["none", "gzip", "snappy", "lz4", "zstd"]
RECORDS = [(b"key %d" % number, b"value %d " % number * 20) for number in range(50)]
PATIENCE_S = 30.0
GROUP_TOPIC = "shared"
PARTITIONS = 6


# -- writing and reading, client by client ----------------------------------------------------------------------------


def kcat(kafka, *arguments, given=b"") -> bytes:
    command = ["kcat", "-b", kafka.bootstrap, "-q", *arguments]
    return subprocess.run(command, input=given, capture_output=True, timeout=PATIENCE_S, check=True).stdout


def write_with_kcat(kafka, topic, codec):
    lines = b"".join(key + b"|" + value + b"\n" for key, value in RECORDS)
    kcat(kafka, "-P", "-t", topic, "-p", "0", "-K", "|", "-z", codec, given=lines)


def read_with_kcat(kafka, topic):
    lines = kcat(kafka, "-C", "-t", topic, "-p", "0", "-o", "beginning", "-e", "-K", "|").splitlines()
    return [tuple(line.split(b"|")) for line in lines]


def write_with_confluent(kafka, topic, codec):
    producer = confluent_kafka.Producer({"bootstrap.servers": kafka.bootstrap, "compression.type": codec})
    failed = []
    for key, value in RECORDS:
        producer.produce(topic, value, key, partition=0, on_delivery=lambda error, _: error and failed.append(error))
    assert (producer.flush(PATIENCE_S), failed) == (0, [])


def read_with_confluent(kafka, topic):
    consumer = confluent_kafka.Consumer({"bootstrap.servers": kafka.bootstrap, "group.id": "unused"})
    consumer.assign([confluent_kafka.TopicPartition(topic, 0, confluent_kafka.OFFSET_BEGINNING)])
    found = consumer.consume(len(RECORDS), PATIENCE_S)
    consumer.close()
    return [(message.key(), message.value()) for message in found]


def write_with_kafka_python(kafka, topic, codec):
    producer = kafka_python.KafkaProducer(
        bootstrap_servers=kafka.bootstrap, compression_type=None if codec == "none" else codec
    )
    promises = [producer.send(topic, value, key, partition=0) for key, value in RECORDS]
    producer.flush(PATIENCE_S)
    assert [promise.get(0).offset for promise in promises] == list(range(len(RECORDS)))
    producer.close()


def read_with_kafka_python(kafka, topic):
    consumer = kafka_python.KafkaConsumer(bootstrap_servers=kafka.bootstrap, consumer_timeout_ms=int(PATIENCE_S * 1000))
    place = kafka_python.TopicPartition(topic, 0)
    consumer.assign([place])
    consumer.seek_to_beginning(place)
    found = [next(consumer) for _ in RECORDS]
    consumer.close()
    return [(record.key, record.value) for record in found]


def write_with_aiokafka(kafka, topic, codec):
    async def write():
        compression = None if codec == "none" else codec
        async with aiokafka.AIOKafkaProducer(bootstrap_servers=kafka.bootstrap, compression_type=compression) as producer:
            promises = [await producer.send(topic, value, key, partition=0) for key, value in RECORDS]
            assert [(await promise).offset for promise in promises] == list(range(len(RECORDS)))

    asyncio.run(write())


def read_with_aiokafka(kafka, topic):
    async def read():
        async with aiokafka.AIOKafkaConsumer(bootstrap_servers=kafka.bootstrap) as consumer:
            consumer.assign([aiokafka.TopicPartition(topic, 0)])
            await consumer.seek_to_beginning()
            return [await asyncio.wait_for(consumer.getone(), PATIENCE_S) for _ in RECORDS]

    return [(record.key, record.value) for record in asyncio.run(read())]


def write_with_ours(kafka, topic, codec):
    async def write():
        settings = ProducerSettings(codec=Codec[codec.upper()])
        async with client(kafka) as cluster, Producer(cluster, SystemClock(), settings) as producer:
            promises = [await producer.send(topic, value, key=key, partition=0) for key, value in RECORDS]
            assert [(await promise).offset for promise in promises] == list(range(len(RECORDS)))

    asyncio.run(write())


def read_with_ours(kafka, topic):
    async def read():
        found = []
        async with client(kafka) as cluster, Consumer(cluster) as consumer:
            await consumer.assign({(topic, 0): EARLIEST})
            while len(found) < len(RECORDS) and (records := await consumer.poll(PATIENCE_S)):
                found += records
        return found

    return [(record.key, record.value) for record in asyncio.run(read())]


WRITERS = {
    "kcat": write_with_kcat,
    "confluent-kafka": write_with_confluent,
    "kafka-python": write_with_kafka_python,
    "aiokafka": write_with_aiokafka,
    "ours": write_with_ours,
}
READERS = {
    "kcat": read_with_kcat,
    "confluent-kafka": read_with_confluent,
    "kafka-python": read_with_kafka_python,
    "aiokafka": read_with_aiokafka,
    "ours": read_with_ours,
}


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("writer", WRITERS)
def test_every_client_reads_what_every_other_wrote_with_each_codec(kafka, writer, codec):
    topic = f"{writer}-{codec}"
    in_cluster(kafka, lambda cluster: admin.create_topic(cluster, topic, partitions=1))
    WRITERS[writer](kafka, topic, codec)
    with ThreadPoolExecutor() as threads:
        found = list(threads.map(lambda read: read(kafka, topic), READERS.values()))
    assert dict(zip(READERS, found, strict=True)) == dict.fromkeys(READERS, RECORDS)
    assert stored_codec(kafka, topic) == Codec[codec.upper()]


def in_cluster(kafka, work):
    async def run():
        async with client(kafka) as cluster:
            return await work(cluster)

    return asyncio.run(run())


def stored_codec(kafka, topic) -> int:
    """Of the first batch in the log: a broker leaves batches as they came."""
    segment = next((kafka.nodes[0].data / f"{topic}-0").glob("*.log"))
    return segment.read_bytes()[22] & 0x07
