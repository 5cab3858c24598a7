"""Quicklists: a long list as a chain of listpacks, each small enough that changing it stays cheap.

How full a node may be says `list-max-listpack-size`:

    -1 .. -5    4, 8, 16, 32, 64 KiB
     n >= 0     n elements, and at most 8 KiB

An element beyond `quicklist-packed-threshold` (1 GiB) gets a *plain* node: its bytes alone, no listpack around them.

Our lists keep no such chain in memory (see `values/lists.py`); it is made when a list is written down, as RPUSH after
RPUSH would have made it.  In Redis the cuts depend on the list's history, so two equal lists may differ here.

Source: Redis `quicklist.c` (_quicklistNodeAllowInsert), `rdb.c` (types 14 and 18).
"""

from collections.abc import Iterable, Iterator

from miniredis.persistence import listpack

PLAIN, PACKED = 1, 2
"""The container of a node, as type 18 writes it."""

SIZE_LIMITS = (4096, 8192, 16384, 32768, 65536)
"""bytes, for a fill of -1 to -5"""

SAFE_SIZE = 8192  # bytes in a node whose limit is a number of elements
ESTIMATED_OVERHEAD = 8  # bytes Redis reckons for an entry's head and tail when it asks whether one more fits
PACKED_THRESHOLD = 1 << 30


def limits(fill: int) -> tuple[int, int | None]:
    """(bytes, elements or None) that one node may hold."""
    if fill < 0:
        return SIZE_LIMITS[min(-fill, len(SIZE_LIMITS)) - 1], None
    return SAFE_SIZE, max(fill, 1)


def nodes(
    values: Iterable[bytes], fill: int = -2, packed_threshold: int = PACKED_THRESHOLD
) -> Iterator[tuple[int, bytes]]:
    """(container, bytes) of each node, head first.  `fill` is list-max-listpack-size."""
    size_max, count_max = limits(fill)
    entries: list[bytes] = []
    size = listpack.EMPTY_SIZE
    for value in values:
        if len(value) >= packed_threshold:
            if entries:
                yield PACKED, listpack.join(entries)
                entries, size = [], listpack.EMPTY_SIZE
            yield PLAIN, value
            continue
        if entries and (
            size + len(value) + ESTIMATED_OVERHEAD > size_max or (count_max is not None and len(entries) >= count_max)
        ):
            yield PACKED, listpack.join(entries)
            entries, size = [], listpack.EMPTY_SIZE
        entry = listpack.encode_entry(value)
        entries.append(entry)
        size += len(entry)
    if entries:
        yield PACKED, listpack.join(entries)
