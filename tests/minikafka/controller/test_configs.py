"""Settings changed while the cluster runs."""

import pytest

from minikafka.controller.configs import Operation
from minikafka.wire.messages.configs import (
    AlterConfigsRequest,
    AlterConfigsResponse,
    IncrementalAlterConfigsRequest,
    IncrementalAlterConfigsResponse,
)
from tests.minikafka.controller.cluster import Cluster, shown

SET, DELETE, APPEND, SUBTRACT = Operation
TOPIC, BROKER, GROUP = 2, 4, 32


def cluster_with_topic(brokers=1, **configs):
    cluster = Cluster(brokers, min_insync_replicas=min(2, brokers))
    cluster.create("t", list(range(brokers)), **configs)
    return cluster


def alter(cluster, *changes, type=TOPIC, name="t", validate_only=False):
    """Incrementally; each change a (setting, operation, value)."""
    Resource = IncrementalAlterConfigsRequest.Resource
    response = cluster.ask(
        IncrementalAlterConfigsRequest(
            resources=[
                Resource(
                    resource_type=type,
                    resource_name=name,
                    configs=[
                        Resource.Config(name=key, config_operation=operation, value=value)
                        for key, operation, value in changes
                    ],
                )
            ],
            validate_only=validate_only,
        )
    )
    (answer,) = response.responses
    assert (answer.resource_type, answer.resource_name) == (type, name)
    return (answer.error_code, answer.error_message)


def settings(cluster, name="t", type=TOPIC):
    return cluster.image.configs.get((type, name), {})


def test_set_and_delete():
    cluster = cluster_with_topic(retention_ms="5", segment_ms="7")
    assert alter(cluster, ("retention.ms", DELETE, None), ("flush.ms", SET, "9")) == (0, None)
    assert settings(cluster) == {"segment.ms": "7", "flush.ms": "9"}


def test_lists_grow_from_their_default_and_shrink():
    cluster = cluster_with_topic()
    alter(cluster, ("cleanup.policy", APPEND, "compact"))
    assert settings(cluster) == {"cleanup.policy": "delete,compact"}
    alter(cluster, ("cleanup.policy", APPEND, "compact,delete"))
    alter(cluster, ("cleanup.policy", SUBTRACT, "delete"))
    assert settings(cluster) == {"cleanup.policy": "compact"}


def test_equal_values_write_nothing():
    cluster = cluster_with_topic(retention_ms="5")
    written = len(cluster.log)
    alter(cluster, ("retention.ms", SET, "5"))
    assert len(cluster.log) == written


def test_validate_only_writes_nothing():
    cluster = cluster_with_topic()
    assert alter(cluster, ("retention.ms", SET, "5"), validate_only=True) == (0, None)
    assert settings(cluster) == {}


@pytest.mark.parametrize(
    "change, code, message",
    [
        (("nope", SET, "1"), 40, "Unknown topic config name: nope"),
        (
            ("retention.ms", SET, "x"),
            40,
            "Invalid value x for configuration retention.ms: Not a number of type LONG",
        ),
        (("retention.ms", APPEND, "1"), 40, "Can't APPEND to key retention.ms because its type is not LIST."),
        (("retention.ms", SET, None), 42, "Null value not supported for : retention.ms"),
        (("retention.ms", 9, "1"), -1, None),
        (
            ("min.compaction.lag.ms", SET, "6"),
            40,
            "conflict topic config setting min.compaction.lag.ms (6) > max.compaction.lag.ms (5)",
        ),
        (
            ("retention.ms", SET, "1" * 32_768),
            40,
            "The configuration value cannot be added because it exceeds the maximum value size of 32767 bytes.",
        ),
    ],
)
def test_refusals_change_nothing(change, code, message):
    cluster = cluster_with_topic(max_compaction_lag_ms="5")
    written = len(cluster.log)
    assert alter(cluster, change, ("flush.ms", SET, "9")) == (code, message)
    assert len(cluster.log) == written


@pytest.mark.parametrize(
    "type, name, code, message",
    [
        (TOPIC, "none", 3, "The topic 'none' does not exist."),
        (TOPIC, "", 42, "Default topic resources are not allowed."),
        (
            TOPIC,
            "no/name",
            17,
            "Topic name is invalid: 'no/name' contains one or more characters other than ASCII alphanumerics, '.', "
            "'_' and '-'",
        ),
        (GROUP, "", 42, "Default group resources are not allowed."),
        (BROKER, "x", 42, "Node id must be an integer, but it is: x"),
        (BROKER, "-1", 42, "Invalid negative broker ID."),
        (BROKER, "9", 102, "No node with id 9 found."),
        (3, "t", 42, "Unknown resource type 3"),
    ],
)
def test_resources_that_are_none(type, name, code, message):
    assert alter(cluster_with_topic(), type=type, name=name) == (code, message)


def test_settings_of_brokers_and_groups():
    cluster = cluster_with_topic()
    assert alter(cluster, ("log.cleaner.threads", SET, "2"), type=BROKER, name="0") == (0, None)
    assert alter(cluster, ("consumer.session.timeout.ms", SET, "9"), type=GROUP, name="g") == (0, None)
    assert alter(cluster, ("nope", SET, "9"), type=GROUP, name="g") == (40, "Unknown group config name: nope")
    assert settings(cluster, "0", BROKER) == {"log.cleaner.threads": "2"}
    assert settings(cluster, "g", GROUP) == {"consumer.session.timeout.ms": "9"}


def test_an_unknown_operation_on_a_broker_is_named():
    unknown = 42, "Unknown operations type 9"
    assert alter(cluster_with_topic(), ("log.cleaner.threads", 9, "1"), type=BROKER, name="0") == unknown


def test_min_insync_replicas_is_one_for_the_cluster():
    cluster = cluster_with_topic()
    assert alter(cluster, ("min.insync.replicas", SET, "1"), type=BROKER, name="0") == (
        40,
        "Broker-level min.insync.replicas cannot be altered while ELR is enabled.",
    )
    assert alter(cluster, ("min.insync.replicas", DELETE, None), type=BROKER, name="") == (
        40,
        "Cluster-level min.insync.replicas cannot be removed while ELR is enabled.",
    )
    assert alter(cluster, ("min.insync.replicas", SET, "many"), type=BROKER, name="") == (
        42,
        "Invalid value many for configuration min.insync.replicas: Not a number of type INT",
    )


@pytest.mark.parametrize("resource", [{"name": "t"}, {"type": BROKER, "name": ""}])
def test_another_min_insync_replicas_voids_the_elr(resource):
    cluster = cluster_with_topic(brokers=2)
    cluster.propose("t", [0])
    assert shown(cluster.partition("t")) == "leader 0 isr [0] elr [1] epochs 0/1"
    assert alter(cluster, ("min.insync.replicas", SET, "1"), **resource) == (0, None)
    assert shown(cluster.partition("t")) == "leader 0 isr [0] epochs 0/2"


def test_a_resource_twice_is_refused_twice():
    Resource = IncrementalAlterConfigsRequest.Resource
    response = cluster_with_topic().ask(
        IncrementalAlterConfigsRequest(resources=[Resource(resource_type=TOPIC, resource_name="t")] * 2)
    )
    refused = IncrementalAlterConfigsResponse.Resource(
        error_code=42,
        error_message="Each resource must appear at most once.",
        resource_type=TOPIC,
        resource_name="t",
    )
    assert response == IncrementalAlterConfigsResponse(responses=[refused, refused])


def test_the_older_call_deletes_what_it_does_not_name():
    cluster = cluster_with_topic(retention_ms="5", segment_ms="7")
    Resource = AlterConfigsRequest.Resource
    response = cluster.ask(
        AlterConfigsRequest(
            resources=[
                Resource(
                    resource_type=TOPIC,
                    resource_name="t",
                    configs=[
                        Resource.Config(name="segment.ms", value="8"),
                        Resource.Config(name="flush.ms", value="9"),
                    ],
                )
            ]
        )
    )
    assert response == AlterConfigsResponse(
        responses=[AlterConfigsResponse.Resource(resource_type=TOPIC, resource_name="t")]
    )
    assert settings(cluster) == {"segment.ms": "8", "flush.ms": "9"}
