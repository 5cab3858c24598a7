"""Whole nodes on simulated machines: their network, disks and time are the test's to bend.

in_world(story, nodes=3)    runs `async def story(cluster)` in virtual time; the same every time
"""

import asyncio
import signal
import sys
from collections.abc import Awaitable, Callable, Iterable
from functools import partial
from typing import Any, TypeVar

from minikafka.node import Node
from minikafka.options import OPTIONS
from minikafka.records.batch import build_batch
from minikafka.records.record import Record
from minikafka.wire.apis import APIS
from minikafka.wire.compile import decode
from minikafka.wire.frame import request_frame
from minikafka.wire.messages.produce import ProduceRequest
from minikafka.wire.messages.topics import CreateTopicsRequest
from serving.background import Background
from serving.program import StartError
from serving.readers import read_arguments
from simulation.disk import DiskOptions, SimulatedDisk
from simulation.network import NetworkOptions
from simulation.world import Host, World

T = TypeVar("T")
PORT, CONTROLLER_PORT = 9092, 9093
UNTIL_S = 900.0
QUICK = {
    "broker.heartbeat.interval.ms": 100,
    "broker.session.timeout.ms": 1000,
    "controller.quorum.election.timeout.ms": 200,
    "group.initial.rebalance.delay.ms": 0,
    "auto.create.topics.enable": "false",
}


class Client:
    """A connection to a node, on which bytes are written and read as anyone may."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer
        self.asked = 0

    def send(self, request: Any, version: int) -> int:
        """Returns the correlation id."""
        self.asked += 1
        self.writer.write(request_frame(request, version, self.asked))
        return self.asked

    async def frame(self) -> bytes:
        """The next answer, its size left off.  Raises IncompleteReadError when the connection is over."""
        return await self.reader.readexactly(int.from_bytes(await self.reader.readexactly(4), "big"))

    async def ask(self, request: Any, version: int) -> Any:
        """A request and its answer."""
        asked = self.send(request, version)
        frame = await self.frame()
        assert int.from_bytes(frame[:4], "big") == asked, "answers come in the order of their requests"
        api = APIS[request.__api_key__]
        return decode(api.response, version, frame, 4 + api.response_header_version(version))[0]

    async def produce(self, topic: str, *values: bytes, acks: int = -1, index: int = 0) -> Any:
        """One batch, to one partition; its part of the answer."""
        records = build_batch([Record(None, value) for value in values], timestamp_ms=1)
        asked = ProduceRequest.Topic.Partition(index=index, records=records)
        topics = [ProduceRequest.Topic(name=topic, partition_data=[asked])]
        answer = await self.ask(ProduceRequest(acks=acks, timeout_ms=10_000, topic_data=topics), 9)
        return answer.responses[0].partition_responses[0]

    async def create(self, topic: str, partitions: int = 1, replicas: int = 1, **configs: str) -> None:
        config = [CreateTopicsRequest.Topic.Config(name=k.replace("_", "."), value=v) for k, v in configs.items()]
        wanted = CreateTopicsRequest.Topic(
            name=topic, num_partitions=partitions, replication_factor=replicas, configs=config
        )
        answer = await self.ask(CreateTopicsRequest(timeout_ms=10_000, topics=[wanted]), 5)
        assert answer.topics[0].error_code == 0, answer

    async def is_closed(self) -> bool:
        """Whether the other side ends the connection, without another word."""
        try:
            return await self.reader.read(1) == b""
        except ConnectionError:
            return True


class Nodes:
    """`count` nodes of one cluster, each broker and controller."""

    def __init__(self, world: World, count: int, settings: dict[str, Any]) -> None:
        self.world = world
        self.settings = settings
        self.ids = range(1, count + 1)
        self.node: dict[int, Node] = {}
        self.refused: dict[int, str] = {}  # why a node did not start

    def start(self, *ids: int) -> None:
        for id in ids or self.ids:
            self.world.start(f"n{id}", partial(self._software, id))

    async def up(self, *ids: int) -> Node:
        """Until these, or all, serve; the last of them."""
        await self.until(lambda: all(id in self.node and self.node[id].ready for id in ids or self.ids))
        return self.node[(ids or self.ids)[-1]]

    def given(self, id: int) -> Iterable[Any]:
        voters = ",".join(f"{each}@n{each}:{CONTROLLER_PORT}" for each in self.ids)
        given = {
            "node.id": id,
            "listeners": f"PLAINTEXT://:{PORT},CONTROLLER://:{CONTROLLER_PORT}",
            "advertised.listeners": f"PLAINTEXT://n{id}:{PORT}",
            "controller.quorum.voters": voters,
            "log.dirs": "data",
            **QUICK,
            **self.settings,
        }
        return read_arguments([word for key, value in given.items() for word in (f"--{key}", str(value))]).given

    async def _software(self, id: int, host: Host) -> None:
        loop = asyncio.get_running_loop()
        ending: asyncio.Future[int] = loop.create_future()

        def request_stop(exit_code: int = 0) -> None:
            if not ending.done():
                ending.set_result(exit_code)

        loop.add_signal_handler(signal.SIGTERM, request_stop)
        background = Background(lambda error: request_stop(1))
        settings = OPTIONS.load(self.given(id))
        try:
            node = Node(settings, clock=host.clock, random=host.random, disk=host.disk, background=background)
            node.request_stop = request_stop
            self.node[id] = node
            await node.start()
        except StartError as error:
            self.refused[id] = str(error)
            sys.exit(1)
        exit_code = await ending
        await node.stop()
        sys.exit(exit_code)

    def disk(self, id: int = 1) -> SimulatedDisk:
        return self.world.host(f"n{id}").disk

    def running(self, id: int = 1) -> bool:
        return self.world.host(f"n{id}").running

    def exit_code(self, id: int = 1) -> int | None:
        return self.world.host(f"n{id}").exit_code

    async def stop(self, id: int = 1) -> int | None:
        """SIGTERM; the exit code."""
        self.world.signal(f"n{id}", signal.SIGTERM)
        await self.until(lambda: not self.running(id))
        return self.exit_code(id)

    async def kill(self, id: int = 1) -> None:
        self.world.kill(f"n{id}")

    async def ended(self, id: int = 1) -> int | None:
        await self.until(lambda: not self.running(id))
        return self.exit_code(id)

    async def until(self, reached: Callable[[], bool], seconds: float = 60) -> None:
        """Look again and again, in virtual time."""
        async with asyncio.timeout(seconds):
            while not reached():  # noqa: ASYNC110 — nobody would set an event
                await asyncio.sleep(0.01)

    async def connect(self, id: int = 1) -> Client:
        return Client(*await asyncio.open_connection(f"n{id}", PORT))


def in_world(
    story: Callable[[Nodes], Awaitable[T]], nodes: int = 1, *, started: bool = True, seed: int = 1, **settings: Any
) -> T:
    """Run `story`; names of settings with _ for the dots."""
    world = World(seed, network=NetworkOptions(), disk=DiskOptions(stall=0.0))
    cluster = Nodes(world, nodes, {name.replace("_", "."): value for name, value in settings.items()})

    async def told() -> T:
        if started:
            cluster.start()
            await cluster.up()
        return await story(cluster)

    async def scenario(world: World) -> T:
        return await world.spawn("client", told())

    result = world.run(scenario, until=UNTIL_S)
    return result  # type: ignore[return-value]
