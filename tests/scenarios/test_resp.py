"""The scenarios' own client, on a stream that is fed by hand."""

import asyncio

import pytest

from scenarios.resp import Client, ReplyError, encode


class Deaf:
    """A writer that keeps what it is given."""

    def __init__(self):
        self.sent = b""

    def write(self, data):
        self.sent += data

    def close(self):
        pass


def client_reading(data):
    reader = asyncio.StreamReader()
    reader.feed_data(data)
    reader.feed_eof()
    return Client((reader, Deaf()))


def test_a_request_is_an_array_of_bulk_strings():
    assert encode((b"SET", b"k", b"")) == b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$0\r\n\r\n"


async def test_every_kind_of_reply_has_one_python_value():
    client = client_reading(b"+OK\r\n:-7\r\n$4\r\na\r\nb\r\n$-1\r\n*-1\r\n*3\r\n:1\r\n*0\r\n$1\r\nx\r\n")
    assert [await client.receive() for _ in range(6)] == [b"OK", -7, b"a\r\nb", None, None, [1, [], b"x"]]


async def test_an_error_is_raised_by_call_and_stands_in_a_pipeline():
    with pytest.raises(ReplyError, match="WRONGTYPE no"):
        await client_reading(b"-WRONGTYPE no\r\n").call("GET", "k")
    replies = await client_reading(b"+OK\r\n-ERR bad\r\n").pipeline([(b"A",), (b"B",)])
    assert replies == [b"OK", ReplyError("ERR bad")]


async def test_a_connection_that_ends_midway_is_an_eof_error():
    with pytest.raises(EOFError):
        await client_reading(b"$10\r\nshort").receive()
