"""A consumer of partitions named by hand: where to begin, fetch, unpack, skip what is not for it.

    assign ──> positions ──> one Fetch per leader, always under way ──> fetched, not yet read ──> poll ──> records
                   ^                                                                               |
                   +-------------------------------------------------------------------------------+

A consumer is its positions: the broker keeps nothing of it but, if it likes, offsets it committed (group_consumer.py).
A fetch waits at the broker until there is something, so an idle consumer costs two requests a second per leader.

Whole batches are fetched, as they lie in the log: the first may begin before the position, the last be cut off.  Control
batches are not for users; with `read_committed` neither are records of aborted transactions, which the broker names.

Left out: fetch sessions (KIP-227), the nearest replica (KIP-392), truncation found by leader epochs (KIP-320).

Source: Kafka's `Fetcher`, `CompletedFetch`; KIP-98.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from types import TracebackType
from typing import NamedTuple

from minikafka.client.cluster import Cluster, Pauses, raise_for
from minikafka.client.offsets import EARLIEST, LATEST, Place, find_offsets
from minikafka.records.batch import BadBatch, read_records, walk
from minikafka.records.marker import ABORT, read_marker
from minikafka.records.record import Header
from minikafka.wire.errors import ErrorCode, KafkaError, error_named
from minikafka.wire.messages.fetch import FetchRequest, FetchResponse
from serving.background import Background

CONSUMER = -1
NO_SESSION = -1


class Consumed(NamedTuple):
    """A record and where it lay.  timestamp_type: "CreateTime" or "LogAppendTime"."""

    topic: str
    partition: int
    offset: int
    timestamp_ms: int
    timestamp_type: str
    key: bytes | None
    value: bytes | None
    headers: tuple[Header, ...]


@dataclass(frozen=True)
class ConsumerSettings:
    """`reset`: where to begin when the position is unknown or gone: EARLIEST, LATEST, or None for an error."""

    reset: int | None = LATEST
    read_committed: bool = False
    max_wait_ms: int = 500
    min_bytes: int = 1
    max_bytes: int = 50 * 1024 * 1024
    partition_bytes: int = 1024 * 1024


@dataclass
class Fetched:
    """What a leader sent of one partition, not yet unpacked."""

    place: Place
    offset: int  # that was asked for; when the position has moved elsewhere since, this is of no use
    data: FetchResponse.Topic.Partition


class Consumer:
    """Use it as `async with Consumer(cluster, settings) as consumer`."""

    def __init__(self, cluster: Cluster, settings: ConsumerSettings | None = None) -> None:
        self.cluster = cluster
        self.settings = settings or ConsumerSettings()
        self.positions: dict[Place, int] = {}
        """Of each assigned partition the offset to be read next."""
        self.ends: dict[Place, int] = {}
        """High watermarks, or last stable offsets, as the latest answers told them."""
        self._fetched: deque[Fetched] = deque()
        self._ready: deque[deque[Consumed]] = deque()  # what was one answer's of one partition
        self._asking: set[int] = set()  # leaders with a fetch under way
        self._not_before: dict[Place, float] = {}
        self._pauses: dict[Place, Pauses] = {}
        self._news = asyncio.Event()
        self._failure: KafkaError | None = None
        self._loop = asyncio.get_running_loop()
        self.background = Background()

    async def __aenter__(self) -> Consumer:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        await self.background.stop()

    async def assign(self, starts: Mapping[Place, int]) -> None:
        """Read these partitions and no others, each from an offset, or from EARLIEST or LATEST.  Raises KafkaError."""
        for topic in sorted({topic for topic, _ in starts}):
            await self.cluster.topic(topic)
        for topic, partition in starts:
            if not 0 <= partition < len(self.cluster.topics[topic].partitions):
                raise KafkaError(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, f"{topic} has no partition {partition}")
        found = await find_offsets(
            self.cluster,
            {place: start for place, start in starts.items() if start in (EARLIEST, LATEST)},
            self.settings.read_committed,
        )
        self.positions = {place: found[place].offset if place in found else start for place, start in starts.items()}
        self._fetched.clear()
        self._ready.clear()
        self.ends.clear()

    def seek(self, place: Place, offset: int) -> None:
        """Read on from `offset`."""
        assert place in self.positions
        self.positions[place] = offset
        self._ready = deque(records for records in self._ready if place_of(records[0]) != place)

    def at_end(self) -> bool:
        """Whether everything that the brokers told of has been read."""
        return not self._ready and all(
            place in self.ends and position >= self.ends[place] for place, position in self.positions.items()
        )

    async def poll(self, timeout_s: float, max_records: int = 500) -> list[Consumed]:
        """The next records, [] when none came in time.  Each partition's are in order.

        Raises KafkaError for what no further attempt will cure, OFFSET_OUT_OF_RANGE without `reset` among others.
        """
        deadline = self._loop.time() + timeout_s
        while True:
            self._news.clear()
            if self._failure is not None:
                failure, self._failure = self._failure, None
                raise failure
            self._unpack(max_records)
            next_try = self._fetch_more()
            if self._ready or self._loop.time() >= deadline:
                return self._hand_out(max_records)
            until = deadline if next_try is None else min(deadline, next_try)
            with suppress(TimeoutError):
                async with asyncio.timeout_at(until):
                    await self._news.wait()

    def _hand_out(self, max_records: int) -> list[Consumed]:
        out: list[Consumed] = []
        while self._ready and len(out) < max_records:
            records = self._ready[0]
            if len(records) <= max_records - len(out):
                out += self._ready.popleft()
            else:
                out += [records.popleft() for _ in range(max_records - len(out))]
            self.positions[place_of(out[-1])] = out[-1].offset + 1
        return out

    # -- fetching -----------------------------------------------------------------------------------------------------

    def _fetch_more(self) -> float | None:
        """Ask each leader for the partitions of which nothing is at hand.  Returns when to look again, None: on news."""
        now = self._loop.time()
        at_hand = {each.place for each in self._fetched} | {place_of(records[0]) for records in self._ready}
        wanted: dict[int, list[Place]] = {}
        again: float | None = None
        lost: list[Place] = []
        for place in self.positions:
            if place in at_hand:
                continue
            if (not_before := self._not_before.get(place, 0.0)) > now:
                again = not_before if again is None else min(again, not_before)
                continue
            try:
                wanted.setdefault(self.cluster.leader(*place), []).append(place)
            except KafkaError:
                self._pause(place)
                lost.append(place)
        if lost:
            self.background.start(self._refresh(lost), "metadata")
        for leader, places in wanted.items():
            if leader not in self._asking:
                self._asking.add(leader)
                self.background.start(self._fetch(leader, {place: self.positions[place] for place in places}), "fetch")
        return again

    async def _fetch(self, leader: int, offsets: dict[Place, int]) -> None:
        failed: dict[Place, KafkaError] = {}
        try:
            request = self._request(offsets)
            timeout_s = self.settings.max_wait_ms / 1000 + self.cluster.timeouts.request
            answer: FetchResponse = await self.cluster.ask(leader, request, timeout_s)
            raise_for(answer.error_code)
            names = {topic.topic_id: topic.topic for topic in request.topics}  # newer versions answer by id
            for topic in answer.responses:
                for each in topic.partitions:
                    place = topic.topic or names[topic.topic_id], each.partition_index
                    if each.error_code:
                        failed[place] = KafkaError(error_named(each.error_code))
                    else:
                        self._keep(Fetched(place, offsets[place], each))
        except KafkaError as error:
            failed = {place: error for place in offsets}
        await self._recover(failed, offsets)
        self._asking.discard(leader)
        self._news.set()

    def _request(self, offsets: Mapping[Place, int]) -> FetchRequest:
        settings = self.settings
        topics: dict[str, list[FetchRequest.Topic.Partition]] = {}
        for (topic, partition), offset in offsets.items():
            topics.setdefault(topic, []).append(
                FetchRequest.Topic.Partition(
                    partition=partition, fetch_offset=offset, partition_max_bytes=settings.partition_bytes
                )
            )
        return FetchRequest(
            replica_id=CONSUMER,
            max_wait_ms=settings.max_wait_ms,
            min_bytes=settings.min_bytes,
            max_bytes=settings.max_bytes,
            isolation_level=int(settings.read_committed),
            session_epoch=NO_SESSION,
            topics=[
                FetchRequest.Topic(topic=name, topic_id=self.cluster.topics[name].topic_id, partitions=parts)
                for name, parts in topics.items()
            ],
        )

    def _keep(self, fetched: Fetched) -> None:
        place, data = fetched.place, fetched.data
        self._pauses.pop(place, None)
        if self.positions.get(place) != fetched.offset:
            return
        self.ends[place] = data.last_stable_offset if self.settings.read_committed else data.high_watermark
        if data.records:
            self._fetched.append(fetched)

    async def _recover(self, failed: Mapping[Place, KafkaError], offsets: Mapping[Place, int]) -> None:
        stale, gone = [], []
        for place, error in failed.items():
            if self.positions.get(place) != offsets[place]:
                continue
            self._pause(place)
            if error.code == ErrorCode.OFFSET_OUT_OF_RANGE and self.settings.reset is not None:
                gone.append(place)
            elif not error.code.retriable:
                self._failure = KafkaError(error.code, f"{place[0]}-{place[1]}, offset {offsets[place]}: {error}")
            elif error.code.refreshes_metadata:
                stale.append(place)
        if stale:
            await self._refresh(stale)
        if gone:
            await self._reset(gone)

    async def _refresh(self, places: Iterable[Place]) -> None:
        with suppress(KafkaError):  # nobody answers: after the pause we shall see
            await self.cluster.refresh(sorted({topic for topic, _ in places}))
        self._news.set()

    async def _reset(self, places: Iterable[Place]) -> None:
        assert self.settings.reset is not None
        wanted = dict.fromkeys(places, self.settings.reset)
        try:
            found = await find_offsets(self.cluster, wanted, self.settings.read_committed)
        except KafkaError as error:
            self._failure = error
            return
        for place, each in found.items():
            if place in self.positions:
                self.positions[place] = each.offset
                self._not_before.pop(place, None)

    def _pause(self, place: Place) -> None:
        pauses = self._pauses.setdefault(place, Pauses(self.cluster.random))
        self._not_before[place] = self._loop.time() + pauses.next_s()

    # -- unpacking ----------------------------------------------------------------------------------------------------

    def _unpack(self, enough: int) -> None:
        """Until `enough` records are ready: what lies packed is smaller, and can be thrown away when we seek."""
        while self._fetched and sum(map(len, self._ready)) < enough:
            fetched = self._fetched.popleft()
            if self.positions.get(fetched.place) != fetched.offset:
                continue
            try:
                records = deque(records_of(fetched, self.settings.read_committed))
            except BadBatch as error:
                self._failure = KafkaError(ErrorCode.CORRUPT_MESSAGE, f"{fetched.place}: {error}")
                return
            if records:
                self._ready.append(records)
            else:  # nothing for us in there: go on behind it
                self.positions[fetched.place] = end_of(fetched)


def place_of(record: Consumed) -> Place:
    return record.topic, record.partition


def records_of(fetched: Fetched, read_committed: bool) -> Iterator[Consumed]:
    """The records at and after the offset that was asked for.  Raises BadBatch."""
    data, (topic, partition) = fetched.data.records, fetched.place
    assert data is not None
    begun = deque(sorted(fetched.data.aborted_transactions or [], key=lambda each: each.first_offset))
    aborted: set[int] = set()  # producers within a transaction that came to nothing
    for position, batch in walk(data):
        while begun and begun[0].first_offset <= batch.last_offset:
            aborted.add(begun.popleft().producer_id)
        if batch.is_control:
            marker = read_marker(data, position)
            if marker is not None and marker.kind == ABORT:
                aborted.discard(batch.producer_id)
            continue
        if read_committed and batch.is_transactional and batch.producer_id in aborted:
            continue
        kind = "LogAppendTime" if batch.is_log_append_time else "CreateTime"
        for each in read_records(data, position):
            if each.offset >= fetched.offset:
                yield Consumed(
                    topic, partition, each.offset, each.timestamp_ms, kind, each.key, each.value, tuple(each.headers)
                )


def end_of(fetched: Fetched) -> int:
    """The offset behind the last whole batch."""
    assert fetched.data.records is not None
    end = fetched.offset
    for _, batch in walk(fetched.data.records):
        end = batch.last_offset + 1
    return end
