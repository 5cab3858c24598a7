"""Produce: batches in, offsets out.

    frame -> [topic -> [partition -> records]] -> Partition.append -> acks=0   nothing is sent back
                                                                      acks=1   the offset, at once
                                                                      acks=-1  the offset, when the high watermark has passed it

The records are a view of the frame they came in: the log stamps offsets into it and writes it, once for each partition.

Source: Kafka `KafkaApis.handleProduceRequest`, `ReplicaManager.appendRecords`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from minikafka.handlers.internal_topics import is_internal
from minikafka.log.partition_log import Appended
from minikafka.replication.waiting import WaitingProduce
from minikafka.wire.errors import ErrorCode, KafkaError
from minikafka.wire.messages.produce import ProduceRequest, ProduceResponse

if TYPE_CHECKING:
    from minikafka.broker import Broker
    from minikafka.server import RequestContext

Topic = ProduceResponse.Topic
Answer = ProduceResponse.Topic.Partition
ALL, LEADER, NONE = -1, 1, 0


def produce(
    broker: Broker, request: ProduceRequest, context: RequestContext, reply: Callable[[ProduceResponse | None], None]
) -> None:
    """Append to each partition; answer when `acks` says so."""
    acks = request.acks
    waiting: WaitingProduce | None = None
    now_ms, wall_ms = broker.now_ms(), broker.wall_ms()
    topics = []
    for topic in request.topic_data:
        answers = []
        for asked in topic.partition_data:
            answer, appended = append(broker, topic.name, asked.index, asked.records, request, now_ms, wall_ms)
            answers.append(answer)
            if appended is None or acks != ALL:
                continue
            partition = broker.partition_named(topic.name, asked.index)
            if partition.log.high_watermark > appended.last_offset:
                continue
            if waiting is None:
                waiting = WaitingProduce(broker.deadlines, outcome, lambda: reply(response))
            waiting.wait_for(answer, partition, appended.last_offset + 1)
        topics.append(Topic(name=topic.name, partition_responses=answers))
    response = ProduceResponse(responses=topics)
    if acks == NONE:
        if any(answer.error_code for topic in topics for answer in topic.partition_responses):
            context.disconnect("a produce with acks=0 failed")  # the only way to tell: the client asks for metadata
        reply(None)
    elif waiting is not None:
        waiting.begin(now_ms, request.timeout_ms)
    else:
        reply(response)


def append(
    broker: Broker, topic: str, index: int, records: bytes | bytearray | memoryview | None, request: ProduceRequest, now_ms: int, wall_ms: int
) -> tuple[Answer, Appended | None]:
    """One partition's answer, and what was appended, if it was."""
    try:
        if request.acks not in (ALL, LEADER, NONE):
            raise KafkaError(ErrorCode.INVALID_REQUIRED_ACKS)
        if is_internal(topic):
            raise KafkaError(ErrorCode.INVALID_TOPIC_EXCEPTION)
        partition = broker.partition_named(topic, index)
        appended = partition.append(records or b"", request.acks, now_ms, wall_ms)
    except KafkaError as error:
        if error.code is ErrorCode.KAFKA_STORAGE_ERROR:
            broker.log_failed(broker.partition_named(topic, index), error)
        return failed(broker, topic, index, error), None
    if partition.flush_asked:
        broker.flush_soon(partition)
    broker.records_in += appended.record_count
    answer = Answer(
        index=index,
        base_offset=appended.base_offset,
        log_append_time_ms=appended.log_append_time_ms,
        log_start_offset=appended.log_start_offset,
    )
    return answer, appended


def failed(broker: Broker, topic: str, index: int, error: KafkaError) -> Answer:
    """The answer that carries an error; with the leader that there is, where we are not it (KIP-951)."""
    answer = Answer(index=index, error_code=error.code, base_offset=-1, log_append_time_ms=-1, log_start_offset=-1)
    answer.error_message = str(error) if error.code in TOLD_WITH_MESSAGE else None
    if error.code in (ErrorCode.NOT_LEADER_OR_FOLLOWER, ErrorCode.FENCED_LEADER_EPOCH):
        registration = broker.registration_named(topic, index)
        if registration is not None:
            answer.current_leader = Answer.CurrentLeader(
                leader_id=registration.leader, leader_epoch=registration.leader_epoch
            )
    return answer


TOLD_WITH_MESSAGE = frozenset({ErrorCode.INVALID_RECORD, ErrorCode.INVALID_TIMESTAMP})


def outcome(answer: Answer, error: ErrorCode) -> None:
    """What became of one partition that was waited for."""
    if error is not ErrorCode.NONE:
        answer.error_code = error
        answer.base_offset = answer.log_append_time_ms = answer.log_start_offset = -1
