"""Looking into a real redis-server: its whole keyspace as Python values, and small readers of its replies."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import hiredis

from tests.oracles.real_redis import RawClient, binary


def parsed(reply: bytes) -> Any:
    reader = hiredis.Reader()
    reader.feed(reply)
    return reader.gets()


def bulk(reply: bytes) -> bytes:
    value = parsed(reply)
    assert isinstance(value, bytes), reply
    return value


def contents(client: RawClient, databases: int = 16) -> dict[tuple[int, bytes], tuple[Any, int]]:
    """(database, key) -> (value, expires at in ms or -1) of everything there."""
    found = {}
    for database in range(databases):
        client.call(b"SELECT", b"%d" % database)
        for key in parsed(client.call(b"KEYS", b"*")):
            found[database, key] = value_at(client, key), parsed(client.call(b"PEXPIRETIME", key))
    client.call(b"SELECT", b"0")
    return found


def value_at(client: RawClient, key: bytes) -> Any:
    """bytes, list, set, dict or a dict of scores."""
    kind = client.call(b"TYPE", key)
    if kind == b"+string\r\n":
        return bulk(client.call(b"GET", key))
    if kind == b"+list\r\n":
        return parsed(client.call(b"LRANGE", key, b"0", b"-1"))
    if kind == b"+set\r\n":
        return set(parsed(client.call(b"SMEMBERS", key)))
    if kind == b"+hash\r\n":
        flat = parsed(client.call(b"HGETALL", key))
        return dict(zip(flat[::2], flat[1::2], strict=True))
    flat = parsed(client.call(b"ZRANGE", key, b"0", b"-1", b"WITHSCORES"))
    return dict(zip(flat[::2], map(float, flat[1::2]), strict=True))


def plain(value: Any) -> Any:
    """One of our values in the same shapes."""
    shapes = {"List": list, "Set": set, "Hash": dict, "SortedSet": lambda scored: dict(scored.scores)}
    return shapes.get(type(value).__name__, bytes)(value)


def check_rdb(path: Path) -> str:
    """What redis-check-rdb says of a file; raises CalledProcessError when it finds a fault."""
    checker = binary(path.parent).resolve().with_name("redis-check-rdb")
    return subprocess.run([checker, path], check=True, capture_output=True, text=True).stdout
