"""Protocol Buffers' wire format, as much of it as Envoy's question and our answer need.

A message is a run of fields, each a number and a value.  What a number means stands in a table beside the message:

    RATE_LIMIT = Message({1: ("requests_per_unit", Integer), 2: ("unit", Integer), 3: ("name", Text)})

    tag = number << 3 | wire type         0: varint      2: length, then bytes      (1, 5: eight and four bytes)

Values become plain dicts; a number that the table lacks is skipped, as the format demands of old programs, and a field
that is missing has its kind's zero.  Writing leaves zeros out, so what is equal is written alike.

A library would bring generated code, a compiled runtime and a registry of descriptors for seven small messages; this is
the format itself, in a page.  Source: protobuf.dev, "Encoding".
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

VARINT, EIGHT_BYTES, LENGTH, FOUR_BYTES = 0, 1, 2, 5
DEPTH_MOST = 16


class DecodeError(ValueError):
    """Bytes that are no message of this kind."""


@dataclass(frozen=True)
class Kind:
    """A kind of value: how it is written, and its zero."""

    wire: int
    zero: Any


Integer = Kind(VARINT, 0)
Text = Kind(LENGTH, "")
Bytes = Kind(LENGTH, b"")


class Message(Kind):
    """A message as a kind of value: number to name and kind; a list of one kind is a repeated field."""

    def __init__(self, fields: Mapping[int, tuple[str, Kind | list[Any]]]) -> None:
        super().__init__(LENGTH, None)
        self.__dict__["fields"] = dict(fields)

    def decode(self, data: bytes, depth: int = 0) -> dict[str, Any]:
        """Every field of the table, present or not.  Raises DecodeError."""
        if depth > DEPTH_MOST:
            raise DecodeError("messages within messages without end")
        fields: dict[int, tuple[str, Kind | list[Kind]]] = self.__dict__["fields"]
        found: dict[str, Any] = {name: [] if isinstance(kind, list) else kind.zero for name, kind in fields.values()}
        position = 0
        while position < len(data):
            tag, position = read_varint(data, position)
            raw, position = _read_value(data, position, tag & 7)
            if tag >> 3 not in fields:
                continue
            name, kind = fields[tag >> 3]
            one = kind[0] if isinstance(kind, list) else kind
            if tag & 7 != one.wire:
                raise DecodeError(f"{name} has wire type {tag & 7}, expected {one.wire}")
            value = _value_of(raw, one, depth)
            if isinstance(kind, list):
                found[name].append(value)
            else:
                found[name] = value
        return found

    def encode(self, values: Mapping[str, Any]) -> bytes:
        """The fields of `values` that are not their kind's zero, in the order of the table."""
        pieces = []
        for number, (name, kind) in self.__dict__["fields"].items():
            value = values.get(name)
            if not value:
                continue
            for item in value if isinstance(kind, list) else (value,):
                pieces.append(_written(number, kind[0] if isinstance(kind, list) else kind, item))
        return b"".join(pieces)


def _read_value(data: bytes, position: int, wire: int) -> tuple[Any, int]:
    if wire == VARINT:
        return read_varint(data, position)
    if wire == LENGTH:
        length, position = read_varint(data, position)
    elif wire in (EIGHT_BYTES, FOUR_BYTES):
        length = 8 if wire == EIGHT_BYTES else 4
    else:
        raise DecodeError(f"wire type {wire}")
    if position + length > len(data):
        raise DecodeError("ends in the middle of a field")
    return data[position : position + length], position + length


def _value_of(raw: Any, kind: Kind, depth: int) -> Any:
    if isinstance(kind, Message):
        return kind.decode(raw, depth + 1)
    if kind is Text:
        try:
            return raw.decode()
        except UnicodeDecodeError:
            raise DecodeError("text that is not UTF-8") from None
    return raw


def _written(number: int, kind: Kind, value: Any) -> bytes:
    tag = varint(number << 3 | kind.wire)
    if kind is Integer:
        return tag + varint(value)
    data = kind.encode(value) if isinstance(kind, Message) else value.encode() if kind is Text else value
    return tag + varint(len(data)) + data


def varint(number: int) -> bytes:
    """Seven bits a byte, the low ones first; the high bit says that more follow.  `number` is not negative."""
    pieces = bytearray()
    while number > 0x7F:
        pieces.append(number & 0x7F | 0x80)
        number >>= 7
    pieces.append(number)
    return bytes(pieces)


def read_varint(data: bytes, position: int) -> tuple[int, int]:
    """The number at `position`, and where it ends.  Raises DecodeError: more than ten bytes, or too few."""
    number = shift = 0
    while shift < 70:
        if position >= len(data):
            raise DecodeError("ends in the middle of a number")
        byte = data[position]
        position += 1
        number |= (byte & 0x7F) << shift
        if byte < 0x80:
            return number & 0xFFFF_FFFF_FFFF_FFFF, position
        shift += 7
    raise DecodeError("a number of more than ten bytes")
