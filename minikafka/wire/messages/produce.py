"""Produce: clients bring record batches to the leaders of partitions.

The batches cross the server as the bytes they are: `records` is a view of the frame, checked and stored, never taken apart
(records/batch.py knows what is in them).

Source: KIP-98 (version 3, batches of format 2), KIP-467 (8), KIP-951 (10), KIP-516 (13: topics by id).
"""

from minikafka.wire.types import Int16, Int32, Int64, Records, String, Struct, Uuid, message, since, tagged, until


@message(api_key=0, versions="3-13", flexible="9+")
class ProduceRequest(Struct):
    """Append record batches to partitions."""

    transactional_id: String | None
    acks: Int16  # -1: every in-sync replica has them; 1: the leader has; 0: no answer at all
    timeout_ms: Int32  # how long the leader may wait for the replicas
    topic_data: list["Topic"]

    class Topic(Struct):
        name: String = until(12)
        topic_id: Uuid = since(13)
        partition_data: list["Partition"]

        class Partition(Struct):
            index: Int32
            records: Records | None  # batches of format 2; Kafka takes exactly one


@message(api_key=0, versions="3-13", flexible="9+")
class ProduceResponse(Struct):
    """Where the batches of each partition went, or why not."""

    responses: list["Topic"]
    throttle_time_ms: Int32
    node_endpoints: list["NodeEndpoint"] = tagged(0, since=10)  # where the current leaders below are

    class Topic(Struct):
        name: String = until(12)
        topic_id: Uuid = since(13)
        partition_responses: list["Partition"]

        class Partition(Struct):
            index: Int32
            error_code: Int16
            base_offset: Int64
            log_append_time_ms: Int64 = -1  # -1 unless the topic stamps records as they come
            log_start_offset: Int64 = since(5, default=-1)
            record_errors: list["RecordError"] = since(8)
            error_message: String | None = since(8)
            # with NOT_LEADER_OR_FOLLOWER: who it is now
            current_leader: "CurrentLeader | None" = tagged(0, since=10)

            class RecordError(Struct):
                """A record for which its whole batch was refused."""

                batch_index: Int32  # its place among the records of the batch
                batch_index_error_message: String | None

            class CurrentLeader(Struct):
                leader_id: Int32 = -1
                leader_epoch: Int32 = -1

    class NodeEndpoint(Struct):
        node_id: Int32
        host: String
        port: Int32
        rack: String | None
