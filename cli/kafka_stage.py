"""A leader dies, another leads, the first comes back and cuts off what was never committed: three brokers, told line by line.

The brokers are those of minikafka, each on a host of the simulator and controller as well; what happens when follows from the
seed.  Somebody looks at all of them every few virtual milliseconds and says what has changed: who leads in which epoch, who
is in sync, how far each log reaches and how much of it is committed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

from cli.simulate_kafka import CLIENTS, NODES, Shape, SimulatedCluster, name_of
from scenarios import kafka_wire as wire
from simulation.network import NetworkOptions
from simulation.world import World

TOPIC = "orders"
LOOK_S = 0.002
PATIENCE_S = 30.0
UNTIL_S = 120.0
LEADER_ALONE, EVERYBODY = 1, -1


class Settings(Shape):
    """Kafka's way with our times, nothing drawn."""

    def __init__(self) -> None:
        self.settings = {
            "broker.session.timeout.ms": 2500,
            "broker.heartbeat.interval.ms": 500,
            "replica.lag.time.max.ms": 30000,
            "default.replication.factor": 3,
            "min.insync.replicas": 2,
            "auto.create.topics.enable": "false",
        }


class Stage:
    """The cluster, and what was seen of it so far."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.cluster = SimulatedCluster(world, Settings())
        self.lines: list[str] = []
        self.began = 0.0
        self._seen: dict[str, Any] = {}

    def tell(self, *lines: str) -> None:
        """Words between the events."""
        self.lines += ["", *lines, ""]

    def event(self, text: str) -> None:
        ms = (self.world.loop.time() - self.began) * 1000
        self.lines.append(f"{ms:7.0f} ms   {text}")

    def partitions(self) -> dict[int, Any]:
        """The one partition, as each live broker has it."""
        found = {}
        for number, node in self.cluster.live().items():
            if node.broker is not None:
                for partition in node.broker.partitions.values():
                    if partition.topic == TOPIC:
                        found[number] = partition
        return found

    async def watch(self) -> None:
        """Say what changes, for ever."""
        while True:
            self._look()
            await asyncio.sleep(LOOK_S)

    def _look(self) -> None:
        partitions = self.partitions()
        leading = [(each.leader_epoch, number) for number, each in partitions.items() if each.leading]
        if leading:
            epoch, number = max(leading)
            leader = partitions[number]
            self._changed("leader", (number, epoch), f"broker {number} leads, epoch {epoch}")
            isr = ", ".join(map(str, sorted(leader.isr)))
            self._changed("isr", isr, f"in sync: {isr}")
        for number, each in sorted(partitions.items()):
            log = each.log
            self._changed(f"log {number}", (log.log_end_offset, log.high_watermark), picture(number, each))

    def _changed(self, what: str, now: Any, text: str) -> None:
        if self._seen.get(what) != now:
            self._seen[what] = now
            self.event(text)

    async def until(self, reached: Callable[[], bool]) -> None:
        """Wait until the cluster is so far."""
        async with asyncio.timeout(PATIENCE_S):
            while not reached():  # noqa: ASYNC110 — the cluster knows of no audience
                await asyncio.sleep(LOOK_S)

    def leader(self) -> int | None:
        leading = [(each.leader_epoch, number) for number, each in self.partitions().items() if each.leading]
        return max(leading)[1] if leading else None

    async def ask(self, node: int, key: int, body: bytes) -> wire.Reader:
        connection = wire.Connection(await asyncio.open_connection(name_of(node), CLIENTS), "stage")
        try:
            return await connection.ask(key, body, PATIENCE_S)
        finally:
            connection.close()

    async def produce(self, value: str, acks: int = EVERYBODY) -> None:
        """One record to whoever leads; told when it is acknowledged."""
        leader = self.leader()
        assert leader is not None
        batch = wire.batch_of([value.encode()], 0)
        body = wire.produce_request(TOPIC, 0, batch, 10_000)
        body = body[:2] + acks.to_bytes(2, "big", signed=True) + body[4:]
        said = "all" if acks == EVERYBODY else str(acks)
        self.event(f'a producer sends "{value}" with acks={said} to broker {leader}')
        error, offset = wire.produce(await self.ask(leader, wire.PRODUCE, body))
        self.event(f'"{value}" is acknowledged: offset {offset}' if not error else f'"{value}" is refused: {error}')


def picture(number: int, partition: Any) -> str:
    """A log as a row: committed records in brackets."""
    log = partition.log
    data = bytes(log.read(log.log_start_offset, 1 << 20, log.log_end_offset).records) if log.log_end_offset else b""
    cells = [
        f"[{record.value.decode()}]" if record.offset < log.high_watermark else f" {record.value.decode()} "
        for record in wire.records_of(data)
    ]
    return f"   log of broker {number}  {''.join(cells)}".rstrip()


async def play(world: World) -> list[str]:
    """The whole story."""
    stage = Stage(world)
    for node in NODES:
        stage.cluster.start(node)
    await stage.until(lambda: len(live := stage.cluster.live()) == len(NODES) and all(n.ready for n in live.values()))
    stage.began = world.loop.time()
    watching = asyncio.create_task(stage.watch())
    try:
        await committed(stage)
        dead = await killed(stage)
        await returned(stage, dead)
    finally:
        watching.cancel()
    return stage.lines


async def committed(stage: Stage) -> None:
    stage.tell(
        "1  Three replicas, all in sync.  A record counts when each of them has it.",
        "   [a] is committed, as that broker knows;  a  is not.  A follower learns the watermark with its next answer.",
    )
    await stage.ask(1, wire.CREATE_TOPICS, wire.create_topics_request(TOPIC, 1, 3, {}, 10_000))
    await stage.until(lambda: stage.leader() is not None and len(stage.partitions()) == len(NODES))
    for value in "ab":
        await stage.produce(value)
    await stage.until(lambda: all(each.log.high_watermark == 2 for each in stage.partitions().values()))


async def killed(stage: Stage) -> int:
    leader = stage.leader()
    assert leader is not None
    stage.tell(
        "2  The leader is cut off from its followers, takes one more record on its own word (acks=1), and is killed.",
        "   The controller hears no heartbeat of it, fences it, and lets one of those in sync lead, in a new epoch.",
    )
    for node in NODES:
        if node != leader:
            stage.cluster.cut(leader, node)
            stage.cluster.cut(node, leader)
    await stage.produce("x", LEADER_ALONE)
    stage.event(f"broker {leader} is killed")
    stage.cluster.kill(leader)
    await stage.until(lambda: stage.leader() not in (None, leader))
    await stage.produce("c")
    return leader


async def returned(stage: Stage, dead: int) -> None:
    stage.tell(
        "3  The old leader comes back with a record that nobody else has.  It asks where its last epoch ended, learns that",
        '   "x" is not part of this history, cuts it off, and copies what it missed.  It was never acknowledged by all.',
    )
    stage.cluster.heal()
    stage.event(f"broker {dead} is started again")
    stage.cluster.start(dead)

    def one() -> bool:
        found = stage.partitions()
        return len(found) == len(NODES) and all(
            each.log.high_watermark == 3 and len(each.isr) == len(NODES) for each in found.values()
        )

    await stage.until(one)
    await asyncio.sleep(2 * LOOK_S)  # for the last of it to be seen
    stage.tell("Three equal logs.  What was committed stayed, whoever led.")


def perform(seed: int) -> Iterator[str]:
    """The story of one seed."""
    quiet = NetworkOptions(latency_min_s=0.0005, latency_mean_s=0.001)
    lines = World(seed, network=quiet).run(play, until=UNTIL_S)
    assert lines is not None
    yield from lines
