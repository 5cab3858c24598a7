"""One course of events, step by step, where seeds would come by it too rarely: a leader loses a record, and leads again.

    one broker     leads, r0 is committed          cut off: it takes r1, which nobody else has
    another        leads in its place, and takes the record of another producer at the offset that r1 had
    the first      copies that: r1 is cut off its log, and must be forgotten in what it remembers of producers as well
    the first      leads again, the preferred leader; r1 comes again: news to it, not a retry

Source: KIP-98, "Idempotent Producer Guarantees"; KIP-101.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

from cli.simulate_kafka import NODES, Shape, SimulatedCluster
from scenarios import kafka_wire as wire
from scenarios.kafka import TOPIC_EXISTS
from scenarios.kafka_checker import History, Sent, Violated
from simulation.world import World

TOPIC, PARTITION = "chaos", 0
SETTINGS = {
    "broker.heartbeat.interval.ms": 100,
    "broker.session.timeout.ms": 500,
    "controller.quorum.election.timeout.ms": 200,
    "replica.lag.time.max.ms": 400,
    "leader.imbalance.check.interval.seconds": 2,
}
PRODUCE_MS, ANSWER_S, STEP_S, LOOK_S = 300, 10.0, 30.0, 0.05


class Producer(NamedTuple):
    """An idempotent one; of its records each is a batch."""

    sent: Sent
    identity: tuple[int, ...]


@dataclass
class Course:
    """The cluster, and what was done to it."""

    cluster: SimulatedCluster
    history: History = field(default_factory=History)

    async def until(self, what: str, reached: Callable[[], bool]) -> None:
        loop = asyncio.get_running_loop()
        end = loop.time() + STEP_S
        while not reached():
            if loop.time() > end:
                raise Violated(f"waited {STEP_S:g} s for {what}, in vain")
            await asyncio.sleep(LOOK_S)

    async def in_sync(self) -> None:
        await self.until("every replica to be in sync", self.cluster.all_in_sync)

    async def ask(self, node: int, key: int, body: bytes) -> wire.Reader:
        connection = wire.Connection(await self.cluster.connect(node), "story")
        try:
            return await connection.ask(key, body, ANSWER_S)
        finally:
            connection.close()

    async def create_topic(self) -> None:
        body = wire.create_topics_request(TOPIC, 1, len(NODES), {"min.insync.replicas": "2"}, 1000)
        error, message = wire.create_topics(await self.ask(NODES[0], wire.CREATE_TOPICS, body))
        if error not in (0, TOPIC_EXISTS):  # whose answer was lost among the brokers
            raise Violated(f"the topic could not be created: {error} {message}")
        await self.in_sync()

    async def producer(self, name: str) -> Producer:
        """A new one."""
        for _ in range(int(STEP_S / LOOK_S)):
            error, *identity = wire.init_producer_id(
                await self.ask(NODES[0], wire.INIT_PRODUCER_ID, wire.init_producer_id_request())
            )
            if not error:
                return Producer(self.history.producer(name, PARTITION, idempotent=True), tuple(identity))
            await asyncio.sleep(LOOK_S)
        raise Violated(f"producer {name} is not given an id")

    async def produce(self, node: int, producer: Producer, number: int) -> int:
        """Send record `number`, made if it is new, to broker `node`; the error it answers with."""
        sent = producer.sent
        if number == len(sent.values):
            sent.values.append(f"{sent.name}:{number}".encode())
        batch = wire.batch_of([sent.values[number]], 1_700_000_000_000, (*producer.identity, number))
        answer = await self.ask(node, wire.PRODUCE, wire.produce_request(TOPIC, PARTITION, batch, PRODUCE_MS))
        error, offset = wire.produce(answer)
        if not error:
            sent.offsets[number] = offset
        return error

    async def served(self, producer: Producer, number: int) -> None:
        """The same, to whoever leads, until it is taken."""
        for _ in range(int(STEP_S / LOOK_S)):
            leader = self.cluster.leader()
            if leader is not None and not await self.produce(leader, producer, number):
                return
            await asyncio.sleep(LOOK_S)
        raise Violated(f"record {number} of {producer.sent.name} is not taken")


async def judge_course(world: World) -> None:
    """Raises Violated."""
    shape = Shape(world.random("shape"), flushed=False)
    shape.settings |= SETTINGS
    cluster = SimulatedCluster(world, shape)
    course = Course(cluster)
    for node in NODES:
        cluster.start(node)
    await course.in_sync()
    await course.create_topic()
    await course.until("a leader", lambda: cluster.leader() is not None)
    first = cluster.leader()
    assert first is not None
    one, other = await course.producer("one"), await course.producer("other")
    await course.served(one, 0)
    await course.in_sync()
    for node in NODES:
        if node != first:
            cluster.cut(first, node)
            cluster.cut(node, first)
    assert await course.produce(first, one, 1) != 0, "a leader that is cut off commits nothing"
    await course.until("another leader", lambda: cluster.leader() != first)
    await course.served(other, 0)
    cluster.heal()
    await course.in_sync()
    await course.until("the preferred leader to lead again", lambda: cluster.leader() == first)
    await course.served(one, 1)
    await course.in_sync()
    await course.until("the replicas to become the same", lambda: len({*cluster.logs(TOPIC, PARTITION).values()}) == 1)
    course.history.verify({PARTITION: cluster.logs(TOPIC, PARTITION)})
