"""What a cluster of real brokers does, seen from outside, several times a second.

    Metadata    of every broker: who leads which partition in which epoch, who is in sync        scenarios/kafka_wire.py
    /metrics    of every node: who is the active controller, in which term; what is under-replicated

Answers differ for a moment, as news travels.  Of a partition the highest leader epoch counts, and of its in-sync set what
its leader says.  What changes becomes a line of the timeline, beside the faults that caused it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from scenarios import kafka_wire as wire
from scenarios.kafka_wire import LOST, Connection, Led

LOOK_S = 0.1
ANSWER_S = 0.5
FRESH_S = 1.0
"""An older sight of a node says nothing about now."""


@dataclass
class Sight:
    """What one node said last, and when."""

    at: float = -FRESH_S
    leaders: dict[int, Led] = field(default_factory=dict)
    figures: dict[str, float] = field(default_factory=dict)


class Watch:
    """Looks at a topic of `partitions` until `stop`."""

    def __init__(
        self,
        topic: str,
        partitions: int,
        ports: Mapping[int, int],
        admin_ports: Mapping[int, int],
        say: Callable[[str], None],
    ) -> None:
        self.topic, self.partitions = topic, partitions
        self.say = say
        self.sights = {node: Sight() for node in ports}
        self.leaders: dict[int, Led] = {}
        self.elections = 0  # leaders that came into office after the first
        self.active: tuple[int, int] = (-1, -1)  # term, node
        self.takeovers = 0
        self._ports, self._admin_ports = ports, admin_ports
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        self._tasks = [asyncio.create_task(self._look(node)) for node in self._ports]

    def stop(self) -> None:
        for task in self._tasks:
            task.cancel()

    # -- what is known ------------------------------------------------------------------------------------------------

    def controller(self) -> int | None:
        return self.active[1] if self.active[1] >= 0 else None

    def leader(self, turn: int) -> int | None:
        """Who leads partition `turn`, counted round."""
        led = self.leaders.get(turn % self.partitions)
        return led.leader if led is not None and led.leader >= 0 else None

    def missing(self) -> list[str]:
        """What keeps us from saying that all is well: every node answers, none is fenced, nothing is under-replicated."""
        now = asyncio.get_running_loop().time()
        found = []
        for node, sight in self.sights.items():
            if now - sight.at > FRESH_S:
                found.append(f"broker {node} does not answer")
            elif sight.figures.get("fenced") != 0:
                found.append(f"broker {node} is fenced")
            elif count := sight.figures.get("under_replicated_partitions"):
                found.append(f"broker {node} leads {count:g} partitions that are under-replicated")
        for partition in range(self.partitions):
            led = self.leaders.get(partition)
            if led is None or len(led.isr) < len(self.sights):
                found.append(f"partition {partition} has in sync {members(led.isr if led else ())}")
        return found

    def office(self, node: int) -> str:
        """What a node is in charge of, for people."""
        led = [str(partition) for partition, led in sorted(self.leaders.items()) if led.leader == node]
        offices = [f"leads {' '.join(led)}"] if led else []
        if self.controller() == node:
            offices.append("active controller")
        return f" ({', '.join(offices)})" if offices else ""

    # -- looking ------------------------------------------------------------------------------------------------------

    async def _look(self, node: int) -> None:
        connection: Connection | None = None
        sight = self.sights[node]
        try:
            while True:
                try:
                    if connection is None:
                        async with asyncio.timeout(ANSWER_S):
                            connection = Connection(
                                await asyncio.open_connection("127.0.0.1", self._ports[node]), "watch"
                            )
                    answer = await connection.ask(wire.METADATA, wire.metadata_request(self.topic), ANSWER_S)
                    figures = await self._figures(node)
                except LOST:
                    if connection is not None:
                        connection.close()
                    connection = None
                else:
                    sight.at = asyncio.get_running_loop().time()
                    sight.leaders, sight.figures = wire.metadata(answer)[1], figures
                    self._compare(node, sight)
                await asyncio.sleep(LOOK_S)
        finally:
            if connection is not None:
                connection.close()

    async def _figures(self, node: int) -> dict[str, float]:
        """`/metrics` without its labels and prefix.  Raises OSError, EOFError, TimeoutError."""
        async with asyncio.timeout(ANSWER_S):
            reader, writer = await asyncio.open_connection("127.0.0.1", self._admin_ports[node])
            try:
                writer.write(b"GET /metrics HTTP/1.0\r\n\r\n")
                return figures_of((await reader.read(-1)).decode())
            finally:
                writer.transport.abort()

    def _compare(self, node: int, sight: Sight) -> None:
        """What is new goes to the timeline."""
        if sight.figures.get("active_controller"):
            office = int(sight.figures.get("quorum_term", -1)), node
            if office[0] > self.active[0]:
                if self.active[1] >= 0:
                    self.takeovers += 1
                    self.say(f"  broker {node} is the active controller, term {office[0]}")
                self.active = office
        for partition, led in sight.leaders.items():
            known = self.leaders.get(partition)
            if known is None:
                self.leaders[partition] = led
            elif led.epoch > known.epoch:
                self.leaders[partition] = led
                self.elections += 1
                self.say(f"  partition {partition}: {leadership(led)}, in sync {members(led.isr)}")
            elif led.epoch == known.epoch and node == led.leader and set(led.isr) != set(known.isr):
                self.leaders[partition] = led
                self.say(f"  partition {partition}: in sync {members(led.isr)}")


def figures_of(text: str) -> dict[str, float]:
    """Lines of Prometheus' text format, those without labels: `minikafka_leaders 3.0`."""
    figures = {}
    for line in text.splitlines():
        name, _, value = line.partition(" ")
        if name.startswith("minikafka_") and "{" not in name:
            figures[name.removeprefix("minikafka_").removesuffix("_total")] = float(value)
    return figures


def leadership(led: Led) -> str:
    return f"led by {led.leader} in epoch {led.epoch}" if led.leader >= 0 else f"without a leader in epoch {led.epoch}"


def members(isr: tuple[int, ...]) -> str:
    return " ".join(map(str, sorted(isr))) or "nobody"
