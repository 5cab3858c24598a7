"""One child process: started, watched, paused, killed, and never taken for another.

A child is known by the pid that we were given when we started it; nothing here looks a process up by name.  It runs in
a session of its own, so that Ctrl-C in the terminal reaches the lab alone, which then stops its children in order; and
it is told by the kernel to end when the thread that started it ends, however that comes about (Linux): start children
from the main thread.

    start -> running -> terminate (SIGTERM, a deadline, SIGKILL) -> exit_code
                     -> kill (SIGKILL)    pause (SIGSTOP)    resume (SIGCONT)

Waiting comes twice, as `wait_ready` for plain programs and as `until_ready` for those on an event loop.
"""

import asyncio
import ctypes
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO

PORT_TAKEN = 2  # the exit code by which our servers say so
POLL_S = 0.02
PR_SET_PDEATHSIG = 1
ROOT = Path(__file__).resolve().parent.parent  # where our packages lie, for `python -m`

_libc = ctypes.CDLL(None) if sys.platform == "linux" else None


class ChildError(Exception):
    """A child did not start or did not become ready; the text holds the last lines of its log."""


class Child:
    """One program and its log.  The same object can be started again after it ended."""

    def __init__(self, name: str, command: Sequence[str], log: Path, env: Mapping[str, str] | None = None) -> None:
        self.name, self.command, self.log = name, list(command), log
        self._env = {**os.environ, "PYTHONPATH": python_path(), "PYTHONUNBUFFERED": "1", **(env or {})}
        self._process: subprocess.Popen[bytes] | None = None
        self._paused = False
        self._log_start = 0  # where this run's lines begin

    def start(self) -> None:
        """Run the program; it is not ready yet.  Raises ChildError when it cannot be run at all."""
        assert not self.running, f"{self.name} runs already"
        self._paused = False
        self.log.parent.mkdir(parents=True, exist_ok=True)
        with self.log.open("ab") as log:
            self._log_start = log.tell()
            self._process = self._spawn(log)

    def _spawn(self, log: IO[bytes]) -> subprocess.Popen[bytes]:
        try:
            return subprocess.Popen(
                self.command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env=self._env,
                start_new_session=True,
                preexec_fn=die_with_parent if _libc else None,
            )
        except OSError as error:
            raise ChildError(f"{self.name} cannot be started: {error}") from error

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process else None

    @property
    def exit_code(self) -> int | None:
        """None while it runs or was never started; negative, as subprocess has it, when a signal ended it."""
        return self._process.poll() if self._process else None

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    @property
    def state(self) -> str:
        """One of: running, paused, stopped."""
        if not self.running:
            return "stopped"
        return "paused" if self._paused else "running"

    def kill(self) -> None:
        """SIGKILL, and wait until the kernel has taken it away."""
        self._signal(signal.SIGKILL)
        if self._process:
            self._process.wait()

    def pause(self) -> None:
        self._signal(signal.SIGSTOP)
        self._paused = self.running

    def resume(self) -> None:
        self._signal(signal.SIGCONT)
        self._paused = False

    def terminate(self) -> None:
        """Ask it to end.  A paused child is woken first: a stopped process does not hear SIGTERM."""
        self._signal(signal.SIGTERM)
        self.resume()

    def stop(self, deadline_s: float = 10.0) -> int | None:
        """SIGTERM, `deadline_s` to comply, then SIGKILL.  Returns the exit code."""
        if self._process and self.running:
            self.terminate()
            try:
                self._process.wait(deadline_s)
            except subprocess.TimeoutExpired:
                self.kill()
        return self.exit_code

    async def stopped(self, deadline_s: float = 10.0) -> int | None:
        """The same for callers on an event loop."""
        self.terminate()
        deadline = time.monotonic() + deadline_s
        while self.running and time.monotonic() < deadline:  # noqa: ASYNC110  a process sets no event
            await asyncio.sleep(POLL_S)
        if self.running:
            self.kill()
        return self.exit_code

    def wait_ready(self, answers: Callable[[], bool], deadline_s: float = 20.0) -> None:
        """Until `answers()` is true.  Raises ChildError when the child ends first or the deadline passes."""
        deadline = time.monotonic() + deadline_s
        while not self._ready(answers, deadline):
            time.sleep(POLL_S)

    async def until_ready(self, answers: Callable[[], bool], deadline_s: float = 20.0) -> None:
        """The same for callers on an event loop; `answers` runs on a thread, as it may block for a moment."""
        deadline = time.monotonic() + deadline_s
        while not await asyncio.to_thread(self._ready, answers, deadline):  # noqa: ASYNC110  nor does a port
            await asyncio.sleep(POLL_S)

    def _ready(self, answers: Callable[[], bool], deadline: float) -> bool:
        answered = answers()
        if not self.running:  # asked after the answer: it may have come from another program on that port
            raise ChildError(f"{self.name} ended with exit code {self.exit_code}\n{self.last_lines()}".rstrip())
        if not answered and time.monotonic() > deadline:
            raise ChildError(f"{self.name} runs but does not answer\n{self.last_lines()}".rstrip())
        return answered

    def last_lines(self, count: int = 8) -> str:
        """The end of what this run has logged, for an error message."""
        with suppress(OSError), self.log.open("rb") as log:
            log.seek(max(self._log_start, self.log.stat().st_size - 8192))
            return "\n".join(log.read().decode(errors="replace").splitlines()[-count:])
        return ""

    def _signal(self, number: signal.Signals) -> None:
        if self._process and self._process.poll() is None:  # unreaped, so the pid is still ours
            self._process.send_signal(number)


def die_with_parent() -> None:
    """Between fork and exec: have the kernel end us when the lab dies, and hear every signal the lab may ignore."""
    assert _libc is not None
    _libc.prctl(PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)


def python_path() -> str:
    """Our packages first, so that `python -m` finds them from any folder, installed or not."""
    return os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH")]))


def free_port(preferred: int = 0, host: str = "127.0.0.1") -> int:
    """`preferred` or the next free one after it; the kernel's choice for 0.

    Bound, noted and released: another program can still take it, so a child that exits with PORT_TAKEN is tried again.
    """
    for port in (*range(preferred, min(preferred + 100, 65536)), 0) if preferred else (0,):
        with socket.socket() as probe, suppress(OSError):
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind((host, port))
            return int(probe.getsockname()[1])
    raise ChildError(f"{host} has no free port")


def free_ports(preferred: int, count: int, host: str = "127.0.0.1") -> int:
    """The first of `count` neighbouring ports that are free: `preferred` or later; anywhere for 0.  Raises ChildError."""
    for _ in range(100):
        first = free_port(preferred, host)
        if all(free_port(port, host) == port for port in range(first + 1, min(first + count, 65536))):
            return first
        preferred = first + 1 if preferred else 0
    raise ChildError(f"{host} has no {count} neighbouring ports free")
