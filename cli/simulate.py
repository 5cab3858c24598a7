"""`mini simulate redis`: the Redis scenario under virtual time, seed after seed.

A seed decides everything: how hard the clients push, which faults strike and when, what the network and the disk are
like, and so which of its many possible courses the run takes.  The same seed takes the same course again, which is what
`--replay` is for.

Here, and nowhere below, the three meet: the simulated world, the scenario, and the server it is to judge.
"""

import asyncio
import sys
from collections.abc import Callable, Coroutine
from contextlib import suppress
from functools import partial
from random import Random
from typing import Any

import click

from cli import campaign
from cli.campaign import seed_options
from cli.simulate_idempotency import idempotency
from cli.simulate_kafka import kafka
from cli.simulate_raft import raft
from cli.simulate_ratelimit import ratelimit
from miniredis.options import OPTIONS
from miniredis.persistence.snapshotter import StepSnapshotter
from miniredis.server import Server
from scenarios import redis as scenario
from scenarios.resp import Streams
from serving.readers import read_arguments
from simulation.world import Host, World

HOST, CLIENTS, PORT = "redis", "world", 6379
UNTIL_S = 900.0
STRIKES = (
    (0, ""),
    (0, ""),
    (8, ""),
    (4, "manifest"),
    (8, "appendonlydir"),
)  # how many changes ahead, and of which files
STRIKE_WITHIN_S = 0.3
LAST_BREATH_S = 5.0  # longer than a server takes to end; also than the slowest fsync

Software = Callable[[Host], Coroutine[Any, Any, object]]


class SimulatedServer:
    """A simulated host as `scenarios.redis.Server` wants it."""

    def __init__(self, world: World, software: Software) -> None:
        self._world, self._software = world, software
        self._random = world.random("strikes")

    async def connect(self) -> Streams:
        return await asyncio.open_connection(HOST, PORT)

    async def start(self) -> None:
        self._world.start(HOST, self._software)

    async def kill(self) -> None:
        await self._strike(self._world.kill)

    async def power_failure(self) -> None:
        await self._strike(self._world.power_loss)

    async def _strike(self, deed: Callable[[str], None]) -> None:
        """Now, or a little later between two system calls: the steps of a rewrite all fall into one moment."""
        self._still_there()
        operation, where = self._random.choice(STRIKES)
        if operation:
            struck = asyncio.Event()

            def strike() -> None:
                deed(HOST)
                struck.set()

            self._world.host(HOST).disk.strike_before(self._random.randint(1, operation), strike, where)
            with suppress(TimeoutError):
                async with asyncio.timeout(STRIKE_WITHIN_S):
                    await struck.wait()
                    return
            self._still_there()
        deed(HOST)

    def _still_there(self) -> None:
        host = self._world.host(HOST)
        if not host.running:
            raise scenario.Violated(f"the server ended by itself, exit code {host.exit_code}")

    async def break_disk(self, fault: str) -> None:
        disk = self._world.host(HOST).disk
        self._world.note(f"the disk fails: {fault}")
        if fault == "disk_full":
            disk.options.capacity = disk.used() + self._random.randrange(500)
        elif fault == "append_error":
            disk.options.append_error = self._random.choice((0.3, 1.0))
        else:
            disk.options.fsync_error = self._random.choice((0.3, 1.0))

    async def mend_disk(self) -> bool:
        host = self._world.host(HOST)
        self._world.note("the disk is well again")
        options = host.disk.options
        options.capacity, options.append_error, options.fsync_error = None, 0.0, 0.0
        await asyncio.sleep(LAST_BREATH_S)
        return not host.running

    async def pause(self) -> None:
        self._world.pause(HOST)

    async def resume(self) -> None:
        self._world.resume(HOST)

    async def cut(self) -> None:
        self._world.network.partition([HOST], [CLIENTS])
        self._world.network.reset(HOST)

    async def heal(self) -> None:
        self._world.network.heal()


def drawn_plan(random: Random, appendfsync: str) -> scenario.Plan:
    """How hard this seed pushes.  Few clients and few keys: what is found, is found in how their writes interleave."""
    crashes = random.choice((("power_failure",), ("kill", "power_failure"), ("kill", "power_failure"), ("kill",)))
    disturbances = random.choice(((), ("pause",), ("cut",), ("pause", "cut")))
    disk_faults = random.choice(((), (), (random.choice(scenario.DISK_FAULTS),)))
    return scenario.Plan(
        appendfsync=appendfsync,
        rounds=random.randint(3, 6),
        private_writers=random.randint(1, 3),
        sharing_writers=random.randint(1, 3),
        faults=crashes * 2 + disturbances + disk_faults,
        load_s=random.choice(((0.05, 0.5), (0.2, 1.0), (1.0, 3.0))),
        pause_s=random.choice(((0.05, 0.5), (1.0, 8.0))),
        think_s=random.choice((0.05, 0.1, 0.3)),
        rewrite_chance=random.choice((0.0, 0.3, 0.8)),
        double_kill_chance=random.choice((0.0, 0.3)),
        idle_crash_chance=random.choice((0.0, 0.3)),
    )


async def redis_run(world: World, software: Software, plan: scenario.Plan) -> scenario.Report:
    """One seed.  Raises scenarios.redis.Violated when the server broke a promise."""
    world.note(f"plan {plan}")
    server = SimulatedServer(world, software)
    await server.start()
    report = await scenario.run(server, plan, world.random("scenario"), world.note)
    return report.verify()


async def miniredis(host: Host, appendfsync: str) -> None:
    """Our server, unmodified: its clock, its dice and its disk are the host's."""
    directives = f"--port {PORT} --bind * --protected-mode no --appendonly yes --appendfsync {appendfsync}"
    arguments = [*directives.split(), "--save", ""]
    settings = OPTIONS.load(read_arguments(arguments).given)
    snapshotter = StepSnapshotter(host.disk, asyncio.get_running_loop().call_later)
    server = Server(settings, clock=host.clock, random=host.random, disk=host.disk, snapshotter=snapshotter)
    stopping: asyncio.Future[int] = asyncio.get_running_loop().create_future()

    def request_stop(exit_code: int = 0) -> None:
        if not stopping.done():
            stopping.set_result(exit_code)

    server.request_stop = request_stop
    await server.start()
    exit_code = await stopping
    await server.stop()
    sys.exit(exit_code)


async def judge_miniredis(world: World, appendfsync: str) -> object:
    """What the runner runs: at the top of a module, as it goes to other processes."""
    plan = drawn_plan(world.random("plan"), appendfsync)
    return await redis_run(world, partial(miniredis, appendfsync=appendfsync), plan)


@click.group()
def simulate() -> None:
    """Run a server under virtual time, thousands of seeds."""


simulate.add_command(raft)
simulate.add_command(kafka)
simulate.add_command(idempotency)
simulate.add_command(ratelimit)


@simulate.command()
@seed_options(200)
@click.option("--appendfsync", type=click.Choice(["always", "everysec"]), default="always", show_default=True)
def redis(appendfsync: str, **seeds: Any) -> None:
    """Crashes, power failures, pauses and cuts, and everything read back after each."""
    judge = partial(judge_miniredis, appendfsync=appendfsync)
    sys.exit(campaign.run(f"redis --appendfsync {appendfsync}", judge, until=UNTIL_S, **seeds))
