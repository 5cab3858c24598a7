"""The second terminal: one request and one answer, as lines of JSON, over a Unix socket in the data folder.

    {"do": "kill", "name": "redis"}   ->   {"ok": true, "text": "redis: killed", "servers": [...]}

Who may steer a lab is who may enter its folder; no port is opened for it.  A socket left behind by a lab that died is
told from a living one by the lock beside it (`lab.lock`, flock): the kernel drops that with the process, so it never
lies, while a file with a pid in it might.
"""

import asyncio
import contextlib
import fcntl
import json
import os
import socket
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

SOCKET, LOCK = "control.sock", "lab.lock"
ACTIONS = ("ps", "start", "stop", "kill", "pause", "resume")
PATH_BYTES_MAX = 107  # sockaddr_un holds 108, one of them the final zero
ANSWER_DEADLINE_S = 90.0

Answer = dict[str, Any]


class NotRunning(Exception):
    """No lab answers in this folder."""


class AlreadyRunning(Exception):
    """Another lab holds this folder."""


def hold(data: Path) -> int:
    """Take the folder for this process, until it ends.  Raises AlreadyRunning, naming the other's pid."""
    data.mkdir(parents=True, exist_ok=True)
    lock = os.open(data / LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        pid = os.read(lock, 32).decode().strip()
        os.close(lock)
        raise AlreadyRunning(f"`mini up` runs already in {data} (pid {pid}); `mini ps` shows its servers") from None
    os.truncate(lock, 0)
    os.pwrite(lock, f"{os.getpid()}\n".encode(), 0)
    return lock


@contextlib.contextmanager
def socket_address(data: Path) -> Iterator[str]:
    """A name for the socket that fits into sockaddr_un however deep the folder lies: by way of an open descriptor."""
    path = str(data / SOCKET)
    if len(os.fsencode(path)) <= PATH_BYTES_MAX:
        yield path
        return
    folder = os.open(data, os.O_PATH | os.O_DIRECTORY)
    try:
        yield f"/proc/self/fd/{folder}/{SOCKET}"
    finally:
        os.close(folder)


async def serve(data: Path, act: Callable[[str, str], Awaitable[Answer]]) -> asyncio.AbstractServer:
    """Listen in a folder that `hold` has taken.  `act(action, name)` gives the answer."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError, EOFError, ValueError, asyncio.LimitOverrunError):
            request = json.loads(await reader.readline())
            reply = await act(str(request.get("do")), str(request.get("name", "")))
            writer.write(json.dumps(reply).encode() + b"\n")
            await writer.drain()
        writer.close()

    (data / SOCKET).unlink(missing_ok=True)  # the lock is ours, so whoever left it is gone
    with socket_address(data) as address:
        return await asyncio.start_unix_server(answer, address)


def ask(data: Path, action: str, name: str = "") -> Answer:
    """Send one request and wait for the answer.  Raises NotRunning."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.settimeout(ANSWER_DEADLINE_S)
        try:
            with socket_address(data) as address:
                connection.connect(address)
            connection.sendall(json.dumps({"do": action, "name": name}).encode() + b"\n")
            line = connection.makefile("rb").readline()
        except OSError as error:
            raise NotRunning(f"no `mini up` answers in {data}: {error.strerror or error}") from error
    if not line:
        raise NotRunning(f"the `mini up` in {data} ended before it answered")
    answer: Answer = json.loads(line)
    return answer
