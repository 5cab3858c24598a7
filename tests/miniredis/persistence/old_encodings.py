"""Builders of what only older servers wrote: ziplists, zipmaps, files of any version.

They are proved by loading their work in a real redis-server (test_rdb_reader.py).
"""

from __future__ import annotations

import struct
from collections.abc import Iterable

from miniredis.numbers import parse_integer
from miniredis.persistence.crc64 import crc64
from miniredis.persistence.rdb_writer import length


def ziplist(values: Iterable[bytes]) -> bytes:
    """As Redis 2.8 to 6.2 packed them."""
    body, tail, previous, count = b"", 10, 0, 0
    for value in values:
        tail = 10 + len(body)
        before = bytes([previous]) if previous < 254 else b"\xfe" + struct.pack("<I", previous)
        entry = before + _ziplist_content(value)
        body += entry
        previous = len(entry)
        count += 1
    return struct.pack("<IIH", 11 + len(body), tail, min(count, 0xFFFF)) + body + b"\xff"


def _ziplist_content(value: bytes) -> bytes:
    number = parse_integer(value) if len(value) < 32 else None
    if number is None:
        size = len(value)
        if size < 64:
            return bytes([size]) + value
        if size < 16384:
            return struct.pack(">H", 0x4000 | size) + value
        return b"\x80" + struct.pack(">I", size) + value
    if 0 <= number <= 12:
        return bytes([0xF1 + number])
    for kind, width in ((0xFE, 1), (0xC0, 2), (0xF0, 3), (0xD0, 4), (0xE0, 8)):
        if -(1 << 8 * width - 1) <= number < 1 << 8 * width - 1:
            return bytes([kind]) + number.to_bytes(width, "little", signed=True)
    raise AssertionError(number)


def zipmap(pairs: dict[bytes, bytes], free: int = 0) -> bytes:
    """As Redis 2.4 packed them; `free` unused bytes behind each value."""

    def size(text: bytes) -> bytes:
        return bytes([len(text)]) if len(text) < 254 else b"\xfe" + struct.pack("<I", len(text))

    body = b"".join(
        size(field) + field + size(value) + bytes([free]) + value + b"\0" * free for field, value in pairs.items()
    )
    return bytes([min(len(pairs), 254)]) + body + b"\xff"


def raw(text: bytes) -> bytes:
    """A string as it is: length and bytes."""
    return length(len(text)) + text


def file(version: int, *pieces: bytes, checksum: bytes | None = None) -> bytes:
    """A whole file of `version`: header, `pieces`, end and checksum."""
    data = b"REDIS%04d" % version + b"".join(pieces) + b"\xff"
    if version < 5:
        return data
    return data + (crc64(data).to_bytes(8, "little") if checksum is None else checksum)


def key(kind: int, name: bytes, value: bytes) -> bytes:
    return bytes([kind]) + raw(name) + value
