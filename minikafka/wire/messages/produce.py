"""produce"""

from minikafka.wire.types import Int16, Int32, Int64, Records, String, Struct, Uuid, message, since, tagged, until


@message(api_key=0, versions="3-13", flexible="9+")
class ProduceRequest(Struct):
    transactional_id: String | None
    acks: Int16
    timeout_ms: Int32
    topic_data: list["Topic"]

    class Topic(Struct):
        name: String = until(12)
        topic_id: Uuid = since(13)
        partition_data: list["Partition"]

        class Partition(Struct):
            index: Int32
            records: Records | None


@message(api_key=0, versions="3-13", flexible="9+")
class ProduceResponse(Struct):
    responses: list["Topic"]
    throttle_time_ms: Int32
    node_endpoints: list["NodeEndpoint"] = tagged(0, since=10)

    class Topic(Struct):
        name: String = until(12)
        topic_id: Uuid = since(13)
        partition_responses: list["Partition"]

        class Partition(Struct):
            index: Int32
            error_code: Int16
            base_offset: Int64
            log_append_time_ms: Int64 = -1
            log_start_offset: Int64 = since(5, default=-1)
            record_errors: list["RecordError"] = since(8)
            error_message: String | None = since(8)
            current_leader: "CurrentLeader | None" = tagged(0, since=10)

            class RecordError(Struct):
                batch_index: Int32
                batch_index_error_message: String | None

            class CurrentLeader(Struct):
                leader_id: Int32 = -1
                leader_epoch: Int32 = -1

    class NodeEndpoint(Struct):
        node_id: Int32
        host: String
        port: Int32
        rack: String | None
