"""Kafka under fire: producers and consumers of a replicated topic, a nemesis, and everything read back at the end.

    producers   acks=all, half of them idempotent, several to a partition          kafka_clients.py
    consumers   read below the high watermark, ask where partitions end, commit, and resume from there
    a group     shares the partitions among members that come and go                    kafka_group.py
    nemesis     breaks brokers, links, disks and clocks, then mends them all       kafka_nemesis.py
    calm        within `calm_s` every producer is answered again; all replicas copy what they lack and are in sync
    drained     what was sent is acknowledged, to the last record
    read back   the logs of all replicas, against what the clients were told       kafka_checker.py
                and the group has read all of them                                      kafka_group_checker.py

Source: Kafka's documentation, "Replication" and "Message Delivery Semantics".  Next: cli/simulate_kafka.py has the brokers.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from random import Random
from typing import Protocol

from scenarios import kafka_wire as wire
from scenarios.kafka_checker import History, Violated
from scenarios.kafka_clients import TOPIC, Client, Consumer, Pace, Producer
from scenarios.kafka_group import Crew, Ways
from scenarios.kafka_group_checker import GroupHistory
from scenarios.kafka_nemesis import Cluster as Breakable
from scenarios.kafka_nemesis import Nemesis, Weather

LOOK_S = 0.05
TOPIC_EXISTS = 36
GROUP = "g"


class Cluster(Breakable, Protocol):
    """Brokers to be broken and to be asked."""

    async def connect(self, node: int) -> wire.Streams: ...
    def logs(self, topic: str, partition: int) -> dict[int, bytes]:
        """The bytes of a partition's segments, one after the other, on every broker."""

    def records_held(self) -> int:
        """In all logs of all brokers that run."""


@dataclass(frozen=True)
class Plan:
    """One run."""

    partitions: int = 2
    producers: int = 4  # every other one idempotent
    consumers: int = 2
    topic_settings: tuple[tuple[str, str], ...] = (("min.insync.replicas", "2"),)
    group: Ways = field(default_factory=Ways)
    pace: Pace = field(default_factory=Pace)
    weather: Weather = field(default_factory=Weather)
    calm_s: float = 30.0


@dataclass
class Report:
    """What happened, in numbers."""

    acknowledged: int = 0
    retried: int = 0
    read: int = 0
    resumed: int = 0
    shares: int = 0  # that members of the group were given
    calm_after_s: float = 0.0
    faults: dict[str, int] = field(default_factory=dict)
    errors: dict[str, int] = field(default_factory=dict)


class Arena:
    """One run; what clients call their place."""

    def __init__(self, cluster: Cluster, plan: Plan, random: Random) -> None:
        self.cluster, self.plan = cluster, plan
        self.over = self.draining = False
        self.history = History()
        self.group = GroupHistory(GROUP, plan.partitions)
        self._random = random
        self._now = asyncio.get_running_loop().time

    async def connect(self, node: int) -> wire.Streams:
        return await self.cluster.connect(node)

    def nodes(self) -> list[int]:
        return self.cluster.nodes()

    def _fork(self) -> Random:
        return Random(self._random.getrandbits(64))

    async def run(self) -> Report:
        """The whole scenario, against brokers that are being started.  Raises Violated."""
        plan = self.plan
        await self._create_topic(Client("admin", self, plan.pace, self._fork()))
        producers = [
            Producer(
                f"p{each}", self, plan.pace, self._fork(), each // 2 % plan.partitions, each % 2 == 1, self.history
            )
            for each in range(plan.producers)
        ]
        consumers = [
            Consumer(f"c{each}", self, plan.pace, self._fork(), plan.partitions, self.history)
            for each in range(plan.consumers)
        ]
        nemesis = Nemesis(self.cluster, plan.weather, self._fork())
        crew = Crew(self, plan.pace, self._fork(), plan.group, self.history, self.group)
        report = Report(faults=nemesis.counts)
        clients = [asyncio.create_task(each.run()) for each in producers]
        clients += [asyncio.create_task(each.run()) for each in consumers]
        if plan.group.members:
            clients.append(asyncio.create_task(crew.run()))
        course = asyncio.create_task(self._course(nemesis, producers, consumers, report))
        try:
            await asyncio.wait([course, *clients], return_when=asyncio.FIRST_COMPLETED)
            for task in (*clients, course):
                if task.done():
                    task.result()
            await course
        finally:
            self.over = True
            for task in (course, *clients):
                task.cancel()
            await asyncio.gather(course, *clients, return_exceptions=True)
        for producer in producers:
            report.acknowledged += producer.acknowledged
            report.retried += producer.retried
            for name, count in producer.errors.items():
                report.errors[name] = report.errors.get(name, 0) + count
        report.read = crew.read + sum(consumer.read for consumer in consumers)
        report.resumed = crew.resumed + sum(consumer.resumed for consumer in consumers)
        report.shares = crew.shares
        return report

    async def _create_topic(self, admin: Client) -> None:
        body = wire.create_topics_request(TOPIC, self.plan.partitions, 3, dict(self.plan.topic_settings), 2000)
        await self._until(20.0, "the brokers to serve", self.cluster.all_in_sync)
        until = self._now() + self.plan.calm_s
        while True:
            answer = await admin.ask_anyone(wire.CREATE_TOPICS, body)
            error, message = wire.create_topics(answer) if answer is not None else (-1, None)
            if error in (0, TOPIC_EXISTS):
                return admin.close()
            if self._now() > until:
                raise Violated(f"the topic could not be created: {error} {message}")
            await admin.pause()

    async def _course(
        self, nemesis: Nemesis, producers: list[Producer], consumers: list[Consumer], report: Report
    ) -> None:
        """From the first fault to the verdict."""
        if self.plan.group.members:
            await self._until(self.plan.calm_s, "the group to share", lambda: self.group.generation > 0)
        await nemesis.run()
        began = self._now()
        before = [producer.acknowledged for producer in producers]

        def served() -> bool:
            return all(producer.acknowledged > count for producer, count in zip(producers, before, strict=True))

        await self._until(self.plan.calm_s, "every producer to be served after everything was mended", served)
        self.draining = True
        await self._caught_up()
        report.calm_after_s = self._now() - began
        await self._until(self.plan.calm_s, "what was sent to be acknowledged", lambda: all(p.idle for p in producers))
        try:
            await self._until(self.plan.calm_s, "the replicas to become the same", self._same)
        except Violated:
            self._verify()  # which says where they differ
            raise
        ends = {partition: self._end(partition) for partition in range(self.plan.partitions)}
        await self._until(
            self.plan.calm_s,
            "consumers to read to the end",
            lambda: all(consumer.positions[each] >= end for consumer in consumers for each, end in ends.items()),
        )
        if self.plan.group.members:
            await self._until(
                self.plan.calm_s,
                "the group to commit where partitions end",
                lambda: all(self.group.committed(each) == end for each, end in ends.items() if end),
            )
        self._verify()
        if self.plan.group.members:
            self.group.verify({each: self._records(each) for each in ends})

    def _verify(self) -> None:
        self.history.verify({each: self.cluster.logs(TOPIC, each) for each in range(self.plan.partitions)})

    def _same(self) -> bool:
        return all(len({*self.cluster.logs(TOPIC, each).values()}) == 1 for each in range(self.plan.partitions))

    def _records(self, partition: int) -> list[wire.Stored]:
        """The logs are the same by now."""
        return list(wire.records_of(next(iter(self.cluster.logs(TOPIC, partition).values()))))

    def _end(self, partition: int) -> int:
        """Behind the last record."""
        return max((record.offset + 1 for record in self._records(partition)), default=0)

    async def _caught_up(self) -> None:
        """As long as it takes: with small fetches and a flush each, thousands of records are more than `calm_s`.

        What counts as progress is only more than there ever was: who cuts off and fetches the same for ever makes none.
        """
        most = -1
        while not self.cluster.all_in_sync() and (held := self.cluster.records_held()) > most:
            most = held
            with suppress(Violated):
                await self._until(self.plan.calm_s, "every replica to be in sync again", self.cluster.all_in_sync)
        if not self.cluster.all_in_sync():
            raise Violated(f"not every replica is in sync again, and nothing was copied for {self.plan.calm_s:g} s")

    async def _until(self, seconds: float, what: str, reached: Callable[[], bool]) -> None:
        """Raises Violated when it takes longer."""
        until = self._now() + seconds
        while not reached():
            if self._now() > until:
                raise Violated(f"waited {seconds:g} s for {what}, in vain")
            await asyncio.sleep(LOOK_S)


async def run(cluster: Cluster, plan: Plan, random: Random) -> Report:
    """The whole scenario.  Raises Violated."""
    return await Arena(cluster, plan, random).run()
