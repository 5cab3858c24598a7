"""Apache Kafka itself as child processes: one broker or three, and any tool of its jars.

    with kafka_broker("log.segment.bytes=1048576") as kafka:
        tool("org.apache.kafka.tools.TopicCommand", "--bootstrap-server", kafka.bootstrap, "--list")

    with kafka_cluster(3) as kafka:
        kafka.nodes[0].child.kill()

Every node is broker and controller in one (KRaft's combined mode), on loopback and ports of the kernel's choice, with
its data, its settings and what it printed in one private folder.  It is ready when its Metadata lists every node as
alive.  The jars come by `make real-kafka` and lie in `.real-kafka/`, or where the environment's REAL_KAFKA says.

Two ways to start the JVM.  RECORDING compiles in a hurry and keeps to one collector thread: a broker answers after some
2.5 s instead of 3.5 and leaves a core to others.  MEASURING is the JVM as it would run in earnest, with a gigabyte.
"""

import os
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from lab.child import PORT_TAKEN, ROOT, Child, ChildError, free_port
from lab.peers import ATTEMPTS, PeerMissing

CLUSTER_ID = "bWluaS1nb2xkZW4tZmlsZQ"  # any 16 bytes in url-safe base64
RECORDING = ("-Xms128m", "-Xmx512m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-Xshare:auto")
MEASURING = ("-Xms1g", "-Xmx1g", "-XX:+UseG1GC", "-XX:MaxGCPauseMillis=20")
LOGGING = f"-Dlog4j2.configurationFile={ROOT / 'lab' / 'kafka' / 'log4j2.properties'}"

PORT_LOST = ("BindException", "ddress already in use", f"exit code {PORT_TAKEN}\n")

FEWER = {
    "offsets.topic.num.partitions": "4",  # 50 otherwise, each with its folder and three files
    "transaction.state.log.num.partitions": "4",
}
SMALL = FEWER | {
    "log.cleaner.dedupe.buffer.size": "16777216",  # 128 MB of the heap otherwise, taken at the start
    "num.network.threads": "2",
    "num.io.threads": "4",
    "num.recovery.threads.per.data.dir": "1",
}
"""What a broker that serves a test does not need in full; not used when MEASURING."""


@dataclass(frozen=True)
class KafkaNode:
    """One JVM: broker and controller `node_id`, answering clients on `port`."""

    node_id: int
    port: int
    controller_port: int
    child: Child
    directory: Path

    @property
    def data(self) -> Path:
        """The log folder: what DumpLogSegments and `mini kafka dump-log` read."""
        return self.directory / "data"

    def start(self) -> None:
        """Start again on the same ports and files; returns when it answers."""
        self.child.start()
        self.child.wait_ready(lambda: kafka_answers(self.port), 60.0)


@dataclass(frozen=True)
class Kafka:
    """A running cluster of one or more nodes."""

    nodes: list[KafkaNode] = field(default_factory=list)

    @property
    def port(self) -> int:
        return self.nodes[0].port

    @property
    def bootstrap(self) -> str:
        """For `bootstrap.servers`."""
        return ",".join(f"127.0.0.1:{node.port}" for node in self.nodes)

    def node(self, node_id: int) -> KafkaNode:
        return next(node for node in self.nodes if node.node_id == node_id)


def jars() -> Path:
    """The folder of Kafka's jars.  Raises PeerMissing."""
    folder = Path(os.environ.get("REAL_KAFKA", ROOT / ".real-kafka"))
    if not any(folder.glob("kafka_2.13-*.jar")):
        raise PeerMissing(f"{folder} holds no Apache Kafka; `make real-kafka` fetches it")
    return folder


def java() -> str:
    """The path of the JVM.  Raises PeerMissing."""
    if found := shutil.which("java"):
        return found
    raise PeerMissing("java is not here; Apache Kafka needs version 17: apt-get install openjdk-17-jre-headless")


def java_command(main: str, *arguments: str, jvm: Sequence[str] = RECORDING, log_level: str = "WARN") -> list[str]:
    """How to run a class of the jars, or with a path as `main` a single source file of ours beside them."""
    return [java(), *jvm, LOGGING, f"-Dkafka.log.level={log_level}", "-cp", f"{jars()}/*", main, *arguments]


def tool(
    main: str,
    *arguments: str,
    stdin: str = "",
    jvm: Sequence[str] = RECORDING,
    timeout_s: float = 60.0,
    check: bool = True,
) -> "subprocess.CompletedProcess[str]":
    """Run one of Kafka's programs to its end, by class: `org.apache.kafka.tools.TopicCommand`, `kafka.tools.DumpLogSegments`.

    Its output stands in `.stdout` and `.stderr`.  Raises ChildError for an exit code other than 0 unless `check` is
    false, subprocess.TimeoutExpired after `timeout_s`.
    """
    command = java_command(main, *arguments, jvm=jvm)
    ended = subprocess.run(command, input=stdin, capture_output=True, text=True, timeout=timeout_s, check=False)
    if check and ended.returncode:
        raise ChildError(f"{main} ended with exit code {ended.returncode}\n{ended.stderr or ended.stdout}".rstrip())
    return ended


def kafka_answers(port: int, host: str = "127.0.0.1", patience_s: float = 2.0) -> bool:
    """Whether ApiVersions is answered there, without an error."""
    try:
        with socket.create_connection((host, port), timeout=patience_s) as connection:
            connection.sendall(struct.pack(">ihhih", 10, 18, 0, 7, -1))
            answer = connection.recv(10, socket.MSG_WAITALL)
            return len(answer) == 10 and struct.unpack_from(">ih", answer, 4) == (7, 0)
    except OSError:
        return False


def brokers_alive(port: int, host: str = "127.0.0.1", patience_s: float = 2.0) -> int:
    """How many unfenced brokers Metadata lists there; 0 while nobody answers."""
    try:
        with socket.create_connection((host, port), timeout=patience_s) as connection:
            connection.sendall(struct.pack(">ihhihi", 14, 3, 1, 7, -1, 0))
            head = connection.recv(12, socket.MSG_WAITALL)
            return int(struct.unpack_from(">i", head, 8)[0]) if len(head) == 12 else 0
    except OSError:
        return 0


@contextmanager
def kafka_broker(*overrides: str, jvm: Sequence[str] = RECORDING) -> Iterator[Kafka]:
    """A single broker; each override is `key=value` as in server.properties."""
    with kafka_cluster(1, *overrides, jvm=jvm) as kafka:
        yield kafka


@contextmanager
def kafka_cluster(size: int = 3, *overrides: str, jvm: Sequence[str] = RECORDING) -> Iterator[Kafka]:
    """Nodes 1 to `size`; stopped, and their folders removed, on leaving.  Raises ChildError, PeerMissing."""
    standing = {} if jvm is MEASURING else SMALL

    def command(settings: Path) -> list[str]:
        return java_command("kafka.Kafka", str(settings), jvm=jvm, log_level="INFO")

    with _cluster(
        size, [*(f"{key}={value}" for key, value in standing.items()), *overrides], command, _format
    ) as kafka:
        yield kafka


@contextmanager
def mini_kafka_cluster(size: int = 1, *overrides: str) -> Iterator[Kafka]:
    """Ours, with the same settings in the same file."""

    def command(settings: Path) -> list[str]:
        return [sys.executable, "-m", "cli.main", "kafka", "start", str(settings)]

    with _cluster(size, [f"{key}={value}" for key, value in FEWER.items()] + [*overrides], command) as kafka:
        yield kafka


@contextmanager
def _cluster(
    size: int,
    overrides: Sequence[str],
    command: Callable[[Path], list[str]],
    prepare: Callable[[Kafka], None] = lambda kafka: None,
) -> Iterator[Kafka]:
    with tempfile.TemporaryDirectory(prefix="mini-kafka-") as folder, ExitStack() as stack:
        for attempt in range(1, ATTEMPTS + 1):
            kafka = _planned(size, overrides, command, Path(folder) / str(attempt))
            try:
                prepare(kafka)
                _start(kafka)
                break
            except ChildError as error:
                _stop(kafka)
                if not any(text in str(error) for text in PORT_LOST) or attempt == ATTEMPTS:
                    raise
            except BaseException:
                _stop(kafka)
                raise
        stack.callback(_stop, kafka)
        yield kafka


def _planned(size: int, overrides: Sequence[str], command: Callable[[Path], list[str]], folder: Path) -> Kafka:
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
        child = Child(f"kafka-{node_id}", command(path), directory / "server.log")
        nodes.append(KafkaNode(node_id, port, controller_port, child, directory))
    return Kafka(nodes)


def server_properties(
    node_id: int, port: int, controller_port: int, voters: str, directory: Path, size: int
) -> dict[str, str]:
    """The least that Kafka must be told, and one copy of the internal topics for each of up to three nodes."""
    copies = str(min(size, 3))
    return {
        "process.roles": "broker,controller",
        "node.id": str(node_id),
        "controller.quorum.voters": voters,
        "listeners": f"PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{controller_port}",
        "advertised.listeners": f"PLAINTEXT://127.0.0.1:{port}",
        "controller.listener.names": "CONTROLLER",
        "log.dirs": str(directory / "data"),
        "offsets.topic.replication.factor": copies,
        "transaction.state.log.replication.factor": copies,
        "transaction.state.log.min.isr": str(min(size, 2)),
    }


def _format(kafka: Kafka) -> None:
    """Apache Kafka starts only on a folder that was told its cluster."""
    for node in kafka.nodes:
        settings = str(node.directory / "server.properties")
        tool("kafka.tools.StorageTool", "format", "--cluster-id", CLUSTER_ID, "--config", settings)


def _start(kafka: Kafka) -> None:
    """Run the nodes, wait until they know each other."""
    for node in kafka.nodes:
        node.child.start()
    for node in kafka.nodes:
        node.child.wait_ready(lambda port=node.port: brokers_alive(port) == len(kafka.nodes), 60.0)  # type: ignore[misc]


def _stop(kafka: Kafka) -> None:
    """SIGTERM to all at once: the last ones find no quorum to hand their partitions over to, and wait a few seconds."""
    for node in kafka.nodes:
        node.child.terminate()
    for node in kafka.nodes:
        node.child.stop(10.0)
