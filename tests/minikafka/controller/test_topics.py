"""Topics: created, grown, deleted; the order of complaints and their words are Apache Kafka 4.1.1's."""

from collections import Counter

import pytest

from minikafka.controller.image import UNASSIGNED_DIRECTORY, Partition
from minikafka.wire.errors import ErrorCode
from minikafka.wire.messages.topics import (
    CreatePartitionsRequest,
    CreatePartitionsResponse,
    CreateTopicsRequest,
    DeleteTopicsRequest,
    DeleteTopicsResponse,
)
from minikafka.wire.types import ZERO_UUID
from tests.minikafka.controller.cluster import Cluster, directory, shown

Topic = CreateTopicsRequest.Topic


def asked(name="t", partitions=1, replicas=1, assignments=None, configs=None):
    return Topic(
        name=name,
        num_partitions=partitions,
        replication_factor=replicas,
        assignments=[
            Topic.Assignment(partition_index=index, broker_ids=brokers) for index, brokers in assignments or []
        ],
        configs=[Topic.Config(name=key, value=value) for key, value in (configs or {}).items()],
    )


def create(cluster, *topics, validate_only=False):
    return cluster.ask(CreateTopicsRequest(topics=list(topics), validate_only=validate_only)).topics


def test_a_topic_comes_with_its_partitions_and_settings_in_one_entry():
    cluster = Cluster(2)
    written = len(cluster.log)
    (answer,) = create(cluster, asked(partitions=2, replicas=2, configs={"retention.ms": "5"}))
    assert (answer.name, answer.error_code, answer.error_message) == ("t", 0, None)
    assert (answer.num_partitions, answer.replication_factor) == (2, 2)
    assert cluster.image.topic_ids == {"t": answer.topic_id}
    assert len(cluster.log) == written + 1
    assert [type(record).__name__ for record in cluster.log[-1]] == [
        "TopicRecord",
        "ConfigRecord",
        "PartitionRecord",
        "PartitionRecord",
    ]
    assert {partition.leader for partition in cluster.image.topics[answer.topic_id].partitions} == {0, 1}


def test_a_new_partition_is_led_by_its_first_replica_that_can():
    cluster = Cluster(3)
    cluster.silence(0)
    (answer,) = create(cluster, asked(partitions=-1, replicas=-1, assignments=[(0, [0, 2, 1])]))
    assert cluster.image.topics[answer.topic_id].partitions == [
        Partition(
            replicas=(0, 2, 1),
            directories=(directory(0), directory(2), directory(1)),
            isr=(2, 1),
            leader=2,
        )
    ]


def test_minus_one_means_the_defaults():
    cluster = Cluster(3, num_partitions=4, default_replication_factor=3)
    (answer,) = create(cluster, asked(partitions=-1, replicas=-1))
    assert (answer.num_partitions, answer.replication_factor) == (4, 3)


def test_the_answer_lists_every_setting_and_where_it_comes_from():
    cluster = Cluster(1, broker_values={"log.retention.hours": "2", "log.segment.bytes": "2000000"})
    (answer,) = create(cluster, asked(configs={"segment.bytes": "3000000", "cleanup.policy": "compact"}))
    settings = {config.name: (config.value, int(config.config_source)) for config in answer.configs}
    assert len(settings) == 33
    assert settings["cleanup.policy"] == ("compact", 1)
    assert settings["segment.bytes"] == ("3000000", 1)
    assert settings["min.insync.replicas"] == ("1", 3)
    assert settings["retention.ms"] == ("7200000", 4)
    assert settings["flush.messages"] == ("9223372036854775807", 5)


def test_validate_only_goes_all_the_way_and_writes_nothing():
    cluster = Cluster(1)
    written = len(cluster.log)
    good, bad = create(cluster, asked("good"), asked("bad", replicas=2), validate_only=True)
    assert (good.error_code, good.num_partitions) == (0, 1)
    assert bad.error_code == ErrorCode.INVALID_REPLICATION_FACTOR
    assert len(cluster.log) == written


COMPLAINTS = [
    (asked(""), 17, "Topic name is invalid: the empty string is not allowed"),
    (asked("."), 17, "Topic name is invalid: '.' is not allowed"),
    (asked(".."), 17, "Topic name is invalid: '..' is not allowed"),
    (
        asked("n" * 250),
        17,
        f"Topic name is invalid: the length of '{'n' * 250}' is longer than the max allowed length 249",
    ),
    (
        asked("a b"),
        17,
        "Topic name is invalid: 'a b' contains one or more characters other than ASCII alphanumerics, '.', '_' and '-'",
    ),
    (asked("a_b"), 17, "Topic 'a_b' collides with existing topic: a.b"),
    (asked("a.b"), 36, "Topic 'a.b' already exists."),
    (asked(configs={"nope": "1"}), 40, "Unknown topic config name: nope"),
    (asked(configs={"retention.ms": None}), 40, "Null value not supported for topic configs: retention.ms"),
    (
        asked(configs={"segment.bytes": "100"}),
        40,
        "Invalid value 100 for configuration segment.bytes: Value must be at least 1048576",
    ),
    (asked(partitions=0), 37, "Number of partitions was set to an invalid non-positive value."),
    (asked(partitions=-2), 37, "Number of partitions was set to an invalid non-positive value."),
    (asked(replicas=0), 38, "Replication factor must be larger than 0, or -1 to use the default value."),
    (
        asked(replicas=3),
        38,
        "Unable to replicate the partition 3 time(s): The target replication factor of 3 cannot be reached because "
        "only 2 broker(s) are registered.",
    ),
    (asked(partitions=10_001), 44, "Excessively large number of partitions per request."),
    (
        asked(assignments=[(0, [0])]),
        42,
        "A manual partition assignment was specified, but replication factor was not set to -1.",
    ),
    (
        asked(replicas=-1, assignments=[(0, [0])]),
        42,
        "A manual partition assignment was specified, but numPartitions was not set to -1.",
    ),
    (
        asked(partitions=-1, replicas=-1, assignments=[(0, [0]), (0, [1])]),
        39,
        "Found multiple manual partition assignments for partition 0",
    ),
    (
        asked(partitions=-1, replicas=-1, assignments=[(0, [0]), (2, [1])]),
        39,
        "partitions should be a consecutive 0-based integer sequence",
    ),
    (
        asked(partitions=-1, replicas=-1, assignments=[(0, [])]),
        39,
        "The manual partition assignment includes an empty replica list.",
    ),
    (
        asked(partitions=-1, replicas=-1, assignments=[(0, [0, 9])]),
        39,
        "The manual partition assignment includes broker 9, but no such broker is registered.",
    ),
    (
        asked(partitions=-1, replicas=-1, assignments=[(0, [1, 1])]),
        39,
        "The manual partition assignment includes the broker 1 more than once.",
    ),
    (
        asked(partitions=-1, replicas=-1, assignments=[(0, [0, 1]), (1, [0])]),
        39,
        "The manual partition assignment includes a partition with 1 replica(s), but this is not consistent with "
        "previous partitions, which have 2 replica(s).",
    ),
    (asked("__cluster_metadata"), 42, "Creation of internal topic __cluster_metadata is prohibited."),
]


@pytest.mark.parametrize("topic, code, message", COMPLAINTS)
def test_what_cannot_be_created(topic, code, message):
    cluster = Cluster(2)
    cluster.create("a.b", [0])
    written = len(cluster.log)
    (answer,) = create(cluster, topic)
    assert (answer.error_code, answer.error_message) == (code, message)
    assert (answer.topic_id, answer.num_partitions, answer.replication_factor, answer.configs) == (
        ZERO_UUID,
        -1,
        -1,
        [],
    )
    assert len(cluster.log) == written


def test_the_name_is_looked_at_first_then_settings_then_numbers():
    cluster = Cluster(1)
    everything_wrong = {"partitions": 0, "replicas": 0, "configs": {"nope": "1"}}
    answers = create(cluster, asked("a b", **everything_wrong), asked("t", **everything_wrong), asked("u", 0, 0))
    assert [answer.error_code for answer in answers] == [17, 40, 38]


def test_good_topics_are_created_beside_bad_ones():
    cluster = Cluster(1)
    answers = create(cluster, asked("a b"), asked("good"), asked("twice"), asked("twice"))
    assert [(answer.name, answer.error_code, answer.error_message) for answer in answers if answer.error_code] == [
        ("a b", 17, COMPLAINTS[4][2]),
        ("twice", 42, "Duplicate topic name."),
    ]
    assert list(cluster.image.topic_ids) == ["good"]


def test_nobody_alive_nothing_created():
    cluster = Cluster(2)
    cluster.silence(0, 1)
    placed, chosen = create(cluster, asked("p"), asked("c", partitions=-1, replicas=-1, assignments=[(0, [1, 0])]))
    assert (placed.error_code, placed.error_message) == (
        38,
        "Unable to replicate the partition 1 time(s): All brokers are currently fenced.",
    )
    assert (chosen.error_code, chosen.error_message) == (
        39,
        "All brokers specified in the manual partition assignment for partition 0 are fenced or in controlled "
        "shutdown.",
    )


def test_partitions_of_a_topic_are_spread():
    cluster = Cluster(3, racks="abc")
    (answer,) = create(cluster, asked(partitions=9, replicas=3))
    partitions = cluster.image.topics[answer.topic_id].partitions
    assert Counter(partition.leader for partition in partitions) == {0: 3, 1: 3, 2: 3}


def grow(cluster, *topics, validate_only=False):
    request = CreatePartitionsRequest(
        topics=[
            CreatePartitionsRequest.Topic(
                name=name,
                count=count,
                assignments=assignments
                and [CreatePartitionsRequest.Topic.Assignment(broker_ids=brokers) for brokers in assignments],
            )
            for name, count, assignments in topics
        ],
        validate_only=validate_only,
    )
    return cluster.ask(request)


def test_a_topic_grows_and_what_was_stays():
    cluster = Cluster(2)
    cluster.create("t", [0, 1])
    before = cluster.partition("t")
    assert grow(cluster, ("t", 3, [[1, 0], [0, 1]])) == CreatePartitionsResponse(
        results=[CreatePartitionsResponse.Topic(name="t")]
    )
    assert cluster.partition("t") == before
    assert [cluster.partition("t", index).replicas for index in (1, 2)] == [(1, 0), (0, 1)]
    grow(cluster, ("t", 5, None))
    assert len(cluster.image.topics[cluster.image.topic_ids["t"]].partitions) == 5
    assert len(cluster.partition("t", 4).replicas) == 2


@pytest.mark.parametrize(
    "topic, code, message",
    [
        (("t", 2, None), 37, "Topic already has 2 partition(s)."),
        (("t", 1, None), 37, "The topic t currently has 2 partition(s); 1 would not be an increase."),
        (
            ("t", 4, [[0]]),
            39,
            "Attempted to add 2 additional partition(s), but only 1 assignment(s) were specified.",
        ),
        (
            ("t", 3, [[0, 1]]),
            39,
            "The manual partition assignment includes a partition with 2 replica(s), but this is not consistent "
            "with previous partitions, which have 1 replica(s).",
        ),
        (("t", 10_003, None), 44, "Excessively large number of partitions per request."),
        (("none", 3, None), 3, None),
    ],
)
def test_how_a_topic_cannot_grow(topic, code, message):
    cluster = Cluster(2)
    cluster.create("t", [0], [1])
    (result,) = grow(cluster, topic).results
    assert (result.error_code, result.error_message) == (code, message)


def test_growing_can_be_tried_without_doing_it():
    cluster = Cluster(1)
    cluster.create("t", [0])
    written = len(cluster.log)
    assert grow(cluster, ("t", 2, None), validate_only=True).results[0].error_code == 0
    assert len(cluster.log) == written


def delete(cluster, *topics, names=()):
    return cluster.ask(
        DeleteTopicsRequest(
            topics=[DeleteTopicsRequest.Topic(name=name, topic_id=topic_id) for name, topic_id in topics],
            topic_names=list(names),
        )
    )


def test_a_topic_goes_by_name_or_id_with_its_settings():
    cluster = Cluster(1)
    for name in ("a", "b", "c"):
        cluster.create(name, [0], retention_ms="5")
    ids = dict(cluster.image.topic_ids)
    assert delete(cluster, ("a", ZERO_UUID), (None, ids["b"])) == DeleteTopicsResponse(
        responses=[
            DeleteTopicsResponse.Topic(name="a", topic_id=ids["a"]),
            DeleteTopicsResponse.Topic(name="b", topic_id=ids["b"]),
        ]
    )
    assert delete(cluster, names=["c"]).responses[0].error_code == 0
    assert (cluster.image.topics, cluster.image.topic_ids) == ({}, {})
    assert list(cluster.image.configs) == [(4, "")]


def test_a_name_may_be_taken_again_with_another_id():
    cluster = Cluster(1)
    cluster.create("t", [0])
    first = cluster.image.topic_ids["t"]
    delete(cluster, names=["t"])
    cluster.create("t", [0])
    assert cluster.image.topic_ids["t"] != first
    assert shown(cluster.partition("t")) == "leader 0 isr [0] epochs 0/0"


def test_what_cannot_be_deleted():
    cluster = Cluster(1)
    cluster.create("t", [0])
    topic_id = cluster.image.topic_ids["t"]
    answers = delete(
        cluster,
        ("t", topic_id),
        (None, ZERO_UUID),
        ("none", ZERO_UUID),
        (None, b"?" * 16),
        ("twice", ZERO_UUID),
        ("twice", ZERO_UUID),
        ("t", ZERO_UUID),
        (None, topic_id),
    ).responses
    assert [(answer.error_code, answer.error_message) for answer in answers] == [
        (42, "You may not specify both topic name and topic id."),
        (42, "Neither topic name nor id were specified."),
        (3, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION.message),
        (100, ErrorCode.UNKNOWN_TOPIC_ID.message),
        (42, "Duplicate topic name."),
        (42, "The provided topic name maps to an ID that was already supplied."),
    ]


def test_deletion_can_be_turned_off():
    cluster = Cluster(1, delete_topic_enable=False)
    cluster.create("t", [0])
    assert delete(cluster, names=["t"]).responses[0].error_code == ErrorCode.TOPIC_DELETION_DISABLED


def test_a_broker_of_several_directories_assigns_replicas_itself():
    cluster = Cluster()
    cluster.register(0)
    broker = cluster.image.brokers[0]
    assert broker.directories == (directory(0),)
    cluster.image.brokers[0] = broker.__class__(0, broker.epoch, b"", fenced=False, directories=(b"1" * 16, b"2" * 16))
    decision = cluster.controller.decide(CreateTopicsRequest(topics=[asked()]), cluster.now_ms)
    assert decision.records[-1].directories == [UNASSIGNED_DIRECTORY]
