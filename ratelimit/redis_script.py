"""What a decision is between a client and Redis: the program, its words, its answer.

    EVALSHA sha n key... now (algorithm cost R P B options)...      driver.lua and algorithms/*.lua; once for all keys, if
                                                                    they are the same for all
    <── allowed remaining retry_after_ms reset_ms delay_ms          for each ask

The program is the driver with the algorithms that a call needs, in one of four modes: `hit` consumes from all asks or
from none, `try` does not consume but leaves behind what a denied hit leaves, `peek` changes nothing, `each` decides every
ask by itself.  A limit's words are the same at every hit, so they are packed once and kept; what is built anew is the
key.  Next: redis_link.py, on which they travel.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import cache, lru_cache
from importlib import resources
from typing import Any, Literal, NamedTuple

from ratelimit.algorithms import ALGORITHMS
from ratelimit.decision import Ask, CostTooHigh, Decision
from ratelimit.limit import REMEMBERED_MS, Limit

make = tuple.__new__
PREFIX = "ratelimit:"
SERVER_SLACK_MS = 1
"""A TTL counts from the moment the script began, in whole milliseconds."""
CLIENT_SLACK_MS = 60_000
"""By how much a caller's clock may lag behind the server's before a key expires too early."""
OPTIONS = (
    ("e", "start_full", False),
    ("q", "queue", True),
    ("u", "aligned", False),
    ("f", "rounding", "floor"),
    ("d", "log_denied", True),
)
"""A letter for each option that is not at its default, as driver.lua reads them."""

ALONE = {name: frozenset([name]) for name in ALGORITHMS}
"""The commonest questions are about one algorithm."""

Word = str | bytes | int
Mode = Literal["hit", "try", "peek", "each"]


class Script(NamedTuple):
    """A program for Redis, and the name it has there."""

    sha: str
    text: str


def text_of(name: str) -> str:
    return resources.files("ratelimit").joinpath(name).read_text()


@cache
def script(algorithms: frozenset[str], mode: Mode, client_time: bool) -> Script:
    """The driver with the algorithms that are needed: what is not in the text costs nothing at each call."""
    parts = "\n".join(text_of(f"algorithms/{name}.lua") for name in sorted(algorithms))
    slack_ms = CLIENT_SLACK_MS if client_time else SERVER_SLACK_MS
    text = text_of("driver.lua").replace("--[[algorithms]]", parts)
    for name, value in (("slack", slack_ms), ("mode", f"'{mode}'"), ("remembered", REMEMBERED_MS)):
        text = text.replace(f"--[[{name}]]", str(value))
    return Script(hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest(), text)


@lru_cache(maxsize=10_000)
def words_of(limit: Limit, cost: int) -> tuple[Word, ...]:
    """What driver.lua is told of one ask.  Raises CostTooHigh."""
    if not 0 < cost <= limit.capacity:
        raise CostTooHigh(cost, limit.capacity)
    letters = "".join(letter for letter, option, value in OPTIONS if getattr(limit, option) == value)
    return limit.algorithm, cost, limit.rate, limit.per_ms, limit.capacity, letters


@lru_cache(maxsize=10_000)
def packed_words(limit: Limit, cost: int) -> tuple[str, bytes]:
    """The end of the key, and the words of one ask as RESP writes them.  Raises CostTooHigh."""
    return f":{limit.fingerprint}", b"".join(map(bulk, words_of(limit, cost)))


@lru_cache(maxsize=1000)
def packed_head(script: Script, asks: int, limits: int, whole: bool) -> bytes:
    """A command up to its first key: EVALSHA, or EVAL with the whole text.  `limits` is how often words follow."""
    words: tuple[Word, ...] = ("EVAL", script.text, asks) if whole else ("EVALSHA", script.sha, asks)
    return b"*%d\r\n" % (len(words) + asks + 1 + 6 * limits) + b"".join(map(bulk, words))


def bulk(word: Word) -> bytes:
    data = word if isinstance(word, bytes) else str(word).encode()
    return b"$%d\r\n%b\r\n" % (len(data), data)


def tagged(key: str) -> str:
    """The key with its hash tag: its own, as in `{user:7}:login`, or itself."""
    return key if key.startswith("{") and "}:" in key else "{" + key + "}"


def tag_of(key: str) -> str:
    """What Redis Cluster hashes of a key: between the first { and the next }, unless that is empty."""
    key = tagged(key)
    return key[1 : key.index("}", 1)] or key


def algorithms_of(asks: Sequence[Ask]) -> frozenset[str]:
    if len(asks) == 1:
        return ALONE[asks[0].limit.algorithm]
    return frozenset([ask.limit.algorithm for ask in asks])


def moment(now_ms: int | None) -> bytes:
    """The word between keys and limits: nothing stands for the server's clock."""
    return b"$0\r\n\r\n" if now_ms is None else bulk(now_ms)


def named(prefix: str, ask: Ask) -> tuple[bytes, bytes]:
    """The key of one ask, and its words, packed.  Raises CostTooHigh."""
    limit, key, cost = ask
    fingerprint, words = packed_words(limit, cost)
    name = f"{prefix}{tagged(key)}{fingerprint}".encode()
    return b"$%d\r\n%b\r\n" % (len(name), name), words


class Command(NamedTuple):
    """A call of a program, as it is sent."""

    program: Script
    asks: int
    limits: int
    rest: bytes
    """From the first key on."""

    def packed(self, whole: bool) -> bytes:
        return packed_head(self.program, self.asks, self.limits, whole) + self.rest


def command(program: Script, keys: Sequence[bytes], words: Sequence[bytes], now_ms: int | None) -> Command:
    """Of asks whose keys and words are packed: `named`."""
    if len(keys) == 1:
        return Command(program, 1, 1, b"%b%b%b" % (keys[0], moment(now_ms), words[0]))
    if len(set(words)) == 1:
        words = words[:1]
    return Command(program, len(keys), len(words), b"".join([*keys, moment(now_ms), *words]))


def decisions_of(reply: Sequence[Any]) -> list[Decision]:
    """The answers to all asks.  Raises ReplyError, if one of them is none."""
    return [decision_of(reply, first) for first in range(0, len(reply), 5)]


def decision_of(reply: Sequence[Any], first: int = 0) -> Decision:
    """The answer to the ask whose five words begin there.  Raises ReplyError."""
    allowed = reply[first]
    if type(allowed) is not int:
        raise allowed
    return make(Decision, (allowed == 1, *reply[first + 1 : first + 5]))
