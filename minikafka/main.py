"""The program: argv in, an exit code out.  Here alone the real clock, dice and disk are chosen."""

from __future__ import annotations

import gc
import logging
import re
import resource
import sys
from collections.abc import Iterable, Iterator, Sequence
from random import Random, SystemRandom
from typing import TYPE_CHECKING

from durable.real_disk import RealDisk
from minikafka import KAFKA_VERSION
from minikafka.addresses import parse_address
from minikafka.node import Node
from minikafka.options import OPTIONS
from serving.clock import SystemClock
from serving.config import Given, SettingError
from serving.logs import LEVELS
from serving.program import Process, Program, StartError
from serving.program import main as run
from serving.readers import Include, read_properties

if TYPE_CHECKING:
    from serving.admin import Admin

USAGE = """Usage: mini kafka start [server.properties] [--override key=value ...]

A Kafka broker and controller.  Every property of server.properties can stand in a file, in the environment
(MINI_KAFKA_NODE_ID=2) or here; the later wins.  Without any it is a cluster of one: clients on 127.0.0.1:9092, data
in ./data/kafka.  `mini kafka cluster` starts three.

"""

logger = logging.getLogger("minikafka")
DIAL = re.compile(r"mini\.dial\.(\d+)", re.IGNORECASE)
dial: dict[int, tuple[str, int]] = {}


def known(given: Iterable[Given]) -> Iterator[Given]:
    """As Kafka does, leave out properties that nobody knows, with a warning; and keep `mini.dial.<id>` apart."""
    for each in given:
        if match := DIAL.fullmatch(each.name):
            dial[int(match[1])] = parse_address(" ".join(each.words), each.name)
        elif OPTIONS.find(each.name) is None:
            logger.warning("%s: nobody knows the property %s", each.where, each.name)
        else:
            yield each


def read_file(text: str, file: str, include: Include) -> Iterable[Given]:
    return known(read_properties(text, file))


def build(process: Process) -> Node:
    """The node of this process.  Raises StartError."""
    raise_file_limit()
    try:
        node = Node(
            process.settings,
            clock=SystemClock(),
            random=Random(SystemRandom().getrandbits(128)),
            disk=RealDisk(),
            background=process.background,
            dial=dict(dial),
        )
    except SettingError as error:
        raise StartError(str(error)) from None
    node.request_stop = process.request_stop
    node.on_ready = begin_collecting
    if process.settings.admin_port:
        node.make_admin = make_admin
    return node


def begin_collecting() -> None:
    """Look for cycles from now on, and not among what is there by now: that stays."""
    gc.freeze()
    gc.enable()


def make_admin(node: Node) -> Admin:
    from minikafka.metrics import admin_of  # aiohttp, which takes a while to import

    return admin_of(node)


def raise_file_limit() -> None:
    """Segments and sockets are many: take what the system allows."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def arguments_of(argv: Sequence[str]) -> list[str]:
    """`--override key=value`, as kafka-server-start has it, to `--key value`."""
    words: list[str] = []
    rest = iter(argv)
    for word in rest:
        if word == "--override" or word.startswith("--override="):
            said = word.partition("=")[2] if "=" in word else next(rest, "")
            key, equals, value = said.partition("=")
            if not equals or not key:
                raise SettingError("--override", said, "arguments", "expected key=value")
            if match := DIAL.fullmatch(key):
                dial[int(match[1])] = parse_address(value, key)
            else:
                words += [f"--{key}", value]
        else:
            words.append(word)
    return words


def main(argv: Sequence[str]) -> int:
    """Run a node as `argv` says, until it ends."""
    # Requests and records hold no cycles; looking for some less often leaves more time for them.
    gc.set_threshold(70_000, 20, 100)
    gc.disable()  # until the node is up: what a start makes is to stay, and to look at it all holds the loop for long
    try:
        words = arguments_of(argv)
    except SettingError as error:
        print(f"minikafka: {error}", file=sys.stderr)
        return 1
    try:
        return run(PROGRAM, words)
    finally:
        gc.enable()


PROGRAM = Program(
    name="minikafka",
    version=f"minikafka, an Apache Kafka {KAFKA_VERSION}",
    usage=USAGE.strip(),
    table=OPTIONS,
    read_file=read_file,
    environment="MINI_KAFKA_",
    build=build,
    log_level=lambda settings: LEVELS["notice"],
)
