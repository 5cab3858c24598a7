"""What tools ask: topics, settings and groups, made, shown, changed and deleted.

Each function is one question in a cluster's terms, routed to whoever answers it: the controller (by way of any broker)
for topics and settings, each broker for its own, each coordinator for its groups.  A refusal comes back as KafkaError
with the broker's own words.

Source: Kafka's `KafkaAdminClient`; KIP-4, KIP-195, KIP-222, KIP-226, KIP-339, KIP-496.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from minikafka.client.cluster import Cluster, raise_for
from minikafka.client.offsets import Place
from minikafka.wire.errors import ErrorCode, KafkaError, error_named
from minikafka.wire.messages.configs import (
    DescribeConfigsRequest,
    DescribeConfigsResponse,
    IncrementalAlterConfigsRequest,
    IncrementalAlterConfigsResponse,
)
from minikafka.wire.messages.groups import (
    DeleteGroupsRequest,
    DeleteGroupsResponse,
    DescribeGroupsRequest,
    DescribeGroupsResponse,
    ListGroupsRequest,
    ListGroupsResponse,
)
from minikafka.wire.messages.metadata import DescribeTopicPartitionsRequest, DescribeTopicPartitionsResponse
from minikafka.wire.messages.offsets import (
    OffsetCommitRequest,
    OffsetCommitResponse,
    OffsetDeleteRequest,
    OffsetDeleteResponse,
    OffsetFetchRequest,
    OffsetFetchResponse,
)
from minikafka.wire.messages.topics import (
    CreatePartitionsRequest,
    CreatePartitionsResponse,
    CreateTopicsRequest,
    CreateTopicsResponse,
    DeleteTopicsRequest,
    DeleteTopicsResponse,
)

TIMEOUT_MS = 30_000
TOPIC, BROKER, BROKER_LOGGER, GROUP = 2, 4, 8, 32
"""Kinds of resources that have settings."""
SET, DELETE, APPEND, SUBTRACT = 0, 1, 2, 3
"""What can be done to one setting."""

Config = DescribeConfigsResponse.Resource.Config
Group = DescribeGroupsResponse.Group


# -- topics -----------------------------------------------------------------------------------------------------------


async def create_topic(
    cluster: Cluster,
    name: str,
    *,
    partitions: int = -1,
    replication_factor: int = -1,
    assignments: Sequence[Sequence[int]] = (),
    configs: Mapping[str, str] | None = None,
) -> None:
    """Make a topic; -1: as the brokers are set.  assignments: the brokers of each partition, by hand.  Raises KafkaError."""
    topic = CreateTopicsRequest.Topic(
        name=name,
        num_partitions=partitions,
        replication_factor=replication_factor,
        assignments=[
            CreateTopicsRequest.Topic.Assignment(partition_index=index, broker_ids=list(brokers))
            for index, brokers in enumerate(assignments)
        ],
        configs=[CreateTopicsRequest.Topic.Config(name=key, value=value) for key, value in (configs or {}).items()],
    )
    answer: CreateTopicsResponse = await _controller(
        cluster, CreateTopicsRequest(topics=[topic], timeout_ms=TIMEOUT_MS)
    )
    raise_for(answer.topics[0].error_code, answer.topics[0].error_message)


async def delete_topic(cluster: Cluster, name: str) -> None:
    """Raises KafkaError."""
    request = DeleteTopicsRequest(
        topics=[DeleteTopicsRequest.Topic(name=name)], topic_names=[name], timeout_ms=TIMEOUT_MS
    )
    answer: DeleteTopicsResponse = await _controller(cluster, request)
    raise_for(answer.responses[0].error_code, answer.responses[0].error_message)


async def add_partitions(
    cluster: Cluster, name: str, count: int, assignments: Sequence[Sequence[int]] | None = None
) -> None:
    """Widen a topic to `count` partitions in all.  Raises KafkaError."""
    placed = None
    if assignments is not None:
        placed = [CreatePartitionsRequest.Topic.Assignment(broker_ids=list(each)) for each in assignments]
    topic = CreatePartitionsRequest.Topic(name=name, count=count, assignments=placed)
    request = CreatePartitionsRequest(topics=[topic], timeout_ms=TIMEOUT_MS)
    answer: CreatePartitionsResponse = await _controller(cluster, request)
    raise_for(answer.results[0].error_code, answer.results[0].error_message)


async def eligible_leaders(cluster: Cluster, names: Sequence[str]) -> dict[Place, tuple[list[int], list[int]]]:
    """Of each partition the replicas that may lead though not in sync (KIP-966), and the last that were known.

    Raises KafkaError; nothing is found with brokers that do not tell.
    """
    found: dict[Place, tuple[list[int], list[int]]] = {}
    request = DescribeTopicPartitionsRequest(topics=[DescribeTopicPartitionsRequest.Topic(name=name) for name in names])
    while names:
        try:
            answer: DescribeTopicPartitionsResponse = await cluster.ask_any(request)
        except KafkaError as error:
            if error.code == ErrorCode.UNSUPPORTED_VERSION:
                break
            raise
        for topic in answer.topics:
            for each in topic.partitions:
                eligible = each.eligible_leader_replicas or [], each.last_known_elr or []
                found[topic.name or "", each.partition_index] = eligible
        if answer.next_cursor is None:
            break
        request.cursor = DescribeTopicPartitionsRequest.Cursor(
            topic_name=answer.next_cursor.topic_name, partition_index=answer.next_cursor.partition_index
        )
    return found


# -- settings ---------------------------------------------------------------------------------------------------------


async def describe_configs(
    cluster: Cluster, kind: int, names: Iterable[str], keys: list[str] | None = None
) -> dict[str, list[Config]]:
    """The settings of resources of one kind, by the resource's name.  Of a broker only it knows all.  Raises KafkaError."""
    found: dict[str, list[Config]] = {}
    for name in names:
        resource = DescribeConfigsRequest.Resource(resource_type=kind, resource_name=name, configuration_keys=keys)
        request = DescribeConfigsRequest(resources=[resource], include_synonyms=True)
        answer: DescribeConfigsResponse = await _settings_of(cluster, kind, name, request)
        raise_for(answer.results[0].error_code, answer.results[0].error_message)
        found[name] = answer.results[0].configs
    return found


async def alter_configs(cluster: Cluster, kind: int, name: str, changes: Iterable[tuple[str, int, str | None]]) -> None:
    """Change single settings: (key, SET, DELETE, APPEND or SUBTRACT, value).  Raises KafkaError."""
    resource = IncrementalAlterConfigsRequest.Resource(
        resource_type=kind,
        resource_name=name,
        configs=[
            IncrementalAlterConfigsRequest.Resource.Config(name=key, config_operation=operation, value=value)
            for key, operation, value in changes
        ],
    )
    request = IncrementalAlterConfigsRequest(resources=[resource])
    answer: IncrementalAlterConfigsResponse = await _settings_of(cluster, kind, name, request)
    raise_for(answer.responses[0].error_code, answer.responses[0].error_message)


async def _settings_of(cluster: Cluster, kind: int, name: str, request: Any) -> Any:
    if kind == GROUP:
        return await cluster.ask_any(request)
    if kind in (BROKER, BROKER_LOGGER) and name.isdecimal():
        node = int(name)
        if node not in cluster.brokers:
            raise KafkaError(ErrorCode.BROKER_NOT_AVAILABLE, f"there is no broker {node} in the cluster now")
        return await cluster.ask(node, request)
    return await _controller(cluster, request)


async def _controller(cluster: Cluster, request: Any) -> Any:
    async def attempt() -> Any:
        try:
            return await cluster.ask_controller(request)
        except KafkaError as error:
            if error.code.refreshes_metadata:
                await cluster.refresh([])
            raise

    return await cluster.retrying(attempt)


# -- groups -----------------------------------------------------------------------------------------------------------


async def list_groups(cluster: Cluster, states: Iterable[str] = ()) -> list[ListGroupsResponse.Group]:
    """The groups of all brokers, by name.  Raises KafkaError."""
    request = ListGroupsRequest(states_filter=list(states))
    groups: list[ListGroupsResponse.Group] = []
    for node in sorted(cluster.brokers):

        async def attempt(node: int = node) -> ListGroupsResponse:
            answer: ListGroupsResponse = await cluster.ask(node, request)
            raise_for(answer.error_code)
            return answer

        groups += (await cluster.retrying(attempt)).groups
    return sorted(groups, key=lambda group: group.group_id)


async def describe_group(cluster: Cluster, group: str) -> Group:
    """State and members.  One that does not exist is in the state "Dead".  Raises KafkaError."""
    request = DescribeGroupsRequest(groups=[group])

    async def attempt() -> Group:
        answer: DescribeGroupsResponse = await cluster.ask_coordinator(group, request)
        found = answer.groups[0]
        if found.error_code != ErrorCode.GROUP_ID_NOT_FOUND:
            _raise_for_group(cluster, group, found.error_code)
        return found

    return await cluster.retrying(attempt)


async def delete_group(cluster: Cluster, group: str) -> None:
    """Forget an empty group and its offsets.  Raises KafkaError."""

    async def attempt() -> None:
        answer: DeleteGroupsResponse = await cluster.ask_coordinator(group, DeleteGroupsRequest(groups_names=[group]))
        _raise_for_group(cluster, group, answer.results[0].error_code)

    await cluster.retrying(attempt)


@dataclass(frozen=True)
class Committed:
    """What a group has committed of a partition."""

    offset: int
    leader_epoch: int
    metadata: str | None


async def committed_offsets(
    cluster: Cluster, group: str, places: Iterable[Place] | None = None
) -> dict[Place, Committed]:
    """Offsets of a group, of all its partitions by default; none for those without.  Raises KafkaError."""
    wanted = None if places is None else _by_topic(places)
    Old, New = OffsetFetchRequest.Topic, OffsetFetchRequest.Group
    topics = None if wanted is None else [Old(name=name, partition_indexes=parts) for name, parts in wanted.items()]
    asked = (
        None if wanted is None else [New.Topic(name=name, partition_indexes=parts) for name, parts in wanted.items()]
    )
    request = OffsetFetchRequest(
        group_id=group, topics=topics, groups=[New(group_id=group, topics=asked)], require_stable=True
    )

    async def attempt() -> dict[Place, Committed]:
        answer: OffsetFetchResponse = await cluster.ask_coordinator(group, request)
        found: Any = answer.groups[0] if answer.groups else answer
        _raise_for_group(cluster, group, found.error_code)
        offsets = {}
        for topic in found.topics:
            for each in topic.partitions:
                raise_for(each.error_code)
                if each.committed_offset >= 0:
                    committed = Committed(each.committed_offset, each.committed_leader_epoch, each.metadata)
                    offsets[topic.name, each.partition_index] = committed
        return offsets

    return await cluster.retrying(attempt)


async def commit_offsets(
    cluster: Cluster,
    group: str,
    offsets: Mapping[Place, int],
    *,
    generation: int = -1,
    member_id: str = "",
    instance_id: str | None = None,
) -> None:
    """Commit, as a member of a generation or, for an empty group, as nobody.  Raises KafkaError."""
    Topic = OffsetCommitRequest.Topic
    request = OffsetCommitRequest(
        group_id=group,
        generation_id_or_member_epoch=generation,
        member_id=member_id,
        group_instance_id=instance_id,
        topics=[
            Topic(
                name=name,
                partitions=[
                    Topic.Partition(partition_index=part, committed_offset=offsets[name, part], committed_metadata="")
                    for part in parts
                ],
            )
            for name, parts in _by_topic(offsets).items()
        ],
    )

    async def attempt() -> None:
        answer: OffsetCommitResponse = await cluster.ask_coordinator(group, request)
        for topic in answer.topics:
            for each in topic.partitions:
                _raise_for_group(cluster, group, each.error_code)

    await cluster.retrying(attempt)


async def delete_offsets(cluster: Cluster, group: str, places: Iterable[Place]) -> dict[Place, KafkaError]:
    """Forget offsets of partitions nobody of the group reads; returns the refusals.  Raises KafkaError."""
    Topic = OffsetDeleteRequest.Topic
    request = OffsetDeleteRequest(
        group_id=group,
        topics=[
            Topic(name=name, partitions=[Topic.Partition(partition_index=part) for part in parts])
            for name, parts in _by_topic(places).items()
        ],
    )

    async def attempt() -> dict[Place, KafkaError]:
        answer: OffsetDeleteResponse = await cluster.ask_coordinator(group, request)
        _raise_for_group(cluster, group, answer.error_code)
        return {
            (topic.name, each.partition_index): KafkaError(error_named(each.error_code))
            for topic in answer.topics
            for each in topic.partitions
            if each.error_code
        }

    return await cluster.retrying(attempt)


def _by_topic(places: Iterable[Place]) -> dict[str, list[int]]:
    topics: dict[str, list[int]] = {}
    for topic, partition in places:
        topics.setdefault(topic, []).append(partition)
    return topics


def _raise_for_group(cluster: Cluster, group: str, code: int) -> None:
    """A coordinator's error; NOT_COORDINATOR also means that the next attempt begins by asking who is."""
    if code in (ErrorCode.NOT_COORDINATOR, ErrorCode.COORDINATOR_NOT_AVAILABLE):
        cluster.forget_coordinator(group)
    raise_for(code)
