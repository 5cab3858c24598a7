"""The struct library of scripts: numbers and strings as packed bytes.

    > < =     big, little, native order (little here)      !n    align to n (a power of two)
    b B h H l L i I in In      signed, unsigned integers of 1, 2, 8, 4, n bytes
    f d       float, double     T  size_t     x  a zero byte
    s         a string up to its zero byte    cn   n bytes, c0: as many as the number before says

Source: Roberto Ierusalimschy, "struct: library for converting data to and from C structs".
"""

import struct as _struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

SIZES = {"b": 1, "B": 1, "h": 2, "H": 2, "l": 8, "L": 8, "T": 8, "i": 4, "I": 4, "f": 4, "d": 8, "x": 1}
INTEGER_SIZE_MAX = 32
ALIGN_MAX = 8


@dataclass(frozen=True)
class Item:
    """One letter of a format, ready to be placed."""

    kind: str
    size: int
    little: bool
    align: int


def items(text: bytes) -> Iterator[Item]:
    """What a format asks for.  Raises ValueError."""
    little, align = True, 1
    at = 0

    def digits(default: int) -> int:
        nonlocal at
        start = at
        while at < len(text) and text[at : at + 1].isdigit():
            at += 1
        return int(text[start:at]) if at > start else default

    while at < len(text):
        kind = chr(text[at])
        at += 1
        if kind in "<>=":
            little = kind != ">"
        elif kind == "!":
            align = digits(ALIGN_MAX)
            if align & (align - 1) or not align:
                raise ValueError("alignment is not a power of 2")
        elif kind in "iI":
            size = digits(4)
            if not 1 <= size <= INTEGER_SIZE_MAX:
                raise ValueError(f"integral size {size} is larger than limit of {INTEGER_SIZE_MAX}")
            yield Item(kind, size, little, align)
        elif kind == "c":
            yield Item(kind, digits(1), little, align)
        elif kind == "s":
            yield Item(kind, 0, little, align)
        elif kind in SIZES:
            yield Item(kind, SIZES[kind], little, align)
        elif kind != " ":
            raise ValueError(f"invalid format option '{kind}'")


def padding(item: Item, position: int) -> int:
    """Zero bytes before `item` at `position`."""
    if item.kind in "csx" or item.size & (item.size - 1):
        return 0
    align = min(item.size, item.align)
    return -position % align if align > 1 else 0


def pack(text: bytes, *values: Any) -> bytes:
    """`values` as bytes.  Raises ValueError."""
    out = bytearray()
    remaining = iter(values)
    for item in items(text):
        out += bytes(padding(item, len(out)))
        if item.kind == "x":
            out.append(0)
            continue
        value = next(remaining, None)
        if value is None:
            raise ValueError("bad argument to 'pack' (value expected, got no value)")
        if item.kind in "sc":
            data = value if isinstance(value, bytes) else b"%d" % value
            size = item.size or len(data)
            if len(data) < size:
                raise ValueError("string too short")
            out += data + b"\0" if item.kind == "s" else data[:size]
        elif item.kind in "fd":
            out += _struct.pack(("<" if item.little else ">") + item.kind, float(value))
        else:
            bits = int(value) & ((1 << 8 * item.size) - 1)
            out += bits.to_bytes(item.size, "little" if item.little else "big")
    return bytes(out)


def unpack(text: bytes, data: bytes, start: int = 1) -> tuple[Any, ...]:
    """The values in `data` from byte `start` (the first is 1), and the position behind them.  Raises ValueError."""
    at = start - 1
    if at < 0:
        raise ValueError("offset must be 1 or greater")
    values: list[Any] = []
    for item in items(text):
        at += padding(item, at)
        size = item.size
        if item.kind == "c" and not size:
            if not values or not isinstance(values[-1], int):
                raise ValueError("format 'c0' needs a previous size")
            size = values.pop()
        if item.kind == "s":
            size = data.find(b"\0", at) - at
            if size < 0:
                raise ValueError("unfinished string in data")
        if size < 0 or at + size > len(data):
            raise ValueError("data string too short")
        chunk = data[at : at + size]
        at += size
        if item.kind == "s":
            at += 1
        if item.kind in "sc":
            values.append(chunk)
        elif item.kind in "fd":
            values.append(_struct.unpack(("<" if item.little else ">") + item.kind, chunk)[0])
        elif item.kind != "x":
            values.append(int.from_bytes(chunk, "little" if item.little else "big", signed=item.kind in "bhli"))
    return (*values, at + 1)


def size(text: bytes) -> int:
    """The length of what a format packs, when it is fixed.  Raises ValueError."""
    position = 0
    for item in items(text):
        if item.kind == "s":
            raise ValueError("variable-size format in 'size'")
        if item.kind == "c" and not item.size:
            raise ValueError("variable-length format in 'size'")
        position += padding(item, position) + item.size
    return position
