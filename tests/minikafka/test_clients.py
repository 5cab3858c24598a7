"""Clients that people use, unchanged: kcat, confluent-kafka (librdkafka), aiokafka, kafka-python, and ours, on one broker.

Each writes with every codec and each reads what the others wrote; then they form groups together.
"""

import asyncio
import subprocess
import threading
import time
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
from minikafka.client.group_member import MemberSettings, decode_share
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
        async with aiokafka.AIOKafkaProducer(
            bootstrap_servers=kafka.bootstrap, compression_type=compression
        ) as producer:
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


# -- groups -----------------------------------------------------------------------------------------------------------


class Members:
    """Members of one group, each a different client on a thread of its own, and what they have read."""

    def __init__(self, kafka, group: str) -> None:
        self.kafka, self.group = kafka, group
        self.seen: list[tuple[str, int, int]] = []  # who, partition, offset
        self._ends: dict[str, threading.Event] = {}
        self._threads: dict[str, threading.Thread] = {}
        self.processes: dict[str, subprocess.Popen[bytes]] = {}
        self.failures: list[BaseException] = []

    def start(self, name: str) -> None:
        end = self._ends[name] = threading.Event()

        def run() -> None:
            try:
                GROUP_READERS[name](self, end)
            except BaseException as error:
                self.failures.append(error)

        self._threads[name] = threading.Thread(target=run, name=name)
        self._threads[name].start()

    def stop(self, name: str) -> None:
        self._ends.pop(name).set()
        self._threads.pop(name).join(PATIENCE_S)

    def stop_all(self) -> None:
        for end in self._ends.values():
            end.set()
        for thread in self._threads.values():
            thread.join(PATIENCE_S)

    def read(self, name: str, partition: int, offset: int) -> None:
        self.seen.append((name, partition, offset))

    # The readers

    def with_kcat(self, end: threading.Event) -> None:
        command = ["kcat", "-b", self.kafka.bootstrap, "-q", "-u", "-f", "%p %o\n", "-X", "session.timeout.ms=6000"]
        command += [
            "-X",
            "heartbeat.interval.ms=300",
            "-X",
            "auto.offset.reset=earliest",
            "-G",
            self.group,
            GROUP_TOPIC,
        ]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
            self.processes["kcat"] = process
            threading.Thread(target=lambda: (end.wait(), process.terminate())).start()
            assert process.stdout is not None
            for line in process.stdout:
                partition, offset = line.split()
                self.read("kcat", int(partition), int(offset))

    def with_confluent(self, end: threading.Event) -> None:
        consumer = confluent_kafka.Consumer(
            {
                "bootstrap.servers": self.kafka.bootstrap,
                "group.id": self.group,
                "auto.offset.reset": "earliest",
                "heartbeat.interval.ms": 300,
            }
        )
        consumer.subscribe([GROUP_TOPIC])
        while not end.is_set():
            message = consumer.poll(0.1)
            if message is not None:
                assert message.error() is None
                self.read("confluent-kafka", message.partition(), message.offset())
        consumer.close()

    def with_kafka_python(self, end: threading.Event) -> None:
        consumer = kafka_python.KafkaConsumer(
            GROUP_TOPIC,
            bootstrap_servers=self.kafka.bootstrap,
            group_id=self.group,
            auto_offset_reset="earliest",
            heartbeat_interval_ms=300,
            partition_assignment_strategy=[RangeOfKafkaPython],
        )
        while not end.is_set():
            for records in consumer.poll(100).values():
                for record in records:
                    self.read("kafka-python", record.partition, record.offset)
        consumer.close()

    def with_aiokafka(self, end: threading.Event) -> None:
        async def run() -> None:
            async with aiokafka.AIOKafkaConsumer(
                GROUP_TOPIC,
                bootstrap_servers=self.kafka.bootstrap,
                group_id=self.group,
                auto_offset_reset="earliest",
                heartbeat_interval_ms=300,
                partition_assignment_strategy=(RangePartitionAssignor,),
            ) as consumer:
                while not end.is_set():
                    for records in (await consumer.getmany(timeout_ms=100)).values():
                        for record in records:
                            self.read("aiokafka", record.partition, record.offset)

        asyncio.run(run())

    def with_ours(self, end: threading.Event) -> None:
        async def run() -> None:
            settings, member = ConsumerSettings(reset=EARLIEST), MemberSettings(heartbeat_ms=300)
            async with (
                client(self.kafka) as cluster,
                GroupConsumer(cluster, self.group, [GROUP_TOPIC], settings, member) as consumer,
            ):
                while not end.is_set():
                    for record in await consumer.poll(0.1):
                        self.read("ours", record.partition, record.offset)

        asyncio.run(run())


GROUP_READERS: dict[str, Callable[[Members, threading.Event], None]] = {
    "kcat": Members.with_kcat,
    "confluent-kafka": Members.with_confluent,
    "kafka-python": Members.with_kafka_python,
    "aiokafka": Members.with_aiokafka,
    "ours": Members.with_ours,
}


@pytest.fixture
def members(kafka) -> Iterator[Members]:
    in_cluster(kafka, lambda cluster: admin.create_topic(cluster, GROUP_TOPIC, partitions=PARTITIONS))
    found = Members(kafka, "everyone")
    yield found
    found.stop_all()
    assert found.failures == []


def shares(kafka, group) -> list[int] | None:
    """The partitions of all members together, sorted; None while they rebalance."""
    described = in_cluster(kafka, lambda cluster: admin.describe_group(cluster, group))
    if described.group_state != "Stable":
        return None
    return sorted(place[1] for member in described.members for place in decode_share(member.member_assignment))


def members_of(kafka, group) -> int:
    return len(in_cluster(kafka, lambda cluster: admin.describe_group(cluster, group)).members)


def until(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline, what
        time.sleep(0.05)


def write_to_all(kafka, count) -> None:
    lines = b"".join(b"%d\n" % number for number in range(count))
    for partition in range(PARTITIONS):
        kcat(kafka, "-P", "-t", GROUP_TOPIC, "-p", str(partition), given=lines)


def test_all_clients_share_one_group_and_go_on_when_members_come_leave_and_die(kafka, members):
    everyone = list(range(PARTITIONS))

    def settled(count: int) -> Callable[[], bool]:
        return lambda: members_of(kafka, members.group) == count and shares(kafka, members.group) == everyone

    def all_read(offsets: range) -> Callable[[], bool]:
        wanted = {(partition, offset) for partition in everyone for offset in offsets}
        return lambda: wanted <= {(partition, offset) for _, partition, offset in members.seen}

    for count, name in enumerate(GROUP_READERS, 1):
        members.start(name)
        until(settled(count), f"{name} is a member, with a share")
    write_to_all(kafka, 10)
    until(all_read(range(10)), "everything is read")
    readers = {(partition, who) for who, partition, _ in members.seen}
    assert len(readers) == PARTITIONS and len({who for _, who in readers}) == len(GROUP_READERS)

    members.stop("confluent-kafka")
    until(settled(4), "the others have taken over what it read")
    write_to_all(kafka, 10)
    until(all_read(range(20)), "everything is read by those who stayed")

    members.processes["kcat"].kill()  # it says no goodbye: its session must run out
    until(settled(3), "the others have taken over from the dead")
    write_to_all(kafka, 10)
    until(all_read(range(30)), "everything is read by the living")

    members.stop_all()
    committed = in_cluster(kafka, lambda cluster: admin.committed_offsets(cluster, members.group))
    assert {place: each.offset for place, each in committed.items()} == {(GROUP_TOPIC, each): 30 for each in everyone}
    of_the_living = [(part, offset) for who, part, offset in members.seen if who != "kcat" and offset >= 20]
    assert sorted(of_the_living) == [(partition, offset) for partition in everyone for offset in range(20, 30)]
