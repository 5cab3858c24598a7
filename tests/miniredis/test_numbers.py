"""Integers are canonical, floats read and print as in C."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from miniredis.numbers import format_float, parse_float, parse_integer


@pytest.mark.parametrize("text", [b"0", b"-1", b"9223372036854775807", b"-9223372036854775808"])
def test_a_canonical_integer_is_read(text):
    assert parse_integer(text) == int(text)


@pytest.mark.parametrize(
    "text", [b"", b"+1", b"01", b"-0", b" 1", b"1 ", b"1_0", b"9223372036854775808", b"1.0", b"x", b"1" * 30]
)
def test_any_other_spelling_is_no_integer(text):
    assert parse_integer(text) is None


@pytest.mark.parametrize(
    ("text", "value"),
    [(b"1", 1), (b".5", 0.5), (b"5.", 5), (b"-1e3", -1000), (b"inf", float("inf")), (b"-Infinity", float("-inf")),
     (b"0x10", 16), (b"+3", 3)],
)  # fmt: skip
def test_a_float_is_read_as_strtod_reads_it(text, value):
    assert parse_float(text) == value


@pytest.mark.parametrize("text", [b"", b" 1", b"1 ", b"nan", b"1_0", b"e5", b"0x", b"1e", b"--1"])
def test_what_strtod_would_not_read_whole_is_no_float(text):
    assert parse_float(text) is None


@pytest.mark.parametrize(
    ("value", "text"),
    [(3.0, b"3"), (0.1, b"0.1"), (1e21, b"1e+21"), (1e22, b"1e+22"), (1.5e-7, b"1.5e-7"), (0.00001, b"0.00001"),
     (1.234e-05, b"1.234e-5"), (-0.0, b"-0"), (1e100, b"1e+100"), (5e-324, b"5e-324"), (2.0**62, b"4611686018427387904"),
     (123456789.123, b"123456789.123")],
)  # fmt: skip
def test_a_float_prints_as_the_shortest_text(value, text):
    """fpconv_dtoa, as Redis 7.2 prints scores."""
    assert format_float(value) == text


@given(st.floats(allow_nan=False))
def test_what_is_printed_reads_back_as_the_same_number(value):
    assert parse_float(format_float(value)) == value
