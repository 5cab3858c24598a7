"""kafka-console-producer.sh and kafka-console-consumer.sh"""

import pytest

from lab.kafka_peers import Kafka
from tests.java import programs

pytestmark = pytest.mark.java


@pytest.mark.parametrize("codec", ["none", "gzip", "snappy", "lz4", "zstd"])
def test_what_is_typed_is_read(kafka: Kafka, topic: str, codec: str):
    programs.console_producer(kafka, topic, ["one", "two", "three"], "--compression-codec", codec)
    assert sorted(programs.console_consumer(kafka, topic, 3)) == ["one", "three", "two"]


def test_keys_and_headers_come_back(kafka: Kafka, topic: str):
    asked = ("parse.key=true", "parse.headers=true", "key.separator=;")
    line = "origin:here,colour:red\tapple;green"
    programs.console_producer(kafka, topic, [line], *properties(*asked))
    shown = ("print.key=true", "print.headers=true", "print.offset=true")
    read = programs.console_consumer(kafka, topic, 1, *properties(*shown))
    assert read == ["Offset:0\torigin:here,colour:red\tapple\tgreen"]


def properties(*each: str) -> list[str]:
    return [part for one in each for part in ("--property", one)]


def test_a_group_goes_on_where_it_ended(kafka: Kafka, topic: str, group: str):
    programs.topics(kafka, "--create", "--topic", topic, "--partitions", "1")
    programs.console_producer(kafka, topic, ["one", "two", "three"])
    assert programs.console_consumer(kafka, topic, 2, "--group", group) == ["one", "two"]
    assert programs.console_consumer(kafka, topic, 1, "--group", group) == ["three"]


def test_three_brokers_keep_what_all_have_acknowledged(three: Kafka, topic: str, group: str):
    lines = [f"line {number}" for number in range(200)]
    programs.console_producer(three, topic, lines, "--request-required-acks", "all")
    assert sorted(programs.console_consumer(three, topic, 200, "--group", group)) == sorted(lines)
