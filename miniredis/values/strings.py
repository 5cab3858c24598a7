"""Strings: `bytes` as they arrived, or a `bytearray` once a command has changed one in place.

`bytes` are compact and go out without a copy.  APPEND, SETRANGE and SETBIT on a large value would copy it at every
call, so the first of them turns it into a `bytearray`; Redis makes the same move from `embstr` to `raw` for the same
reason.  A number is not kept as one: "12" stays two bytes, and INCR reads it in 0.1 µs.
"""

from miniredis.numbers import parse_integer

String = bytes | bytearray
STRING = (bytes, bytearray)
"""For isinstance: the two shapes of a string value."""

EMBEDDED_MAX = 44  # bytes; with its headers such a string fills one 64-byte allocation of Redis


def encoding(value: bytes | bytearray) -> str:
    """What OBJECT ENCODING answers: int, embstr or raw."""
    if type(value) is bytearray:
        return "raw"
    if parse_integer(value) is not None:
        return "int"
    return "embstr" if len(value) <= EMBEDDED_MAX else "raw"
