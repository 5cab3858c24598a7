"""kafka-producer-perf-test.sh and kafka-consumer-perf-test.sh: not for their figures here, but for the load."""

import pytest

from lab.kafka_peers import Kafka
from tests.java import programs

pytestmark = pytest.mark.java

RECORDS = 20_000


@pytest.mark.parametrize("codec", ["none", "lz4"])
def test_a_flood_of_records_is_taken_and_given_back(kafka: Kafka, topic: str, codec: str):
    said = programs.producer_performance(kafka, topic, RECORDS, "acks=all", f"compression.type={codec}")
    assert said[-1].startswith(f"{RECORDS} records sent, ")
    read = programs.consumer_performance(kafka, topic, RECORDS)[-1].split(", ")
    assert int(read[4]) == RECORDS


def test_three_brokers_take_a_flood_with_all_acknowledgements(three: Kafka, topic: str):
    said = programs.producer_performance(three, topic, RECORDS, "acks=all")
    assert said[-1].startswith(f"{RECORDS} records sent, ")
    read = programs.consumer_performance(three, topic, RECORDS)[-1].split(", ")
    assert int(read[4]) == RECORDS
