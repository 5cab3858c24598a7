"""The four codecs that a batch's records may be packed with, and a limit on what they unpack to.

    1 gzip      RFC 1952
    2 snappy    two framings in the wild, told apart by the first bytes:
                xerial  82 'SNAPPY' 00, int32 version, int32 compatible, then blocks: int32 length, snappy   (Java)
                raw     one snappy block, nothing around it                                                  (librdkafka)
    3 lz4       the frame format; blocks independent of each other, which Kafka's own reader insists on
    4 zstd      RFC 8878; since Produce 7 and Fetch 10

A broker hardly ever gets here: batches stay packed from the producer to the consumer, and this is why Kafka is fast.
Where a rule must see keys or timestamps (compacted topics), the batch is unpacked in memory, and a kilobyte may claim to
be a gigabyte: output goes into a buffer that grows up to a limit, and no further.

Source: Kafka's protocol guide, "Compression"; snappy-java's SnappyOutputStream.  The codecs themselves are cramjam's.
"""

from enum import IntEnum
from struct import Struct

import cramjam

Buffer = bytes | bytearray | memoryview

UNPACKED_MAX = 128 << 20  # bytes; a batch may be no longer than 2 GiB even unpacked, and no client sends 128 MiB
XERIAL_MAGIC = b"\x82SNAPPY\x00"
XERIAL_HEADER = XERIAL_MAGIC + b"\x00\x00\x00\x01\x00\x00\x00\x01"
XERIAL_BLOCK = 32 * 1024  # bytes of plain data in each block, as snappy-java cuts them
LENGTH = Struct(">i")
GROWTH = 8
FIRST_BYTES = {1: b"\x1f\x8b\x08", 3: b"\x04\x22\x4d\x18", 4: b"\x28\xb5\x2f\xfd"}
"""Of the frames that name themselves."""
TRIED_MAX = 256
"""Bytes of a raw snappy block which is unpacked to see whether it is one: half a microsecond."""
FULL = "failed to write whole buffer"  # what cramjam says when the output does not fit


class Codec(IntEnum):
    """The lowest three bits of a batch's attributes; names as `compression.type` spells them."""

    NONE = 0
    GZIP = 1
    SNAPPY = 2
    LZ4 = 3
    ZSTD = 4


class CompressionError(ValueError):
    """Packed bytes that are damaged, of an unknown codec, or unpack to more than the limit."""


def pack(codec: int, data: Buffer) -> bytes:
    """`data` compressed, at the levels that Kafka's clients use by default."""
    if codec == Codec.GZIP:
        return bytes(cramjam.gzip.compress(data, level=6))
    if codec == Codec.SNAPPY:
        return _pack_xerial(data)
    if codec == Codec.LZ4:
        packer = cramjam.lz4.Compressor(content_checksum=False, block_linked=False)
        packer.compress(bytes(data))
        return bytes(packer.finish())
    if codec == Codec.ZSTD:
        return _pack_zstd(data)
    if codec == Codec.NONE:
        return bytes(data)
    raise CompressionError(f"Unknown compression type id: {codec}")


def begins_as(codec: int, data: memoryview) -> bool:
    """Whether `data`, packed by a codec that there is, begins like it: what can be told without unpacking.

    A raw snappy block has no mark of its own; a small one is tried.
    """
    mark = FIRST_BYTES.get(codec)
    if mark is not None:
        return data[: len(mark)] == mark
    if data[: len(XERIAL_MAGIC)] == XERIAL_MAGIC or len(data) > TRIED_MAX:
        return True
    try:
        _unpack_block(bytearray(), data, UNPACKED_MAX)
    except (cramjam.DecompressionError, CompressionError):
        return False
    return True


def unpack(codec: int, data: Buffer, unpacked_max: int = UNPACKED_MAX) -> Buffer:
    """`data` decompressed.  Raises CompressionError; no more than about `unpacked_max` bytes are held meanwhile."""
    if codec == Codec.NONE:
        return data
    try:
        if codec == Codec.SNAPPY:
            return _unpack_snappy(data, unpacked_max)
        if codec not in Codec._value2member_map_:
            raise CompressionError(f"Unknown compression type id: {codec}")
        codec_module = {Codec.GZIP: cramjam.gzip, Codec.LZ4: cramjam.lz4, Codec.ZSTD: cramjam.zstd}[Codec(codec)]
        room = min(max(64 * 1024, GROWTH * len(data)), unpacked_max)
        while True:
            output = bytearray(room)
            try:
                size = codec_module.decompress_into(data, output)
            except cramjam.DecompressionError as error:
                if FULL not in str(error) or room == unpacked_max:
                    raise
                room = min(room * GROWTH, unpacked_max)
            else:
                del output[size:]
                return output
    except cramjam.DecompressionError as error:
        raise CompressionError(f"{Codec(codec).name.lower()}: {error}") from None


def _pack_xerial(data: Buffer) -> bytes:
    out, plain = bytearray(XERIAL_HEADER), memoryview(data)
    for start in range(0, len(plain), XERIAL_BLOCK):
        block = cramjam.snappy.compress_raw(plain[start : start + XERIAL_BLOCK])
        out += LENGTH.pack(len(block))
        out += block
    return bytes(out)


def _pack_zstd(data: Buffer) -> bytes:
    """As a stream that is flushed before it ends, which is how Java's clients and brokers write it: the same bytes."""
    packer = cramjam.zstd.Compressor(level=3)
    packer.compress(bytes(data))
    return bytes(packer.flush()) + bytes(packer.finish())


def _unpack_snappy(data: Buffer, unpacked_max: int) -> bytearray:
    packed = memoryview(data)
    if packed[: len(XERIAL_MAGIC)] != XERIAL_MAGIC:
        out = bytearray()
        _unpack_block(out, packed, unpacked_max)
        return out
    if len(packed) < len(XERIAL_HEADER):
        raise CompressionError("snappy: the header is cut off")
    out, position = bytearray(), len(XERIAL_HEADER)
    while position < len(packed):
        if position + LENGTH.size > len(packed):
            raise CompressionError("snappy: the length of a block is cut off")
        (length,) = LENGTH.unpack_from(packed, position)
        position += LENGTH.size
        if not 0 < length <= len(packed) - position:
            raise CompressionError(f"snappy: a block of {length} bytes where {len(packed) - position} are left")
        _unpack_block(out, packed[position : position + length], unpacked_max)
        position += length
    return out


def _unpack_block(out: bytearray, block: memoryview, unpacked_max: int) -> None:
    """One raw snappy block: it begins with its unpacked length, so a liar is known before a byte is made."""
    size = cramjam.snappy.decompress_raw_len(block)
    if len(out) + size > unpacked_max:
        raise CompressionError(f"snappy: unpacks to more than {unpacked_max} bytes")
    out += cramjam.snappy.decompress_raw(block)
