"""Zipmaps: how Redis before 2.6 kept a small hash.  Read only.

     0       1
    +-------+------+-------+------+------+-------+---------+-----+------+
    | count | size | field | size | free | value | (free)  | ... | 0xFF |
    +-------+------+-------+------+------+-------+---------+-----+------+

A size is one byte below 254, else 0xFE and four bytes, little-endian.  `free` counts unused bytes behind the value,
left when a shorter one replaced it.  A count of 254 or more means "count them yourself".

Source: Redis 2.4 `zipmap.c`.
"""

from miniredis.persistence.damage import Damaged

END = 0xFF
BIG = 0xFE


def decode(data: bytes) -> list[bytes]:
    """Fields and values in turn.  Raises Damaged."""
    end = len(data) - 1
    if end < 1 or data[end] != END:
        raise Damaged("a zipmap without its end mark", max(end, 0))
    items: list[bytes] = []
    at = 1
    while at < end:
        size, at = _size(data, at)
        items.append(data[at : at + size])
        at += size
        if at >= end:
            raise Damaged("a zipmap that ends within a pair", end)
        size, at = _size(data, at)
        free = data[at] if at < end else 0
        items.append(data[at + 1 : at + 1 + size])
        at += 1 + size + free
    if at != end:
        raise Damaged("a zipmap whose last pair goes past the end", end)
    if data[0] < BIG and data[0] * 2 != len(items):
        raise Damaged(f"a zipmap of {len(items) // 2} pairs that states {data[0]}", 0)
    return items


def _size(data: bytes, at: int) -> tuple[int, int]:
    """(a size, where what it measures begins)"""
    first = data[at]
    if first < BIG:
        return first, at + 1
    if first == BIG:
        return int.from_bytes(data[at + 1 : at + 5], "little"), at + 5
    raise Damaged("a zipmap that ends before its end", at)
