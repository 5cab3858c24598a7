"""Seeds of `mini simulate ratelimit`: never more is let through than allowed, and with a bug planted it is."""

import io
from dataclasses import replace
from functools import partial
from unittest.mock import patch

import pytest

from cli.simulate_ratelimit import UNTIL_S, judge_ratelimit
from simulation.runner import run_seed, run_seeds
from tests.simulations.planted_ratelimit import BUGS, judge_planted
from tests.simulations.planted_ratelimit import SEEDS as PLANTED_SEEDS

SEEDS = range(1, 19)


@pytest.mark.parametrize(("appendfsync", "seeds"), [("always", SEEDS), ("everysec", range(19, 25))])
def test_limiters_never_let_more_through_than_allowed(appendfsync, seeds):
    output = io.StringIO()
    summary = run_seeds(
        partial(judge_ratelimit, appendfsync=appendfsync),
        seeds,
        replay_command=lambda seed: f"mini simulate ratelimit --appendfsync {appendfsync} --replay {seed}",
        until=UNTIL_S,
        workers=2,
        output=output,
    )
    assert (summary.seeds, [result.seed for result in summary.failures]) == (len(seeds), []), output.getvalue()


def test_the_same_seed_takes_the_same_course():
    assert run_seed(judge_ratelimit, 7, until=UNTIL_S, twice=True).failure is None


@pytest.mark.parametrize("name", BUGS)
def test_a_planted_bug_is_caught(name):
    failures = []
    for seed in PLANTED_SEEDS:
        failure = run_seed(lambda world: judge_planted(world, name), seed, until=UNTIL_S).failure
        failures += [] if failure is None else [failure]
        if failure is not None and BUGS[name].told in failure:
            return
    pytest.fail(f"{PLANTED_SEEDS} did not tell of {BUGS[name].told!r}: {failures[:3]}")


def test_the_honest_limiter_passes_where_bugs_are_sought():
    """With each of the limits."""
    for seed, algorithm in enumerate(sorted({bug.algorithm for bug in BUGS.values()}), 1):
        honest = next(name for name, bug in BUGS.items() if bug.algorithm == algorithm)
        with patch.dict(BUGS, {honest: replace(BUGS[honest], lines=(), owner=None)}):
            assert run_seed(lambda world, name=honest: judge_planted(world, name), seed, until=UNTIL_S).failure is None
