"""kafka-verifiable-producer.sh and kafka-verifiable-consumer.sh: every acknowledged record is told and read, in order."""

import json
from typing import Any

import pytest

from lab.kafka_peers import Kafka
from tests.java import programs

pytestmark = pytest.mark.java

RECORDS = 5_000


def events(lines: list[str], name: str) -> list[dict[str, Any]]:
    return [event for line in lines if (event := json.loads(line))["name"] == name]


@pytest.mark.parametrize("brokers", ["kafka", "three"])
def test_all_that_was_acknowledged_is_read_in_order(
    request: pytest.FixtureRequest, brokers: str, topic: str, group: str
):
    kafka: Kafka = request.getfixturevalue(brokers)
    produced = programs.verifiable_producer(kafka, topic, RECORDS, "--acks", "-1")
    sent = events(produced, "producer_send_success")
    assert len(sent) == RECORDS
    consumed = programs.verifiable_consumer(kafka, topic, group, RECORDS, "--verbose")
    read = events(consumed, "record_data")
    assert by_place(read) == by_place(sent)
    for partition in range(3):
        offsets = [event["offset"] for event in read if event["partition"] == partition]
        assert offsets == list(range(len(offsets)))
    assert all(event["success"] for event in events(consumed, "offsets_committed"))


def by_place(told: list[dict[str, Any]]) -> dict[tuple[int, int], str]:
    """Each record's value by its partition and offset."""
    return {(event["partition"], event["offset"]): event["value"] for event in told}
