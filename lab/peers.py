"""The real servers, and everything measured beside ours, as children on private ports and in private folders.

    with redis_server("--appendonly", "yes") as peer:
        redis_benchmark(peer.port)

Debian's redis-tools alone is enough: `redis-check-rdb` is the same binary as `redis-server`, which looks at the name it
is called by, so a private link gives it back its trade, and no service is installed or started.

    redis_server   the original                       fakeredis_server   fakeredis' TcpFakeServer, a thread per client
    mini_redis     ours, `mini redis start`           floor_server       lab/benchmarks/redis_floor.py
"""

import atexit
import os
import shutil
import socket
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from lab.child import PORT_TAKEN, Child, ChildError, free_port

ATTEMPTS = 5  # a port can be lost between our noting it and the child's binding it


class PeerMissing(Exception):
    """A program that is not installed; the text says how to get it."""


@dataclass(frozen=True)
class Peer:
    """A running server: where it listens, what it is, where its files lie."""

    port: int
    child: Child
    directory: Path

    def restart(self) -> None:
        """Start the same program on the same port and files; returns when it answers."""
        self.child.start()
        self.child.wait_ready(lambda: redis_answers(self.port))


def redis_answers(port: int, host: str = "127.0.0.1", patience_s: float = 0.5) -> bool:
    """Whether PING is answered there with PONG: -LOADING and silence are no."""
    try:
        with socket.create_connection((host, port), timeout=patience_s) as connection:
            connection.sendall(b"*1\r\n$4\r\nPING\r\n")
            return connection.recv(64).startswith((b"+PONG", b"-NOAUTH"))
    except OSError:
        return False


def redis_server_binary() -> str:
    """The path of redis-server, or of a private link by that name.  Raises PeerMissing."""
    if found := shutil.which("redis-server"):
        return found
    if twin := shutil.which("redis-check-rdb"):
        folder = Path(tempfile.mkdtemp(prefix="mini-peers-"))
        atexit.register(shutil.rmtree, folder, ignore_errors=True)
        link = folder / "redis-server"
        link.symlink_to(os.path.realpath(twin))
        return str(link)
    raise PeerMissing("redis-server is not here; `make peers` installs redis-tools, which brings it")


def tool(name: str) -> str:
    """The path of redis-cli, redis-benchmark and the like.  Raises PeerMissing."""
    if found := shutil.which(name):
        return found
    raise PeerMissing(f"{name} is not here; `make peers` installs redis-tools, which brings it")


def mini_redis_command(*directives: str) -> list[str]:
    """How to run our own server as a child."""
    return [sys.executable, "-m", "cli.main", "redis", "start", *directives]


@contextmanager
def running(
    name: str,
    command: Callable[[int, Path], Sequence[str]],
    answers: Callable[[int], bool] = redis_answers,
    deadline_s: float = 20.0,
) -> Iterator[Peer]:
    """A child of `command(port, directory)` that answers; stopped, and its folder removed, on leaving."""
    with tempfile.TemporaryDirectory(prefix=f"mini-{name}-") as folder:
        directory = Path(folder)
        peer = started(name, command, answers, directory, deadline_s)
        try:
            yield peer
        finally:
            peer.child.stop()


def started(
    name: str,
    command: Callable[[int, Path], Sequence[str]],
    answers: Callable[[int], bool],
    directory: Path,
    deadline_s: float,
) -> Peer:
    """Bind to 0, note the port, release it, start the child; again when the port was lost meanwhile."""
    for attempt in range(1, ATTEMPTS + 1):
        port = free_port()
        child = Child(name, command(port, directory), directory / f"{name}.log")
        child.start()
        try:
            child.wait_ready(lambda port=port: answers(port), deadline_s)  # type: ignore[misc]
            return Peer(port, child, directory)
        except ChildError:
            lost_the_port = child.exit_code == PORT_TAKEN or "Address already in use" in child.last_lines()
            child.stop()
            if not lost_the_port or attempt == ATTEMPTS:
                raise
        except BaseException:
            child.kill()
            raise
    raise AssertionError("unreachable")


@contextmanager
def redis_server(*directives: str, save: str = "") -> Iterator[Peer]:
    """Debian's redis-server; saves no RDB by itself unless told to."""
    binary = redis_server_binary()

    def command(port: int, directory: Path) -> list[str]:
        return [binary, "--port", str(port), "--dir", str(directory), "--save", save, *directives]

    with running("redis-server", command) as peer:
        yield peer


@contextmanager
def mini_redis(*directives: str, save: str = "") -> Iterator[Peer]:
    """Ours, with the same arguments."""

    def command(port: int, directory: Path) -> list[str]:
        return mini_redis_command("--port", str(port), "--dir", str(directory), "--save", save, *directives)

    with running("mini-redis", command) as peer:
        yield peer


@contextmanager
def fakeredis_server() -> Iterator[Peer]:
    """fakeredis behind a real socket."""
    program = (
        "import sys; from fakeredis import TcpFakeServer; "
        "TcpFakeServer(('127.0.0.1', int(sys.argv[1])), server_type='redis').serve_forever()"
    )
    with running("fakeredis", lambda port, _: [sys.executable, "-c", program, str(port)]) as peer:
        yield peer


@contextmanager
def floor_server() -> Iterator[Peer]:
    """The barest correct server."""
    with running("floor", lambda port, _: [sys.executable, "-m", "lab.benchmarks.redis_floor", str(port)]) as peer:
        yield peer
