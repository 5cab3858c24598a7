import cramjam
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minikafka.records.compression import Codec, CompressionError, begins_as, pack, unpack

PACKED = [Codec.GZIP, Codec.SNAPPY, Codec.LZ4, Codec.ZSTD]
NAMED = [Codec.GZIP, Codec.LZ4, Codec.ZSTD]  # by their first bytes


@pytest.mark.parametrize("codec", list(Codec))
@settings(max_examples=20, deadline=None)
@given(data=st.binary(max_size=3000), times=st.integers(1, 60))
def test_what_was_packed_is_unpacked(codec, data, times):
    assert bytes(unpack(codec, pack(codec, data * times))) == data * times


@pytest.mark.parametrize("codec", PACKED)
def test_a_bomb_is_refused_before_it_fills_memory(codec):
    bomb = pack(codec, bytes(1 << 22))
    assert len(bytes(unpack(codec, bomb, 1 << 22))) == 1 << 22
    with pytest.raises(CompressionError):
        unpack(codec, bomb, (1 << 22) - 1)


@pytest.mark.parametrize("codec", PACKED)
def test_damage_is_refused(codec):
    packed = pack(codec, b"some words " * 100)
    for cut in range(2, len(packed) - 1, 3):
        with pytest.raises(CompressionError):
            unpack(codec, packed[:cut])


def test_raw_snappy_as_librdkafka_writes_it_is_read():
    assert unpack(Codec.SNAPPY, bytes(cramjam.snappy.compress_raw(b"raw " * 50))) == b"raw " * 50


def test_a_xerial_block_that_claims_too_much_is_refused():
    packed = bytearray(pack(Codec.SNAPPY, b"words " * 50))
    packed[16:20] = (10_000).to_bytes(4)
    with pytest.raises(CompressionError, match="a block of 10000 bytes"):
        unpack(Codec.SNAPPY, packed)


def test_lz4_blocks_stand_alone_as_kafkas_reader_insists():
    """KafkaLZ4BlockInputStream: bit 5 of the frame's flags."""
    assert pack(Codec.LZ4, b"x" * 100_000)[4] & 0x20


@pytest.mark.parametrize("codec", [5, 6, 7])
def test_codecs_that_there_are_not(codec):
    with pytest.raises(CompressionError, match="Unknown compression type id"):
        unpack(codec, b"x")
    with pytest.raises(CompressionError, match="Unknown compression type id"):
        pack(codec, b"x")


@pytest.mark.parametrize("codec", PACKED)
@pytest.mark.parametrize("size", [0, 1, 50, 5000])
def test_packed_bytes_begin_as_their_codec_does_and_others_do_not(codec, size):
    data = bytes(range(256)) * (size // 256) + bytes(range(size % 256))
    packed = memoryview(pack(codec, data))
    assert begins_as(codec, packed)
    assert [other for other in NAMED if begins_as(other, packed)] == [other for other in NAMED if other is codec]
    assert not begins_as(codec, memoryview(b"\x0e\0\0\0\1\2x\0"))


@pytest.mark.parametrize("size", [0, 1, 50, 5000])
def test_a_raw_snappy_block_is_snappy(size):
    """librdkafka's framing: none at all."""
    assert begins_as(Codec.SNAPPY, memoryview(bytes(cramjam.snappy.compress_raw(bytes(size)))))
