"""Bitmaps: a string seen as bits, or as integers of any width side by side.

Bit 0 is the highest of the first byte.  What lies beyond the end is 0, and a write there makes the string longer.
Large values are never walked bit by bit: counting and the logical operations take whole stretches as one Python
integer, a search skips with a regular expression over bytes that cannot hold what is sought.

Source: Redis 7.2 `bitops.c`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from miniredis.command import DENYOOM, FAST, READONLY, WRITE, command
from miniredis.commands.strings import changeable
from miniredis.errors import RedisError, SyntaxFault
from miniredis.numbers import integer, parse_integer

if TYPE_CHECKING:
    from miniredis.database import Database
    from miniredis.values.strings import String

CHUNK = 1 << 16  # bytes counted at a time


def _offset(db: Database, text: bytes, width: int = 0) -> int:
    """A bit offset; `#2` means two widths of an integer where `width` is given.  Raises RedisError."""
    scaled = bool(width) and text[:1] == b"#"
    offset = parse_integer(text[scaled:])
    if offset is not None and scaled:
        offset *= width
    if offset is None or offset < 0 or offset >> 3 >= db.engine.settings.proto_max_bulk_len:
        raise RedisError("ERR bit offset is not an integer or out of range")
    return offset


def _grown(db: Database, key: bytes, last_bit: int) -> tuple[bytearray, bool]:
    """The string at `key`, made changeable and long enough to hold `last_bit`; and whether it became longer."""
    value = db.string_to_write(key)
    missing = (last_bit >> 3) + 1 - (0 if value is None else len(value))
    buffer = changeable(db, key, b"" if value is None else value)
    if missing > 0:
        buffer.extend(bytes(missing))
    return buffer, missing > 0


# -- single bits ------------------------------------------------------------------------------------------------------


@command("SETBIT key offset value", WRITE | DENYOOM, since="2.2.0")
def setbit(db: Database, key: bytes, offset: bytes, value: bytes) -> int:
    """Set or clear a bit; what it was before.  O(1)."""
    position = _offset(db, offset)
    bit = parse_integer(value)
    if bit not in (0, 1):
        raise RedisError("ERR bit is not an integer or out of range")
    buffer, grown = _grown(db, key, position)
    mask = 0x80 >> (position & 7)
    old = 1 if buffer[position >> 3] & mask else 0
    if old != bit:
        buffer[position >> 3] ^= mask
    if grown or old != bit:
        db.changed(key, "setbit")
    return old


@command("GETBIT key offset", READONLY | FAST, since="2.2.0")
def getbit(db: Database, key: bytes, offset: bytes) -> int:
    """One bit, 0 beyond the end.  O(1)."""
    position = _offset(db, offset)
    value = db.string(key)
    if value is None or position >> 3 >= len(value):
        return 0
    return value[position >> 3] >> (7 - (position & 7)) & 1


# -- counting and searching -------------------------------------------------------------------------------------------


def _unit(options: Sequence[bytes]) -> int:
    """Bits in what a range counts: 8 for BYTE, the default, 1 for BIT."""
    if not options or options[0].upper() == b"BYTE":
        return 8
    if options[0].upper() == b"BIT":
        return 1
    raise SyntaxFault


def _bit_range(start: int, end: int | None, unit: int, size: int) -> tuple[int, int]:
    """First and last bit of the units `start` to `end` of a string of `size` bytes; negative ones count from there."""
    total = size * 8 // unit
    end = total - 1 if end is None else end
    start = max(start + total, 0) if start < 0 else start
    end = max(end + total, 0) if end < 0 else end
    return start * unit, min(end, total - 1) * unit + unit - 1


def count_bits(data: String, first: int, last: int) -> int:
    """How many of the bits `first` to `last` are set."""
    if first > last:
        return 0
    start, stop = first >> 3, (last >> 3) + 1
    with memoryview(data) as view:
        count = sum(
            int.from_bytes(view[at : min(at + CHUNK, stop)], "little").bit_count() for at in range(start, stop, CHUNK)
        )
    before = data[start] >> (8 - (first & 7))
    after = data[stop - 1] & ((0x80 >> (last & 7)) - 1)
    return count - before.bit_count() - after.bit_count()


@command("BITCOUNT key [start end [BYTE | BIT]]", READONLY, since="2.6.0")
def bitcount(db: Database, key: bytes, *options: bytes) -> int:
    """How many bits are set, in all or in a range.  O(N)."""
    value = db.string(key)
    if value is None:
        return 0
    if len(options) not in (0, 2, 3):
        raise SyntaxFault
    start, end = (integer(options[0]), integer(options[1])) if options else (0, -1)
    if start < 0 and end < 0 and start > end:
        return 0
    unit = _unit(options[2:])
    if not value:
        return 0
    return count_bits(value, *_bit_range(start, end, unit, len(value)))


HOLDS = {0: re.compile(rb"[^\xff]"), 1: re.compile(rb"[^\x00]")}
"""bit -> the next byte that holds it"""


def find_bit(data: String, bit: int, first: int, last: int) -> int:
    """The first of the bits `first` to `last` that is `bit`, -1 when none is."""
    flip = 0 if bit else 0xFF
    at = first >> 3
    found = (data[at] ^ flip) & (0xFF >> (first & 7))
    if not found:
        match = HOLDS[bit].search(data, at + 1, (last >> 3) + 1)
        if match is None:
            return -1
        at = match.start()
        found = data[at] ^ flip
    position = at * 8 + 8 - found.bit_length()
    return position if position <= last else -1


@command("BITPOS key bit [start [end [BYTE | BIT]]]", READONLY, since="2.8.7")
def bitpos(db: Database, key: bytes, bit: bytes, *options: bytes) -> int:
    """Where the first bit of a value stands, in all or in a range; -1 when there is none.  O(N).

    A search for 0 that is given no end may find it behind the last byte.
    """
    sought = integer(bit)
    if sought not in (0, 1):
        raise RedisError("ERR The bit argument must be 1 or 0.")
    value = db.string(key)
    if value is None:
        return -1 if sought else 0
    if len(options) > 3:
        raise SyntaxFault
    start = integer(options[0]) if options else 0
    unit = _unit(options[2:])
    end = integer(options[1]) if len(options) > 1 else None
    first, last = _bit_range(start, end, unit, len(value))
    if first > last:
        return -1
    position = find_bit(value, sought, first, last)
    return len(value) * 8 if position < 0 and not sought and end is None else position


# -- logical operations -----------------------------------------------------------------------------------------------


@command("BITOP operation destkey key [key ...]", WRITE | DENYOOM, since="2.6.0")
def bitop(db: Database, operation: bytes, destination: bytes, *keys: bytes) -> int:
    """Store AND, OR or XOR of strings, or NOT of one; the length of the result.  O(N)."""
    name = operation.upper()
    if name not in (b"AND", b"OR", b"XOR", b"NOT"):
        raise SyntaxFault
    if name == b"NOT" and len(keys) > 1:
        raise RedisError("ERR BITOP NOT must be called with a single source key.")
    values = [db.string(key) or b"" for key in keys]
    size = max(map(len, values))
    if not size:
        if db.delete(destination):
            db.changed(destination, "del")
        return 0
    # little-endian, so that shorter strings are padded at their ends
    result, *others = (int.from_bytes(value, "little") for value in values)
    for other in others:
        if name == b"AND":
            result &= other
        elif name == b"OR":
            result |= other
        else:
            result ^= other
    if name == b"NOT":
        result ^= (1 << size * 8) - 1
    db.store(destination, bytearray(result.to_bytes(size, "little")))
    db.changed(destination, "set")
    return size


# -- integers in bits -------------------------------------------------------------------------------------------------


class Field(NamedTuple):
    """One operation of BITFIELD on an integer of `width` bits at bit `offset`."""

    operation: bytes  # GET, SET, INCRBY
    overflow: bytes  # WRAP, SAT, FAIL
    signed: bool
    width: int
    offset: int
    number: int

    def read(self, data: String) -> int:
        start, stop = self.offset >> 3, (self.offset + self.width + 7) >> 3
        window = data[start:stop].ljust(stop - start, b"\0")
        number = int.from_bytes(window, "big") >> (stop * 8 - self.offset - self.width) & ((1 << self.width) - 1)
        return number - (1 << self.width) if self.signed and number >> (self.width - 1) else number

    def write(self, data: bytearray, number: int) -> None:
        start, stop = self.offset >> 3, (self.offset + self.width + 7) >> 3
        shift = stop * 8 - self.offset - self.width
        mask = (1 << self.width) - 1
        window = int.from_bytes(data[start:stop], "big") & ~(mask << shift) | (number & mask) << shift
        data[start:stop] = window.to_bytes(stop - start, "big")

    def fit(self, number: int) -> int | None:
        """`number` as far as the width allows: None where that is to FAIL."""
        low, high = (-1 << (self.width - 1), (1 << (self.width - 1)) - 1) if self.signed else (0, (1 << self.width) - 1)
        if low <= number <= high:
            return number
        if self.overflow == b"WRAP":
            return (number - low) % (1 << self.width) + low
        if self.overflow == b"SAT":
            return high if number > high else low
        return None


OPERANDS = {b"GET": 2, b"SET": 3, b"INCRBY": 3}


def _fields(db: Database, words: Sequence[bytes]) -> list[Field]:
    """Read the operations.  Raises RedisError."""
    fields: list[Field] = []
    overflow = b"WRAP"
    at = 0
    while at < len(words):
        word, left = words[at].upper(), len(words) - at - 1
        if word == b"OVERFLOW" and left:
            overflow = words[at + 1].upper()
            if overflow not in (b"WRAP", b"SAT", b"FAIL"):
                raise RedisError("ERR Invalid OVERFLOW type specified")
            at += 2
            continue
        if word not in OPERANDS or left < OPERANDS[word]:
            raise SyntaxFault
        signed, width = _integer_type(words[at + 1])
        offset = _offset(db, words[at + 2], width)
        number = 0 if word == b"GET" else integer(words[at + 3])
        if word == b"SET" and not signed:
            number %= 1 << 64  # C keeps it as an unsigned number: a negative one is too large, not too small
        fields.append(Field(word, overflow, signed, width, offset, number))
        at += 1 + OPERANDS[word]
    return fields


def _integer_type(text: bytes) -> tuple[bool, int]:
    """`u8` or `i16` as (signed, width).  Raises RedisError."""
    signed = text[:1] == b"i"
    width = parse_integer(text[1:]) if text[:1] in (b"i", b"u") else None
    if width is None or not 1 <= width <= (64 if signed else 63):
        raise RedisError(
            "ERR Invalid bitfield type. Use something like i16 u8. Note that u64 is not supported but i64 is."
        )
    return signed, width


@command(
    "BITFIELD key [GET encoding offset | [OVERFLOW <WRAP | SAT | FAIL>] <SET encoding offset value | "
    "INCRBY encoding offset increment> ...]",
    WRITE | DENYOOM,
    since="3.2.0",
)
def bitfield(db: Database, key: bytes, *words: bytes) -> list[int | None]:
    """Read, set and add to integers of any width within a string.  O(1) for each."""
    fields = _fields(db, words)
    written = [field.offset + field.width - 1 for field in fields if field.operation != b"GET"]
    if not written:
        value = db.string(key) or b""
        return [field.read(value) for field in fields]
    buffer, grown = _grown(db, key, max(written))
    replies: list[int | None] = []
    changes = 0
    for field in fields:
        old = field.read(buffer)
        if field.operation == b"GET":
            replies.append(old)
            continue
        adding = field.operation == b"INCRBY"
        new = field.fit(old + field.number if adding else field.number)
        if new is None:
            replies.append(None)
            continue
        replies.append(new if adding else old)
        field.write(buffer, new)
        changes += grown or new != old
    if changes:
        db.changed(key, "setbit", changes)
    return replies


@command("BITFIELD_RO key [GET encoding offset [GET encoding offset ...]]", READONLY | FAST, since="6.0.0")
def bitfield_ro(db: Database, key: bytes, *words: bytes) -> list[int]:
    """BITFIELD that may only GET.  O(1) for each."""
    fields = _fields(db, words)
    if any(field.operation != b"GET" for field in fields):
        raise RedisError("ERR BITFIELD_RO only supports the GET subcommand")
    value = db.string(key) or b""
    return [field.read(value) for field in fields]
