"""Sorted sets: members, each with a score, always in order of their scores.

This chapter adds, counts, asks and pops; `sorted_set_ranges.py` reads ranges, `sorted_set_algebra.py` makes unions,
intersections and differences.

A pop is written down as what it took (ZMPOP and BZPOPMIN become ZPOPMIN of one key): the log must not wait, nor search
among keys.  Source: Redis 7.2 `t_zset.c`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from miniredis.blocking import Wait, timeout_ms
from miniredis.command import BLOCKING, DENYOOM, FAST, NOSCRIPT, READONLY, WRITE, command
from miniredis.commands.options import counted_keys
from miniredis.commands.scanning import parse_cursor, parse_options, scan_buckets
from miniredis.commands.scanning import reply as scan_reply
from miniredis.errors import RedisError, SyntaxFault
from miniredis.numbers import INT64_MAX, INT64_MIN, float_number, format_float, integer, integer_between
from miniredis.values.sorted_sets import Pair, SortedSet
from miniredis.wire.replies import NULL_ARRAY, Pairs

if TYPE_CHECKING:
    from miniredis.database import Database

ADD_OPTIONS = frozenset((b"NX", b"XX", b"GT", b"LT", b"CH", b"INCR"))


def make_room(db: Database, stored: SortedSet, member: bytes) -> None:
    """Convert `stored` where Redis would, before the new `member` is added to it."""
    settings = db.engine.settings
    if stored.encoding == "listpack" and (
        len(stored.scores) >= settings.zset_max_listpack_entries or len(member) > settings.zset_max_listpack_value
    ):
        stored.encoding = "skiplist"


# -- adding -----------------------------------------------------------------------------------------------------------


@command(
    "ZADD key [NX | XX] [GT | LT] [CH] [INCR] score member [score member ...]", WRITE | DENYOOM | FAST, since="1.2.0"
)
def zadd(db: Database, key: bytes, *arguments: bytes) -> Any:
    """Add members with scores, or change their scores; the reply counts the new ones.  O(log N) for each."""
    if len(arguments) != 2:
        return _add_many(db, key, arguments)
    text, member = arguments
    if text.isdigit() and len(text) < 300:
        score = float(text)
    elif text.upper() in ADD_OPTIONS:
        raise SyntaxFault
    else:
        score = float_number(text)
    stored = db.get_or_create(key, SortedSet)
    old = stored.scores.get(member)
    if old is None:
        make_room(db, stored, member)
        stored.add(member, score)
        db.changed(key, "zadd")
        return 1
    if old != score:
        stored.move(member, old, score)
        db.changed(key, "zadd")
    return 0


def _add_many(db: Database, key: bytes, arguments: tuple[bytes, ...]) -> Any:
    options: set[bytes] = set()
    start = 0
    while start < len(arguments) and (word := arguments[start].upper()) in ADD_OPTIONS:
        options.add(word)
        start += 1
    count, odd = divmod(len(arguments) - start, 2)
    if odd or not count:
        raise SyntaxFault
    if options >= {b"NX", b"XX"}:
        raise RedisError("ERR XX and NX options at the same time are not compatible")
    if len(options & {b"NX", b"GT", b"LT"}) > 1:
        raise RedisError("ERR GT, LT, and/or NX options at the same time are not compatible")
    if b"INCR" in options and count > 1:
        raise RedisError("ERR INCR option supports a single increment-element pair")
    scores = list(map(float_number, arguments[start::2]))
    if b"INCR" in options:
        return _increment(db, key, scores[0], arguments[start + 1], options)
    stored = db.write(key, SortedSet)
    if stored is None:
        if b"XX" in options:
            return 0
        stored = db.get_or_create(key, SortedSet)
        make_room(db, stored, arguments[start + 1])
    if count > db.engine.settings.zset_max_listpack_entries:
        stored.encoding = "skiplist"
    added = updated = 0
    for score, member in zip(scores, arguments[start + 1 :: 2], strict=True):
        old = stored.scores.get(member)
        if old is None:
            if b"XX" not in options:
                make_room(db, stored, member)
                stored.add(member, score)
                added += 1
        elif old != score and _may_change(old, score, options):
            stored.move(member, old, score)
            updated += 1
    if added or updated:
        db.changed(key, "zadd", added + updated)
    return added + updated if b"CH" in options else added


def _may_change(old: float, new: float, options: set[bytes]) -> bool:
    return not (b"NX" in options or (b"GT" in options and new <= old) or (b"LT" in options and new >= old))


def _increment(db: Database, key: bytes, amount: float, member: bytes, options: set[bytes]) -> float | None:
    """Add `amount` to the score of `member`; None when `options` forbid it."""
    stored = db.write(key, SortedSet)
    old = None if stored is None else stored.scores.get(member)
    if old is None:
        if b"XX" in options:
            return None
        stored = stored or db.get_or_create(key, SortedSet)
        make_room(db, stored, member)
        stored.add(member, amount)
        db.changed(key, "zincr")
        return amount
    assert stored is not None
    if b"NX" in options:
        return None
    score = old + amount
    if math.isnan(score):
        raise RedisError("ERR resulting score is not a number (NaN)")
    if not _may_change(old, score, options):
        return None
    if score != old:
        stored.move(member, old, score)
        db.changed(key, "zincr")
    return score


@command("ZINCRBY key increment member", WRITE | DENYOOM | FAST, since="1.2.0")
def zincrby(db: Database, key: bytes, increment: bytes, member: bytes) -> float | None:
    """Add to the score of a member, 0 when it is new; the new score.  O(log N)."""
    if increment.upper() in ADD_OPTIONS:  # to Redis this is ZADD INCR, whose option would have eaten the increment
        raise SyntaxFault
    return _increment(db, key, float_number(increment), member, set())


@command("ZREM key member [member ...]", WRITE | FAST, since="1.2.0")
def zrem(db: Database, key: bytes, *members: bytes) -> int:
    """Remove members; how many there were.  O(log N) for each."""
    stored = db.write(key, SortedSet)
    if stored is None:
        return 0
    removed = sum(map(stored.remove, members))
    if removed:
        db.changed(key, "zrem", removed)
        db.removed_if_empty(key, stored)
    return removed


# -- asking -----------------------------------------------------------------------------------------------------------


@command("ZCARD key", READONLY | FAST, since="1.2.0")
def zcard(db: Database, key: bytes) -> int:
    """How many members there are.  O(1)."""
    stored = db.read(key, SortedSet)
    return 0 if stored is None else len(stored.scores)


@command("ZSCORE key member", READONLY | FAST, since="1.2.0")
def zscore(db: Database, key: bytes, member: bytes) -> float | None:
    """The score of a member.  O(1)."""
    stored = db.read(key, SortedSet)
    return None if stored is None else stored.scores.get(member)


@command("ZMSCORE key member [member ...]", READONLY | FAST, since="6.2.0")
def zmscore(db: Database, key: bytes, *members: bytes) -> list[float | None]:
    """The scores of many members, nil for who is not there.  O(N) in the members asked for."""
    stored = db.read(key, SortedSet)
    return [None] * len(members) if stored is None else list(map(stored.scores.get, members))


@command("ZRANK key member [WITHSCORE]", READONLY | FAST, since="2.0.0")
def zrank(db: Database, key: bytes, member: bytes, *options: bytes) -> Any:
    """How many members stand before this one, lowest score first.  O(log N)."""
    return _rank(db, "zrank", key, member, options)


@command("ZREVRANK key member [WITHSCORE]", READONLY | FAST, since="2.0.0")
def zrevrank(db: Database, key: bytes, member: bytes, *options: bytes) -> Any:
    """How many members stand before this one, highest score first.  O(log N)."""
    return _rank(db, "zrevrank", key, member, options)


def _rank(db: Database, name: str, key: bytes, member: bytes, options: tuple[bytes, ...]) -> Any:
    if len(options) > 1:
        raise RedisError(f"ERR wrong number of arguments for '{name}' command")
    if options and options[0].upper() != b"WITHSCORE":
        raise SyntaxFault
    stored = db.read(key, SortedSet)
    rank = None if stored is None else stored.rank(member)
    if stored is None or rank is None:
        return NULL_ARRAY if options else None
    if name == "zrevrank":
        rank = len(stored) - 1 - rank
    return [rank, stored.scores[member]] if options else rank


@command("ZRANDMEMBER key [count [WITHSCORES]]", READONLY, since="6.2.0")
def zrandmember(db: Database, key: bytes, *options: bytes) -> Any:
    """A random member; `count` different ones, or, where it is negative, one after another.  O(N) in the answer.

    Where Redis draws from its hash table, we draw a position in the order, which is quite uniform.
    """
    if not options:
        stored = db.read(key, SortedSet)
        return None if stored is None else stored.order[db.engine.random.randrange(len(stored))][1]
    limit_error = "ERR value is out of range, value must between -9223372036854775807 and 9223372036854775807"
    count = integer(options[0])
    if count == INT64_MIN:
        raise RedisError(limit_error)
    if len(options) > 2 or (len(options) == 2 and options[1].upper() != b"WITHSCORES"):
        raise SyntaxFault
    if len(options) == 2 and not INT64_MIN // 2 <= count <= INT64_MAX // 2:
        raise RedisError("ERR value is out of range")
    stored = db.read(key, SortedSet)
    if stored is None or not count:
        return []
    random, order = db.engine.random, stored.order
    if count < 0:
        picked = [order[random.randrange(len(order))] for _ in range(-count)]
    elif count >= len(order):
        picked = list(order)
    else:
        picked = [order[position] for position in random.sample(range(len(order)), count)]
    return with_scores(picked) if len(options) == 2 else [member for _, member in picked]


@command("ZSCAN key cursor [MATCH pattern] [COUNT count]", READONLY, since="2.8.0")
def zscan(db: Database, key: bytes, cursor: bytes, *words: bytes) -> list[object]:
    """Some members with their scores, and the cursor to go on with; 0 begins and ends.  O(1) a call, O(N) in all."""
    position = parse_cursor(cursor)
    stored = db.read(key, SortedSet)
    if stored is None:
        return scan_reply(0, [])
    options = parse_options(words)
    if stored.encoding == "listpack":
        found = [(member, format_float(score)) for score, member in stored.order]
        position = 0
    else:
        position, members = scan_buckets(stored.members_index(db.engine.bucket_seed).scan, position, options.count)
        found = [(member, b"%.17g" % stored.scores[member]) for member in members]  # as Redis: not the shortest text
    return scan_reply(position, [word for pair in found if options.fits(pair[0]) for word in pair])


def with_scores(pairs: Sequence[Pair]) -> Pairs:
    """The reply to WITHSCORES: member first."""
    return Pairs([(member, score) for score, member in pairs])


# -- popping ----------------------------------------------------------------------------------------------------------


@command("ZPOPMIN key [count]", WRITE | FAST, since="5.0.0")
def zpopmin(db: Database, key: bytes, *count: bytes) -> Any:
    """Remove and return the members with the lowest scores.  O(log N) for each."""
    return _pop(db, "zpopmin", key, count)


@command("ZPOPMAX key [count]", WRITE | FAST, since="5.0.0")
def zpopmax(db: Database, key: bytes, *count: bytes) -> Any:
    """Remove and return the members with the highest scores.  O(log N) for each."""
    return _pop(db, "zpopmax", key, count)


def _pop(db: Database, name: str, key: bytes, count: tuple[bytes, ...]) -> Any:
    if len(count) > 1:
        raise SyntaxFault
    wanted = 1
    if count:
        wanted = integer_between(count[0], 0, INT64_MAX, "ERR value is out of range, must be positive")
    stored = db.write(key, SortedSet)
    if stored is None or not wanted:
        return []
    taken = _take(db, name, key, stored, wanted)
    return with_scores(taken) if count else [taken[0][1], taken[0][0]]


def _take(db: Database, name: str, key: bytes, stored: SortedSet, count: int) -> list[Pair]:
    size = len(stored)
    if name == "zpopmin":
        taken = stored.remove_slice(0, min(count, size))
    else:
        taken = stored.remove_slice(max(size - count, 0), size)[::-1]
    db.changed(key, name, len(taken))
    db.removed_if_empty(key, stored)
    return taken


@command("ZMPOP numkeys key [key ...] <MIN | MAX> [COUNT count]", WRITE, since="7.0.0", keys=counted_keys(1))
def zmpop(db: Database, *arguments: bytes) -> Any:
    """Pop from the first of the keys that holds members.  O(K) + O(M*log N), K keys, M members popped."""
    keys, name, count = _multi_pop_arguments(arguments)
    return _multi_pop(db, keys, name, count) or NULL_ARRAY


@command(
    "BZMPOP timeout numkeys key [key ...] <MIN | MAX> [COUNT count]",
    WRITE | BLOCKING,
    since="7.0.0",
    keys=counted_keys(2),
)
def bzmpop(db: Database, timeout: bytes, *arguments: bytes) -> Any:
    """ZMPOP that waits for a member to come.  O(K) + O(M*log N), K keys, M members popped."""
    keys, name, count = _multi_pop_arguments(arguments)
    wait_ms = timeout_ms(timeout)
    return _multi_pop(db, keys, name, count) or Wait(keys, wait_ms, SortedSet)


def _multi_pop_arguments(arguments: tuple[bytes, ...]) -> tuple[tuple[bytes, ...], str, int]:
    """(keys, zpopmin or zpopmax, count)"""
    number = integer_between(arguments[0], 1, INT64_MAX, "ERR numkeys should be greater than 0")
    if number + 1 >= len(arguments):
        raise SyntaxFault
    keys, end, options = arguments[1 : number + 1], arguments[number + 1].upper(), arguments[number + 2 :]
    if end not in (b"MIN", b"MAX"):
        raise SyntaxFault
    count = 1
    if options:
        if len(options) < 2 or options[0].upper() != b"COUNT":
            raise SyntaxFault
        count = integer_between(options[1], 1, INT64_MAX, "ERR count should be greater than 0")
        if len(options) > 2:
            raise SyntaxFault
    return keys, "zpopmin" if end == b"MIN" else "zpopmax", count


def _multi_pop(db: Database, keys: Sequence[bytes], name: str, count: int) -> list[Any] | None:
    for key in keys:
        if (stored := db.write(key, SortedSet)) is not None:
            taken = _take(db, name, key, stored, count)
            db.engine.propagate_instead(db.index, [name.upper().encode(), key, b"%d" % len(taken)])
            return [key, [[member, score] for score, member in taken]]
    return None


@command("BZPOPMIN key [key ...] timeout", WRITE | NOSCRIPT | BLOCKING | FAST, since="5.0.0")
def bzpopmin(db: Database, *arguments: bytes) -> Any:
    """Pop the lowest member of the first key that has one; wait for it if none has.  O(log N)."""
    return _blocking_pop(db, "zpopmin", arguments)


@command("BZPOPMAX key [key ...] timeout", WRITE | NOSCRIPT | BLOCKING | FAST, since="5.0.0")
def bzpopmax(db: Database, *arguments: bytes) -> Any:
    """Pop the highest member of the first key that has one; wait for it if none has.  O(log N)."""
    return _blocking_pop(db, "zpopmax", arguments)


def _blocking_pop(db: Database, name: str, arguments: tuple[bytes, ...]) -> Any:
    *keys, timeout = arguments
    wait_ms = timeout_ms(timeout)
    for key in keys:
        if (stored := db.write(key, SortedSet)) is not None:
            ((score, member),) = _take(db, name, key, stored, 1)
            db.engine.propagate_instead(db.index, [name.upper().encode(), key])
            return [key, member, score]
    return Wait(keys, wait_ms, SortedSet)
