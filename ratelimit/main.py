"""The program: argv in, an exit code out.  Here alone the real clock, dice and files are chosen."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from random import Random, SystemRandom
from typing import TYPE_CHECKING

from ratelimit.options import OPTIONS, read_file
from ratelimit.reload import RulesFile
from ratelimit.rules_file import RulesError
from serving.config import SettingError
from serving.logs import LEVELS
from serving.program import Process, Program, StartError
from serving.program import main as run

if TYPE_CHECKING:
    from ratelimit.server import Server

USAGE = """Usage: mini ratelimit start rules.toml [--option value ...] [--override key=value ...]

A rate limiter that anything asks over HTTP: POST /check answers 200 or 429.  The file holds the rules, and may hold
these options in a table [server]; they can also stand in the environment (MINI_RATELIMIT_PORT=8430) or here, and the
later wins.  The rules are read again when the file changes, and on SIGHUP.

"""


def build(process: Process) -> Server:
    """The service of this process.  Raises StartError."""
    from ratelimit.server import Server, store_of  # aiohttp, which --help need not wait for

    if not process.config_file:
        raise StartError("which rules? mini ratelimit start rules.toml")
    try:
        rules = RulesFile(process.config_file)
    except (RulesError, OSError) as error:
        raise StartError(str(error)) from None
    random = Random(SystemRandom().getrandbits(128))
    server = Server(process.settings, rules, store_of(process.settings, random), process.background)
    if process.settings.admin_port:
        from ratelimit.metrics import admin_of

        server.admin = admin_of(server)
    return server


def arguments_of(argv: Sequence[str]) -> list[str]:
    """`--override key=value` to `--key value`.  Raises SettingError."""
    words: list[str] = []
    rest = iter(argv)
    for word in rest:
        if word == "--override" or word.startswith("--override="):
            said = word.partition("=")[2] if "=" in word else next(rest, "")
            key, equals, value = said.partition("=")
            if not equals or not key:
                raise SettingError("--override", said, "arguments", "expected key=value")
            words += [f"--{key.replace('_', '-')}", value]
        else:
            words.append(word)
    return words


def main(argv: Sequence[str]) -> int:
    """Run the service as `argv` says, until it ends."""
    try:
        words = arguments_of(argv)
    except SettingError as error:
        print(f"ratelimit: {error}", file=sys.stderr)
        return 1
    return run(PROGRAM, words)


PROGRAM = Program(
    name="ratelimit",
    version="mini ratelimit",
    usage=USAGE.strip(),
    table=OPTIONS,
    read_file=read_file,
    environment="MINI_RATELIMIT_",
    build=build,
    log_level=lambda settings: LEVELS[settings.loglevel],
)
