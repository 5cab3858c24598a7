"""From declarations to functions: one straight line of code per message, version and direction.

    encode(ProduceResponse(...), 9) -> bytes          decode(ProduceRequest, 9, frame, position) -> (request, end)

Walking the declaration for each message would ask the same questions again and again: is the field there in this
version, compact, nullable?  Here they are asked once.  The first use of a version writes the Python function that a
patient person would write by hand and compiles it (about a millisecond); `show.py` prints it.

What makes the functions fast:
- neighbours of fixed size share one `struct` call, and the length of what follows belongs to them: a compact length
  is below 127 nearly always and then a single byte, for the others there is a branch;
- no bounds check per string.  A position never moves back and a slice never exceeds the data, so a length that is
  too large leads the next read, or the one check at the end, beyond it.  A count of items is doubted only when it is
  large: each item takes a byte at least, so for small ones the data end soon enough;
- an object is made without its constructor, each field assigned once;
- record batches are neither copied nor looked at: a view when decoding, a part of its own with `encode_parts`.

Layouts (KIP-482 brought the second; all integers big-endian):

                 older                                flexible versions
    string       int16 length, bytes                  varint length + 1, bytes
    bytes        int32 length, bytes                  varint length + 1, bytes
    array        int32 count, items                   varint count + 1, items
    null         length -1                            0
    struct       its fields                           its fields, varint count, (varint tag, varint size, value)*
    struct that may be null       int8 -1 for null, else 1 and the struct, in both

Kafka keeps the tagged fields it does not know and sends them on; here they are skipped.
"""

from collections.abc import Callable
from typing import Any

from minikafka.wire.decode_source import DecodeSource
from minikafka.wire.encode_source import EncodePartsSource, EncodeSource
from minikafka.wire.source import Source
from minikafka.wire.types import Buffer, Struct, StructType, WireError

Decoder = Callable[[Any, int], tuple[StructType, int]]
Part = Buffer


def encode(value: Struct, version: int) -> bytes:
    """The body of a message, without header.  Raises WireError for a version that its class does not have."""
    result: bytes = _encoders[type(value), version](value)
    return result


def encode_parts(value: Struct, version: int) -> list[Part]:
    """As `encode`, in parts to be written one after the other: the large Records stay the buffers they are."""
    result: list[Part] = _part_encoders[type(value), version](value)
    return result


def decode(cls: type[StructType], version: int, data: bytes | bytearray, position: int = 0) -> tuple[StructType, int]:
    """The message that begins at `position`, and where it ends.  Raises WireError when the bytes are none."""
    value: StructType
    value, end = _decoders[cls, version](data, position)
    return value, end


def encoder(cls: type[StructType], version: int) -> Callable[[StructType], bytes]:
    """The function behind `encode`, for those who would look it up often."""
    function: Callable[[StructType], bytes] = _encoders[cls, version]
    return function


def decoder(cls: type[StructType], version: int) -> Decoder[StructType]:
    """The function behind `decode`: (data, position) -> (value, end)."""
    function: Decoder[StructType] = _decoders[cls, version]
    return function


def part_encoder(cls: type[StructType], version: int) -> Callable[[StructType], list[Part]]:
    """The function behind `encode_parts`."""
    function: Callable[[StructType], list[Part]] = _part_encoders[cls, version]
    return function


class _Compiled(dict[tuple[type[Struct], int], Any]):
    """Functions by class and version, each compiled when it is first asked for."""

    def __init__(self, source: Callable[[type[Struct], int], Source]) -> None:
        super().__init__()
        self._source = source

    def __missing__(self, key: tuple[type[Struct], int]) -> Any:
        cls, version = key
        if version not in cls.__versions__:
            raise WireError(f"{cls.__name__} has no version {version}, only {cls.__versions__}")
        function = self[key] = self._source(cls, version).function()
        return function


_encoders = _Compiled(EncodeSource)
_part_encoders = _Compiled(EncodePartsSource)
_decoders = _Compiled(DecodeSource)
