"""kafka-consumer-groups.sh"""

import pytest

from lab.child import ChildError
from lab.kafka_peers import Kafka
from tests.java import programs

pytestmark = pytest.mark.java


def read_by(kafka: Kafka, topic: str, group: str) -> None:
    """Five records in a topic of one partition, of which the group has read three."""
    programs.topics(kafka, "--create", "--topic", topic, "--partitions", "1")
    programs.console_producer(kafka, topic, ["one", "two", "three", "four", "five"])
    programs.console_consumer(kafka, topic, 3, "--group", group)


def table(lines: list[str]) -> list[list[str]]:
    """The cells below the heading that starts with GROUP."""
    start = next(at for at, line in enumerate(lines) if line.startswith("GROUP"))
    return [line.split() for line in lines[start + 1 :]]


def test_a_group_is_listed_described_and_deleted(kafka: Kafka, topic: str, group: str):
    read_by(kafka, topic, group)
    assert group in programs.consumer_groups(kafka, "--list")
    assert [group, "Empty"] in table(programs.consumer_groups(kafka, "--list", "--state"))
    assert [group, "Classic"] in table(programs.consumer_groups(kafka, "--list", "--type"))
    assert table(programs.consumer_groups(kafka, "--describe", "--group", group)) == [
        [group, topic, "0", "3", "5", "2", "-", "-", "-"]
    ]
    state = table(programs.consumer_groups(kafka, "--describe", "--group", group, "--state"))
    assert state == [[group, kafka.bootstrap, "(1)", "-", "Empty", "0"]]
    programs.consumer_groups(kafka, "--delete", "--group", group)
    assert group not in programs.consumer_groups(kafka, "--list")


@pytest.mark.parametrize(
    ("to", "offset"),
    [
        (["--to-earliest"], "0"),
        (["--to-latest"], "5"),
        (["--to-offset", "4"], "4"),
        (["--shift-by", "-1"], "2"),
        (["--by-duration", "P1D"], "0"),
        (["--to-datetime", "2100-01-01T00:00:00.000"], "5"),
    ],
)
def test_offsets_are_reset(kafka: Kafka, topic: str, group: str, to: list[str], offset: str):
    read_by(kafka, topic, group)
    reset = programs.consumer_groups(kafka, "--reset-offsets", "--group", group, "--topic", topic, *to, "--execute")
    assert table(reset) == [[group, topic, "0", offset]]
    described = table(programs.consumer_groups(kafka, "--describe", "--group", group))
    assert described[0][3] == offset


def test_offsets_are_deleted(kafka: Kafka, topic: str, group: str):
    read_by(kafka, topic, group)
    said = programs.consumer_groups(kafka, "--delete-offsets", "--group", group, "--topic", topic)
    assert said[0] == f"Request succeeded for deleting offsets from group {group}."
    assert said[-1].split() == [topic, "0", "Successful"]


def test_an_unknown_group_is_refused_in_kafkas_words(kafka: Kafka, group: str):
    with pytest.raises(ChildError, match=f"Group {group} not found"):
        programs.consumer_groups(kafka, "--describe", "--group", group)
