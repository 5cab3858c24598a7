"""Who takes part in `mini bench kafka`: Apache Kafka, ours, and the floor, each with one broker or with three.

Kafka and ours are given the same properties, so that neither is measured with settings the other has not: one log
folder, logs of deleted topics removed at once (a run writes gigabytes), everything else at its default.  All contestants
of a round are up together and idle in turn; what a JVM does while it idles is a percent or two of a core.
"""

import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

from lab.child import PORT_TAKEN, Child, ChildError, free_port
from lab.kafka_peers import (
    MEASURING,
    Kafka,
    KafkaNode,
    brokers_alive,
    kafka_answers,
    kafka_cluster,
    server_properties,
)
from lab.peers import ATTEMPTS

OVERRIDES = (
    "log.segment.delete.delay.ms=500",
    "log.retention.check.interval.ms=1000",  # ours removes deleted folders with it
    "log.initial.task.delay.ms=500",  # Kafka its first ones after it
)
TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
START_DEADLINE_S = 60.0
POLL_S = 0.002


@dataclass(frozen=True)
class Contestant:
    """A kind of server: how it is called in the table, how so many brokers of it are started."""

    name: str
    start: Callable[[int], AbstractContextManager[Kafka]]
    sizes: tuple[int, ...] = (1, 3)  # of clusters it can form


@contextmanager
def mini_cluster(size: int, *overrides: str) -> Iterator[Kafka]:
    """Ours, each node broker and controller in one; stopped, and their folders removed, on leaving."""
    with started(lambda folder: planned(size, overrides, folder)) as kafka:
        yield kafka


def planned(size: int, overrides: tuple[str, ...], folder: Path) -> Kafka:
    """Ports noted and settings written; nothing runs yet."""
    ports = {node_id: (free_port(), free_port()) for node_id in range(1, size + 1)}
    voters = ",".join(f"{node_id}@127.0.0.1:{controller}" for node_id, (_, controller) in ports.items())
    nodes = []
    for node_id, (port, controller_port) in ports.items():
        directory = folder / str(node_id)
        (directory / "data").mkdir(parents=True)
        properties = server_properties(node_id, port, controller_port, voters, directory, size)
        properties |= dict(override.split("=", 1) for override in overrides)
        path = directory / "server.properties"
        path.write_text("".join(f"{key}={value}\n" for key, value in properties.items()))
        command = [sys.executable, "-m", "cli.main", "kafka", "start", str(path)]
        child = Child(f"mini-kafka-{node_id}", command, directory / "server.log")
        nodes.append(KafkaNode(node_id, port, controller_port, child, directory))
    return Kafka(nodes)


@contextmanager
def floor(size: int = 1) -> Iterator[Kafka]:
    """The barest broker; there is no cluster of it."""
    assert size == 1

    def plan(folder: Path) -> Kafka:
        (folder / "data").mkdir(parents=True)
        port = free_port()
        command = [sys.executable, "-m", "lab.benchmarks.kafka_floor", str(port), str(folder / "data")]
        return Kafka([KafkaNode(1, port, port, Child("floor", command, folder / "server.log"), folder)])

    with started(plan) as kafka:
        yield kafka


@contextmanager
def started(plan: Callable[[Path], Kafka]) -> Iterator[Kafka]:
    """Run what `plan` lays into a folder, again on other ports when one was lost meanwhile.  Raises ChildError."""
    with tempfile.TemporaryDirectory(prefix="mini-kafka-", ignore_cleanup_errors=True) as folder:
        for attempt in range(1, ATTEMPTS + 1):
            kafka = plan(Path(folder) / str(attempt))
            try:
                for node in kafka.nodes:
                    node.child.start()
                wait_alive(kafka)
                break
            except ChildError:
                lost_a_port = any(node.child.exit_code == PORT_TAKEN for node in kafka.nodes)
                stop(kafka)
                if not lost_a_port or attempt == ATTEMPTS:
                    raise
            except BaseException:
                stop(kafka)
                raise
        try:
            yield kafka
        finally:
            stop(kafka)


def wait_alive(kafka: Kafka) -> None:
    """Until each node's Metadata lists every node."""
    for node in kafka.nodes:
        node.child.wait_ready(alive(node, len(kafka.nodes)), START_DEADLINE_S)


def alive(node: KafkaNode, count: int) -> Callable[[], bool]:
    return lambda: kafka_answers(node.port) and brokers_alive(node.port) == count


def stop(kafka: Kafka) -> None:
    for node in kafka.nodes:
        node.child.terminate()
    for node in kafka.nodes:
        node.child.stop(10.0)


def restart_seconds(kafka: Kafka) -> float:
    """Stop the nodes, start them on what they left: seconds until the first answers a Metadata that lists all.

    Raises ChildError when that takes more than a minute.
    """
    stop(kafka)
    since = time.perf_counter()
    for node in kafka.nodes:
        node.child.start()
    first = kafka.nodes[0]
    while brokers_alive(first.port) != len(kafka.nodes):
        if not first.child.running or time.perf_counter() - since > START_DEADLINE_S:
            raise ChildError(f"{first.child.name} did not come back\n{first.child.last_lines()}")
        time.sleep(POLL_S)
    seconds = time.perf_counter() - since
    wait_alive(kafka)
    return seconds


def wait_gone(kafka: Kafka, topic: str, deadline_s: float) -> None:
    """Until no folder or file of a deleted topic is left, or for so long."""
    deadline = time.monotonic() + deadline_s
    while any(any(node.data.glob(f"{topic}-[0-9]*")) for node in kafka.nodes) and time.monotonic() < deadline:
        time.sleep(10 * POLL_S)


def cpu_seconds(kafka: Kafka) -> float:
    """User and system time of all nodes together.  /proc/PID/stat, fields 14 and 15, in clock ticks."""
    total = 0
    for node in kafka.nodes:
        fields = Path(f"/proc/{node.child.pid}/stat").read_text().rpartition(")")[2].split()
        total += int(fields[11]) + int(fields[12])
    return total / TICKS_PER_SECOND


def resident_mb(kafka: Kafka) -> float:
    """Resident memory of a node, in MB; the mean of them."""
    total = 0
    for node in kafka.nodes:
        lines = Path(f"/proc/{node.child.pid}/status").read_text().splitlines()
        total += next(int(line.split()[1]) for line in lines if line.startswith("VmRSS:"))
    return total / len(kafka.nodes) / 1024


REAL = Contestant("kafka", lambda size: kafka_cluster(size, *OVERRIDES, jvm=MEASURING))
OURS = Contestant("mini", lambda size: mini_cluster(size, *OVERRIDES))
FLOOR = Contestant("floor", floor, sizes=(1,))
CONTESTANTS = (REAL, OURS, FLOOR)
