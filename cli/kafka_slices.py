"""`mini bench slices`: for how long a broker's event loop is held by one callback, while much is asked of it at once.

    1,000 partitions made, led, described, kept within retention, recovered after a crash, closed, deleted
    a cluster of 10,000 partitions kept as a snapshot, read from it, taken over by a new controller

While one callback runs nobody else is served: no heartbeat goes out, no tick of Raft.  So each piece of work has a budget
of some milliseconds.  Time is that of the loop's thread on the processor, so that a busy machine does not count, unless
--wall is given: then waiting for the disk counts, too.
"""

from __future__ import annotations

import asyncio
import asyncio.events
import gc
import logging
import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from random import Random
from socket import create_connection
from types import CoroutineType
from typing import Any

import click

from durable.real_disk import RealDisk
from minikafka.controller.controller import Controller
from minikafka.controller.image import MetadataImage
from minikafka.controller.quorum import controller_settings, encoded
from minikafka.main import begin_collecting
from minikafka.metadata_follower import read_snapshot
from minikafka.node import Node
from minikafka.options import OPTIONS
from minikafka.records.batch import build_batch
from minikafka.records.metadata_entries import decode_records, encode_records
from minikafka.records.record import Record
from minikafka.turns import Turns
from minikafka.wire.frame import request_frame
from minikafka.wire.messages.metadata import MetadataRequest
from minikafka.wire.messages.topics import CreateTopicsRequest, DeleteTopicsRequest
from serving.background import Background
from serving.clock import SystemClock
from serving.readers import read_arguments

BUDGET_MS = 5.0
SHOWN = 3
PARTITIONS = 1000
TOPIC = "orders"
IMAGE_PARTITIONS = 10_000
REPLICAS = 3
OWN = ("node_stages:", "image_stages:")
"""Tasks that are this program's."""


@dataclass(frozen=True)
class Slice:
    """One callback that held the loop."""

    milliseconds: float
    what: str


class Probe:
    """Times every callback of the running loop."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self.clock = clock
        self.slices: list[Slice] = []

    @contextmanager
    def watching(self) -> Iterator[None]:
        """asyncio's own debug mode times callbacks as well, but slows them down by its other checks."""
        run, probe = asyncio.events.Handle._run, self

        def timed(handle: asyncio.events.Handle) -> None:
            what = name_of(handle)
            began = probe.clock()
            run(handle)
            if not what.startswith(OWN):
                probe.slices.append(Slice((probe.clock() - began) * 1000, what))

        asyncio.events.Handle._run = timed  # type: ignore[method-assign,assignment]
        try:
            yield
        finally:
            asyncio.events.Handle._run = run  # type: ignore[method-assign]

    def worst(self) -> list[Slice]:
        """The longest of those since the last call."""
        slices, self.slices = self.slices, []
        return sorted(slices, key=lambda each: -each.milliseconds)[:SHOWN]


def name_of(handle: asyncio.events.Handle) -> str:
    """The function that is called back, or that goes on in a task."""
    callback: Any = handle._callback  # type: ignore[attr-defined]
    task = getattr(callback, "__self__", None)
    if not isinstance(task, asyncio.Task):
        return str(getattr(callback, "__qualname__", callback))
    coroutine: Any = task.get_coro()
    names = []
    while isinstance(coroutine, CoroutineType):
        names.append(f"{coroutine.__qualname__}:{coroutine.cr_frame.f_lineno if coroutine.cr_frame else 0}")
        coroutine = coroutine.cr_await
    return " > ".join([*names[:1], *names[-2:]] if len(names) > 2 else names)


class Stage:
    """A node on a real disk and this thread's loop, and what is asked of it."""

    def __init__(self, probe: Probe, folder: Path) -> None:
        self.probe = probe
        self.folder = folder
        self.background = Background()

    async def start(self, name: str) -> Node:
        given = {
            "node.id": 1,
            "listeners": "PLAINTEXT://127.0.0.1:0,CONTROLLER://127.0.0.1:0",
            "controller.quorum.voters": "1@127.0.0.1:9",
            "log.dirs": str(self.folder / name),
            "log.flush.offset.checkpoint.interval.ms": 1000,
        }
        words = [word for key, value in given.items() for word in (f"--{key}", str(value))]
        self.background = Background()
        node = Node(
            OPTIONS.load(read_arguments(words).given),
            clock=SystemClock(),
            random=Random(1),
            disk=RealDisk(),
            background=self.background,
        )
        gc.disable()
        node.on_ready = begin_collecting
        await node.start()
        return node

    async def measure(self, title: str, work: Coroutine[Any, Any, Any]) -> Any:
        """Do `work`, and a moment of what follows from it."""
        self.probe.worst()
        began = time.perf_counter()
        result = await asyncio.get_running_loop().create_task(work)
        seconds = time.perf_counter() - began
        await asyncio.sleep(0.3)
        report(f"{title}, {seconds:.2f} s", self.probe.worst())
        return result


def report(title: str, slices: list[Slice]) -> None:
    click.echo(title)
    for each in slices:
        mark = "over" if each.milliseconds > BUDGET_MS else "    "
        click.echo(f"  {each.milliseconds:8.1f} ms {mark}  {each.what}")


async def node_stages(stage: Stage) -> None:
    """From an empty folder to an empty cluster."""
    node = await stage.measure("started with nothing", stage.start("data"))
    assert node.broker is not None
    await stage.measure(f"{PARTITIONS:,} partitions made", create(node))
    await stage.measure("all of them described to a client", described(node))
    fill(node)
    await stage.measure("all flushed, and checkpoints", checkpoints(node))
    await stage.measure("retention", node.folders.retention(list(node.broker.partitions.values())))
    fill(node)
    shutil.copytree(stage.folder / "data", stage.folder / "crashed")
    await stage.measure("stopped in good order", stop(node, stage))
    node = await stage.measure(f"started with {PARTITIONS:,} partitions to lead", stage.start("data"))
    await stage.measure("all of them deleted", delete(node))
    await stop(node, stage)
    node = await stage.measure(f"started with {PARTITIONS:,} partitions to recover", stage.start("crashed"))
    await stop(node, stage)


async def stop(node: Node, stage: Stage) -> None:
    await node.stop()
    await stage.background.stop()


async def create(node: Node) -> None:
    assert node.broker is not None
    topic = CreateTopicsRequest.Topic(name=TOPIC, num_partitions=PARTITIONS, replication_factor=1)
    await node.broker.admin.call(CreateTopicsRequest(timeout_ms=60_000, topics=[topic]), 60.0)
    while len(node.broker.partitions) < PARTITIONS:  # noqa: ASYNC110 — nobody would set an event
        await asyncio.sleep(0.01)


async def delete(node: Node) -> None:
    assert node.broker is not None
    request = DeleteTopicsRequest(timeout_ms=60_000, topics=[DeleteTopicsRequest.Topic(name=TOPIC, topic_id=bytes(16))])
    await node.broker.admin.call(request, 60.0)
    while node.broker.partitions:  # noqa: ASYNC110 — nobody would set an event
        await asyncio.sleep(0.01)


async def checkpoints(node: Node) -> None:
    assert node.broker is not None
    flushed = asyncio.Event()
    node.broker.flush_then(node.broker.partitions.values(), flushed.set)
    await flushed.wait()
    await node.folders.checkpoint_high_watermarks()
    await node.folders.checkpoint_recovery_points()


def fill(node: Node) -> None:
    """Twenty batches in each partition."""
    assert node.broker is not None
    records = [Record(None, bytes(100))] * 10
    for partition in node.broker.partitions.values():
        for _ in range(20):
            now_ms, wall_ms = node.broker.now_ms(), node.broker.wall_ms()
            partition.append(build_batch(records, timestamp_ms=wall_ms), -1, now_ms, wall_ms)


async def described(node: Node) -> None:
    """A client in another thread asks for all topics."""
    answered: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    loop, port = asyncio.get_running_loop(), node.port_of("PLAINTEXT")

    def ask() -> None:
        with create_connection(("127.0.0.1", port)) as connection:
            connection.sendall(request_frame(MetadataRequest(topics=None), 9, 1))
            with connection.makefile("rb") as answers:
                answers.read(int.from_bytes(answers.read(4), "big"))
        loop.call_soon_threadsafe(answered.set_result, None)

    threading.Thread(target=ask).start()
    await answered


async def image_stages(stage: Stage) -> None:
    """What a large image costs those who write it down, read it, and begin to decide."""
    settings = controller_settings(OPTIONS.load(read_arguments(["--node.id", "1"]).given))
    image = large_image(settings)
    gc.freeze()
    snapshot = encode_records(image.records())
    click.echo(f"{IMAGE_PARTITIONS:,} partitions with {REPLICAS} replicas, a snapshot of {len(snapshot) / 1e6:.1f} MB")

    async def in_one_piece(work: Callable[[], Any]) -> None:
        work()

    await stage.measure("snapshot written", encoded(image))
    await stage.measure("snapshot read by a broker", read_snapshot(snapshot, 1, 1, Turns()))
    await stage.measure(
        "taken over by another controller", in_one_piece(lambda: Controller(image, settings, Random(1)))
    )
    await stage.measure(
        "restored at the start of a controller, or when it had fallen behind",
        in_one_piece(lambda: MetadataImage().apply(decode_records(snapshot), 1, 1)),
    )


def large_image(settings: Any) -> MetadataImage:
    """As after topics of 100 partitions each have been made."""
    from minikafka.wire.messages.controller import BrokerHeartbeatRequest, BrokerRegistrationRequest

    controller = Controller(MetadataImage(), settings, Random(1))

    def carried_out(decision: Any) -> Any:
        offset = controller.image.offset + 1
        if decision.records:
            controller.appended(decision.records, offset, 1, 0)
        return decision.answer(offset)

    for decision in controller.activate(0):
        carried_out(decision)
    cluster_id = controller.image.cluster_id
    for broker in range(REPLICAS):
        registration = BrokerRegistrationRequest(
            broker_id=broker, cluster_id=cluster_id, incarnation_id=bytes(16), log_dirs=[bytes([broker + 1]) * 16]
        )
        epoch = carried_out(controller.decide(registration, 0)).broker_epoch
        beat = BrokerHeartbeatRequest(broker_id=broker, broker_epoch=epoch, current_metadata_offset=epoch)
        carried_out(controller.decide(beat, 0))
    for number in range(IMAGE_PARTITIONS // 100):
        topic = CreateTopicsRequest.Topic(name=f"topic-{number}", num_partitions=100, replication_factor=REPLICAS)
        carried_out(controller.decide(CreateTopicsRequest(topics=[topic]), 0))
    assert sum(1 for _ in controller.image.partitions()) == IMAGE_PARTITIONS
    return controller.image


def run(wall: bool) -> None:
    """All stages, one after the other."""
    logging.disable(logging.ERROR)
    gc.set_threshold(70_000, 20, 100)  # as minikafka/main.py
    probe = Probe(time.perf_counter if wall else time.thread_time)
    with tempfile.TemporaryDirectory(prefix="mini-slices-") as folder, probe.watching():
        stage = Stage(probe, Path(folder))
        asyncio.run(node_stages(stage))
        asyncio.run(image_stages(stage))
