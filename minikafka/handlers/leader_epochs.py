"""OffsetForLeaderEpoch: where did that reign end?  A consumer that finds its position beyond it has read what is gone.

Source: KIP-101, KIP-320; Kafka `Partition.lastOffsetForLeaderEpoch`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from minikafka.wire.errors import ErrorCode, KafkaError
from minikafka.wire.messages.fetch import OffsetForLeaderEpochRequest, OffsetForLeaderEpochResponse

if TYPE_CHECKING:
    from minikafka.broker import Broker
    from minikafka.server import RequestContext

Topic = OffsetForLeaderEpochResponse.Topic
Answer = OffsetForLeaderEpochResponse.Topic.Partition


def offset_for_leader_epoch(
    broker: Broker,
    request: OffsetForLeaderEpochRequest,
    context: RequestContext,
    reply: Callable[[OffsetForLeaderEpochResponse], None],
) -> None:
    """For each partition: the largest epoch not above the one asked for, and the offset after its last record."""
    topics = []
    for topic in request.topics:
        answers = []
        for asked in topic.partitions:
            answer = Answer(error_code=ErrorCode.NONE, partition=asked.partition, leader_epoch=-1, end_offset=-1)
            try:
                partition = broker.partition_named(topic.topic, asked.partition)
                partition.check_leader(asked.current_leader_epoch)
                log = partition.log
                answer.leader_epoch, answer.end_offset = log.epochs.end_offset_for(
                    asked.leader_epoch, log.log_end_offset
                )
            except KafkaError as error:
                answer.error_code = error.code
            answers.append(answer)
        topics.append(Topic(topic=topic.topic, partitions=answers))
    reply(OffsetForLeaderEpochResponse(topics=topics))
