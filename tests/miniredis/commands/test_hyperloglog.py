"""PFADD, PFCOUNT, PFMERGE: the bytes, the cached count, what is written down."""

import pytest

from miniredis.values.hyperloglog import NEW
from tests.miniredis.commands.test_sorted_sets import events
from tests.miniredis.engine_fixtures import Redis

STALE_HEAD = b"HYLL\x01\x00\x00\x00" + bytes(7) + b"\x80"


def value(redis: Redis, key: str) -> bytes:
    return redis("GET", key).partition(b"\r\n")[2][:-2]


def test_elements_are_counted_once():
    redis = Redis()
    assert [redis("PFADD", "h", "a", "b", "c"), redis("PFADD", "h", "a"), redis("PFCOUNT", "h")] == [
        b":1\r\n",
        b":0\r\n",
        b":3\r\n",
    ]


def test_the_bytes_are_those_of_redis():
    """Recorded from redis-server 7.0.15: PFADD h a b c, then PFCOUNT h."""
    redis = Redis()
    redis("PFADD", "h", "a", "b", "c")
    assert redis("PFDEBUG", "DECODE", "h") == b"$44\r\nZ:8436 v:1,1 Z:4274 v:2,1 Z:3068 v:1,1 Z:603\r\n"
    redis("PFCOUNT", "h")
    assert value(redis, "h") == b"HYLL\x01\x00\x00\x00\x03\x00\x00\x00\x00\x00\x00\x00`\xf3\x80P\xb1\x84K\xfb\x80BZ"


def test_a_key_may_be_made_without_elements():
    redis = Redis()
    assert [redis("PFADD", "h"), redis("PFADD", "h"), value(redis, "h")] == [
        b":1\r\n",
        b":0\r\n",
        STALE_HEAD + NEW[16:],
    ]


def test_a_count_is_noted_in_the_value_and_written_down_once():
    redis = Redis()
    redis("PFADD", "h", "a")
    redis.written.clear()
    told = events(redis)
    assert [redis("PFCOUNT", "h"), redis("PFCOUNT", "h")] == [b":1\r\n"] * 2
    assert (redis.written, told) == ([[(0, [b"PFCOUNT", b"h"])]], [])
    assert value(redis, "h")[8:16] == b"\x01" + bytes(7)


def test_the_union_is_counted_and_merged():
    redis = Redis()
    redis("PFADD", "x", "a", "b", "c")
    redis("PFADD", "y", "c", "d")
    told = events(redis)
    assert [redis("PFCOUNT", "x", "y", "none"), redis("PFMERGE", "z", "x", "y"), redis("PFCOUNT", "z")] == [
        b":4\r\n",
        b"+OK\r\n",
        b":4\r\n",
    ]
    assert told == [("pfadd", b"z")]


def test_merging_something_dense_makes_dense():
    redis = Redis()
    redis("PFADD", "x", "a")
    redis("PFADD", "y", "b")
    assert redis("PFDEBUG", "TODENSE", "y") == b":1\r\n"
    redis("PFMERGE", "x", "y")
    assert [redis("PFDEBUG", "ENCODING", "x"), redis("STRLEN", "x"), redis("PFCOUNT", "x")] == [
        b"+dense\r\n",
        b":12304\r\n",
        b":2\r\n",
    ]


def test_it_becomes_dense_past_the_configured_size():
    redis = Redis(hll_sparse_max_bytes=100)
    redis("PFADD", "h", *range(100))
    assert redis("PFDEBUG", "ENCODING", "h") == b"+dense\r\n"


@pytest.mark.parametrize("other", [b"", b"x" * 20, b"HYLL\x02" + bytes(20), b"HYLL\x00" + bytes(20)])
def test_another_string_is_refused(other):
    redis = Redis()
    redis("SET", "h", other)
    error = b"-WRONGTYPE Key is not a valid HyperLogLog string value.\r\n"
    assert [redis("PFADD", "h", "a"), redis("PFCOUNT", "h"), redis("PFMERGE", "d", "h")] == [error] * 3


def test_damaged_runs_are_refused():
    redis = Redis()
    redis("SET", "h", STALE_HEAD + b"\x00")
    error = b"-INVALIDOBJ Corrupted HLL object detected\r\n"
    assert [redis("PFADD", "h", "a"), redis("PFCOUNT", "h"), redis("PFMERGE", "d", "h")] == [error] * 3


def test_the_self_test_passes():
    assert Redis()("PFSELFTEST") == b"+OK\r\n"
