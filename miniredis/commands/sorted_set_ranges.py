"""Sorted sets, read by the stretch: by rank, by score, by member.

ZRANGE can do all of it; ZREVRANGE, ZRANGEBYSCORE, ZREVRANGEBYLEX and their like came first and are ZRANGE with some of
its options fixed.  Whatever the range is of, it is soon two positions in the order, and reading, counting and removing
go on from there alike.

Source: Redis 7.2 `t_zset.c`, zrangeGenericCommand.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from miniredis.command import DENYOOM, FAST, READONLY, WRITE, command
from miniredis.commands.sorted_sets import make_room, with_scores
from miniredis.errors import RedisError, SyntaxFault
from miniredis.numbers import integer, parse_float
from miniredis.values.sorted_sets import LexBound, LexRange, Pair, ScoreRange, SortedSet

if TYPE_CHECKING:
    from miniredis.database import Database

GROUP = "sorted_sets"


# -- the ends of a range ----------------------------------------------------------------------------------------------


def score_range(low: bytes, high: bytes) -> ScoreRange:
    """`1`, `(1` (without 1 itself), `-inf`.  Raises RedisError."""
    low_number, low_open = _score_bound(low)
    high_number, high_open = _score_bound(high)
    return ScoreRange(low_number, high_number, low_open, high_open)


def _score_bound(text: bytes) -> tuple[float, bool]:
    """A bound is read by a plain strtod: blanks before it are skipped, a zero byte ends it, nothing at all is 0."""
    opened = text[:1] == b"("
    spelled = text[opened:].partition(b"\0")[0]
    number = parse_float(spelled.lstrip(b" \t\n\v\f\r")) if spelled else 0.0
    if number is None:
        raise RedisError("ERR min or max is not a float")
    return number, opened


def lex_range(low: bytes, high: bytes) -> LexRange:
    """`[a` with a, `(a` without it, `-` and `+` without end.  Raises RedisError."""
    return LexRange(_lex_bound(low), _lex_bound(high))


def _lex_bound(text: bytes) -> LexBound:
    if text in (b"-", b"+"):
        return LexBound(-1 if text == b"-" else 1)
    if text[:1] not in (b"[", b"("):
        raise RedisError("ERR min or max not valid string range item")
    return LexBound(0, text[1:], text[:1] == b"(")


def rank_slice(start: int, stop: int, size: int) -> tuple[int, int]:
    """Ranks from `start` to `stop`, both included, negative ones counted from the end, as positions [start, stop)."""
    start = max(start + size, 0) if start < 0 else start
    stop = stop + size if stop < 0 else stop
    return start, min(stop, size - 1) + 1


# -- ZRANGE -----------------------------------------------------------------------------------------------------------


class Query(NamedTuple):
    """What ZRANGE or one of its like asks for.  `by` is RANK, BYSCORE or BYLEX."""

    by: bytes
    low: Any
    high: Any
    reverse: bool
    offset: int
    limit: int  # negative: all
    scores: bool


def _query(
    first: bytes,
    second: bytes,
    options: Sequence[bytes],
    *,
    by: bytes | None = None,
    reverse: bool | None = None,
    storing: bool = False,
) -> Query:
    """Read the arguments behind the key.  What `by` and `reverse` fix can no longer be an option."""
    scores, offset, limit = False, 0, -1
    remaining = iter(range(len(options)))
    for at in remaining:
        word = options[at].upper()
        if word == b"WITHSCORES" and not storing:
            scores = True
        elif word == b"LIMIT" and len(options) - at > 2:
            offset, limit = integer(options[at + 1]), integer(options[at + 2])
            next(remaining), next(remaining)
        elif word == b"REV" and reverse is None:
            reverse = True
        elif word in (b"BYLEX", b"BYSCORE") and by is None:
            by = word
        else:
            raise SyntaxFault
    by, reverse = by or b"RANK", bool(reverse)
    if limit != -1 and by == b"RANK":
        raise RedisError("ERR syntax error, LIMIT is only supported in combination with either BYSCORE or BYLEX")
    if scores and by == b"BYLEX":
        raise RedisError("ERR syntax error, WITHSCORES not supported in combination with BYLEX")
    if by == b"RANK":
        return Query(by, integer(first), integer(second), reverse, 0, -1, scores)
    low, high = (second, first) if reverse else (first, second)
    wanted = score_range(low, high) if by == b"BYSCORE" else lex_range(low, high)
    return Query(by, wanted, None, reverse, offset, limit, scores)


def _select(stored: SortedSet, query: Query) -> list[Pair]:
    """The pairs that `query` asks for, in its order."""
    size = len(stored)
    if query.by == b"RANK":
        start, stop = rank_slice(query.low, query.high, size)
        if query.reverse:
            start, stop = size - stop, size - start
    else:
        if query.offset < 0 or not query.limit:
            return []
        if query.by == b"BYSCORE":
            start, stop = stored.slice_by_score(query.low)
            if query.reverse:
                stop -= query.offset
            else:
                start += query.offset
        else:
            start, stop = stored.slice_by_member(query.low, offset=query.offset, backward=query.reverse)
        if query.limit > 0:
            if query.reverse:
                start = max(start, stop - query.limit)
            else:
                stop = min(stop, start + query.limit)
    if start >= stop:
        return []
    pairs: list[Pair] = stored.order[start:stop]
    if query.reverse:
        pairs.reverse()
    return pairs


def _range(db: Database, key: bytes, query: Query) -> Any:
    stored = db.read(key, SortedSet)
    pairs = [] if stored is None else _select(stored, query)
    return with_scores(pairs) if query.scores else [member for _, member in pairs]


@command(
    "ZRANGE key start stop [BYSCORE | BYLEX] [REV] [LIMIT offset count] [WITHSCORES]",
    READONLY,
    since="1.2.0",
    group=GROUP,
)
def zrange(db: Database, key: bytes, start: bytes, stop: bytes, *options: bytes) -> Any:
    """The members in a range of ranks, scores or members.  O(log N + M), M of them returned."""
    if not options:
        first, last = integer(start), integer(stop)
        stored = db.read(key, SortedSet)
        if stored is None:
            return []
        low, high = rank_slice(first, last, len(stored.scores))
        return [member for _, member in stored.order[low:high]] if low < high else []
    return _range(db, key, _query(start, stop, options))


@command("ZREVRANGE key start stop [WITHSCORES]", READONLY, since="1.2.0", group=GROUP)
def zrevrange(db: Database, key: bytes, start: bytes, stop: bytes, *options: bytes) -> Any:
    """The members in a range of ranks, highest score first.  O(log N + M), M of them returned."""
    return _range(db, key, _query(start, stop, options, by=b"RANK", reverse=True))


@command("ZRANGEBYSCORE key min max [WITHSCORES] [LIMIT offset count]", READONLY, since="1.0.5", group=GROUP)
def zrangebyscore(db: Database, key: bytes, low: bytes, high: bytes, *options: bytes) -> Any:
    """The members with scores in a range.  O(log N + M), M of them returned."""
    return _range(db, key, _query(low, high, options, by=b"BYSCORE", reverse=False))


@command("ZREVRANGEBYSCORE key max min [WITHSCORES] [LIMIT offset count]", READONLY, since="2.2.0", group=GROUP)
def zrevrangebyscore(db: Database, key: bytes, high: bytes, low: bytes, *options: bytes) -> Any:
    """The members with scores in a range, highest first.  O(log N + M), M of them returned."""
    return _range(db, key, _query(high, low, options, by=b"BYSCORE", reverse=True))


@command("ZRANGEBYLEX key min max [LIMIT offset count]", READONLY, since="2.8.9", group=GROUP)
def zrangebylex(db: Database, key: bytes, low: bytes, high: bytes, *options: bytes) -> Any:
    """The members between two, where all scores are equal.  O(log N + M), M of them returned."""
    return _range(db, key, _query(low, high, options, by=b"BYLEX", reverse=False))


@command("ZREVRANGEBYLEX key max min [LIMIT offset count]", READONLY, since="2.8.9", group=GROUP)
def zrevrangebylex(db: Database, key: bytes, high: bytes, low: bytes, *options: bytes) -> Any:
    """The members between two, last first, where all scores are equal.  O(log N + M), M of them returned."""
    return _range(db, key, _query(high, low, options, by=b"BYLEX", reverse=True))


@command(
    "ZRANGESTORE destination source min max [BYSCORE | BYLEX] [REV] [LIMIT offset count]",
    WRITE | DENYOOM,
    since="6.2.0",
    group=GROUP,
)
def zrangestore(db: Database, destination: bytes, source: bytes, low: bytes, high: bytes, *options: bytes) -> int:
    """Store what ZRANGE would answer; how many members that is.  O(log N + M), M of them stored."""
    query = _query(low, high, options, storing=True)
    stored = db.read(source, SortedSet)
    pairs = [] if stored is None else _select(stored, query)
    result = SortedSet()
    if query.by == b"RANK" and len(pairs) > db.engine.settings.zset_max_listpack_entries:
        result.encoding = "skiplist"
    for score, member in pairs:
        make_room(db, result, member)
        result.add(member, score)
    return store_result(db, destination, result, "zrangestore")


def store_result(db: Database, destination: bytes, result: SortedSet, event: str, *, changes: int = 1) -> int:
    """Put `result` in the place of whatever is at `destination`, or leave nothing there; its size."""
    if result:
        db.store(destination, result)
        db.changed(destination, event, changes)
    elif db.peek(destination) is not None:
        db.delete(destination)
        db.changed(destination, "del")
    return len(result)


# -- counting and removing --------------------------------------------------------------------------------------------


@command("ZCOUNT key min max", READONLY | FAST, since="2.0.0", group=GROUP)
def zcount(db: Database, key: bytes, low: bytes, high: bytes) -> int:
    """How many scores lie in a range.  O(log N)."""
    wanted = score_range(low, high)
    stored = db.read(key, SortedSet)
    if stored is None:
        return 0
    start, stop = stored.slice_by_score(wanted)
    return max(stop - start, 0)


@command("ZLEXCOUNT key min max", READONLY | FAST, since="2.8.9", group=GROUP)
def zlexcount(db: Database, key: bytes, low: bytes, high: bytes) -> int:
    """How many members lie between two, where all scores are equal.  O(log N)."""
    wanted = lex_range(low, high)
    stored = db.read(key, SortedSet)
    if stored is None:
        return 0
    start, stop = stored.slice_by_member(wanted)
    return max(stop - start, 0)


@command("ZREMRANGEBYRANK key start stop", WRITE, since="2.0.0", group=GROUP)
def zremrangebyrank(db: Database, key: bytes, start: bytes, stop: bytes) -> int:
    """Remove a range of ranks; how many members went.  O(log N + M)."""
    first, last = integer(start), integer(stop)
    stored = db.write(key, SortedSet)
    if stored is None:
        return 0
    return _remove(db, key, stored, rank_slice(first, last, len(stored)), "zremrangebyrank")


@command("ZREMRANGEBYSCORE key min max", WRITE, since="1.2.0", group=GROUP)
def zremrangebyscore(db: Database, key: bytes, low: bytes, high: bytes) -> int:
    """Remove a range of scores; how many members went.  O(log N + M)."""
    wanted = score_range(low, high)
    stored = db.write(key, SortedSet)
    if stored is None:
        return 0
    return _remove(db, key, stored, stored.slice_by_score(wanted), "zremrangebyscore")


@command("ZREMRANGEBYLEX key min max", WRITE, since="2.8.9", group=GROUP)
def zremrangebylex(db: Database, key: bytes, low: bytes, high: bytes) -> int:
    """Remove the members between two; how many went.  O(log N + M)."""
    wanted = lex_range(low, high)
    stored = db.write(key, SortedSet)
    if stored is None:
        return 0
    return _remove(db, key, stored, stored.slice_by_member(wanted), "zremrangebylex")


def _remove(db: Database, key: bytes, stored: SortedSet, positions: tuple[int, int], event: str) -> int:
    start, stop = positions
    if start >= stop:
        return 0
    removed = len(stored.remove_slice(start, stop))
    db.changed(key, event, removed)
    db.removed_if_empty(key, stored)
    return removed
