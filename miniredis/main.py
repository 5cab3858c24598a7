"""The program: argv in, an exit code out.  Here alone the real clock, dice, disk and fork are chosen."""

from __future__ import annotations

import gc
import os
from collections.abc import Sequence
from random import Random

from durable.real_disk import RealDisk
from miniredis import REDIS_VERSION
from miniredis.machine import Machine
from miniredis.options import OPTIONS
from miniredis.persistence.fork_snapshotter import ForkSnapshotter
from miniredis.server import Server
from serving.clock import SystemClock
from serving.config import Settings
from serving.logs import LEVELS
from serving.program import Process, Program, StartError
from serving.program import main as run
from serving.readers import read_redis_conf

USAGE = """Usage: mini redis start [redis.conf] [--directive value ...]

A Redis server on one node.  Every directive of redis.conf can stand in a file, in the environment
(MINI_REDIS_PORT=6380) or here; the later wins.  Without any, it listens on port 6379 and keeps its data in
memory, with a snapshot as the default save points ask for; --appendonly yes keeps every write.

"""


def build(process: Process) -> Server:
    """The server of this process.  Raises StartError."""
    settings = process.settings
    enter_folder(settings)
    server = Server(
        settings,
        clock=SystemClock(),
        random=Random(),
        disk=RealDisk(),
        snapshotter=ForkSnapshotter(),
        background=process.background,
    )
    server.request_stop = process.request_stop
    server.use_host(Machine(settings, process.config_file, server.shut_down))
    if settings.admin_port:
        from miniredis.metrics import admin_of  # aiohttp, which takes a while to import

        server.admin = admin_of(server)
    return server


def enter_folder(settings: Settings) -> None:
    """`dir` is where the process works: every other path is relative to it.  Raises StartError."""
    try:
        os.chdir(settings.dir)
    except OSError as error:
        raise StartError(f"cannot enter the folder {settings.dir!r}: {error.strerror}") from None
    setattr(settings, "dir", os.getcwd())  # noqa: B010 — attributes of settings come from the table


def main(arguments: Sequence[str]) -> int:
    """Run a server as `arguments` say, until it ends."""
    # The collector looks for cycles whenever so many more objects were made than freed.  Requests and replies hold
    # none, and a pipeline makes thousands at a time: looking a hundred times less often gives a tenth more requests.
    gc.set_threshold(70_000, 20, 100)
    return run(PROGRAM, arguments)


PROGRAM = Program(
    name="miniredis",
    version=f"miniredis, a Redis {REDIS_VERSION}",
    usage=USAGE.strip(),
    table=OPTIONS,
    read_file=read_redis_conf,
    environment="MINI_REDIS_",
    build=build,
    log_level=lambda settings: LEVELS[settings.loglevel],
    log_file=lambda settings: settings.logfile,
)
