"""Many seeds at once, and the way back to one."""

import asyncio
import io

from simulation.runner import SeedResult, replay, run_seed, run_seeds
from tests.simulation.programs import (
    count_forgetfully,
    count_through_power_losses,
    fails_for_odd_seeds,
    remembers_earlier_runs,
)


def command(seed):
    return f"mini simulate test --seed {seed}"


def test_seeds_run_in_parallel_and_failures_come_with_their_replay():
    output = io.StringIO()
    summary = run_seeds(fails_for_odd_seeds, range(6), replay_command=command, workers=2, output=output)
    assert (summary.seeds, sorted(result.seed for result in summary.failures)) == (6, [1, 3, 5])
    assert (summary.virtual_s, summary.events > 0, summary.wall_s > 0) == (30.0, True, True)
    text = output.getvalue()
    for seed in (1, 3, 5):
        assert f"replay it: mini simulate test --seed {seed}\n" in text
    assert "AssertionError: an odd seed" in text
    assert "0.0 1 something happened" in text
    assert text.splitlines()[-1].startswith("6 seeds, 3 failed, ")


def test_enough_failures_are_enough():
    summary = run_seeds(
        fails_for_odd_seeds, range(1, 999, 2), replay_command=command, workers=1, failures_max=2, output=io.StringIO()
    )
    assert summary.seeds < 10 and len(summary.failures) == summary.seeds


def test_a_scenario_that_cannot_be_handed_over_is_a_failure_of_each_seed():
    async def local(world):
        await asyncio.sleep(1)

    summary = run_seeds(local, [1, 2], replay_command=command, workers=1, output=io.StringIO())
    assert [result.seed for result in summary.failures] == [1, 2]
    assert "the worker failed" in summary.failures[0].failure


def test_a_seed_run_twice_must_take_the_same_course():
    result = run_seed(remembers_earlier_runs, 1, twice=True)
    assert result.failure.startswith("NotDeterministic: seed 1 takes two courses, from line 1 on:")
    assert run_seed(count_through_power_losses, 1, twice=True).failure is None


def test_a_replay_prints_the_whole_trace():
    output = io.StringIO()
    result = replay(fails_for_odd_seeds, 2, output=output)
    lines = output.getvalue().splitlines()
    assert lines[0] == "0.0 1 something happened"
    assert lines[-1] == f"seed 2 is fine; trace hash {result.trace_hash}"
    assert result == SeedResult(2, None, result.events, 5.0, run_seed(fails_for_odd_seeds, 2).trace_hash)


def test_an_answer_before_the_fsync_is_found_and_after_it_is_not():
    honest = [run_seed(count_through_power_losses, seed).failure for seed in range(10)]
    forgetful = [run_seed(count_forgetfully, seed).failure for seed in range(10)]
    assert honest == [None] * 10
    assert sum("additions were acknowledged" in (failure or "") for failure in forgetful) >= 3
