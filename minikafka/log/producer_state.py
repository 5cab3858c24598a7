"""What a partition remembers of its producers, so that a retry is no second record.

An idempotent producer numbers its records per partition.  Of each one the log keeps the epoch and the last five batches:

    the same sequences as one of the five   a retry whose answer was lost: success with the old offset, nothing appended
    the next sequence                       append
    anything else                           OUT_OF_ORDER_SEQUENCE_NUMBER: something between is missing
    an older epoch                          INVALID_PRODUCER_EPOCH: another process has taken over its name
    a newer epoch                           begins at sequence 0
    an unknown producer                     any sequence: its earlier records may have been deleted

Five, because a client keeps at most five requests in flight on a connection.  Followers and recovery take the state from
the batches themselves and check nothing, as the leader did; so it survives a change of leaders.

A snapshot has room for one batch of each producer.  The four before it are looked up in the log again (`recall`), or a
broker that is stopped and started would call the retry of an earlier one out of order: Kafka's does.

Nothing is read or written here: the log feeds batches in and keeps snapshots (producer_snapshot.py).

Source: KIP-98, KIP-360; Kafka's `ProducerAppendInfo.java`, `ProducerStateEntry.java`.
"""

from collections.abc import Iterable
from typing import NamedTuple

from minikafka.records.batch import CONTROL, TRANSACTIONAL, Batch
from minikafka.records.marker import ABORT, Marker
from minikafka.wire.errors import ErrorCode, KafkaError

KEPT_BATCHES = 5
SEQUENCE_MASK = 0x7FFFFFFF  # sequences count from 0 to 2^31-1 and begin again


class SeenBatch(NamedTuple):
    """One of the last batches of a producer."""

    last_sequence: int
    last_offset: int
    offset_delta: int  # last offset - first offset
    timestamp: int  # ms, the largest in it

    @property
    def first_sequence(self) -> int:
        return (self.last_sequence - self.offset_delta) & SEQUENCE_MASK

    @property
    def first_offset(self) -> int:
        return self.last_offset - self.offset_delta


class Producer:
    """What is known of one producer id."""

    __slots__ = ("batches", "coordinator_epoch", "epoch", "last_timestamp", "open_since")

    def __init__(self, epoch: int) -> None:
        self.epoch = epoch
        self.batches: list[SeenBatch] = []  # at most five, the newest last
        self.last_timestamp = -1  # ms
        self.coordinator_epoch = -1  # of the transaction coordinator that wrote the last marker
        self.open_since = -1  # first offset of the open transaction, -1 when there is none

    @property
    def last_sequence(self) -> int:
        return self.batches[-1].last_sequence if self.batches else -1


class EndedTransaction(NamedTuple):
    producer_id: int
    first_offset: int
    last_offset: int  # of the marker
    aborted: bool


class ProducerState:
    """The producers of one partition.  `end_offset`: everything before it has been taken in."""

    def __init__(self, partition: str) -> None:
        """
        partition  "topic-0", for messages to clients
        """
        self.partition = partition
        self.producers: dict[int, Producer] = {}
        self.end_offset = 0
        self.open: dict[int, int] = {}  # producer id -> first offset of its open transaction
        self.ended: list[EndedTransaction] = []  # of which the marker may still be above the high watermark

    def check(self, batch: Batch, offset: int) -> SeenBatch | None:
        """May this batch of a client be appended at `offset`?  The earlier one when it is a duplicate.

        Raises KafkaError with OUT_OF_ORDER_SEQUENCE_NUMBER or INVALID_PRODUCER_EPOCH.
        """
        producer = self.producers.get(batch.producer_id)
        if producer is None:
            return None
        first, epoch = batch.base_sequence, batch.producer_epoch
        seen = producer.batches
        if epoch == producer.epoch:
            if seen:
                last = seen[-1].last_sequence
                if first == last + 1 or (first == 0 and last == SEQUENCE_MASK):
                    return None
                delta = batch.last_offset_delta
                for earlier in seen:
                    if earlier.offset_delta == delta and earlier.first_sequence == first:
                        return earlier
            elif first == 0:
                return None
            raise KafkaError(
                ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER,
                f"Out of order sequence number for producer {batch.producer_id} at offset {offset} in partition "
                f"{self.partition}: {first} (incoming seq. number), {producer.last_sequence} (current end sequence number)",
            )
        if epoch < producer.epoch:
            raise KafkaError(
                ErrorCode.INVALID_PRODUCER_EPOCH,
                f"Epoch of producer {batch.producer_id} at offset {offset} in {self.partition} is {epoch}, "
                f"which is smaller than the last seen epoch {producer.epoch}",
            )
        if first != 0:
            raise KafkaError(
                ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER,
                f"Invalid sequence number for new epoch of producer {batch.producer_id}at offset {offset} in partition "
                f"{self.partition}: {epoch} (request epoch), {first} (seq. number), {producer.epoch} "
                f"(current producer epoch)",
            )
        return None

    def take(self, batch: Batch, base_offset: int, marker: Marker | None = None) -> EndedTransaction | None:
        """`batch` has been appended at `base_offset`.  Returns the transaction that it ended.

        marker  what a control batch says
        """
        producer = self.producers.get(batch.producer_id)
        epoch = batch.producer_epoch
        if producer is None:
            producer = self.producers[batch.producer_id] = Producer(epoch)
        elif producer.epoch != epoch:
            producer.epoch = epoch
            producer.batches.clear()
        attributes = batch.attributes
        delta = batch.last_offset_delta
        last_offset = base_offset + delta
        producer.last_timestamp = batch.max_timestamp
        if attributes & CONTROL:
            return self._end(batch.producer_id, producer, last_offset, marker) if marker else None
        if batch.base_sequence >= 0:
            seen = producer.batches
            last_sequence = (batch.base_sequence + delta) & SEQUENCE_MASK
            seen.append(SeenBatch(last_sequence, last_offset, delta, batch.max_timestamp))
            if len(seen) > KEPT_BATCHES:
                del seen[0]
        if attributes & TRANSACTIONAL and producer.open_since < 0:
            producer.open_since = self.open[batch.producer_id] = base_offset
        return None

    def recall(self, batches: Iterable[Batch]) -> None:
        """Batches from before the state was kept, in order: of each known producer's, the last few are seen again."""
        earlier: dict[int, list[SeenBatch]] = {}
        for batch in batches:
            producer = self.producers.get(batch.producer_id)
            if producer is None or producer.epoch != batch.producer_epoch or not producer.batches:
                continue
            delta = batch.last_offset_delta
            last_offset = batch.base_offset + delta
            if batch.base_sequence >= 0 and not batch.is_control and last_offset < producer.batches[0].last_offset:
                last_sequence = (batch.base_sequence + delta) & SEQUENCE_MASK
                found = earlier.setdefault(batch.producer_id, [])
                found.append(SeenBatch(last_sequence, last_offset, delta, batch.max_timestamp))
        for producer_id, found in earlier.items():
            producer = self.producers[producer_id]
            producer.batches = [*found, *producer.batches][-KEPT_BATCHES:]

    def _end(self, producer_id: int, producer: Producer, offset: int, marker: Marker) -> EndedTransaction | None:
        producer.coordinator_epoch = marker.coordinator_epoch
        first_offset, producer.open_since = producer.open_since, -1
        if first_offset < 0:
            return None
        del self.open[producer_id]
        ended = EndedTransaction(producer_id, first_offset, offset, marker.kind == ABORT)
        self.ended.append(ended)
        return ended

    def first_unstable_offset(self, high_watermark: int) -> int | None:
        """Where the first transaction begins that is open, or whose end is not replicated yet."""
        if self.ended:
            self.ended = [ended for ended in self.ended if ended.last_offset >= high_watermark]
        starts = [*self.open.values(), *(ended.first_offset for ended in self.ended)]
        return min(starts, default=None)

    def expire(self, now_ms: int, expiration_ms: int) -> int:
        """Forget producers that wrote nothing for `expiration_ms`; returns how many."""
        old = [
            producer_id
            for producer_id, producer in self.producers.items()
            if producer.open_since < 0 and now_ms - producer.last_timestamp >= expiration_ms
        ]
        for producer_id in old:
            del self.producers[producer_id]
        return len(old)

    def clear(self, end_offset: int) -> None:
        self.producers.clear()
        self.open.clear()
        self.ended.clear()
        self.end_offset = end_offset
