"""Hashes: fields and their values under one key.

HINCRBYFLOAT is written down as the HSET of its result, so that a log replayed on another machine rounds nothing.

Source: Redis 7.2 `t_hash.c`.
"""

from __future__ import annotations

from math import isinf
from typing import TYPE_CHECKING, Any

from miniredis.command import DENYOOM, FAST, READONLY, WRITE, command
from miniredis.commands.scanning import parse_cursor, parse_options, reply, scan_buckets
from miniredis.commands.sets import random_count
from miniredis.commands.strings import add_floats
from miniredis.errors import NotAFloat, RedisError, SyntaxFault, wrong_arity
from miniredis.numbers import INT64_MAX, INT64_MIN, integer, parse_float
from miniredis.values.hashes import Hash
from miniredis.wire.replies import OK, Pairs, Status

if TYPE_CHECKING:
    from miniredis.database import Database


# -- writing ------------------------------------------------------------------------------------------------------


@command("HSET key field value [field value ...]", WRITE | DENYOOM | FAST, since="2.0.0")
def hset(db: Database, key: bytes, *pairs: bytes) -> int:
    """Set fields, new or not; how many were new.  O(1) for each."""
    if len(pairs) % 2:
        raise wrong_arity("hset")
    return _set(db, key, pairs)


@command("HMSET key field value [field value ...]", WRITE | DENYOOM | FAST, since="2.0.0")
def hmset(db: Database, key: bytes, *pairs: bytes) -> Status:
    """HSET as it was before it took many fields.  O(1) for each."""
    if len(pairs) % 2:
        raise wrong_arity("hmset")
    _set(db, key, pairs)
    return OK


def _set(db: Database, key: bytes, pairs: tuple[bytes, ...]) -> int:
    added = db.get_or_create(key, Hash).put(pairs, db.engine.settings)
    db.changed(key, "hset", len(pairs) // 2)
    return added


@command("HSETNX key field value", WRITE | DENYOOM | FAST, since="2.0.0")
def hsetnx(db: Database, key: bytes, field: bytes, value: bytes) -> int:
    """Set a field that is not there yet; 1 when it was set.  O(1)."""
    stored = db.write(key, Hash)
    if stored is not None and field in stored:
        return 0
    return _set(db, key, (field, value))


@command("HDEL key field [field ...]", WRITE | FAST, since="2.0.0")
def hdel(db: Database, key: bytes, *fields: bytes) -> int:
    """Remove fields; how many there were.  O(1) for each."""
    stored = db.write(key, Hash)
    if stored is None:
        return 0
    removed = sum(map(stored.remove, fields))
    if removed:
        db.changed(key, "hdel", removed)
        db.removed_if_empty(key, stored)
    return removed


@command("HINCRBY key field increment", WRITE | DENYOOM | FAST, since="2.0.0")
def hincrby(db: Database, key: bytes, field: bytes, increment: bytes) -> int:
    """Add to the integer in a field, 0 when it is new; the new value.  O(1)."""
    amount = integer(increment)
    stored = db.write(key, Hash)
    old = None if stored is None else stored.get(field)
    number = (0 if old is None else integer(old, "ERR hash value is not an integer")) + amount
    if not INT64_MIN <= number <= INT64_MAX:
        raise RedisError("ERR increment or decrement would overflow")
    db.get_or_create(key, Hash).put((field, b"%d" % number), db.engine.settings)
    db.changed(key, "hincrby")
    return number


@command("HINCRBYFLOAT key field increment", WRITE | DENYOOM | FAST, since="2.6.0")
def hincrbyfloat(db: Database, key: bytes, field: bytes, increment: bytes) -> bytes:
    """Add a number with a fraction to that in a field, 0 when it is new; the new value as text.  O(1)."""
    amount = parse_float(increment)
    if amount is not None and isinf(amount) and b"inf" in increment.lower():
        raise RedisError("ERR value is NaN or Infinity")
    add_floats(b"0", increment)  # its own faults come before those of the field
    stored = db.write(key, Hash)
    old = None if stored is None else stored.get(field)
    try:
        text = add_floats(b"0" if old is None else old, increment)
    except NotAFloat:
        raise RedisError("ERR hash value is not a float") from None
    db.get_or_create(key, Hash).put((field, text), db.engine.settings)
    db.changed(key, "hincrbyfloat")
    db.engine.propagate_instead(db.index, (b"HSET", key, field, text))
    return text


# -- reading ------------------------------------------------------------------------------------------------------


@command("HGET key field", READONLY | FAST, since="2.0.0")
def hget(db: Database, key: bytes, field: bytes) -> bytes | None:
    """The value of a field.  O(1)."""
    stored = db.read(key, Hash)
    return None if stored is None else stored.get(field)


@command("HMGET key field [field ...]", READONLY | FAST, since="2.0.0")
def hmget(db: Database, key: bytes, *fields: bytes) -> list[bytes | None]:
    """The values of many fields, nil for what is not there.  O(N) in the fields asked for."""
    stored = db.read(key, Hash)
    return [None] * len(fields) if stored is None else list(map(stored.get, fields))


@command("HEXISTS key field", READONLY | FAST, since="2.0.0")
def hexists(db: Database, key: bytes, field: bytes) -> int:
    """Whether there is a field.  O(1)."""
    stored = db.read(key, Hash)
    return 0 if stored is None else int(field in stored)


@command("HLEN key", READONLY | FAST, since="2.0.0")
def hlen(db: Database, key: bytes) -> int:
    """How many fields there are.  O(1)."""
    stored = db.read(key, Hash)
    return 0 if stored is None else len(stored)


@command("HSTRLEN key field", READONLY | FAST, since="3.2.0")
def hstrlen(db: Database, key: bytes, field: bytes) -> int:
    """The length of a field's value in bytes, 0 when there is none.  O(1)."""
    stored = db.read(key, Hash)
    return 0 if stored is None else len(stored.get(field, b""))


@command("HKEYS key", READONLY, since="2.0.0")
def hkeys(db: Database, key: bytes) -> list[bytes]:
    """All fields.  O(N) in them."""
    stored = db.read(key, Hash)
    return [] if stored is None else list(stored)


@command("HVALS key", READONLY, since="2.0.0")
def hvals(db: Database, key: bytes) -> list[bytes]:
    """All values.  O(N) in them."""
    stored = db.read(key, Hash)
    return [] if stored is None else list(stored.values())


@command("HGETALL key", READONLY, since="2.0.0")
def hgetall(db: Database, key: bytes) -> dict[bytes, bytes]:
    """All fields with their values.  O(N) in them."""
    stored = db.read(key, Hash)
    return {} if stored is None else dict(stored)


@command("HSCAN key cursor [MATCH pattern] [COUNT count]", READONLY, since="2.8.0")
def hscan(db: Database, key: bytes, cursor: bytes, *words: bytes) -> list[object]:
    """Some fields with their values, and the cursor to go on with; 0 when that was all.  O(1) for each call, O(N) for
    all of them."""
    start = parse_cursor(cursor)
    stored = db.read(key, Hash)
    if stored is None:
        return reply(0, [])
    options = parse_options(words)
    if stored.encoding == "hashtable":
        following, found = scan_buckets(stored.indexed(db.engine.bucket_seed).scan, start, options.count)
    else:
        following, found = 0, list(stored)
    return reply(following, [word for field in found if options.fits(field) for word in (field, stored[field])])


@command("HRANDFIELD key [count [WITHVALUES]]", READONLY, since="6.2.0")
def hrandfield(db: Database, key: bytes, *options: bytes) -> Any:
    """A random field; `count` different ones, or, where it is negative, one after another.  O(N) in the answer."""
    random, seed = db.engine.random, db.engine.bucket_seed
    if not options:
        stored = db.read(key, Hash)
        return None if stored is None else stored.pick(random, seed)
    count = random_count(options[0])
    if len(options) > 2 or (len(options) == 2 and options[1].upper() != b"WITHVALUES"):
        raise SyntaxFault
    if len(options) == 2 and abs(count) > INT64_MAX // 2:
        raise RedisError("ERR value is out of range")
    stored = db.read(key, Hash)
    if stored is None or not count:
        return []
    if count < 0:
        fields = stored.picks(random, -count, seed)
    else:
        fields = list(stored) if count >= len(stored) else list(stored.sample(random, count, seed))
    return Pairs([(field, stored[field]) for field in fields]) if len(options) == 2 else fields
