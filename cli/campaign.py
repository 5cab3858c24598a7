"""Many seeds, over many evenings: options that every `mini simulate` command has, and a file to go on from.

    mini simulate raft --seeds 2000 --resume raft.seeds

    raft commit 5317dbb3f0... when it began          the same scenario and commit: seeds with a line are not run again
    1 ok 9c1f...                                     seed, outcome, hash of its trace
    2 failed
                                                     a failed seed is: that is how one sees that it is mended

Another commit is another program, and what the old one passed says nothing of it: then the file is begun anew.  It is
written line by line, so an interrupted run, or a machine that is taken away, loses nothing.
"""

import logging
import subprocess
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, TypeVar

import click

from simulation import runner
from simulation.runner import SeedResult
from simulation.world import Scenario

F = TypeVar("F", bound=Callable[..., Any])
ROOT = Path(__file__).parent.parent

logging.lastResort = None  # what simulated servers log is not for this terminal; also in workers, which import this


def seed_options(default: int) -> Callable[[F], F]:
    """The options of a command that runs seeds; `default` is how many."""
    options = [
        click.option("--seeds", default=default, show_default=True, type=click.IntRange(min=1), help="How many."),
        click.option("--first-seed", default=1, show_default=True, help="The first of them."),
        click.option("--replay", type=int, metavar="SEED", help="Run one seed here, and print its trace."),
        click.option("--workers", type=click.IntRange(min=1), help="Processes; one for each core when not given."),
        click.option("--twice", is_flag=True, help="Run each seed two times and compare: is it deterministic?"),
        click.option(
            "--resume",
            type=click.Path(dir_okay=False, path_type=Path),
            metavar="FILE",
            help="Leave out the seeds that passed there at this commit, and add those that run.",
        ),
    ]

    def decorate(function: F) -> F:
        for option in reversed(options):
            function = option(function)
        return function

    return decorate


def run(
    name: str,
    judge: Scenario[object],
    *,
    until: float,
    seeds: int,
    first_seed: int,
    replay: int | None,
    workers: int | None,
    twice: bool,
    resume: Path | None,
) -> int:
    """Run the seeds of one command, and return its exit code.  `name` is what to type behind `mini simulate`."""
    if replay is not None:
        return 1 if runner.replay(judge, replay, until=until).failure else 0
    wanted: Iterable[int] = range(first_seed, first_seed + seeds)
    campaign = Campaign(resume, name, commit()) if resume else None
    if campaign is not None:
        wanted = campaign.remaining(wanted)
        print(f"{campaign}; {len(wanted)} seeds to go", file=sys.stderr)
    summary = runner.run_seeds(
        judge,
        wanted,
        replay_command=lambda seed: f"mini simulate {name} --replay {seed}",
        until=until,
        workers=workers,
        twice=twice,
        on_result=campaign.record if campaign else None,
    )
    return 1 if summary.failures or summary.interrupted else 0


def commit() -> str:
    """The commit that is checked out, "+" behind it when the tree differs from it; "unknown" outside of git."""
    try:
        head = subprocess.run(["git", "rev-parse", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=True)
        changes = subprocess.run(["git", "status", "--porcelain", "-uno"], cwd=ROOT, capture_output=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return head.stdout.strip() + ("+" if changes.stdout.strip() else "")


class Campaign:
    """The file that remembers which seeds have passed.

    passed   seeds that are not run again
    started  whether the file was begun anew, as it is of another scenario or commit
    """

    def __init__(self, path: Path, name: str, commit: str) -> None:
        self.path, self.passed, self.started = path, set[int](), False
        self._heading = f"{name} commit {commit}"
        lines = path.read_text().splitlines() if path.exists() else []
        if lines[:1] == [self._heading] and commit != "unknown" and not commit.endswith("+"):
            for line in lines[1:]:
                seed, outcome, *_ = line.split()
                (self.passed.add if outcome == "ok" else self.passed.discard)(int(seed))
        else:
            self.started = True
            path.write_text(self._heading + "\n")

    def __str__(self) -> str:
        return f"{self._heading}: {'begun' if self.started else f'{len(self.passed)} seeds have passed'}"

    def remaining(self, seeds: Iterable[int]) -> list[int]:
        """Those that have not passed yet."""
        return [seed for seed in seeds if seed not in self.passed]

    def record(self, result: SeedResult) -> None:
        """One more has come to its end."""
        outcome = "failed" if result.failure is not None else f"ok {result.trace_hash}"
        with self.path.open("a") as file:
            file.write(f"{result.seed} {outcome}\n")
