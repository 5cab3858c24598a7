"""Hosts that live, die, stand still and come back."""

import asyncio
import gc
import os
import random
import secrets
import signal
import subprocess
import sys
import time
import uuid

import pytest

from simulation.disk import DiskOptions
from simulation.loop import Deadlock, OutOfTime
from simulation.machine import EPOCH_MS
from simulation.network import NetworkOptions
from simulation.trace import first_difference
from simulation.world import HostFailure, World
from tests.simulation.programs import counter, gossip

CALM = NetworkOptions(latency_min_s=0.001, latency_mean_s=0.0001, split=0.0)


def forever(notes, text="tick", seconds=1.0):
    """Software that notes the time, again and again."""

    async def software(host):
        try:
            while True:
                notes.append((host.name, text, asyncio.get_running_loop().time()))
                await asyncio.sleep(seconds)
        finally:
            notes.append((host.name, "finally", asyncio.get_running_loop().time()))

    return software


async def ask(host, question, server="server"):
    reader, writer = await asyncio.open_connection(server, 80)
    try:
        writer.write(question + b"\n")
        return await reader.readline()
    finally:
        writer.close()


# Determinism


def test_the_same_seed_takes_the_same_course():
    traces = []
    for _ in range(2):
        world = World(5, trace_lines=None)
        world.run(gossip)
        traces.append((list(world.trace.lines), world.trace.hash()))
    assert first_difference(traces[0][0], traces[1][0]) is None
    assert traces[0] == traces[1]
    assert len(traces[0][0]) > 1000


def test_other_seeds_take_other_courses():
    hashes = set()
    for seed in range(5):
        world = World(seed)
        world.run(gossip)
        hashes.add(world.trace.hash())
    assert len(hashes) == 5


def test_the_course_hangs_neither_on_the_process_nor_on_its_hash_seed():
    program = "from simulation.world import World; from tests.simulation.programs import gossip; import sys; "
    program += "sys.path; w = World(7); w.run(gossip); print(w.trace.hash())"
    hashes = [
        subprocess.run(
            [sys.executable, "-c", program],
            env={**os.environ, "PYTHONHASHSEED": hash_seed, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
            capture_output=True,
            text=True,
            check=True,
        ).stdout.strip()
        for hash_seed in ("0", "1")
    ]
    world = World(7)
    world.run(gossip)
    assert hashes == [world.trace.hash()] * 2


def test_dice_are_forked_by_concern():
    one, other = World(1), World(1)
    one.random("workload").random()
    assert one.random("network").random() == other.random("network").random()
    assert one.random("network").random() != one.random("workload").random()


def test_first_difference_names_the_line_and_both_sides():
    assert first_difference(["a", "b"], ["a", "b"]) is None
    assert first_difference(["a", "b"], ["a", "c"]) == (1, "b", "c")
    assert first_difference(["a"], ["a", "c"]) == (1, None, "c")


# Kill, pause, restart


def test_a_killed_host_runs_nothing_more_not_even_finally():
    world, notes = World(1), []

    async def scenario(world):
        world.start("a", forever(notes))
        world.start("b", forever(notes))
        await asyncio.sleep(1.5)
        world.kill("a")
        await asyncio.sleep(1)
        return list(notes), world.host("a").running, world.host("b").running

    expected = [(name, "tick", time) for time in (0.0, 1.0) for name in "ab"] + [("b", "tick", 2.0)]
    assert world.run(scenario) == (expected, False, True)


def test_the_garbage_of_a_killed_host_does_not_run_its_finally_either():
    world, notes = World(1), []

    async def software(host):
        try:
            await asyncio.Event().wait()  # nobody but the task itself refers to this event
        finally:
            notes.append("finally")

    async def scenario(world):
        for _ in range(3):
            world.start("a", software)
            await asyncio.sleep(1)
            world.kill("a")
            await asyncio.sleep(1)
            gc.collect()
        return list(notes)

    assert world.run(scenario) == []


def test_what_a_host_started_dies_with_it_whatever_it_is():
    world, notes = World(1), []

    async def software(host):
        loop = asyncio.get_running_loop()
        loop.call_later(2, notes.append, "timer")
        loop.run_in_executor(None, notes.append, "thread")
        task = asyncio.create_task(asyncio.sleep(2))
        task.add_done_callback(lambda _: notes.append("callback"))
        world.kill("a")
        loop.call_soon(notes.append, "soon")
        await task

    async def scenario(world):
        world.start("a", software)
        await asyncio.sleep(5)
        return list(notes)

    assert world.run(scenario) == []


def test_clients_on_a_host_die_with_it_too():
    world, notes = World(1), []

    async def client():
        await asyncio.sleep(1)
        notes.append("client")

    async def scenario(world):
        world.spawn("a", client())
        world.start("a", forever([]))
        world.spawn("a", client())
        await asyncio.sleep(0.5)
        world.kill("a")
        await asyncio.sleep(2)
        return notes

    assert world.run(scenario) == []


def test_a_restart_runs_the_software_again_on_the_same_disk():
    world = World(1, network=CALM)

    async def scenario(world):
        world.start("server", counter)
        await asyncio.sleep(0.1)
        answers = []
        for _ in range(3):
            answers.append(await world.spawn("client", ask("client", b"add")))
            world.restart("server")
            await asyncio.sleep(0.1)
        return answers, world.host("server").lives

    assert world.run(scenario) == ([b"1\n", b"2\n", b"3\n"], 4)


def test_peers_of_a_killed_host_see_the_end_and_those_of_a_dark_one_nothing():
    async def wait_for_end():
        reader, writer = await asyncio.open_connection("server", 80)
        try:
            return await asyncio.wait_for(reader.read(), 30), asyncio.get_running_loop().time() < 2
        except TimeoutError:
            return None
        finally:
            writer.close()

    def fate(deed):
        async def scenario(world):
            world.start("server", counter)
            await asyncio.sleep(0.1)
            client = world.spawn("client", wait_for_end())
            await asyncio.sleep(1)
            deed(world, "server")
            return await client

        return World(1, network=CALM).run(scenario)

    assert fate(World.kill) == (b"", True)
    assert fate(World.power_loss) is None


def test_a_dark_host_comes_back_with_what_was_durable():
    world = World(1, network=CALM)

    async def scenario(world):
        world.start("server", counter)
        await asyncio.sleep(0.1)
        acknowledged = await world.spawn("client", ask("client", b"add"))
        world.power_loss("server")
        with pytest.raises(RuntimeError):
            world.spawn("server", ask("server", b"add"))
        await asyncio.sleep(10)
        world.start("server")
        await asyncio.sleep(0.1)
        return acknowledged, await world.spawn("client", ask("client", b"add"))

    assert world.run(scenario) == (b"1\n", b"2\n")


def test_a_paused_host_stands_still_and_catches_up():
    world, notes = World(1), []

    async def scenario(world):
        world.start("a", forever(notes))
        await asyncio.sleep(1.5)
        world.pause("a")
        await asyncio.sleep(3)
        assert len(notes) == 2
        world.resume("a")
        await asyncio.sleep(1.2)
        return [time for _, _, time in notes]

    assert world.run(scenario) == [0.0, 1.0, 4.5, 5.5]


def test_bytes_wait_for_a_paused_host():
    world = World(1, network=CALM)

    async def scenario(world):
        world.start("server", counter)
        await asyncio.sleep(0.1)
        world.pause("server")
        answer = world.spawn("client", ask("client", b"add"))
        await asyncio.sleep(60)
        assert not answer.done()
        world.resume("server")
        return await answer

    assert world.run(scenario) == b"1\n"


def test_a_paused_host_can_be_killed():
    world, notes = World(1), []

    async def scenario(world):
        world.start("a", forever(notes))
        await asyncio.sleep(0.5)
        world.pause("a")
        await asyncio.sleep(3)
        world.kill("a")
        world.resume("a")
        world.start("a")
        await asyncio.sleep(0.5)
        return [time for _, _, time in notes]

    assert world.run(scenario) == [0.0, 3.5]


def test_a_running_host_cannot_be_started_and_a_blank_one_neither():
    async def scenario(world):
        world.start("a", forever([]))
        for name in ("a", "b"):
            with pytest.raises(RuntimeError):
                world.start(name)

    World(1).run(scenario)


def test_software_may_leave_by_itself_with_an_exit_code():
    async def leave(_):
        asyncio.get_running_loop().call_later(50, pytest.fail)
        await asyncio.sleep(1)
        sys.exit(2)

    async def end(_):
        await asyncio.sleep(1)

    async def from_a_callback(_):
        asyncio.get_running_loop().call_later(1, sys.exit, "out of memory")
        await asyncio.Event().wait()

    async def scenario(world):
        for name, software in (("a", leave), ("b", end), ("c", from_a_callback)):
            world.start(name, software)
        await asyncio.sleep(100)
        return [(host.running, host.exit_code) for host in world.hosts.values()]

    assert World(1).run(scenario) == [(False, 2), (False, 0), (False, 1)]


def test_signals_reach_their_handler_and_kill_without_one():
    world, notes = World(1), []

    async def careful(host):
        stop = asyncio.Event()
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
        await stop.wait()
        notes.append(host.name)

    async def scenario(world):
        world.start("careful", careful)
        world.start("careless", forever([]))
        await asyncio.sleep(1)
        world.signal("careful", signal.SIGTERM)
        world.signal("careless", signal.SIGTERM)
        await asyncio.sleep(1)
        return notes, [(host.running, host.exit_code) for host in world.hosts.values()]

    assert world.run(scenario) == (["careful"], [(False, 0), (False, None)])


# How a run ends


def test_an_exception_of_a_host_fails_the_run():
    async def broken(_):
        await asyncio.sleep(1)
        raise ValueError("no")

    async def scenario(world):
        world.start("a", broken)
        await asyncio.sleep(5)

    with pytest.raises(HostFailure, match=r"a at 1\.000000 s: the process ended with an exception: ValueError\('no'\)"):
        World(1).run(scenario)


def test_expected_exceptions_do_not():
    async def broken(_):
        raise ValueError("no")

    async def scenario(world):
        world.expect(ValueError, host="a")
        world.start("a", broken)
        world.start("b", broken)
        await asyncio.sleep(5)

    with pytest.raises(HostFailure) as raised:
        World(1).run(scenario)
    assert [error.host for error in raised.value.errors] == ["b"]


@pytest.mark.parametrize("kept", [True, False])
def test_a_task_whose_exception_nobody_retrieved_fails_the_run(kept):
    tasks = []

    async def fail():
        raise ValueError("no")

    async def software(_):
        task = asyncio.create_task(fail())
        tasks.append(task if kept else None)
        del task
        await asyncio.Event().wait()

    async def scenario(world):
        world.start("a", software)
        await asyncio.sleep(5)

    with pytest.raises(HostFailure, match="Task exception was never retrieved"):
        World(1).run(scenario)


def test_what_the_scenario_raises_carries_what_the_hosts_raised():
    async def broken(_):
        raise ValueError("no")

    async def scenario(world):
        world.start("a", broken)
        await asyncio.sleep(1)
        raise AssertionError("lost a write")

    with pytest.raises(AssertionError, match="lost a write") as raised:
        World(1).run(scenario)
    assert "ValueError('no')" in raised.value.__notes__[0]


def test_a_scenario_that_waits_for_ever_is_a_deadlock_or_out_of_time():
    async def wait(_):
        await asyncio.Event().wait()

    with pytest.raises(Deadlock, match="world: task-"):
        World(1).run(wait)

    async def wait_beside_a_ticking_host(world):
        world.start("a", forever([]))
        await asyncio.Event().wait()

    with pytest.raises(OutOfTime):
        World(1).run(wait_beside_a_ticking_host, until=100)


def test_without_a_scenario_the_world_runs_until_its_end():
    world, notes = World(1), []
    world.start("a", forever(notes))
    world.run(until=10)
    assert [time for _, _, time in notes[:-1]] == [float(second) for second in range(10)]
    assert world.loop.time() == 10
    with pytest.raises(RuntimeError):
        world.run(until=20)


# The machine is hidden


def test_every_clock_is_virtual():
    async def scenario(world):
        await asyncio.sleep(1.5)
        clock = world.host("a").clock
        clock.offset_ms = -500
        return (
            [time.time(), time.monotonic(), time.perf_counter(), time.time_ns(), time.monotonic_ns()],
            [clock.now_ms(), clock.monotonic_us(), clock.spent_us()],
        )

    began = EPOCH_MS // 1000
    assert World(1).run(scenario) == (
        [began + 1.5, 1.5, 1.5, (began * 1000 + 1500) * 1_000_000, 1_500_000_000],
        [EPOCH_MS + 1000, 1_500_000, 0],
    )


def test_entropy_and_global_dice_come_from_the_seed():
    async def draw(_):
        return os.urandom(8), uuid.uuid4(), secrets.token_hex(8), random.random()

    assert World(1).run(draw) == World(1).run(draw)
    assert World(1).run(draw) != World(2).run(draw)


def test_the_machine_is_itself_again_afterwards():
    random.seed(5)
    expected, clocks = random.random(), (time.time, time.monotonic, time.sleep, os.urandom)
    random.seed(5)

    async def draw(_):
        random.random()

    World(1).run(draw)
    assert random.random() == expected
    assert (time.time, time.monotonic, time.sleep, os.urandom) == clocks


def test_sleeping_for_real_is_an_error():
    async def scenario(_):
        time.sleep(1)  # noqa: ASYNC251

    with pytest.raises(RuntimeError, match=r"await asyncio\.sleep instead"):
        World(1).run(scenario)


def test_clocks_may_run_at_different_rates():
    async def scenario(world):
        told = {}

        async def sleeper(host):
            began, clock = asyncio.get_running_loop().time(), host.clock.monotonic_us()
            await asyncio.sleep(10)
            told[host.name] = (
                world.loop.now,
                asyncio.get_running_loop().time() - began,
                host.clock.monotonic_us() - clock,
            )

        world.clock_rate("fast", 1.25)
        world.clock_rate("slow", 0.5)
        for name in ("fast", "slow", "exact"):
            world.start(name, sleeper)
        await asyncio.sleep(30)
        assert told == {
            "fast": (8.0, 10.0, 10_000_000),
            "slow": (20.0, 10.0, 10_000_000),
            "exact": (10.0, 10.0, 10_000_000),
        }
        assert asyncio.get_running_loop().time() == 30.0

    World(seed=1).run(scenario)


def test_a_clock_goes_on_from_where_it_is_when_its_rate_changes():
    async def scenario(world):
        host, readings = world.host("a"), []
        for rate in (1.0, 2.0, 0.5):
            world.clock_rate("a", rate)
            readings.append(host.clock.monotonic_us())
            await asyncio.sleep(4)
        assert [*readings, host.clock.monotonic_us()] == [0, 4_000_000, 12_000_000, 14_000_000]

    World(seed=1).run(scenario)


@pytest.mark.parametrize("rate", [0.9, 0.997, 1.0003, 1.1])
def test_a_timer_never_rings_before_its_time(rate):
    async def scenario(world):
        async def software(host):
            loop = asyncio.get_running_loop()
            for number in range(200):
                deadline = loop.time() + 0.01 * number / 7
                reached = loop.create_future()
                loop.call_at(deadline, reached.set_result, None)
                await reached
                assert deadline <= loop.time() < deadline + 1e-9

        world.clock_rate("a", rate)
        world.start("a", software)
        await asyncio.sleep(100)

    World(seed=1).run(scenario)


def test_a_disk_may_become_slow_and_well_again():
    async def scenario(world):
        took = []

        async def software(host):
            file = host.disk.open("f", "a")
            for _ in range(2):
                file.append(b"x")
                began = asyncio.get_running_loop().time()
                await file.fsync()
                took.append(asyncio.get_running_loop().time() - began)
                await asyncio.sleep(10)

        world.slow_disk("a", 100)
        world.start("a", software)
        await asyncio.sleep(10)
        world.slow_disk("a", 1)
        await asyncio.sleep(30)
        assert 1 <= took[0] <= 2 and 0.01 <= took[1] <= 0.02

    World(seed=1, disk=DiskOptions(fsync_s=(0.01, 0.02), stall=0.0)).run(scenario)
