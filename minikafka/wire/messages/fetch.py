"""fetch"""

from minikafka.wire.types import Int8, Int16, Int32, Int64, Records, String, Struct, Uuid, message, since, tagged, until


@message(api_key=1, versions="4-18", flexible="12+")
class FetchRequest(Struct):
    cluster_id: String | None = tagged(0, since=12)
    replica_id: Int32 = until(14, default=-1)
    replica_state: "ReplicaState | None" = tagged(1, since=15)
    max_wait_ms: Int32
    min_bytes: Int32
    max_bytes: Int32 = 2**31 - 1
    isolation_level: Int8
    session_id: Int32 = since(7)
    session_epoch: Int32 = since(7, default=-1)
    topics: list["Topic"]
    forgotten_topics_data: list["ForgottenTopic"] = since(7)
    rack_id: String = since(11)

    class ReplicaState(Struct):
        replica_id: Int32 = -1
        replica_epoch: Int64 = -1

    class Topic(Struct):
        topic: String = until(12)
        topic_id: Uuid = since(13)
        partitions: list["Partition"]

        class Partition(Struct):
            partition: Int32
            current_leader_epoch: Int32 = since(9, default=-1)
            fetch_offset: Int64
            last_fetched_epoch: Int32 = since(12, default=-1)
            log_start_offset: Int64 = since(5, default=-1)
            partition_max_bytes: Int32
            replica_directory_id: Uuid = tagged(0, since=17)
            high_watermark: Int64 = tagged(1, since=18, default=2**63 - 1)

    class ForgottenTopic(Struct):
        topic: String = until(12)
        topic_id: Uuid = since(13)
        partitions: list[Int32]


@message(api_key=1, versions="4-18", flexible="12+")
class FetchResponse(Struct):
    throttle_time_ms: Int32
    error_code: Int16 = since(7)
    session_id: Int32 = since(7)
    responses: list["Topic"]
    node_endpoints: list["NodeEndpoint"] = tagged(0, since=16)

    class Topic(Struct):
        topic: String = until(12)
        topic_id: Uuid = since(13)
        partitions: list["Partition"]

        class Partition(Struct):
            partition_index: Int32
            error_code: Int16
            high_watermark: Int64
            last_stable_offset: Int64 = -1
            log_start_offset: Int64 = since(5, default=-1)
            diverging_epoch: "DivergingEpoch | None" = tagged(0, since=12)
            current_leader: "CurrentLeader | None" = tagged(1, since=12)
            snapshot_id: "SnapshotId | None" = tagged(2, since=12)
            aborted_transactions: list["AbortedTransaction"] | None
            preferred_read_replica: Int32 = since(11, default=-1)
            records: Records | None

            class DivergingEpoch(Struct):
                epoch: Int32 = -1
                end_offset: Int64 = -1

            class CurrentLeader(Struct):
                leader_id: Int32 = -1
                leader_epoch: Int32 = -1

            class SnapshotId(Struct):
                end_offset: Int64 = -1
                epoch: Int32 = -1

            class AbortedTransaction(Struct):
                producer_id: Int64
                first_offset: Int64

    class NodeEndpoint(Struct):
        node_id: Int32
        host: String
        port: Int32
        rack: String | None


@message(api_key=2, versions="1-10", flexible="6+")
class ListOffsetsRequest(Struct):
    replica_id: Int32
    isolation_level: Int8 = since(2)
    topics: list["Topic"]
    timeout_ms: Int32 = since(10)

    class Topic(Struct):
        name: String
        partitions: list["Partition"]

        class Partition(Struct):
            partition_index: Int32
            current_leader_epoch: Int32 = since(4, default=-1)
            timestamp: Int64


@message(api_key=2, versions="1-10", flexible="6+")
class ListOffsetsResponse(Struct):
    throttle_time_ms: Int32 = since(2)
    topics: list["Topic"]

    class Topic(Struct):
        name: String
        partitions: list["Partition"]

        class Partition(Struct):
            partition_index: Int32
            error_code: Int16
            timestamp: Int64 = -1
            offset: Int64 = -1
            leader_epoch: Int32 = since(4, default=-1)


@message(api_key=23, versions="2-4", flexible="4+")
class OffsetForLeaderEpochRequest(Struct):
    replica_id: Int32 = since(3, default=-2)
    topics: list["Topic"]

    class Topic(Struct):
        topic: String
        partitions: list["Partition"]

        class Partition(Struct):
            partition: Int32
            current_leader_epoch: Int32 = -1
            leader_epoch: Int32


@message(api_key=23, versions="2-4", flexible="4+")
class OffsetForLeaderEpochResponse(Struct):
    throttle_time_ms: Int32
    topics: list["Topic"]

    class Topic(Struct):
        topic: String
        partitions: list["Partition"]

        class Partition(Struct):
            error_code: Int16
            partition: Int32
            leader_epoch: Int32 = -1
            end_offset: Int64 = -1
