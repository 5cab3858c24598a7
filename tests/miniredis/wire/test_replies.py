"""One Python value, two protocols; hiredis reads back what we write."""

import hiredis
import pytest
from hypothesis import given
from hypothesis import strategies as st

from miniredis.errors import RedisError, WrongType
from miniredis.wire.replies import (
    NULL_ARRAY,
    OK,
    Attributed,
    BigNumber,
    Encoded,
    MapReply,
    Pairs,
    Push,
    SetReply,
    Verbatim,
    encode2,
    encode3,
)


@pytest.mark.parametrize(
    ("value", "resp2", "resp3"),
    [
        (7, b":7\r\n", b":7\r\n"),
        (-1, b":-1\r\n", b":-1\r\n"),
        (5000, b":5000\r\n", b":5000\r\n"),
        (b"x", b"$1\r\nx\r\n", b"$1\r\nx\r\n"),
        (bytearray(b"x"), b"$1\r\nx\r\n", b"$1\r\nx\r\n"),
        ("é", b"$2\r\n\xc3\xa9\r\n", b"$2\r\n\xc3\xa9\r\n"),
        (None, b"$-1\r\n", b"_\r\n"),
        (NULL_ARRAY, b"*-1\r\n", b"_\r\n"),
        (OK, b"+OK\r\n", b"+OK\r\n"),
        (RedisError("ERR a\r\nb"), b"-ERR a  b\r\n", b"-ERR a  b\r\n"),
        (WrongType(), b"-" + WrongType.text.encode() + b"\r\n", b"-" + WrongType.text.encode() + b"\r\n"),
        (True, b":1\r\n", b"#t\r\n"),
        (False, b":0\r\n", b"#f\r\n"),
        (0.1, b"$3\r\n0.1\r\n", b",0.1\r\n"),
        (float("inf"), b"$3\r\ninf\r\n", b",inf\r\n"),
        ([1, [b"a"]], b"*2\r\n:1\r\n*1\r\n$1\r\na\r\n", b"*2\r\n:1\r\n*1\r\n$1\r\na\r\n"),
        ({b"a": 1}, b"*2\r\n$1\r\na\r\n:1\r\n", b"%1\r\n$1\r\na\r\n:1\r\n"),
        (MapReply([([1], 2)]), b"*2\r\n*1\r\n:1\r\n:2\r\n", b"%1\r\n*1\r\n:1\r\n:2\r\n"),
        (SetReply([1]), b"*1\r\n:1\r\n", b"~1\r\n:1\r\n"),
        (Pairs([(b"a", 1.5)]), b"*2\r\n$1\r\na\r\n$3\r\n1.5\r\n", b"*1\r\n*2\r\n$1\r\na\r\n,1.5\r\n"),
        (Push([b"m"]), b"*1\r\n$1\r\nm\r\n", b">1\r\n$1\r\nm\r\n"),
        (Verbatim("hi"), b"$2\r\nhi\r\n", b"=6\r\ntxt:hi\r\n"),
        (BigNumber(b"123"), b"$3\r\n123\r\n", b"(123\r\n"),
        (Attributed({b"k": 1}, b"v"), b"$1\r\nv\r\n", b"|1\r\n$1\r\nk\r\n:1\r\n$1\r\nv\r\n"),
        (Encoded(b"+raw\r\n"), b"+raw\r\n", b"+raw\r\n"),
    ],
)
def test_a_value_has_its_form_in_each_protocol(value, resp2, resp3):
    assert (encode2(value), encode3(value)) == (resp2, resp3)


VALUES = st.recursive(st.none() | st.integers(-(2**63), 2**63 - 1) | st.binary(), lambda inner: st.lists(inner))


@given(VALUES)
def test_hiredis_reads_what_we_write(value):
    for encode in (encode2, encode3):
        reader = hiredis.Reader()
        reader.feed(encode(value))
        assert reader.gets() == value


def test_what_is_no_reply_is_our_mistake_and_not_the_clients():
    with pytest.raises(TypeError, match="no command may return a object"):
        encode2(object())


@given(st.lists(st.binary(min_size=3, max_size=3), min_size=9, max_size=40), st.booleans())
def test_many_strings_of_one_length_are_joined_and_read_the_same(values, odd):
    values = [*values, b"odd one"] if odd else values
    reader = hiredis.Reader()
    reader.feed(encode2(values))
    assert reader.gets() == values
