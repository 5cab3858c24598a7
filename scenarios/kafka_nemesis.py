"""What befalls a cluster: one fault after the other, some of them at once, and all of them mended in the end.

What a broker promises to survive depends on when it writes to the platter, and the nemesis keeps to it:

    page cache   (Kafka's default: no fsync for each write) kills, pauses, cuts at will.  Power is lost by one machine at
                 a time, when all replicas are in sync, and until it is in sync again nobody is killed: a broker that was
                 killed comes back without a sign of good order, as one does that lost power, and the controller cannot
                 trust either
    flushed      (log.flush.interval.messages=1) whatever: all may lose power in one moment

Source: Kafka's documentation, "Application vs. OS flush management"; KIP-966; Jepsen's nemeses.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from random import Random
from typing import Protocol

FAULTS = (
    "kill", "kill_all", "kill_controller", "restart_storm", "power_loss", "pause", "cut_off", "cut_one_way", "cut_pair",
    "isolate_controller", "slow_disk", "clock_rate", "rolling_restart", "stop",
)  # fmt: skip
FLUSHED_FAULTS = ("power_loss_of_all", "strike")


class Cluster(Protocol):
    """What a nemesis can do to brokers, which are numbers."""

    def nodes(self) -> list[int]: ...
    def start(self, node: int) -> None: ...
    def kill(self, node: int) -> None: ...
    def strike(self, node: int, steps: int) -> None:
        """It loses its power in the middle of its next writes: before that many more steps of them (1 is the next); 0
        takes that back."""

    def power_loss(self, node: int) -> None: ...
    def terminate(self, node: int) -> None:
        """Ask it to stop in good order."""

    def running(self, node: int) -> bool: ...
    def pause(self, node: int) -> None: ...
    def resume(self, node: int) -> None: ...
    def cut(self, source: int, target: int) -> None: ...
    def heal(self) -> None: ...
    def slow_disk(self, node: int, factor: float) -> None: ...
    def clock_rate(self, node: int, rate: float) -> None: ...
    def controller(self) -> int | None:
        """The active controller, as the simulation knows."""

    def leader(self) -> int | None:
        """A broker that leads some partition."""

    def all_in_sync(self) -> bool:
        """Whether every broker runs, and is in the in-sync set of every partition."""


@dataclass(frozen=True)
class Weather:
    """How hard it strikes.  Times in seconds, ranges are drawn from evenly."""

    faults: tuple[str, ...] = ("kill",)
    flushed: bool = False
    strikes: int = 6
    between_s: tuple[float, float] = (0.1, 1.0)
    lasts_s: tuple[float, float] = (0.1, 2.0)
    overlap: float = 0.3  # chance that the next fault does not wait for the end of this one
    in_sync_s: float = 15.0  # how long to wait for it
    most_s: float = float("inf")  # no fault begins later than this


@dataclass
class Nemesis:
    """One run of it."""

    cluster: Cluster
    weather: Weather
    random: Random
    counts: dict[str, int] = field(default_factory=dict)
    fragile: bool = False
    """A machine that lost its power is not in sync again."""

    async def run(self) -> None:
        under_way: list[asyncio.Task[None]] = []
        loop = asyncio.get_running_loop()
        until = loop.time() + self.weather.most_s
        for _ in range(self.weather.strikes):
            await asyncio.sleep(self.random.uniform(*self.weather.between_s))
            if loop.time() > until:
                break
            fault = self.random.choice(self.weather.faults)
            self.counts[fault] = self.counts.get(fault, 0) + 1
            strike = asyncio.create_task(getattr(self, fault)())
            under_way.append(strike)
            if self.random.random() >= self.weather.overlap:
                await strike
        for strike in under_way:
            await strike
        self.mend()

    def mend(self) -> None:
        """Everything works from now on."""
        self.cluster.heal()
        for node in self.cluster.nodes():
            self.cluster.slow_disk(node, 1.0)
            self.cluster.clock_rate(node, 1.0)
            self.cluster.resume(node)
            self._start(node)

    async def _lasting(self) -> None:
        await asyncio.sleep(self.random.uniform(*self.weather.lasts_s))

    def _victim(self) -> int:
        """One that leads, half of the time."""
        leader = self.cluster.leader()
        if leader is not None and self.random.random() < 0.5:
            return leader
        return self.random.choice(self.cluster.nodes())

    def _start(self, node: int) -> None:
        if not self.cluster.running(node):
            self.cluster.start(node)

    async def _down(self, node: int) -> None:
        """It is killed, and started again later."""
        if not self.fragile:
            self.cluster.kill(node)
            await self._lasting()
            self._start(node)

    # -- processes and machines --------------------------------------------------------------------------------------

    async def kill(self) -> None:
        await self._down(self._victim())

    async def kill_controller(self) -> None:
        controller = self.cluster.controller()
        await self._down(controller if controller is not None else self._victim())

    async def kill_all(self) -> None:
        if not self.fragile:
            nodes = self.cluster.nodes()
            for node in nodes:
                self.cluster.kill(node)
            self.random.shuffle(nodes)
            for node in nodes:
                await asyncio.sleep(self.random.uniform(0.0, 0.5))
                self._start(node)

    async def restart_storm(self) -> None:
        for _ in range(self.random.randint(2, 5)):
            node = self._victim()
            if self.fragile:
                return
            self.cluster.kill(node)
            await asyncio.sleep(self.random.uniform(0.01, 0.3))
            self._start(node)
            await asyncio.sleep(self.random.uniform(0.01, 0.8))

    async def power_loss(self) -> None:
        if self.weather.flushed:
            node = self._victim()
            self.cluster.power_loss(node)
            await self._lasting()
            self._start(node)
        elif not self.fragile and await self._all_in_sync() and not self.fragile:
            self.fragile = True
            node = self._victim()
            self.cluster.power_loss(node)
            await self._lasting()
            self._start(node)
            await asyncio.sleep(0.05)
            if await self._all_in_sync():
                self.fragile = False

    async def _all_in_sync(self) -> bool:
        loop = asyncio.get_running_loop()
        until = loop.time() + self.weather.in_sync_s
        while not self.cluster.all_in_sync():
            if loop.time() > until:
                return False
            await asyncio.sleep(0.05)
        return True

    async def power_loss_of_all(self) -> None:
        nodes = self.cluster.nodes()
        for node in nodes:
            self.cluster.power_loss(node)
        self.random.shuffle(nodes)
        for node in nodes:
            await asyncio.sleep(self.random.uniform(0.0, 0.5))
            self._start(node)

    async def strike(self) -> None:
        node = self._victim()
        self.cluster.strike(node, self.random.randint(1, 12))
        await self._lasting()
        self.cluster.strike(node, 0)
        self._start(node)

    async def stop(self) -> None:
        """In good order."""
        node = self._victim()
        if self.cluster.running(node) and not self.fragile:
            self.cluster.terminate(node)
            await self._lasting()
            await self._until_ended(node)
            self._start(node)

    async def rolling_restart(self) -> None:
        for node in self.cluster.nodes():
            if self.cluster.running(node) and not self.fragile:
                self.cluster.terminate(node)
                await self._until_ended(node)
                self._start(node)
                await asyncio.sleep(self.random.uniform(0.1, 1.0))

    async def _until_ended(self, node: int) -> None:
        """It may be paused, or cut off, and then its end may take too long: kill -9, as those who roll clusters do."""
        for _ in range(60):
            if not self.cluster.running(node):
                return
            await asyncio.sleep(0.1)
        if not self.fragile:
            self.cluster.kill(node)

    async def pause(self) -> None:
        node = self._victim()
        self.cluster.pause(node)
        await self._lasting()
        self.cluster.resume(node)

    # -- links --------------------------------------------------------------------------------------------------------

    async def cut_off(self) -> None:
        """One broker from the others, both ways; clients reach it still."""
        await self._isolate(self._victim())

    async def isolate_controller(self) -> None:
        controller = self.cluster.controller()
        await self._isolate(controller if controller is not None else self._victim())

    async def _isolate(self, node: int) -> None:
        for other in self.cluster.nodes():
            if other != node:
                self.cluster.cut(node, other)
                self.cluster.cut(other, node)
        await self._lasting()
        self.cluster.heal()

    async def cut_one_way(self) -> None:
        """A broker that hears and is not heard, or the other way round."""
        node = self._victim()
        heard = self.random.random() < 0.5
        for other in self.cluster.nodes():
            if other != node:
                self.cluster.cut(*((node, other) if heard else (other, node)))
        await self._lasting()
        self.cluster.heal()

    async def cut_pair(self) -> None:
        """Two that do not hear each other, while both hear the third."""
        one, other = self.random.sample(self.cluster.nodes(), 2)
        self.cluster.cut(one, other)
        self.cluster.cut(other, one)
        await self._lasting()
        self.cluster.heal()

    # -- disks and clocks ----------------------------------------------------------------------------------------------

    async def slow_disk(self) -> None:
        node = self._victim()
        self.cluster.slow_disk(node, self.random.choice((3.0, 10.0, 40.0)))
        await self._lasting()
        self.cluster.slow_disk(node, 1.0)

    async def clock_rate(self) -> None:
        """For the rest of the run, or until it is changed again."""
        self.cluster.clock_rate(self._victim(), self.random.choice((0.5, 0.9, 0.99, 1.01, 1.1, 2.0)))
        await self._lasting()
