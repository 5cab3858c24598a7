"""A consumer's fetch session: what it reads and from where, and what it was told of each partition last (KIP-227).

    consumer                                            leader
      Fetch session 0, epoch 0, partitions 0 1 2     ->  all three answered: session 7
      Fetch session 7, epoch 1, nothing new          ->  the records of 1, which were not asked for again
      Fetch session 7, epoch 2, 1 from offset 6      ->  nothing to tell: an empty answer
           <- partitions with records, errors, or another watermark than they were told

A partition whose records were sent goes to the end of the line, so that when the bytes of an answer do not suffice for
all, each has its turn.

Source: KIP-227; Kafka `FetchSession.java`, CachedPartition.maybeUpdateResponseData.
"""

from __future__ import annotations

from minikafka.replication.reading import Answer
from minikafka.wire.messages.fetch import FetchRequest

Key = tuple[str | bytes, int]
"""(name or id of the topic, partition): a session is of requests by name or of requests by id."""
Asked = FetchRequest.Topic.Partition
PARTITIONS_MAX = 100_000


def asked_by_key(request: FetchRequest, by_id: bool) -> dict[Key, Asked]:
    """The partitions of a request; of one that is named twice what was said last counts, in the place of the first."""
    return {
        (topic.topic_id if by_id else topic.topic, asked.partition): asked
        for topic in request.topics
        for asked in topic.partitions
    }


class ConsumerSession:
    """What one consumer reads here.

    session_id  0 until the first answer: by then the cache has room for it or not
    epoch       of the fetch expected next
    partitions  in the order in which they are given room
    """

    __slots__ = ("_told", "by_id", "epoch", "partitions", "session_id", "used_ms")

    def __init__(self, request: FetchRequest, by_id: bool) -> None:
        self.session_id = 0
        self.epoch = 1
        self.by_id = by_id
        self.used_ms = 0
        self.partitions = asked_by_key(request, by_id)
        self._told: dict[Key, tuple[int, int]] = {}  # high watermark, log start

    def take(self, request: FetchRequest) -> None:
        """What has changed since the last request."""
        self.partitions |= asked_by_key(request, self.by_id)
        for forgotten in request.forgotten_topics_data:
            topic = forgotten.topic_id if self.by_id else forgotten.topic
            for index in forgotten.partitions:
                self.partitions.pop((topic, index), None)
                self._told.pop((topic, index), None)

    def news(self, answers: list[tuple[Key, Answer]]) -> list[tuple[Key, Answer]]:
        """Those that are to be sent; taken as told from now on.

        With the first answer all are, and keep their places.  An error is sent each time, and the partition once more when
        it is over.
        """
        first = not self.session_id
        sent = []
        for key, answer in answers:
            failed = answer.error_code != 0 or answer.diverging_epoch is not None
            told = answer.high_watermark, answer.log_start_offset
            elsewhere = answer.preferred_read_replica >= 0
            if not (first or answer.records or failed or elsewhere or self._told.get(key) != told):
                continue
            sent.append((key, answer))
            if key not in self.partitions:
                continue  # forgotten while this fetch waited
            self._told[key] = (-1, answer.log_start_offset) if failed else told
            if answer.records and not first:
                self.partitions[key] = self.partitions.pop(key)
        return sent

    def close(self) -> None:
        """Nothing waits for it."""
