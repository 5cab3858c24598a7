"""Reading the options behind a command's fixed arguments: NX, EX seconds, LIMIT offset count.

Each command still says itself which options exclude each other: the order in which Redis complains is part of it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from miniredis.errors import RedisError
from miniredis.numbers import INT64_MAX, integer, parse_integer

if TYPE_CHECKING:
    from miniredis.database import Database
    from miniredis.wire.requests import Request

EXPIRY_UNITS = {b"EX": (1000, False), b"PX": (1, False), b"EXAT": (1000, True), b"PXAT": (1, True)}
"""option -> (milliseconds per unit, whether the time is absolute)"""


def expiry_at_ms(db: Database, command: str, option: bytes, text: bytes) -> int:
    """The time that `option text` means, in ms since 1970.

    Raises NotAnInteger, or `invalid expire time` when it is not positive or does not fit 64 bits.
    """
    unit, absolute = EXPIRY_UNITS[option]
    amount = integer(text)
    if amount <= 0 or amount > INT64_MAX // unit:
        raise invalid_expire_time(command)
    at_ms = amount * unit
    if not absolute:
        if at_ms > INT64_MAX - db.now_ms:
            raise invalid_expire_time(command)
        at_ms += db.now_ms
    return at_ms


def invalid_expire_time(command: str) -> RedisError:
    return RedisError(f"ERR invalid expire time in '{command}' command")


def counted_keys(position: int) -> Callable[[Request], Sequence[bytes]]:
    """A key finder, for `keys=` of a command: at `position` of the request stands how many keys follow there."""

    def find(request: Request) -> Sequence[bytes]:
        count = parse_integer(request[position]) if len(request) > position else None
        if count is None or not 0 < count < len(request) - position:
            return ()
        return request[position + 1 : position + 1 + count]

    return find
