"""The bit library of scripts: 32-bit operations on Lua's numbers, results signed.

Source: Lua BitOp documentation (Mike Pall).
"""

from collections.abc import Callable
from functools import reduce
from operator import and_, or_, xor
from typing import Any

MASK = 0xFFFFFFFF


def number(value: Any) -> int:
    """Any Lua number as 32 unsigned bits, fractions rounded to even."""
    if isinstance(value, bytes):
        value = float(value)
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise ValueError(f"number expected, got {'boolean' if isinstance(value, bool) else type(value).__name__}")
    return round(value) & MASK


def signed(value: int) -> int:
    value &= MASK
    return value - (1 << 32) if value >> 31 else value


def tohex(value: Any, digits: Any = 8) -> bytes:
    count = round(digits)
    letters = "0123456789ABCDEF" if count < 0 else "0123456789abcdef"
    count = min(abs(count), 8)
    bits = number(value)
    return "".join(letters[bits >> 4 * place & 15] for place in reversed(range(count))).encode()


def _folded(operation: Callable[[int, int], int]) -> Callable[..., int]:
    return lambda *values: signed(reduce(operation, map(number, values)))


def _rotated(value: int, places: int) -> int:
    return (value << places | value >> (32 - places)) & MASK


FUNCTIONS: dict[str, Callable[..., Any]] = {
    "tobit": lambda value: signed(number(value)),
    "tohex": tohex,
    "bnot": lambda value: signed(~number(value)),
    "band": _folded(and_),
    "bor": _folded(or_),
    "bxor": _folded(xor),
    "lshift": lambda value, places: signed(number(value) << (number(places) & 31)),
    "rshift": lambda value, places: signed(number(value) >> (number(places) & 31)),
    "arshift": lambda value, places: signed(signed(number(value)) >> (number(places) & 31)),
    "rol": lambda value, places: signed(_rotated(number(value), number(places) & 31)),
    "ror": lambda value, places: signed(_rotated(number(value), -number(places) & 31)),
    "bswap": lambda value: signed(int.from_bytes(number(value).to_bytes(4, "little"), "big")),
}
