"""Offsets of groups: commit, fetch, delete, at the group's coordinator.

OffsetFetch asks for one group before version 8 and for several since; the coordinator answers group by group, and what is
older is put together from that.

Source: Kafka `KafkaApis` (`handleOffsetCommitRequest`, `handleOffsetFetchRequest`, `handleOffsetDeleteRequest`).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING

from minikafka.groups.coordinator import commit_failed
from minikafka.handlers.groups import coordinator_of
from minikafka.wire.errors import ErrorCode, KafkaError
from minikafka.wire.messages.offsets import (
    OffsetCommitRequest,
    OffsetCommitResponse,
    OffsetDeleteRequest,
    OffsetDeleteResponse,
    OffsetFetchRequest,
    OffsetFetchResponse,
)

if TYPE_CHECKING:
    from minikafka.broker import Broker
    from minikafka.server import RequestContext

SEVERAL_GROUPS_SINCE = 8
GROUP_ERROR_SINCE = 2
AskedGroup = OffsetFetchRequest.Group
FetchedGroup = OffsetFetchResponse.Group


def exists_in(broker: Broker) -> Callable[[str, int], bool]:
    """Whether the cluster has a partition."""
    return lambda topic, index: broker.registration_named(topic, index) is not None


def offset_commit(
    broker: Broker, request: OffsetCommitRequest, context: RequestContext, reply: Callable[[OffsetCommitResponse], None]
) -> None:
    """Answered when the offsets are committed."""
    try:
        held = coordinator_of(broker, request.group_id, may_be_empty=True)
    except KafkaError as error:
        reply(commit_failed(request, error.code))
        return
    held.coordinator.commit_offsets(request, context.api_version, exists_in(broker), held.moment(), reply)
    held.settle()


def offset_fetch(
    broker: Broker, request: OffsetFetchRequest, context: RequestContext, reply: Callable[[OffsetFetchResponse], None]
) -> None:
    """At once; with `require_stable` when all that was asked for before is committed."""
    version = context.api_version
    several = version >= SEVERAL_GROUPS_SINCE
    asked = request.groups if several else [as_group(request)]
    fetched: dict[int, FetchedGroup] = {}

    def answer(number: int, group: FetchedGroup) -> None:
        fetched[number] = group
        if len(fetched) < len(asked):
            return
        if several:
            reply(OffsetFetchResponse(groups=[fetched[number] for number in range(len(asked))]))
        else:
            reply(as_single(group, asked[0], version))

    if not asked:
        reply(OffsetFetchResponse(groups=[]))
    for number, group in enumerate(asked):
        try:
            held = coordinator_of(broker, group.group_id, may_be_empty=True)
        except KafkaError as error:
            answer(number, FetchedGroup(group_id=group.group_id, error_code=error.code))
            continue
        held.coordinator.fetch_offsets(group, request.require_stable, held.moment(), partial(answer, number))
        held.settle()


def as_group(request: OffsetFetchRequest) -> AskedGroup:
    """What older versions ask, as versions since 8 do."""
    topics = None
    if request.topics is not None:
        topics = [
            AskedGroup.Topic(name=topic.name, partition_indexes=topic.partition_indexes) for topic in request.topics
        ]
    return AskedGroup(group_id=request.group_id, topics=topics)


def as_single(group: FetchedGroup, asked: AskedGroup, version: int) -> OffsetFetchResponse:
    """The answer as older versions want it; version 1 has its errors in the partitions."""
    Topic = OffsetFetchResponse.Topic
    error_code = group.error_code
    if version < GROUP_ERROR_SINCE and error_code != ErrorCode.NONE:
        return OffsetFetchResponse(
            topics=[
                Topic(
                    name=topic.name,
                    partitions=[
                        Topic.Partition(partition_index=index, committed_offset=-1, metadata="", error_code=error_code)
                        for index in topic.partition_indexes
                    ],
                )
                for topic in asked.topics or []
            ]
        )
    return OffsetFetchResponse(
        error_code=error_code,
        topics=[
            Topic(
                name=topic.name,
                partitions=[
                    Topic.Partition(
                        partition_index=each.partition_index,
                        committed_offset=each.committed_offset,
                        committed_leader_epoch=each.committed_leader_epoch,
                        metadata=each.metadata,
                        error_code=each.error_code,
                    )
                    for each in topic.partitions
                ],
            )
            for topic in group.topics
        ],
    )


def offset_delete(
    broker: Broker, request: OffsetDeleteRequest, context: RequestContext, reply: Callable[[OffsetDeleteResponse], None]
) -> None:
    """Answered when it is committed."""
    try:
        held = coordinator_of(broker, request.group_id)
    except KafkaError as error:
        reply(OffsetDeleteResponse(error_code=error.code))
        return
    held.coordinator.delete_offsets(request, exists_in(broker), held.moment(), reply)
    held.settle()
