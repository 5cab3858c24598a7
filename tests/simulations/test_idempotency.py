"""Seeds of `mini simulate idempotency`: nobody is sold a book twice, and with a bug planted somebody is."""

import io

import pytest

from cli.simulate_idempotency import UNTIL_S, judge_idempotency
from simulation.runner import run_seed, run_seeds
from tests.simulations.planted_idempotency import BUGS, judge_planted

SEEDS = range(1, 21)


def test_each_key_is_executed_as_often_as_is_promised():
    output = io.StringIO()
    summary = run_seeds(
        judge_idempotency,
        SEEDS,
        replay_command=lambda seed: f"mini simulate idempotency --replay {seed}",
        until=UNTIL_S,
        workers=2,
        output=output,
    )
    assert (summary.seeds, [result.seed for result in summary.failures]) == (len(SEEDS), []), output.getvalue()


def test_the_same_seed_takes_the_same_course():
    assert run_seed(judge_idempotency, 7, until=UNTIL_S, twice=True).failure is None


@pytest.mark.parametrize("name", BUGS)
def test_a_planted_bug_is_caught(name):
    bug = BUGS[name]
    failures = []
    for seed in range(1, bug.seeds + 1):
        failure = run_seed(lambda world: judge_planted(world, name), seed, until=UNTIL_S).failure
        failures += [] if failure is None else [failure]
        if failure is not None and bug.told in failure:
            return
    pytest.fail(f"{bug.seeds} seeds did not tell of {bug.told!r}: {failures[:3]}")
