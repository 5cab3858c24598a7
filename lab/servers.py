"""The servers that `mini up` starts, one entry each.

An entry says how the program is called, how to see that it answers, and what a newcomer types to try it; everything
else (ports, folders, logs, signals, the control socket) is the supervisor's, and the same for all.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from lab.peers import mini_redis_command, redis_answers


@dataclass(frozen=True)
class Server:
    """One row of the lab."""

    name: str
    doc: str
    port: int  # preferred; the next free one is taken when it is not
    command: Callable[[int, Path], list[str]]  # port, data folder -> program and arguments
    answers: Callable[[int], bool]  # port -> whether it serves; may block for half a second
    connect: str  # what to type, {port} filled in
    start_deadline_s: float = 60.0  # loading a large data set takes its time


def redis_command(port: int, directory: Path) -> list[str]:
    """Unlike `mini redis start` alone, the lab keeps what you write: an AOF, fsynced every second."""
    durability = ("--appendonly", "yes", "--appendfsync", "everysec")
    return mini_redis_command("--port", str(port), "--dir", str(directory), *durability)


SERVERS = (
    Server(
        name="redis",
        doc="data structures in memory, an append-only file on disk",
        port=6379,
        command=redis_command,
        answers=redis_answers,
        connect="redis-cli -p {port}",
    ),
)
