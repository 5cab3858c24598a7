"""What tests of lists, sets, hashes and SORT look at: replies in RESP2, encodings, events, the log."""

from __future__ import annotations

from tests.miniredis.engine_fixtures import Redis

WRONG_TYPE = b"-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"
SYNTAX = b"-ERR syntax error\r\n"
NOT_AN_INTEGER = b"-ERR value is not an integer or out of range\r\n"


def bulk(word: str | bytes) -> bytes:
    data = word if isinstance(word, bytes) else word.encode()
    return b"$%d\r\n%b\r\n" % (len(data), data)


def array(*words: str | bytes) -> bytes:
    return b"*%d\r\n" % len(words) + b"".join(map(bulk, words))


def words(reply: bytes) -> list[bytes]:
    """The bulk strings of a flat array or set, in order; for elements without line ends."""
    return reply.split(b"\r\n")[2::2]


def encoding(redis: Redis, key: str) -> str:
    return redis("OBJECT", "ENCODING", key).split(b"\r\n")[1].decode()


def events(redis: Redis) -> list[tuple[str, bytes]]:
    """The changes that the engine tells of from now on, as (event, key)."""
    told: list[tuple[str, bytes]] = []

    def notify(event: str, key: bytes, database: int) -> None:
        if event not in ("keymiss", "new"):
            told.append((event, key))

    redis.engine.notifying = True
    redis.engine.notify = notify  # type: ignore[method-assign]
    return told


def logged(redis: Redis) -> list[list[bytes]]:
    """The requests written down since the last look, whatever unit they were in."""
    requests = [list(request) for unit in redis.written for _, request in unit]
    redis.written.clear()
    return requests
