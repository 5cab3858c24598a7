"""Work that goes on beside the requests: every task is started here, watched here, and stopped here.

A bare `create_task` can be collected while it runs, keeps its exception to itself until it is, and outlives
the server that wanted it.  Here a task is kept, its failure is reported to the loop's exception handler (a
log line in production, a failed run in the simulator), and `stop` leaves none behind.
"""

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


class Background:
    """The tasks and ticks of one server.

    on_vital_failure   called with the exception when a task has failed without which the server is no use
    """

    def __init__(self, on_vital_failure: Callable[[BaseException], None] | None = None) -> None:
        self._on_vital_failure = on_vital_failure
        self._tasks: dict[asyncio.Task[Any], bool] = {}  # to whether it is vital
        self._ticks: list[Tick] = []

    def __len__(self) -> int:
        return len(self._tasks) + sum(not tick.stopped for tick in self._ticks)

    def start(self, work: Coroutine[Any, Any, T], name: str, *, vital: bool = False) -> asyncio.Task[T]:
        """Run `work` as a task; `name` says what it is in reports."""
        task = asyncio.get_running_loop().create_task(work, name=name)
        self._tasks[task] = vital
        task.add_done_callback(self._ended)
        return task

    def every(self, seconds: Callable[[], float], work: Callable[[], None], name: str) -> "Tick":
        """Call `work` again and again, `seconds()` after the last call: asked each time, it may change."""
        tick = Tick(seconds, work, name)
        self._ticks.append(tick)
        return tick

    async def stop(self) -> None:
        """Cancel all of it and wait until it is over."""
        for tick in self._ticks:
            tick.stop()
        self._ticks.clear()
        while tasks := [task for task in self._tasks if task is not asyncio.current_task()]:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            for task in tasks:
                self._tasks.pop(task, None)

    def _ended(self, task: asyncio.Task[Any]) -> None:
        vital = self._tasks.pop(task, False)
        if task.cancelled() or (error := task.exception()) is None:
            return
        report(f"{task.get_name()} failed", error)
        if vital and self._on_vital_failure is not None:
            self._on_vital_failure(error)


class Tick:
    """A synchronous function called at intervals; one that raises is reported, and called again."""

    def __init__(self, seconds: Callable[[], float], work: Callable[[], None], name: str) -> None:
        self.seconds, self.work, self.name = seconds, work, name
        self.stopped = False
        self._loop = asyncio.get_running_loop()
        self._timer = self._loop.call_later(seconds(), self._run)

    def stop(self) -> None:
        self.stopped = True
        self._timer.cancel()

    def _run(self) -> None:
        try:
            self.work()
        except Exception as error:
            report(f"{self.name} failed", error)
        if not self.stopped:
            self._timer = self._loop.call_later(self.seconds(), self._run)


def report(message: str, error: BaseException) -> None:
    """Tell the loop's exception handler, which knows where such things go."""
    asyncio.get_running_loop().call_exception_handler({"message": message, "exception": error})
