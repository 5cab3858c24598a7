"""kafka-console-producer.sh and kafka-console-consumer.sh"""

import pytest

from lab.kafka_peers import Kafka
from tests.java import programs

pytestmark = pytest.mark.java


@pytest.mark.parametrize("codec", ["none", "gzip", "snappy", "lz4", "zstd"])
def test_what_is_typed_is_read(kafka: Kafka, topic: str, codec: str):
    programs.console_producer(kafka, topic, ["one", "two", "three"], "--compression-codec", codec)
    assert sorted(programs.console_consumer(kafka, topic, 3)) == ["one", "three", "two"]


def test_keys_and_headers_and_timestamps_come_back(kafka: Kafka, topic: str):
    parsed = ("parse.key=true", "parse.headers=true", "key.separator=:", "headers.delimiter=|")
    line = "origin:here|colour:red"  # a header's key and value are parted by a colon
    programs.console_producer(
        kafka, topic, [f"{line}|apple:green"], *(part for each in parsed for part in ("--property", each))
    )
    printed = ("print.key=true", "print.headers=true", "print.partition=true", "print.offset=true")
    read = programs.console_consumer(kafka, topic, 1, *(part for each in printed for part in ("--property", each)))
    assert len(read) == 1
    partition, offset, headers, key, value = read[0].split("\t")
    assert partition.startswith("Partition:") and offset == "Offset:0"
    assert (headers, key, value) == ("origin:here", "colour:red|apple", "green")


def test_a_group_goes_on_where_it_ended(kafka: Kafka, topic: str, group: str):
    programs.topics(kafka, "--create", "--topic", topic, "--partitions", "1")
    programs.console_producer(kafka, topic, ["one", "two", "three"])
    assert programs.console_consumer(kafka, topic, 2, "--group", group) == ["one", "two"]
    assert programs.console_consumer(kafka, topic, 1, "--group", group) == ["three"]


def test_three_brokers_keep_what_all_have_acknowledged(three: Kafka, topic: str, group: str):
    lines = [f"line {number}" for number in range(200)]
    programs.console_producer(three, topic, lines, "--request-required-acks", "all")
    assert sorted(programs.console_consumer(three, topic, 200, "--group", group)) == sorted(lines)
