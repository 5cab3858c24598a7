"""`mini simulate raft`: three to five nodes under virtual time, every rule of the paper checked after every event.

    World ─┬─ n1 n2 n3 ...     hosts that run raft.host.Host with the table of raft/example_kv.py, unmodified
           ├─ clients, nemesis scenarios/raft.py
           ├─ Invariants       raft/invariants.py: looks at all nodes after each thing that happened to one of them
           └─ History          what the clients saw: one order of all calls must explain it

A seed draws the size of the cluster, the weather, the faults, and the sizes: of snapshots, chunks and segments, so small
that all of Raft's corners are visited within seconds.
"""

import asyncio
import sys
from collections.abc import Callable
from functools import partial
from random import Random
from typing import Any

import click

from cli import campaign
from cli.campaign import seed_options
from cli.watched_raft import Report, WatchedHost
from durable.journal import CorruptJournal
from raft.example_server import Client, ReplicatedTable
from raft.host import Host as RaftHost
from raft.invariants import InvariantViolated
from raft.membership import Membership
from raft.ready import Role, Settings
from scenarios import raft as scenario
from scenarios.raft import Streams
from simulation.history import History, verify
from simulation.world import Host, World

PEERS, CLIENTS = 9093, 9092
UNTIL_S = 600.0
GROUP = 0
IDS = range(1, 30)  # that a cluster may ever use


class SimulatedCluster:
    """The hosts of a world as `scenarios.raft.Cluster` wants them."""

    def __init__(self, world: World, nodes: int, shape: "Shape") -> None:
        self.world, self.shape = world, shape
        self.members = list(range(1, nodes + 1))
        self.founders = Membership.of(*self.members)
        self.broken: asyncio.Future[InvariantViolated] = asyncio.get_running_loop().create_future()
        self.report = Report(self._broken)
        self.hosts: dict[int, RaftHost] = {}  # those that run, or ran last
        self.disks_failed: set[int] = set()  # nodes that ended because of it
        self._used = nodes

    async def connect(self, node: int) -> Streams:
        return await asyncio.open_connection(name_of(node), CLIENTS)

    def start(self, node: int) -> None:
        self.world.start(name_of(node), partial(self.software, node))

    async def software(self, node: int, host: Host) -> None:
        """One node: nothing in it knows that it is simulated."""
        failed: asyncio.Future[BaseException] = asyncio.get_running_loop().create_future()

        def on_failed(error: BaseException) -> None:
            if isinstance(error, OSError):
                self.disks_failed.add(node)
            failed.set_result(error)

        try:
            raft = self.shape.host(node, host, self.report, on_failed)
        except OSError:
            sys.exit(1)
        except CorruptJournal:  # as it must be after an fsync that failed, and lost what others were never told of
            if node not in self.disks_failed:
                raise
            sys.exit(1)
        raft.dial({each: (name_of(each), PEERS) for each in IDS})
        await raft.listen(None, PEERS)
        table = ReplicatedTable()
        founders = self.founders if node in self.founders.voters else None
        driver = raft.join(GROUP, table, founders=founders, snapshot_entries=self.shape.snapshot_entries)
        self.hosts[node] = raft
        await asyncio.get_running_loop().create_server(lambda: Client(driver, table), None, CLIENTS)
        await failed
        sys.exit(1)

    def _broken(self, violated: InvariantViolated) -> None:
        self.world.note(f"broken: {violated}")
        if not self.broken.done():
            self.broken.set_result(violated)

    def kill(self, node: int) -> None:
        self.world.kill(name_of(node))

    def strike(self, node: int, steps: int) -> None:
        disk = self.world.host(name_of(node)).disk
        if steps:
            disk.strike_before(steps, lambda: self.kill(node), "journal")
        else:
            disk.strike_no_more()

    def power_loss(self, node: int) -> None:
        self.world.power_loss(name_of(node))

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

    def break_disk(self, node: int, broken: bool) -> None:
        self.world.host(name_of(node)).disk.options.fsync_error = 1.0 if broken else 0.0

    def clock_rate(self, node: int, rate: float) -> None:
        self.world.clock_rate(name_of(node), rate)

    def leader(self) -> int | None:
        leaders = [
            (raft.drivers[GROUP].node.term, node)
            for node, raft in self.hosts.items()
            if self.running(node) and raft.drivers[GROUP].node.role is Role.LEADER
        ]
        return max(leaders)[1] if leaders else None

    def fresh(self) -> int:
        self._used += 1
        return self._used


class Shape:
    """How large things are in this seed, and how a node is made."""

    def __init__(self, random: Random) -> None:
        self.snapshot_entries = random.choice((5, 20, 100, 10_000))
        self.segment_bytes = random.choice((300, 3_000, 100_000))
        self.tick_s = random.choice((0.02, 0.05))
        self.settings = Settings(
            election_ticks=10,
            heartbeat_ticks=random.choice((1, 2)),
            append_bytes_max=random.choice((50, 1000, 1 << 20)),
            appends_in_flight_max=random.choice((1, 4, 64)),
            snapshot_chunk_bytes=random.choice((20, 500, 1 << 20)),
            kept_entries=random.choice((0, 3, 50)),
        )

    def host(self, node: int, host: Host, report: Report, on_failed: Callable[[BaseException], None]) -> RaftHost:
        return WatchedHost(
            report,
            node,
            host.disk,
            "raft",
            cluster="simulated",
            random=host.random,
            settings=self.settings,
            tick_s=self.tick_s,
            segment_bytes=self.segment_bytes,
            on_failed=on_failed,
        )


def name_of(node: int) -> str:
    """The host of a node."""
    return f"n{node}"


def drawn_plan(random: Random) -> scenario.Plan:
    """How hard this seed pushes."""
    return scenario.Plan(
        nodes=random.choice((3, 3, 5)),
        clients=random.randint(2, 4),
        keys=random.randint(1, 3),
        faults=tuple(random.sample(scenario.FAULTS, random.randint(2, 6))),
        strikes=random.randint(4, 10),
        between_s=random.choice(((0.05, 0.5), (0.2, 2.0))),
        lasts_s=random.choice(((0.05, 0.5), (0.1, 3.0), (1.0, 6.0))),
        overlap=random.choice((0.0, 0.3, 0.8)),
    )


def model(state: Any, operation: tuple[Any, ...]) -> tuple[Any, Any]:
    """One key of the table, for the checker of histories."""
    match operation:
        case ("get",):
            return state, state
        case ("put", value):
            return value, None
        case ("cas", old, new):
            return (new, True) if state == old else (state, False)
    raise ValueError(f"no such operation: {operation!r}")


async def raft_run(world: World, plan: scenario.Plan, shape: Shape | None = None) -> scenario.Report:
    """One seed, which draws the shape when none is given.  Raises Violated, NotLinearizable, or what the invariants raise."""
    world.note(f"plan {plan}")
    cluster = SimulatedCluster(world, plan.nodes, shape or Shape(world.random("shape")))
    for node in cluster.members:
        cluster.start(node)
    history = History()
    running = asyncio.create_task(scenario.run(cluster, plan, history, world.random("scenario")))
    ends: list[asyncio.Future[Any]] = [running, cluster.broken]
    await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
    if cluster.broken.done():
        running.cancel()
        raise cluster.broken.result()
    report = await running
    world.note(f"report {report}")
    verify(history, model)
    return report


async def judge_raft(world: World) -> object:
    """What the runner runs: at the top of a module, as it goes to other processes."""
    return await raft_run(world, drawn_plan(world.random("plan")))


@click.command()
@seed_options(500)
def raft(**seeds: Any) -> None:
    """Crashes, power failures, pauses, cuts, slow disks, drifting clocks, and membership changes during all of it."""
    sys.exit(campaign.run("raft", judge_raft, until=UNTIL_S, **seeds))
