"""A producer: records in, batches out, one promise per record.

    send ──> partition chosen ──> queue of its batches ──> linger or full ──> one request per leader ──> promises kept
                                        ^                                           |
                                        +--------- an error that may be tried again +

Records wait for company: a batch leaves when it is full, or `linger_ms` after its first record.  The cost of a request is
the same for one record and for a thousand, on both sides.

Order.  Of each partition one batch is under way at a time, and it is tried again before the next one leaves, so records
arrive in the order they were sent, come what may.  (Java's client allows five under way and lets the broker refuse those
that arrive too early, by their sequence numbers.)

Idempotence (KIP-98).  A batch whose answer was lost is sent again, and would lie in the log twice.  With a producer id
and a sequence number per partition the leader knows it: the second time it answers where the first one went.  A batch
given up may or may not have been written; what comes after it begins under a new id, since the numbers have a hole.

Source: Kafka's `RecordAccumulator`, `Sender`; KIP-98, KIP-480.  Next: consumer.py.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from types import TracebackType
from typing import NamedTuple

from minikafka.client.cluster import Cluster, Pauses, raise_for
from minikafka.client.partitioner import Partitioner
from minikafka.records.batch import build_batch
from minikafka.records.compression import Codec
from minikafka.records.record import Header, Record
from minikafka.wire.errors import ErrorCode, KafkaError, error_named
from minikafka.wire.messages.produce import ProduceRequest, ProduceResponse
from minikafka.wire.messages.transactions import InitProducerIdRequest, InitProducerIdResponse
from serving.background import Background
from serving.clock import Clock

SEQUENCE_MASK = 0x7FFFFFFF
RECORD_OVERHEAD = 24  # bytes that a record takes beside its contents, at most nearly always

PAUSE_AFTER_ERROR_S = 0.1
GRACE_S = 5.0
"""The broker waits for its replicas as long as the request says; its answer then takes its time."""
LOST_COUNT = {ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER, ErrorCode.UNKNOWN_PRODUCER_ID, ErrorCode.INVALID_PRODUCER_EPOCH}


class Delivered(NamedTuple):
    """Where a record lies.  offset and timestamp_ms are -1 where nobody has said: with acks=0, or for a duplicate."""

    topic: str
    partition: int
    offset: int
    timestamp_ms: int


Promise = asyncio.Future[Delivered]
Place = tuple[str, int]


@dataclass(frozen=True)
class ProducerSettings:
    """acks: -1 all in-sync replicas, 1 the leader, 0 nobody.  Sizes in bytes, before compression."""

    acks: int = -1
    codec: Codec = Codec.NONE
    idempotent: bool = True
    linger_ms: int = 5
    batch_bytes: int = 16 * 1024
    request_bytes: int = 1024 * 1024
    buffer_bytes: int = 32 * 1024 * 1024
    delivery_timeout_ms: int = 120_000  # from `send` until the promise is kept or broken
    request_timeout_ms: int = 30_000

    def __post_init__(self) -> None:
        assert self.acks in (-1, 0, 1)
        assert self.acks == -1 or not self.idempotent, "idempotence stands on acks=all: the log must not lose its count"


@dataclass
class Batch:
    """Records of one partition that travel together."""

    due: float  # by the loop's time: when it leaves, full or not
    expires: float
    settled: asyncio.Future[None]  # when its promises are kept or broken
    records: list[Record] = field(default_factory=list)
    promises: list[Promise] = field(default_factory=list)
    size: int = 0
    bytes: bytes | bytearray = b""  # built when it leaves: from then on it is sent as it is, again and again
    sequence: int = -1
    producer_id: int = -1


@dataclass
class Queue:
    """What waits for one partition."""

    batches: deque[Batch] = field(default_factory=deque)
    under_way: bool = False
    not_before: float = 0.0  # a pause after an error
    pauses: Pauses | None = None
    sequence: int = 0
    producer_id: int = -1  # whose sequence this is


class Producer:
    """Use it as `async with Producer(cluster, clock, settings) as producer`; leaving sends what still waits."""

    def __init__(self, cluster: Cluster, clock: Clock, settings: ProducerSettings | None = None) -> None:
        self.cluster, self.clock = cluster, clock
        self.settings = settings or ProducerSettings()
        self._partitioner = Partitioner(cluster.random)
        self._queues: dict[Place, Queue] = {}
        self._waiting_bytes = 0
        self._room = asyncio.Event()
        self._wake = asyncio.Event()
        self._background = Background()
        self._identity: tuple[int, int] | None = None  # producer id and epoch
        self._flushing = 0
        self._loop = asyncio.get_running_loop()

    async def __aenter__(self) -> Producer:
        self._background.start(self._send_for_ever(), "producer")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            await self.flush()
        await self._background.stop()
        for queue in self._queues.values():
            for batch in queue.batches:
                self._fail(batch, KafkaError(ErrorCode.NETWORK_EXCEPTION, "the producer was closed"))

    # -- records in ---------------------------------------------------------------------------------------------------

    async def send(
        self,
        topic: str,
        value: bytes | None,
        *,
        key: bytes | None = None,
        partition: int | None = None,
        headers: Sequence[Header] = (),
        timestamp_ms: int = -1,
    ) -> Promise:
        """Queue a record; await what is returned to know where it lies.

        Waits for the topic's metadata, and for room while `buffer_bytes` wait already.  Raises KafkaError for a topic or
        partition that is not there; the promise raises it for all that happens later.
        """
        known = await self.cluster.topic(topic)
        if partition is None:
            partition = self._partitioner.choose(topic, key, len(known.partitions), known.led)
        elif not 0 <= partition < len(known.partitions):
            raise KafkaError(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, f"{topic} has no partition {partition}")
        stamp = self.clock.now_ms() if timestamp_ms < 0 else timestamp_ms
        record = Record(key, value, headers, stamp)
        size = RECORD_OVERHEAD + sum(
            len(part) for pair in ((key, value), *((n.encode(), v) for n, v in headers)) for part in pair if part
        )
        while self._waiting_bytes and self._waiting_bytes + size > self.settings.buffer_bytes:
            self._room.clear()
            await self._room.wait()
        return self._append((topic, partition), record, size)

    def _append(self, place: Place, record: Record, size: int) -> Promise:
        queue = self._queues.setdefault(place, Queue())
        batch = queue.batches[-1] if queue.batches else None
        if batch is None or batch.bytes or (batch.records and batch.size + size > self.settings.batch_bytes):
            if batch is not None and not batch.bytes:
                batch.due = 0.0
                self._partitioner.batch_is_full(place[0])
            now = self._loop.time()
            expires = now + self.settings.delivery_timeout_ms / 1000
            batch = Batch(now + self.settings.linger_ms / 1000, expires, self._loop.create_future())
            queue.batches.append(batch)
            self._wake.set()
        promise: Promise = self._loop.create_future()
        batch.records.append(record)
        batch.promises.append(promise)
        batch.size += size
        self._waiting_bytes += size
        if batch.size >= self.settings.batch_bytes:
            batch.due = 0.0
            self._wake.set()
        return promise

    async def flush(self) -> None:
        """Until every record sent so far has been answered for; without waiting for company."""
        self._flushing += 1
        self._wake.set()
        try:
            if batches := [batch.settled for queue in self._queues.values() for batch in queue.batches]:
                await asyncio.wait(batches)
        finally:
            self._flushing -= 1

    # -- batches out --------------------------------------------------------------------------------------------------

    async def _send_for_ever(self) -> None:
        while True:
            self._wake.clear()
            wait_s = await self._send_what_is_due()
            try:
                async with asyncio.timeout(wait_s):
                    await self._wake.wait()
            except TimeoutError:
                continue

    async def _send_what_is_due(self) -> float | None:
        """Start a request per leader; returns seconds until more will be due, None when only news change that."""
        now = self._loop.time()
        due: list[Place] = []
        soonest: float | None = None
        for place, queue in self._queues.items():
            if queue.under_way or not queue.batches:
                continue
            batch = queue.batches[0]
            if now >= batch.expires:
                self._give_up(queue, KafkaError(ErrorCode.REQUEST_TIMED_OUT, "not delivered in time"))
                self._wake.set()
                continue
            at = max(queue.not_before, 0.0 if self._flushing or batch.bytes else batch.due)
            if at <= now:
                due.append(place)
            elif soonest is None or at < soonest:
                soonest = at
        if due:
            if self.settings.idempotent and self._identity is None and not await self._identify(due):
                return PAUSE_AFTER_ERROR_S
            for leader, places in (await self._by_leader(due)).items():
                for some in self._fitting(places):
                    self._background.start(self._deliver(leader, some), "produce")
        return None if soonest is None else max(soonest - self._loop.time(), 0.0)

    async def _by_leader(self, due: Iterable[Place]) -> dict[int, list[Place]]:
        leaders: dict[int, list[Place]] = {}
        failed: dict[Place, KafkaError] = {}
        for place in due:
            try:
                leaders.setdefault(self.cluster.leader(*place), []).append(place)
            except KafkaError as error:
                failed[place] = error
        await self._retry_or_fail(failed)
        return leaders

    def _fitting(self, places: Iterable[Place]) -> Iterable[list[tuple[Place, Batch]]]:
        """The first batch of each place, in requests that are not too large; they are under way from now on."""
        request: list[tuple[Place, Batch]] = []
        size = 0
        for place in places:
            queue = self._queues[place]
            batch = queue.batches[0]
            queue.under_way = True
            self._build(queue, batch)
            if request and size + len(batch.bytes) > self.settings.request_bytes:
                yield request
                request, size = [], 0
            request.append((place, batch))
            size += len(batch.bytes)
        if request:
            yield request

    def _build(self, queue: Queue, batch: Batch) -> None:
        if batch.bytes:
            return
        producer_id, epoch = self._identity or (-1, -1)
        if self._identity is not None:
            if queue.producer_id != producer_id:
                queue.producer_id, queue.sequence = producer_id, 0
            batch.sequence, batch.producer_id = queue.sequence, producer_id
            queue.sequence = (queue.sequence + len(batch.records)) & SEQUENCE_MASK
        batch.bytes = build_batch(
            batch.records,
            codec=self.settings.codec,
            producer_id=producer_id,
            producer_epoch=epoch,
            base_sequence=batch.sequence,
            timestamp_ms=self.clock.now_ms(),
        )

    async def _deliver(self, leader: int, request: list[tuple[Place, Batch]]) -> None:
        """One request and what comes of it."""
        failed: dict[Place, KafkaError] = {}
        try:
            answers = await self._ask(leader, request)
            for place, batch in request:
                answer = answers.get(place)
                if answer is None:
                    failed[place] = KafkaError(ErrorCode.UNKNOWN_SERVER_ERROR, "the answer does not mention it")
                elif answer.error_code in (ErrorCode.NONE, ErrorCode.DUPLICATE_SEQUENCE_NUMBER):
                    self._keep_promises(place, self._queues[place], batch, answer)
                else:
                    failed[place] = KafkaError(error_named(answer.error_code), answer.error_message)
        except KafkaError as error:
            failed = {place: error for place, _ in request}
        await self._retry_or_fail(failed)
        for place, _ in request:
            self._queues[place].under_way = False
        self._wake.set()

    async def _ask(
        self, leader: int, request: list[tuple[Place, Batch]]
    ) -> dict[Place, ProduceResponse.Topic.Partition]:
        settings = self.settings
        topics: dict[str, list[ProduceRequest.Topic.Partition]] = {}
        for (topic, partition), batch in request:
            topics.setdefault(topic, []).append(ProduceRequest.Topic.Partition(index=partition, records=batch.bytes))
        message = ProduceRequest(
            acks=settings.acks,
            timeout_ms=settings.request_timeout_ms,
            topic_data=[ProduceRequest.Topic(name=name, partition_data=parts) for name, parts in topics.items()],
        )
        if settings.acks == 0:
            (await self.cluster.connection(leader)).tell(message)
            silence = ProduceResponse.Topic.Partition(base_offset=-1)
            return {place: silence for place, _ in request}
        timeout_s = settings.request_timeout_ms / 1000 + GRACE_S
        answer: ProduceResponse = await self.cluster.ask(leader, message, timeout_s)
        return {(each.name, one.index): one for each in answer.responses for one in each.partition_responses}

    # -- what comes of a batch ----------------------------------------------------------------------------------------

    def _keep_promises(self, place: Place, queue: Queue, batch: Batch, answer: ProduceResponse.Topic.Partition) -> None:
        self._leave_queue(queue)
        queue.pauses = None
        for delta, (record, promise) in enumerate(zip(batch.records, batch.promises, strict=True)):
            if not promise.done():
                offset = answer.base_offset + delta if answer.base_offset >= 0 else -1
                stamp = record.timestamp_ms if answer.log_append_time_ms < 0 else answer.log_append_time_ms
                promise.set_result(Delivered(*place, offset, stamp))
        batch.settled.set_result(None)

    async def _retry_or_fail(self, failed: dict[Place, KafkaError]) -> None:
        """The first batch of each of these places met an error."""
        stale = set()
        for place, error in failed.items():
            queue = self._queues[place]
            if error.code in LOST_COUNT:
                self._identity = None  # the leader has forgotten us: batches not sent yet go under a new name
            queue.pauses = queue.pauses or Pauses(self.cluster.random)
            queue.not_before = self._loop.time() + queue.pauses.next_s()
            if not error.code.retriable or queue.not_before > queue.batches[0].expires:
                self._give_up(queue, error)
            elif error.code.refreshes_metadata:
                stale.add(place[0])
        if stale:
            with suppress(KafkaError):  # nobody answers: after the pause we shall see
                await self.cluster.refresh(sorted(stale))
        if failed:
            self._wake.set()  # to look when the pauses end

    def _give_up(self, queue: Queue, error: KafkaError) -> None:
        batch = queue.batches[0]
        if batch.sequence >= 0:
            self._identity = None  # what follows would leave a hole in the sequence
        self._leave_queue(queue)
        self._fail(batch, error)

    def _leave_queue(self, queue: Queue) -> None:
        batch = queue.batches.popleft()
        self._waiting_bytes -= batch.size
        self._room.set()

    def _fail(self, batch: Batch, error: KafkaError) -> None:
        for promise in batch.promises:
            if not promise.done():
                promise.set_exception(KafkaError(error.code, str(error)))
                promise.exception()  # seen: a promise that nobody awaits may break in silence
        batch.settled.set_result(None)

    async def _identify(self, due: Iterable[Place]) -> bool:
        """Get a producer id.  Without one nothing leaves."""
        try:
            answer: InitProducerIdResponse = await self.cluster.ask_any(
                InitProducerIdRequest(transactional_id=None, transaction_timeout_ms=-1)
            )
            raise_for(answer.error_code)
        except KafkaError as error:
            await self._retry_or_fail({place: error for place in due})
            return False
        self._identity = answer.producer_id, answer.producer_epoch
        return True
