"""SCAN, SSCAN, HSCAN, ZSCAN: the cursor and the options that all four share.

Small collections are returned whole with cursor 0, whatever COUNT says, as Redis returns those it keeps packed; large
ones bucket by bucket (see `buckets.py` for what that promises).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from miniredis.errors import RedisError, SyntaxFault
from miniredis.glob import matches
from miniredis.numbers import integer

COUNT_DEFAULT = 10
CURSOR_MAX = 2**64 - 1
EMPTY_BUCKETS_MAX = 10  # per wanted element: how long to go on where most buckets are empty


@dataclass(slots=True)
class ScanOptions:
    """MATCH, COUNT and TYPE."""

    count: int = COUNT_DEFAULT
    pattern: bytes | None = None
    type: bytes | None = None

    def fits(self, name: bytes) -> bool:
        return self.pattern is None or matches(self.pattern, name)


def parse_cursor(text: bytes) -> int:
    """A cursor as C's strtoul reads it, nothing being 0.  Raises `invalid cursor`."""
    if not text:
        return 0
    digits = text[1:] if text[:1] in (b"+", b"-") else text
    if not digits.isdigit() or int(digits) > CURSOR_MAX:
        raise RedisError("ERR invalid cursor")
    return -int(digits) & CURSOR_MAX if text[:1] == b"-" else int(digits)


def parse_options(words: Sequence[bytes], *, with_type: bool = False) -> ScanOptions:
    """What stands behind the cursor.  Raises SyntaxFault, NotAnInteger."""
    options = ScanOptions()
    for at in range(0, len(words), 2):
        name = words[at].upper()
        if at + 1 == len(words):
            raise SyntaxFault
        value = words[at + 1]
        if name == b"COUNT":
            options.count = integer(value)
            if options.count < 1:
                raise SyntaxFault
        elif name == b"MATCH":
            options.pattern = None if value == b"*" else value
        elif name == b"TYPE" and with_type:
            options.type = value.lower()
        else:
            raise SyntaxFault
    return options


def scan_buckets(scan: Callable[[int], tuple[int, list[bytes]]], cursor: int, count: int) -> tuple[int, list[bytes]]:
    """About `count` names from `cursor` on, and the cursor to go on with."""
    found: list[bytes] = []
    for _ in range(count * EMPTY_BUCKETS_MAX):
        cursor, names = scan(cursor)
        found += names
        if not cursor or len(found) >= count:
            break
    return cursor, found


def reply(cursor: int, items: list[bytes]) -> list[object]:
    """[cursor, items]; the cursor is a string, as 64 unsigned bits do not fit an integer reply."""
    return [b"%d" % cursor, items]
