"""A follower copying its leaders: one fetcher for each leader, one fetch at a time, all partitions in it.

    next_request()  ->  Fetch (session, what has moved since)            to the leader
    receive(answer) ->  one write for each partition that got records, watermarks, truncations
                        ... and the next request is ready in the same call

The request is the acknowledgement: its offsets say what this broker has.  So the next one leaves at once, and with
`flush_counts` (log.flush.interval.messages=1) only when all that it claims to have is on the platter.

A partition whose leader answers with an error rests for a while and is asked for again; a new leader or epoch comes with
the metadata.  Where the leader's log and ours part, the answer says at which epoch and offset (KIP-595), and our log is
cut there before it is asked for more.

Pure: what is sent and received, and when, is the shell's.

Source: Kafka `AbstractFetcherThread.scala`, `ReplicaFetcherThread.scala`; KIP-227, KIP-320, KIP-595.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from minikafka.replication.partition import Partition
from minikafka.wire.errors import ErrorCode, KafkaError, error_named
from minikafka.wire.messages.fetch import FetchRequest, FetchResponse

Key = tuple[bytes, int]
RESTARTS_SESSION = frozenset(
    {
        ErrorCode.FETCH_SESSION_ID_NOT_FOUND,
        ErrorCode.INVALID_FETCH_SESSION_EPOCH,
        ErrorCode.FETCH_SESSION_TOPIC_ID_ERROR,
    }
)

METADATA_LATE = frozenset(
    {ErrorCode.NOT_LEADER_OR_FOLLOWER, ErrorCode.UNKNOWN_LEADER_EPOCH, ErrorCode.UNKNOWN_TOPIC_ID}
)
METADATA_LATE_MS = 50
"""A leader that does not know its office yet will in a moment; acks=all waits for us until then.  (Kafka rests as long as
after any error: a second.)"""


@dataclass(frozen=True)
class FetchSettings:
    """replica.fetch.*: bytes and milliseconds."""

    max_wait_ms: int = 500
    min_bytes: int = 1
    max_bytes: int = 10_485_760
    partition_max_bytes: int = 1_048_576
    backoff_ms: int = 1000


class Copied:
    """One partition that is copied.

    asked             leader epoch and offset that the leader was told last.  An answer to anything else is too late: we
                      have another leader by now, or have cut our log
    resting_until_ms  after an error
    """

    __slots__ = ("asked", "last_error", "partition", "resting_until_ms")

    def __init__(self, partition: Partition) -> None:
        self.partition = partition
        self.asked: tuple[int, int] | None = None
        self.resting_until_ms = 0
        self.last_error = ErrorCode.NONE


class Fetcher:
    """What broker `me` copies from broker `leader`.

    broker_epoch()   of this broker now: a leader counts no fetch of an earlier life
    failed(partition, error)   of the log: its disk is gone
    truncated(partition)       its log was cut, and nothing appended since
    """

    def __init__(
        self,
        me: int,
        leader: int,
        broker_epoch: Callable[[], int],
        settings: FetchSettings,
        failed: Callable[[Partition, KafkaError], None],
        truncated: Callable[[Partition], None],
    ) -> None:
        self.me, self.leader = me, leader
        self.broker_epoch = broker_epoch
        self.settings = settings
        self.failed = failed
        self.truncated = truncated
        self.partitions: dict[Key, Copied] = {}
        self._changed: dict[Key, None] = {}  # to be told with the next request
        self._forgotten: dict[Key, None] = {}
        self._resting: dict[Key, None] = {}
        self._session_id = 0
        self._session_epoch = 0
        self.bytes_in = 0

    def add(self, partition: Partition) -> None:
        """Copy it from now on; an added one begins anew, as after a change of leader epoch."""
        key = partition.topic_id, partition.index
        self.partitions[key] = Copied(partition)
        self._changed[key] = None
        self._forgotten.pop(key, None)
        self._resting.pop(key, None)

    def remove(self, key: Key) -> None:
        """Copy it no longer."""
        if self.partitions.pop(key, None) is not None:
            self._forgotten[key] = None
            self._changed.pop(key, None)
            self._resting.pop(key, None)

    def restart_session(self) -> None:
        """The connection broke, or the leader lost the session: say everything again."""
        self._session_id = self._session_epoch = 0
        self._forgotten.clear()
        self._changed = dict.fromkeys(self.partitions)
        for copied in self.partitions.values():
            copied.asked = None

    def unflushed(self) -> list[Partition]:
        """Whose end the next request would claim although it is not on the platter yet."""
        named = (*self._changed, *self._resting)
        return [partition for key in named if (partition := self.partitions[key].partition).awaits_flush]

    def next_rest_ends_ms(self) -> int | None:
        """When a resting partition wants to be asked for again."""
        return min((self.partitions[key].resting_until_ms for key in self._resting), default=None)

    def next_request(self, now_ms: int) -> FetchRequest | None:
        """The next fetch; None while there is nothing to copy."""
        if not self.partitions:
            return None
        for key in [key for key in self._resting if self.partitions[key].resting_until_ms <= now_ms]:
            del self._resting[key]
            self._changed[key] = None
        asked: dict[bytes, list[FetchRequest.Topic.Partition]] = {}
        for key in self._changed:
            if key not in self._resting:
                asked.setdefault(key[0], []).append(self._asked(self.partitions[key]))
        self._changed.clear()
        forgotten: dict[bytes, list[int]] = {}
        for topic_id, index in self._forgotten:
            forgotten.setdefault(topic_id, []).append(index)
        self._forgotten.clear()
        if not self._session_id and not asked:
            return None  # all rest
        settings = self.settings
        return FetchRequest(
            max_wait_ms=settings.max_wait_ms,
            min_bytes=settings.min_bytes,
            max_bytes=settings.max_bytes,
            isolation_level=0,
            session_id=self._session_id,
            session_epoch=self._session_epoch,
            topics=[FetchRequest.Topic(topic_id=topic_id, partitions=parts) for topic_id, parts in asked.items()],
            forgotten_topics_data=[
                FetchRequest.ForgottenTopic(topic_id=topic_id, partitions=parts)
                for topic_id, parts in forgotten.items()
            ],
            replica_state=FetchRequest.ReplicaState(replica_id=self.me, replica_epoch=self.broker_epoch()),
        )

    def _asked(self, copied: Copied) -> FetchRequest.Topic.Partition:
        partition = copied.partition
        log = partition.log
        copied.asked = partition.leader_epoch, log.log_end_offset
        return FetchRequest.Topic.Partition(
            partition=partition.index,
            current_leader_epoch=partition.leader_epoch,
            fetch_offset=log.log_end_offset,
            last_fetched_epoch=log.epochs.latest,
            log_start_offset=log.log_start_offset,
            partition_max_bytes=self.settings.partition_max_bytes,
        )

    def receive(self, response: FetchResponse, now_ms: int, wall_ms: int) -> None:
        """Take in an answer."""
        if response.error_code in RESTARTS_SESSION:
            self.restart_session()
            return
        if response.error_code:
            for key in self.partitions:
                self._rest(key, error_named(response.error_code), now_ms)
            self.restart_session()
            return
        self._session_id = response.session_id
        self._session_epoch = self._session_epoch + 1 if response.session_id else 0
        for topic in response.responses:
            for answer in topic.partitions:
                key = topic.topic_id, answer.partition_index
                copied = self.partitions.get(key)
                if copied is not None:
                    self._take(key, copied, answer, now_ms, wall_ms)

    def _take(self, key: Key, copied: Copied, answer: FetchResponse.Topic.Partition, now_ms: int, wall_ms: int) -> None:
        """One partition's answer."""
        partition = copied.partition
        if copied.asked != (partition.leader_epoch, partition.log.log_end_offset):
            return
        try:
            if (
                answer.error_code == ErrorCode.OFFSET_OUT_OF_RANGE
                and answer.log_start_offset > partition.log.log_end_offset
            ):
                # We have been away for longer than the leader keeps its records.
                partition.log.truncate_fully_and_start_at(answer.log_start_offset)
                self.truncated(partition)
                self._changed[key] = None
                return
            if answer.error_code:
                self._rest(key, error_named(answer.error_code), now_ms)
                return
            copied.last_error = ErrorCode.NONE
            if answer.diverging_epoch is not None:
                partition.diverged(answer.diverging_epoch.epoch, answer.diverging_epoch.end_offset)
                self.truncated(partition)
                self._changed[key] = None
                return
            records = answer.records
            if records:
                self.bytes_in += len(records)
                partition.append_from_leader(records, wall_ms)
                self._changed[key] = None
            partition.hear_of_watermark(answer.high_watermark, answer.log_start_offset)
        except KafkaError as error:
            self.failed(partition, error)
            self._rest(key, error.code, now_ms)

    def _rest(self, key: Key, error: ErrorCode, now_ms: int) -> None:
        copied = self.partitions[key]
        copied.last_error = error
        backoff_ms = self.settings.backoff_ms
        copied.resting_until_ms = now_ms + (min(METADATA_LATE_MS, backoff_ms) if error in METADATA_LATE else backoff_ms)
        self._resting[key] = None
        self._changed.pop(key, None)

    def resting(self) -> Iterable[tuple[Partition, ErrorCode]]:
        """Partitions that their leader would not give, and why."""
        return [(self.partitions[key].partition, self.partitions[key].last_error) for key in self._resting]
