"""Hashes: replies, encodings, numbers in fields, chance, what is told and what is written down."""

import pytest

from tests.miniredis.commands.collection_fixtures import (
    NOT_AN_INTEGER,
    SYNTAX,
    WRONG_TYPE,
    array,
    bulk,
    encoding,
    events,
    logged,
    words,
)
from tests.miniredis.engine_fixtures import Redis


def filled(*pairs: object, key: str = "h", **settings: object) -> Redis:
    redis = Redis(**settings)
    redis("HSET", key, *pairs)
    redis.written.clear()
    return redis


def numbered(count: int) -> list[str]:
    return [word for number in range(count) for word in (f"f{number}", "v")]


# -- writing --------------------------------------------------------------------------------------------------------


def test_hset_counts_the_new_fields():
    redis = filled("a", 1)
    assert redis("HSET", "h", "a", 2, "b", 3, "b", 4) == b":1\r\n"
    assert redis("HGETALL", "h") == array("a", "2", "b", "4")
    assert redis("HMSET", "h", "c", 1) == b"+OK\r\n"


def test_hset_is_told_even_when_the_value_is_the_same():
    redis = filled("a", 1)
    told = events(redis)
    redis("HSET", "h", "a", 1)
    assert told == [("hset", b"h")]
    assert logged(redis) == [[b"HSET", b"h", b"a", b"1"]]


def test_a_field_without_a_value_is_an_error_of_the_number_of_arguments():
    redis = Redis()
    assert redis("HSET", "h", "a", 1, "b") == b"-ERR wrong number of arguments for 'hset' command\r\n"
    assert redis("HMSET", "h", "a", 1, "b") == b"-ERR wrong number of arguments for 'hmset' command\r\n"
    assert redis("EXISTS", "h") == b":0\r\n"


def test_hsetnx_leaves_a_field_as_it_is():
    redis = filled("a", 1)
    assert [redis("HSETNX", "h", "a", 2), redis("HSETNX", "h", "b", 2)] == [b":0\r\n", b":1\r\n"]
    assert redis("HVALS", "h") == array("1", "2")


def test_the_last_field_takes_the_key_along():
    redis = filled("a", 1, "b", 2)
    told = events(redis)
    assert redis("HDEL", "h", "a", "b", "c") == b":2\r\n"
    assert told == [("hdel", b"h"), ("del", b"h")]


# -- numbers --------------------------------------------------------------------------------------------------------


def test_hincrby_starts_from_nothing():
    redis = Redis()
    told = events(redis)
    assert [redis("HINCRBY", "h", "n", 5), redis("HINCRBY", "h", "n", -7)] == [b":5\r\n", b":-2\r\n"]
    assert told == [("hincrby", b"h")] * 2


@pytest.mark.parametrize(
    ("value", "increment", "error"),
    [
        ("1", "x", NOT_AN_INTEGER),
        ("x", "1", b"-ERR hash value is not an integer\r\n"),
        ("1.5", "1", b"-ERR hash value is not an integer\r\n"),
        (str(2**63 - 1), "1", b"-ERR increment or decrement would overflow\r\n"),
    ],
)
def test_a_wrong_hincrby_changes_nothing(value, increment, error):
    redis = filled("n", value)
    assert redis("HINCRBY", "h", "n", increment) == error
    assert redis("HGET", "h", "n") == bulk(value)


def test_hincrbyfloat_is_written_down_as_its_result():
    redis = filled("n", "10.5")
    assert redis("HINCRBYFLOAT", "h", "n", "0.1") == bulk("10.6")
    assert logged(redis) == [[b"HSET", b"h", b"n", b"10.6"]]
    redis.client.speak(3)
    assert redis("HINCRBYFLOAT", "h", "n", "1") == bulk("11.6")


@pytest.mark.parametrize(
    ("value", "increment", "error"),
    [
        ("1", "x", b"-ERR value is not a valid float\r\n"),
        ("x", "1", b"-ERR hash value is not a float\r\n"),
        ("x", "inf", b"-ERR value is NaN or Infinity\r\n"),
        ("1", "nan", b"-ERR value is not a valid float\r\n"),
        ("inf", "1", b"-ERR increment would produce NaN or Infinity\r\n"),
        ("1", "1e-5000", b"-ERR value is not a valid float\r\n"),
    ],
)
def test_a_wrong_hincrbyfloat_changes_nothing(value, increment, error):
    redis = filled("n", value)
    assert redis("HINCRBYFLOAT", "h", "n", increment) == error
    assert redis("HGET", "h", "n") == bulk(value)


# -- reading --------------------------------------------------------------------------------------------------------


def test_what_is_not_there_is_nil_or_empty():
    redis = filled("a", 1)
    assert redis("HGET", "h", "x") == redis("HGET", "none", "x") == b"$-1\r\n"
    assert redis("HMGET", "h", "a", "x") == b"*2\r\n$1\r\n1\r\n$-1\r\n"
    assert redis("HMGET", "none", "a", "x") == b"*2\r\n$-1\r\n$-1\r\n"
    assert [redis("HSTRLEN", "h", "a"), redis("HSTRLEN", "h", "x")] == [b":1\r\n", b":0\r\n"]
    assert [redis("HEXISTS", "h", "a"), redis("HEXISTS", "h", "x")] == [b":1\r\n", b":0\r\n"]
    assert [redis("HLEN", "none"), redis("HKEYS", "none"), redis("HGETALL", "none")] == [
        b":0\r\n",
        b"*0\r\n",
        b"*0\r\n",
    ]


def test_resp3_has_a_type_for_maps():
    redis = filled("a", 1)
    redis.client.speak(3)
    assert redis("HGETALL", "h") == b"%1\r\n$1\r\na\r\n$1\r\n1\r\n"
    assert redis("HGETALL", "none") == b"%0\r\n"
    assert redis("HKEYS", "h") == b"*1\r\n$1\r\na\r\n"
    assert redis("HEXISTS", "h", "a") == b":1\r\n"
    assert redis("HRANDFIELD", "h", 1, "WITHVALUES") == b"*1\r\n*2\r\n$1\r\na\r\n$1\r\n1\r\n"


def test_a_reply_is_not_changed_by_what_comes_after():
    redis = filled("a", 1)
    redis("MULTI")
    redis("HGETALL", "h")
    redis("HSET", "h", "a", 2, "b", 3)
    assert redis("EXEC").endswith(b"*2\r\n*2\r\n$1\r\na\r\n$1\r\n1\r\n:1\r\n")


def test_another_type_is_refused():
    redis = Redis()
    redis("SET", "text", "x")
    requests = [("HSET", "text", "a", 1), ("HGET", "text", "a"), ("HINCRBY", "text", "a", 1), ("HSCAN", "text", 0)]
    assert [redis(*request) for request in requests] == [WRONG_TYPE] * len(requests)


# -- encodings ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("pairs", "expected"),
    [
        (numbered(512), "listpack"),
        (numbered(513), "hashtable"),
        (["f", "v"] * 513, "hashtable"),
        (["f" * 64, "v" * 64], "listpack"),
        (["f" * 65, "v"], "hashtable"),
        (["f", "v" * 65], "hashtable"),
        (["f", "v", "g", "v" * 65], "hashtable"),
    ],
    ids=lambda value: value if isinstance(value, str) else f"{len(value)} of {max(map(len, value))}",
)
def test_the_encoding_follows_fields_and_values(pairs, expected):
    assert encoding(filled(*pairs), "h") == expected


def test_one_field_too_many_converts_for_good():
    redis = filled(*numbered(512))
    redis("HSET", "h", "one more", "v")
    grown = encoding(redis, "h")
    redis("HDEL", "h", *(f"f{number}" for number in range(512)))
    assert (grown, encoding(redis, "h")) == ("hashtable", "hashtable")


def test_a_number_can_grow_too_long_for_a_listpack():
    redis = filled("n", 1, hash_max_listpack_value=3)
    redis("HINCRBY", "h", "n", 1000)
    assert encoding(redis, "h") == "hashtable"


# -- chance ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [10, 1000])
def test_hrandfield_gives_different_fields_and_with_a_negative_count_any(size):
    redis = filled(*numbered(size))
    some = words(redis("HRANDFIELD", "h", 5))
    most = words(redis("HRANDFIELD", "h", size - 1))
    repeated = words(redis("HRANDFIELD", "h", -3 * size))
    assert (len(set(some)), len(set(most)), len(repeated)) == (5, size - 1, 3 * size)
    assert words(redis("HRANDFIELD", "h", 5, "WITHVALUES"))[1::2] == [b"v"] * 5


def test_hrandfield_of_all_keeps_their_order():
    redis = filled("b", 1, "a", 2)
    assert redis("HRANDFIELD", "h", 5) == array("b", "a")
    assert redis("HRANDFIELD", "h", 5, "WITHVALUES") == array("b", "1", "a", "2")


@pytest.mark.parametrize(
    ("options", "error"),
    [
        (["x"], NOT_AN_INTEGER),
        (["1", "FOO"], SYNTAX),
        (["1", "WITHVALUES", "x"], SYNTAX),
        ([str(2**62), "WITHVALUES"], b"-ERR value is out of range\r\n"),
        ([str(-(2**63))], b"-ERR value is out of range, value must between "
         b"-9223372036854775807 and 9223372036854775807\r\n"),
    ],
)  # fmt: skip
def test_a_wrong_hrandfield_says_why(options, error):
    assert Redis()("HRANDFIELD", "h", *options) == error
