"""Numbers as Redis reads and prints them.

An integer is canonical or it is not one: "7" is, "+7", "07", " 7" and "7 " are not, which is what lets a server keep
"7" as a number and hand back the same bytes.  A float is read as C's strtod does and printed as the shortest text that
reads back as the same double (Redis 7.2; 7.0 prints 17 digits).

Source: Redis 7.2 `util.c` (string2ll, d2string) and `fpconv_dtoa.c` (where the exponent begins).
"""

import math
import re

from miniredis.errors import NotAFloat, NotAnInteger, RedisError

INT64_MIN, INT64_MAX = -(2**63), 2**63 - 1
LONGEST_INTEGER = 20  # "-9223372036854775808"

_CONVERSION = re.compile(
    rb"[+-]?(?:\d+\.?\d*(?:[eE][+-]?\d+)?|\.\d+(?:[eE][+-]?\d+)?|inf(?:inity)?|0[xX](?:[0-9a-fA-F]+\.?[0-9a-fA-F]*|\.[0-9a-fA-F]+)(?:[pP][+-]?\d+)?)",
    re.IGNORECASE,
)


_SPELLS_LIMIT = re.compile(rb"[+-]?(?:inf(?:inity)?|(?:0x)?[0.]+(?:[ep][+-]?\d+)?)", re.IGNORECASE)
"""Infinity, or zero, by intention."""


def parse_integer(text: bytes | bytearray) -> int | None:
    """The integer that `text` canonically spells, within 64 bits, or None."""
    size = len(text)
    if size < 19 and text.isdigit() and (text[0] != 0x30 or size == 1):
        return int(text)
    if size > LONGEST_INTEGER:
        return None
    try:
        number = int(text)
    except ValueError:
        return None
    if b"%d" % number == text and INT64_MIN <= number <= INT64_MAX:
        return number
    return None


def integer(text: bytes | bytearray, error: str | None = None) -> int:
    """The same, or the error reply: Redis's usual one, or `error`."""
    number = parse_integer(text)
    if number is None:
        raise RedisError(error) if error else NotAnInteger()
    return number


def integer_between(text: bytes, low: int, high: int, error: str | None = None) -> int:
    """An integer in [low, high].  Raises RedisError(`error`), or the usual complaint."""
    number = integer(text, error)
    if not low <= number <= high:
        raise RedisError(error) if error else NotAnInteger()
    return number


def parse_float(text: bytes | bytearray) -> float | None:
    """As strtod reads the whole of `text`: no spaces, no NaN; hexadecimal and infinities count."""
    text = bytes(text)
    if not _CONVERSION.fullmatch(text):
        return None
    plain = text.decode("ascii")
    if "x" not in plain.lower():
        return float(plain)
    try:
        return float.fromhex(plain)
    except OverflowError:
        return -math.inf if plain[0] == "-" else math.inf


def float_number(text: bytes | bytearray, error: str | None = None) -> float:
    """A double, or the error reply: Redis's usual one, or `error`.  What is too large or too small for one is refused,
    not rounded to infinity or zero."""
    number = parse_float(text)
    if number is None or ((number == 0 or math.isinf(number)) and not _SPELLS_LIMIT.fullmatch(text)):
        raise RedisError(error) if error else NotAFloat()
    return number


def format_float(number: float) -> bytes:
    """The shortest text that reads back as `number`: 3, 0.1, 1e+22, inf.

    Python's repr finds the same digits; only where it puts the point and the exponent differs.
    """
    if math.isinf(number):
        return b"inf" if number > 0 else b"-inf"
    if math.isnan(number):
        return b"nan"
    if number == 0:
        return b"-0" if math.copysign(1, number) < 0 else b"0"
    if number.is_integer() and abs(number) <= INT64_MAX / 2:
        return b"%d" % int(number)
    sign = "-" if number < 0 else ""
    mantissa, _, exponent = f"{abs(number)!r}".partition("e")
    whole, _, fraction = mantissa.partition(".")
    if fraction == "0":
        fraction = ""
    digits = (whole + fraction).lstrip("0")
    power = int(exponent or 0) - len(fraction)  # value = digits * 10**power
    stripped = digits.rstrip("0")
    power += len(digits) - len(stripped)
    digits = stripped
    scientific = abs(power + len(digits) - 1)
    if power >= 0 and scientific < len(digits) + 7:
        text = digits + "0" * power
    elif power < 0 and (power > -7 or scientific < 4):
        point = len(digits) + power
        text = f"{digits[:point]}.{digits[point:]}" if point > 0 else f"0.{'0' * -point}{digits}"
    else:
        exponent_sign = "-" if power + len(digits) - 1 < 0 else "+"
        rest = f".{digits[1:]}" if len(digits) > 1 else ""
        text = f"{digits[0]}{rest}e{exponent_sign}{scientific}"
    return (sign + text).encode()
