"""Metadata: which brokers there are, which partitions, who leads them.

What a client asks first, and again whenever an answer says that the leader is another.

Source: KIP-4 (creating while asking), KIP-430 (authorized operations), KIP-516 (topic ids), KIP-700 (DescribeCluster),
KIP-966 (DescribeTopicPartitions).
"""

from minikafka.wire.types import Boolean, Int8, Int16, Int32, String, Struct, Uuid, message, nullable, since


@message(api_key=3, versions="0-13", flexible="9+")
class MetadataRequest(Struct):
    """Tell me of these topics (None: all; in version 0 an empty list does), and of all brokers."""

    topics: list["Topic"] | None = nullable(1)
    allow_auto_topic_creation: Boolean = since(4, default=True)
    include_cluster_authorized_operations: Boolean = since(8, 10)
    include_topic_authorized_operations: Boolean = since(8)

    class Topic(Struct):
        topic_id: Uuid = since(10)  # ask by id, with name None (version 12)
        name: String | None = nullable(10)


@message(api_key=3, versions="0-13", flexible="9+")
class MetadataResponse(Struct):
    """Brokers and topics as the answering broker knows them."""

    throttle_time_ms: Int32 = since(3)
    brokers: list["Broker"]
    cluster_id: String | None = since(2)
    # a broker that takes what the controller decides, and forwards it
    controller_id: Int32 = since(1, default=-1)
    topics: list["Topic"]  # each with an error of its own
    # a bit per operation; the smallest int: not asked for
    cluster_authorized_operations: Int32 = since(8, 10, default=-(2**31))
    error_code: Int16 = since(13)

    class Broker(Struct):
        node_id: Int32
        host: String
        port: Int32
        rack: String | None = since(1)

    class Topic(Struct):
        error_code: Int16
        name: String | None = nullable(12)
        topic_id: Uuid = since(10)
        is_internal: Boolean = since(1)  # made by Kafka for itself, such as __consumer_offsets
        partitions: list["Partition"]
        topic_authorized_operations: Int32 = since(8, default=-(2**31))

        class Partition(Struct):
            error_code: Int16
            partition_index: Int32
            leader_id: Int32  # -1: none now
            leader_epoch: Int32 = since(7, default=-1)
            replica_nodes: list[Int32]  # the first is the preferred leader
            isr_nodes: list[Int32]
            offline_replicas: list[Int32] = since(5)


@message(api_key=75, versions="0", flexible="0+")
class DescribeTopicPartitionsRequest(Struct):
    """Topics in pages, for clusters whose metadata do not fit one answer; Java's admin client asks so."""

    topics: list["Topic"]
    response_partition_limit: Int32 = 2000
    cursor: "Cursor | None"  # where the last page ended

    class Topic(Struct):
        name: String

    class Cursor(Struct):
        topic_name: String
        partition_index: Int32


@message(api_key=75, versions="0", flexible="0+")
class DescribeTopicPartitionsResponse(Struct):
    """A page of partitions, in order of the topics' names."""

    throttle_time_ms: Int32
    topics: list["Topic"]
    next_cursor: "NextCursor | None"  # None: this was the last page

    class Topic(Struct):
        error_code: Int16
        name: String | None
        topic_id: Uuid
        is_internal: Boolean
        partitions: list["Partition"]
        topic_authorized_operations: Int32 = -(2**31)

        class Partition(Struct):
            error_code: Int16
            partition_index: Int32
            leader_id: Int32
            leader_epoch: Int32 = -1
            replica_nodes: list[Int32]
            isr_nodes: list[Int32]
            eligible_leader_replicas: list[Int32] | None  # may lead though not in sync (ELR)
            last_known_elr: list[Int32] | None  # the last ones, when ELR and ISR are empty
            offline_replicas: list[Int32]

    class NextCursor(Struct):
        topic_name: String
        partition_index: Int32


@message(api_key=60, versions="0-2", flexible="0+")
class DescribeClusterRequest(Struct):
    """The nodes alone, without a topic."""

    include_cluster_authorized_operations: Boolean
    endpoint_type: Int8 = since(1, default=1)  # 1: brokers, 2: controllers
    include_fenced_brokers: Boolean = since(2)


@message(api_key=60, versions="0-2", flexible="0+")
class DescribeClusterResponse(Struct):
    """The cluster's id, its nodes, and who takes controller requests."""

    throttle_time_ms: Int32
    error_code: Int16
    error_message: String | None
    endpoint_type: Int8 = since(1, default=1)
    cluster_id: String
    controller_id: Int32 = -1
    brokers: list["Broker"]
    cluster_authorized_operations: Int32 = -(2**31)

    class Broker(Struct):
        broker_id: Int32
        host: String
        port: Int32
        rack: String | None
        is_fenced: Boolean = since(2)
