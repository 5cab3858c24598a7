"""offsets"""

from minikafka.wire.types import Boolean, Int16, Int32, Int64, String, Struct, Uuid, message, since, until


@message(api_key=8, versions="2-10", flexible="8+")
class OffsetCommitRequest(Struct):
    group_id: String
    generation_id_or_member_epoch: Int32 = -1
    member_id: String
    group_instance_id: String | None = since(7)
    retention_time_ms: Int64 = until(4, default=-1)
    topics: list["Topic"]

    class Topic(Struct):
        name: String = until(9)
        topic_id: Uuid = since(10)
        partitions: list["Partition"]

        class Partition(Struct):
            partition_index: Int32
            committed_offset: Int64
            committed_leader_epoch: Int32 = since(6, default=-1)
            committed_metadata: String | None


@message(api_key=8, versions="2-10", flexible="8+")
class OffsetCommitResponse(Struct):
    throttle_time_ms: Int32 = since(3)
    topics: list["Topic"]

    class Topic(Struct):
        name: String = until(9)
        topic_id: Uuid = since(10)
        partitions: list["Partition"]

        class Partition(Struct):
            partition_index: Int32
            error_code: Int16


@message(api_key=9, versions="1-10", flexible="6+")
class OffsetFetchRequest(Struct):
    group_id: String = until(7)
    topics: list["Topic"] | None = since(0, 7, nullable=2)
    groups: list["Group"] = since(8)
    require_stable: Boolean = since(7)

    class Topic(Struct):
        name: String = until(7)
        partition_indexes: list[Int32] = until(7)

    class Group(Struct):
        group_id: String
        member_id: String | None = since(9)
        member_epoch: Int32 = since(9, default=-1)
        topics: list["Topic"] | None

        class Topic(Struct):
            name: String = until(9)
            topic_id: Uuid = since(10)
            partition_indexes: list[Int32]


@message(api_key=9, versions="1-10", flexible="6+")
class OffsetFetchResponse(Struct):
    throttle_time_ms: Int32 = since(3)
    topics: list["Topic"] = until(7)
    error_code: Int16 = since(2, 7)
    groups: list["Group"] = since(8)

    class Topic(Struct):
        name: String = until(7)
        partitions: list["Partition"] = until(7)

        class Partition(Struct):
            partition_index: Int32 = until(7)
            committed_offset: Int64 = until(7)
            committed_leader_epoch: Int32 = since(5, 7, default=-1)
            metadata: String | None = until(7)
            error_code: Int16 = until(7)

    class Group(Struct):
        group_id: String
        topics: list["Topic"]
        error_code: Int16

        class Topic(Struct):
            name: String = until(9)
            topic_id: Uuid = since(10)
            partitions: list["Partition"]

            class Partition(Struct):
                partition_index: Int32
                committed_offset: Int64
                committed_leader_epoch: Int32 = -1
                metadata: String | None
                error_code: Int16


@message(api_key=47, versions="0")
class OffsetDeleteRequest(Struct):
    group_id: String
    topics: list["Topic"]

    class Topic(Struct):
        name: String
        partitions: list["Partition"]

        class Partition(Struct):
            partition_index: Int32


@message(api_key=47, versions="0")
class OffsetDeleteResponse(Struct):
    error_code: Int16
    throttle_time_ms: Int32
    topics: list["Topic"]

    class Topic(Struct):
        name: String
        partitions: list["Partition"]

        class Partition(Struct):
            partition_index: Int32
            error_code: Int16
