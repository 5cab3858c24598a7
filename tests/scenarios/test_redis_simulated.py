"""The scenario under virtual time: an honest server passes every seed, and each broken promise is found."""

import asyncio
from dataclasses import replace

import pytest

from cli.simulate import drawn_plan, redis_run
from scenarios.redis import DISK_FAULTS, Plan, Violated
from simulation.world import World
from tests.scenarios.sketch_redis import Sketch

SEEDS = range(1, 21)


def plan_for(world, appendfsync):
    """A drawn plan whose disk does not fail: the sketch knows no such thing."""
    plan = drawn_plan(world.random("plan"), appendfsync)
    return replace(plan, faults=tuple(fault for fault in plan.faults if fault not in DISK_FAULTS))


def judged(server, seed, plan=None):
    async def software(host):
        await server(host).run()

    async def run(world):
        return await redis_run(world, software, plan or plan_for(world, "always"))

    return World(seed).run(run, until=900)


def caught(server, plan=None):
    for seed in SEEDS:
        try:
            judged(server, seed, plan)
        except Violated as violated:
            return f"seed {seed}: {violated}"
    return None


@pytest.mark.parametrize("seed", SEEDS)
def test_an_honest_server_keeps_its_promises(seed):
    report = judged(Sketch, seed)
    assert report.acknowledged > 0
    assert report.lost == 0


def test_a_reply_before_its_fsync_is_caught():
    class Hasty(Sketch):
        async def when_durable(self, position):
            pass

    assert caught(Hasty)


def test_a_torn_tail_that_is_not_cut_is_caught():
    class Careless(Sketch):
        def cut_torn_tail(self, whole):
            pass

    assert caught(Careless)


def test_a_tail_that_was_read_and_never_fsynced_is_caught():
    """Killed between write and fsync, started again and read by the checker; then the power fails."""

    class Trusting(Sketch):
        def make_durable_what_was_read(self):
            self.disk.fsync_dir("")

    crashes = Plan(rounds=6, faults=("kill", "power_failure"), think_s=0.05, idle_crash_chance=0.8)
    assert "after it had read" in caught(Trusting, crashes)


def test_a_file_whose_name_was_never_made_durable_is_caught():
    class Nameless(Sketch):
        def make_durable_what_was_read(self):
            self.file.fsync_now()

    assert caught(Nameless)


def test_the_same_seed_takes_the_same_course():
    traces = []
    for _ in range(2):
        world = World(7)

        async def run(world):
            plan = plan_for(world, "always")
            return await redis_run(world, lambda host: Sketch(host).run(), plan)

        world.run(run, until=900)
        traces.append(world.trace.hash())
    assert traces[0] == traces[1]


@pytest.mark.parametrize("seed", range(1, 11))
def test_everysec_may_lose_what_its_window_covers(seed):
    """A server that fsyncs once a second behind its clients' backs."""

    class EverySecond(Sketch):
        async def when_durable(self, position):
            pass

        async def run(self, port=6379):
            self.ticking = asyncio.create_task(self.tick())
            await super().run(port)

        async def tick(self):
            while True:
                await asyncio.sleep(1)
                await self.file.fsync()

    async def software(host):
        await EverySecond(host).run()

    async def run(world):
        return await redis_run(world, software, plan_for(world, "everysec"))

    assert World(seed).run(run, until=900).violations == []
