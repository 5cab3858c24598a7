"""The official Java producer, consumer and admin client: the stories of Clients.java."""

from pathlib import Path

import pytest

from lab.kafka_peers import Kafka
from tests.java import programs

pytestmark = pytest.mark.java

SOURCE = str(Path(__file__).with_name("Clients.java"))

PRODUCERS = [
    "produce-none",
    "produce-gzip",
    "produce-snappy",
    "produce-lz4",
    "produce-zstd",
    "keys",
    "times",
    "too-large",
]
GROUPS = ["range", "round-robin", "sticky", "cooperative-sticky", "static-member"]
ADMIN = ["topics", "configs", "groups", "leaders"]


@pytest.mark.parametrize("stories", [PRODUCERS, GROUPS, ADMIN], ids=["producers", "groups", "admin"])
@pytest.mark.parametrize(("brokers", "copies"), [("kafka", "1"), ("three", "3")])
def test_the_java_clients(request: pytest.FixtureRequest, brokers: str, copies: str, stories: list[str]):
    kafka: Kafka = request.getfixturevalue(brokers)
    assert programs.java_source(SOURCE, kafka.bootstrap, copies, *stories) == stories
