import pytest
from hypothesis import given
from hypothesis import strategies as st

from minikafka.records.varint import append_varint, read_varint

INT64 = st.integers(-(1 << 63), (1 << 63) - 1)


def encoded(value: int) -> bytes:
    out = bytearray()
    append_varint(out, value)
    return bytes(out)


@pytest.mark.parametrize(
    ("value", "expected"),
    [(0, "00"), (-1, "01"), (1, "02"), (63, "7e"), (-64, "7f"), (64, "8001"), (-65, "8101"), (2**31 - 1, "feffffff0f")],
)
def test_small_numbers_of_either_sign_take_few_bytes(value, expected):
    assert encoded(value).hex() == expected


@given(INT64)
def test_what_was_written_is_read(value):
    assert read_varint(b"x" + encoded(value), 1, 10) == (value, 1 + len(encoded(value)))


def test_a_varint_that_does_not_end_is_refused():
    with pytest.raises(ValueError):
        read_varint(b"\xff" * 6, 0)
    with pytest.raises(IndexError):
        read_varint(b"\xff\xff", 0)
