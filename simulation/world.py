"""A world: hosts with software, clock, disk and dice, a network between them, and everything that can go wrong.

    world = World(seed=7)
    world.start("redis-1", software)        software(host) -> coroutine; called again at each restart
    world.run(scenario, until=60)           scenario(world) -> coroutine; it watches, breaks things, and raises

What happens follows from the seed alone.  Each concern has dice of its own, forked from the seed by name, so that one
more draw in the network does not change what the workload does.

    what             process          page cache, disk             its peers see
    kill             gone at once     kept                         the end of the stream, or a reset
    power_loss       gone at once     only what is durable         nothing, until their own deadlines
    pause            stands still     kept                         nothing; bytes wait
    leaving by itself (its coroutine ends, or raises)              as kill
    clock_rate, slow_disk: the machine goes on, a little faster or slower than its neighbours, or much slower

A failed run raises: what the scenario raised; `HostFailure` when a host let an exception through that nobody expected;
Deadlock, OutOfEvents or OutOfTime when it does not come to an end.  Next: runner.py runs a scenario over many seeds.
"""

import asyncio
import gc
import signal as signals
from collections.abc import Callable, Coroutine
from contextlib import suppress
from random import Random
from typing import Any, TypeVar

from simulation.disk import DiskOptions, SimulatedDisk
from simulation.loop import HostError, SimulatedLoop
from simulation.machine import SimulatedClock, hidden_machine
from simulation.network import Network, NetworkOptions
from simulation.process import Oscillator, Process
from simulation.tasks import SimulatedTask
from simulation.trace import Trace

T = TypeVar("T")
Software = Callable[["Host"], Coroutine[Any, Any, object]]
Scenario = Callable[["World"], Coroutine[Any, Any, T]]
CLOSE_ATTEMPTS = 10


class HostFailure(Exception):
    """Hosts let exceptions through that nobody handled and the scenario did not expect."""

    def __init__(self, errors: list[HostError]) -> None:
        super().__init__("\n".join(map(str, errors)))
        self.errors = errors


class Host:
    """One machine: what survives the death of its processes."""

    def __init__(self, world: "World", name: str) -> None:
        self.world, self.name = world, name
        self.oscillator = Oscillator()
        self.clock = SimulatedClock(lambda: self.oscillator.read(world.loop.now))
        self.disk = SimulatedDisk(world.random(f"disk of {name}"), world.disk_options(name))
        self.random = world.random(f"{name}, life 0")  # of the running process: drawn anew at each start
        self.process = Process(name, self.oscillator)
        self.software: Software | None = None
        self.main: SimulatedTask[Any] | None = None
        self.exit_code: int | None = None  # how the last process left by itself; None when it was killed, or runs
        self.lives = 0

    @property
    def running(self) -> bool:
        return self.main is not None


class World:
    """One simulation.  `run` may be called once.

    network, disk  the dials; None draws them from the seed (the disks': for each host apart)
    event_budget   callbacks that may run
    trace_lines    how many of the last lines of the trace are kept; None keeps all
    """

    def __init__(
        self,
        seed: int,
        *,
        network: NetworkOptions | None = None,
        disk: DiskOptions | None = None,
        event_budget: int = 20_000_000,
        trace_lines: int | None = 200,
    ) -> None:
        self.seed = seed
        self.loop = SimulatedLoop(self.random("executor"), event_budget=event_budget)
        self.loop.process_exited = self._exited
        self.trace = Trace(lambda: self.loop.now, lambda: self.loop.events, trace_lines)
        options = network or NetworkOptions.drawn(self.random("weather"))
        self.network = Network(self.loop, self.random("network"), options, self.trace.note)
        self.hosts: dict[str, Host] = {}
        self._disk_options = disk
        self._expected: list[tuple[type[BaseException], str | None]] = []
        self._over = False

    def random(self, concern: str) -> Random:
        """Dice for `concern`; the same name gives the same dice."""
        return Random(f"{self.seed}/{concern}")

    def disk_options(self, name: str) -> DiskOptions:
        return self._disk_options or DiskOptions.drawn(self.random(f"weather of the disk of {name}"))

    def host(self, name: str) -> Host:
        """The host of that name; it comes into being when it is first named."""
        if name not in self.hosts:
            self.hosts[name] = Host(self, name)
            self.network.hosts.add(name)
        return self.hosts[name]

    @property
    def errors(self) -> list[HostError]:
        """Exceptions that nobody handled and nobody expected, so far."""
        return [error for error in self.loop.errors if not self._is_expected(error)]

    def expect(self, kind: type[BaseException], host: str | None = None) -> None:
        """Unhandled exceptions of this kind (on that host) do not fail the run."""
        self._expected.append((kind, host))

    def note(self, event: str) -> None:
        """A line in the trace, and so in its hash."""
        self.trace.note(event)

    # Life and death

    def start(self, name: str, software: Software | None = None) -> Host:
        """Run `software` on a host, or again what it ran before.  Raises RuntimeError while it still runs."""
        host = self.host(name)
        if host.running:
            raise RuntimeError(f"{name} is running already")
        host.software = software or host.software
        if host.software is None:
            raise RuntimeError(f"{name} was never given software")
        self.network.power(name, on=True)
        if not host.process.alive:
            host.process = Process(name, host.oscillator)
        host.lives += 1
        host.exit_code = None
        host.random = self.random(f"{name}, life {host.lives}")
        self.note(f"start {name}")
        host.main = self.loop.create_task(self._main(host, host.software), name=name, context=host.process.context())
        return host

    async def _main(self, host: Host, software: Software) -> None:
        process = host.process
        try:
            await software(host)
        except Exception as error:
            if process.alive:  # not when its remains are cleared away
                message = "the process ended with an exception"
                self.loop.errors.append(HostError(host.name, self.loop.now, message, error))
            self._leave(host, process, 1)
        except asyncio.CancelledError:
            self._leave(host, process, 1)
            raise
        else:
            self._leave(host, process, 0)

    def _exited(self, process: Process, leaving: SystemExit) -> None:
        code = leaving.code if isinstance(leaving.code, int) else int(leaving.code is not None)
        self._leave(self.host(process.host), process, code)

    def _leave(self, host: Host, process: Process, code: int) -> None:
        if host.process is process and process.alive:
            self.note(f"exit {host.name} {code}")
            host.exit_code = code
            self._end(host)

    def spawn(self, name: str, coroutine: Coroutine[Any, Any, T]) -> SimulatedTask[T]:
        """A task on a host, beside whatever runs there: a client, for instance.  It dies with the host's process."""
        host = self.host(name)
        if name in self.network.down:
            coroutine.close()
            raise RuntimeError(f"{name} has no power")
        if not host.process.alive:
            host.process = Process(name, host.oscillator)
        return self.loop.create_task(coroutine, context=host.process.context())

    def kill(self, name: str) -> None:
        """SIGKILL: nothing more runs, no `finally` either; the kernel closes what was open."""
        self.note(f"kill {name}")
        self._end(self.host(name))

    def power_loss(self, name: str) -> None:
        """The machine goes dark, until it is started again."""
        self.note(f"power loss {name}")
        self._end(self.host(name), power_failed=True)

    def restart(self, name: str) -> Host:
        """Kill what still runs, and start the host's software again on the same disk."""
        if self.host(name).process.alive:
            self.kill(name)
        return self.start(name)

    def pause(self, name: str) -> None:
        """SIGSTOP: connections stay open, bytes wait, timers pass."""
        self.note(f"pause {name}")
        self.host(name).process.paused = True

    def resume(self, name: str) -> None:
        """SIGCONT: what became due meanwhile happens at once."""
        self.note(f"resume {name}")
        process = self.host(name).process
        process.paused = False
        if process.alive:
            self.loop.release(process)

    def clock_rate(self, name: str, rate: float) -> None:
        """From now on `rate` seconds pass on that machine in one second of the world; its wall clock drifts with it."""
        self.note(f"clock rate {name} {rate}")
        self.host(name).oscillator.change(rate, self.loop.now)

    def slow_disk(self, name: str, factor: float) -> None:
        """From now on every fsync of that machine takes `factor` times as long."""
        self.note(f"slow disk {name} {factor}")
        self.host(name).disk.options.slowness = factor

    def signal(self, name: str, number: int) -> None:
        """Send a signal to the handler given to `loop.add_signal_handler`; a process without one ends, as is usual."""
        process = self.host(name).process
        handler = process.signal_handlers.get(int(number))
        self.note(f"signal {name} {signals.Signals(number).name}")
        if number == signals.SIGKILL or handler is None:
            self._end(self.host(name))
        else:
            callback, args, context = handler
            self.loop.call_soon(callback, *args, context=context)

    def _end(self, host: Host, *, power_failed: bool = False) -> None:
        process = host.process
        host.main = None
        if process.alive:
            process.alive = False
            self.loop.forget(process)
            if power_failed:
                self.network.power(host.name, on=False)
            self.network.process_died(process, power_failed=power_failed)
            host.disk.crash()
        elif power_failed:
            self.network.power(host.name, on=False)
        if power_failed:
            host.disk.power_loss()

    # Running

    def run(self, scenario: Scenario[T] | None = None, *, until: float = 3600.0) -> T | None:
        """Run `scenario` to its end; without one, everything until virtual second `until`.

        Returns what the scenario returns.  Raises what it raises, HostFailure, Deadlock, OutOfEvents, or OutOfTime when
        virtual time passes `until`.
        """
        if self._over:
            raise RuntimeError("a world ends with its run")
        self.loop.end_time = until
        with hidden_machine(self.loop, self.random("machine")):
            try:
                result = self.loop.run_until_complete(self._whole(scenario, until))
            except BaseException as error:
                self._close()
                for unhandled in self.errors:
                    error.add_note(f"also unhandled: {unhandled}")
                raise
            self._close()
        if self.errors:
            raise HostFailure(self.errors) from self.errors[0].exception
        return result

    async def _whole(self, scenario: Scenario[T] | None, until: float) -> T | None:
        if scenario is not None:
            return await scenario(self)
        await asyncio.sleep(until - self.loop.time())
        return None

    def _close(self) -> None:
        """End everybody, find the exceptions that nobody asked about, and let nothing run any more."""
        self._over = True
        self.note(f"end after {self.loop.events} callbacks")
        for task in sorted(self.loop.tasks, key=hash):
            self._ask(task)
        gc.collect()  # futures with an exception that nobody retrieved say so when they are collected
        pending = self.loop.pending_tasks()
        for host in self.hosts.values():
            host.process.alive = False
            host.disk.crash()
        for task in pending:
            _bury(task)
        self.loop.close()

    def _ask(self, task: SimulatedTask[Any]) -> None:
        """An exception that nobody retrieved, of a task that is still referred to and so would not say it itself."""
        if task.done() and getattr(task, "_log_traceback", False) and (task.process is None or task.process.alive):
            error = task.exception()
            context = {"message": "Task exception was never retrieved", "exception": error, "task": task}
            self.loop.call_exception_handler(context)

    def _is_expected(self, error: HostError) -> bool:
        return any(isinstance(error.exception, kind) and host in (None, error.host) for kind, host in self._expected)


def _bury(task: SimulatedTask[Any]) -> None:
    """Close a coroutine whose process is gone, quietly: its `finally` blocks find a loop that does nothing."""
    task._log_destroy_pending = False  # type: ignore[attr-defined]
    for _ in range(CLOSE_ATTEMPTS):
        with suppress(BaseException):
            coroutine = task.get_coro()
            if coroutine is not None:
                coroutine.close()
            return
