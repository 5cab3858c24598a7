"""Kafka under fire, with real processes: `mini chaos run kafka-kill-leader`, and two more.

    create the topic ── load begins ── strike, mend, wait until all are in sync, strike ... ── load drains
        ── every replica in sync ── consumers at the end ── nodes stop ── every log is read from the disk

What strikes is the simulator's nemesis (scenarios/kafka_nemesis.py) with real signals and relays, what judges is the
simulator's checker (scenarios/kafka_checker.py), over the bytes that the brokers left.  What only is here: a real client,
the kernel, and how long a partition stood still.  A second fault never meets a cluster that has not mended the first: with
two of three replicas needed, two faults at once are allowed to stop a partition, and would tell us nothing of its speed.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from random import Random

from lab.child import ChildError
from lab.kafka_cluster import NODES, RealCluster
from lab.kafka_load import Load, create_topic
from scenarios.kafka_checker import History, Violated
from scenarios.kafka_nemesis import Nemesis, Weather
from scenarios.kafka_wire import Stored, records_of

TOPIC = "chaos"
PARTITIONS = 3
UNAVAILABLE_MAX_S = 5.0
"""The longest that a partition may take nothing: election, session, the client's retry."""
IN_SYNC_S = 30.0
EVERY_S = 0.02
WARM_S = 1.0


@dataclass(frozen=True)
class Drill:
    """One entry of `mini chaos run`."""

    name: str
    doc: str
    faults: tuple[str, ...]
    seconds: float = 120.0


DRILLS = {
    drill.name: drill
    for drill in (
        Drill(
            "kafka-kill-leader",
            "kill -9 and SIGSTOP for leaders and controllers: nothing lost, order kept, no outage over 5 s",
            ("kill_leader", "pause_leader", "kill_controller", "pause_controller"),
        ),
        Drill(
            "kafka-isolate-controller",
            "the active controller, a broker too, is cut off from the other nodes; clients reach it still",
            ("isolate_controller", "silence_controller"),
        ),
        Drill(
            "kafka-rolling-restart",
            "SIGTERM to one broker after the other, the next when the last one is in sync again",
            ("rolling_restart",),
        ),
    )
}


@dataclass
class Striker(Nemesis):
    """The simulator's nemesis for a given time, with one fault after the other, in random order but each in its turn."""

    seconds: float = 120.0

    @property
    def real(self) -> RealCluster:
        assert isinstance(self.cluster, RealCluster)
        return self.cluster

    async def run(self) -> None:
        loop = asyncio.get_running_loop()
        end = loop.time() + self.seconds
        order: list[str] = []
        while loop.time() < end:
            order = order or self.random.sample(self.weather.faults, len(self.weather.faults))
            fault = order.pop()
            self.counts[fault] = self.counts.get(fault, 0) + 1
            await getattr(self, fault)()
            await self.in_sync()
            await asyncio.sleep(self.random.uniform(*self.weather.between_s))
        self.mend()

    async def in_sync(self) -> None:
        """Raises Violated, ChildError."""
        if not await self.real.until(self.real.all_in_sync, self.weather.in_sync_s):
            raise Violated(f"{self.weather.in_sync_s:g} s after a fault was mended: {'; '.join(self.real.missing())}")

    def _leader(self) -> int:
        leader = self.cluster.leader()
        return leader if leader is not None else self._victim()

    def _controller(self) -> int:
        controller = self.cluster.controller()
        return controller if controller is not None else self._victim()

    async def kill_leader(self) -> None:
        await self._down(self._leader())

    async def pause_leader(self) -> None:
        await self._paused(self._leader())

    async def pause_controller(self) -> None:
        await self._paused(self._controller())

    async def _paused(self, node: int) -> None:
        self.cluster.pause(node)
        await self._lasting()
        self.cluster.resume(node)

    async def isolate_controller(self) -> None:
        """Its links are reset."""
        await self._apart(silent=False)

    async def silence_controller(self) -> None:
        """Its links swallow what is sent, and deliver it late."""
        await self._apart(silent=True)

    async def _apart(self, silent: bool) -> None:
        node = self._controller()
        self.real.silent = silent
        how = "silence" if silent else "cut"
        self.real.say(f"{how} between broker {node}{self.real.watch.office(node)} and the others")
        await self._isolate(node)
        self.real.say("links mended")

    async def rolling_restart(self) -> None:
        for node in self.cluster.nodes():
            self.cluster.terminate(node)
            await self._until_ended(node)
            self._start(node)
            await self.in_sync()


@dataclass
class Report:
    """What happened, in numbers, and what was broken, in words."""

    seconds: float = 0.0
    faults: dict[str, int] = field(default_factory=dict)
    elections: int = 0
    takeovers: int = 0
    acknowledged: int = 0
    lost: int = 0
    refused: dict[str, int] = field(default_factory=dict)
    twice: int = 0
    twice_idempotent: int = 0
    moved: int = 0
    moved_idempotent: int = 0
    delivered: int = 0
    outages: dict[int, tuple[float, float]] = field(default_factory=dict)  # partition -> seconds, when it ended
    slowest_s: float = 0.0
    violations: list[str] = field(default_factory=list)

    @property
    def longest_unavailability_s(self) -> float:
        return max((seconds for seconds, _ in self.outages.values()), default=0.0)


def run(
    drill: Drill,
    *,
    seconds: float | None = None,
    outage: float = UNAVAILABLE_MAX_S,
    seed: int = 1,
    note: Callable[[str], None] = lambda _: None,
) -> Report:
    """Run a drill in a temporary folder; `note` is given the timeline.  Raises ChildError, PeerMissing.

    outage    longest unavailability of a partition that is no violation, in seconds
    """
    with tempfile.TemporaryDirectory(prefix="mini-chaos-") as folder:
        report = asyncio.run(_run(drill, drill.seconds if seconds is None else seconds, seed, Path(folder), note))
    if report.longest_unavailability_s > outage:
        report.violations.append(
            f"a partition took nothing for {report.longest_unavailability_s:.2f} s; {outage:g} s are allowed"
        )
    return report


async def _run(drill: Drill, seconds: float, seed: int, folder: Path, note: Callable[[str], None]) -> Report:
    now = asyncio.get_running_loop().time
    since = now()

    def say(text: str) -> None:
        note(f"{now() - since:7.2f} s  {text}")

    async with RealCluster(folder, (TOPIC, PARTITIONS), say) as cluster:
        since = now()
        say("three brokers are up")
        await asyncio.to_thread(create_topic, cluster.bootstrap, TOPIC, PARTITIONS)
        load = Load(TOPIC, PARTITIONS, cluster.bootstrap, EVERY_S)
        weather = Weather(drill.faults, between_s=(1.0, 3.0), lasts_s=(3.0, 6.0), in_sync_s=IN_SYNC_S)
        nemesis = Striker(cluster, weather, Random(seed), seconds=seconds)
        report = Report(seconds, nemesis.counts, refused=load.refused, violations=load.faults)
        cluster.watch.start()
        running = asyncio.create_task(load.run())
        try:
            await _course(cluster, nemesis, load)
        except Violated as violated:
            report.violations.append(str(violated))
        except ChildError as error:
            report.violations.append(f"{error}")
        finally:
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
            await asyncio.to_thread(load.close)
        say("load ended; brokers stop, their logs are read")
        report.elections, report.takeovers = cluster.watch.elections, cluster.watch.takeovers
        await cluster.stop()
        _judge(load, {each: cluster.logs(TOPIC, each) for each in range(PARTITIONS)}, report)
        report.outages = {each: (pause, at - since) for each, (pause, at) in load.outages.longest.items()}
    return report


async def _course(cluster: RealCluster, nemesis: Striker, load: Load) -> None:
    """From the first record to the last.  Raises Violated, ChildError."""

    async def reached(what: str, when: Callable[[], bool]) -> None:
        if not await cluster.until(when, IN_SYNC_S):
            raise Violated(f"waited {IN_SYNC_S:g} s for {what}, in vain")

    await reached("the first records to be acknowledged", lambda: all(w.acknowledged for w in load.writers))
    await nemesis.in_sync()
    await asyncio.sleep(WARM_S)
    await nemesis.run()
    load.draining = True
    await reached("what was sent to be acknowledged", lambda: not load.waiting)
    await nemesis.in_sync()
    await reached("consumers to read to the end", load.read_all)


def _judge(load: Load, logs: dict[int, dict[int, bytes]], report: Report) -> None:
    """Count, then let the checker look."""
    report.acknowledged, report.delivered = load.acknowledged, load.delivered
    report.slowest_s = max(writer.slowest_s for writer in load.writers)
    for partition, replicas in logs.items():
        count(load.history, partition, list(records_of(replicas[NODES[0]])), report)
    try:
        load.history.verify(logs)
    except Violated as violated:
        report.violations.append(str(violated))


def count(history: History, partition: int, log: list[Stored], report: Report) -> None:
    """Adds what one partition's log says of what was sent: acknowledged and not there, there more than once, there
    before what was sent just before it."""
    copies: dict[bytes, int] = {}
    first: dict[bytes, int] = {}
    for record in log:
        copies[record.value] = copies.get(record.value, 0) + 1
        first.setdefault(record.value, record.offset)
    for sent in history.producers:
        if sent.partition != partition:
            continue
        report.lost += sum(1 for number in sent.offsets if sent.values[number] not in copies)
        twice = sum(copies.get(value, 1) - 1 for value in sent.values)
        places = [first[value] for value in sent.values if value in first]
        moved = sum(later < earlier for earlier, later in pairwise(places))
        if sent.idempotent:
            report.twice_idempotent += twice
            report.moved_idempotent += moved
        else:
            report.twice += twice
            report.moved += moved


def report_lines(report: Report) -> list[str]:
    """The report as it is printed."""
    faults = ", ".join(f"{count} {name.replace('_', ' ')}" for name, count in sorted(report.faults.items())) or "none"
    refused = ", ".join(f"{count} {name}" for name, count in sorted(report.refused.items())) or "none"
    lines = [
        f"faults                  {faults}; in {report.seconds:g} s",
        f"elections               {report.elections} of partition leaders, {report.takeovers} of controllers",
        f"acknowledged            {report.acknowledged:,}",
        f"  of them lost          {report.lost:,}",
        f"given up by producers   {refused}",
        f"stored twice            {report.twice:,} of the plain producer, {report.twice_idempotent:,} of the idempotent",
        f"stored out of order     {report.moved:,} of the plain producer, {report.moved_idempotent:,} of the idempotent",
        f"delivered to consumers  {report.delivered:,}",
        f"longest unavailability  {report.longest_unavailability_s:.2f} s",
    ]
    for partition, (seconds, at) in sorted(report.outages.items()):
        lines.append(f"  of partition {partition}        {seconds:.2f} s, until {at:.2f} s")
    lines.append(f"slowest record          {report.slowest_s:.2f} s from the producer to its acknowledgement")
    return lines + [f"VIOLATION  {text}" for text in report.violations]
