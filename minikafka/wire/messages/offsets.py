"""Offsets: how far a group has read, kept by its coordinator.

Source: KIP-211 (retention), KIP-320 (leader epochs), KIP-447 (stable offsets), KIP-496 (OffsetDelete), KIP-709 (several
groups).
"""

from minikafka.wire.types import Boolean, Int16, Int32, Int64, String, Struct, Uuid, message, since, until


@message(api_key=8, versions="2-10", flexible="8+")
class OffsetCommitRequest(Struct):
    """Keep these offsets for the group.

    Alone (generation -1, no member) or as a member, which must be of the current generation.
    """

    group_id: String
    generation_id_or_member_epoch: Int32 = -1  # -1: not a member
    member_id: String
    group_instance_id: String | None = since(7)
    retention_time_ms: Int64 = until(4, default=-1)  # -1: as the broker is set
    topics: list["Topic"]

    class Topic(Struct):
        name: String = until(9)
        topic_id: Uuid = since(10)
        partitions: list["Partition"]

        class Partition(Struct):
            partition_index: Int32
            committed_offset: Int64  # of the next record to read
            committed_leader_epoch: Int32 = since(6, default=-1)  # of the last record read, -1: unknown
            committed_metadata: String | None  # any text of the client


@message(api_key=8, versions="2-10", flexible="8+")
class OffsetCommitResponse(Struct):
    """An error per partition."""

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
    """What offsets are kept?  `topics` None: all of the group's."""

    group_id: String = until(7)
    topics: list["Topic"] | None = since(1, 7, nullable=2)
    groups: list["Group"] = since(8)  # several groups at once
    require_stable: Boolean = since(7)  # wait, by UNSTABLE_OFFSET_COMMIT, for transactions that may change them

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
    """An offset of -1 where none is kept."""

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
    """Forget the offsets of partitions which the group no longer reads."""

    group_id: String
    topics: list["Topic"]

    class Topic(Struct):
        name: String
        partitions: list["Partition"]

        class Partition(Struct):
            partition_index: Int32


@message(api_key=47, versions="0")
class OffsetDeleteResponse(Struct):
    """An error per partition."""

    error_code: Int16
    throttle_time_ms: Int32
    topics: list["Topic"]

    class Topic(Struct):
        name: String
        partitions: list["Partition"]

        class Partition(Struct):
            partition_index: Int32
            error_code: Int16
