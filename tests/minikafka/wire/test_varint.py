"""Variable-length integers."""

import pytest

from minikafka.wire.types import WireError
from minikafka.wire.varint import read_unsigned_varint, unsigned_varint

EDGES = [0, 1, 127, 128, 300, 16383, 16384, 2**21 - 1, 2**21, 2**28 - 1, 2**28, 2**32 - 1]


def obvious(number):
    groups = []
    while True:
        number, group = divmod(number, 128)
        groups.append(group | (128 if number else 0))
        if not number:
            return bytes(groups)


@pytest.mark.parametrize("number", EDGES)
def test_a_number_takes_seven_bits_a_byte(number):
    assert unsigned_varint(number) == obvious(number)
    assert read_unsigned_varint(b"__" + obvious(number) + b"\xff", 2) == (number, 2 + len(obvious(number)))


@pytest.mark.parametrize("number", EDGES)
def test_a_number_cut_short_is_no_number(number):
    for cut in range(len(obvious(number))):
        with pytest.raises(IndexError):
            read_unsigned_varint(obvious(number)[:cut], 0)


def test_six_bytes_are_too_many():
    with pytest.raises(WireError):
        read_unsigned_varint(b"\x80\x80\x80\x80\x80\x00", 0)
