"""Fetch: whole batches as they lie in the log, to consumers and to followers.

    consumer    below the high watermark; waits up to max_wait_ms for min_bytes; answered without a session;
                since version 11 by any replica
    follower    up to the end of the log; its offsets acknowledge what it has; an incremental session (sessions.py)

Records are never looked into.  What a rolled segment holds goes from the page cache to the socket as a view of the file.

Source: Kafka `KafkaApis.handleFetchRequest`, `ReplicaManager.fetchMessages`; KIP-74, KIP-227, KIP-392, KIP-516.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from minikafka.replication.partition import Partition
from minikafka.replication.reading import Answer, failed, read
from minikafka.replication.sessions import FINAL_EPOCH, NO_SESSION, Session, response_of
from minikafka.replication.waiting import WaitingFetch
from minikafka.wire.errors import ErrorCode, KafkaError
from minikafka.wire.messages.fetch import FetchRequest, FetchResponse

if TYPE_CHECKING:
    from minikafka.broker import Broker
    from minikafka.server import RequestContext

Reply = Callable[[FetchResponse], None]
READ_COMMITTED = 1
FROM_ANY_REPLICA, WITH_TOPIC_IDS, TOLD_WHO_LEADS = 11, 13, 16
UNKNOWN = (ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, ErrorCode.UNKNOWN_TOPIC_ID)
"""Kafka refuses these before the log is asked, with an empty list of aborted transactions; all later errors have null."""
ANOTHER_LEADS = (ErrorCode.NOT_LEADER_OR_FOLLOWER, ErrorCode.FENCED_LEADER_EPOCH)


def fetch(broker: Broker, request: FetchRequest, context: RequestContext, reply: Reply) -> None:
    """A consumer's fetch, or a follower's."""
    if request.replica_state is not None and request.replica_state.replica_id >= 0:
        fetch_as_follower(broker, request, reply)
    elif request.replica_id >= 0:
        reply(FetchResponse(error_code=ErrorCode.UNSUPPORTED_VERSION))  # our followers use 17
    elif request.session_epoch not in (0, FINAL_EPOCH):
        reply(FetchResponse(error_code=ErrorCode.FETCH_SESSION_ID_NOT_FOUND))
    else:
        Consume(broker, request, context, reply).begin()


class Consume:
    """One consumer's fetch: read what there is, or wait for it."""

    def __init__(self, broker: Broker, request: FetchRequest, context: RequestContext, reply: Reply) -> None:
        self.broker = broker
        self.request = request
        self.context = context
        self.by_id = context.api_version >= WITH_TOPIC_IDS
        self.leader_only = context.api_version < FROM_ANY_REPLICA
        self.reply = reply
        self.committed_only = request.isolation_level == READ_COMMITTED
        self.max_bytes = min(request.max_bytes, broker.settings.fetch_max_bytes)

    def begin(self) -> None:
        """Answer now if there is enough, or something to say; else wait."""
        request, broker = self.request, self.broker
        if self.attempt(request.max_wait_ms <= 0 or not request.topics):
            return
        watched = [found for found in self._found() if found is not None]
        WaitingFetch(broker.deadlines, watched, self.attempt, broker.now_ms(), request.max_wait_ms)

    def _found(self) -> list[Partition | None]:
        return [self._find(topic, asked.partition) for topic in self.request.topics for asked in topic.partitions]

    def _find(self, topic: FetchRequest.Topic, index: int) -> Partition | None:
        topic_id = topic.topic_id if self.by_id else self.broker.image.topic_ids.get(topic.topic)
        return None if topic_id is None else self.broker.find(topic_id, index)

    def attempt(self, last: bool) -> bool:
        """Read, and answer if it is enough, if a partition has an error, or if this is the `last` chance."""
        if not last and self.request.min_bytes > 1 and self._too_little():
            return False
        topics, total, urgent = [], 0, False
        for topic in self.request.topics:
            answers = []
            for asked in topic.partitions:
                answer = self._read(topic, asked, self.max_bytes - total, not total)
                total += len(answer.records or b"")
                urgent = urgent or bool(answer.error_code) or answer.diverging_epoch is not None
                answers.append(answer)
            topics.append(FetchResponse.Topic(topic=topic.topic, topic_id=topic.topic_id, partitions=answers))
        if not (last or urgent or total >= self.request.min_bytes):
            return False
        self.broker.bytes_out += total
        response = FetchResponse(responses=topics)
        if urgent and self.context.api_version >= TOLD_WHO_LEADS:
            self._tell_leaders(response)
        self.reply(response)
        return True

    def _too_little(self) -> bool:
        """Whether there is less than min_bytes, and nothing else to say: seen from the indexes, without a read."""
        total = 0
        for topic in self.request.topics:
            for asked in topic.partitions:
                partition = self._find(topic, asked.partition)
                if partition is None or (self.leader_only and not partition.leading):
                    return False
                if asked.last_fetched_epoch >= 0 or asked.current_leader_epoch not in (-1, partition.leader_epoch):
                    return False
                log = partition.log
                if not log.log_start_offset <= asked.fetch_offset <= log.log_end_offset:
                    return False
                total += log.bytes_between(asked.fetch_offset, log.high_watermark)
        return total < self.request.min_bytes

    def _tell_leaders(self, response: FetchResponse) -> None:
        """Whom to ask instead, where this broker does not lead: it spares the client a Metadata (KIP-951)."""
        image, leaders = self.broker.image, dict[int, None]()
        for topic in response.responses:
            topic_id = topic.topic_id if self.by_id else image.topic_ids.get(topic.topic)
            for answer in topic.partitions:
                named = None if topic_id is None else tell_leader(self.broker, topic_id, answer)
                if named is not None:
                    leaders[named] = None
        response.node_endpoints = [
            FetchResponse.NodeEndpoint(node_id=each.node_id, host=each.host, port=each.port, rack=each.rack)
            for each in self.broker.endpoints(leaders, self.context.listener)
        ]

    def _read(
        self, topic: FetchRequest.Topic, asked: FetchRequest.Topic.Partition, room: int, at_least_one: bool
    ) -> Answer:
        partition = self._find(topic, asked.partition)
        if partition is None:
            answer = failed(asked.partition, self._why_not(topic, asked.partition))
            if answer.error_code in UNKNOWN:
                answer.aborted_transactions = []
            return answer
        return read(
            partition,
            asked.fetch_offset,
            max(0, min(asked.partition_max_bytes, room)),
            current_leader_epoch=asked.current_leader_epoch,
            last_fetched_epoch=asked.last_fetched_epoch,
            at_least_one=at_least_one,
            leader_only=self.leader_only,
            committed_only=self.committed_only,
        )

    def _why_not(self, topic: FetchRequest.Topic, index: int) -> ErrorCode:
        try:
            if self.by_id:
                self.broker.partition(topic.topic_id, index)
            else:
                self.broker.partition_named(topic.topic, index)
        except KafkaError as error:
            return error.code
        return ErrorCode.UNKNOWN_TOPIC_OR_PARTITION


def tell_leader(broker: Broker, topic_id: bytes, answer: Answer) -> int | None:
    """Add who leads a partition to an answer that says it is another; returns whom it named."""
    known = broker.image.partition(topic_id, answer.partition_index)
    if known is None or answer.error_code not in ANOTHER_LEADS:
        return None
    answer.current_leader = Answer.CurrentLeader(leader_id=known.leader, leader_epoch=known.leader_epoch)
    return known.leader


def fetch_as_follower(broker: Broker, request: FetchRequest, reply: Reply) -> None:
    """Another broker copies: its offsets are taken in first, which may raise high watermarks and answer producers."""
    state = request.replica_state
    assert state is not None
    try:
        session = broker.sessions.session_for(request, state.replica_id, state.replica_epoch)
    except KafkaError as error:
        reply(FetchResponse(error_code=error.code))
        return
    errors = session.take(request, broker.find, broker.now_ms())
    FollowerFetch(broker, request, session, reply).begin(errors)


class FollowerFetch:
    """One fetch of a session: answered when a partition has news worth an answer, or when its time is over."""

    def __init__(self, broker: Broker, request: FetchRequest, session: Session, reply: Reply) -> None:
        self.broker = broker
        self.request = request
        self.session = session
        self.reply = reply

    def begin(self, errors: list[tuple[bytes, Answer]]) -> None:
        """`errors` are answers already."""
        self.errors = errors
        new_session = self.request.session_epoch == 0
        if self.attempt(new_session or bool(errors) or self.request.max_wait_ms <= 0):
            return
        self.session.attempt = self.attempt
        deadlines = self.broker.deadlines
        self.deadline = deadlines.add(self.broker.now_ms() + self.request.max_wait_ms, self.last_chance)

    def last_chance(self) -> None:
        """The time is over."""
        self.attempt(True)

    def attempt(self, last: bool) -> bool:
        """Answer if there is news enough, or if it is the last chance."""
        answers, total = self.session.read_news(self.request.max_bytes)
        worth = total >= self.request.min_bytes or any(answer.error_code for _, answer in answers)
        if not (last or worth or any(answer.diverging_epoch is not None for _, answer in answers)):
            self.session.keep(answers)
            return False
        if self.session.attempt is not None:
            self.session.attempt = None
            self.broker.deadlines.cancel(self.deadline)
        self.session.told(answers)
        if self.session.session_id == NO_SESSION:
            self.session.close()
        answers = self.errors + answers
        for topic_id, answer in answers:
            if answer.error_code:
                tell_leader(self.broker, topic_id, answer)
        self.reply(response_of(self.session.session_id, answers))
        return True
