"""Between the nodes of a cluster: brokers register with the controller, report, and ask it to change what all must know.

Clients never see these.

Source: KIP-497 (AlterPartition), KIP-590 (Envelope), KIP-631 (registration, heartbeats), KIP-730 (producer ids), KIP-858
(log folders), KIP-903 (broker epochs of the in-sync set), KIP-919 (registration of controllers).
"""

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
    """A broker has started: this is who it is, where it listens, what it can.

    It stays fenced (invisible to clients) until its heartbeats say that it has caught up.
    """

    broker_id: Int32
    cluster_id: String
    incarnation_id: Uuid  # new each time the process starts
    listeners: list["Listener"]
    features: list["Feature"]
    rack: String | None
    is_migrating_zk_broker: Boolean = since(1)
    log_dirs: list[Uuid] = since(2)  # the ids of its log folders
    # after a clean shutdown, to show that nothing is lost; else -1
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
    """The broker epoch: the offset of the registration in the metadata log."""

    throttle_time_ms: Int32
    error_code: Int16
    broker_epoch: Int64 = -1


@message(api_key=63, versions="0-1", flexible="0+")
class BrokerHeartbeatRequest(Struct):
    """A broker is alive, and this far in the metadata log."""

    broker_id: Int32
    broker_epoch: Int64 = -1
    current_metadata_offset: Int64
    want_fence: Boolean  # not ready yet, or no longer
    want_shut_down: Boolean  # move its leaderships away, please
    offline_log_dirs: list[Uuid] = tagged(0, since=1)  # folders whose disk failed


@message(api_key=63, versions="0-1", flexible="0+")
class BrokerHeartbeatResponse(Struct):
    """How the controller sees the broker."""

    throttle_time_ms: Int32
    error_code: Int16
    is_caught_up: Boolean
    is_fenced: Boolean = True
    should_shut_down: Boolean  # nothing is led there any more: it may go


@message(api_key=56, versions="2-3", flexible="0+")
class AlterPartitionRequest(Struct):
    """A leader asks to change the in-sync set of its partitions."""

    broker_id: Int32
    broker_epoch: Int64 = -1
    topics: list["Topic"]

    class Topic(Struct):
        topic_id: Uuid
        partitions: list["Partition"]

        class Partition(Struct):
            partition_index: Int32
            leader_epoch: Int32  # an old one is refused
            new_isr: list[Int32] = until(2)
            new_isr_with_epochs: list["BrokerState"] = since(3)
            leader_recovery_state: Int8  # 1: elected uncleanly, still recovering
            partition_epoch: Int32  # of the state that the change is based on

            class BrokerState(Struct):
                broker_id: Int32
                broker_epoch: Int64 = -1  # as of its fetches; -1: not checked


@message(api_key=56, versions="2-3", flexible="0+")
class AlterPartitionResponse(Struct):
    """The state of each partition after it."""

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
    """A block of producer ids, to hand out one by one."""

    broker_id: Int32
    broker_epoch: Int64 = -1


@message(api_key=67, versions="0", flexible="0+")
class AllocateProducerIdsResponse(Struct):
    """The block: from `producer_id_start`, `producer_id_len` of them."""

    throttle_time_ms: Int32
    error_code: Int16
    producer_id_start: Int64
    producer_id_len: Int32


@message(api_key=58, versions="0", flexible="0+")
class EnvelopeRequest(Struct):
    """A request of a client, passed on to the controller as it came, with who sent it."""

    request_data: Bytes  # the frame, header included, without its size
    request_principal: Bytes | None  # None: sent on behalf of the broker itself
    client_host_address: Bytes


@message(api_key=58, versions="0", flexible="0+")
class EnvelopeResponse(Struct):
    """The answer to pass back, header included; an error is of the envelope alone."""

    response_data: Bytes | None
    error_code: Int16


@message(api_key=70, versions="0", flexible="0+")
class ControllerRegistrationRequest(Struct):
    """A controller tells the active one where it listens and what it can."""

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
    """Whether that is known now."""

    throttle_time_ms: Int32
    error_code: Int16
    error_message: String | None


@message(api_key=73, versions="0", flexible="0+")
class AssignReplicasToDirsRequest(Struct):
    """A broker tells in which of its log folders partitions lie."""

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
    """An error per partition."""

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
