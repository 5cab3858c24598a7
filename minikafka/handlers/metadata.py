"""Metadata: which brokers there are, and who leads what.  Every client's first question after ApiVersions.

The answer is this broker's copy of the metadata log, a moment behind the controller's.  A client that finds an old leader
there is told NOT_LEADER_OR_FOLLOWER by it, and asks again.

`controller_id` names a live broker, not the controller: admin calls go to any broker, which forwards them (KIP-590).

Source: Kafka `KafkaApis.handleTopicMetadataRequest`, `KRaftMetadataCache`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from minikafka.controller.image import Partition as Registration
from minikafka.controller.image import Topic as TopicImage
from minikafka.handlers.internal_topics import is_internal
from minikafka.topic_names import check_name
from minikafka.wire.errors import ErrorCode, KafkaError
from minikafka.wire.messages.metadata import MetadataRequest, MetadataResponse
from minikafka.wire.types import ZERO_UUID

if TYPE_CHECKING:
    from minikafka.broker import Broker
    from minikafka.server import RequestContext

Topic = MetadataResponse.Topic
Partition = MetadataResponse.Topic.Partition

NOT_ASKED = -(2**31)
BY_ID_SINCE = 12
"""Versions 10 and 11 have the field, but their servers could not answer it."""
TOPIC_OPERATIONS = 0b1101_1111_1000
"""READ WRITE CREATE DELETE ALTER DESCRIBE DESCRIBE_CONFIGS ALTER_CONFIGS: everything, while nobody is refused."""
CLUSTER_OPERATIONS = 0b1_1111_1010_0000


def metadata(
    broker: Broker, request: MetadataRequest, context: RequestContext, reply: Callable[[MetadataResponse], None]
) -> None:
    """Brokers, and the topics asked for: null means all (version 0: an empty list does)."""
    image = broker.image
    response = MetadataResponse(
        brokers=[
            MetadataResponse.Broker(node_id=each.id, host=endpoint.host, port=endpoint.port, rack=each.rack)
            for each in image.brokers.values()
            if not each.fenced and (endpoint := each.endpoint(context.listener)) is not None
        ],
        cluster_id=image.cluster_id,
        controller_id=broker.any_live_broker(),
        topics=[],
        cluster_authorized_operations=CLUSTER_OPERATIONS
        if request.include_cluster_authorized_operations
        else NOT_ASKED,
    )
    operations = TOPIC_OPERATIONS if request.include_topic_authorized_operations else NOT_ASKED
    asked = request.topics
    if asked is None or (context.api_version == 0 and not asked):
        response.topics = [describe(broker, topic, context.listener, operations) for topic in image.topics.values()]
        reply(response)
        return
    if (refused := ill_asked(asked, context.api_version)) is not None:
        reply(
            MetadataResponse(
                brokers=[],
                cluster_id=None,
                controller_id=-1,
                error_code=refused,
                topics=[absent(each.name or "", refused, each.topic_id) for each in asked],
                cluster_authorized_operations=NOT_ASKED,
            )
        )
        return
    missing: list[str] = []
    for each in asked_once(asked):
        by_id = each.topic_id != ZERO_UUID
        topic = image.topics.get(each.topic_id) if by_id else image.topic(each.name or "")
        if topic is not None:
            response.topics.append(describe(broker, topic, context.listener, operations))
        elif by_id:
            response.topics.append(absent(None, ErrorCode.UNKNOWN_TOPIC_ID, each.topic_id))
        else:
            name = each.name or ""
            try:
                check_name(name)
            except KafkaError as error:
                response.topics.append(absent(name, error.code))
                continue
            response.topics.append(absent(name, ErrorCode.UNKNOWN_TOPIC_OR_PARTITION))
            missing.append(name)
    if missing and request.allow_auto_topic_creation and broker.settings.auto_create_topics_enable:
        broker.create_topics_soon(missing)  # the client asks again, and finds them
    reply(response)


def ill_asked(asked: list[MetadataRequest.Topic], version: int) -> ErrorCode | None:
    """The error of a whole request in which ids and names do not go together: as Kafka, without brokers in the answer."""
    if version < BY_ID_SINCE:
        mixed = any(each.name is None or each.topic_id != ZERO_UUID for each in asked)
        return ErrorCode.INVALID_REQUEST if mixed else None
    nothing = any(each.name is None for each in asked) and all(each.topic_id == ZERO_UUID for each in asked)
    return ErrorCode.UNKNOWN_SERVER_ERROR if nothing else None


def asked_once(asked: list[MetadataRequest.Topic]) -> list[MetadataRequest.Topic]:
    """Each topic once; where one is asked by id, those by name are not looked at."""
    by_id = {each.topic_id: each for each in asked if each.topic_id != ZERO_UUID}
    return list(by_id.values()) or list({each.name: each for each in asked}.values())


def absent(name: str | None, error: ErrorCode, topic_id: bytes = ZERO_UUID) -> Topic:
    """A topic that was asked for and is not there."""
    return Topic(
        error_code=error,
        name=name,
        topic_id=topic_id,
        is_internal=name is not None and is_internal(name),
        partitions=[],
        topic_authorized_operations=NOT_ASKED,
    )


def describe(broker: Broker, topic: TopicImage, listener: str, operations: int) -> Topic:
    """A topic as clients of `listener` see it."""
    return Topic(
        error_code=ErrorCode.NONE,
        name=topic.name,
        topic_id=topic.id,
        is_internal=is_internal(topic.name),
        partitions=[
            describe_partition(broker, index, registration, listener)
            for index, registration in enumerate(topic.partitions)
        ],
        topic_authorized_operations=operations,
    )


def describe_partition(broker: Broker, index: int, registration: Registration, listener: str) -> Partition:
    """Its leader, unless that one is gone or not to be reached through `listener`."""
    brokers = broker.image.brokers
    leader = brokers.get(registration.leader)
    error = ErrorCode.NONE
    if leader is None or leader.fenced:
        error = ErrorCode.LEADER_NOT_AVAILABLE
    elif leader.endpoint(listener) is None:
        error = ErrorCode.LISTENER_NOT_FOUND
    return Partition(
        error_code=error,
        partition_index=index,
        leader_id=registration.leader if error is ErrorCode.NONE else -1,
        leader_epoch=registration.leader_epoch,
        replica_nodes=list(registration.replicas),
        isr_nodes=list(registration.isr),
        offline_replicas=[
            replica
            for replica in registration.replicas
            if (holder := brokers.get(replica)) is None
            or holder.fenced
            or not holder.has_online(registration.directory_of(replica))
        ],
    )
