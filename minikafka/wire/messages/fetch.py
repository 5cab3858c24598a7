"""Fetch, and what else is asked of a log: consumers and followers read batches, look for offsets, compare epochs.

A follower is a consumer with a replica id: the offset it fetches from tells the leader what it has, which is all that
replication acknowledges.

Source: KIP-74 (size limits), KIP-101 and KIP-279 (leader epochs), KIP-227 (sessions), KIP-392 (nearest replica), KIP-516
(topic ids), KIP-595 (diverging epochs), KIP-903 (broker epochs of followers), KIP-951 (new leader in the answer).
"""

from minikafka.wire.types import Int8, Int16, Int32, Int64, Records, String, Struct, Uuid, message, since, tagged, until


@message(api_key=1, versions="4-18", flexible="12+")
class FetchRequest(Struct):
    """Read from partitions; wait up to `max_wait_ms` until there are `min_bytes`.

    A session (KIP-227) remembers the partitions, so that a request names only what changed.
    """

    cluster_id: String | None = tagged(0, since=12)  # of the metadata log alone
    replica_id: Int32 = until(14, default=-1)  # -1: a consumer
    replica_state: "ReplicaState | None" = tagged(1, since=15)  # None: a consumer
    max_wait_ms: Int32
    min_bytes: Int32
    max_bytes: Int32 = 2**31 - 1
    isolation_level: Int8  # 1: only what is committed
    session_id: Int32 = since(7)  # 0: none yet
    session_epoch: Int32 = since(7, default=-1)  # 0: begin a session, -1: without one, else counts requests
    topics: list["Topic"]
    forgotten_topics_data: list["ForgottenTopic"] = since(7)  # what the session should drop
    rack_id: String = since(11)  # of the consumer, for a replica near by

    class ReplicaState(Struct):
        """The follower that asks."""

        replica_id: Int32 = -1
        replica_epoch: Int64 = -1  # its broker epoch: an old one is not counted as in sync

    class Topic(Struct):
        topic: String = until(12)
        topic_id: Uuid = since(13)
        partitions: list["Partition"]

        class Partition(Struct):
            partition: Int32
            current_leader_epoch: Int32 = since(9, default=-1)  # -1: unknown; else it must be the leader's
            fetch_offset: Int64
            # of the record before fetch_offset, to find where logs part
            last_fetched_epoch: Int32 = since(12, default=-1)
            log_start_offset: Int64 = since(5, default=-1)  # of the follower
            partition_max_bytes: Int32
            replica_directory_id: Uuid = tagged(0, since=17)
            high_watermark: Int64 = tagged(1, since=18, default=2**63 - 1)  # that the follower knows

    class ForgottenTopic(Struct):
        topic: String = until(12)
        topic_id: Uuid = since(13)
        partitions: list[Int32]


@message(api_key=1, versions="4-18", flexible="12+")
class FetchResponse(Struct):
    """Batches as they lie in the log, the last one perhaps cut off."""

    throttle_time_ms: Int32
    error_code: Int16 = since(7)  # of the session
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
            last_stable_offset: Int64 = -1  # first offset of a transaction still open
            log_start_offset: Int64 = since(5, default=-1)
            # the follower must truncate: the logs agree up to here at most
            diverging_epoch: "DivergingEpoch | None" = tagged(0, since=12)
            current_leader: "CurrentLeader | None" = tagged(1, since=12)
            # the follower must load a snapshot first (metadata log)
            snapshot_id: "SnapshotId | None" = tagged(2, since=12)
            aborted_transactions: list["AbortedTransaction"] | None  # None: whoever asked reads uncommitted
            preferred_read_replica: Int32 = since(11, default=-1)  # -1: this one
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
    """Offsets by time: the first record at or after `timestamp`, or one of the special places."""

    replica_id: Int32  # -1: a consumer
    isolation_level: Int8 = since(2)
    topics: list["Topic"]
    timeout_ms: Int32 = since(10)  # for what must be looked up in tiered storage

    class Topic(Struct):
        name: String
        partitions: list["Partition"]

        class Partition(Struct):
            partition_index: Int32
            current_leader_epoch: Int32 = since(4, default=-1)
            timestamp: Int64  # ms; -1 end, -2 start, -3 largest timestamp, -4 local start, -5 last tiered


@message(api_key=2, versions="1-10", flexible="6+")
class ListOffsetsResponse(Struct):
    """Per partition the offset and the timestamp of the record found, -1 and -1 for none."""

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
    """Where did this epoch end in your log?  Asked to find the point from which two logs differ."""

    replica_id: Int32 = since(3, default=-2)  # -2: a consumer with no id to tell
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
    """The largest epoch not above the asked one, and its end."""

    throttle_time_ms: Int32
    topics: list["Topic"]

    class Topic(Struct):
        topic: String
        partitions: list["Partition"]

        class Partition(Struct):
            error_code: Int16
            partition: Int32
            leader_epoch: Int32 = -1
            end_offset: Int64 = -1  # the first offset of the next epoch, or the end of the log
