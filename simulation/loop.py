"""An asyncio event loop on virtual time: one thread, one seed, no machine underneath.

    ready   callbacks to run now, in the order they were asked for
    timers  a heap of (when, number, callback); the number keeps equal times in the order they were asked for

When nothing is ready the clock jumps to the first timer, so an hour of idling costs nothing, and computing takes no
time at all.  Everything asyncio offers stands on `call_soon`, `call_at` and futures, so streams, tasks, timeouts, locks
and queues work as they are.  What would touch the machine either has a counterpart (create_server and
create_connection: network.py; threads of run_in_executor: run inline after a short delay; signals: sent by the world)
or raises NotImplementedError: a simulation that silently ignores TLS proves nothing about TLS.

Source: asyncio/base_events.py of CPython 3.11, whose run_forever is kept and whose `_run_once` is replaced.
"""

import asyncio
import contextvars
import heapq
import socket
import threading
import weakref
from collections import deque
from collections.abc import Callable, Coroutine, Generator
from contextvars import Context
from dataclasses import dataclass
from itertools import count
from random import Random
from typing import TYPE_CHECKING, Any, NoReturn, TypeVar

from simulation.process import OUTSIDE, RUNNING, Process, running_host
from simulation.tasks import Callback, SimulatedFuture, SimulatedTask, Timer, where

if TYPE_CHECKING:
    from simulation.network import Network

T = TypeVar("T")
CANCELLED_TIMERS_MIN = 100  # below this, cancelled timers wait in the heap until their time comes
EXECUTOR_SECONDS = (0.00005, 0.002)  # how long a function handed to a thread seems to take

UNSUPPORTED = """
    add_reader remove_reader add_writer remove_writer
    sock_recv sock_recv_into sock_recvfrom sock_recvfrom_into sock_sendall sock_sendto sock_connect sock_accept
    sock_sendfile sendfile start_tls connect_accepted_socket create_unix_server create_unix_connection
    create_datagram_endpoint connect_read_pipe connect_write_pipe subprocess_shell subprocess_exec
"""


class Stuck(Exception):
    """The simulation cannot or must not go on."""


class Deadlock(Stuck):
    """Nothing is ready and no timer is set; the text lists who waits where."""


class OutOfEvents(Stuck):
    """More callbacks ran than the budget allows: usually a loop that retries without waiting."""


class OutOfTime(Stuck):
    """Virtual time passed the end of the run."""


@dataclass(frozen=True)
class HostError:
    """An exception that nobody handled, as the loop's exception handler got it."""

    host: str
    time: float
    message: str
    exception: BaseException | None

    def __str__(self) -> str:
        return f"{self.host} at {self.time:.6f} s: {self.message}: {self.exception!r}"


class SimulatedLoop(asyncio.BaseEventLoop):
    """An event loop for any number of simulated hosts.

    random        for the delays of run_in_executor
    event_budget  callbacks that may run in all
    end_time      seconds of virtual time; it starts at 0
    """

    network: "Network"

    def __init__(self, random: Random, *, event_budget: int = 20_000_000, end_time: float = float("inf")) -> None:
        super().__init__()
        self.set_debug(False)
        self.event_budget, self.end_time = event_budget, end_time
        self.events = 0
        self.errors: list[HostError] = []
        self.tasks: weakref.WeakSet[SimulatedTask[Any]] = weakref.WeakSet()
        # What dead processes left behind.  It must stay reachable: a collected coroutine runs its `finally` blocks, and
        # a process killed with -9 does not.
        self.remains: list[object] = []
        self.process_exited: Callable[[Process, SystemExit], None] | None = None
        self._random = random
        self._time = 0.0
        self._runnable: deque[Callback | Timer] = deque()
        self._timers: list[tuple[float, int, Timer]] = []
        self._cancelled_timers = 0
        self._timer_numbers = count()
        self._future_numbers = count(1)
        self._owner = threading.get_ident()

    # Time

    @property
    def now(self) -> float:
        """Seconds since the world began, whoever asks."""
        return self._time

    def time(self) -> float:
        """The same, by the clock of the machine whose code is running."""
        process = RUNNING.get()
        if process is None or process.oscillator is None:
            return self._time
        return process.oscillator.read(self._time)

    def _run_once(self) -> None:
        """One turn: what is ready now, after the clock has jumped to the next timer if nothing is."""
        runnable, timers = self._runnable, self._timers
        if self._cancelled_timers > CANCELLED_TIMERS_MIN and self._cancelled_timers * 2 > len(timers):
            timers[:] = [entry for entry in timers if not entry[2]._cancelled]
            heapq.heapify(timers)
            self._cancelled_timers = 0
        if not runnable and not self._is_stopping():
            self._jump()
        now = self._time
        while timers and timers[0][0] <= now:
            runnable.append(heapq.heappop(timers)[2])
        for _ in range(len(runnable)):
            handle = runnable.popleft()
            if handle._cancelled:
                continue
            process = handle.process
            if process is not None and (process.paused or not process.alive):
                if process.alive:
                    process.held.append(handle)
                continue
            self.events += 1
            try:
                handle._run()
            except SystemExit as leaving:
                if process is None or self.process_exited is None:
                    raise
                self.process_exited(process, leaving)
        if self.events > self.event_budget:
            raise OutOfEvents(f"{self.events} callbacks within {self._time:.3f} s")

    def _jump(self) -> None:
        timers = self._timers
        while timers and timers[0][2]._cancelled:
            heapq.heappop(timers)
            self._cancelled_timers -= 1
        if not timers:
            raise Deadlock("nothing can happen any more; waiting:\n" + "\n".join(self.waiting()))
        when = timers[0][0]
        if when > self.end_time:
            self._time = max(self._time, self.end_time)
            raise OutOfTime(f"not done after {self.end_time} s of virtual time; waiting:\n" + "\n".join(self.waiting()))
        self._time = max(self._time, when)

    def _is_stopping(self) -> bool:
        return bool(getattr(self, "_stopping", False))

    # Callbacks

    def call_soon(self, callback: Callable[..., object], *args: Any, context: Context | None = None) -> Callback:  # type: ignore[override]
        self._raise_if_closed()
        handle = Callback(callback, args, self, context)
        process = handle.process = RUNNING.get() if context is None else context.get(RUNNING)
        if process is None or process.alive:
            self._runnable.append(handle)
        return handle

    def call_later(  # type: ignore[override]
        self, delay: float, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> Timer:
        process = RUNNING.get() if context is None else context.get(RUNNING)
        now = self._time if process is None or process.oscillator is None else process.oscillator.read(self._time)
        return self.call_at(now + delay, callback, *args, context=context)

    def call_at(  # type: ignore[override]
        self, when: float, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> Timer:
        """`when` by the clock of the machine on which it will run."""
        self._raise_if_closed()
        handle = Timer(when, callback, args, self, context)
        process = handle.process = RUNNING.get() if context is None else context.get(RUNNING)
        if process is not None and process.oscillator is not None:
            when = process.oscillator.when(when)
        if process is None or process.alive:
            heapq.heappush(self._timers, (when, next(self._timer_numbers), handle))
        return handle

    def _timer_handle_cancelled(self, handle: asyncio.TimerHandle) -> None:
        self._cancelled_timers += 1

    def call_soon_threadsafe(  # type: ignore[override]
        self, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> Callback:
        if threading.get_ident() != self._owner:
            raise RuntimeError("a thread called into the simulation; when it does so is not in the seed's hands")
        return self.call_soon(callback, *args, context=context)

    def run_in_executor(self, executor: Any, func: Callable[..., T], *args: Any) -> asyncio.Future[T]:  # type: ignore[override]
        """Runs `func` on this thread, in one go, a little later."""
        future: asyncio.Future[T] = self.create_future()
        self.call_later(self._random.uniform(*EXECUTOR_SECONDS), _work, future, func, args)
        return future

    def set_default_executor(self, executor: Any) -> None:
        """Nothing to set: there are no threads."""

    async def shutdown_default_executor(self, timeout: float | None = None) -> None:
        """Nothing to shut down."""

    def _raise_if_closed(self) -> None:
        if self.is_closed():
            raise RuntimeError("Event loop is closed")

    # Tasks and futures

    def create_future(self) -> SimulatedFuture[Any]:
        return SimulatedFuture(loop=self, number=next(self._future_numbers))

    def create_task(  # type: ignore[override]
        self,
        coro: Generator[Any, None, T] | Coroutine[Any, Any, T],
        *,
        name: str | None = None,
        context: Context | None = None,
    ) -> SimulatedTask[T]:
        self._raise_if_closed()
        number = next(self._future_numbers)
        task = SimulatedTask(coro, loop=self, name=name or f"task-{number}", context=context, number=number)
        self.tasks.add(task)
        return task

    def pending_tasks(self) -> list[SimulatedTask[Any]]:
        """Those not done, of all hosts, in the order of their creation."""
        return sorted((task for task in self.tasks if not task.done()), key=hash)

    def waiting(self) -> list[str]:
        """A line for each task that waits: its host, its name, and the line it stands at."""
        return [
            f"  {task.process.host if task.process else OUTSIDE}: {task.get_name()} {where(task)}"
            for task in self.pending_tasks()
            if task.process is None or task.process.alive
        ]

    # Processes

    def forget(self, process: Process) -> None:
        """`process` has died: drop all it wanted to do, but keep it reachable (see `remains`)."""
        timers = [entry for entry in self._timers if entry[2].process is process]
        self.remains += [handle for *_, handle in timers]
        self.remains += process.held
        self.remains += [handle for handle in self._runnable if handle.process is process]
        self.remains += [task for task in self.pending_tasks() if task.process is process]
        process.held = []
        if timers:
            # In place: this may run within a turn of the loop, which holds on to the list.
            self._timers[:] = [entry for entry in self._timers if entry[2].process is not process]
            heapq.heapify(self._timers)

    def release(self, process: Process) -> None:
        """`process` goes on after a pause: all that became due meanwhile happens now."""
        self._runnable += process.held
        process.held = []

    def add_signal_handler(  # type: ignore[override]
        self, sig: int, callback: Callable[..., object], *args: Any
    ) -> None:
        """Remembered; the world sends signals (World.signal)."""
        process = RUNNING.get()
        if process is None:
            raise RuntimeError("only a process of a simulated host can be sent a signal")
        process.signal_handlers[int(sig)] = (callback, args, contextvars.copy_context())

    def remove_signal_handler(self, sig: int) -> bool:
        process = RUNNING.get()
        return process is not None and process.signal_handlers.pop(int(sig), None) is not None

    # Errors

    def set_exception_handler(self, handler: Any) -> None:
        """Of the running process only; what it is told is collected in `errors` all the same."""
        process = RUNNING.get()
        if process is None:
            super().set_exception_handler(handler)
        else:
            process.exception_handler = handler

    def call_exception_handler(self, context: dict[str, Any]) -> None:
        culprit = next((context[key] for key in ("task", "future", "handle") if key in context), None)
        process: Process | None = getattr(culprit, "process", None) or RUNNING.get()
        if process is not None and not process.alive:
            return
        host = process.host if process else running_host()
        self.errors.append(HostError(host, self._time, context.get("message", ""), context.get("exception")))
        if process is not None and process.exception_handler is not None:
            process.exception_handler(self, context)

    # Network

    async def getaddrinfo(self, host: Any, port: Any, **_: Any) -> list[Any]:
        """Names are addresses here."""
        return [(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", (host, port))]

    async def getnameinfo(self, sockaddr: Any, flags: int = 0) -> tuple[str, str]:
        return str(sockaddr[0]), str(sockaddr[1])

    async def create_server(  # type: ignore[override]
        self,
        protocol_factory: Callable[[], asyncio.BaseProtocol],
        host: Any = None,
        port: int | None = None,
        *,
        start_serving: bool = True,
        **options: Any,
    ) -> asyncio.AbstractServer:
        """Listen on the running host; see Network.listen."""
        _refuse(options, "sock", "ssl")
        server = self.network.listen(protocol_factory, host, port or 0)
        if start_serving:
            await server.start_serving()
        return server

    async def create_connection(  # type: ignore[override]
        self,
        protocol_factory: Callable[[], asyncio.BaseProtocol],
        host: str | None = None,
        port: int | None = None,
        **options: Any,
    ) -> tuple[asyncio.Transport, asyncio.BaseProtocol]:
        """Connect from the running host; see Network.connect."""
        _refuse(options, "sock", "ssl", "local_addr")
        if host is None or port is None:
            raise ValueError("host and port was not specified and no sock specified")
        return await self.network.connect(protocol_factory, host, port)

    def close(self) -> None:
        self._runnable.clear()
        self._timers.clear()
        super().close()


def _work(future: asyncio.Future[T], func: Callable[..., T], args: tuple[Any, ...]) -> None:
    if future.cancelled():
        return
    try:
        result = func(*args)
    except (SystemExit, KeyboardInterrupt):
        raise
    except BaseException as error:
        future.set_exception(error)
    else:
        future.set_result(result)


def _refuse(options: dict[str, Any], *names: str) -> None:
    for name in names:
        if options.get(name):
            raise NotImplementedError(f"{name}= has no counterpart in the simulation")


def _unsupported(name: str) -> Callable[..., NoReturn]:
    def method(self: SimulatedLoop, *args: Any, **options: Any) -> NoReturn:
        raise NotImplementedError(f"{name} has no counterpart in the simulation")

    method.__name__ = name
    return method


for _name in UNSUPPORTED.split():
    setattr(SimulatedLoop, _name, _unsupported(_name))
