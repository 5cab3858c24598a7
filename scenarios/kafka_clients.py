"""Clients of a Kafka cluster, as books describe them: they ask who leads, believe it until it proves wrong, try again.

    Producer   acks=all; plain: one batch on its way at a time, sent until it is answered, so a copy too many may stand
               in the log; idempotent: up to five on their way, each with a sequence number, repeated in their order
               until all are answered, so that each record stands there once.  Its very first goes alone: a broker that
               has never heard of a producer takes whatever number comes first, so a second that overtakes the first (its
               leader changed between the two) would make it out of order for ever
    Consumer   reads by Fetch from where it is, asks where the partition ends, commits where it has come to

None gives up: what cannot be had now is asked for again until the run is over.

Source: Kafka's `Sender`, `RecordAccumulator`, `TransactionManager`; KIP-98, KIP-207, KIP-320.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from random import Random
from typing import Protocol

from scenarios import kafka_wire as wire
from scenarios.kafka_checker import Commits, History, Sent, Violated
from scenarios.kafka_wire import LOST, Connection, Led

TOPIC = "chaos"
IN_FLIGHT_MAX = 5
"""Brokers remember that many batches of a producer; Kafka's clients send no more at once for that reason."""

NOT_LEADER, TIMED_OUT, OUT_OF_RANGE, NOT_AVAILABLE = 6, 7, 1, 78
OUT_OF_ORDER_SEQUENCE, DUPLICATE_SEQUENCE = 45, 46
MAY_BE_REPEATED = {
    2: "CORRUPT_MESSAGE", 3: "UNKNOWN_TOPIC_OR_PARTITION", 5: "LEADER_NOT_AVAILABLE", 6: "NOT_LEADER_OR_FOLLOWER",
    7: "REQUEST_TIMED_OUT", 13: "NETWORK_EXCEPTION", 14: "COORDINATOR_LOAD_IN_PROGRESS", 15: "COORDINATOR_NOT_AVAILABLE",
    16: "NOT_COORDINATOR", 19: "NOT_ENOUGH_REPLICAS", 20: "NOT_ENOUGH_REPLICAS_AFTER_APPEND", 41: "NOT_CONTROLLER",
    56: "KAFKA_STORAGE_ERROR", 74: "FENCED_LEADER_EPOCH", 75: "UNKNOWN_LEADER_EPOCH", 78: "OFFSET_NOT_AVAILABLE",
}  # fmt: skip
"""Errors that a client repeats its request after, as Kafka's own do; any other ends it, and the run."""


class Place(Protocol):
    """Where clients live: the cluster as they reach it, and what their run wants of them."""

    over: bool
    draining: bool
    """Nothing new is to be sent; what is on its way must still arrive."""

    async def connect(self, node: int) -> wire.Streams: ...
    def nodes(self) -> list[int]: ...


@dataclass(frozen=True)
class Pace:
    """How hard clients push.  Times in seconds."""

    think_s: tuple[float, float] = (0.005, 0.05)
    answer_s: float = 1.5
    retry_s: tuple[float, float] = (0.02, 0.15)
    batch_records: int = 3
    record_bytes: int = 20
    produce_timeout_ms: int = 1000
    fetch_wait_ms: int = 200
    fetch_bytes: int = 4000
    group_chance: float = 0.2
    """That a consumer commits, or begins again where it has committed, instead of reading on."""


class Client:
    """What all clients do: find the leader, keep a connection to it, lose it."""

    def __init__(self, name: str, place: Place, pace: Pace, random: Random) -> None:
        self.name, self.place, self.pace, self.random = name, place, pace, random
        self.leaders: dict[int, Led] = {}
        self._connections: dict[int, Connection] = {}

    async def connection(self, node: int) -> Connection:
        """Raises OSError, TimeoutError."""
        found = self._connections.get(node)
        if found is None:
            async with asyncio.timeout(self.pace.answer_s):
                found = Connection(await self.place.connect(node), self.name)
            self._connections[node] = found
        return found

    def drop(self, node: int) -> None:
        found = self._connections.pop(node, None)
        if found is not None:
            found.close()

    def close(self) -> None:
        for node in list(self._connections):
            self.drop(node)

    async def ask(self, node: int, key: int, body: bytes, answer_s: float | None = None) -> wire.Reader | None:
        """One answer, or None: the connection is dropped then."""
        try:
            return await (await self.connection(node)).ask(key, body, answer_s or self.pace.answer_s)
        except LOST:
            self.drop(node)
            return None

    async def ask_anyone(self, key: int, body: bytes) -> wire.Reader | None:
        return await self.ask(self.random.choice(self.place.nodes()), key, body)

    async def refresh(self) -> None:
        """Who leads, as any one broker knows; older news than ours is not believed (KIP-320)."""
        answer = await self.ask_anyone(wire.METADATA, wire.metadata_request(TOPIC))
        if answer is None:
            return
        _, leaders = wire.metadata(answer)
        for partition, led in leaders.items():
            if partition not in self.leaders or led.epoch >= self.leaders[partition].epoch:
                self.leaders[partition] = led

    async def leader_of(self, partition: int) -> Led:
        """Asks until somebody leads."""
        while (led := self.leaders.get(partition)) is None or led.leader < 0:
            await self.pause()
            await self.refresh()
        return led

    async def find_coordinator(self, group: str) -> int | None:
        """Of a group, as any one broker knows; None: nobody now, or no answer.  Raises Violated."""
        answer = await self.ask_anyone(wire.FIND_COORDINATOR, wire.find_coordinator_request(group))
        error, node = wire.find_coordinator(answer) if answer is not None else (0, -1)
        self.check(error, f"looks for the coordinator of {group}")
        return None if error or node < 0 else node

    def check(self, error: int, what: str) -> None:
        """Raises Violated for one that no client would repeat its request after."""
        if error and error not in MAY_BE_REPEATED:
            raise Violated(f"{self.name} {what}: error {error}")

    async def pause(self) -> None:
        await asyncio.sleep(self.random.uniform(*self.pace.retry_s))


@dataclass
class Batch:
    """Some records on their way; `first` is the number of the first, and its sequence number."""

    first: int
    values: list[bytes]
    attempts: int = 0
    done: bool = False


class Producer(Client):
    """Sends to one partition, until told to drain; then all that it sent must be answered."""

    def __init__(
        self, name: str, place: Place, pace: Pace, random: Random, partition: int, idempotent: bool, history: History
    ) -> None:
        super().__init__(name, place, pace, random)
        self.sent: Sent = history.producer(name, partition, idempotent)
        self.partition, self.idempotent = partition, idempotent
        self.identity = (-1, -1)
        self.window: list[Batch] = []
        self.acknowledged = self.retried = 0
        self.errors: dict[str, int] = {}

    @property
    def idle(self) -> bool:
        return not self.window

    async def run(self) -> None:
        try:
            if self.idempotent:
                await self._identify()
            while not self.place.over:
                await self._round()
        finally:
            self.close()

    async def _identify(self) -> None:
        while True:
            answer = await self.ask_anyone(wire.INIT_PRODUCER_ID, wire.init_producer_id_request())
            if answer is not None:
                error, number, epoch = wire.init_producer_id(answer)
                if not error:
                    self.identity = number, epoch
                    return
                self._may_repeat(error)
            await self.pause()

    def _may_repeat(self, error: int) -> None:
        name = MAY_BE_REPEATED.get(error)
        if name is None:
            raise Violated(f"producer {self.name} of partition {self.partition} meets error {error}, which is fatal")
        self.errors[name] = self.errors.get(name, 0) + 1

    async def _round(self) -> None:
        """Send along one connection until something goes wrong; what is not answered then goes first in the next."""
        led = await self.leader_of(self.partition)
        try:
            connection = await self.connection(led.leader)
        except LOST:
            well = False
        else:
            well = await self._stream(connection)
            if not well:
                self.drop(led.leader) if self.broken else None
        if not well:
            await self.pause()
            await self.refresh()

    async def _stream(self, connection: Connection) -> bool:
        """Batches out, answers in, up to the limit of both; False when the leader is to be looked for again."""
        self.broken = False
        waiting = [batch for batch in self.window if not batch.done]
        flying: list[Batch] = []
        well = True
        while well or flying:
            limit = IN_FLIGHT_MAX if self.idempotent and self.acknowledged else 1
            while well and len(flying) < limit and (batch := self._next(waiting, limit)) is not None:
                self._send(connection, batch)
                flying.append(batch)
                if self.random.random() < 0.5:
                    break
            if not flying:
                if self.place.over or self.place.draining:
                    await asyncio.sleep(self.pace.think_s[1])
                    return True
                await asyncio.sleep(self.random.uniform(*self.pace.think_s))
                continue
            try:
                async with asyncio.timeout(self.pace.answer_s):
                    error, offset = wire.produce(await connection.receive())
            except LOST:
                self.broken = True
                return False
            well = self._answered(flying.pop(0), error, offset) and well
            if well and self.random.random() < 0.5:
                await asyncio.sleep(self.random.uniform(*self.pace.think_s))
        return False

    def _next(self, waiting: list[Batch], limit: int) -> Batch | None:
        """What goes out next: what was not answered, then something new while the window has room."""
        if waiting:
            return waiting.pop(0)
        if self.place.draining or len(self.window) >= limit:
            return None
        first, count = len(self.sent.values), self.random.randint(1, self.pace.batch_records)
        values = [f"{self.name}:{first + each}:".encode().ljust(self.pace.record_bytes, b".") for each in range(count)]
        self.sent.values += values
        batch = Batch(first, values)
        self.window.append(batch)
        return batch

    def _send(self, connection: Connection, batch: Batch) -> None:
        identity = (*self.identity, batch.first) if self.idempotent else (-1, -1, -1)
        self.retried += batch.attempts > 0
        batch.attempts += 1
        data = wire.batch_of(batch.values, 1_700_000_000_000, identity)
        connection.send(wire.PRODUCE, wire.produce_request(TOPIC, self.partition, data, self.pace.produce_timeout_ms))

    def _answered(self, batch: Batch, error: int, offset: int) -> bool:
        """Whether to go on along this connection."""
        if error == OUT_OF_ORDER_SEQUENCE and self.window[0] is not batch:
            return False  # one before it has not arrived yet
        if error not in (0, DUPLICATE_SEQUENCE):
            self._may_repeat(error)
            return False
        batch.done = True
        self.acknowledged += len(batch.values)
        for place in range(len(batch.values)):
            told = offset + place if not error and offset >= 0 else -1
            self.sent.offsets[batch.first + place] = told
        while self.window and self.window[0].done:
            self.window.pop(0)
        return True


class Reading(Client):
    """Whoever reads records: where it is in each partition, and the step from there to the next."""

    def __init__(self, name: str, place: Place, pace: Pace, random: Random, partitions: int, history: History) -> None:
        super().__init__(name, place, pace, random)
        self.history = history
        self.positions = dict.fromkeys(range(partitions), 0)
        self.read = self.resumed = 0

    def took(self, partition: int, record: wire.Stored) -> None:
        """It is read, and the one behind it is next.  Raises Violated."""
        self.history.was_read(partition, record)
        self.positions[partition] = record.offset + 1
        self.read += 1

    async def fetch(self, partition: int, led: Led) -> bool:
        """Read on from where it is; False when the leader is to be looked for again.  Raises Violated."""
        offset, before = self.positions[partition], self.history.known_end(partition)
        body = wire.fetch_request(TOPIC, partition, led.epoch, offset, self.pace.fetch_wait_ms, self.pace.fetch_bytes)
        answer = await self.ask(led.leader, wire.FETCH, body)
        if answer is None:
            return False
        fetched = wire.fetch(answer)
        if fetched.error:
            if fetched.error not in MAY_BE_REPEATED:
                raise Violated(f"consumer {self.name} meets error {fetched.error} at offset {offset} of {partition}")
            return False
        if before[0] == led.epoch:  # a new leader may still be behind, in what it gives, not in what it says of its end
            self.history.was_told_end(partition, led.epoch, fetched.high_watermark, led.leader, before)
        for record in wire.records_of(fetched.records):
            if record.offset >= fetched.high_watermark:
                raise Violated(f"{record} was given to a consumer, the high watermark is {fetched.high_watermark}")
            if record.offset >= self.positions[partition]:
                self.took(partition, record)
        return True


class Consumer(Reading):
    """Reads every partition, asks where they end, commits where it is, and now and then begins anew from there."""

    def __init__(self, name: str, place: Place, pace: Pace, random: Random, partitions: int, history: History) -> None:
        super().__init__(name, place, pace, random, partitions, history)
        self.commits = {partition: Commits() for partition in range(partitions)}
        self.coordinator: int | None = None

    async def run(self) -> None:
        try:
            while not self.place.over:
                for partition in self.positions:
                    await self._look(partition)
                await asyncio.sleep(self.random.uniform(*self.pace.think_s))
        finally:
            self.close()

    async def _look(self, partition: int) -> None:
        led = await self.leader_of(partition)
        chance = self.random.random()
        if chance < self.pace.group_chance:
            await self._in_group(partition)
            return
        deed: Callable[[int, Led], Awaitable[bool]] = self._end if chance < self.pace.group_chance + 0.2 else self.fetch
        if not await deed(partition, led):
            await self.pause()
            await self.refresh()

    async def _end(self, partition: int, led: Led) -> bool:
        before = self.history.known_end(partition)
        answer = await self.ask(led.leader, wire.LIST_OFFSETS, wire.list_offsets_request(TOPIC, partition, led.epoch))
        if answer is None:
            return False
        error, end, _ = wire.list_offsets(answer)
        if error:
            if error not in MAY_BE_REPEATED:
                raise Violated(f"consumer {self.name} asks where {partition} ends: error {error}")
            return False
        self.history.was_told_end(partition, led.epoch, end, led.leader, before)
        return True

    # -- its group ----------------------------------------------------------------------------------------------------

    async def _in_group(self, partition: int) -> None:
        """Commit, or resume, if there is a coordinator to be had."""
        if self.coordinator is None:
            self.coordinator = await self.find_coordinator(self.name)
            if self.coordinator is None:
                await self.pause()
                return
        deed = self._resume if self.random.random() < 0.3 else self._commit
        if not await deed(partition, self.coordinator):
            self.coordinator = None

    async def _commit(self, partition: int, coordinator: int) -> bool:
        commits, offset = self.commits[partition], self.positions[partition]
        body = wire.offset_commit_request(self.name, TOPIC, partition, offset)
        new = offset not in commits.uncertain
        commits.uncertain.add(offset)
        answer = await self.ask(coordinator, wire.OFFSET_COMMIT, body)
        if answer is None:
            return False
        error = wire.offset_commit(answer)
        self.check(error, "commits")
        if error:
            return False
        commits.known = offset
        if new:
            commits.uncertain.discard(offset)
        return True

    async def _resume(self, partition: int, coordinator: int) -> bool:
        """As a consumer that has just been started; what it reads again must be what it has read before."""
        answer = await self.ask(coordinator, wire.OFFSET_FETCH, wire.offset_fetch_request(self.name, TOPIC, partition))
        if answer is None:
            return False
        error, offset = wire.offset_fetch(answer)
        self.check(error, "asks what it has committed")
        if error:
            return False
        self.commits[partition].verify(f"group {self.name} of partition {partition}", offset)
        self.positions[partition] = max(0, offset)
        self.resumed += 1
        return True
