"""RESP requests, however the stream is cut."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from miniredis.wire.requests import RequestReader, split_words
from tests.oracles.real_redis import request

STREAM = (
    b"*2\r\n$3\r\nGET\r\n$1\r\nk\r\n"
    b"PING\r\n"
    b"*3\r\n$3\r\nSET\r\n$4\r\na\r\nb\r\n$0\r\n\r\n"
    b"set \"a b\\x41\" 'x'\n"
    b"\r\n"
    b"*0\r\n"
    b"*-1\r\n"
    b"*1\r\n$4\r\nPING\r\n"
)
REQUESTS = [[b"GET", b"k"], [b"PING"], [b"SET", b"a\r\nb", b""], [b"set", b"a bA", b"x"], [b"PING"]]


def received(*pieces: bytes, **settings: bool) -> list[list[bytes]]:
    reader = RequestReader()
    for name, value in settings.items():
        setattr(reader, name, value)
    found = [list(one) for piece in pieces for one in reader.receive(piece)]
    assert reader.error is None
    return found


@pytest.mark.parametrize("cut", range(len(STREAM) + 1))
def test_the_same_requests_come_out_wherever_the_stream_is_cut(cut):
    assert received(STREAM[:cut], STREAM[cut:]) == REQUESTS


def test_a_stream_may_come_byte_by_byte():
    assert received(*(STREAM[at : at + 1] for at in range(len(STREAM)))) == REQUESTS


def test_a_stranger_is_read_alike_within_his_limits():
    assert received(STREAM, authenticated=False) == REQUESTS


@given(st.lists(st.lists(st.binary(max_size=40), min_size=1, max_size=5), max_size=20), st.data())
def test_whatever_is_sent_is_received_in_any_pieces(requests, data):
    stream = b"".join(map(request, requests))
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=5)))
    edges = [0, *cuts, len(stream)]
    assert received(*(stream[a:b] for a, b in pairwise(edges))) == requests


@given(st.integers(1, 6), st.integers(2, 30), st.data())
def test_a_pipeline_of_one_width_is_read_as_a_table(width, depth, data):
    words = st.lists(st.binary(max_size=10), min_size=width, max_size=width)
    requests = data.draw(st.lists(words, min_size=depth, max_size=depth))
    assert received(b"".join(map(request, requests))) == requests


@pytest.mark.parametrize(
    ("stream", "message"),
    [
        (b"*1\r\n:3\r\n", "expected '$', got ':'"),
        (b"*x\r\n", "invalid multibulk length"),
        (b"*2147483648\r\n", "invalid multibulk length"),
        (b"*1\r\n$-1\r\n", "invalid bulk length"),
        (b"*1\r\n$x\r\n", "invalid bulk length"),
        (b"*1\r\n$536870913\r\n", "invalid bulk length"),
        (b'set "a\r\n', "unbalanced quotes in request"),
        (b"x" * 70000, "too big inline request"),
        (b"*" + b"1" * 70000, "too big mbulk count string"),
        (b"*1\r\n$" + b"1" * 70000, "too big bulk count string"),
    ],
)
def test_what_is_no_request_ends_the_stream_with_the_reason_of_redis(stream, message):
    reader = RequestReader()
    assert [list(one) for one in reader.receive(b"PING\r\n" + stream)] == [[b"PING"]]
    assert reader.error is not None
    assert reader.error.reply() == f"-ERR Protocol error: {message}\r\n".encode()
    assert reader.receive(b"PING\r\n") == []


@pytest.mark.parametrize(
    ("stream", "message"),
    [
        (b"*11\r\n", "unauthenticated multibulk length"),
        (b"*1\r\n$16385\r\n", "unauthenticated bulk length"),
    ],
)
def test_a_stranger_may_send_only_little(stream, message):
    reader = RequestReader()
    reader.authenticated = False
    assert reader.receive(stream) == []
    assert reader.error is not None and reader.error.args == (message,)


def test_a_large_value_is_joined_once_and_its_size_known():
    reader = RequestReader()
    value = b"v" * 1_000_000
    stream = request([b"SET", b"k", value])
    assert reader.receive(stream[:100]) == []
    for at in range(100, len(stream) - 1, 65536):
        assert reader.receive(stream[at : min(at + 65536, len(stream) - 1)]) == []
    assert reader.buffered == len(stream) - 1
    assert [list(one) for one in reader.receive(stream[-1:])] == [[b"SET", b"k", value]]
    assert reader.buffered == 0


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (b"", []),
        (b"  a  b\t", [b"a", b"b"]),
        (b'"\\n\\r\\t\\b\\a\\\\\\"\\x4a\\q"', [b'\n\r\t\b\a\\"Jq']),
        (b"'it\\'s \\n'", [b"it's \\n"]),
        (b'a"b"', [b"ab"]),
        (b'"a"b', None),
        (b"'a", None),
    ],
)
def test_inline_words_are_quoted_as_in_a_shell(line, words):
    assert split_words(line) == words


def test_what_is_too_much_for_a_stranger_is_read_once_he_is_known():
    reader = RequestReader()
    reader.authenticated = False
    many = b"*12\r\n" + b"$1\r\nx\r\n" * 12
    assert reader.receive(b"*2\r\n$4\r\nAUTH\r\n$1\r\np\r\n" + many) == [[b"AUTH", b"p"]]
    assert str(reader.error) == "unauthenticated multibulk length"
    assert (reader.admit(), reader.error) == ([[b"x"] * 12], None)
