"""`mini learn raft` is a trace too: the same seed plays the same play, and ends with three equal logs.

After a change of raft/ that is meant, `UPDATE_TRACES=1 pytest tests/cli/test_learn.py` writes the new lines down; then
read the diff.
"""

import os
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from cli.kafka_stage import perform as perform_failover
from cli.learn import learn, perform

TRACE = Path(__file__).parent.parent / "traces" / "learn_raft.txt"


def play(*options):
    result = CliRunner().invoke(learn, ["raft", "--speed", "0", *options], color=True)
    assert result.exit_code == 0, result.output
    return result.output


def test_seed_1_plays_what_is_written_down():
    played = play("--no-color")
    if os.environ.get("UPDATE_TRACES"):
        TRACE.write_text(played)
    assert played.splitlines() == TRACE.read_text().splitlines()


@pytest.mark.parametrize("seed", range(1, 31))
def test_whatever_the_seed_the_logs_are_one_in_the_end(seed):
    lines = [click.unstyle(line.text) for line in perform(seed)]
    logs = [line.split("t", 1)[1] for line in lines if line.startswith("   S") and " t" in line][-3:]
    assert len(set(logs)) == 1
    for told in ("x=1", "y=2", "z=3"):
        assert f" {told}]" in logs[0]
    for never_happened in ("x=7", "y=8"):
        assert never_happened not in logs[0]


@pytest.mark.parametrize("seed", range(1, 11))
def test_somebody_is_refused_before_the_logs_agree(seed):
    lines = [click.unstyle(line.text) for line in perform(seed)]
    assert any("is not yours; try" in line for line in lines)


def test_colors_are_for_the_eye_only():
    assert click.unstyle(play()) == play("--no-color") != play()


def test_no_line_is_wider_than_a_wide_terminal():
    assert max(map(len, play("--no-color").splitlines())) <= 120


@pytest.mark.parametrize("seed", range(1, 6))
def test_whatever_the_seed_a_failover_ends_with_three_equal_logs_of_what_was_committed(seed):
    lines = list(perform_failover(seed))
    last = {
        line.split("log of broker ")[1][0]: line.split("log of broker ")[1][1:].strip()
        for line in lines
        if "log of" in line
    }
    assert last == {"1": "[a][b][c]", "2": "[a][b][c]", "3": "[a][b][c]"}
    assert any(" x" in line for line in lines)


def test_the_tour_shows_the_failover_of_seed_1():
    tour = (Path(__file__).parent.parent.parent / "minikafka" / "README.md").read_text()
    events = [line for line in perform_failover(1) if " ms " in line]
    assert [event for event in events[-15:] if event not in tour] == []
