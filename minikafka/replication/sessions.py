"""Fetch sessions: a follower says once what it copies, and afterwards only what has changed (KIP-227).

    follower                                  leader
      Fetch session 0, epoch 0, all partitions ->  a new session, id 7
      Fetch session 7, epoch 1, what moved    ->  looks at those, and at what had news since
           <- partitions with records, errors, or another watermark

A leader of a thousand partitions so answers a fetch by looking at the few that were written, not at the thousand: an
append puts the partition on the session's list of news, and the list is all that is read.

Sessions of consumers (consumer_session.py) stand in the same table, which is bounded.  A full one makes room for a
follower; a consumer is then answered without a session, with id 0, as the protocol allows at any time, unless another has
been idle for two minutes.  (Kafka also gives the place of a session to one of more partitions.)

Source: KIP-227; Kafka `FetchSession.java`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from random import Random

from minikafka.replication.consumer_session import PARTITIONS_MAX, ConsumerSession
from minikafka.replication.partition import Partition
from minikafka.replication.reading import Answer, failed, read, where_logs_part
from minikafka.wire.errors import ErrorCode, KafkaError
from minikafka.wire.messages.fetch import FetchRequest, FetchResponse

FINAL_EPOCH, NO_SESSION = -1, 0
IDLE_MS = 120_000
"""After which the session of a consumer may give way to another's: min.incremental.fetch.session.eviction.ms."""
Key = tuple[bytes, int]


class Followed:
    """One partition in a session: from where the follower reads, and what it was told last."""

    __slots__ = (
        "epoch",
        "last_epoch",
        "log_start",
        "max_bytes",
        "offset",
        "partition",
        "told_log_start",
        "told_watermark",
    )

    def __init__(self, partition: Partition | None) -> None:
        self.partition = partition
        self.told_watermark = self.told_log_start = -1
        self.offset = self.log_start = 0
        self.epoch = self.last_epoch = -1
        self.max_bytes = 0

    def ask(self, asked: FetchRequest.Topic.Partition) -> None:
        self.offset, self.log_start = asked.fetch_offset, asked.log_start_offset
        self.epoch, self.last_epoch = asked.current_leader_epoch, asked.last_fetched_epoch
        self.max_bytes = asked.partition_max_bytes


class Session:
    """What one fetcher of one broker follows here.

    news      partitions to look at with the next answer, in the order in which they came by it
    attempt   of a fetch that waits for news; answers it and says True, or says False
    """

    def __init__(self, broker: int, broker_epoch: int) -> None:
        self.session_id = NO_SESSION
        self.broker, self.broker_epoch = broker, broker_epoch
        self.epoch = 1  # of the fetch expected next
        self.partitions: dict[Key, Followed] = {}
        self.news: dict[Key, None] = {}
        self.attempt: Callable[[bool], bool] | None = None

    def appended(self, partition: Partition) -> None:
        """Answer the fetch that waits, if one does."""
        self.news[partition.topic_id, partition.index] = None
        if self.attempt is not None:
            self.attempt(False)

    moved = appended

    def committed(self, partition: Partition) -> None:
        """Its watermark rose: worth telling, not worth an answer of its own."""
        self.news[partition.topic_id, partition.index] = None

    def take(
        self, request: FetchRequest, find: Callable[[bytes, int], Partition | None], now_ms: int
    ) -> list[tuple[bytes, Answer]]:
        """What the request says of its partitions: leaders learn how far the follower is.  Returns errors to answer."""
        errors: list[tuple[bytes, Answer]] = []
        for forgotten in request.forgotten_topics_data:
            for index in forgotten.partitions:
                self._forget((forgotten.topic_id, index))
        for topic in request.topics:
            for asked in topic.partitions:
                key = topic.topic_id, asked.partition
                followed = self.partitions.get(key)
                if followed is None or followed.partition is None:
                    followed = self._follow(key, find(*key))
                followed.ask(asked)
                self.news[key] = None
                if followed.partition is not None:
                    self._tell_leader(followed, key, now_ms, errors)
        return errors

    def _tell_leader(self, followed: Followed, key: Key, now_ms: int, errors: list[tuple[bytes, Answer]]) -> None:
        """A follower whose log departs from ours has not got what its offset claims."""
        partition = followed.partition
        assert partition is not None
        try:
            partition.check_leader(followed.epoch)
            if (
                followed.last_epoch >= 0
                and where_logs_part(partition, followed.offset, followed.last_epoch) is not None
            ):
                return
            if followed.offset > partition.log.log_end_offset or followed.offset < partition.log.log_start_offset:
                return
            partition.follower_fetched(self.broker, self.broker_epoch, followed.offset, followed.log_start, now_ms)
        except KafkaError as error:
            self.news.pop(key, None)
            errors.append((key[0], failed(key[1], error.code)))

    def _follow(self, key: Key, partition: Partition | None) -> Followed:
        followed = self.partitions[key] = Followed(partition)
        if partition is not None:
            partition.watchers[self] = None
        return followed

    def _forget(self, key: Key) -> None:
        followed = self.partitions.pop(key, None)
        self.news.pop(key, None)
        if followed is not None and followed.partition is not None:
            followed.partition.watchers.pop(self, None)

    def close(self) -> None:
        """The follower opens another, or its broker is gone."""
        for key in list(self.partitions):
            self._forget(key)
        self.attempt = None

    def read_news(self, max_bytes: int) -> tuple[list[tuple[bytes, Answer]], int]:
        """Answers of the partitions that have something to say, and how many bytes of records they hold.

        A partition whose records no longer fit stays on the list, and is the first next time.
        """
        answers: list[tuple[bytes, Answer]] = []
        total = 0
        waiting, self.news = self.news, {}
        for key in waiting:
            if total >= max_bytes:
                self.news[key] = None
                continue
            followed = self.partitions.get(key)
            if followed is None:
                continue
            answer = self._read(key, followed, max_bytes - total, not total)
            size = len(answer.records or b"")
            if not size and self._holds_back(followed, answer):
                self.news[key] = None
            if size or answer.error_code or answer.diverging_epoch is not None or self._is_news(followed, answer):
                answers.append((key[0], answer))
                total += size
        return answers, total

    @staticmethod
    def _holds_back(followed: Followed, answer: Answer) -> bool:
        """Whether there are records, but the first batch is larger than what was left for it: alone it may be larger."""
        partition = followed.partition
        if partition is None or answer.error_code or answer.diverging_epoch is not None:
            return False
        return followed.offset < partition.log.log_end_offset

    def told(self, answers: list[tuple[bytes, Answer]]) -> None:
        """They are on their way to the follower."""
        for topic_id, answer in answers:
            followed = self.partitions[topic_id, answer.partition_index]
            followed.told_watermark, followed.told_log_start = answer.high_watermark, answer.log_start_offset

    def keep(self, answers: list[tuple[bytes, Answer]]) -> None:
        """They were not worth an answer yet: read them again next time."""
        for topic_id, answer in answers:
            self.news[topic_id, answer.partition_index] = None

    @staticmethod
    def _is_news(followed: Followed, answer: Answer) -> bool:
        return answer.high_watermark != followed.told_watermark or answer.log_start_offset != followed.told_log_start

    def _read(self, key: Key, followed: Followed, room: int, at_least_one: bool) -> Answer:
        if followed.partition is None:
            return failed(key[1], ErrorCode.UNKNOWN_TOPIC_ID)
        return read(
            followed.partition,
            followed.offset,
            min(followed.max_bytes, room),
            current_leader_epoch=followed.epoch,
            last_fetched_epoch=followed.last_epoch,
            at_least_one=at_least_one,
            follower=True,
        )


class Sessions:
    """All sessions of a broker, at most `maximum`; the longest unused come first."""

    def __init__(self, random: Random, maximum: int = 1000) -> None:
        self._random = random
        self.maximum = maximum
        self._open: dict[int, Session | ConsumerSession] = {}

    def __len__(self) -> int:
        return len(self._open)

    def __iter__(self) -> Iterator[int]:
        """Their ids."""
        return iter(self._open)

    def session_for(self, request: FetchRequest, broker: int, broker_epoch: int) -> Session:
        """The session that a follower's request continues, or a new one.  Raises 70, 71."""
        if request.session_epoch == 0:
            self.close(request.session_id)
            session = Session(broker, broker_epoch)
            if len(self._open) >= self.maximum:
                self.close(self._least_used_consumer() or next(iter(self._open), NO_SESSION))
            self._enter(session)
            return session
        found = self._open.get(request.session_id)
        if not isinstance(found, Session):
            raise KafkaError(ErrorCode.FETCH_SESSION_ID_NOT_FOUND)
        self._continue(found, request.session_epoch)
        found.broker_epoch = broker_epoch
        return found

    def consumer_session(self, request: FetchRequest, by_id: bool, now_ms: int) -> ConsumerSession:
        """The session that a consumer's request continues, with what the request says.  Raises 70, 71, 106."""
        found = self._open.get(request.session_id)
        if not isinstance(found, ConsumerSession):
            raise KafkaError(ErrorCode.FETCH_SESSION_ID_NOT_FOUND)
        if found.by_id != by_id and found.epoch == request.session_epoch:
            raise KafkaError(ErrorCode.FETCH_SESSION_TOPIC_ID_ERROR)
        self._continue(found, request.session_epoch)
        found.used_ms = now_ms
        found.take(request)
        if len(found.partitions) > PARTITIONS_MAX:
            self.close(found.session_id)
            raise KafkaError(ErrorCode.FETCH_SESSION_ID_NOT_FOUND)
        return found

    def open_for_consumer(self, session: ConsumerSession, now_ms: int) -> int:
        """The id of a new session with its first answer; 0 when there is no room for it."""
        if len(session.partitions) > PARTITIONS_MAX:
            return NO_SESSION
        if len(self._open) >= self.maximum:
            idle = self._open.get(self._least_used_consumer())
            if not isinstance(idle, ConsumerSession) or now_ms - idle.used_ms < IDLE_MS:
                return NO_SESSION
            self.close(idle.session_id)
        session.used_ms = now_ms
        self._enter(session)
        return session.session_id

    def close(self, session_id: int) -> None:
        if (session := self._open.pop(session_id, None)) is not None:
            session.close()

    def _enter(self, session: Session | ConsumerSession) -> None:
        while (session_id := self._random.randrange(1, 2**31)) in self._open:
            pass
        session.session_id = session_id
        self._open[session_id] = session

    def _continue(self, session: Session | ConsumerSession, epoch: int) -> None:
        if epoch != session.epoch:
            raise KafkaError(ErrorCode.INVALID_FETCH_SESSION_EPOCH)
        session.epoch = epoch + 1 if epoch < 2**31 - 1 else 1
        self._open[session.session_id] = self._open.pop(session.session_id)

    def _least_used_consumer(self) -> int:
        return next((id for id, session in self._open.items() if isinstance(session, ConsumerSession)), NO_SESSION)


def response_of(
    session_id: int, answers: list[tuple[bytes, Answer]], error: ErrorCode = ErrorCode.NONE
) -> FetchResponse:
    """Answers of partitions, by the ids of their topics."""
    topics: dict[bytes, list[Answer]] = {}
    for topic_id, answer in answers:
        topics.setdefault(topic_id, []).append(answer)
    return FetchResponse(
        error_code=error,
        session_id=session_id,
        responses=[FetchResponse.Topic(topic_id=topic_id, partitions=parts) for topic_id, parts in topics.items()],
    )
