"""The main() of every server: from a command line to an exit code.

    arguments -> file, environment, arguments -> settings -> log -> loop -> server.start() -> ready
      -> a signal, or the server's own wish -> server.stop() -> exit code

    0   stopped as asked
    1   a mistake in the configuration, a crash, or a stop that was forced
    2   a port is taken: the same command may work a moment later

SIGTERM and SIGINT ask the server to stop: it takes no new clients, lets the others take their replies for
`drain-seconds`, saves what it saves.  A second one ends the process at once.  SIGHUP calls the server's
`reload`, if it has one.  Whoever started the process learns that clients can connect from the log's ready
line, or from `ready-file`, which appears whole, holds {"name", "pid", "addresses"} as JSON, and is removed in
the end.

This file and main() alone know uvloop, signals, the environment and the machine's files; all that is started
here gets what it needs handed down, and runs in the simulator with other things handed to it.
"""

from __future__ import annotations

import asyncio
import contextlib
import glob
import json
import logging
import os
import signal
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from serving.background import Background
from serving.config import Given, SettingError, Settings, Table
from serving.listener import AddressInUse, ListenError
from serving.logs import LEVELS, start_logging
from serving.readers import Arguments, Include, read_arguments, read_environment

OK, FAILED, PORT_TAKEN = 0, 1, 2


class Server(Protocol):
    """What a program runs."""

    def addresses(self) -> Sequence[tuple[str, int] | str]:
        """Where clients connect, once started."""

    async def start(self) -> None:
        """Returns when clients can connect.  Raises ListenError, StartError; may be cancelled."""

    async def stop(self) -> None:
        """End in good order.  Raises StopRefused to stay up.  May be called before `start` has returned."""


@runtime_checkable
class Reloadable(Protocol):
    """A server that does something on SIGHUP."""

    def reload(self) -> None: ...


class StartError(Exception):
    """The server cannot start, for a reason a user can mend: a damaged file, a folder that is not there."""


class StopRefused(Exception):
    """The server will not stop now (a save failed); it goes on."""


@dataclass
class Process:
    """What a server is handed of the process it runs in.

    config_file    absolute path of the file that was read, or ""
    """

    settings: Settings
    config_file: str = ""
    background: Background = field(init=False)
    exit_code: int | None = None
    _stop: asyncio.Event = field(default_factory=asyncio.Event)
    _force: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.background = Background(on_vital_failure=lambda error: self.request_stop(FAILED))

    def request_stop(self, exit_code: int = OK) -> None:
        """Stop as on SIGTERM, and end with `exit_code`.  The worst code asked for counts."""
        self.exit_code = max(exit_code, self.exit_code or OK)
        self._stop.set()


@dataclass(frozen=True)
class Program:
    """One server as a program.

    name            "miniredis": names the log's lines and the ready file
    version         what --version prints
    read_file       reads the configuration file: text, its name, include -> what it says
    environment     prefix of its variables: "MINI_REDIS_"
    build           makes the server, inside the running loop; may raise StartError
    log_level       of the settings, one of logging's numbers;  log_file: a path, or "" for standard output
    """

    name: str
    version: str
    usage: str
    table: Table
    read_file: Callable[[str, str, Include], Iterable[Given]]
    environment: str
    build: Callable[[Process], Server]
    log_level: Callable[[Settings], int] = lambda settings: LEVELS["notice"]
    log_file: Callable[[Settings], str] = lambda settings: ""


def main(program: Program, arguments: Sequence[str], environment: Mapping[str, str] | None = None) -> int:
    """Run `program` until it ends; returns the exit code.  `arguments` without the program's name."""
    if arguments and arguments[0] in ("-h", "--help"):
        print(f"{program.usage}\n\n{program.table.help_text()}")
        return OK
    if arguments and arguments[0] in ("-v", "--version"):
        print(program.version)
        return OK
    try:
        given = read_arguments(arguments)
        settings = load(program, given, os.environ if environment is None else environment)
        start_logging(program.log_level(settings), settings.log_format, program.log_file(settings))
    except (SettingError, OSError) as error:
        print(f"{program.name}: {error}", file=sys.stderr)
        return FAILED
    if settings.without_effect:
        logging.getLogger(program.name).info("Without effect here: %s", ", ".join(settings.without_effect))
    import uvloop  # here alone, so that everything else can be imported where it is not installed

    config_file = os.path.abspath(given.config_file) if given.config_file else ""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(serve(program, settings, config_file))


def load(program: Program, arguments: Arguments, environment: Mapping[str, str]) -> Settings:
    """File, standard input, environment, arguments, in this order.  Raises SettingError, OSError."""
    sources: list[Iterable[Given]] = []
    if arguments.config_file:
        try:
            text = _read(arguments.config_file)
        except OSError as error:
            raise SettingError(arguments.config_file, "", "configuration file", str(error.strerror)) from None
        sources.append(program.read_file(text, os.path.basename(arguments.config_file), include_files))
    if arguments.standard_input:
        sources.append(program.read_file(sys.stdin.read(), "standard input", include_files))
    sources.append(read_environment(environment, program.environment, program.table))
    sources.append(arguments.given)
    return program.table.load(*sources)


def include_files(pattern: str) -> list[tuple[str, str]]:
    """Name and text of the files a pattern means, in order.  One without wildcards must be there."""
    paths = sorted(glob.glob(pattern)) if glob.has_magic(pattern) else [pattern]
    return [(path, _read(path)) for path in paths]


def _read(path: str) -> str:
    return Path(path).read_text(encoding="utf-8", errors="surrogateescape")


async def serve(program: Program, settings: Settings, config_file: str = "") -> int:
    """Start, run and stop the server in the running loop; returns the exit code."""
    log = logging.getLogger(program.name)
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _, context: _log_failure(log, context))
    process = Process(settings, config_file)
    try:
        server = program.build(process)
    except StartError as error:
        log.error("%s", error)
        return FAILED
    _watch_signals(loop, process, server, log)
    starting = loop.create_task(server.start(), name="start")
    stop_asked = loop.create_task(process._stop.wait(), name="stop asked")
    try:
        await asyncio.wait([starting, stop_asked], return_when=asyncio.FIRST_COMPLETED)
        if not starting.done():
            log.info("Stopped while starting")
            starting.cancel()
            await asyncio.wait([starting])
        elif (code := _failed_start(starting, log)) is not None:
            await process.background.stop()
            return code
        else:
            _tell_ready(program, process, server, log)
        return await _run_until_stopped(process, server, stop_asked, log)
    finally:
        stop_asked.cancel()
        if settings.ready_file:
            Path(settings.ready_file).unlink(missing_ok=True)


def _failed_start(starting: asyncio.Task[None], log: logging.Logger) -> int | None:
    error = starting.exception()
    if error is None:
        return None
    if isinstance(error, (ListenError, StartError)):
        log.error("%s", error)
        return PORT_TAKEN if isinstance(error, AddressInUse) else FAILED
    log.critical("Crashed while starting", exc_info=error)
    return FAILED


def _tell_ready(program: Program, process: Process, server: Server, log: logging.Logger) -> None:
    addresses = list(server.addresses())
    if ready_file := process.settings.ready_file:
        content = {"name": program.name, "pid": os.getpid(), "addresses": addresses}
        aside = Path(f"{ready_file}.{os.getpid()}")
        try:
            aside.write_text(json.dumps(content) + "\n")
            aside.replace(ready_file)
        except OSError as error:
            log.error("Cannot write the ready file %s: %s", ready_file, error.strerror)
            process.request_stop(FAILED)
            return
    log.info("Ready to accept connections on %s", ", ".join(map(_shown, addresses)) or "nothing")


def _shown(address: tuple[str, int] | str) -> str:
    if isinstance(address, str):
        return address
    host, port = address
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


async def _run_until_stopped(
    process: Process, server: Server, stop_asked: asyncio.Task[Any], log: logging.Logger
) -> int:
    forced = asyncio.create_task(process._force.wait(), name="force asked")
    try:
        while True:
            await stop_asked
            stopping = asyncio.create_task(server.stop(), name="stop")
            await asyncio.wait([stopping, forced], return_when=asyncio.FIRST_COMPLETED)
            if not stopping.done():
                log.warning("Asked twice: ending at once")
                stopping.cancel()
                return FAILED
            error = stopping.exception()
            if not isinstance(error, StopRefused):
                break
            log.warning("Not stopping: %s", error)
            process.exit_code = None
            process._stop.clear()
            stop_asked = asyncio.create_task(process._stop.wait(), name="stop asked")
    finally:
        forced.cancel()
    await process.background.stop()
    if error is not None:
        log.critical("Crashed while stopping", exc_info=error)
        return FAILED
    log.info("Stopped")
    return process.exit_code or OK


def _watch_signals(loop: asyncio.AbstractEventLoop, process: Process, server: Server, log: logging.Logger) -> None:
    def asked_to_stop(name: str) -> None:
        log.info("Received %s", name)
        if process._stop.is_set():
            process._force.set()
        process.request_stop()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, asked_to_stop, number.name)
    if isinstance(server, Reloadable):
        loop.add_signal_handler(signal.SIGHUP, server.reload)
    else:
        with contextlib.suppress(ValueError):
            loop.add_signal_handler(signal.SIGHUP, log.info, "Received SIGHUP: nothing to reload")


def _log_failure(log: logging.Logger, context: dict[str, Any]) -> None:
    error = context.get("exception")
    log.error("%s", context["message"], exc_info=error if error is not None else False)
