"""The driver says what happened: against the floor, whose log is then read by others."""

import pytest
from confluent_kafka import Consumer, TopicPartition

from lab.benchmarks import kafka_driver as driver
from lab.benchmarks.kafka_servers import floor
from lab.child import ChildError, free_port
from minikafka.records.batch import walk


@pytest.fixture(scope="module")
def bootstrap():
    with floor() as kafka:
        yield kafka.bootstrap


def consumed(bootstrap, topic, partitions):
    """Every value of a topic, by partition, as librdkafka reads it."""
    settings = {"group.id": "nobody", "enable.auto.commit": False, "enable.partition.eof": True}
    consumer = Consumer({"bootstrap.servers": bootstrap, **settings})
    consumer.assign([TopicPartition(topic, index, 0) for index in range(partitions)])
    values, at_end = {index: [] for index in range(partitions)}, set()
    while len(at_end) < partitions:
        for message in consumer.consume(1000, 0.1):
            if message.error():
                at_end.add(message.partition())
            else:
                values[message.partition()].append(message.value())
    consumer.close()
    return values


def test_what_is_reported_as_produced_is_stored_and_readable(bootstrap):
    driver.create(bootstrap, "produced", 3)
    load = ["--records=10", "--size=100", "--connections=2", "--in-flight=4", "--messages=20000", "--seconds=30"]
    measured = driver.measure("produce", bootstrap, "produced", *load)
    assert (measured.errors, measured.stored) == ({}, measured.messages)
    assert 20_000 <= measured.messages < 20_000 + 10 * 8
    assert (measured.requests * 10, measured.messages * 100) == (measured.messages, measured.bytes)
    values = consumed(bootstrap, "produced", 3)
    assert sum(map(len, values.values())) == measured.messages
    assert {len(value) for each in values.values() for value in each} == {100}
    assert all(len(each) > 5000 for each in values.values())


def test_idempotent_batches_are_numbered_and_have_a_sound_checksum():
    with floor() as kafka:
        driver.create(kafka.bootstrap, "counted", 2)
        load = ["--idempotent", "--records=3", "--size=10", "--connections=2", "--in-flight=4", "--messages=600"]
        measured = driver.measure("produce", kafka.bootstrap, "counted", *load)
        log = (kafka.nodes[0].directory / "data" / "counted-0").read_bytes()
    assert (measured.errors, measured.stored) == ({}, measured.messages)  # the floor checks the CRC
    by_producer = {}
    for _, batch in walk(log):
        by_producer.setdefault(batch.producer_id, []).append(batch.base_sequence)
    assert set(by_producer) == {1, 2}
    assert all(found == list(range(0, 3 * len(found), 3)) for found in by_producer.values())


def test_a_fetch_counts_each_message_once(bootstrap):
    driver.create(bootstrap, "fetched", 3)
    made = driver.measure("produce", bootstrap, "fetched", "--records=250", "--in-flight=5", "--seconds=0.2")
    small = ["--once", "--fetch-size=300000"]  # a whole batch and a bit of the next
    read = driver.measure("fetch", bootstrap, "fetched", *small, "--connections=2", "--seconds=30")
    assert (read.messages, read.errors) == (made.messages, {})
    assert read.bytes > made.bytes


def test_latencies_are_those_of_single_requests(bootstrap):
    driver.create(bootstrap, "latency", 1)
    measured = driver.measure("produce", bootstrap, "latency", "--size=200", "--seconds=0.2")
    latency = measured.latency_us
    assert 0 < latency["p50"] <= latency["p90"] <= latency["p99"] <= latency["p999"] <= latency["max"]
    assert (
        latency["p50"] * measured.requests / 1e6 <= measured.seconds * 2
    )  # one at a time: together they fill the time


def test_acks_0_counts_what_was_sent(bootstrap):
    driver.create(bootstrap, "unheard", 1)
    measured = driver.measure("produce", bootstrap, "unheard", "--acks=0", "--in-flight=8", "--messages=5000")
    assert measured.messages == 5000
    assert measured.stored == 0  # nobody said so


def test_a_crowd_does_not_count_among_the_producers_requests(bootstrap):
    driver.create(bootstrap, "crowd", 40)
    load = ["--connections=40", "--rate=2000", "--size=200", "--seconds=0.3"]
    measured = driver.measure("crowd", bootstrap, "crowd", *load)
    assert measured.errors == {}
    assert measured.stored > measured.messages == measured.requests > 0


def test_a_topic_is_created_once_and_can_be_deleted(bootstrap):
    driver.create(bootstrap, "twice", 1)
    with pytest.raises(ChildError, match="creating twice: error 36"):
        driver.create(bootstrap, "twice", 1)
    driver.delete(bootstrap, "twice")
    with pytest.raises(ChildError, match="deleting twice: error 3"):
        driver.delete(bootstrap, "twice")


def test_a_server_that_is_not_there_is_one_clear_line():
    with pytest.raises(ChildError, match="Connection refused"):
        driver.create(f"127.0.0.1:{free_port()}", "t", 1)


@pytest.mark.parametrize("wrong", ["--records=0", "--in-flight=0", "--produce-version=3"])
def test_arguments_out_of_range_are_refused(wrong):
    with pytest.raises(ChildError, match=r"at least 1|9 to 11"):
        driver.measure("produce", "127.0.0.1:1", "t", wrong)
