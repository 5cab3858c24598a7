"""Seeds of `mini simulate kafka`: our brokers pass them, and with a mistake planted in them they do not."""

import io
import os
import subprocess
import sys
from functools import partial

import pytest

from cli.simulate_kafka import UNTIL_S, judge_kafka
from simulation.runner import run_seed, run_seeds
from tests.simulations.cut_off_leader import judge_course
from tests.simulations.planted_kafka import BUGS, judge_planted

SEEDS = range(1, int(os.environ.get("SEEDS", 24)) + 1)


def test_kafka_keeps_its_promises():
    output = io.StringIO()
    summary = run_seeds(
        judge_kafka,
        SEEDS,
        replay_command=lambda seed: f"mini simulate kafka --replay {seed}",
        until=UNTIL_S,
        workers=2,
        output=output,
    )
    assert (summary.seeds, [result.seed for result in summary.failures]) == (len(SEEDS), []), output.getvalue()


def test_the_same_seed_takes_the_same_course():
    assert run_seed(judge_kafka, 7, until=UNTIL_S, twice=True).failure is None


def test_the_course_does_not_hang_on_the_order_of_hashes():
    last_lines = set()
    for hash_seed in ("1", "2"):
        mini = [sys.executable, "-m", "cli.main", "simulate", "kafka", "--replay", "5"]
        environment = os.environ | {"PYTHONHASHSEED": hash_seed}
        replayed = subprocess.run(mini, env=environment, capture_output=True, text=True, check=True, timeout=60)
        last_lines.add(replayed.stdout.splitlines()[-1])
    assert len(last_lines) == 1
    assert last_lines.pop().startswith("seed 5 is fine; trace hash ")


@pytest.mark.parametrize("seed", range(1, 5))
def test_a_leader_that_lost_a_record_takes_it_as_news(seed):
    assert run_seed(judge_course, seed, until=UNTIL_S).failure is None


@pytest.mark.parametrize("name", BUGS)
def test_a_planted_mistake_is_caught(name):
    bug = BUGS[name]
    failures = []
    for seed in bug.seeds:
        failure = run_seed(partial(judge_planted, name=name), seed, until=UNTIL_S).failure
        failures += [] if failure is None else [failure]
        if failure is not None and bug.told in failure:
            return
    pytest.fail(f"seeds {bug.seeds} did not tell of {bug.told!r}: {failures[:3]}")
