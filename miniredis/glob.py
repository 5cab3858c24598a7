"""Glob patterns as Redis matches them, on bytes: * ? [abc] [^a-z] and backslash.

Compiled once to a regular expression.  What stands between two stars may be matched where it first fits and never be
looked at again, so each `*part` becomes an atomic group: `a*a*a*a*b` takes time in proportion to the text, where naive
backtracking (and Redis, before it put a limit on the depth) takes it to the fourth power.

Source: Redis 7.2 `util.c`, stringmatchlen, whose reading of unclosed brackets is kept.
"""

import re
from functools import lru_cache


@lru_cache(maxsize=512)
def compiled(pattern: bytes, ignore_case: bool = False) -> re.Pattern[bytes]:
    """`pattern` as a regular expression for fullmatch."""
    flags = re.DOTALL | (re.IGNORECASE if ignore_case else 0)
    first, *rest = _translate(pattern)
    if not rest:
        return re.compile(first, flags)
    last = rest.pop()
    return re.compile(first + b"".join(b"(?>.*?%b)" % part for part in rest) + b".*" + last, flags)


def matches(pattern: bytes, text: bytes, ignore_case: bool = False) -> bool:
    """Whether the whole of `text` fits `pattern`."""
    return compiled(pattern, ignore_case).fullmatch(text) is not None


def _translate(pattern: bytes) -> list[bytes]:
    """The parts between the stars, each as a regular expression."""
    parts = [b""]
    at, end = 0, len(pattern)
    while at < end:
        byte = pattern[at : at + 1]
        if byte == b"*":
            parts.append(b"")
        elif byte == b"?":
            parts[-1] += b"."
        elif byte == b"[":
            at, members = _bracket(pattern, at + 1)
            parts[-1] += members
        else:
            if byte == b"\\" and at + 1 < end:
                at += 1
            parts[-1] += re.escape(pattern[at : at + 1])
        at += 1
    return parts


def _bracket(pattern: bytes, at: int) -> tuple[int, bytes]:
    """A class that begins at `at`; returns the index of its last byte, and the class for `re`."""
    end = len(pattern)
    negated = pattern[at : at + 1] == b"^"
    if negated:
        at += 1
    members: list[tuple[int, int]] = []
    while True:
        if pattern[at : at + 1] == b"\\" and at + 1 < end:
            at += 1
            members.append((pattern[at], pattern[at]))
        elif pattern[at : at + 1] == b"]":
            break
        elif at >= end:
            at -= 1
            break
        elif end - at >= 3 and pattern[at + 1] == ord("-"):
            low, high = sorted((pattern[at], pattern[at + 2]))
            members.append((low, high))
            at += 2
        else:
            members.append((pattern[at], pattern[at]))
        at += 1
    if not members:
        return at, b"." if negated else b"(?!)"
    ranges = b"".join(b"\\x%02x-\\x%02x" % pair for pair in members)
    return at, b"[%b%b]" % (b"^" if negated else b"", ranges)
