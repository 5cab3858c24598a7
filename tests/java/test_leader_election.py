"""kafka-leader-election.sh"""

import pytest

from lab.kafka_peers import Kafka
from tests.java import programs

pytestmark = pytest.mark.java


def leaders(kafka: Kafka, topic: str) -> list[str]:
    lines = programs.topics(kafka, "--describe", "--topic", topic)[1:]
    return [line.partition("Leader: ")[2].split()[0] for line in lines]


def in_sync(kafka: Kafka) -> bool:
    return programs.topics(kafka, "--describe", "--under-replicated-partitions") == []


def test_a_returned_broker_leads_again_when_asked_to(three: Kafka, topic: str):
    programs.topics(three, "--create", "--topic", topic, "--replica-assignment", "3:1:2")
    three.node(3).child.stop()
    assert leaders(three, topic) == ["1"]
    three.node(3).start()
    for _ in range(10):  # each takes seconds
        if in_sync(three):
            break
    named = ("--election-type", "preferred", "--topic", topic, "--partition", "0")
    said = programs.leader_election(three, *named)
    assert said == [f"Successfully completed leader election (PREFERRED) for partitions {topic}-0"]
    assert leaders(three, topic) == ["3"]
    said = programs.leader_election(three, *named)
    assert said == [f"Valid replica already elected for partitions {topic}-0"]
