"""Lists: quick at both ends, and the place where clients wait for work.

The blocking commands are the plain ones and a `Wait`: a command that finds nothing says what it waits for, and is run
again when that appears (blocking.py).  They are written down as the pop that happened: the log must not wait.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any

from miniredis.blocking import Wait, timeout_ms
from miniredis.command import BLOCKING, DENYOOM, FAST, NOSCRIPT, READONLY, WRITE, command
from miniredis.commands.options import counted_keys
from miniredis.errors import IndexOutOfRange, NoSuchKey, RedisError, SyntaxFault
from miniredis.numbers import INT64_MAX, integer, integer_between
from miniredis.values.lists import List
from miniredis.wire.replies import NULL_ARRAY, OK, Status

if TYPE_CHECKING:
    from miniredis.database import Database

LEFT, RIGHT = b"LEFT", b"RIGHT"
EVENTS = {(LEFT, "push"): "lpush", (RIGHT, "push"): "rpush", (LEFT, "pop"): "lpop", (RIGHT, "pop"): "rpop"}
LONG = 1 << 15  # elements that no `list-max-listpack-size` lets into one listpack
MUST_BE_POSITIVE = "ERR value is out of range, must be positive"


def side(text: bytes) -> bytes:
    """LEFT or RIGHT.  Raises SyntaxFault."""
    word = text.upper()
    if word == LEFT:
        return LEFT
    if word == RIGHT:
        return RIGHT
    raise SyntaxFault


# -- pushing ------------------------------------------------------------------------------------------------------


def _push(db: Database, key: bytes, elements: tuple[bytes, ...], where: bytes) -> int:
    stored = db.get_or_create(key, List)
    if stored.encoding == "listpack" or stored.packed_size is not None:
        stored.make_room(elements, db.engine.settings)
    if where is LEFT:
        stored.extendleft(elements)
        db.changed(key, "lpush", len(elements))
    else:
        stored.extend(elements)
        db.changed(key, "rpush", len(elements))
    return len(stored)


@command("LPUSH key element [element ...]", WRITE | DENYOOM | FAST)
def lpush(db: Database, key: bytes, *elements: bytes) -> int:
    """Put elements at the head, one after the other; the new length.  O(1) for each."""
    return _push(db, key, elements, LEFT)


@command("RPUSH key element [element ...]", WRITE | DENYOOM | FAST)
def rpush(db: Database, key: bytes, *elements: bytes) -> int:
    """Put elements at the tail; the new length.  O(1) for each."""
    return _push(db, key, elements, RIGHT)


@command("LPUSHX key element [element ...]", WRITE | DENYOOM | FAST, since="2.2.0")
def lpushx(db: Database, key: bytes, *elements: bytes) -> int:
    """LPUSH where there is a list already.  O(1) for each."""
    return 0 if db.write(key, List) is None else _push(db, key, elements, LEFT)


@command("RPUSHX key element [element ...]", WRITE | DENYOOM | FAST, since="2.2.0")
def rpushx(db: Database, key: bytes, *elements: bytes) -> int:
    """RPUSH where there is a list already.  O(1) for each."""
    return 0 if db.write(key, List) is None else _push(db, key, elements, RIGHT)


@command("LINSERT key <BEFORE | AFTER> pivot element", WRITE | DENYOOM, since="2.2.0")
def linsert(db: Database, key: bytes, where: bytes, pivot: bytes, element: bytes) -> int:
    """Put an element beside the first that equals `pivot`; the new length, -1 without a pivot.  O(N) to find it."""
    word = where.upper()
    if word not in (b"BEFORE", b"AFTER"):
        raise SyntaxFault
    stored = db.write(key, List)
    if stored is None:
        return 0
    try:
        at = stored.index(pivot)
    except ValueError:
        return -1
    stored.make_room((element,), db.engine.settings)
    stored.insert(at + (word == b"AFTER"), element)
    db.changed(key, "linsert")
    return len(stored)


# -- popping ------------------------------------------------------------------------------------------------------


def take(db: Database, key: bytes, stored: List, where: bytes, count: int) -> list[bytes]:
    """Pop up to `count` elements, tell so, and remove an empty list."""
    count = min(count, len(stored))
    pop = stored.popleft if where is LEFT else stored.pop
    taken = [pop() for _ in range(count)]
    db.changed(key, EVENTS[where, "pop"], count)
    if not db.removed_if_empty(key, stored):
        stored.give_back(taken, db.engine.settings)
    return taken


def _take_one(db: Database, key: bytes, stored: List, where: bytes) -> bytes:
    element = stored.popleft() if where is LEFT else stored.pop()
    db.changed(key, "lpop" if where is LEFT else "rpop")
    if not stored:
        db.removed_if_empty(key, stored)
    elif len(stored) < LONG or stored.packed_size is not None:
        stored.give_back((element,), db.engine.settings)
    return element


def _pop(db: Database, key: bytes, counts: tuple[bytes, ...], where: bytes, name: str) -> Any:
    if len(counts) > 1:
        raise RedisError(f"ERR wrong number of arguments for '{name}' command")
    if not counts:
        stored = db.write(key, List)
        return None if stored is None else _take_one(db, key, stored, where)
    count = integer_between(counts[0], 0, INT64_MAX, MUST_BE_POSITIVE)
    stored = db.write(key, List)
    if stored is None:
        return NULL_ARRAY
    return take(db, key, stored, where, count) if count else []


@command("LPOP key [count]", WRITE | FAST)
def lpop(db: Database, key: bytes, *count: bytes) -> Any:
    """Take elements from the head.  O(1) for each."""
    return _pop(db, key, count, LEFT, "lpop")


@command("RPOP key [count]", WRITE | FAST)
def rpop(db: Database, key: bytes, *count: bytes) -> Any:
    """Take elements from the tail.  O(1) for each."""
    return _pop(db, key, count, RIGHT, "rpop")


def _first_list(db: Database, keys: Sequence[bytes]) -> tuple[bytes, List] | None:
    """The first of `keys` that holds a list.  Raises WrongType at one that holds something else."""
    for key in keys:
        stored = db.write(key, List)
        if stored is not None:
            return key, stored
    return None


def _pop_or_wait(db: Database, arguments: tuple[bytes, ...], where: bytes) -> Any:
    *keys, timeout = arguments
    until_ms = timeout_ms(timeout)
    if (found := _first_list(db, keys)) is None:
        return Wait(keys, until_ms, List)
    key, stored = found
    (element,) = take(db, key, stored, where, 1)
    db.engine.propagate_instead(db.index, (b"LPOP" if where is LEFT else b"RPOP", key))
    return [key, element]


@command("BLPOP key [key ...] timeout", WRITE | NOSCRIPT | BLOCKING, since="2.0.0")
def blpop(db: Database, *arguments: bytes) -> Any:
    """Take the head of the first list that is there, or wait for one; [key, element].  O(N) in the keys."""
    return _pop_or_wait(db, arguments, LEFT)


@command("BRPOP key [key ...] timeout", WRITE | NOSCRIPT | BLOCKING, since="2.0.0")
def brpop(db: Database, *arguments: bytes) -> Any:
    """Take the tail of the first list that is there, or wait for one; [key, element].  O(N) in the keys."""
    return _pop_or_wait(db, arguments, RIGHT)


def _parse_mpop(words: Sequence[bytes]) -> tuple[Sequence[bytes], bytes, int]:
    """`numkeys key ... LEFT|RIGHT [COUNT n]`: keys, side, count."""
    numkeys = integer_between(words[0], 1, INT64_MAX, "ERR numkeys should be greater than 0")
    if numkeys + 1 >= len(words):
        raise SyntaxFault
    keys, where, options = words[1 : 1 + numkeys], side(words[1 + numkeys]), words[2 + numkeys :]
    count = None
    for at in range(0, len(options), 2):
        if count is not None or options[at].upper() != b"COUNT" or at + 1 == len(options):
            raise SyntaxFault
        count = integer_between(options[at + 1], 1, INT64_MAX, "ERR count should be greater than 0")
    return keys, where, count or 1


def _mpop(db: Database, keys: Sequence[bytes], where: bytes, count: int) -> Any:
    found = _first_list(db, keys)
    if found is None:
        return None
    key, stored = found
    taken = take(db, key, stored, where, count)
    db.engine.propagate_instead(db.index, (b"LPOP" if where is LEFT else b"RPOP", key, b"%d" % len(taken)))
    return [key, taken]


@command("LMPOP numkeys key [key ...] <LEFT | RIGHT> [COUNT count]", WRITE, since="7.0.0", keys=counted_keys(1))
def lmpop(db: Database, *words: bytes) -> Any:
    """Take elements from the first list that is there; [key, elements].  O(N+M) in keys and elements."""
    keys, where, count = _parse_mpop(words)
    reply = _mpop(db, keys, where, count)
    return NULL_ARRAY if reply is None else reply


@command(
    "BLMPOP timeout numkeys key [key ...] <LEFT | RIGHT> [COUNT count]",
    WRITE | BLOCKING,
    since="7.0.0",
    keys=counted_keys(2),
)
def blmpop(db: Database, timeout: bytes, *words: bytes) -> Any:
    """LMPOP that waits where nothing is there.  O(N+M) in keys and elements."""
    until_ms = timeout_ms(timeout)
    keys, where, count = _parse_mpop(words)
    reply = _mpop(db, keys, where, count)
    return Wait(list(keys), until_ms, List) if reply is None else reply


# -- moving -------------------------------------------------------------------------------------------------------


def _move(db: Database, source: bytes, destination: bytes, take_from: bytes, put_to: bytes) -> bytes | None:
    stored = db.write(source, List)
    if stored is None:
        return None
    target = stored if source == destination else db.write(destination, List)
    settings = db.engine.settings
    element = stored.popleft() if take_from is LEFT else stored.pop()
    if stored is not target:
        stored.give_back((element,), settings)
        if target is None:
            target = db.get_or_create(destination, List)
        target.make_room((element,), settings)
    if put_to is LEFT:
        target.appendleft(element)
    else:
        target.append(element)
    db.changed(destination, EVENTS[put_to, "push"])
    db.changed(source, EVENTS[take_from, "pop"], 0)
    db.removed_if_empty(source, stored)
    return element


@command("LMOVE source destination <LEFT | RIGHT> <LEFT | RIGHT>", WRITE | DENYOOM, since="6.2.0")
def lmove(db: Database, source: bytes, destination: bytes, take_from: bytes, put_to: bytes) -> bytes | None:
    """Move an element from an end of one list to an end of another; the element.  O(1)."""
    return _move(db, source, destination, side(take_from), side(put_to))


@command("RPOPLPUSH source destination", WRITE | DENYOOM, since="1.2.0")
def rpoplpush(db: Database, source: bytes, destination: bytes) -> bytes | None:
    """Move the tail of one list to the head of another; the element.  O(1)."""
    return _move(db, source, destination, RIGHT, LEFT)


def _move_or_wait(
    db: Database, source: bytes, destination: bytes, take_from: bytes, put_to: bytes, timeout: bytes
) -> Any:
    until_ms = timeout_ms(timeout)
    element = _move(db, source, destination, take_from, put_to)
    if element is None:
        return Wait((source,), until_ms, List, timeout_reply=None)
    db.engine.propagate_instead(db.index, (b"LMOVE", source, destination, take_from, put_to))
    return element


@command(
    "BLMOVE source destination <LEFT | RIGHT> <LEFT | RIGHT> timeout",
    WRITE | DENYOOM | NOSCRIPT | BLOCKING,
    since="6.2.0",
)
def blmove(db: Database, source: bytes, destination: bytes, take_from: bytes, put_to: bytes, timeout: bytes) -> Any:
    """LMOVE that waits for the source.  O(1)."""
    return _move_or_wait(db, source, destination, side(take_from), side(put_to), timeout)


@command("BRPOPLPUSH source destination timeout", WRITE | DENYOOM | NOSCRIPT | BLOCKING, since="2.2.0")
def brpoplpush(db: Database, source: bytes, destination: bytes, timeout: bytes) -> Any:
    """RPOPLPUSH that waits for the source.  O(1)."""
    until_ms = timeout_ms(timeout)
    element = _move(db, source, destination, RIGHT, LEFT)
    if element is None:
        return Wait((source,), until_ms, List, timeout_reply=None)
    db.engine.propagate_instead(db.index, (b"RPOPLPUSH", source, destination))
    return element


# -- looking ------------------------------------------------------------------------------------------------------


@command("LLEN key", READONLY | FAST)
def llen(db: Database, key: bytes) -> int:
    """The length of a list, 0 when there is none.  O(1)."""
    stored = db.read(key, List)
    return 0 if stored is None else len(stored)


@command("LINDEX key index", READONLY)
def lindex(db: Database, key: bytes, index: bytes) -> bytes | None:
    """The element at a position, negative ones counted from the tail.  O(N/64) to the position."""
    stored = db.read(key, List)
    if stored is None:
        return None
    at = integer(index)
    return stored[at] if -len(stored) <= at < len(stored) else None


@command("LRANGE key start stop", READONLY)
def lrange(db: Database, key: bytes, start: bytes, stop: bytes) -> list[bytes]:
    """The elements from `start` to `stop`, both included.  O(S+N): to the start, and in the answer."""
    first, last = integer(start), integer(stop)
    stored = db.read(key, List)
    if stored is None:
        return []
    size = len(stored)
    first = max(first + size, 0) if first < 0 else first
    last = last + size if last < 0 else min(last, size - 1)
    if first > last:
        return []
    if first <= size - 1 - last:
        return list(islice(stored, first, last + 1))
    found = list(islice(reversed(stored), size - 1 - last, size - first))
    found.reverse()
    return found


@command("LPOS key element [RANK rank] [COUNT num-matches] [MAXLEN len]", READONLY, since="6.0.6")
def lpos(db: Database, key: bytes, element: bytes, *options: bytes) -> Any:
    """Where an element stands; with COUNT, all places.  O(N)."""
    rank, count, length = 1, None, 0
    for at in range(0, len(options), 2):
        name = options[at].upper()
        if at + 1 == len(options):
            raise SyntaxFault
        value = options[at + 1]
        if name == b"RANK":
            rank = integer(value)
            if rank < -INT64_MAX:
                raise RedisError(f"ERR value is out of range, value must between {-INT64_MAX} and {INT64_MAX}")
            if rank == 0:
                raise RedisError(
                    "ERR RANK can't be zero: use 1 to start from the first match, 2 from the second ... or use "
                    "negative to start from the end of the list"
                )
        elif name == b"COUNT":
            count = integer_between(value, 0, INT64_MAX, "ERR COUNT can't be negative")
        elif name == b"MAXLEN":
            length = integer_between(value, 0, INT64_MAX, "ERR MAXLEN can't be negative")
        else:
            raise SyntaxFault
    stored = db.read(key, List)
    if stored is None:
        return [] if count is not None else None
    size = len(stored)
    walk = enumerate(stored) if rank > 0 else ((size - 1 - at, one) for at, one in enumerate(reversed(stored)))
    places = (at for at, one in islice(walk, length or size) if one == element)
    skipped = islice(places, abs(rank) - 1, None)
    if count is None:
        return next(skipped, None)
    return list(islice(skipped, count or None))


# -- changing in the middle ---------------------------------------------------------------------------------------


@command("LSET key index element", WRITE | DENYOOM)
def lset(db: Database, key: bytes, index: bytes, element: bytes) -> Status:
    """Replace the element at a position.  O(N/64) to the position."""
    stored = db.write(key, List)
    if stored is None:
        raise NoSuchKey
    at = integer(index)
    if not -len(stored) <= at < len(stored):
        raise IndexOutOfRange
    stored.make_room((element,), db.engine.settings)
    old = stored[at]
    stored[at] = element
    stored.give_back((old,), db.engine.settings)
    db.changed(key, "lset")
    return OK


@command("LREM key count element", WRITE)
def lrem(db: Database, key: bytes, count: bytes, element: bytes) -> int:
    """Remove elements that equal `element`: all, or so many from the head, or (negative) from the tail.  O(N)."""
    wanted = integer(count)
    stored = db.write(key, List)
    if stored is None:
        return 0
    limit = abs(wanted) or len(stored)
    source = stored if wanted >= 0 else reversed(stored)
    kept: list[bytes] = []
    removed = 0
    for one in source:
        if removed < limit and one == element:
            removed += 1
        else:
            kept.append(one)
    if not removed:
        return 0
    stored.clear()
    stored.extend(kept if wanted >= 0 else reversed(kept))
    db.changed(key, "lrem", removed)
    if not db.removed_if_empty(key, stored):
        stored.forget_size()
        stored.give_back((), db.engine.settings)
    return removed


@command("LTRIM key start stop", WRITE)
def ltrim(db: Database, key: bytes, start: bytes, stop: bytes) -> Status:
    """Keep only the elements from `start` to `stop`.  O(N) in what is removed."""
    first, last = integer(start), integer(stop)
    stored = db.write(key, List)
    if stored is None:
        return OK
    size = len(stored)
    first = max(first + size, 0) if first < 0 else first
    last = last + size if last < 0 else min(last, size - 1)
    before = min(first, size) if first <= last else size
    after = size - 1 - last if first <= last else 0
    for _ in range(before):
        stored.popleft()
    for _ in range(after):
        stored.pop()
    db.changed(key, "ltrim", before + after)
    if not db.removed_if_empty(key, stored):
        if before or after:
            stored.forget_size()
        stored.give_back((), db.engine.settings)
    return OK
