"""The comparer: the same random commands to redis-server 7.0.15 and to ours, reply by reply, byte by byte.

A generator (`generators/<chapter>.py`) makes requests over few keys, so that they meet; the seed makes them again.  Two
things only may differ: the order in replies that have none (the generator's UNORDERED), and what stands, with its
reason, as a line in `redis70_differences.tsv`.

    python -m tests.oracles.comparer strings --seed 1 --count 20000      shows the first difference and what led to it
"""

from __future__ import annotations

import argparse
import importlib
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from types import ModuleType

from serving.clock import SystemClock
from tests.miniredis.engine_fixtures import Redis
from tests.oracles.real_redis import RawClient, real_redis

DIFFERENCES = Path(__file__).with_name("redis70_differences.tsv")


@dataclass(frozen=True)
class Difference:
    """One line of the table: requests that match `request` may be answered `real` there and `ours` here.

    All three are regular expressions, on the words joined by spaces and on the raw reply; `ours` may refer to groups
    of nothing else.  `why` cites the change in Redis.
    """

    request: re.Pattern[bytes]
    real: re.Pattern[bytes]
    ours: re.Pattern[bytes]
    why: str

    def covers(self, request: bytes, real: bytes, ours: bytes) -> bool:
        return all(
            pattern.fullmatch(text) for pattern, text in ((self.request, request), (self.real, real), (self.ours, ours))
        )


def known_differences() -> list[Difference]:
    lines = DIFFERENCES.read_text().splitlines()
    rows = [line.split("\t") for line in lines if line and not line.startswith("#")]
    return [
        Difference(*(re.compile(cell.encode(), re.DOTALL | re.IGNORECASE) for cell in row[:3]), row[3]) for row in rows
    ]


class Ours:
    """Our engine in this process, on the machine's clock."""

    def __init__(self) -> None:
        self.redis = Redis()
        self.redis.engine.clock = SystemClock()

    def call(self, *words: bytes) -> bytes:
        reply = self.redis(*words)
        if not reply:  # it waits for a key, which nobody is there to make: let its time run out
            self.redis.advance(1000)
            reply = self.redis.said(self.redis.client)
        return reply


@dataclass
class Disagreement(Exception):
    """Where the two part ways."""

    seed: int
    number: int
    request: Sequence[bytes]
    real: bytes
    ours: bytes
    history: list[Sequence[bytes]]

    def __str__(self) -> str:
        keys = set(self.request[1:])
        related = [words for words in self.history if keys & set(words[1:])][-12:]
        shown = "\n".join(f"      {spelled(words)}" for words in related)
        return (
            f"seed {self.seed}, request {self.number}: {spelled(self.request)}\n  real {self.real[:2000]!r}\n"
            f"  ours {self.ours[:2000]!r}\n  before, on its keys:\n{shown}"
        )


def spelled(words: Sequence[bytes]) -> str:
    return " ".join(repr(word)[2:-1] or "''" for word in words)


def compare(chapter: ModuleType, seed: int, count: int, real: RawClient, protocol: int = 2) -> int:
    """Send `count` requests of `chapter` to both; returns how many known differences were met.

    Raises Disagreement at the first other one.
    """
    random, ours, known = Random(seed), Ours(), known_differences()
    unordered: Iterable[bytes] = getattr(chapter, "UNORDERED", ())
    history: list[Sequence[bytes]] = []
    admitted = 0
    for start in ([b"RESET"], [b"FLUSHALL"], [b"HELLO", b"%d" % protocol]):
        real.call(*start)
    if protocol == 3:
        ours.redis.client.speak(3)
    for number in range(count):
        words = chapter.generate(random)
        theirs, mine = real.call(*words), ours.call(*words)
        if theirs != mine:
            if words[0].upper() in unordered and ordered(theirs) == ordered(mine):
                pass
            elif any(one.covers(b" ".join(words), theirs, mine) for one in known):
                admitted += 1
            else:
                raise Disagreement(seed, number, words, theirs, mine, history)
        history.append(words)
    return admitted


def ordered(reply: bytes) -> list[bytes]:
    """The lines of a reply, sorted: equal for replies that hold the same in another order."""
    return sorted(reply.split(b"\r\n"))


def main() -> None:
    parser = argparse.ArgumentParser(description="Compare ours with redis-server 7.0.15, one chapter of commands.")
    parser.add_argument("chapter")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--seeds", type=int, default=1)
    parser.add_argument("--count", type=int, default=5000)
    parser.add_argument("--resp", type=int, default=2, choices=(2, 3))
    arguments = parser.parse_args()
    chapter = importlib.import_module(f"tests.oracles.generators.{arguments.chapter}")
    options = getattr(chapter, "OPTIONS", ())
    with real_redis(*options) as real:
        for seed in range(arguments.seed, arguments.seed + arguments.seeds):
            try:
                admitted = compare(chapter, seed, arguments.count, real, arguments.resp)
            except Disagreement as disagreement:
                raise SystemExit(str(disagreement)) from None
            print(f"{arguments.chapter}: seed {seed}: {arguments.count} replies alike, {admitted} known differences")


if __name__ == "__main__":
    main()
