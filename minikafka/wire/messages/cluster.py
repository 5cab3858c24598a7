"""What clients and tools ask of the cluster as a whole: the versions it speaks, its disks, its quorum, its features.

Source: KIP-35 and KIP-511 (ApiVersions), KIP-113 and KIP-827 (log folders), KIP-584 (features), KIP-595 and KIP-836 (quorum).
"""

from minikafka.wire.types import (
    Boolean,
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


@message(api_key=18, versions="0-4", flexible="3+")
class ApiVersionsRequest(Struct):
    """The first question on a connection: what do you speak?  From version 3 it says who asks."""

    client_software_name: String = since(3)
    client_software_version: String = since(3)


@message(api_key=18, versions="0-4", flexible="3+")
class ApiVersionsResponse(Struct):
    """Every API that is offered, with the versions; since version 3 also features.

    An unknown version of the question is answered in version 0 with UNSUPPORTED_VERSION.
    """

    error_code: Int16
    api_keys: list["Api"]
    throttle_time_ms: Int32 = since(1)
    supported_features: list["SupportedFeature"] = tagged(0, since=3)
    finalized_features_epoch: Int64 = tagged(1, since=3, default=-1)  # -1: unknown
    finalized_features: list["FinalizedFeature"] = tagged(2, since=3)
    zk_migration_ready: Boolean = tagged(3, since=3)  # of the time when ZooKeeper was left behind

    class Api(Struct):
        api_key: Int16
        min_version: Int16
        max_version: Int16

    class SupportedFeature(Struct):
        name: String
        min_version: Int16
        max_version: Int16

    class FinalizedFeature(Struct):
        name: String
        max_version_level: Int16
        min_version_level: Int16


@message(api_key=35, versions="1-4", flexible="2+")
class DescribeLogDirsRequest(Struct):
    """What lies in the log folders of the broker?  `topics` None: everything."""

    topics: list["Topic"] | None

    class Topic(Struct):
        topic: String
        partitions: list[Int32]


@message(api_key=35, versions="1-4", flexible="2+")
class DescribeLogDirsResponse(Struct):
    """Sizes per folder and partition."""

    throttle_time_ms: Int32
    error_code: Int16 = since(3)
    results: list["LogDir"]

    class LogDir(Struct):
        error_code: Int16
        log_dir: String
        topics: list["Topic"]
        total_bytes: Int64 = since(4, default=-1)  # of the disk; -1: unknown
        usable_bytes: Int64 = since(4, default=-1)

        class Topic(Struct):
            name: String
            partitions: list["Partition"]

            class Partition(Struct):
                partition_index: Int32
                partition_size: Int64
                offset_lag: Int64  # behind the high watermark, or behind the current log for a future one
                is_future_key: Boolean  # being moved here from another folder


@message(api_key=55, versions="0-2", flexible="0+")
class DescribeQuorumRequest(Struct):
    """How does the metadata log stand?"""

    topics: list["Topic"]

    class Topic(Struct):
        topic_name: String
        partitions: list["Partition"]

        class Partition(Struct):
            partition_index: Int32


@message(api_key=55, versions="0-2", flexible="0+")
class DescribeQuorumResponse(Struct):
    """Leader, epoch, and how far voters and observers have got."""

    error_code: Int16
    error_message: String | None = since(2)
    topics: list["Topic"]
    nodes: list["Node"] = since(2)

    class Topic(Struct):
        topic_name: String
        partitions: list["Partition"]

        class Partition(Struct):
            partition_index: Int32
            error_code: Int16
            error_message: String | None = since(2)
            leader_id: Int32
            leader_epoch: Int32
            high_watermark: Int64
            current_voters: list["DescribeQuorumResponse.ReplicaState"]
            observers: list["DescribeQuorumResponse.ReplicaState"]

    class Node(Struct):
        node_id: Int32
        listeners: list["Listener"]

        class Listener(Struct):
            name: String
            host: String
            port: UInt16

    class ReplicaState(Struct):
        replica_id: Int32
        replica_directory_id: Uuid = since(2)
        log_end_offset: Int64
        last_fetch_timestamp: Int64 = since(1, default=-1)
        last_caught_up_timestamp: Int64 = since(1, default=-1)


@message(api_key=57, versions="0-2", flexible="0+")
class UpdateFeaturesRequest(Struct):
    """Raise or lower the levels of features for the whole cluster."""

    timeout_ms: Int32 = 60000
    feature_updates: list["FeatureUpdate"]
    validate_only: Boolean = since(1)

    class FeatureUpdate(Struct):
        feature: String
        max_version_level: Int16
        allow_downgrade: Boolean = until(0)
        upgrade_type: Int8 = since(1, default=1)  # 1: upgrade, 2: downgrade without loss, 3: with loss


@message(api_key=57, versions="0-2", flexible="0+")
class UpdateFeaturesResponse(Struct):
    """An error; up to version 1 one per feature."""

    throttle_time_ms: Int32
    error_code: Int16
    error_message: String | None
    results: list["Result"] = until(1)

    class Result(Struct):
        feature: String
        error_code: Int16
        error_message: String | None


@message(api_key=64, versions="0", flexible="0+")
class UnregisterBrokerRequest(Struct):
    """Forget a broker that will not come back."""

    broker_id: Int32


@message(api_key=64, versions="0", flexible="0+")
class UnregisterBrokerResponse(Struct):
    """Whether it was forgotten."""

    throttle_time_ms: Int32
    error_code: Int16
    error_message: String | None
