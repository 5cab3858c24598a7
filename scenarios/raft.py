"""Raft under fire: clients of a replicated table, a nemesis that breaks machines, links, disks and clocks, and a last calm.

    clients    each in a session, one command at a time, to whom it believes to lead; no answer, and it sends the same command
               again to another node.  What each saw goes into a history that must be linearizable
    nemesis    draws fault after fault, several may hold at once: more nodes may be down than Raft can bear, as then it
               must wait and not err
    calm       everything is healed: within `calm_s` a leader must be there, and every client must get an answer

Whether the nodes themselves stay within Raft's rules (one leader a term, logs that match, ...) is watched from outside,
event by event; here is only what a client can see.

    request   [number, "propose", command] | [number, "read", key] | [number, "transfer", to] | [number, "members", ...]
    answer    [number, "ok", value]          carried out
              [number, "elsewhere", leader]  certainly not carried out: ask the leader, when it is known (else None)
              [number, "lost", None]         certainly not carried out: another entry took its place
              [number, "unknown", None]      nobody knows: sending it again is what sessions are for
              [number, "refused", reason]    not carried out, and will not be; of a retry nothing is known

Sources: Ongaro (2014 thesis) §6.3, §6.4; Jepsen's nemeses for the faults.  Next: cli/simulate_raft.py has the nodes.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from random import Random
from typing import Any, Protocol, cast

import msgpack

LOST = (OSError, EOFError, TimeoutError)  # IncompleteReadError is an EOFError
Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]
FAULTS = (
    "kill", "strike", "power_loss", "power_loss_of_all", "restart_storm", "pause", "cut_off", "cut_one_way", "split",
    "slow_disk", "clock_rate", "transfer", "members", "fsync_error",
)  # fmt: skip


class Violated(AssertionError):
    """A promise was broken; the text names it."""


class Cluster(Protocol):
    """What a nemesis can do.  Nodes are numbers; `members` are those that should be running."""

    members: list[int]

    async def connect(self, node: int) -> Streams: ...
    def start(self, node: int) -> None: ...
    def kill(self, node: int) -> None: ...
    def strike(self, node: int, steps: int) -> None:
        """Kill it in the middle of its next writes: before that many more steps of them (1 is the next); 0 takes it back."""

    def power_loss(self, node: int) -> None: ...
    def running(self, node: int) -> bool: ...
    def pause(self, node: int) -> None: ...
    def resume(self, node: int) -> None: ...
    def cut(self, source: int, target: int) -> None: ...
    def heal(self) -> None: ...
    def slow_disk(self, node: int, factor: float) -> None: ...
    def break_disk(self, node: int, broken: bool) -> None:
        """Whether its fsyncs fail from now on: it must end by itself, with the next one."""

    def clock_rate(self, node: int, rate: float) -> None: ...
    def leader(self) -> int | None:
        """Who leads, as the simulation knows; any one of several that believe it."""

    def fresh(self) -> int:
        """A number that no node ever had."""


class Recorder(Protocol):
    """simulation.history.History."""

    def invoke(self, client: str, key: Any, operation: tuple[Any, ...]) -> Any: ...
    def complete(self, call: Any, result: Any) -> None: ...
    def refuse(self, call: Any) -> None: ...


@dataclass(frozen=True)
class Plan:
    """How hard to push.  Times in seconds, ranges are drawn from evenly."""

    nodes: int = 3
    clients: int = 3
    keys: int = 3
    faults: tuple[str, ...] = ("kill",)
    strikes: int = 8
    between_s: tuple[float, float] = (0.2, 2.0)
    lasts_s: tuple[float, float] = (0.1, 3.0)
    overlap: float = 0.3  # chance that the next fault does not wait for the end of this one
    think_s: tuple[float, float] = (0.01, 0.2)
    answer_s: float = 1.0  # how long a client waits for one answer
    patience_s: float = 8.0  # how long it tries one command; then it never learns of it, and begins anew
    calm_s: float = 60.0  # longer than the slowest fsync that began before


@dataclass
class Report:
    """What happened, in numbers."""

    acknowledged: int = 0
    retried: int = 0
    unknown: int = 0
    faults: dict[str, int] = field(default_factory=dict)
    members: list[int] = field(default_factory=list)
    calm_after_s: float = 0.0


class Link:
    """A connection to one node, one request at a time."""

    def __init__(self, streams: Streams) -> None:
        self.reader, self.writer = streams
        self.number = 0

    async def ask(self, *request: Any) -> tuple[str, Any]:
        """Raises OSError, EOFError."""
        self.number += 1
        data = cast(bytes, msgpack.packb([self.number, *request]))
        self.writer.write(len(data).to_bytes(4, "big") + data)
        while True:
            size = int.from_bytes(await self.reader.readexactly(4), "big")
            number, status, value = msgpack.unpackb(await self.reader.readexactly(size), use_list=False)
            if number == self.number:  # else an answer to a request we gave up on
                return status, value


class Asker:
    """Asks the leader, wherever it is: connects, follows hints, tries others."""

    def __init__(self, cluster: Cluster, random: Random, answer_s: float) -> None:
        self._cluster, self._random, self._answer_s = cluster, random, answer_s
        self._links: dict[int, Link] = {}
        self._believed: int | None = None

    async def ask(self, *request: Any, anyone: bool = False) -> tuple[str, Any]:
        """One attempt; ("unknown", None) when nobody can tell what came of it, "elsewhere" when nothing did."""
        node = self._believed
        if node is None or anyone:
            node = self._random.choice(self._cluster.members)
        try:
            async with asyncio.timeout(self._answer_s):
                link = self._links.get(node)
                if link is None:
                    link = self._links[node] = Link(await self._cluster.connect(node))
        except LOST:
            self._believed = None
            return "elsewhere", None
        try:
            async with asyncio.timeout(self._answer_s):
                status, value = await link.ask(*request)
        except LOST:
            self._drop(node)
            self._believed = None
            return "unknown", None
        if status == "elsewhere":
            self._believed = value if value != node else None
        elif status == "ok" and not anyone:
            self._believed = node
        return status, value

    def _drop(self, node: int) -> None:
        link = self._links.pop(node, None)
        if link is not None:
            link.writer.transport.abort()

    def close(self) -> None:
        for node in list(self._links):
            self._drop(node)


class Client:
    """One client: a session after the other, in each one command at a time."""

    def __init__(self, name: str, arena: Arena, random: Random) -> None:
        self.name, self._arena, self._random = name, arena, random
        self.answered = 0
        self._lives = 0

    async def run(self) -> None:
        while not self._arena.over:
            self._lives += 1
            asker = Asker(self._arena.cluster, self._random, self._arena.plan.answer_s)
            try:
                await self._session(asker)
            finally:
                asker.close()

    async def _session(self, asker: Asker) -> None:
        """Until a command's fate is unknown: what a client that gave up might still be doing, a new one must not."""
        status, session = await self._until_answered(asker, "propose", msgpack.packb(["open"]))
        number = 0
        while status == "ok" and not self._arena.over:
            key = f"k{self._random.randrange(self._arena.plan.keys)}"
            value = self._arena.next_value()
            operation = self._random.choice((("get",), ("put", value), ("cas", self._arena.last.get(key), value)))
            call = self._arena.history.invoke(f"{self.name}.{self._lives}", key, operation)
            if operation == ("get",):
                status, answer = await self._until_answered(asker, "read", key)
            else:
                number += 1
                command = msgpack.packb([session, number, operation[0], key, *operation[1:]])
                status, answer = await self._until_answered(asker, "propose", command)
            if status == "ok":
                self._arena.history.complete(call, answer)
                self._arena.report.acknowledged += 1
                self.answered += 1
                if operation[0] == "get" or answer is not False:
                    self._arena.last[key] = answer if operation[0] == "get" else value
            elif operation == ("get",):
                self._arena.history.refuse(call)
            else:
                self._arena.report.unknown += 1
            await asyncio.sleep(self._random.uniform(*self._arena.plan.think_s))

    async def _until_answered(self, asker: Asker, kind: str, content: Any) -> tuple[str, Any]:
        """ "ok" and the answer; anything else when it gave up and does not know."""
        until = asyncio.get_running_loop().time() + self._arena.plan.patience_s
        while True:
            anyone = kind == "read" and self._random.random() < 0.5
            status, value = await asker.ask(kind, content, anyone=anyone)
            if status in ("ok", "refused"):
                return status, value
            if self._arena.over or asyncio.get_running_loop().time() > until:
                return "unknown", None
            self._arena.report.retried += 1
            await asyncio.sleep(self._random.uniform(0.02, 0.2))


class Arena:
    """One run."""

    def __init__(self, cluster: Cluster, plan: Plan, history: Recorder, random: Random) -> None:
        self.cluster, self.plan, self.history = cluster, plan, history
        self.report = Report()
        self.last: dict[str, Any] = {}  # what some client saw last: what a `cas` may hope for
        self.over = False
        self._random = random
        self._values = 0

    def next_value(self) -> int:
        """Never the same twice, so that a value tells which command wrote it."""
        self._values += 1
        return self._values

    async def run(self) -> Report:
        """The whole scenario, against a cluster that has been started.  Raises Violated."""
        fork = [Random(self._random.getrandbits(64)) for _ in range(self.plan.clients + 1)]
        clients = [Client(f"c{number}", self, random) for number, random in enumerate(fork[1:])]
        tasks = [asyncio.create_task(client.run()) for client in clients]
        try:
            await Nemesis(self, fork[0]).run()
            await self._calm(clients)
        finally:
            self.over = True
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        self.report.members = sorted(self.cluster.members)
        return self.report

    async def _calm(self, clients: list[Client]) -> None:
        """Nothing is broken any more: everyone must be served soon ([R] §5.4.3, liveness)."""
        loop = asyncio.get_running_loop()
        began, answered = loop.time(), [client.answered for client in clients]
        while any(client.answered < before + 2 for client, before in zip(clients, answered, strict=True)):
            await asyncio.sleep(0.1)
            if loop.time() > began + self.plan.calm_s:
                waiting = [
                    client.name
                    for client, before in zip(clients, answered, strict=True)
                    if client.answered < before + 2
                ]
                raise Violated(f"{self.plan.calm_s} s after everything was healed, {waiting} are not served")
        self.report.calm_after_s = loop.time() - began


class Nemesis:
    """Breaks things, one after the other or together, and mends them all in the end."""

    def __init__(self, arena: Arena, random: Random) -> None:
        self._arena, self._cluster, self._plan, self._random = arena, arena.cluster, arena.plan, random
        self._broken: int | None = None
        self._leaving: int | None = None

    async def run(self) -> None:
        under_way: list[asyncio.Task[None]] = []
        for _ in range(self._plan.strikes):
            await asyncio.sleep(self._random.uniform(*self._plan.between_s))
            fault = self._random.choice(self._plan.faults)
            self._arena.report.faults[fault] = self._arena.report.faults.get(fault, 0) + 1
            strike = asyncio.create_task(getattr(self, fault)())
            under_way.append(strike)
            if self._random.random() >= self._plan.overlap:
                await strike
        for strike in under_way:
            await strike
        self._cluster.heal()
        for node in self._cluster.members:
            self._cluster.strike(node, 0)
            self._cluster.slow_disk(node, 1.0)
            self._cluster.break_disk(node, False)
            self._cluster.clock_rate(node, 1.0)
            self._cluster.resume(node)
            self._start(node)

    async def _lasting(self) -> None:
        await asyncio.sleep(self._random.uniform(*self._plan.lasts_s))

    def _victim(self) -> int:
        """The leader, half of the time."""
        leader = self._cluster.leader()
        if leader in self._cluster.members and self._random.random() < 0.5:
            return leader
        return self._random.choice(self._cluster.members)

    def _start(self, node: int) -> None:
        if node in self._cluster.members and not self._cluster.running(node):
            self._cluster.start(node)

    async def kill(self) -> None:
        node = self._victim()
        self._cluster.kill(node)
        await self._lasting()
        self._start(node)

    async def strike(self) -> None:
        """Killed between a write and its fsync; soon after it is back, the power fails: was it right to believe its cache?"""
        node = self._victim()
        self._cluster.strike(node, self._random.randint(1, 4))
        await self._lasting()
        self._start(node)
        if self._random.random() < 0.7:
            await asyncio.sleep(self._random.choice((0.001, self._random.uniform(0.02, 0.6))))
            self._cluster.power_loss(node)
            await self._lasting()
            self._start(node)

    async def power_loss(self) -> None:
        node = self._victim()
        self._cluster.power_loss(node)
        await self._lasting()
        self._start(node)

    async def power_loss_of_all(self) -> None:
        nodes = list(self._cluster.members)
        for node in nodes:
            self._cluster.power_loss(node)
        await self._lasting()
        for node in nodes:
            self._start(node)

    async def restart_storm(self) -> None:
        for _ in range(self._random.randint(3, 8)):
            node = self._victim()
            (self._cluster.power_loss if self._random.random() < 0.5 else self._cluster.kill)(node)
            await asyncio.sleep(self._random.uniform(0.01, 0.3))
            self._start(node)
            await asyncio.sleep(self._random.uniform(0.01, 0.5))

    async def pause(self) -> None:
        node = self._victim()
        self._cluster.pause(node)
        await self._lasting()
        self._cluster.resume(node)

    async def cut_off(self) -> None:
        """One node from all others, both ways."""
        node = self._victim()
        for other in self._cluster.members:
            self._cluster.cut(node, other)
            self._cluster.cut(other, node)
        await self._lasting()
        self._cluster.heal()

    async def cut_one_way(self) -> None:
        """A node that hears and is not heard, or the other way round."""
        node = self._victim()
        heard = self._random.random() < 0.5
        for other in self._cluster.members:
            self._cluster.cut(*((node, other) if heard else (other, node)))
        await self._lasting()
        self._cluster.heal()

    async def split(self) -> None:
        """Two halves, or a chain in which only neighbours hear each other."""
        nodes = list(self._cluster.members)
        self._random.shuffle(nodes)
        chain = self._random.random() < 0.3
        half = self._random.randint(1, len(nodes))
        for place, node in enumerate(nodes):
            for other_place, other in enumerate(nodes):
                apart = abs(place - other_place) > 1 if chain else (place < half) != (other_place < half)
                if apart:
                    self._cluster.cut(node, other)
        await self._lasting()
        self._cluster.heal()

    async def slow_disk(self) -> None:
        node = self._victim()
        self._cluster.slow_disk(node, self._random.choice((5.0, 20.0)))
        await self._lasting()
        self._cluster.slow_disk(node, 1.0)

    async def clock_rate(self) -> None:
        node = self._victim()
        self._cluster.clock_rate(node, self._random.choice((0.5, 0.9, 0.99, 1.01, 1.1, 2.0)))
        await self._lasting()

    async def fsync_error(self) -> None:
        """Of one node only in a run: what its disk lost may keep it away for ever."""
        self._broken = self._broken or self._victim()
        if self._broken in self._cluster.members:
            self._cluster.break_disk(self._broken, True)
            await self._lasting()
            self._cluster.break_disk(self._broken, False)
            await self._lasting()
            if self._random.random() < 0.5:
                self._cluster.power_loss(self._broken)
            self._start(self._broken)

    async def transfer(self) -> None:
        asker = self._asker()
        await asker.ask("transfer", self._random.choice(self._cluster.members))
        asker.close()

    async def members(self) -> None:
        """A new node joins, or one that is there leaves; one that left never comes back."""
        nodes = self._cluster.members
        if self._leaving in nodes:
            # Nobody said whether it has left; a second one to leave might take the majority along.
            await self._leave(self._leaving)
        elif len(nodes) > 3 and self._random.random() < 0.5:
            await self._leave(self._victim())
        else:
            await self._join()

    async def _join(self) -> None:
        """It listens first, without a vote; whatever becomes of the change, the node goes on running."""
        node = self._cluster.fresh()
        self._cluster.start(node)
        if await self._change("learn", node) and await self._change("add", node):
            self._cluster.members.append(node)

    async def _leave(self, node: int) -> None:
        self._leaving = node
        if await self._change("remove", node) and node in self._cluster.members:
            self._cluster.members.remove(node)
            await asyncio.sleep(self._random.uniform(0.0, 2.0))
            if self._cluster.running(node):
                self._cluster.kill(node)

    async def _change(self, change: str, node: int) -> bool:
        """Whether it certainly came to be."""
        asker = self._asker()
        until = asyncio.get_running_loop().time() + self._plan.patience_s
        status = ""
        while status != "ok" and asyncio.get_running_loop().time() < until:
            status, _ = await asker.ask("members", change, node)
            await asyncio.sleep(0.3)
        asker.close()
        return status == "ok"

    def _asker(self) -> Asker:
        """One for each fault, as several may be under way."""
        return Asker(self._cluster, self._random, self._plan.answer_s)


async def run(cluster: Cluster, plan: Plan, history: Recorder, random: Random) -> Report:
    """The whole scenario.  Raises Violated."""
    return await Arena(cluster, plan, history, random).run()
