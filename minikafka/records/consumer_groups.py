"""Groups of the newer protocol (KIP-848) as records of __consumer_offsets: what tools meet in Kafka's logs.

The server does the sharing there, so it writes down each step: who is a member, which share each shall have (the target),
and which it has by now.

Source: KIP-848, and the definitions in Apache Kafka 4.1.1.  coordinator.py holds the codec and the older protocol.
"""

from minikafka.records.coordinator import key, value
from minikafka.wire.types import Bytes, Int8, Int32, Int64, String, Struct, Uuid, tagged


@key(type=3)
class ConsumerGroupMetadataKey(Struct):
    """The epoch of a group of the newer protocol (KIP-848)."""

    group_id: String


@value(type=3, versions="0", flexible="0+")
class ConsumerGroupMetadataValue(Struct):
    epoch: Int32
    metadata_hash: Int64 = tagged(0)


@key(type=5)
class ConsumerGroupMemberMetadataKey(Struct):
    """A member of such a group."""

    group_id: String
    member_id: String


@value(type=5, versions="0", flexible="0+")
class ConsumerGroupMemberMetadataValue(Struct):
    instance_id: String | None
    rack_id: String | None
    client_id: String
    client_host: String
    subscribed_topic_names: list[String]
    subscribed_topic_regex: String | None
    rebalance_timeout_ms: Int32 = -1
    server_assignor: String | None
    classic_member_metadata: "ClassicMemberMetadata | None" = tagged(0, nullable=True)

    class ClassicMemberMetadata(Struct):
        session_timeout_ms: Int32
        supported_protocols: list["SupportedProtocol"]

        class SupportedProtocol(Struct):
            name: String
            metadata: Bytes


@key(type=6)
class ConsumerGroupTargetAssignmentMetadataKey(Struct):
    """For which epoch the shares were worked out."""

    group_id: String


@value(type=6, versions="0", flexible="0+")
class ConsumerGroupTargetAssignmentMetadataValue(Struct):
    assignment_epoch: Int32


@key(type=7)
class ConsumerGroupTargetAssignmentMemberKey(Struct):
    """The share that a member shall have."""

    group_id: String
    member_id: String


@value(type=7, versions="0", flexible="0+")
class ConsumerGroupTargetAssignmentMemberValue(Struct):
    topic_partitions: list["TopicPartitions"]

    class TopicPartitions(Struct):
        topic_id: Uuid
        partitions: list[Int32]


@key(type=8)
class ConsumerGroupCurrentMemberAssignmentKey(Struct):
    """The share that a member has."""

    group_id: String
    member_id: String


@value(type=8, versions="0", flexible="0+")
class ConsumerGroupCurrentMemberAssignmentValue(Struct):
    member_epoch: Int32
    previous_member_epoch: Int32
    state: Int8
    assigned_partitions: list["TopicPartitions"]
    partitions_pending_revocation: list["TopicPartitions"]

    class TopicPartitions(Struct):
        topic_id: Uuid
        partitions: list[Int32]


@key(type=16)
class ConsumerGroupRegularExpressionKey(Struct):
    """A pattern that members subscribe to."""

    group_id: String
    regular_expression: String


@value(type=16, versions="0", flexible="0+")
class ConsumerGroupRegularExpressionValue(Struct):
    topics: list[String]
    version: Int64
    timestamp: Int64


@key(type=4)
class ConsumerGroupPartitionMetadataKey(Struct):
    """What the group knew of the partitions it reads; no longer written."""

    group_id: String


@value(type=4, versions="0", flexible="0+")
class ConsumerGroupPartitionMetadataValue(Struct):
    topics: list["Topic"]

    class Topic(Struct):
        topic_id: Uuid
        topic_name: String
        num_partitions: Int32
        partition_metadata: list["PartitionMetadata"]

        class PartitionMetadata(Struct):
            partition: Int32
            racks: list[String]
