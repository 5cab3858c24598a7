"""Zigzag varints, as records use them: small numbers of either sign in few bytes.

    zigzag     0 -1 1 -2 2 ...  becomes  0 1 2 3 4 ...       so that -1 (null) takes one byte, not ten
    varint     seven bits a byte, the lowest first; the top bit says that more follow

Unlike the unsigned varints of the flexible wire messages, these are signed; both stand in one format of Kafka's, and
mixing them up shifts every length by a factor of two.

Source: KIP-98, "Message Format"; Protocol Buffers, "Base 128 Varints".  Next: record.py.
"""

SMALL = [bytes([value << 1]) for value in range(64)]
"""The encoding of 0 to 63: most deltas and lengths are one of these."""


def append_varint(out: bytearray, value: int) -> None:
    """Append `value`, of at most 64 bits with its sign, to `out`."""
    if 0 <= value < 64:
        out += SMALL[value]
        return
    zigzag = (value << 1) ^ (value >> 63)
    while zigzag > 0x7F:
        out.append(zigzag & 0x7F | 0x80)
        zigzag >>= 7
    out.append(zigzag)


def read_varint(data: bytes | bytearray | memoryview, position: int, bytes_max: int = 5) -> tuple[int, int]:
    """(value, position behind it).  Raises IndexError where `data` ends first, ValueError when it is too long.

    bytes_max  5 for a varint of 32 bits, 10 for a varlong
    """
    byte = data[position]
    position += 1
    if byte < 0x80:
        return (byte >> 1) ^ -(byte & 1), position
    zigzag, shift, end = byte & 0x7F, 7, position + bytes_max - 1
    while position < end:
        byte = data[position]
        position += 1
        zigzag |= (byte & 0x7F) << shift
        if byte < 0x80:
            return (zigzag >> 1) ^ -(zigzag & 1), position
        shift += 7
    raise ValueError(f"varint of more than {bytes_max} bytes")
