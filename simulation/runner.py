"""Many seeds of one scenario, over all cores: progress while it runs, and for each failure the way back to it.

Workers are fresh interpreters, each with a hash seed of its own, so an order that hangs on hashes will not replay;
`twice` runs each seed two times in one worker, which finds what hangs on addresses or on the machine's clock.

The scenario is a function `async def scenario(world)` that raises when an invariant is broken; it is handed to other
processes, so it must live at the top of a module (or be a functools.partial of one that does).
"""

import multiprocessing
import os
import sys
import time
import traceback
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Future, ProcessPoolExecutor, wait
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import islice
from typing import TextIO

from simulation.trace import first_difference
from simulation.world import Scenario, World

UNTIL_S = 600.0
PROGRESS_S = 0.5
QUEUED_PER_WORKER = 2


class NotDeterministic(Exception):
    """The same seed took two different courses; the text shows where they part."""


@dataclass(frozen=True)
class SeedResult:
    """What one seed led to."""

    seed: int
    failure: str | None  # a traceback, and the last lines of the trace
    events: int
    virtual_s: float
    trace_hash: str


@dataclass
class Summary:
    """What all of them led to."""

    seeds: int = 0
    events: int = 0
    virtual_s: float = 0.0
    wall_s: float = 0.0
    failures: list[SeedResult] = field(default_factory=list)
    interrupted: bool = False

    def __str__(self) -> str:
        return (
            f"{self.seeds} seeds, {len(self.failures)} failed, {self.events} events, "
            f"{self.virtual_s:.0f} s of virtual time in {self.wall_s:.1f} s"
        )


def run_seed(
    scenario: Scenario[object], seed: int, *, until: float = UNTIL_S, twice: bool = False, trace_lines: int | None = 40
) -> SeedResult:
    """Run one seed here and now; `twice` runs it again and compares the traces."""
    world = World(seed, trace_lines=trace_lines)
    failure = _failure(world, scenario, until)
    if twice and failure is None:
        again = World(seed, trace_lines=trace_lines)
        failure = _failure(again, scenario, until)
        if again.trace.hash() != world.trace.hash():
            failure = _how_they_part(scenario, seed, until)
    return SeedResult(seed, failure, world.loop.events, world.loop.time(), world.trace.hash())


def _failure(world: World, scenario: Scenario[object], until: float) -> str | None:
    try:
        world.run(scenario, until=until)
    except Exception as error:
        last = "\n".join(f"    {line}" for line in world.trace.lines)
        return (
            f"{''.join(traceback.format_exception(error))}the last lines of the trace (time, callbacks, event):\n{last}"
        )
    return None


def _how_they_part(scenario: Scenario[object], seed: int, until: float) -> str:
    traces = []
    for _ in range(2):
        world = World(seed, trace_lines=None)
        _failure(world, scenario, until)
        traces.append(world.trace.lines)
    parting = first_difference(*traces)
    if parting is None:
        return f"{NotDeterministic.__name__}: seed {seed} took two courses, though not when both were written down"
    number, one, other = parting
    return f"{NotDeterministic.__name__}: seed {seed} takes two courses, from line {number} on:\n    {one}\n    {other}"


def replay(
    scenario: Scenario[object], seed: int, *, until: float = UNTIL_S, output: TextIO | None = None
) -> SeedResult:
    """Run one seed and print its whole trace, then how it ended."""
    output = output or sys.stdout
    world = World(seed, trace_lines=None)
    failure = _failure(world, scenario, until)
    for line in world.trace.lines:
        print(line, file=output)
    print(failure or f"seed {seed} is fine; trace hash {world.trace.hash()}", file=output)
    return SeedResult(seed, failure, world.loop.events, world.loop.time(), world.trace.hash())


def run_seeds(
    scenario: Scenario[object],
    seeds: Iterable[int],
    *,
    replay_command: Callable[[int], str],
    until: float = UNTIL_S,
    workers: int | None = None,
    failures_max: int = 10,
    twice: bool = False,
    output: TextIO | None = None,
    on_result: Callable[[SeedResult], None] | None = None,
) -> Summary:
    """Run `scenario` with each seed, in parallel.

    replay_command  what to type to see this seed again
    workers         processes; None is one for each core
    failures_max    after this many failures no further seed is begun
    twice           run each seed two times and compare the traces
    output          where progress and failures go; None is stderr
    on_result       called with each as it ends, here

    Ctrl-C ends it early, with the summary so far.
    """
    output = output or sys.stderr
    total = len(seeds) if isinstance(seeds, range | list | tuple) else None
    progress = Progress(output, total)
    summary = Summary()
    began = time.monotonic()
    workers = workers or os.cpu_count() or 1
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(workers, mp_context=context) as pool:
        remaining = iter(seeds)
        running: dict[Future[SeedResult], int] = {}

        def begin(count: int) -> None:
            with suppress(BrokenExecutor):  # a worker died: what was running fails, nothing more is begun
                for seed in islice(remaining, count):
                    running[pool.submit(run_seed, scenario, seed, until=until, twice=twice)] = seed

        try:
            begin(workers * QUEUED_PER_WORKER)
            while running:
                for result in _finished(running):
                    _count(summary, result, progress, replay_command)
                    if on_result is not None:
                        on_result(result)
                if len(summary.failures) < failures_max:
                    begin(workers * QUEUED_PER_WORKER - len(running))
                progress.show(summary)
        except KeyboardInterrupt:
            summary.interrupted = True
            pool.shutdown(wait=False, cancel_futures=True)
    summary.wall_s = time.monotonic() - began
    progress.end(summary)
    return summary


def _finished(running: dict[Future[SeedResult], int]) -> Iterator[SeedResult]:
    done, _ = wait(running, timeout=PROGRESS_S, return_when=FIRST_COMPLETED)
    for future in sorted(done, key=running.__getitem__):
        seed = running.pop(future)
        try:
            yield future.result()
        except Exception as error:  # the worker itself fell over: it was killed, or could not import the scenario
            yield SeedResult(seed, f"the worker failed: {error!r}", 0, 0.0, "")


def _count(summary: Summary, result: SeedResult, progress: "Progress", replay_command: Callable[[int], str]) -> None:
    summary.seeds += 1
    summary.events += result.events
    summary.virtual_s += result.virtual_s
    if result.failure is not None:
        summary.failures.append(result)
        progress.say(f"seed {result.seed} failed:\n{result.failure}\nreplay it: {replay_command(result.seed)}")


class Progress:
    """A line that is overwritten on a terminal; elsewhere a new line now and then."""

    def __init__(self, output: TextIO, total: int | None) -> None:
        self._output, self._total = output, total
        self._terminal = output.isatty()
        self._next = 0.0
        self._width = 0

    def show(self, summary: Summary) -> None:
        now = time.monotonic()
        if now < self._next:
            return
        self._next = now + (PROGRESS_S if self._terminal else 20 * PROGRESS_S)
        text = f"{summary.seeds}{f'/{self._total}' if self._total else ''} seeds, {len(summary.failures)} failed"
        if self._terminal:
            self._output.write("\r" + text.ljust(self._width))
            self._width = len(text)
        else:
            self._output.write(text + "\n")
        self._output.flush()

    def say(self, text: str) -> None:
        self._clear()
        self._output.write(text.rstrip("\n") + "\n")
        self._output.flush()

    def end(self, summary: Summary) -> None:
        self._clear()
        self._output.write(f"{summary}{', interrupted' if summary.interrupted else ''}\n")
        self._output.flush()

    def _clear(self) -> None:
        if self._width:
            self._output.write("\r" + " " * self._width + "\r")
            self._width = 0
