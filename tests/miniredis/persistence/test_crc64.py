from random import Random

from miniredis.persistence.crc64 import CHECK, crc64


def test_the_checksum_of_the_nine_digits_is_the_published_one():
    """CRC-64/REDIS in the catalogue of CRC algorithms; `crc64.c` tests itself by the same number."""
    assert crc64(b"123456789") == CHECK


def test_nothing_has_the_checksum_zero():
    assert crc64(b"") == 0


def test_parts_can_be_chained():
    data = Random(1).randbytes(10_000)
    for cut in (0, 1, 7, 8, 63, 64, 5_000, 10_000):
        assert crc64(data[cut:], crc64(data[:cut])) == crc64(data)


def test_any_kind_of_buffer_will_do():
    assert [crc64(kind(b"123456789")) for kind in (bytes, bytearray, memoryview)] == [CHECK] * 3
