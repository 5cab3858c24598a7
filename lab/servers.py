"""The servers that `mini up` starts, one entry each.

An entry says how the program is called, how to see that it answers, and what a newcomer types to try it; everything
else (ports, folders, logs, signals, the control socket) is the supervisor's, and the same for all.  A server of several
processes (`nodes`) is one entry: they start together, since they wait for each other, and each can be killed by itself.
"""

import socket
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from lab import kafka_nodes
from lab.kafka_peers import kafka_answers
from lab.peers import mini_redis_command, redis_answers


@dataclass(frozen=True)
class Server:
    """One row of the lab."""

    name: str
    doc: str
    port: int  # preferred; the next free one is taken when it is not
    command: Callable[..., list[str]]  # port, data folder -> program and arguments; with `nodes` also the node's number
    answers: Callable[[int], bool]  # port -> whether it serves; may block for half a second
    connect: str  # what to type, {port} filled in
    start_deadline_s: float = 60.0  # loading a large data set takes its time
    nodes: int = 1  # processes, called name-1, name-2 ... when there are several
    ports_each: int = 1  # of each node; the first is where clients connect
    beside: tuple[str, ...] = ()  # servers above it in the table whose ports `command` is told, after everything else

    def names(self) -> list[str]:
        """Of its processes, in the lab."""
        return [self.name] if self.nodes == 1 else [f"{self.name}-{number}" for number in range(1, self.nodes + 1)]

    def command_of(self, number: int, port: int, folder: Path, beside: Sequence[int] = ()) -> list[str]:
        """How process `number` (from 1) is run, when `port` and those behind it are the server's."""
        which = () if self.nodes == 1 else (number,)
        return self.command(port, folder, *which, *beside)


def redis_command(port: int, directory: Path) -> list[str]:
    """Unlike `mini redis start` alone, the lab keeps what you write: an AOF, fsynced every second."""
    durability = ("--appendonly", "yes", "--appendfsync", "everysec")
    return mini_redis_command("--port", str(port), "--dir", str(directory), *durability)


KAFKA_NODES = 3


def kafka_command(port: int, directory: Path, number: int) -> list[str]:
    """Node `number` of three; `port` is the first one's."""
    return kafka_nodes.command_of(kafka_nodes.properties_of(port, number, KAFKA_NODES, directory))


def ratelimit_command(port: int, directory: Path, redis_port: int) -> list[str]:
    """Its state is in our Redis.  The rules are the reader's to change: an example is put there once, and then left."""
    rules = directory / "rules.toml"
    if not rules.exists():
        rules.write_text(resources.files("ratelimit").joinpath("example.toml").read_text())
    options = ("--port", str(port), "--store", f"redis://127.0.0.1:{redis_port}")
    return [sys.executable, "-m", "cli.main", "ratelimit", "start", str(rules), *options]


def ratelimit_answers(port: int, patience_s: float = 0.5) -> bool:
    """Whether the limiter shows its rules there."""
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=patience_s) as connection:
            connection.sendall(b"GET /rules HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
            return connection.recv(64).startswith(b"HTTP/1.1 200")
    except OSError:
        return False


SERVERS = (
    Server(
        name="redis",
        doc="data structures in memory, an append-only file on disk",
        port=6379,
        command=redis_command,
        answers=redis_answers,
        connect="redis-cli -p {port}",
    ),
    Server(
        name="kafka",
        doc="a log of records in partitions, each on three brokers",
        port=9092,
        command=kafka_command,
        answers=kafka_answers,
        connect="mini kafka topics list --bootstrap-server 127.0.0.1:{port}",
        nodes=KAFKA_NODES,
        ports_each=kafka_nodes.PORTS_EACH,
    ),
    Server(
        name="ratelimit",
        doc="200 or 429: limits by rules, counted in redis",
        port=8429,
        command=ratelimit_command,
        answers=ratelimit_answers,
        connect="curl -i localhost:{port}/auth",
        beside=("redis",),
    ),
)
