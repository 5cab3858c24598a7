"""Debian's redis-server as a child, and a client that shows raw replies: the judge of every doubt.

`redis-tools` alone is enough: its redis-check-rdb is the server under another name, and serves when called by the
server's.
"""

from __future__ import annotations

import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path


class NoRealRedis(RuntimeError):
    """Neither redis-server nor redis-tools is installed; `make peers` installs the latter."""


def binary(folder: Path) -> Path:
    """A path that, executed, is redis-server; a link is made in `folder` where only redis-tools is there."""
    if found := shutil.which("redis-server"):
        return Path(found)
    if found := shutil.which("redis-check-rdb"):
        link = folder / "redis-server"
        if not link.exists():
            link.symlink_to(found)
        return link
    raise NoRealRedis(NoRealRedis.__doc__)


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextmanager
def real_redis(*options: str, folder: Path | None = None) -> Iterator[RawClient]:
    """A running redis-server in `folder` (default: a temporary one), as a connected client; it is ended by its pid.

    `client.port` and `client.process` are there for whoever wants another connection or a signal.
    """
    with tempfile.TemporaryDirectory() as own:
        home = folder or Path(own)
        for _ in range(5):
            port = free_port()
            arguments = ["--port", str(port), "--dir", str(home), "--bind", "127.0.0.1", "--save", "", *options]
            process = subprocess.Popen([binary(Path(own)), *arguments], stdout=subprocess.PIPE, text=True)
            if (client := _connected(process, port)) is not None:
                break
        else:
            raise RuntimeError("redis-server does not come up")
        client.process = process
        try:
            yield client
        finally:
            client.close()
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
            assert process.stdout is not None
            process.stdout.close()


def _connected(process: subprocess.Popen[str], port: int) -> RawClient | None:
    """A client as soon as PING is answered; None when the process ended first (a taken port)."""
    deadline = time.monotonic() + 20
    while process.poll() is None and time.monotonic() < deadline:
        client = None
        with suppress(OSError):  # not there yet, or ending while it answered
            client = RawClient(port)
            if client.call(b"PING") == b"+PONG\r\n":
                return client
        if client is not None:
            client.close()
        time.sleep(0.01)
    return None


class RawClient:
    """Sends a request, returns the reply's bytes as they came."""

    process: subprocess.Popen[str]

    def __init__(self, port: int) -> None:
        self.port = port
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=20)
        self.file = self.socket.makefile("rb")

    def call(self, *words: bytes) -> bytes:
        self.send(words)
        return self.reply()

    def send(self, words: Sequence[bytes]) -> None:
        self.socket.sendall(request(words))

    def reply(self) -> bytes:
        """One whole reply, nested ones included."""
        line = self.file.readline()
        if not line:
            raise ConnectionError("the server closed the connection")
        kind, rest = line[:1], line[1:-2]
        if kind in b"$=" and rest != b"-1":
            return line + self.file.read(int(rest) + 2)
        if kind in b"*~>" and rest != b"-1":
            return line + b"".join(self.reply() for _ in range(int(rest)))
        if kind in b"%|":
            whole = line + b"".join(self.reply() for _ in range(2 * int(rest)))
            return whole + self.reply() if kind == b"|" else whole
        return line

    def close(self) -> None:
        self.file.close()
        self.socket.close()


def request(words: Sequence[bytes]) -> bytes:
    return b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%b\r\n" % (len(word), word) for word in words)
