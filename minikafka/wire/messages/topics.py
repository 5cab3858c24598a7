"""Topics: made, deleted, widened, cut, and led by someone else; all but DeleteRecords decided by the controller.

Source: KIP-4, KIP-107 (DeleteRecords), KIP-195 (CreatePartitions), KIP-455 (reassignment), KIP-460 (ElectLeaders).
"""

from minikafka.wire.types import (
    Boolean,
    Int8,
    Int16,
    Int32,
    Int64,
    String,
    Struct,
    Uuid,
    message,
    nullable,
    since,
    tagged,
    until,
)


@message(api_key=19, versions="2-7", flexible="5+")
class CreateTopicsRequest(Struct):
    """Make topics, with a number of partitions or with every replica placed by hand."""

    topics: list["Topic"]
    timeout_ms: Int32 = 60000
    validate_only: Boolean  # say what would happen, and do nothing

    class Topic(Struct):
        name: String
        num_partitions: Int32  # -1: num.partitions, or as `assignments` say
        replication_factor: Int16  # -1: default.replication.factor, or as `assignments` say
        assignments: list["Assignment"]
        configs: list["Config"]

        class Assignment(Struct):
            """Where one partition lives."""

            partition_index: Int32
            broker_ids: list[Int32]  # the first is the preferred leader

        class Config(Struct):
            name: String
            value: String | None


@message(api_key=19, versions="2-7", flexible="5+")
class CreateTopicsResponse(Struct):
    """An error or what came of it, per topic."""

    throttle_time_ms: Int32
    topics: list["Topic"]

    class Topic(Struct):
        name: String
        topic_id: Uuid = since(7)
        error_code: Int16
        error_message: String | None
        topic_config_error_code: Int16 = tagged(0, since=5)  # why `configs` is missing
        num_partitions: Int32 = since(5, default=-1)
        replication_factor: Int16 = since(5, default=-1)
        configs: list["Config"] | None = since(5)

        class Config(Struct):
            name: String
            value: String | None
            read_only: Boolean
            config_source: Int8 = -1
            is_sensitive: Boolean


@message(api_key=20, versions="1-6", flexible="4+")
class DeleteTopicsRequest(Struct):
    """Delete by name, since version 6 also by id."""

    topics: list["Topic"] = since(6)
    topic_names: list[String] = until(5)  # since version 6 in `topics`
    timeout_ms: Int32

    class Topic(Struct):
        name: String | None
        topic_id: Uuid


@message(api_key=20, versions="1-6", flexible="4+")
class DeleteTopicsResponse(Struct):
    """An error per topic."""

    throttle_time_ms: Int32
    responses: list["Topic"]

    class Topic(Struct):
        name: String | None = nullable(6)
        topic_id: Uuid = since(6)
        error_code: Int16
        error_message: String | None = since(5)


@message(api_key=37, versions="0-3", flexible="2+")
class CreatePartitionsRequest(Struct):
    """Widen topics; keys move to other partitions from then on."""

    topics: list["Topic"]
    timeout_ms: Int32
    validate_only: Boolean

    class Topic(Struct):
        name: String
        count: Int32  # how many there shall be in all
        assignments: list["Assignment"] | None  # one per added partition, None: the controller places them

        class Assignment(Struct):
            broker_ids: list[Int32]


@message(api_key=37, versions="0-3", flexible="2+")
class CreatePartitionsResponse(Struct):
    """An error per topic."""

    throttle_time_ms: Int32
    results: list["Topic"]

    class Topic(Struct):
        name: String
        error_code: Int16
        error_message: String | None


@message(api_key=21, versions="0-2", flexible="2+")
class DeleteRecordsRequest(Struct):
    """Forget all records before an offset."""

    topics: list["Topic"]
    timeout_ms: Int32

    class Topic(Struct):
        name: String
        partitions: list["Partition"]

        class Partition(Struct):
            partition_index: Int32
            offset: Int64  # -1: the high watermark


@message(api_key=21, versions="0-2", flexible="2+")
class DeleteRecordsResponse(Struct):
    """The start of each log after that."""

    throttle_time_ms: Int32
    topics: list["Topic"]

    class Topic(Struct):
        name: String
        partitions: list["Partition"]

        class Partition(Struct):
            partition_index: Int32
            low_watermark: Int64  # the smallest start over all replicas alive
            error_code: Int16


@message(api_key=43, versions="0-2", flexible="2+")
class ElectLeadersRequest(Struct):
    """Elect leaders again; `topic_partitions` None: wherever it is due."""

    election_type: Int8 = since(1)  # 0: the preferred replica, 1: any that is alive, at the price of records
    topic_partitions: list["Topic"] | None
    timeout_ms: Int32 = 60000

    class Topic(Struct):
        topic: String
        partitions: list[Int32]


@message(api_key=43, versions="0-2", flexible="2+")
class ElectLeadersResponse(Struct):
    """An error per partition, ELECTION_NOT_NEEDED where all is well."""

    throttle_time_ms: Int32
    error_code: Int16 = since(1)
    replica_election_results: list["Topic"]

    class Topic(Struct):
        topic: String
        partition_result: list["Partition"]

        class Partition(Struct):
            partition_id: Int32
            error_code: Int16
            error_message: String | None


@message(api_key=45, versions="0-1", flexible="0+")
class AlterPartitionReassignmentsRequest(Struct):
    """Move partitions to other brokers, or stop moving."""

    timeout_ms: Int32 = 60000
    allow_replication_factor_change: Boolean = since(1, default=True)
    topics: list["Topic"]

    class Topic(Struct):
        name: String
        partitions: list["Partition"]

        class Partition(Struct):
            partition_index: Int32
            replicas: list[Int32] | None  # None: stop what is under way


@message(api_key=45, versions="0-1", flexible="0+")
class AlterPartitionReassignmentsResponse(Struct):
    """An error per partition."""

    throttle_time_ms: Int32
    allow_replication_factor_change: Boolean = since(1, default=True)
    error_code: Int16
    error_message: String | None
    responses: list["Topic"]

    class Topic(Struct):
        name: String
        partitions: list["Partition"]

        class Partition(Struct):
            partition_index: Int32
            error_code: Int16
            error_message: String | None


@message(api_key=46, versions="0", flexible="0+")
class ListPartitionReassignmentsRequest(Struct):
    """What is being moved?  `topics` None: anything."""

    timeout_ms: Int32 = 60000
    topics: list["Topic"] | None

    class Topic(Struct):
        name: String
        partition_indexes: list[Int32]


@message(api_key=46, versions="0", flexible="0+")
class ListPartitionReassignmentsResponse(Struct):
    """The replicas of each moving partition: all, those to come, those to go."""

    throttle_time_ms: Int32
    error_code: Int16
    error_message: String | None
    topics: list["Topic"]

    class Topic(Struct):
        name: String
        partitions: list["Partition"]

        class Partition(Struct):
            partition_index: Int32
            replicas: list[Int32]
            adding_replicas: list[Int32]
            removing_replicas: list[Int32]
