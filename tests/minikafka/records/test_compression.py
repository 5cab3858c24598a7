import cramjam
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minikafka.records.compression import Codec, CompressionError, pack, unpack

PACKED = [Codec.GZIP, Codec.SNAPPY, Codec.LZ4, Codec.ZSTD]


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
