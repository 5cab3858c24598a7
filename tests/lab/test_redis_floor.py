"""The floor reads RESP exactly, however fast: the split-and-compare way against every cut of the stream."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lab.benchmarks.redis_floor import ProtocolError, Reader, Store, as_table
from scenarios.resp import encode

REQUESTS = [
    (b"SET", b"k", b"a\r\nb"),
    (b"GET", b"k"),
    (b"GET", b"\r\n"),
    (b"PING",),
    (b"SET", b"k", b"$3\r\nabc\r\n"),
]
STREAM = b"".join(map(encode, REQUESTS))

requests = st.lists(
    st.lists(st.binary(max_size=12) | st.sampled_from([b"\r\n", b"*1", b"$1\r\n"]), min_size=1, max_size=4)
)


def read(*pieces):
    reader, found = Reader(), []
    for piece in pieces:
        found += map(tuple, reader.receive(piece))
    return found


@pytest.mark.parametrize("cut", range(len(STREAM) + 1))
def test_the_same_requests_come_out_wherever_the_stream_is_cut(cut):
    assert read(STREAM[:cut], STREAM[cut:]) == REQUESTS


def test_one_byte_at_a_time():
    assert read(*[bytes([byte]) for byte in STREAM]) == REQUESTS


@given(requests, st.integers(0, 200))
def test_any_arguments_survive(wanted, cut):
    stream = b"".join(map(encode, wanted))
    assert read(stream[:cut], stream[cut:]) == [tuple(request) for request in wanted]


def test_a_read_of_one_arity_is_a_table():
    tokens = (encode((b"SET", b"a", b"1")) + encode((b"SET", b"b", b"22"))).split(b"\r\n")
    assert as_table(tokens) == [(b"SET", b"a", b"1"), (b"SET", b"b", b"22")]


def test_a_value_with_a_crlf_is_never_a_table():
    """Three tokens where the count says two: the lengths no longer fit."""
    tokens = (encode((b"ECHO", b"a\r\nb")) + encode((b"ECHO", b"c"))).split(b"\r\n")
    assert as_table(tokens) is None


@pytest.mark.parametrize(
    "stream, reason",
    [
        (b"*1\r\n#4\r\nPING\r\n", r"expected '\$', got '#'"),
        (b"*x\r\n", "invalid multibulk length"),
        (b"*9999999\r\n", "invalid multibulk length"),
        (b"*1\r\n$x\r\nPING\r\n", "invalid bulk length"),
        (b"*1\r\n$999999999999\r\n", "invalid bulk length"),
    ],
)
def test_bytes_that_are_no_request_are_refused(stream, reason):
    with pytest.raises(ProtocolError, match=reason):
        read(stream)


def test_inline_commands():
    assert read(b"PING\r\n\r\nSET k  v\r\n") == [(b"PING",), (b"SET", b"k", b"v")]


@pytest.mark.parametrize(
    "request_line, reply",
    [
        ("PING", b"+PONG\r\n"),
        ("get nothing", b"$-1\r\n"),
        ("SET s 9", b"+OK\r\n"),
        ("INCR s", b":10\r\n"),
        ("LPUSH l a b c", b":3\r\n"),
        ("LRANGE l 0 1", b"*2\r\n$1\r\nc\r\n$1\r\nb\r\n"),
        ("LRANGE l -1 -1", b"*1\r\n$1\r\na\r\n"),
        ("RPOP l", b"$1\r\na\r\n"),
        ("SADD t x y x", b":2\r\n"),
        ("HSET h f v f w", b":1\r\n"),
        ("ZADD z 1 a 2 b", b":2\r\n"),
        ("MSET a 1 b 2", b"+OK\r\n"),
        ("GET", b"-ERR wrong number of arguments, or not a number\r\n"),
        ("SADD s x", b"-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"),
        ("NOSUCH", b"-ERR unknown command\r\n"),
        ("CONFIG GET save", b"*2\r\n$4\r\nsave\r\n$0\r\n\r\n"),
    ],
)
def test_each_command_replies_as_redis_does(request_line, reply):
    store = Store()
    if not request_line.startswith(("SET", "LPUSH")):
        store.execute([b"SET", b"s", b"9"])
        store.execute([b"LPUSH", b"l", b"a", b"b", b"c"])
    assert store.execute(request_line.encode().split()) == reply
