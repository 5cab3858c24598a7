"""controller"""

from minikafka.wire.types import (
    Boolean,
    Bytes,
    Int8,
    Int16,
    Int32,
    Int64,
    String,
    Struct,
    UInt16,
    Uuid,
    message,
    since,
    tagged,
    until,
)


@message(api_key=62, versions="0-4", flexible="0+")
class BrokerRegistrationRequest(Struct):
    broker_id: Int32
    cluster_id: String
    incarnation_id: Uuid
    listeners: list["Listener"]
    features: list["Feature"]
    rack: String | None
    is_migrating_zk_broker: Boolean = since(1)
    log_dirs: list[Uuid] = since(2)
    previous_broker_epoch: Int64 = since(3, default=-1)

    class Listener(Struct):
        name: String
        host: String
        port: UInt16
        security_protocol: Int16

    class Feature(Struct):
        name: String
        min_supported_version: Int16
        max_supported_version: Int16


@message(api_key=62, versions="0-4", flexible="0+")
class BrokerRegistrationResponse(Struct):
    throttle_time_ms: Int32
    error_code: Int16
    broker_epoch: Int64 = -1


@message(api_key=63, versions="0-1", flexible="0+")
class BrokerHeartbeatRequest(Struct):
    broker_id: Int32
    broker_epoch: Int64 = -1
    current_metadata_offset: Int64
    want_fence: Boolean
    want_shut_down: Boolean
    offline_log_dirs: list[Uuid] = tagged(0, since=1)


@message(api_key=63, versions="0-1", flexible="0+")
class BrokerHeartbeatResponse(Struct):
    throttle_time_ms: Int32
    error_code: Int16
    is_caught_up: Boolean
    is_fenced: Boolean = True
    should_shut_down: Boolean


@message(api_key=56, versions="2-3", flexible="0+")
class AlterPartitionRequest(Struct):
    broker_id: Int32
    broker_epoch: Int64 = -1
    topics: list["Topic"]

    class Topic(Struct):
        topic_id: Uuid
        partitions: list["Partition"]

        class Partition(Struct):
            partition_index: Int32
            leader_epoch: Int32
            new_isr: list[Int32] = until(2)
            new_isr_with_epochs: list["BrokerState"] = since(3)
            leader_recovery_state: Int8
            partition_epoch: Int32

            class BrokerState(Struct):
                broker_id: Int32
                broker_epoch: Int64 = -1


@message(api_key=56, versions="2-3", flexible="0+")
class AlterPartitionResponse(Struct):
    throttle_time_ms: Int32
    error_code: Int16
    topics: list["Topic"]

    class Topic(Struct):
        topic_id: Uuid
        partitions: list["Partition"]

        class Partition(Struct):
            partition_index: Int32
            error_code: Int16
            leader_id: Int32
            leader_epoch: Int32
            isr: list[Int32]
            leader_recovery_state: Int8
            partition_epoch: Int32


@message(api_key=67, versions="0", flexible="0+")
class AllocateProducerIdsRequest(Struct):
    broker_id: Int32
    broker_epoch: Int64 = -1


@message(api_key=67, versions="0", flexible="0+")
class AllocateProducerIdsResponse(Struct):
    throttle_time_ms: Int32
    error_code: Int16
    producer_id_start: Int64
    producer_id_len: Int32


@message(api_key=58, versions="0", flexible="0+")
class EnvelopeRequest(Struct):
    request_data: Bytes
    request_principal: Bytes | None
    client_host_address: Bytes


@message(api_key=58, versions="0", flexible="0+")
class EnvelopeResponse(Struct):
    response_data: Bytes | None
    error_code: Int16


@message(api_key=70, versions="0", flexible="0+")
class ControllerRegistrationRequest(Struct):
    controller_id: Int32
    incarnation_id: Uuid
    zk_migration_ready: Boolean
    listeners: list["Listener"]
    features: list["Feature"]

    class Listener(Struct):
        name: String
        host: String
        port: UInt16
        security_protocol: Int16

    class Feature(Struct):
        name: String
        min_supported_version: Int16
        max_supported_version: Int16


@message(api_key=70, versions="0", flexible="0+")
class ControllerRegistrationResponse(Struct):
    throttle_time_ms: Int32
    error_code: Int16
    error_message: String | None


@message(api_key=73, versions="0", flexible="0+")
class AssignReplicasToDirsRequest(Struct):
    broker_id: Int32
    broker_epoch: Int64 = -1
    directories: list["Directory"]

    class Directory(Struct):
        id: Uuid
        topics: list["Topic"]

        class Topic(Struct):
            topic_id: Uuid
            partitions: list["Partition"]

            class Partition(Struct):
                partition_index: Int32


@message(api_key=73, versions="0", flexible="0+")
class AssignReplicasToDirsResponse(Struct):
    throttle_time_ms: Int32
    error_code: Int16
    directories: list["Directory"]

    class Directory(Struct):
        id: Uuid
        topics: list["Topic"]

        class Topic(Struct):
            topic_id: Uuid
            partitions: list["Partition"]

            class Partition(Struct):
                partition_index: Int32
                error_code: Int16
