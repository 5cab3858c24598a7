"""A cluster of ours on one machine: which node listens where, keeps its data where, and how it is started.

    base port    node 1: clients on base, controllers on base + 1;  node 2: base + 2, base + 3;  ...

Every node is broker and controller.  With three of them any one may be lost: each partition has three replicas, and a
record counts as written when two have it.  Used by `mini kafka cluster` and `mini up`.
"""

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

PORTS_EACH = 2


def port_of(base_port: int, number: int) -> int:
    """Where clients reach node `number` (from 1)."""
    return base_port + PORTS_EACH * (number - 1)


def properties_of(base_port: int, number: int, nodes: int, directory: Path) -> dict[str, str]:
    """What sets the node apart, and the replication of a cluster of `nodes`."""
    port = port_of(base_port, number)
    copies = min(nodes, 3)
    voters = [f"{each}@127.0.0.1:{port_of(base_port, each) + 1}" for each in range(1, nodes + 1)]
    return {
        "process.roles": "broker,controller",
        "node.id": str(number),
        "listeners": f"PLAINTEXT://127.0.0.1:{port},CONTROLLER://127.0.0.1:{port + 1}",
        "controller.quorum.voters": ",".join(voters),
        "log.dirs": str(directory),
        "default.replication.factor": str(copies),
        "min.insync.replicas": str(max(copies - 1, 1)),
        "offsets.topic.replication.factor": str(copies),
    }


def command_of(properties: Mapping[str, str]) -> list[str]:
    """`mini kafka start` with these."""
    words: Sequence[str] = [word for key, value in properties.items() for word in ("--override", f"{key}={value}")]
    return [sys.executable, "-m", "cli.main", "kafka", "start", *words]
