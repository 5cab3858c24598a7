"""topics"""

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
    topics: list["Topic"]
    timeout_ms: Int32 = 60000
    validate_only: Boolean

    class Topic(Struct):
        name: String
        num_partitions: Int32
        replication_factor: Int16
        assignments: list["Assignment"]
        configs: list["Config"]

        class Assignment(Struct):
            partition_index: Int32
            broker_ids: list[Int32]

        class Config(Struct):
            name: String
            value: String | None


@message(api_key=19, versions="2-7", flexible="5+")
class CreateTopicsResponse(Struct):
    throttle_time_ms: Int32
    topics: list["Topic"]

    class Topic(Struct):
        name: String
        topic_id: Uuid = since(7)
        error_code: Int16
        error_message: String | None
        topic_config_error_code: Int16 = tagged(0, since=5)
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
    topics: list["Topic"] = since(6)
    topic_names: list[String] = until(5)
    timeout_ms: Int32

    class Topic(Struct):
        name: String | None
        topic_id: Uuid


@message(api_key=20, versions="1-6", flexible="4+")
class DeleteTopicsResponse(Struct):
    throttle_time_ms: Int32
    responses: list["Topic"]

    class Topic(Struct):
        name: String | None = nullable(6)
        topic_id: Uuid = since(6)
        error_code: Int16
        error_message: String | None = since(5)


@message(api_key=37, versions="0-3", flexible="2+")
class CreatePartitionsRequest(Struct):
    topics: list["Topic"]
    timeout_ms: Int32
    validate_only: Boolean

    class Topic(Struct):
        name: String
        count: Int32
        assignments: list["Assignment"] | None

        class Assignment(Struct):
            broker_ids: list[Int32]


@message(api_key=37, versions="0-3", flexible="2+")
class CreatePartitionsResponse(Struct):
    throttle_time_ms: Int32
    results: list["Topic"]

    class Topic(Struct):
        name: String
        error_code: Int16
        error_message: String | None


@message(api_key=21, versions="0-2", flexible="2+")
class DeleteRecordsRequest(Struct):
    topics: list["Topic"]
    timeout_ms: Int32

    class Topic(Struct):
        name: String
        partitions: list["Partition"]

        class Partition(Struct):
            partition_index: Int32
            offset: Int64


@message(api_key=21, versions="0-2", flexible="2+")
class DeleteRecordsResponse(Struct):
    throttle_time_ms: Int32
    topics: list["Topic"]

    class Topic(Struct):
        name: String
        partitions: list["Partition"]

        class Partition(Struct):
            partition_index: Int32
            low_watermark: Int64
            error_code: Int16


@message(api_key=43, versions="0-2", flexible="2+")
class ElectLeadersRequest(Struct):
    election_type: Int8 = since(1)
    topic_partitions: list["Topic"] | None
    timeout_ms: Int32 = 60000

    class Topic(Struct):
        topic: String
        partitions: list[Int32]


@message(api_key=43, versions="0-2", flexible="2+")
class ElectLeadersResponse(Struct):
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
    timeout_ms: Int32 = 60000
    allow_replication_factor_change: Boolean = since(1, default=True)
    topics: list["Topic"]

    class Topic(Struct):
        name: String
        partitions: list["Partition"]

        class Partition(Struct):
            partition_index: Int32
            replicas: list[Int32] | None


@message(api_key=45, versions="0-1", flexible="0+")
class AlterPartitionReassignmentsResponse(Struct):
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
    timeout_ms: Int32 = 60000
    topics: list["Topic"] | None

    class Topic(Struct):
        name: String
        partition_indexes: list[Int32]


@message(api_key=46, versions="0", flexible="0+")
class ListPartitionReassignmentsResponse(Struct):
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
