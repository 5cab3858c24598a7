"""kafka-configs.sh"""

import pytest

from lab.child import ChildError
from lab.kafka_peers import Kafka
from tests.java import programs

pytestmark = pytest.mark.java


def test_a_topics_settings_are_altered_and_described(kafka: Kafka, topic: str):
    programs.topics(kafka, "--create", "--topic", topic)
    entity = ("--entity-type", "topics", "--entity-name", topic)
    added = programs.configs(
        kafka, *entity, "--alter", "--add-config", "retention.ms=9000,cleanup.policy=[compact,delete]"
    )
    assert added == [f"Completed updating config for topic {topic}."]
    assert sorted(programs.configs(kafka, *entity, "--describe")[1:]) == [
        "  cleanup.policy=compact,delete sensitive=false synonyms={DYNAMIC_TOPIC_CONFIG:cleanup.policy=compact,delete,"
        " DEFAULT_CONFIG:log.cleanup.policy=delete}",
        "  retention.ms=9000 sensitive=false synonyms={DYNAMIC_TOPIC_CONFIG:retention.ms=9000}",
    ]
    programs.configs(kafka, *entity, "--alter", "--delete-config", "retention.ms,cleanup.policy")
    assert programs.configs(kafka, *entity, "--describe") == [f"Dynamic configs for topic {topic} are:"]


def test_all_settings_of_a_topic_are_described(kafka: Kafka, topic: str):
    programs.topics(kafka, "--create", "--topic", topic)
    lines = programs.configs(kafka, "--entity-type", "topics", "--entity-name", topic, "--describe", "--all")
    names = {line.split("=")[0].strip() for line in lines[1:]}
    assert lines[0] == f"All configs for topic {topic} are:"
    assert {"cleanup.policy", "retention.ms", "segment.bytes", "min.insync.replicas", "compression.type"} <= names


def test_a_value_that_makes_no_sense_is_refused_in_kafkas_words(kafka: Kafka, topic: str):
    programs.topics(kafka, "--create", "--topic", topic)
    entity = ("--entity-type", "topics", "--entity-name", topic)
    with pytest.raises(
        ChildError, match=r"Invalid value soon for configuration retention.ms: Not a number of type LONG"
    ):
        programs.configs(kafka, *entity, "--alter", "--add-config", "retention.ms=soon")


def changed(lines: list[str]) -> list[str]:
    """What --describe prints below its heading, but for min.insync.replicas.

    Kafka sets that one by itself where replicas outside the ISR may be elected (KIP-966).
    """
    return [line for line in lines[1:] if not line.startswith("  min.insync.replicas=")]


@pytest.mark.parametrize("entity", [("--entity-name", "1"), ("--entity-default",)], ids=["one", "default"])
def test_a_brokers_settings_are_altered_and_described(kafka: Kafka, entity: tuple[str, ...]):
    broker = ("--entity-type", "brokers", *entity)
    programs.configs(kafka, *broker, "--alter", "--add-config", "log.retention.ms=9000000")
    described = changed(programs.configs(kafka, *broker, "--describe"))
    assert [line.split()[0] for line in described] == ["log.retention.ms=9000000"]
    programs.configs(kafka, *broker, "--alter", "--delete-config", "log.retention.ms")
    assert changed(programs.configs(kafka, *broker, "--describe")) == []


def test_what_a_broker_was_started_with_is_described(kafka: Kafka):
    lines = programs.configs(kafka, "--entity-type", "brokers", "--entity-name", "1", "--describe", "--all")
    told = {line.split(" sensitive=")[0].strip() for line in lines}
    assert {"num.partitions=3", "node.id=1", "log.segment.bytes=1048576", "process.roles=broker,controller"} <= told
