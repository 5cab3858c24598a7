"""Handles, futures and tasks that know whose they are and hash the same in every run.

asyncio.wait, TaskGroup and the loop itself keep sets of tasks, and a set's order follows its members' hashes.  By
default those are addresses in memory; here they are the order of creation.
"""

import asyncio
from collections.abc import Coroutine, Generator
from contextvars import Context
from typing import Any, TypeVar

from simulation.process import RUNNING, Process

T = TypeVar("T")


class Callback(asyncio.Handle):
    __slots__ = ("process",)
    process: Process | None


class Timer(asyncio.TimerHandle):
    __slots__ = ("process",)
    process: Process | None


class SimulatedFuture(asyncio.Future[T]):
    def __init__(self, *, loop: asyncio.AbstractEventLoop, number: int) -> None:
        self._number = number
        super().__init__(loop=loop)
        self.process = RUNNING.get()

    def __hash__(self) -> int:
        return self._number


class SimulatedTask(asyncio.Task[T]):
    def __init__(
        self,
        coroutine: Generator[Any, None, T] | Coroutine[Any, Any, T],
        *,
        loop: asyncio.AbstractEventLoop,
        name: str,
        context: Context | None,
        number: int,
    ) -> None:
        self._number = number
        self.process = RUNNING.get() if context is None else context.get(RUNNING)
        super().__init__(coroutine, loop=loop, name=name, context=context)

    def __hash__(self) -> int:
        return self._number


def where(task: asyncio.Task[Any]) -> str:
    """The innermost line at which a task is suspended."""
    frame: Any = None
    inner: Any = task.get_coro()
    while inner is not None:
        frame = getattr(inner, "cr_frame", None) or getattr(inner, "gi_frame", None) or frame
        inner = getattr(inner, "cr_await", None) or getattr(inner, "gi_yieldfrom", None)
    return "not started" if frame is None else f"at {frame.f_code.co_filename}:{frame.f_lineno} {frame.f_code.co_name}"
