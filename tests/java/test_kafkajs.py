"""kafkajs from npm: the stories of kafkajs/clients.js."""

import subprocess
from pathlib import Path

import pytest

from lab.kafka_peers import Kafka
from tests.java.programs import PATIENCE_S

pytestmark = pytest.mark.java

PROGRAM = str(Path(__file__).parent / "kafkajs" / "clients.js")
STORIES = ["produce-none", "produce-gzip", "produce-snappy", "idempotent", "group", "admin"]


@pytest.mark.parametrize(("brokers", "copies"), [("kafka", "1"), ("three", "3")])
def test_kafkajs(request: pytest.FixtureRequest, node: str, brokers: str, copies: str):
    kafka: Kafka = request.getfixturevalue(brokers)
    command = [node, PROGRAM, kafka.bootstrap, copies, *STORIES]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_S, check=False)
    assert (ended.stdout.split(), ended.stderr) == (STORIES, "")
