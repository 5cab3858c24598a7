"""Groups: find the coordinator, and talk to it.

    FindCoordinator    any broker answers, from the metadata: the leader of the group's partition of __consumer_offsets,
                       which is created when the first one asks
    the others         only the coordinator does; NOT_COORDINATOR sends the client back to FindCoordinator

Each function here turns a request of any version into the newest form, hands it to the coordinator (groups/coordinator.py)
and its answer back.

Source: Kafka `KafkaApis` (`handleFindCoordinatorRequest`, `handleJoinGroupRequest` ...), `GroupCoordinatorService`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from minikafka.groups.coordinator import join_failed, sync_failed
from minikafka.groups.joining import Caller
from minikafka.groups.placement import partition_for
from minikafka.handlers.internal_topics import GROUP_OFFSETS
from minikafka.wire.errors import ErrorCode, KafkaError, error_named
from minikafka.wire.messages.groups import (
    DeleteGroupsRequest,
    DeleteGroupsResponse,
    DescribeGroupsRequest,
    DescribeGroupsResponse,
    FindCoordinatorRequest,
    FindCoordinatorResponse,
    HeartbeatRequest,
    HeartbeatResponse,
    JoinGroupRequest,
    JoinGroupResponse,
    LeaveGroupRequest,
    LeaveGroupResponse,
    ListGroupsRequest,
    ListGroupsResponse,
    SyncGroupRequest,
    SyncGroupResponse,
)

if TYPE_CHECKING:
    from minikafka.broker import Broker
    from minikafka.coordination import Coordinating
    from minikafka.server import RequestContext

GROUP, TRANSACTION = 0, 1
SEVERAL_KEYS_SINCE = 4  # of FindCoordinator
NULL_PROTOCOL_SINCE = 7  # of JoinGroup
PROTOCOL_TOLD_SINCE = 5  # of SyncGroup
SEVERAL_MEMBERS_SINCE = 3  # of LeaveGroup
NOT_ASKED = -(2**31)
GROUP_OPERATIONS = 0b1101_0100_1000
"""READ DELETE DESCRIBE DESCRIBE_CONFIGS ALTER_CONFIGS: everything, while nobody is refused."""


def coordinator_of(broker: Broker, group_id: str, *, may_be_empty: bool = False) -> Coordinating:
    """Raises KafkaError: 15 and 16 where it is not here, 24 for a group without a name."""
    if not group_id and not may_be_empty:
        raise KafkaError(ErrorCode.INVALID_GROUP_ID)
    if broker.coordination is None:
        raise KafkaError(ErrorCode.COORDINATOR_NOT_AVAILABLE)
    return broker.coordination.find(group_id)


# -- FindCoordinator ------------------------------------------------------------------------------------------------------


def find_coordinator(
    broker: Broker,
    request: FindCoordinatorRequest,
    context: RequestContext,
    reply: Callable[[FindCoordinatorResponse], None],
) -> None:
    """Several keys since version 4, one before; only the older ones have texts, as in Kafka."""
    if context.api_version >= SEVERAL_KEYS_SINCE:
        keys = request.coordinator_keys
        reply(FindCoordinatorResponse(coordinators=[locate(broker, key, request.key_type, context) for key in keys]))
        return
    found = locate(broker, request.key, request.key_type, context)
    reply(
        FindCoordinatorResponse(
            error_code=found.error_code,
            error_message=error_named(found.error_code).message or "NONE",
            node_id=found.node_id,
            host=found.host,
            port=found.port,
        )
    )


def locate(broker: Broker, key: str, key_type: int, context: RequestContext) -> FindCoordinatorResponse.Coordinator:
    """The broker that coordinates one group.

    Transactions have no coordinator yet: their clients are refused for good, for a retriable error would keep them asking.
    """
    if key_type == TRANSACTION:
        return nowhere(key, ErrorCode.TRANSACTIONAL_ID_AUTHORIZATION_FAILED)
    if key_type != GROUP:
        return nowhere(key, ErrorCode.INVALID_REQUEST)
    image = broker.image
    topic = image.topic(GROUP_OFFSETS)
    if topic is None:
        broker.create_topics_soon([GROUP_OFFSETS])
        return nowhere(key, ErrorCode.COORDINATOR_NOT_AVAILABLE)
    leader = image.brokers.get(topic.partitions[partition_for(key, len(topic.partitions))].leader)
    endpoint = leader.endpoint(context.listener) if leader is not None and not leader.fenced else None
    if leader is None or endpoint is None:
        return nowhere(key, ErrorCode.COORDINATOR_NOT_AVAILABLE)
    return FindCoordinatorResponse.Coordinator(
        key=key,
        node_id=leader.id,
        host=endpoint.host,
        port=endpoint.port,
        error_code=ErrorCode.NONE,
        error_message="",
    )


def nowhere(key: str, error: ErrorCode) -> FindCoordinatorResponse.Coordinator:
    return FindCoordinatorResponse.Coordinator(
        key=key, node_id=-1, host="", port=-1, error_code=error, error_message=""
    )


# -- members --------------------------------------------------------------------------------------------------------------


def join_group(
    broker: Broker, request: JoinGroupRequest, context: RequestContext, reply: Callable[[JoinGroupResponse], None]
) -> None:
    """Answered when the next generation begins."""

    def answer(response: JoinGroupResponse) -> None:
        if context.api_version < NULL_PROTOCOL_SINCE and response.protocol_name is None:
            response.protocol_name = ""
        reply(response)

    try:
        held = coordinator_of(broker, request.group_id)
    except KafkaError as error:
        answer(join_failed(error.code, request.member_id))
        return
    caller = Caller(context.client_id or "", context.client_host, context.api_version)
    held.coordinator.join(request, caller, held.moment(), answer)
    held.settle()


def sync_group(
    broker: Broker, request: SyncGroupRequest, context: RequestContext, reply: Callable[[SyncGroupResponse], None]
) -> None:
    """Answered when the leader has shared the work, and that is committed."""
    try:
        untold = request.protocol_type is None or request.protocol_name is None
        if context.api_version >= PROTOCOL_TOLD_SINCE and untold:
            raise KafkaError(ErrorCode.INCONSISTENT_GROUP_PROTOCOL)
        held = coordinator_of(broker, request.group_id)
    except KafkaError as error:
        reply(sync_failed(error.code))
        return
    held.coordinator.sync(request, held.moment(), reply)
    held.settle()


def heartbeat(
    broker: Broker, request: HeartbeatRequest, context: RequestContext, reply: Callable[[HeartbeatResponse], None]
) -> None:
    """Still here."""
    try:
        held = coordinator_of(broker, request.group_id)
    except KafkaError as error:
        reply(HeartbeatResponse(error_code=error.code))
        return
    reply(held.coordinator.heartbeat(request, held.moment()))
    held.settle()


def leave_group(
    broker: Broker, request: LeaveGroupRequest, context: RequestContext, reply: Callable[[LeaveGroupResponse], None]
) -> None:
    """Before version 3 one member, whose error is the answer's."""
    alone = context.api_version < SEVERAL_MEMBERS_SINCE
    if alone:
        request.members = [LeaveGroupRequest.Member(member_id=request.member_id, group_instance_id=None)]

    def answer(response: LeaveGroupResponse) -> None:
        if alone and response.error_code == ErrorCode.NONE:
            response = LeaveGroupResponse(error_code=response.members[0].error_code)
        reply(response)

    try:
        held = coordinator_of(broker, request.group_id)
    except KafkaError as error:
        answer(LeaveGroupResponse(error_code=error.code))
        return
    held.coordinator.leave(request, held.moment(), answer)
    held.settle()


# -- tools ----------------------------------------------------------------------------------------------------------------


def describe_groups(
    broker: Broker,
    request: DescribeGroupsRequest,
    context: RequestContext,
    reply: Callable[[DescribeGroupsResponse], None],
) -> None:
    """States and members of groups; each may have its own error."""
    groups = []
    for group_id in request.groups:
        try:
            held = coordinator_of(broker, group_id, may_be_empty=True)
        except KafkaError as error:
            groups.append(DescribeGroupsResponse.Group(error_code=error.code, group_id=group_id))
            continue
        group = held.coordinator.describe(group_id, context.api_version)
        if request.include_authorized_operations and group.error_code == ErrorCode.NONE:
            group.authorized_operations = GROUP_OPERATIONS
        groups.append(group)
    reply(DescribeGroupsResponse(groups=groups))


def list_groups(
    broker: Broker, request: ListGroupsRequest, context: RequestContext, reply: Callable[[ListGroupsResponse], None]
) -> None:
    """All that this broker coordinates; while one of its partitions is being read nobody can say (14)."""
    groups: list[ListGroupsResponse.Group] = []
    led = broker.coordination.led if broker.coordination is not None else {}
    try:
        for held in led.values():
            groups += held.coordinator.list_groups(request.states_filter, request.types_filter)
    except KafkaError as error:
        reply(ListGroupsResponse(error_code=error.code))
        return
    reply(ListGroupsResponse(error_code=ErrorCode.NONE, groups=groups))


def delete_groups(
    broker: Broker, request: DeleteGroupsRequest, context: RequestContext, reply: Callable[[DeleteGroupsResponse], None]
) -> None:
    """Answered when every deletion is committed, or refused."""
    names = list(dict.fromkeys(request.groups_names))
    results: dict[str, DeleteGroupsResponse.Group] = {}

    def deleted(result: DeleteGroupsResponse.Group) -> None:
        results[result.group_id] = result
        if len(results) == len(names):
            reply(DeleteGroupsResponse(results=[results[name] for name in names]))

    if not names:
        reply(DeleteGroupsResponse(results=[]))
    for name in names:
        try:
            held = coordinator_of(broker, name, may_be_empty=True)
        except KafkaError as error:
            deleted(DeleteGroupsResponse.Group(group_id=name, error_code=error.code))
            continue
        held.coordinator.delete_group(name, held.moment(), deleted)
        held.settle()
