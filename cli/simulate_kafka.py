"""`mini simulate kafka`: three brokers under virtual time, which are the controllers as well.

    World ─┬─ n1 n2 n3           hosts that run minikafka.node.Node, unmodified: each broker and controller
           ├─ clients, nemesis   scenarios/kafka.py
           └─ Invariants         cli/watched_kafka.py: looks into all nodes again and again while they run

A seed draws the weather, the faults, when records are flushed, and times so short that a whole life of a cluster, with
its elections, fits into some seconds.
"""

import asyncio
import signal
import sys
from functools import partial
from random import Random
from typing import Any

import click

from cli import campaign
from cli.campaign import seed_options
from cli.watched_kafka import Invariants
from minikafka.node import Node
from minikafka.options import OPTIONS
from scenarios import kafka as scenario
from scenarios.kafka_clients import Pace
from scenarios.kafka_group import Ways
from scenarios.kafka_nemesis import FAULTS, FLUSHED_FAULTS, Weather
from scenarios.kafka_wire import Streams
from serving.background import Background
from serving.readers import read_arguments
from simulation.world import Host, World

CLIENTS, CONTROLLERS = 9092, 9093
NODES = (1, 2, 3)
UNTIL_S = 300.0
DATA = "data"
LONGEST_S = 12.0  # after which no further fault begins: a seed takes no more than two seconds of a quiet machine
WATCH_S = 0.01
STALL_S = 0.05, 0.3  # of an fsync now and then; a slow disk's stall is this many times longer


class Shape:
    """How this seed's brokers are set up; times in milliseconds."""

    def __init__(self, random: Random, flushed: bool) -> None:
        heartbeat = random.choice((100, 200))
        self.settings = {
            "broker.heartbeat.interval.ms": heartbeat,
            "broker.session.timeout.ms": heartbeat * random.choice((5, 8)),
            "controller.quorum.election.timeout.ms": random.choice((200, 400)),
            "replica.lag.time.max.ms": random.choice((400, 1000)),
            "replica.fetch.wait.max.ms": random.choice((50, 200)),
            "replica.fetch.backoff.ms": random.choice((50, 300)),
            "replica.fetch.max.bytes": random.choice((200, 1_048_576)),
            "replica.high.watermark.checkpoint.interval.ms": random.choice((300, 5000)),
            "log.flush.offset.checkpoint.interval.ms": random.choice((500, 5000)),
            "auto.create.topics.enable": "false",
            "num.partitions": 1,
            "default.replication.factor": 3,
            "min.insync.replicas": 2,
            "offsets.topic.num.partitions": 1,
            "leader.imbalance.check.interval.seconds": random.choice((2, 300)),
            "log.flush.interval.messages": 1 if flushed else 2**63 - 1,
            "group.initial.rebalance.delay.ms": random.choice((0, 200)),
            "group.min.session.timeout.ms": 100,
        }

    def of(self, node: int) -> Any:
        """The settings of one node."""
        name = name_of(node)
        given = {
            "node.id": node,
            "listeners": f"PLAINTEXT://:{CLIENTS},CONTROLLER://:{CONTROLLERS}",
            "advertised.listeners": f"PLAINTEXT://{name}:{CLIENTS}",
            "controller.quorum.voters": ",".join(f"{each}@{name_of(each)}:{CONTROLLERS}" for each in NODES),
            "log.dirs": DATA,
            **self.settings,
        }
        words = [word for key, value in given.items() for word in (f"--{key}", str(value))]
        return OPTIONS.load(read_arguments(words).given)


class SimulatedCluster:
    """The hosts of a world as `scenarios.kafka.Cluster` wants them."""

    def __init__(self, world: World, shape: Shape) -> None:
        self.world, self.shape = world, shape
        self.running_nodes: dict[int, Node] = {}  # those that run, or ran last

    def nodes(self) -> list[int]:
        return list(NODES)

    async def connect(self, node: int) -> Streams:
        return await asyncio.open_connection(name_of(node), CLIENTS)

    def start(self, node: int) -> None:
        self.world.start(name_of(node), partial(self.software, node))

    async def software(self, number: int, host: Host) -> None:
        """One node: nothing in it knows that it is simulated."""
        loop = asyncio.get_running_loop()
        ending: asyncio.Future[int] = loop.create_future()

        def request_stop(exit_code: int = 0) -> None:
            if not ending.done():
                ending.set_result(exit_code)

        loop.add_signal_handler(signal.SIGTERM, request_stop)
        background = Background(lambda error: request_stop(1))
        node = Node(self.shape.of(number), clock=host.clock, random=host.random, disk=host.disk, background=background)
        node.request_stop = request_stop
        self.running_nodes[number] = node
        starting = loop.create_task(node.start())
        either: list[asyncio.Future[Any]] = [starting, ending]
        await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
        if not starting.done():
            sys.exit(1)  # told to stop while starting: nothing has been promised yet
        starting.result()
        exit_code = await ending
        if exit_code == 0:
            await node.stop()
        sys.exit(exit_code)

    def kill(self, node: int) -> None:
        self.world.kill(name_of(node))

    def strike(self, node: int, steps: int) -> None:
        disk = self.world.host(name_of(node)).disk
        if steps:
            disk.strike_before(steps, lambda: self.power_loss(node), DATA)
        else:
            disk.strike_no_more()

    def power_loss(self, node: int) -> None:
        self.world.power_loss(name_of(node))

    def terminate(self, node: int) -> None:
        self.world.signal(name_of(node), signal.SIGTERM)

    def running(self, node: int) -> bool:
        return self.world.host(name_of(node)).running

    def pause(self, node: int) -> None:
        self.world.pause(name_of(node))

    def resume(self, node: int) -> None:
        self.world.resume(name_of(node))

    def cut(self, source: int, target: int) -> None:
        self.world.network.cut(name_of(source), name_of(target))

    def heal(self) -> None:
        self.world.network.heal()

    def slow_disk(self, node: int, factor: float) -> None:
        self.world.slow_disk(name_of(node), factor)

    def clock_rate(self, node: int, rate: float) -> None:
        self.world.clock_rate(name_of(node), rate)

    def live(self) -> dict[int, Node]:
        return {number: node for number, node in self.running_nodes.items() if self.running(number)}

    def controller(self) -> int | None:
        active = [
            (node.quorum.term, number)
            for number, node in self.live().items()
            if node.quorum is not None and node.quorum.is_active()
        ]
        return max(active)[1] if active else None

    def leader(self) -> int | None:
        leading = [
            (partition.leader_epoch, number)
            for number, node in self.live().items()
            if node.broker is not None
            for partition in node.broker.partitions.values()
            if partition.leading
        ]
        return max(leading)[1] if leading else None

    def all_in_sync(self) -> bool:
        controller = self.controller()
        if controller is None or any(not node.ready for node in self.live().values()) or len(self.live()) < len(NODES):
            return False
        quorum = self.running_nodes[controller].quorum
        assert quorum is not None
        image = quorum.image
        fenced = [broker for broker in image.brokers.values() if broker.fenced]
        return not fenced and all(
            sorted(partition.isr) == sorted(partition.replicas) for _, _, partition in image.partitions()
        )

    def records_held(self) -> int:
        brokers = [node.broker for node in self.live().values() if node.broker is not None]
        return sum(partition.log.log_end_offset for broker in brokers for partition in broker.partitions.values())

    def logs(self, topic: str, partition: int) -> dict[int, bytes]:
        found = {}
        for node in NODES:
            disk = self.world.host(name_of(node)).disk
            folder = f"{DATA}/{topic}-{partition}"
            names = sorted(name for name in disk.listdir(folder) if name.endswith(".log"))
            files = [disk.open(f"{folder}/{name}", "r") for name in names]
            found[node] = b"".join(bytes(file.pread(file.size(), 0)) for file in files)
            for file in files:
                file.close()
        return found


def name_of(node: int) -> str:
    """The host of a node."""
    return f"n{node}"


def drawn_plan(random: Random, flushed: bool) -> scenario.Plan:
    """How hard this seed pushes."""
    faults = FAULTS + FLUSHED_FAULTS if flushed else FAULTS
    return scenario.Plan(
        partitions=random.choice((1, 2)),
        producers=4,
        consumers=random.choice((1, 2)),
        pace=Pace(
            think_s=random.choice(((0.005, 0.05), (0.02, 0.2))),
            batch_records=random.choice((1, 3)),
            produce_timeout_ms=random.choice((300, 1500)),
            answer_s=random.choice((0.8, 2.0)),
        ),
        weather=Weather(
            faults=tuple(random.sample(faults, random.randint(2, 6))),
            flushed=flushed,
            strikes=random.randint(3, 7),
            between_s=random.choice(((0.05, 0.3), (0.1, 1.0))),
            lasts_s=random.choice(((0.05, 0.5), (0.1, 1.5), (1.0, 3.0))),
            overlap=random.choice((0.0, 0.3, 0.8)),
            most_s=LONGEST_S,
        ),
        group=Ways(
            members=random.choice((2, 3)),
            static=random.random() < 0.3,
            session_s=random.choice((0.8, 2.0)),
            rebalance_s=random.choice((0.5, 1.5)),
            between_s=random.choice(((0.3, 1.5), (1.0, 4.0))),
        ),
    )


async def kafka_run(world: World, plan: scenario.Plan, shape: Shape) -> scenario.Report:
    """One seed.  Raises Violated, or what the invariants raise."""
    world.note(f"plan {plan}")
    cluster = SimulatedCluster(world, shape)
    for node in NODES:
        world.host(name_of(node)).disk.options.stall_s = STALL_S
        cluster.start(node)
    running = asyncio.create_task(scenario.run(cluster, plan, world.random("scenario")))
    watching = asyncio.create_task(watch(cluster))
    ends: list[asyncio.Task[Any]] = [watching, running]
    try:
        await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
        if watching.done():
            watching.result()
        report = await running
    finally:
        for task in ends:
            task.cancel()
        await asyncio.gather(*ends, return_exceptions=True)
    world.note(f"report {report}")
    return report


async def watch(cluster: SimulatedCluster) -> None:
    """For ever.  Raises InvariantViolated."""
    invariants = Invariants()
    while True:
        invariants.look(cluster.live())
        await asyncio.sleep(WATCH_S)


async def judge_kafka(world: World) -> object:
    """What the runner runs: at the top of a module, as it goes to other processes."""
    flushed = world.random("profile").random() < 0.5
    plan = drawn_plan(world.random("plan"), flushed)
    return await kafka_run(world, plan, Shape(world.random("shape"), flushed))


@click.command()
@seed_options(200)
def kafka(**seeds: Any) -> None:
    """Crashes, power failures, pauses, cuts, slow disks, drifting clocks, rolling restarts; and every log read back."""
    sys.exit(campaign.run("kafka", judge_kafka, until=UNTIL_S, **seeds))
