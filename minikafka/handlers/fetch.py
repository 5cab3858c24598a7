"""Fetch: whole batches as they lie in the log, to consumers and to followers.

    consumer    below the high watermark; waits up to max_wait_ms for min_bytes; with a session if it wants one;
                since version 11 by any replica
    follower    up to the end of the log; its offsets acknowledge what it has; always with a session (sessions.py)

Records are never looked into.  What a rolled segment holds goes from the page cache to the socket as a view of the file.

Source: Kafka `KafkaApis.handleFetchRequest`, `ReplicaManager.fetchMessages`; KIP-74, KIP-227, KIP-392, KIP-516.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from minikafka.replication.consumer_session import Asked, ConsumerSession, asked_by_key
from minikafka.replication.consumer_session import Key as SessionKey
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
ISOLATION_LEVELS = (0, READ_COMMITTED)
FROM_ANY_REPLICA, WITH_TOPIC_IDS, TOLD_WHO_LEADS = 11, 13, 16
UNKNOWN = (ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, ErrorCode.UNKNOWN_TOPIC_ID)
"""Kafka refuses these before the log is asked, with an empty list of aborted transactions; all later errors have null."""
ANOTHER_LEADS = (ErrorCode.NOT_LEADER_OR_FOLLOWER, ErrorCode.FENCED_LEADER_EPOCH)


def fetch(broker: Broker, request: FetchRequest, context: RequestContext, reply: Reply) -> None:
    """A consumer's fetch, or a follower's."""
    state = request.replica_state
    if state is not None and state.replica_id >= 0 and request.session_epoch != FINAL_EPOCH:
        fetch_as_follower(broker, request, reply)
        return
    by_id = context.api_version >= WITH_TOPIC_IDS
    session: ConsumerSession | None = None
    if request.session_epoch in (0, FINAL_EPOCH):
        broker.sessions.close(request.session_id)
        if request.session_epoch == 0:
            session = ConsumerSession(request, by_id)
    else:
        try:
            session = broker.sessions.consumer_session(request, by_id, broker.now_ms())
        except KafkaError as error:
            reply(FetchResponse(error_code=error.code))
            return
        if not session.partitions:  # everything was forgotten, and so is the session
            broker.sessions.close(session.session_id)
            reply(FetchResponse())
            return
    Consume(broker, request, context, session, reply).begin()


class Consume:
    """One fetch of a consumer: read what there is, or wait for it.

    Also of a replica that fetches without a session, or in a version from before replicas had epochs: it is given what it
    asks for if it is one, and does not wait.  Followers of this broker's kind keep sessions of their own kind.
    """

    def __init__(
        self,
        broker: Broker,
        request: FetchRequest,
        context: RequestContext,
        session: ConsumerSession | None,
        reply: Reply,
    ) -> None:
        self.broker = broker
        self.request = request
        self.context = context
        self.session = session
        self.reply = reply
        self.by_id = context.api_version >= WITH_TOPIC_IDS
        self.wanted = session.partitions if session is not None else asked_by_key(request, self.by_id)
        self.replica = request.replica_state or FetchRequest.ReplicaState(replica_id=request.replica_id)
        self.leader_only = context.api_version < FROM_ANY_REPLICA or self.replica.replica_id >= 0
        self.committed_only = request.isolation_level == READ_COMMITTED
        self.max_bytes = min(request.max_bytes, broker.settings.fetch_max_bytes)

    def begin(self) -> None:
        """Answer now if there is enough, or something to say; else wait."""
        request, broker = self.request, self.broker
        if request.isolation_level not in ISOLATION_LEVELS and any(map(self._is_known, self.wanted)):
            self.reply(self._refused(ErrorCode.UNKNOWN_SERVER_ERROR))
            return
        if self.attempt(request.max_wait_ms <= 0 or self.replica.replica_id >= 0):
            return
        watched = [found for found in map(self._find, self.wanted) if found is not None]
        WaitingFetch(broker.deadlines, watched, self.attempt, broker.now_ms(), request.max_wait_ms)

    def attempt(self, last: bool) -> bool:
        """Read, and answer if it is enough, if a partition has something else to say, or if this is the `last` chance.

        That there is no such partition is told with the answer, but is no reason to answer while others are waited for.
        """
        if not last and self.request.min_bytes > 1 and self._too_little():
            return False
        answers, total, unknown, urgent = [], 0, 0, False
        for key, asked in list(
            self.wanted.items()
        ):  # what a replica's offset commits may wake another fetch of the session
            answer = self._read(key, asked, self.max_bytes - total, not total)
            answers.append((key, answer))
            if answer.records:
                total += len(answer.records)
            elif answer.error_code in UNKNOWN:
                unknown += 1
            elif answer.error_code or answer.diverging_epoch is not None:
                urgent = True
        if not (last or urgent or total >= self.request.min_bytes or unknown == len(answers)):
            return False
        self.broker.bytes_out += total
        self.reply(self._response(answers, urgent))
        return True

    def _response(self, answers: list[tuple[SessionKey, Answer]], urgent: bool) -> FetchResponse:
        session, session_id = self.session, NO_SESSION
        if session is not None:
            answers = session.news(answers)
            session_id = session.session_id or self.broker.sessions.open_for_consumer(session, self.broker.now_ms())
        topics: dict[str | bytes, list[Answer]] = {}
        for (topic, _), answer in answers:
            topics.setdefault(topic, []).append(answer)
        response = FetchResponse(
            session_id=session_id, responses=[self._topic(topic, parts) for topic, parts in topics.items()]
        )
        if urgent and self.context.api_version >= TOLD_WHO_LEADS:
            self._tell_leaders(response)
        return response

    def _topic(self, topic: str | bytes, answers: list[Answer]) -> FetchResponse.Topic:
        if isinstance(topic, str):
            return FetchResponse.Topic(topic=topic, partitions=answers)
        return FetchResponse.Topic(topic_id=topic, partitions=answers)

    def _refused(self, error: ErrorCode) -> FetchResponse:
        """The request as a whole; before version 13 said of each partition as well."""
        response = FetchResponse(error_code=error, session_id=self.request.session_id)
        if not self.by_id:
            for topic in self.request.topics:
                refused = [failed(asked.partition, error) for asked in topic.partitions]
                for answer in refused:
                    answer.aborted_transactions = []
                response.responses.append(FetchResponse.Topic(topic=topic.topic, partitions=refused))
        return response

    def _too_little(self) -> bool:
        """Whether there is less than min_bytes, and nothing else to say: seen from the indexes, without a read."""
        total = unknown = 0
        for key, asked in self.wanted.items():
            partition = self._find(key)
            if partition is None and not self._is_known(key):
                unknown += 1
                continue
            if partition is None or (self.leader_only and not partition.leading):
                return False
            if asked.last_fetched_epoch >= 0 or asked.current_leader_epoch not in (-1, partition.leader_epoch):
                return False
            log = partition.log
            if not log.log_start_offset <= asked.fetch_offset <= log.log_end_offset:
                return False
            total += log.bytes_between(asked.fetch_offset, log.high_watermark)
        return total < self.request.min_bytes and unknown < len(self.wanted)

    def _tell_leaders(self, response: FetchResponse) -> None:
        """Whom to ask instead, where this broker does not lead: it spares the client a Metadata (KIP-951)."""
        leaders = dict[int, None]()
        for topic in response.responses:
            for answer in topic.partitions:
                named = tell_leader(self.broker, topic.topic_id, answer)
                if named is not None:
                    leaders[named] = None
        if self.replica.replica_id < 0:  # replicas know where brokers are
            response.node_endpoints = [
                FetchResponse.NodeEndpoint(node_id=each.node_id, host=each.host, port=each.port, rack=each.rack)
                for each in self.broker.endpoints(leaders, self.context.listener)
            ]

    def _read(self, key: SessionKey, asked: Asked, room: int, at_least_one: bool) -> Answer:
        partition = self._find(key)
        if partition is None:
            answer = failed(asked.partition, self._why_not(key))
            if answer.error_code in UNKNOWN:
                answer.aborted_transactions = []
            return answer
        copies = self.replica.replica_id >= 0
        answer = read(
            partition,
            asked.fetch_offset,
            max(0, min(asked.partition_max_bytes, room)),
            current_leader_epoch=asked.current_leader_epoch,
            last_fetched_epoch=asked.last_fetched_epoch,
            at_least_one=at_least_one,
            follower=copies,
            leader_only=self.leader_only,
            committed_only=self.committed_only,
        )
        if copies and not answer.error_code and answer.diverging_epoch is None:
            try:
                id, epoch = self.replica.replica_id, self.replica.replica_epoch
                partition.follower_fetched(id, epoch, asked.fetch_offset, asked.log_start_offset, self.broker.now_ms())
            except KafkaError as error:
                return failed(asked.partition, error.code)
        return answer

    def _find(self, key: SessionKey) -> Partition | None:
        topic, index = key
        topic_id = self.broker.image.topic_ids.get(topic) if isinstance(topic, str) else topic
        return None if topic_id is None else self.broker.find(topic_id, index)

    def _is_known(self, key: SessionKey) -> bool:
        """Whether the cluster has such a partition, here or elsewhere."""
        return self._find(key) is not None or self._why_not(key) not in UNKNOWN

    def _why_not(self, key: SessionKey) -> ErrorCode:
        topic, index = key
        try:
            if isinstance(topic, str):
                self.broker.partition_named(topic, index)
            else:
                self.broker.partition(topic, index)
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
        answers = self.errors + answers
        for topic_id, answer in answers:
            if answer.error_code:
                tell_leader(self.broker, topic_id, answer)
        self.reply(response_of(self.session.session_id, answers))
        return True
