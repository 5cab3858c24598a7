"""Records a partition's folder as a real broker leaves it: tests/golden/kafka/log/.

    python -m tests.golden.record_log          needs the jars (make real-kafka) and some ten seconds

Small segments, all codecs, an idempotent producer, a transaction that commits and one that aborts, and a committed offset;
then a stop in good order.  What is kept is a few KB, so that `make test` reads Kafka's own files on any machine.
"""

import shutil
from pathlib import Path

from confluent_kafka import Consumer, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from lab.kafka_peers import kafka_broker

TARGET = Path(__file__).parent / "kafka" / "log"
TOPIC = "golden"
CODECS = ("none", "gzip", "snappy", "lz4", "zstd")
SETTINGS = {"internal.segment.bytes": "2000", "index.interval.bytes": "300", "file.delete.delay.ms": "1"}
FIRST_MS = 1_700_000_000_000


def main() -> None:
    with kafka_broker("offsets.topic.num.partitions=1", "transaction.state.log.num.partitions=1") as kafka:
        admin = AdminClient({"bootstrap.servers": kafka.bootstrap})
        admin.create_topics([NewTopic(TOPIC, 1, 1, config=SETTINGS)])[TOPIC].result()
        for place, codec in enumerate(CODECS):
            _produce(kafka.bootstrap, codec, FIRST_MS + place * 1000)
        _transactions(kafka.bootstrap)
        _commit(kafka.bootstrap)
        node = kafka.nodes[0]
        node.child.stop()
        for name in (f"{TOPIC}-0", "__consumer_offsets-0"):
            shutil.rmtree(TARGET / name, ignore_errors=True)
            shutil.copytree(node.data / name, TARGET / name)
        for checkpoint in node.data.glob("*-checkpoint"):
            shutil.copy(checkpoint, TARGET)
        shutil.copy(node.data / "meta.properties", TARGET)
        shutil.copy(node.data / ".kafka_cleanshutdown", TARGET / "kafka_cleanshutdown")


def _produce(bootstrap: str, codec: str, timestamp_ms: int) -> None:
    """Three batches by one idempotent producer."""
    producer = Producer(
        {"bootstrap.servers": bootstrap, "compression.type": codec, "enable.idempotence": True, "linger.ms": 50}
    )
    for number in range(3):
        for record in range(4):
            value = f"{codec} {number} {record} ".encode() * 8
            stamp = timestamp_ms + 10 * number + record
            producer.produce(
                TOPIC, value, f"key-{record}".encode(), 0, timestamp=stamp, headers=[("codec", codec.encode())]
            )
        producer.flush(10)


def _transactions(bootstrap: str) -> None:
    producer = Producer({"bootstrap.servers": bootstrap, "transactional.id": "golden-transactions"})
    producer.init_transactions(30)
    for end in (producer.commit_transaction, producer.abort_transaction):
        producer.begin_transaction()
        producer.produce(TOPIC, b"in a transaction", b"key", 0, timestamp=FIRST_MS + 10_000)
        producer.flush(10)
        end(30)


def _commit(bootstrap: str) -> None:
    consumer = Consumer({"bootstrap.servers": bootstrap, "group.id": "golden-group"})
    consumer.commit(offsets=[TopicPartition(TOPIC, 0, 7, metadata="seven")], asynchronous=False)
    consumer.close()


if __name__ == "__main__":
    main()
