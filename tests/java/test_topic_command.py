"""kafka-topics.sh"""

import re

import pytest

from lab.child import ChildError
from lab.kafka_peers import Kafka
from tests.java import programs

pytestmark = pytest.mark.java


def described(kafka: Kafka, topic: str) -> list[str]:
    """What --describe prints, without the id that chance gave, the settings (below) and the eligible leaders.

    Those come by DescribeTopicPartitions, which we do not offer: there the tool falls back to Metadata and prints N/A.
    """
    lines = programs.topics(kafka, "--describe", "--topic", topic)
    return [re.sub(r"TopicId: \S{22}\t|\tConfigs: .*|\tElr: .*", "", line.strip()) for line in lines]


def settings(kafka: Kafka, topic: str) -> set[str]:
    """What --describe prints of them: a topic's own, and the broker's that are not Kafka's."""
    head = programs.topics(kafka, "--describe", "--topic", topic)[0]
    return set(head.partition("Configs: ")[2].split(","))


def test_a_topic_is_created_listed_grown_and_deleted(kafka: Kafka, topic: str):
    created = programs.topics(kafka, "--create", "--topic", topic, "--partitions", "2")
    assert created == [f"Created topic {topic}."]
    assert topic in programs.topics(kafka, "--list")
    assert described(kafka, topic) == [
        f"Topic: {topic}\tPartitionCount: 2\tReplicationFactor: 1",
        f"Topic: {topic}\tPartition: 0\tLeader: 1\tReplicas: 1\tIsr: 1",
        f"Topic: {topic}\tPartition: 1\tLeader: 1\tReplicas: 1\tIsr: 1",
    ]
    programs.topics(kafka, "--alter", "--topic", topic, "--partitions", "3")
    assert len(described(kafka, topic)) == 1 + 3
    programs.topics(kafka, "--delete", "--topic", topic)
    assert topic not in programs.topics(kafka, "--list")


def test_a_topics_settings_are_described(kafka: Kafka, topic: str):
    programs.topics(kafka, "--create", "--topic", topic, "--config", "retention.ms=9000")
    assert settings(kafka, topic) == {"min.insync.replicas=1", "segment.bytes=1048576", "retention.ms=9000"}


def test_a_topic_that_exists_is_refused_in_kafkas_words(kafka: Kafka, topic: str):
    programs.topics(kafka, "--create", "--topic", topic)
    with pytest.raises(ChildError, match=f"Topic '{topic}' already exists"):
        programs.topics(kafka, "--create", "--topic", topic)


def test_more_copies_than_brokers_are_refused_in_kafkas_words(kafka: Kafka, topic: str):
    with pytest.raises(ChildError, match="Unable to replicate the partition 2 time"):
        programs.topics(kafka, "--create", "--topic", topic, "--replication-factor", "2")


def test_partitions_are_not_taken_away(kafka: Kafka, topic: str):
    programs.topics(kafka, "--create", "--topic", topic, "--partitions", "3")
    with pytest.raises(ChildError, match="currently has 3 partition"):
        programs.topics(kafka, "--alter", "--topic", topic, "--partitions", "2")


def test_an_assignment_by_hand_is_kept(three: Kafka, topic: str):
    programs.topics(three, "--create", "--topic", topic, "--replica-assignment", "3:1,2:3")
    assert described(three, topic)[1:] == [
        f"Topic: {topic}\tPartition: 0\tLeader: 3\tReplicas: 3,1\tIsr: 3,1",
        f"Topic: {topic}\tPartition: 1\tLeader: 2\tReplicas: 2,3\tIsr: 2,3",
    ]


def test_no_partition_is_short_of_copies(three: Kafka, topic: str):
    programs.topics(three, "--create", "--topic", topic, "--partitions", "6")
    assert programs.topics(three, "--describe", "--under-replicated-partitions") == []
    assert programs.topics(three, "--describe", "--unavailable-partitions") == []
