"""What one partition gives to one fetch: records, watermarks, or the error that says why not.

The same for a consumer and for a follower, but for how far they may read: a consumer below the high watermark, a follower
up to the end.  A fetch that says which epoch its last record had is told when the log here departs from the reader's
(`diverging_epoch`, KIP-595): it then cuts its log, or a consumer knows that records it has read are gone.

Source: Kafka `ReplicaManager.readFromLog`, `Partition.fetchRecords`.
"""

from __future__ import annotations

from minikafka.replication.partition import Partition
from minikafka.wire.errors import ErrorCode, KafkaError
from minikafka.wire.messages.fetch import FetchResponse

Answer = FetchResponse.Topic.Partition
NO_RECORDS = b""


def failed(index: int, error: ErrorCode, *, log_start_offset: int = -1) -> Answer:
    """A partition's answer that carries an error."""
    return Answer(
        partition_index=index,
        error_code=error,
        high_watermark=-1,
        last_stable_offset=-1,
        log_start_offset=log_start_offset,
        aborted_transactions=None,
        records=NO_RECORDS,
    )


def where_logs_part(partition: Partition, fetch_offset: int, last_fetched_epoch: int) -> tuple[int, int] | None:
    """(epoch, end offset) here of the last epoch that reader and leader may share; None while their logs agree.

    A follower that knows an epoch above all of ours (only after an unclean election) is told our last one and our end.
    """
    log = partition.log
    epoch, end_offset = log.epochs.end_offset_for(last_fetched_epoch, log.log_end_offset)
    if epoch < 0:
        return log.epochs.latest, log.log_end_offset
    return (epoch, end_offset) if epoch < last_fetched_epoch or end_offset < fetch_offset else None


def read(
    partition: Partition,
    fetch_offset: int,
    max_bytes: int,
    *,
    current_leader_epoch: int = -1,
    last_fetched_epoch: int = -1,
    at_least_one: bool,
    follower: bool = False,
    leader_only: bool = True,
    committed_only: bool = False,
) -> Answer:
    """Read whole batches from `fetch_offset`; never raises for what a client can get wrong.

    leader_only      a replica that follows refuses; else it gives what it has below the watermark it knows (KIP-392)
    max_bytes        of records; the first batch is given whole even so, with `at_least_one`
    committed_only   isolation level read_committed: below the last stable offset, with what was aborted
    """
    log = partition.log
    try:
        partition.check_leader(current_leader_epoch, or_follower=not leader_only)
        if last_fetched_epoch >= 0:
            parting = where_logs_part(partition, fetch_offset, last_fetched_epoch)
            if parting is not None:
                if fetch_offset < log.log_start_offset or (last_fetched_epoch > log.epochs.latest and not follower):
                    raise KafkaError(ErrorCode.OFFSET_OUT_OF_RANGE)
                answer = failed(partition.index, ErrorCode.NONE, log_start_offset=log.log_start_offset)
                answer.high_watermark, answer.last_stable_offset = log.high_watermark, log.last_stable_offset
                answer.diverging_epoch = Answer.DivergingEpoch(epoch=parting[0], end_offset=parting[1])
                return answer
        up_to = log.log_end_offset if follower else log.high_watermark
        stable = log.last_stable_offset
        if committed_only and not follower:
            up_to = stable
        slice_ = log.read(fetch_offset, max_bytes, up_to, at_least_one)
    except KafkaError as error:
        # A follower that asked below our start learns where to begin; to clients -1 as Kafka has it.
        start = log.log_start_offset if follower and error.code is ErrorCode.OFFSET_OUT_OF_RANGE else -1
        return failed(partition.index, error.code, log_start_offset=start)
    return Answer(
        partition_index=partition.index,
        error_code=ErrorCode.NONE,
        high_watermark=log.high_watermark,
        last_stable_offset=stable,
        log_start_offset=log.log_start_offset,
        aborted_transactions=[] if committed_only else None,
        preferred_read_replica=-1,
        records=slice_.records,
    )
