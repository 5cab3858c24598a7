"""The settings of the service: `[server]` in the file of rules, MINI_RATELIMIT_* in the environment, or `--name value`.

[server]
port = 8429
store = "redis://127.0.0.1:6379"
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Iterator

from serving.config import Given, Option, SettingError, Table
from serving.kinds import Choice, Integer, Memory, Milliseconds, Text
from serving.logs import LEVELS
from serving.our_options import OUR_OPTIONS
from serving.readers import Include, read_toml


def fixed(name: str, kind: type, default: object, doc: str, **rest: object) -> Option:
    """An option that does not change while the service runs: all of them, as only rules are read again."""
    return Option(name, kind, default, doc, mutable=False, ours=False, **rest)  # type: ignore[arg-type]


def store_url(text: str) -> None:
    """Raises ValueError."""
    if text != "memory" and not text.startswith(("redis://", "rediss://", "unix://")):
        raise ValueError("expected memory, or redis://host:port, rediss://host:port, unix:///path")


OPTIONS = Table(
    [
        fixed("bind", Text, "127.0.0.1", "Address to listen on; the service trusts whoever can reach it."),
        fixed("port", Integer, 8429, "Port to listen on; 0 lets the kernel choose.", minimum=0, maximum=65535),
        fixed("grpc-port", Integer, 0, "Port of Envoy's rate limit service; 0 means none.", minimum=0, maximum=65535),
        fixed("store", Text, "memory", "Where states are: memory, or the URL of a Redis.", check=store_url),
        fixed(
            "store-timeout-ms",
            Milliseconds,
            50,
            "How long a decision waits for Redis before the rule's on_failure decides.",
            minimum=1,
            maximum=60_000,
        ),
        fixed(
            "nodes",
            Integer,
            1,
            'Services that share the Redis: while it is away, a rule with on_failure = "local" admits its share.',
            minimum=1,
            maximum=10_000,
        ),
        fixed("max-keys", Integer, 1_000_000, "Keys that a store in memory holds of each limit.", minimum=1),
        fixed("max-body", Memory, 1024 * 1024, "Bytes of a request's body at most.", minimum=1024),
        fixed("loglevel", Choice, "notice", "What is worth a line in the log.", choices=tuple(LEVELS)),
        *OUR_OPTIONS,
    ]
)


def read_file(text: str, file: str, include: Include) -> Iterable[Given]:
    """What `[server]` in a file of rules says; the rest of it is rules_file.py's."""
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise SettingError("", "", file, str(error)) from None
    return _server_table(text, file) if "server" in document else ()


def _server_table(text: str, file: str) -> Iterator[Given]:
    for given in read_toml(text, file):
        section, _, name = given.name.partition(".")
        if section == "server":
            yield Given(name.replace("_", "-"), given.words, given.where)
