"""ListOffsets: where a partition begins and ends, and what was written from a time on.

    -1 latest      the high watermark; read_committed: the last stable offset; a follower or debugger: the log's end
    -2 earliest    the log start        -4 earliest local   the same, without tiered storage
    -3 max time    the offset of the largest timestamp
    -5 last tiered offset -1, without tiered storage
    >= 0           the first record whose timestamp is not less

A new leader whose high watermark is still below the start of its own reign does not say where the end is: it may be
behind what a consumer has read already (KIP-207).

Source: Kafka `ReplicaManager.fetchOffset`, `Partition.fetchOffsetForTimestamp`; KIP-79, KIP-207, KIP-734.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import TYPE_CHECKING

from minikafka.log.partition_log import TimedOffset
from minikafka.replication.partition import Partition
from minikafka.wire.errors import ErrorCode, KafkaError
from minikafka.wire.messages.fetch import ListOffsetsRequest, ListOffsetsResponse

if TYPE_CHECKING:
    from minikafka.broker import Broker
    from minikafka.server import RequestContext

Answer = ListOffsetsResponse.Topic.Partition
LATEST, EARLIEST, MAX_TIMESTAMP, EARLIEST_LOCAL, LATEST_TIERED = -1, -2, -3, -4, -5
LOWEST_OF_VERSION = {7: MAX_TIMESTAMP, 8: EARLIEST_LOCAL, 9: LATEST_TIERED, 10: LATEST_TIERED}
CONSUMER, DEBUGGER = -1, -2
READ_COMMITTED = 1
OFFSET_NOT_AVAILABLE_SINCE = 5


def list_offsets(
    broker: Broker, request: ListOffsetsRequest, context: RequestContext, reply: Callable[[ListOffsetsResponse], None]
) -> None:
    """An offset for each partition asked for; one asked for twice is refused, in one row."""
    asked_for = Counter((topic.name, asked.partition_index) for topic in request.topics for asked in topic.partitions)
    topics: dict[str, list[Answer]] = {}
    for topic in request.topics:
        answers = topics.setdefault(topic.name, [])
        for asked in topic.partitions:
            times = asked_for.pop((topic.name, asked.partition_index), 0)
            if not times:
                continue
            try:
                if times > 1:
                    raise KafkaError(ErrorCode.INVALID_REQUEST)
                answers.append(offset_for(broker, topic.name, asked, request, context.api_version))
            except KafkaError as error:
                answers.append(answer(asked.partition_index, error.code))
    reply(ListOffsetsResponse(topics=[ListOffsetsResponse.Topic(name=n, partitions=a) for n, a in topics.items()]))


def answer(index: int, error: ErrorCode, timestamp: int = -1, offset: int = -1, epoch: int = -1) -> Answer:
    return Answer(partition_index=index, error_code=error, timestamp=timestamp, offset=offset, leader_epoch=epoch)


def offset_for(
    broker: Broker, topic: str, asked: ListOffsetsRequest.Topic.Partition, request: ListOffsetsRequest, version: int
) -> Answer:
    """Raises KafkaError."""
    if asked.timestamp < LOWEST_OF_VERSION.get(version, EARLIEST):
        raise KafkaError(ErrorCode.UNSUPPORTED_VERSION)
    partition = broker.partition_named(topic, asked.partition_index)
    if request.replica_id != DEBUGGER:
        partition.check_leader(asked.current_leader_epoch)
    log = partition.log
    up_to = visible_end(partition, request)
    behind = request.replica_id == CONSUMER and partition.leading and log.high_watermark < partition.reign_start
    if behind and (asked.timestamp in (LATEST, MAX_TIMESTAMP) or asked.timestamp >= 0):
        known = version >= OFFSET_NOT_AVAILABLE_SINCE
        raise KafkaError(ErrorCode.OFFSET_NOT_AVAILABLE if known else ErrorCode.LEADER_NOT_AVAILABLE)
    index = asked.partition_index
    if asked.timestamp == LATEST:
        return answer(index, ErrorCode.NONE, offset=up_to, epoch=partition.leader_epoch)
    if asked.timestamp in (EARLIEST, EARLIEST_LOCAL):
        start = log.log_start_offset
        return answer(index, ErrorCode.NONE, offset=start, epoch=log.epochs.epoch_of(start))
    if asked.timestamp == LATEST_TIERED:
        return answer(index, ErrorCode.NONE)
    found: TimedOffset | None
    if asked.timestamp == MAX_TIMESTAMP:
        found = log.offset_of_max_timestamp()
    else:
        found = log.offset_for_time(asked.timestamp, up_to)
    if found is None or found.offset >= up_to:
        return answer(index, ErrorCode.NONE)
    return answer(index, ErrorCode.NONE, found.timestamp_ms, found.offset, found.leader_epoch)


def visible_end(partition: Partition, request: ListOffsetsRequest) -> int:
    """Up to where this one may see."""
    if request.replica_id != CONSUMER:
        return partition.log.log_end_offset
    if request.isolation_level == READ_COMMITTED:
        return partition.log.last_stable_offset
    return partition.log.high_watermark
