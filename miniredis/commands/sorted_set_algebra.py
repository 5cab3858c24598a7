"""Sorted sets combined: union, intersection, difference, of sorted sets and of plain ones, whose members count 1.

What is combined are also the scores: each multiplied by the weight of its set, then added, or the least or the greatest
taken.  A sum that is no number (inf and -inf) counts as 0.

Sets are taken in order of their size, smallest first, as Redis does: an intersection cannot be larger than the
smallest, and with floats even the order of an addition can be seen.

Source: Redis 7.2 `t_zset.c`, zunionInterDiffGenericCommand.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from itertools import islice
from operator import itemgetter
from typing import TYPE_CHECKING, Any

from miniredis.command import DENYOOM, READONLY, WRITE, command
from miniredis.commands.options import counted_keys
from miniredis.commands.sorted_set_ranges import GROUP, store_result
from miniredis.commands.sorted_sets import with_scores
from miniredis.errors import RedisError, SyntaxFault, WrongType
from miniredis.numbers import INT64_MAX, float_number, integer, integer_between
from miniredis.values.sets import Set
from miniredis.values.sorted_sets import SortedSet

if TYPE_CHECKING:
    from miniredis.database import Database
    from miniredis.wire.requests import Request

Scores = dict[bytes, float]
Operand = Mapping[bytes, float | None]
"""member -> score; None throughout for a plain set."""


def _sum(one: float, other: float) -> float:
    total = one + other
    return 0.0 if math.isnan(total) else total


def _minimum(one: float, other: float) -> float:
    return other if other < one else one


def _maximum(one: float, other: float) -> float:
    return other if other > one else one


AGGREGATES: dict[bytes, Callable[[float, float], float]] = {b"SUM": _sum, b"MIN": _minimum, b"MAX": _maximum}


def _operands(db: Database, name: str, arguments: Sequence[bytes]) -> tuple[list[Operand], Sequence[bytes]]:
    """The sets named by `numkeys key [key ...]`, as member -> score, and the arguments behind them."""
    count = integer(arguments[0])
    if count < 1:
        raise RedisError(f"ERR at least 1 input key is needed for '{name}' command")
    if count > len(arguments) - 1:
        raise SyntaxFault
    operands: list[Operand] = []
    for key in arguments[1 : count + 1]:
        value = db.find(key)
        if type(value) is SortedSet:
            operands.append(value.scores)
        elif type(value) is Set:
            operands.append(value)
        elif value is None:
            operands.append({})
        else:
            raise WrongType
    return operands, arguments[count + 1 :]


class _Options:
    """WEIGHTS, AGGREGATE and WITHSCORES, as far as the command takes them."""

    def __init__(self, words: Sequence[bytes], operands: int, *, weighing: bool, storing: bool) -> None:
        self.weights = [1.0] * operands
        self.aggregate: Callable[[float, float], float] = _sum
        self.scores = False
        at = 0
        while at < len(words):
            word = words[at].upper()
            left = len(words) - at
            if word == b"WEIGHTS" and weighing and left > operands:
                texts = words[at + 1 : at + 1 + operands]
                self.weights = [float_number(text, "ERR weight value is not a float") for text in texts]
                at += operands + 1
            elif word == b"AGGREGATE" and weighing and left > 1 and words[at + 1].upper() in AGGREGATES:
                self.aggregate = AGGREGATES[words[at + 1].upper()]
                at += 2
            elif word == b"WITHSCORES" and not storing:
                self.scores = True
                at += 1
            else:
                raise SyntaxFault


def _by_size(operands: Sequence[Operand], weights: Sequence[float]) -> list[tuple[Operand, float]]:
    return sorted(zip(operands, weights, strict=True), key=lambda operand: len(operand[0]))


def _times(score: float | None, weight: float) -> float:
    return weight if score is None else score * weight


def _weighed(score: float | None, weight: float) -> float:
    weighed = _times(score, weight)
    return 0.0 if math.isnan(weighed) else weighed


def union(operands: Sequence[Operand], options: _Options) -> Scores:
    result: Scores = {}
    aggregate = options.aggregate
    for scores, weight in _by_size(operands, options.weights):
        for member, score in scores.items():
            weighed = _weighed(score, weight)
            result[member] = aggregate(result[member], weighed) if member in result else weighed
    return result


def intersection(operands: Sequence[Operand], options: _Options) -> Scores:
    (smallest, weight), *others = _by_size(operands, options.weights)
    result: Scores = {}
    aggregate = options.aggregate
    for member, score in smallest.items():
        total = _weighed(score, weight)
        for scores, other_weight in others:
            if member not in scores:
                break
            total = aggregate(total, _times(scores[member], other_weight))
        else:
            result[member] = total
    return result


def difference(operands: Sequence[Operand], options: _Options) -> Scores:
    first, *others = operands
    return {
        member: _times(score, 1.0) for member, score in first.items() if not any(member in scores for scores in others)
    }


Combination = Callable[[Sequence[Operand], _Options], Scores]


def _answer(db: Database, name: str, combine: Combination, arguments: Sequence[bytes], *, weighing: bool = True) -> Any:
    operands, words = _operands(db, name, arguments)
    options = _Options(words, len(operands), weighing=weighing, storing=False)
    pairs = sorted((score, member) for member, score in combine(operands, options).items())
    return with_scores(pairs) if options.scores else list(map(itemgetter(1), pairs))


def _store(
    db: Database,
    name: str,
    combine: Combination,
    destination: bytes,
    arguments: Sequence[bytes],
    *,
    weighing: bool = True,
) -> int:
    operands, words = _operands(db, name, arguments)
    options = _Options(words, len(operands), weighing=weighing, storing=True)
    return store_result(db, destination, make_sorted_set(db, combine(operands, options)), name)


def make_sorted_set(db: Database, scores: Mapping[bytes, float]) -> SortedSet:
    """A sorted set that was made whole: its encoding follows from its final size."""
    settings = db.engine.settings
    small = len(scores) <= settings.zset_max_listpack_entries and (
        max(map(len, scores), default=0) <= settings.zset_max_listpack_value
    )
    result = (
        SortedSet((member, score or 0.0) for member, score in scores.items()) if small else SortedSet(scores.items())
    )
    result.encoding = "listpack" if small else "skiplist"
    return result


OPTIONS = "[WEIGHTS weight [weight ...]] [AGGREGATE <SUM | MIN | MAX>]"


@command(
    f"ZUNION numkeys key [key ...] {OPTIONS} [WITHSCORES]", READONLY, since="6.2.0", group=GROUP, keys=counted_keys(1)
)
def zunion(db: Database, *arguments: bytes) -> Any:
    """What is in any of the sets.  O(N + M*log M), N members in all, M in the result."""
    return _answer(db, "zunion", union, arguments)


@command(
    f"ZINTER numkeys key [key ...] {OPTIONS} [WITHSCORES]", READONLY, since="6.2.0", group=GROUP, keys=counted_keys(1)
)
def zinter(db: Database, *arguments: bytes) -> Any:
    """What is in all of the sets.  O(N*K + M*log M), N members in the smallest of K sets, M in the result."""
    return _answer(db, "zinter", intersection, arguments)


@command("ZDIFF numkeys key [key ...] [WITHSCORES]", READONLY, since="6.2.0", group=GROUP, keys=counted_keys(1))
def zdiff(db: Database, *arguments: bytes) -> Any:
    """What is in the first set and in none of the others.  O(N*K + M*log M), N members in the first of K sets."""
    return _answer(db, "zdiff", difference, arguments, weighing=False)


def _destination_and_keys(request: Request) -> Sequence[bytes]:
    sources = counted_keys(2)(request)
    return [request[1], *sources] if sources else ()


@command(
    f"ZUNIONSTORE destination numkeys key [key ...] {OPTIONS}",
    WRITE | DENYOOM,
    since="2.0.0",
    group=GROUP,
    keys=_destination_and_keys,
)
def zunionstore(db: Database, destination: bytes, *arguments: bytes) -> int:
    """Store what is in any of the sets; how many members that is.  O(N + M*log M), as ZUNION."""
    return _store(db, "zunionstore", union, destination, arguments)


@command(
    f"ZINTERSTORE destination numkeys key [key ...] {OPTIONS}",
    WRITE | DENYOOM,
    since="2.0.0",
    group=GROUP,
    keys=_destination_and_keys,
)
def zinterstore(db: Database, destination: bytes, *arguments: bytes) -> int:
    """Store what is in all of the sets; how many members that is.  O(N*K + M*log M), as ZINTER."""
    return _store(db, "zinterstore", intersection, destination, arguments)


@command(
    "ZDIFFSTORE destination numkeys key [key ...]",
    WRITE | DENYOOM,
    since="6.2.0",
    group=GROUP,
    keys=_destination_and_keys,
)
def zdiffstore(db: Database, destination: bytes, *arguments: bytes) -> int:
    """Store what is in the first set and in none of the others; how many members that is.  O(N*K), as ZDIFF."""
    return _store(db, "zdiffstore", difference, destination, arguments, weighing=False)


@command("ZINTERCARD numkeys key [key ...] [LIMIT limit]", READONLY, since="7.0.0", group=GROUP, keys=counted_keys(1))
def zintercard(db: Database, *arguments: bytes) -> int:
    """How many members all of the sets share, counted up to `limit`.  O(N*K), N members in the smallest of K sets."""
    operands, words = _operands(db, "zintercard", arguments)
    limit = 0
    for at in range(0, len(words), 2):
        if words[at].upper() != b"LIMIT" or at + 1 == len(words):
            raise SyntaxFault
        limit = integer_between(words[at + 1], 0, INT64_MAX, "ERR LIMIT can't be negative")
    smallest, *others = sorted(operands, key=len)
    shared = (member for member in smallest if all(member in scores for scores in others))
    return sum(1 for _ in islice(shared, limit or None))
