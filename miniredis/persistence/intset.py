"""Intsets: a set of integers as a sorted array, searched by halving.

     0            4             8
    +------------+-------------+--------------------------------------+
    | width u32  | count u32   | members, ascending, `width` bytes    |
    +------------+-------------+--------------------------------------+

All members have the width that the largest needs (2, 4 or 8 bytes); one that is larger widens them all.  Little-endian.

Source: Redis `intset.c`.
"""

import struct
from collections.abc import Iterable
from itertools import pairwise

from miniredis.persistence.damage import Damaged

_CODES = {2: "h", 4: "i", 8: "q"}


def encode(members: Iterable[int]) -> bytes:
    """An intset of `members`, which need no order."""
    ordered = sorted(members)
    low, high = (ordered[0], ordered[-1]) if ordered else (0, 0)
    width = 2
    while not -(1 << 8 * width - 1) <= low <= high < 1 << 8 * width - 1:
        width *= 2
    return struct.pack(f"<II{len(ordered)}{_CODES[width]}", width, len(ordered), *ordered)


def decode(data: bytes) -> tuple[int, ...]:
    """The members, ascending.  Raises Damaged."""
    if len(data) < 8:
        raise Damaged("an intset without a header", 0)
    width, count = struct.unpack_from("<II", data)
    if width not in _CODES:
        raise Damaged(f"an intset of {width} bytes a member", 0)
    if len(data) != 8 + width * count:
        raise Damaged(f"an intset of {len(data) - 8} bytes that states {count} members of {width}", 4)
    members: tuple[int, ...] = struct.unpack_from(f"<{count}{_CODES[width]}", data, 8)
    if any(left >= right for left, right in pairwise(members)):
        raise Damaged("an intset that is not in order", 8)
    return members
