"""Groups: members find their coordinator, join, get their share, stay alive, leave; tools look at it.

The older protocol (JoinGroup, SyncGroup, Heartbeat, LeaveGroup) leaves the sharing to one of the clients: the coordinator
passes bytes between members.  The newer one (ConsumerGroupHeartbeat) shares on the server.

Source: KIP-62 (rebalance timeout), KIP-345 (static members), KIP-394 (member ids first), KIP-429 (cooperative),
KIP-848 (the newer protocol).
"""

from minikafka.wire.types import (
    Boolean,
    Bytes,
    Int8,
    Int16,
    Int32,
    String,
    Struct,
    Uuid,
    message,
    nullable,
    since,
    until,
)


@message(api_key=10, versions="0-6", flexible="3+")
class FindCoordinatorRequest(Struct):
    """Which broker coordinates this group (or transactional id)?"""

    key: String = until(3)
    key_type: Int8 = since(1)  # 0: group, 1: transaction, 2: share partition
    coordinator_keys: list[String] = since(4)  # several at once


@message(api_key=10, versions="0-6", flexible="3+")
class FindCoordinatorResponse(Struct):
    """The broker, once for the single key of old versions, or a list."""

    throttle_time_ms: Int32 = since(1)
    error_code: Int16 = until(3)
    error_message: String | None = since(1, 3)
    node_id: Int32 = until(3)
    host: String = until(3)
    port: Int32 = until(3)
    coordinators: list["Coordinator"] = since(4)

    class Coordinator(Struct):
        key: String
        node_id: Int32
        host: String
        port: Int32
        error_code: Int16
        error_message: String | None


@message(api_key=11, versions="0-9", flexible="6+")
class JoinGroupRequest(Struct):
    """Enter the group, or enter its next generation.

    The coordinator collects the members until the rebalance timeout, then answers all at once.
    """

    group_id: String
    session_timeout_ms: Int32  # silence after which the member is out
    # what a member may take to join again; before version 1 the session timeout
    rebalance_timeout_ms: Int32 = since(1, default=-1)
    member_id: String  # "" at first: the coordinator gives one
    group_instance_id: String | None = since(5)  # a static member: known by this name across restarts
    protocol_type: String  # "consumer" for consumers, "connect" for Connect
    protocols: list["Protocol"]  # ways to share that this member knows, the best first
    reason: String | None = since(8)

    class Protocol(Struct):
        name: String
        metadata: Bytes  # for consumers a ConsumerProtocolSubscription


@message(api_key=11, versions="0-9", flexible="6+")
class JoinGroupResponse(Struct):
    """The new generation.  The leader alone gets the members, and shares the work among them."""

    throttle_time_ms: Int32 = since(2)
    error_code: Int16
    generation_id: Int32 = -1
    protocol_type: String | None = since(7)
    protocol_name: String | None = nullable(7)
    leader: String
    skip_assignment: Boolean = since(9)  # the leader need not share again: nothing changed
    member_id: String
    members: list["Member"]

    class Member(Struct):
        member_id: String
        group_instance_id: String | None = since(5)
        metadata: Bytes


@message(api_key=14, versions="0-5", flexible="4+")
class SyncGroupRequest(Struct):
    """The leader brings everyone's share; the others come for theirs."""

    group_id: String
    generation_id: Int32
    member_id: String
    group_instance_id: String | None = since(3)
    protocol_type: String | None = since(5)
    protocol_name: String | None = since(5)
    assignments: list["Assignment"]

    class Assignment(Struct):
        member_id: String
        assignment: Bytes  # for consumers a ConsumerProtocolAssignment


@message(api_key=14, versions="0-5", flexible="4+")
class SyncGroupResponse(Struct):
    """The member's own share."""

    throttle_time_ms: Int32 = since(1)
    error_code: Int16
    protocol_type: String | None = since(5)
    protocol_name: String | None = since(5)
    assignment: Bytes


@message(api_key=12, versions="0-4", flexible="4+")
class HeartbeatRequest(Struct):
    """Still here."""

    group_id: String
    generation_id: Int32
    member_id: String
    group_instance_id: String | None = since(3)


@message(api_key=12, versions="0-4", flexible="4+")
class HeartbeatResponse(Struct):
    """REBALANCE_IN_PROGRESS asks the member to join again."""

    throttle_time_ms: Int32 = since(1)
    error_code: Int16


@message(api_key=13, versions="0-5", flexible="4+")
class LeaveGroupRequest(Struct):
    """Gone; from version 3 several at once, which is how tools remove static members."""

    group_id: String
    member_id: String = until(2)
    members: list["Member"] = since(3)

    class Member(Struct):
        member_id: String
        group_instance_id: String | None
        reason: String | None = since(5)


@message(api_key=13, versions="0-5", flexible="4+")
class LeaveGroupResponse(Struct):
    """An error for all, and since version 3 one for each."""

    throttle_time_ms: Int32 = since(1)
    error_code: Int16
    members: list["Member"] = since(3)

    class Member(Struct):
        member_id: String
        group_instance_id: String | None
        error_code: Int16


@message(api_key=15, versions="0-6", flexible="5+")
class DescribeGroupsRequest(Struct):
    """The state of groups, for tools."""

    groups: list[String]
    include_authorized_operations: Boolean = since(3)


@message(api_key=15, versions="0-6", flexible="5+")
class DescribeGroupsResponse(Struct):
    """Groups with their members.  A group that does not exist is "Dead", from version 6 an error."""

    throttle_time_ms: Int32 = since(1)
    groups: list["Group"]

    class Group(Struct):
        error_code: Int16
        error_message: String | None = since(6)
        group_id: String
        group_state: String
        protocol_type: String
        protocol_data: String
        members: list["Member"]
        authorized_operations: Int32 = since(3, default=-(2**31))

        class Member(Struct):
            member_id: String
            group_instance_id: String | None = since(4)
            client_id: String
            client_host: String
            member_metadata: Bytes
            member_assignment: Bytes


@message(api_key=16, versions="0-5", flexible="3+")
class ListGroupsRequest(Struct):
    """The groups that the answering broker coordinates."""

    states_filter: list[String] = since(4)  # "Stable", "Empty" ...; empty: all
    types_filter: list[String] = since(5)  # "classic", "consumer"; empty: all


@message(api_key=16, versions="0-5", flexible="3+")
class ListGroupsResponse(Struct):
    """Their names and kinds."""

    throttle_time_ms: Int32 = since(1)
    error_code: Int16
    groups: list["Group"]

    class Group(Struct):
        group_id: String
        protocol_type: String
        group_state: String = since(4)
        group_type: String = since(5)


@message(api_key=42, versions="0-2", flexible="2+")
class DeleteGroupsRequest(Struct):
    """Forget groups that have no members, and their offsets."""

    groups_names: list[String]


@message(api_key=42, versions="0-2", flexible="2+")
class DeleteGroupsResponse(Struct):
    """An error per group."""

    throttle_time_ms: Int32
    results: list["Group"]

    class Group(Struct):
        group_id: String
        error_code: Int16


@message(api_key=68, versions="0-1", flexible="0+")
class ConsumerGroupHeartbeatRequest(Struct):
    """Join, stay, report and leave, all in one (KIP-848).

    A field that is null, or -1, has not changed since the last one.
    """

    group_id: String
    member_id: String
    member_epoch: Int32  # 0: join, -1: leave, -2: a static member leaves for a while
    instance_id: String | None
    rack_id: String | None
    rebalance_timeout_ms: Int32 = -1
    subscribed_topic_names: list[String] | None
    subscribed_topic_regex: String | None = since(1)
    server_assignor: String | None
    topic_partitions: list["TopicPartitions"] | None

    class TopicPartitions(Struct):
        topic_id: Uuid
        partitions: list[Int32]


@message(api_key=68, versions="0-1", flexible="0+")
class ConsumerGroupHeartbeatResponse(Struct):
    """What the member should own now; `assignment` None: as before."""

    throttle_time_ms: Int32
    error_code: Int16
    error_message: String | None
    member_id: String | None
    member_epoch: Int32  # to be sent with the next one
    heartbeat_interval_ms: Int32
    assignment: "Assignment | None"

    class Assignment(Struct):
        topic_partitions: list["ConsumerGroupHeartbeatResponse.TopicPartitions"]

    class TopicPartitions(Struct):
        topic_id: Uuid
        partitions: list[Int32]


@message(api_key=69, versions="0-1", flexible="0+")
class ConsumerGroupDescribeRequest(Struct):
    """The state of groups of the newer kind."""

    group_ids: list[String]
    include_authorized_operations: Boolean


@message(api_key=69, versions="0-1", flexible="0+")
class ConsumerGroupDescribeResponse(Struct):
    """Each member with what it owns and what it shall own."""

    throttle_time_ms: Int32
    groups: list["Group"]

    class Group(Struct):
        error_code: Int16
        error_message: String | None
        group_id: String
        group_state: String
        group_epoch: Int32
        assignment_epoch: Int32
        assignor_name: String
        members: list["Member"]
        authorized_operations: Int32 = -(2**31)

        class Member(Struct):
            member_id: String
            instance_id: String | None
            rack_id: String | None
            member_epoch: Int32
            client_id: String
            client_host: String
            subscribed_topic_names: list[String]
            subscribed_topic_regex: String | None
            assignment: "ConsumerGroupDescribeResponse.Assignment"
            target_assignment: "ConsumerGroupDescribeResponse.Assignment"
            member_type: Int8 = since(1, default=-1)

    class Assignment(Struct):
        topic_partitions: list["ConsumerGroupDescribeResponse.TopicPartitions"]

    class TopicPartitions(Struct):
        topic_id: Uuid
        topic_name: String
        partitions: list[Int32]
