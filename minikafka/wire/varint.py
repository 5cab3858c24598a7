"""Integers that take as many bytes as they need: seven bits a byte, the lowest first, the top bit says "more follows".

    300  ->  1010 1100   0000 0010            (300 = 2 * 128 + 44)

So lengths in flexible messages and the numbers of tags take one byte nearly always.  (Fields inside a record are signed and
have varints of their own, records/varint.py.)

Source: KIP-482; Protocol Buffers, "Encoding".
"""

from minikafka.wire.types import WireError

SMALL = tuple(bytes([n]) for n in range(128)) + tuple(bytes([n & 127 | 128, n >> 7]) for n in range(128, 2048))
"""The numbers that nearly all are, made once."""


def unsigned_varint(number: int) -> bytes:
    """`number`, at least 0, in as few bytes as it takes."""
    if number < 2048:
        return SMALL[number]
    encoded = bytearray()
    while number > 127:
        encoded.append(number & 127 | 128)
        number >>= 7
    encoded.append(number)
    return bytes(encoded)


def read_unsigned_varint(data: bytes | bytearray | memoryview, position: int) -> tuple[int, int]:
    """The number at `position`, below 2**32, and where it ends.  Raises WireError past five bytes, IndexError at the end."""
    number = data[position]
    if number < 128:
        return number, position + 1
    byte = data[position + 1]
    if byte < 128:  # the common case of a long one, without the loop
        return byte << 7 | number & 127, position + 2
    number = (byte & 127) << 7 | number & 127
    position += 1
    for shift in (14, 21, 28):
        position += 1
        byte = data[position]
        number |= (byte & 127) << shift
        if byte < 128:
            return number, position + 1
    raise WireError("a varint of more than five bytes")
