"""kafka-get-offsets.sh"""

import pytest

from lab.kafka_peers import Kafka
from tests.java import programs

pytestmark = pytest.mark.java


@pytest.mark.parametrize(
    ("time", "offset"),
    [("earliest", "0"), ("latest", "3"), ("max-timestamp", "2"), ("1", "0"), ("earliest-local", "0")],
)
def test_offsets_by_time(kafka: Kafka, topic: str, time: str, offset: str):
    programs.topics(kafka, "--create", "--topic", topic, "--partitions", "1")
    for line in ("one", "two", "three"):  # apart, so that the last one is the youngest
        programs.console_producer(kafka, topic, [line])
    assert programs.get_offsets(kafka, "--topic", topic, "--time", time) == [f"{topic}:0:{offset}"]
