"""The payload of DUMP: one value as it would stand in an RDB file, with a version and a checksum behind it.

    +------+---------+-------------+-----------+
    | type | value   | version u16 | CRC-64    |     numbers little-endian
    +------+---------+-------------+-----------+

The checksum guards against accidents, not against malice: anybody can compute it, so what passes is still read with the
suspicion of `rdb_reader`.

Source: Redis `cluster.c` (createDumpPayload, verifyDumpPayload).
"""

from __future__ import annotations

from typing import Any

from miniredis.persistence import rdb_format as rdb
from miniredis.persistence.crc64 import crc64
from miniredis.persistence.damage import Damaged
from miniredis.persistence.rdb_format import Limits, RdbError
from miniredis.persistence.rdb_reader import READABLE, read_value
from miniredis.persistence.rdb_source import Source
from miniredis.persistence.rdb_writer import Encoding, body, type_of

FOOTER = 10  # bytes: version and checksum


def dump(value: Any, encoding: Encoding = Encoding()) -> bytes:  # noqa: B008  it cannot change
    """The payload for `value`."""
    pieces = [
        b"%c" % type_of(value, encoding),
        *body(value, encoding),
        encoding.version.to_bytes(2, "little"),
    ]
    payload = b"".join(pieces)
    return payload + crc64(payload).to_bytes(8, "little")


def is_intact(payload: bytes) -> bool:
    """Whether version and checksum are right."""
    if len(payload) < FOOTER:
        return False
    version = int.from_bytes(payload[-10:-8], "little")
    return version <= rdb.VERSION_NEWEST and crc64(payload[:-8]) == int.from_bytes(payload[-8:], "little")


def load(payload: bytes, limits: Limits) -> Any:
    """The value in an intact payload.  Raises Damaged when there is none in it that we can keep."""
    kind = payload[0]
    if kind not in READABLE:
        raise Damaged(f"a value of type {kind}", 0)
    rest = iter([payload[1:]])  # with the footer: as in Redis, a value may claim to reach into it
    source = Source(lambda count: next(rest, b""), size=len(payload), position=1)
    steps = read_value(kind, source, limits)
    try:
        while True:
            next(steps)
    except StopIteration as finished:
        value = finished.value
    except RdbError as error:
        raise Damaged(error.reason, error.position) from None
    if not value and kind != rdb.STRING:
        raise Damaged("an empty collection", 1)
    return value
