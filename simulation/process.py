"""A process: who is running right now.

All hosts of a simulated world share one thread and one event loop, so "which of them is this?" needs an answer at
every moment.  A context variable gives it for free: asyncio copies the context of whoever makes a task, a timer or a
callback, so what a process starts stays its own, however deep, without a word in the server's code.

    spawn(host) ── context with RUNNING = Process ── create_task ── call_later ── done callbacks: the same Process

Before each callback the loop looks whose it is: a dead process runs nothing, a paused one later.

Next: loop.py asks that question; network.py reads from it where a connection comes from.
"""

import asyncio
from collections.abc import Callable
from contextvars import Context, ContextVar
from dataclasses import dataclass, field
from typing import Any

OUTSIDE = "world"
"""The host of whoever belongs to no host: the scenario itself, which watches and breaks things."""

SignalHandler = tuple[Callable[..., object], tuple[Any, ...], Context]


@dataclass(eq=False, slots=True)
class Process:
    """One life of the software of one host.  A restart makes a new one; a dead one never runs again."""

    host: str
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
