"""Ziplists: what Redis kept small collections in before 7.0.  Read only; nothing writes them any more.

     0            4           8         10
    +------------+-----------+---------+---------------------------+-----+------+
    | bytes u32  | tail u32  | len u16 | previous, kind, data      | ... | 0xFF |
    +------------+-----------+---------+---------------------------+-----+------+

`tail` is where the last entry begins.  `previous` is the size of the entry before: one byte below 254, else 0xFE and
four.  There lies the flaw that listpacks mend: an entry that grows past 253 bytes makes its successor's `previous` grow
by four bytes, which may push that one past 253, and so on to the end of the list ("cascading update").

    first byte   holds                                first byte   holds
    00LLLLLL     a string of L bytes                  C0 D0 E0     16, 32, 64 bits signed
    01LLLLLL     a string, length in 14 bits          F0 FE        24, 8 bits signed
    10......     a string, length in 32 bits          F1..FD       0..12

Numbers are little-endian, the lengths of strings big-endian.

Source: Redis 6.2 `ziplist.c`.
"""

from miniredis.persistence.damage import Damaged

HEADER = 10
COUNT_UNKNOWN = 0xFFFF

_INTEGER_WIDTHS = {0xC0: 2, 0xD0: 4, 0xE0: 8, 0xF0: 3, 0xFE: 1}


def decode(data: bytes) -> list[bytes]:
    """The elements of a ziplist.  Raises Damaged."""
    end = len(data) - 1
    if end < HEADER or int.from_bytes(data[:4], "little") != end + 1:
        raise Damaged("a ziplist whose size is not the size it states", 0)
    if data[end] != 0xFF:
        raise Damaged("a ziplist without its end mark", end)
    values: list[bytes] = []
    at = tail = HEADER
    previous = 0  # bytes in the entry before
    while at < end:
        tail = at
        stated, after = data[at], at + 1
        if stated == 0xFE:
            stated, after = int.from_bytes(data[at + 1 : at + 5], "little"), at + 5
        if stated != previous or after >= end:
            raise Damaged(f"a ziplist entry that states {stated} bytes before it, not {previous}", at)
        kind = data[after]
        width = _INTEGER_WIDTHS.get(kind)
        if kind < 0xC0:
            if kind < 0x40:
                begin, size = after + 1, kind
            elif kind < 0x80:
                begin, size = after + 2, (kind & 0x3F) << 8 | data[after + 1]
            else:
                begin, size = after + 5, int.from_bytes(data[after + 1 : after + 5], "big")
            at = begin + size
            value = data[begin:at]
        elif width is not None:
            at = after + 1 + width
            value = b"%d" % int.from_bytes(data[after + 1 : at], "little", signed=True)
        elif 0xF1 <= kind <= 0xFD:
            at = after + 1
            value = b"%d" % (kind - 0xF1)
        else:
            raise Damaged(f"a ziplist entry of unknown kind {kind:#04x}", after)
        if at > end:
            raise Damaged("a ziplist entry that goes past the end", tail)
        values.append(value)
        previous = at - tail
    if int.from_bytes(data[4:8], "little") != tail:
        raise Damaged("a ziplist whose tail is not where it states", 4)
    count = int.from_bytes(data[8:10], "little")
    if count not in (COUNT_UNKNOWN, len(values)):
        raise Damaged(f"a ziplist of {len(values)} elements that states {count}", 8)
    return values
