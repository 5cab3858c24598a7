"""A process: who is running right now.

All hosts of a simulated world share one thread and one event loop, so "which of them is this?" needs an answer at
every moment.  A context variable gives it for free: asyncio copies the context of whoever makes a task, a timer or a
callback, so what a process starts stays its own, however deep, without a word in the server's code.

    spawn(host) ── context with RUNNING = Process ── create_task ── call_later ── done callbacks: the same Process

Before each callback the loop looks whose it is: a dead process runs nothing, a paused one later.

Next: loop.py asks that question; network.py reads from it where a connection comes from.
"""

import asyncio
import math
from collections.abc import Callable
from contextvars import Context, ContextVar
from dataclasses import dataclass, field
from typing import Any

OUTSIDE = "world"
"""The host of whoever belongs to no host: the scenario itself, which watches and breaks things."""

SignalHandler = tuple[Callable[..., object], tuple[Any, ...], Context]


@dataclass(eq=False, slots=True)
class Oscillator:
    """What a machine measures time with: `rate` of its seconds pass in one second of the world.

    Ordinary quartz is off by 1.0001 at most; a virtual machine that is moved, or a clock that is slewed, by far more.
    """

    rate: float = 1.0
    _here: float = 0.0  # a moment, as this machine tells it,
    _there: float = 0.0  # and as the world does

    def read(self, now: float) -> float:
        """This machine's time at the world's `now`."""
        return self._here + (now - self._there) * self.rate

    def when(self, local: float) -> float:
        """The world's time at which `read` will first say `local`."""
        moment = self._there + (local - self._here) / self.rate
        while self.read(moment) < local:  # rounded down: a timer must not ring early
            moment = math.nextafter(moment, math.inf)
        return moment

    def change(self, rate: float, now: float) -> None:
        """Run at `rate` from now on.  Timers that are set keep the moment they were meant for."""
        self._here, self._there, self.rate = self.read(now), now, rate


@dataclass(eq=False, slots=True)
class Process:
    """One life of the software of one host.  A restart makes a new one; a dead one never runs again."""

    host: str
    oscillator: Oscillator | None = None  # of its machine; None: the world's own time
    alive: bool = True
    paused: bool = False
    held: list[Any] = field(default_factory=list)  # handles that became due while it stood still
    signal_handlers: dict[int, SignalHandler] = field(default_factory=dict)
    exception_handler: Callable[[asyncio.AbstractEventLoop, dict[str, Any]], object] | None = None

    def context(self) -> Context:
        """An empty context in which this process is the running one."""
        context = Context()
        context.run(RUNNING.set, self)
        return context


RUNNING: ContextVar[Process | None] = ContextVar("RUNNING", default=None)


def running_host() -> str:
    """The name of the host whose code is running."""
    process = RUNNING.get()
    return OUTSIDE if process is None else process.host
