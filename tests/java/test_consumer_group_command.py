"""kafka-consumer-groups.sh"""

import pytest

from lab.kafka_peers import Kafka
from tests.java import programs

pytestmark = pytest.mark.java


@pytest.fixture(scope="module")
def five_of_which_three_are_read(kafka: Kafka) -> tuple[str, str]:
    """A topic of one partition with five records, and a group that has read three of them."""
    topic, group = "half-read", "readers"
    programs.topics(kafka, "--create", "--topic", topic, "--partitions", "1")
    programs.console_producer(kafka, topic, ["one", "two", "three", "four", "five"])
    programs.console_consumer(kafka, topic, 3, "--group", group)
    return topic, group


def table(lines: list[str]) -> list[list[str]]:
    """The cells below the heading that starts with GROUP."""
    start = next(at for at, line in enumerate(lines) if line.startswith("GROUP"))
    return [line.split() for line in lines[start + 1 :]]


def test_a_group_is_listed_and_described(kafka: Kafka, five_of_which_three_are_read: tuple[str, str]):
    topic, group = five_of_which_three_are_read
    assert group in programs.consumer_groups(kafka, "--list")
    assert [group, "Empty"] in table(programs.consumer_groups(kafka, "--list", "--state"))
    assert [group, "Classic"] in table(programs.consumer_groups(kafka, "--list", "--type"))
    assert table(programs.consumer_groups(kafka, "--describe", "--group", group)) == [
        [group, topic, "0", "3", "5", "2", "-", "-", "-"]
    ]
    state = table(programs.consumer_groups(kafka, "--describe", "--group", group, "--state"))
    assert state == [[group, kafka.bootstrap, "(1)", "-", "Empty", "0"]]


@pytest.mark.parametrize(
    ("to", "offset"),
    [
        (["--to-earliest"], "0"),
        (["--to-latest"], "5"),
        (["--to-current"], "3"),
        (["--to-offset", "4"], "4"),
        (["--shift-by", "-1"], "2"),
        (["--by-duration", "P1D"], "0"),
        (["--to-datetime", "2100-01-01T00:00:00.000"], "5"),
    ],
)
def test_where_a_reset_would_lead(
    kafka: Kafka, five_of_which_three_are_read: tuple[str, str], to: list[str], offset: str
):
    topic, group = five_of_which_three_are_read
    planned = programs.consumer_groups(kafka, "--reset-offsets", "--group", group, "--topic", topic, *to, "--dry-run")
    assert table(planned) == [[group, topic, "0", offset]]


def test_offsets_are_reset(kafka: Kafka, topic: str, group: str):
    programs.topics(kafka, "--create", "--topic", topic, "--partitions", "1")
    programs.console_producer(kafka, topic, ["one", "two"])
    named = ("--group", group, "--topic", topic)
    programs.consumer_groups(kafka, "--reset-offsets", *named, "--to-offset", "1", "--execute")
    assert table(programs.consumer_groups(kafka, "--describe", "--group", group)) == [
        [group, topic, "0", "1", "2", "1", "-", "-", "-"]
    ]
    assert programs.console_consumer(kafka, topic, 1, "--group", group) == ["two"]


def test_offsets_are_deleted(kafka: Kafka, topic: str, group: str):
    programs.topics(kafka, "--create", "--topic", topic, "--partitions", "1")
    named = ("--group", group, "--topic", topic)
    programs.consumer_groups(kafka, "--reset-offsets", *named, "--to-earliest", "--execute")
    said = programs.consumer_groups(kafka, "--delete-offsets", *named)
    assert said[0] == f"Request succeeded for deleting offsets from group {group}."
    assert said[-1].split() == [topic, "0", "Successful"]
    assert programs.consumer_groups(kafka, "--describe", "--group", group) == []


def test_a_group_is_deleted(kafka: Kafka, topic: str, group: str):
    programs.topics(kafka, "--create", "--topic", topic, "--partitions", "1")
    reset = ("--reset-offsets", "--group", group, "--topic", topic, "--to-earliest", "--execute")
    programs.consumer_groups(kafka, *reset)
    said = programs.consumer_groups(kafka, "--delete", "--group", group)
    assert said == [f"Deletion of requested consumer groups ('{group}') was successful."]
    assert group not in programs.consumer_groups(kafka, "--list")


def test_an_unknown_group_is_refused_in_kafkas_words(kafka: Kafka, group: str):
    assert programs.consumer_groups(kafka, "--delete", "--group", group) == [
        "Error: Deletion of some consumer groups failed:",
        f"* Group '{group}' could not be deleted due to: "
        "org.apache.kafka.common.errors.GroupIdNotFoundException: The group id does not exist.",
    ]
