"""Producer ids, which make writing idempotent, and the transactions that stand on them.

A transaction is a producer id with an epoch, the partitions it wrote to, and markers in their logs when it ends.

Source: KIP-98, KIP-360 (epochs bumped by the client), KIP-447 (group metadata), KIP-664 (looking for hanging ones), KIP-890
(partitions added by Produce itself), KIP-939 (two-phase commit).
"""

from minikafka.wire.types import Boolean, Int16, Int32, Int64, String, Struct, message, since, until


@message(api_key=22, versions="0-6", flexible="2+")
class InitProducerIdRequest(Struct):
    """A producer id to be idempotent with.

    With a transactional id: the same id as last time, a higher epoch, and whatever was left open is ended.
    """

    transactional_id: String | None  # None: idempotent only
    transaction_timeout_ms: Int32
    producer_id: Int64 = since(3, default=-1)  # -1: none yet; else the epoch shall be raised
    producer_epoch: Int16 = since(3, default=-1)
    enable2_pc: Boolean = since(6)  # its transactions never time out: someone else decides
    keep_prepared_txn: Boolean = since(6)


@message(api_key=22, versions="0-6", flexible="2+")
class InitProducerIdResponse(Struct):
    """The id and its epoch."""

    throttle_time_ms: Int32
    error_code: Int16
    producer_id: Int64 = -1
    producer_epoch: Int16
    ongoing_txn_producer_id: Int64 = since(6, default=-1)
    ongoing_txn_producer_epoch: Int16 = since(6, default=-1)


@message(api_key=24, versions="0-5", flexible="3+")
class AddPartitionsToTxnRequest(Struct):
    """This transaction is about to write here.

    Up to version 3 from a producer; later from a leader that checks, or does it, for several transactions at once.
    """

    transactions: list["Transaction"] = since(4)
    v3_and_below_transactional_id: String = until(3)
    v3_and_below_producer_id: Int64 = until(3)
    v3_and_below_producer_epoch: Int16 = until(3)
    v3_and_below_topics: list["Topic"] = until(3)

    class Transaction(Struct):
        transactional_id: String
        producer_id: Int64
        producer_epoch: Int16
        verify_only: Boolean  # is it open and are the partitions in it?
        topics: list["AddPartitionsToTxnRequest.Topic"]

    class Topic(Struct):
        name: String
        partitions: list[Int32]


@message(api_key=24, versions="0-5", flexible="3+")
class AddPartitionsToTxnResponse(Struct):
    """An error per partition."""

    throttle_time_ms: Int32
    error_code: Int16 = since(4)
    results_by_transaction: list["Transaction"] = since(4)
    results_by_topic_v3_and_below: list["Topic"] = until(3)

    class Transaction(Struct):
        transactional_id: String
        topic_results: list["AddPartitionsToTxnResponse.Topic"]

    class Topic(Struct):
        name: String
        results_by_partition: list["AddPartitionsToTxnResponse.Partition"]

    class Partition(Struct):
        partition_index: Int32
        partition_error_code: Int16


@message(api_key=25, versions="0-4", flexible="3+")
class AddOffsetsToTxnRequest(Struct):
    """This transaction is about to commit offsets of a group: add its partition of __consumer_offsets."""

    transactional_id: String
    producer_id: Int64
    producer_epoch: Int16
    group_id: String


@message(api_key=25, versions="0-4", flexible="3+")
class AddOffsetsToTxnResponse(Struct):
    """Whether it was added."""

    throttle_time_ms: Int32
    error_code: Int16


@message(api_key=28, versions="0-5", flexible="3+")
class TxnOffsetCommitRequest(Struct):
    """Offsets that count when the transaction commits.  Goes to the coordinator of the group."""

    transactional_id: String
    group_id: String
    producer_id: Int64
    producer_epoch: Int16
    generation_id: Int32 = since(3, default=-1)  # -1: not a member
    member_id: String = since(3)
    group_instance_id: String | None = since(3)
    topics: list["Topic"]

    class Topic(Struct):
        name: String
        partitions: list["Partition"]

        class Partition(Struct):
            partition_index: Int32
            committed_offset: Int64
            committed_leader_epoch: Int32 = since(2, default=-1)
            committed_metadata: String | None


@message(api_key=28, versions="0-5", flexible="3+")
class TxnOffsetCommitResponse(Struct):
    """An error per partition."""

    throttle_time_ms: Int32
    topics: list["Topic"]

    class Topic(Struct):
        name: String
        partitions: list["Partition"]

        class Partition(Struct):
            partition_index: Int32
            error_code: Int16


@message(api_key=26, versions="0-5", flexible="3+")
class EndTxnRequest(Struct):
    """Commit, or abort."""

    transactional_id: String
    producer_id: Int64
    producer_epoch: Int16
    committed: Boolean


@message(api_key=26, versions="0-5", flexible="3+")
class EndTxnResponse(Struct):
    """Decided; the markers follow.  Version 5 brings the epoch for the next transaction."""

    throttle_time_ms: Int32
    error_code: Int16
    producer_id: Int64 = since(5, default=-1)
    producer_epoch: Int16 = since(5, default=-1)


@message(api_key=27, versions="1", flexible="1+")
class WriteTxnMarkersRequest(Struct):
    """From the coordinator to the leaders: write the end of these transactions into your logs."""

    markers: list["Marker"]

    class Marker(Struct):
        producer_id: Int64
        producer_epoch: Int16
        transaction_result: Boolean
        topics: list["Topic"]
        coordinator_epoch: Int32

        class Topic(Struct):
            name: String
            partition_indexes: list[Int32]


@message(api_key=27, versions="1", flexible="1+")
class WriteTxnMarkersResponse(Struct):
    """An error per partition."""

    markers: list["Marker"]

    class Marker(Struct):
        producer_id: Int64
        topics: list["Topic"]

        class Topic(Struct):
            name: String
            partitions: list["Partition"]

            class Partition(Struct):
                partition_index: Int32
                error_code: Int16


@message(api_key=61, versions="0", flexible="0+")
class DescribeProducersRequest(Struct):
    """Which producers are known to these partitions?"""

    topics: list["Topic"]

    class Topic(Struct):
        name: String
        partition_indexes: list[Int32]


@message(api_key=61, versions="0", flexible="0+")
class DescribeProducersResponse(Struct):
    """What a leader remembers of each producer."""

    throttle_time_ms: Int32
    topics: list["Topic"]

    class Topic(Struct):
        name: String
        partitions: list["Partition"]

        class Partition(Struct):
            partition_index: Int32
            error_code: Int16
            error_message: String | None
            active_producers: list["ActiveProducer"]

            class ActiveProducer(Struct):
                producer_id: Int64
                producer_epoch: Int32
                last_sequence: Int32 = -1
                last_timestamp: Int64 = -1
                coordinator_epoch: Int32
                current_txn_start_offset: Int64 = -1  # -1: no transaction is open


@message(api_key=65, versions="0", flexible="0+")
class DescribeTransactionsRequest(Struct):
    """The state of transactions, for tools."""

    transactional_ids: list[String]


@message(api_key=65, versions="0", flexible="0+")
class DescribeTransactionsResponse(Struct):
    """Per transactional id: its state and what it wrote to."""

    throttle_time_ms: Int32
    transaction_states: list["TransactionState"]

    class TransactionState(Struct):
        error_code: Int16
        transactional_id: String
        transaction_state: String
        transaction_timeout_ms: Int32
        transaction_start_time_ms: Int64
        producer_id: Int64
        producer_epoch: Int16
        topics: list["Topic"]

        class Topic(Struct):
            topic: String
            partitions: list[Int32]


@message(api_key=66, versions="0-2", flexible="0+")
class ListTransactionsRequest(Struct):
    """The transactions that the answering broker coordinates."""

    state_filters: list[String]
    producer_id_filters: list[Int64]
    duration_filter: Int64 = since(1, default=-1)  # open for longer than so many ms; -1: any
    transactional_id_pattern: String | None = since(2)


@message(api_key=66, versions="0-2", flexible="0+")
class ListTransactionsResponse(Struct):
    """Their ids and states."""

    throttle_time_ms: Int32
    error_code: Int16
    unknown_state_filters: list[String]
    transaction_states: list["TransactionState"]

    class TransactionState(Struct):
        transactional_id: String
        producer_id: Int64
        transaction_state: String
