"""The load generator, kafka_driver.c: compiled when it is first needed, called, its one line of JSON understood.

The binary lies in ./build, named after its source, so that a changed source is another file and two runs at once do
not meet half a program.  A broker is asked over one socket per connection and answers are read in full; how the driver
works, its own file says.
"""

import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from lab.child import ROOT, ChildError
from lab.peers import PeerMissing

HERE = Path(__file__).parent
SOURCE, HEADER = HERE / "kafka_driver.c", HERE / "kafka_wire.h"
DEADLINE_S = 120


@dataclass(frozen=True)
class Measured:
    """What one run of the driver saw.  Latencies in microseconds, from writing a request to reading its answer."""

    requests: int
    messages: int  # acknowledged, or fetched in whole batches
    bytes: int  # of values produced, of batches fetched
    stored: int  # by the offsets in the answers: what the partitions grew by while it ran
    seconds: float  # first request to last answer
    latency_us: dict[str, float]  # p50 p90 p99 p999 max; of produce requests only
    driver_cpu_s: float
    errors: dict[str, int]  # Kafka's error code -> how often

    @property
    def rate(self) -> float:
        """Messages a second."""
        return self.messages / self.seconds if self.seconds else 0.0


def binary() -> Path:
    """The path of the compiled driver.  Raises PeerMissing without a compiler, ChildError when it refuses."""
    name = sha256(SOURCE.read_bytes() + HEADER.read_bytes()).hexdigest()[:16]
    path = ROOT / "build" / f"kafka_driver-{name}"
    if path.exists():
        return path
    compiler = shutil.which("cc") or shutil.which("gcc")
    if compiler is None:
        raise PeerMissing(
            "no C compiler is here, and the load generator is written in C: apt-get install gcc libc6-dev"
        )
    path.parent.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        made = Path(folder) / "kafka_driver"
        ended = subprocess.run([compiler, "-O2", "-Wall", "-o", made, SOURCE], capture_output=True, text=True)
        if ended.returncode:
            raise ChildError(f"{SOURCE.name} does not compile:\n{ended.stderr}")
        os.replace(made, path)
    return path


def drive(what: str, bootstrap: str, topic: str, *arguments: str) -> Measured | None:
    """Run the driver to its end: `what` is create, delete (both give None), produce, fetch or crowd.

    Raises ChildError when the broker closed a connection, left requests unanswered or answered nonsense.
    """
    command = [str(binary()), what, "--bootstrap", bootstrap, "--topic", topic, *arguments]
    try:
        ended = subprocess.run(command, capture_output=True, text=True, timeout=DEADLINE_S)
    except subprocess.TimeoutExpired:
        raise ChildError(f"the driver did not come back: {' '.join(command[1:])}") from None
    if ended.returncode:
        raise ChildError(f"{' '.join(command[1:])}: {ended.stderr.strip()}")
    report = json.loads(ended.stdout)
    return Measured(**report) if report else None


def create(bootstrap: str, topic: str, partitions: int, replicas: int = 1, configs: Sequence[str] = ()) -> None:
    """Make a topic; returns when every partition has a leader that serves it."""
    settings = [f"--config={config}" for config in configs]
    drive("create", bootstrap, topic, f"--partitions={partitions}", f"--replicas={replicas}", *settings)


def delete(bootstrap: str, topic: str) -> None:
    drive("delete", bootstrap, topic)


def measure(what: str, bootstrap: str, topic: str, *arguments: str) -> Measured:
    """produce, fetch or crowd."""
    measured = drive(what, bootstrap, topic, *arguments)
    assert measured is not None
    return measured
