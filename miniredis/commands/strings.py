"""Strings: one value under one key, read, replaced, counted and cut.

The first chapter, and the pattern of the others: look the key up, work on plain Python values, `store` or change in
place, tell with `changed`, return the reply as a Python value.

Where a command's effect depends on the clock, on chance or on rounding, it says what is to be written down instead of
itself (`propagate_instead`): `SET k v EX 10` is logged as `SET k v PXAT 1700000010000`, so that replaying the log a day
later does not give the key another ten seconds.
"""

from __future__ import annotations

from decimal import Decimal, localcontext
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from miniredis.command import DENYOOM, FAST, READONLY, WRITE, command
from miniredis.commands.options import EXPIRY_UNITS, expiry_at_ms
from miniredis.errors import NotAFloat, NotAnInteger, RedisError, StringTooLong, SyntaxFault
from miniredis.numbers import INT64_MAX, INT64_MIN, integer, parse_float, parse_integer
from miniredis.wire.replies import OK, Status

if TYPE_CHECKING:
    from miniredis.database import Database


@command("GET key", READONLY | FAST)
def get(db: Database, key: bytes) -> bytes | bytearray | None:
    """The string at `key`.  O(1)."""
    return db.string(key)


@command(
    "SET key value [NX | XX] [GET] [EX seconds | PX milliseconds | EXAT unix-time-seconds | "
    "PXAT unix-time-milliseconds | KEEPTTL]",
    WRITE | DENYOOM,
)
def set_(db: Database, key: bytes, value: bytes, *options: bytes) -> Any:
    """Store `value` at `key`, whatever was there.  O(1)."""
    if not options:
        db.store(key, value)
        db.changed(key, "set")
        return OK
    condition = expiry = at_text = None
    want_old = keep_ttl = False
    remaining = iter(options)
    for option in remaining:
        word = option.upper()
        if word in (b"NX", b"XX") and condition in (None, word):
            condition = word
        elif word == b"GET":
            want_old = True
        elif word == b"KEEPTTL" and expiry is None:
            keep_ttl = True
        elif word in EXPIRY_UNITS and expiry in (None, word) and not keep_ttl:
            expiry, at_text = word, next(remaining, None)
            if at_text is None:
                raise SyntaxFault
        else:
            raise SyntaxFault
    at_ms = expiry_at_ms(db, "set", expiry, at_text) if expiry and at_text is not None else None
    old = db.string(key) if want_old else None
    exists = db.find_to_write(key) is not None
    if exists if condition == b"NX" else condition == b"XX" and not exists:
        return old
    _put(db, key, value, at_ms, keep_ttl=keep_ttl)
    return old if want_old else OK


def _put(db: Database, key: bytes, value: bytes, at_ms: int | None, *, keep_ttl: bool = False) -> None:
    """Store with an expiry, and write down the time it ends rather than the time it lasts."""
    if at_ms is not None and at_ms <= db.now_ms and not db.engine.loading:
        if db.delete(key):
            db.changed(key, "del")
            db.engine.propagate_instead(db.index, (b"DEL", key))
        return
    db.store(key, value, keep_ttl=keep_ttl)
    db.changed(key, "set")
    if at_ms is not None:
        db.set_expiry(key, at_ms)
        db.engine.notify("expire", key, db.index)
        db.engine.propagate_instead(db.index, (b"SET", key, value, b"PXAT", b"%d" % at_ms))


@command("SETNX key value", WRITE | DENYOOM | FAST)
def setnx(db: Database, key: bytes, value: bytes) -> int:
    """Store `value` only where there is no key yet; 1 when it was stored.  O(1)."""
    if db.find_to_write(key) is not None:
        return 0
    db.store(key, value)
    db.changed(key, "set")
    return 1


@command("SETEX key seconds value", WRITE | DENYOOM, since="2.0.0")
def setex(db: Database, key: bytes, seconds: bytes, value: bytes) -> Status:
    """Store `value` for so many seconds.  O(1)."""
    _put(db, key, value, expiry_at_ms(db, "setex", b"EX", seconds))
    return OK


@command("PSETEX key milliseconds value", WRITE | DENYOOM, since="2.6.0")
def psetex(db: Database, key: bytes, milliseconds: bytes, value: bytes) -> Status:
    """Store `value` for so many milliseconds.  O(1)."""
    _put(db, key, value, expiry_at_ms(db, "psetex", b"PX", milliseconds))
    return OK


@command("MSET key value [key value ...]", WRITE | DENYOOM, since="1.0.1")
def mset(db: Database, *pairs: bytes) -> Status:
    """Store many values at once.  O(N) in the keys."""
    if len(pairs) % 2:
        raise RedisError("ERR wrong number of arguments for 'mset' command")
    db.store_strings(pairs)
    return OK


@command("MSETNX key value [key value ...]", WRITE | DENYOOM, since="1.0.1")
def msetnx(db: Database, *pairs: bytes) -> int:
    """Store many values, or none when any of the keys exists.  O(N) in the keys."""
    if len(pairs) % 2:
        raise RedisError("ERR wrong number of arguments for 'msetnx' command")
    if any(db.find_to_write(key) is not None for key in pairs[::2]):
        return 0
    mset(db, *pairs)
    return 1


@command("MGET key [key ...]", READONLY | FAST)
def mget(db: Database, *keys: bytes) -> list[bytes | bytearray | None]:
    """The strings at many keys, nil where there is none.  O(N) in the keys."""
    values = map(db.find, keys)
    return [value if isinstance(value, (bytes, bytearray)) else None for value in values]


@command("GETSET key value", WRITE | DENYOOM | FAST)
def getset(db: Database, key: bytes, value: bytes) -> bytes | bytearray | None:
    """Store `value`, answer what was there before.  O(1)."""
    old = db.string(key)
    db.store(key, value)
    db.changed(key, "set")
    db.engine.propagate_instead(db.index, (b"SET", key, value))
    return old


@command("GETDEL key", WRITE | FAST, since="6.2.0")
def getdel(db: Database, key: bytes) -> bytes | bytearray | None:
    """The string at `key`, which is then gone.  O(1)."""
    value = db.string(key)
    if value is not None:
        db.delete(key)
        db.changed(key, "del")
        db.engine.propagate_instead(db.index, (b"DEL", key))
    return value


@command(
    "GETEX key [EX seconds | PX milliseconds | EXAT unix-time-seconds | PXAT unix-time-milliseconds | PERSIST]",
    WRITE | FAST,
    since="6.2.0",
)
def getex(db: Database, key: bytes, *options: bytes) -> bytes | bytearray | None:
    """The string at `key`, whose time to live is set anew or taken away.  O(1)."""
    word = options[0].upper() if options else b""
    persist = word == b"PERSIST" and len(options) == 1
    if options and not persist and not (word in EXPIRY_UNITS and len(options) == 2):
        raise SyntaxFault
    value = db.string(key)
    if value is None:
        return None
    if persist:
        if db.persist(key):
            db.changed(key, "persist")
            db.engine.propagate_instead(db.index, (b"PERSIST", key))
    elif options:
        at_ms = expiry_at_ms(db, "getex", word, options[1])
        if at_ms <= db.now_ms and not db.engine.loading:
            db.delete(key)
            db.changed(key, "del")
            db.engine.propagate_instead(db.index, (b"DEL", key))
        else:
            db.set_expiry(key, at_ms)
            db.changed(key, "expire")
            db.engine.propagate_instead(db.index, (b"PEXPIREAT", key, b"%d" % at_ms))
    return value


@command("STRLEN key", READONLY | FAST, since="2.2.0")
def strlen(db: Database, key: bytes) -> int:
    """The length of the string at `key` in bytes, 0 when there is none.  O(1)."""
    value = db.string(key)
    return 0 if value is None else len(value)


@command("APPEND key value", WRITE | DENYOOM | FAST, since="2.0.0")
def append(db: Database, key: bytes, tail: bytes) -> int:
    """Add `tail` at the end; the new length.  O(1) amortised."""
    value = db.string_to_write(key)
    if value is None:
        db.store(key, tail)
        size = len(tail)
    else:
        size = len(value) + len(tail)
        check_length(db, size)
        changeable(db, key, value).extend(tail)
    db.changed(key, "append")
    return size


def changeable(db: Database, key: bytes, value: bytes | bytearray) -> bytearray:
    """The string at `key` as one that can be changed in place, stored as such."""
    if type(value) is bytearray:
        return value
    value = bytearray(value)
    db.store(key, value, keep_ttl=True)
    return value


def check_length(db: Database, size: int) -> None:
    if size > db.engine.settings.proto_max_bulk_len:
        raise StringTooLong


@command("SETRANGE key offset value", WRITE | DENYOOM, since="2.2.0")
def setrange(db: Database, key: bytes, offset: bytes, patch: bytes) -> int:
    """Overwrite from `offset` on, padding with zero bytes; the new length.  O(N) in `value`."""
    start = integer(offset)
    if start < 0:
        raise RedisError("ERR offset is out of range")
    value = db.string_to_write(key)
    if not patch:
        return 0 if value is None else len(value)
    check_length(db, start + len(patch))
    buffer = changeable(db, key, b"" if value is None else value)
    if len(buffer) < start:
        buffer.extend(bytes(start - len(buffer)))
    buffer[start : start + len(patch)] = patch
    db.changed(key, "setrange")
    return len(buffer)


@command("GETRANGE key start end", READONLY, since="2.4.0")
def getrange(db: Database, key: bytes, start: bytes, end: bytes) -> bytes:
    """The bytes from `start` to `end`, both included, negative ones counted from the end.  O(N) in the answer."""
    first, last = integer(start), integer(end)
    value = db.string(key)
    if value is None or (first < 0 and last < 0 and first > last):
        return b""
    size = len(value)
    first = max(first + size, 0) if first < 0 else first
    last = max(last + size, 0) if last < 0 else min(last, size - 1)
    return bytes(value[first : last + 1])


@command("SUBSTR key start end", READONLY)
def substr(db: Database, key: bytes, start: bytes, end: bytes) -> bytes:
    """GETRANGE by its first name.  O(N) in the answer."""
    return getrange(db, key, start, end)


def _increment(db: Database, key: bytes, amount: int) -> int:
    value = db.string_to_write(key)
    number = 0 if value is None else parse_integer(value)
    if number is None:
        raise NotAnInteger
    number += amount
    if not INT64_MIN <= number <= INT64_MAX:
        raise RedisError("ERR increment or decrement would overflow")
    db.store(key, b"%d" % number, keep_ttl=True)
    db.changed(key, "incrby")
    return number


@command("INCR key", WRITE | DENYOOM | FAST)
def incr(db: Database, key: bytes) -> int:
    """Add one; the new value.  O(1)."""
    return _increment(db, key, 1)


@command("DECR key", WRITE | DENYOOM | FAST)
def decr(db: Database, key: bytes) -> int:
    """Take one away; the new value.  O(1)."""
    return _increment(db, key, -1)


@command("INCRBY key increment", WRITE | DENYOOM | FAST)
def incrby(db: Database, key: bytes, increment: bytes) -> int:
    """Add `increment`; the new value.  O(1)."""
    return _increment(db, key, integer(increment))


@command("DECRBY key decrement", WRITE | DENYOOM | FAST)
def decrby(db: Database, key: bytes, decrement: bytes) -> int:
    """Take `decrement` away; the new value.  O(1)."""
    amount = integer(decrement)
    if amount == INT64_MIN:
        raise RedisError("ERR decrement would overflow")
    return _increment(db, key, -amount)


@command("INCRBYFLOAT key increment", WRITE | DENYOOM | FAST, since="2.6.0")
def incrbyfloat(db: Database, key: bytes, increment: bytes) -> bytes:
    """Add a number with a fraction; the new value as text.  O(1)."""
    value = db.string_to_write(key)
    text = add_floats(b"0" if value is None else bytes(value), increment)
    db.store(key, text, keep_ttl=True)
    db.changed(key, "incrbyfloat")
    db.engine.propagate_instead(db.index, (b"SET", key, text, b"KEEPTTL"))
    return text


LONG_DOUBLE_LIMIT = Fraction(2) ** 16384
LONG_DOUBLE_LEAST = Fraction(1, 2**16446)  # what is not larger, but not 0, cannot be told from it
LONG_DOUBLE_TEXT_MAX = 5 * 1024


def add_floats(number: bytes, increment: bytes) -> bytes:
    """The sum as Redis computes and prints it, also for HINCRBYFLOAT.

    C adds `long double`s of 64 bits mantissa and prints 17 decimals without trailing zeros.  Python has no such type,
    so both numbers are taken as exact fractions and rounded to 64 bits as the hardware would.
    """
    exact = [_long_double(text) for text in (number, increment)]
    total = _round_to_long_double(sum(part for part in exact if part is not None) + Fraction(0))
    if None in exact or abs(total) >= LONG_DOUBLE_LIMIT:
        raise RedisError("ERR increment would produce NaN or Infinity")
    with localcontext() as context:
        context.prec = 5000
        text = f"{Decimal(total.numerator) / Decimal(total.denominator):.17f}"
    text = text.rstrip("0").rstrip(".") if "." in text else text
    return b"0" if text == "-0" else text.encode()


def _long_double(text: bytes) -> Fraction | None:
    """The number as C's strtold reads it; None for an infinity.  Raises NotAFloat."""
    approximate = parse_float(text) if len(text) < LONG_DOUBLE_TEXT_MAX else None
    if approximate is None:
        raise NotAFloat
    lower = text.lower()
    if b"inf" in lower:
        return None
    if b"x" in lower:
        return Fraction(approximate)
    exponent = int(lower.partition(b"e")[2] or 0)
    if abs(exponent) > 2 * LONG_DOUBLE_TEXT_MAX:  # do not compute what cannot be kept
        if lower.partition(b"e")[0].strip(b"+-0."):
            raise NotAFloat
        return Fraction(0)
    exact = _round_to_long_double(Fraction(text.decode()))
    if abs(exact) >= LONG_DOUBLE_LIMIT or 0 < abs(exact) <= LONG_DOUBLE_LEAST:
        raise NotAFloat
    return exact


def _round_to_long_double(value: Fraction) -> Fraction:
    """To the nearest number of 64 significant bits, ties to even."""
    if not value:
        return value
    shift = 64 - (abs(value.numerator).bit_length() - value.denominator.bit_length())
    scaled = value * Fraction(2) ** shift
    while abs(scaled) >= 2**64:
        shift -= 1
        scaled /= 2
    return Fraction(round(scaled)) / Fraction(2) ** shift


@command("LCS key1 key2 [LEN] [IDX] [MINMATCHLEN min-match-len] [WITHMATCHLEN]", READONLY, since="7.0.0")
def lcs(db: Database, key1: bytes, key2: bytes, *options: bytes) -> Any:
    """The longest common subsequence of two strings.  O(N*M)."""
    want_length = want_index = with_length = False
    shortest = 0
    remaining = iter(options)
    for option in remaining:
        word = option.upper()
        if word == b"LEN":
            want_length = True
        elif word == b"IDX":
            want_index = True
        elif word == b"WITHMATCHLEN":
            with_length = True
        elif word == b"MINMATCHLEN" and (text := next(remaining, None)) is not None:
            shortest = max(integer(text), 0)
        else:
            raise SyntaxFault
    first, second = db.find(key1), db.find(key2)
    if any(value is not None and not isinstance(value, (bytes, bytearray)) for value in (first, second)):
        raise RedisError("ERR The specified keys must contain string values")
    if want_length and want_index:
        raise RedisError("ERR If you want both the length and indexes, please just use IDX.")
    left, right = bytes(first or b""), bytes(second or b"")
    table = _lcs_lengths(left, right)
    length = table[-1][-1]
    if want_length:
        return length
    text, matches = _lcs_walk(left, right, table)
    if not want_index:
        return text
    shown: list[list[Any]] = []
    for start1, end1, start2, end2 in matches:
        size = end1 - start1 + 1
        if size >= shortest:
            shown.append([[start1, end1], [start2, end2], *([size] if with_length else [])])
    return {b"matches": shown, b"len": length}


def _lcs_lengths(left: bytes, right: bytes) -> list[list[int]]:
    """table[i][j]: the length of the longest common subsequence of left[:i] and right[:j]."""
    table = [[0] * (len(right) + 1)]
    for byte in left:
        above, row = table[-1], [0]
        for column, other in enumerate(right):
            row.append(above[column] + 1 if byte == other else max(above[column + 1], row[column]))
        table.append(row)
    return table


def _lcs_walk(left: bytes, right: bytes, table: list[list[int]]) -> tuple[bytes, list[tuple[int, int, int, int]]]:
    """The subsequence, and its runs as (start, end, start, end) in both strings, the last run first."""
    text = bytearray()
    runs: list[tuple[int, int, int, int]] = []
    at, to = len(left), len(right)
    run: tuple[int, int, int, int] | None = None
    while at and to:
        if left[at - 1] == right[to - 1]:
            text.append(left[at - 1])
            at, to = at - 1, to - 1
            if run is not None and run[0] == at + 1 and run[2] == to + 1:
                run = (at, run[1], to, run[3])
            else:
                if run is not None:
                    runs.append(run)
                run = (at, at, to, to)
        elif table[at - 1][to] > table[at][to - 1]:
            at -= 1
        else:
            to -= 1
    if run is not None:
        runs.append(run)
    return bytes(reversed(text)), runs
