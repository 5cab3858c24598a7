"""Produce: batches in, offsets out.

    frame -> [topic -> [partition -> records]] -> Partition.append -> acks=0   nothing is sent back
                                                                      acks=1   the offset, at once
                                                                      acks=-1  the offset, when the watermark has passed it

The records are a view of the frame they came in: the log stamps offsets into it and writes it, once for each partition.

Source: Kafka `KafkaApis.handleProduceRequest`, `ReplicaManager.appendRecords`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from minikafka.handlers.internal_topics import INTERNAL
from minikafka.log.validation import RecordsRefused, refuse_zstd, tells_log_start, text_for_client
from minikafka.records.batch import is_transactional
from minikafka.replication.waiting import WaitingProduce
from minikafka.wire.errors import ErrorCode, KafkaError
from minikafka.wire.messages.produce import ProduceRequest, ProduceResponse

if TYPE_CHECKING:
    from minikafka.broker import Broker
    from minikafka.server import RequestContext

Asked = ProduceRequest.Topic
Topic = ProduceResponse.Topic
Answer = ProduceResponse.Topic.Partition
ALL, LEADER, NONE = -1, 1, 0
ACKS = (ALL, LEADER, NONE)
ZSTD_SINCE = 7
WITH_TOPIC_IDS = 13


def produce(
    broker: Broker, request: ProduceRequest, context: RequestContext, reply: Callable[[ProduceResponse | None], None]
) -> None:
    """Append to each partition; answer when `acks` says so."""
    acks = request.acks
    waiting: WaitingProduce | None = None
    any_failed = False
    now_ms, wall_ms = broker.now_ms(), broker.wall_ms()
    topics = []
    for topic, parts in named_once(request.topic_data):
        answers = []
        if context.api_version >= WITH_TOPIC_IDS:
            topic_id: bytes | None = topic.topic_id
            known = broker.image.topics.get(topic.topic_id)
            name = known.name if known is not None else ""
        else:
            topic_id, name = broker.image.topic_ids.get(topic.name), topic.name
        for asked in parts:
            partition = broker.partitions.get((topic_id, asked.index))  # type: ignore[arg-type]
            try:
                if partition is None or acks not in ACKS or name in INTERNAL:
                    raise refusal(broker, topic_id, name, asked.index, acks)
                records = asked.records or b""
                if is_transactional(records):  # there is no coordinator for it yet: it could never end
                    raise KafkaError(ErrorCode.TRANSACTIONAL_ID_AUTHORIZATION_FAILED)
                if context.api_version < ZSTD_SINCE:
                    refuse_zstd(records, context.api_version)
                appended = partition.append(records, acks, now_ms, wall_ms)
            except KafkaError as error:
                any_failed = True
                if error.code is ErrorCode.KAFKA_STORAGE_ERROR and partition is not None:
                    broker.log_failed(partition, error)
                log_start_offset = partition.log.log_start_offset if partition and tells_log_start(error) else -1
                answers.append(failed(broker, topic_id, asked.index, error, log_start_offset))
                continue
            base_offset, last_offset, append_time_ms, log_start_offset, _, count = appended
            broker.records_in += count
            answer = Answer(
                index=asked.index,
                base_offset=base_offset,
                log_append_time_ms=append_time_ms,
                log_start_offset=log_start_offset,
            )
            answers.append(answer)
            if partition.flush_asked:
                broker.flush_soon(partition)
            if acks == ALL and partition.log.high_watermark <= last_offset:
                if waiting is None:
                    waiting = WaitingProduce(broker.deadlines, outcome, lambda: reply(response))
                waiting.wait_for(answer, partition, last_offset + 1)
        topics.append(Topic(name=topic.name, topic_id=topic.topic_id, partition_responses=answers))
    response = ProduceResponse(responses=topics)
    if any_failed:
        tell_leaders(broker, response, context.listener)
    if acks == NONE:
        if any_failed:
            context.disconnect("a produce with acks=0 failed")  # the only way to tell: the client asks for metadata
        reply(None)
    elif waiting is not None:
        waiting.begin(now_ms, request.timeout_ms)
    else:
        reply(response)


def named_once(topics: list[Asked]) -> Iterable[tuple[Asked, Iterable[Asked.Partition]]]:
    """Each topic with its partitions.  One that is named twice is written once, with what was said last: as in Kafka."""
    if len(topics) == 1 and len(topics[0].partition_data) == 1:
        return ((topics[0], topics[0].partition_data),)
    once: dict[tuple[str, bytes], tuple[Asked, dict[int, Asked.Partition]]] = {}
    for topic in topics:
        _, parts = once.setdefault((topic.name, topic.topic_id), (topic, {}))
        for part in topic.partition_data:
            parts[part.index] = part
    return [(topic, parts.values()) for topic, parts in once.values()]


def refusal(broker: Broker, topic_id: bytes | None, topic: str, index: int, acks: int) -> KafkaError:
    """Why nothing can be appended there."""
    if acks not in ACKS:
        return KafkaError(ErrorCode.INVALID_REQUIRED_ACKS)
    if topic in INTERNAL:
        return KafkaError(ErrorCode.INVALID_TOPIC_EXCEPTION)
    if topic_id is None:
        return KafkaError(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION)
    try:
        broker.partition(topic_id, index)
    except KafkaError as error:
        return error
    return KafkaError(ErrorCode.NOT_LEADER_OR_FOLLOWER)


def failed(broker: Broker, topic_id: bytes | None, index: int, error: KafkaError, log_start_offset: int) -> Answer:
    """The answer that carries an error; with the leader that there is, where we are not it (KIP-951)."""
    answer = Answer(index=index, error_code=error.code, base_offset=-1, log_start_offset=log_start_offset)
    answer.error_message = text_for_client(error)
    if isinstance(error, RecordsRefused):
        answer.record_errors = [
            Answer.RecordError(batch_index=place, batch_index_error_message=text) for place, text in error.record_errors
        ]
    if error.code is ErrorCode.NOT_LEADER_OR_FOLLOWER and topic_id is not None:
        registration = broker.image.partition(topic_id, index)
        if registration is not None:
            answer.current_leader = Answer.CurrentLeader(
                leader_id=registration.leader, leader_epoch=registration.leader_epoch
            )
    return answer


def tell_leaders(broker: Broker, response: ProduceResponse, listener: str) -> None:
    """Where those are that lead what this broker does not."""
    leaders = {
        answer.current_leader.leader_id: None
        for topic in response.responses
        for answer in topic.partition_responses
        if answer.current_leader is not None
    }
    response.node_endpoints = [
        ProduceResponse.NodeEndpoint(node_id=each.node_id, host=each.host, port=each.port, rack=each.rack)
        for each in broker.endpoints(leaders, listener)
    ]


def outcome(answer: Answer, error: ErrorCode) -> None:
    """What became of one partition that was waited for."""
    if error is not ErrorCode.NONE:
        answer.error_code = error
        answer.base_offset = answer.log_append_time_ms = answer.log_start_offset = -1
