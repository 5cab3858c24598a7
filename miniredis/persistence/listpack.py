"""Listpacks: a short list of strings in one block of memory, read from either end.

     0            4         6                                  bytes-1
    +------------+---------+-------------------------+---+----+------+
    | bytes u32  | len u16 | kind, data | back length | ...    | 0xFF |
    +------------+---------+-------------------------+---+----+------+

Small lists, hashes, sets and sorted sets live in one: no pointers, no headers per element.  Strings that spell an
integer are kept as one.  Each entry ends in its own length, written so that it can be read backwards, which is how a
list is walked from its tail.  A ziplist (see there) kept the length of the *previous* entry instead, so that one
insertion could make every later entry grow; the listpack was invented to end that.

    first byte   holds                        bytes in all
    0xxxxxxx     0..127                       1
    10LLLLLL     a string of L bytes          1 + L
    110xxxxx     13 bits signed               2
    1110LLLL     a string of L (12 bits)      2 + L
    F0           a string, length in 32 bits  5 + L
    F1 F2 F3 F4  16, 24, 32, 64 bits signed   3, 4, 5, 9

Numbers are little-endian.  A count of 65535 means "too many to say".

Source: "Listpack specification" (antirez/listpack) and Redis `listpack.c`.
"""

from collections.abc import Iterable

from miniredis.numbers import parse_integer
from miniredis.persistence.damage import Damaged

HEADER = 6
END = b"\xff"
EMPTY_SIZE = HEADER + len(END)
COUNT_UNKNOWN = 0xFFFF

_SMALL = [b"%d" % number for number in range(128)]
_WIDE = {0xF1: 2, 0xF2: 3, 0xF3: 4, 0xF4: 8}
_WIDTHS = [(1 << 8 * width - 1, bytes([kind]), width) for kind, width in _WIDE.items()]


# -- writing -----------------------------------------------------------------------------------


def encode(values: Iterable[bytes | bytearray]) -> bytes:
    """A listpack of `values`, in order."""
    return join([encode_entry(value) for value in values])


def join(entries: list[bytes]) -> bytes:
    """A listpack of entries that `encode_entry` made."""
    body = b"".join(entries)
    total = (EMPTY_SIZE + len(body)).to_bytes(4, "little")
    return total + min(len(entries), COUNT_UNKNOWN).to_bytes(2, "little") + body + END


def encode_entry(value: bytes | bytearray) -> bytes:
    """One entry: as an integer when `value` spells one."""
    if value and value[0] < 0x3A and (number := parse_integer(value)) is not None:
        return _encode_integer(number)
    size = len(value)
    if size < 64:
        return b"%c%b%c" % (0x80 | size, bytes(value), size + 1)
    if size < 4096:
        entry = b"%c%c%b" % (0xE0 | size >> 8, size & 0xFF, bytes(value))
    else:
        entry = b"\xf0" + size.to_bytes(4, "little") + value
    return entry + _back_length(len(entry))


def _encode_integer(number: int) -> bytes:
    if 0 <= number < 128:
        return b"%c\x01" % number
    if -4096 <= number < 4096:
        return (0xC000 | number & 0x1FFF).to_bytes(2, "big") + b"\x02"
    for limit, kind, width in _WIDTHS:
        if -limit <= number < limit:
            return kind + number.to_bytes(width, "little", signed=True) + b"%c" % (width + 1)
    raise AssertionError(f"{number} does not fit 64 bits")


def _back_length(size: int) -> bytes:
    """`size` in groups of seven bits, the highest first; all but the first carry a mark, as it is read backwards."""
    groups = bytearray([size & 127])
    while size > 127:
        size >>= 7
        groups[0] |= 128
        groups.insert(0, size & 127)
    return bytes(groups)


def entry_size(value: bytes | bytearray) -> int:
    """The bytes that `value` takes in a listpack, back length included: exactly `len(encode_entry(value))`."""
    size = len(value)
    if size and value[0] < 0x3A and (number := parse_integer(value)) is not None:
        if 0 <= number < 128:
            return 2
        if -4096 <= number < 4096:
            return 3
        if -0x8000 <= number < 0x8000:
            return 4
        if -0x800000 <= number < 0x800000:
            return 5
        return 6 if -0x80000000 <= number < 0x80000000 else 10
    if size < 64:
        return size + 2
    size += 2 if size < 4096 else 5
    return size + (1 if size < 1 << 7 else 2 if size < 1 << 14 else 3 if size < 1 << 21 else 4 if size < 1 << 28 else 5)


def size_of(values: Iterable[bytes | bytearray]) -> int:
    """The bytes of a whole listpack of `values`."""
    return EMPTY_SIZE + sum(map(entry_size, values))


# -- reading -----------------------------------------------------------------------------------


def decode(data: bytes) -> list[bytes]:
    """The elements of a listpack.  Raises Damaged; every length in it is checked, both ways."""
    end = len(data) - 1
    if end < HEADER or int.from_bytes(data[:4], "little") != end + 1:
        raise Damaged("a listpack whose size is not the size it states", 0)
    if data[end] != 0xFF:
        raise Damaged("a listpack without its end mark", end)
    values: list[bytes] = []
    append = values.append
    at = HEADER
    while at < end:
        kind = data[at]
        if kind < 0x80:
            append(_SMALL[kind])
            after = at + 1
        elif kind < 0xC0:
            after = at + 1 + (kind & 0x3F)
            append(data[at + 1 : after])
        elif kind < 0xE0:
            number = (kind & 0x1F) << 8 | data[at + 1]
            append(b"%d" % (number - 8192 if number >= 4096 else number))
            after = at + 2
        elif kind < 0xF0:
            after = at + 2 + ((kind & 0x0F) << 8 | data[at + 1])
            append(data[at + 2 : after])
        elif kind == 0xF0:
            after = at + 5 + int.from_bytes(data[at + 1 : at + 5], "little")
            append(data[at + 5 : after])
        elif (width := _WIDE.get(kind)) is not None:
            after = at + 1 + width
            append(b"%d" % int.from_bytes(data[at + 1 : after], "little", signed=True))
        else:
            raise Damaged(f"a listpack entry of unknown kind {kind:#04x}", at)
        size = after - at
        if size < 128:
            if after >= end or data[after] != size:
                raise Damaged("a listpack entry that does not end in its length", at)
            at = after + 1
        else:
            back = _back_length(size)
            if after + len(back) > end or data[after : after + len(back)] != back:
                raise Damaged("a listpack entry that does not end in its length", at)
            at = after + len(back)
    stated = int.from_bytes(data[4:6], "little")
    if stated not in (COUNT_UNKNOWN, len(values)):
        raise Damaged(f"a listpack of {len(values)} elements that states {stated}", 4)
    return values
