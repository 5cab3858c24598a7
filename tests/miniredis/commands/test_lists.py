"""Lists: replies, encodings, waiting, what is told and what is written down."""

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
)
from tests.miniredis.engine_fixtures import Redis


def filled(*elements: object, key: str = "l", **settings: object) -> Redis:
    redis = Redis(**settings)
    redis("RPUSH", key, *elements)
    redis.written.clear()
    return redis


def whole(redis: Redis, key: str = "l") -> bytes:
    return redis("LRANGE", key, 0, -1)


# -- ends -----------------------------------------------------------------------------------------------------------


def test_elements_are_pushed_one_after_the_other():
    redis = Redis()
    assert [redis("RPUSH", "l", "a", "b"), redis("LPUSH", "l", "c", "d")] == [b":2\r\n", b":4\r\n"]
    assert whole(redis) == array("d", "c", "a", "b")


def test_pushx_needs_a_list():
    redis = Redis()
    assert [redis("LPUSHX", "l", "a"), redis("EXISTS", "l")] == [b":0\r\n", b":0\r\n"]
    redis("RPUSH", "l", "a")
    assert [redis("RPUSHX", "l", "b"), redis("LPUSHX", "l", "c")] == [b":2\r\n", b":3\r\n"]


@pytest.mark.parametrize(
    ("request_words", "reply"),
    [
        (["LPOP", "l"], bulk("a")),
        (["RPOP", "l"], bulk("c")),
        (["LPOP", "l", "2"], array("a", "b")),
        (["RPOP", "l", "9"], array("c", "b", "a")),
        (["LPOP", "l", "0"], b"*0\r\n"),
        (["LPOP", "none"], b"$-1\r\n"),
        (["LPOP", "none", "1"], b"*-1\r\n"),
        (["LPOP", "l", "-1"], b"-ERR value is out of range, must be positive\r\n"),
        (["LPOP", "l", "1", "2"], b"-ERR wrong number of arguments for 'lpop' command\r\n"),
    ],
)
def test_pops(request_words, reply):
    assert filled("a", "b", "c")(*request_words) == reply


def test_the_last_element_takes_the_key_along():
    redis = filled("a")
    told = events(redis)
    redis("LPOP", "l")
    assert told == [("lpop", b"l"), ("del", b"l")]


def test_lmpop_takes_from_the_first_list_there_is_and_is_written_down_as_a_pop():
    redis = filled("a", "b", "c")
    assert redis("LMPOP", 2, "none", "l", "RIGHT", "COUNT", 2) == b"*2\r\n$1\r\nl\r\n" + array("c", "b")
    assert logged(redis) == [[b"RPOP", b"l", b"2"]]
    assert redis("LMPOP", 1, "none", "LEFT") == b"*-1\r\n"


@pytest.mark.parametrize(
    ("options", "error"),
    [
        (["0", "l", "LEFT"], b"-ERR numkeys should be greater than 0\r\n"),
        (["x", "l", "LEFT"], b"-ERR numkeys should be greater than 0\r\n"),
        (["1", "l", "UP"], SYNTAX),
        (["2", "l", "LEFT"], SYNTAX),
        (["1", "l", "LEFT", "COUNT", "0"], b"-ERR count should be greater than 0\r\n"),
        (["1", "l", "LEFT", "COUNT"], SYNTAX),
    ],
)
def test_a_wrong_lmpop_says_why(options, error):
    assert filled("a")("LMPOP", *options) == error


def test_lmove_moves_between_ends_and_tells_the_push_first():
    redis = filled("a", "b")
    told = events(redis)
    assert redis("LMOVE", "l", "m", "LEFT", "RIGHT") == bulk("a")
    assert redis("RPOPLPUSH", "l", "m") == bulk("b")
    assert whole(redis, "m") == array("b", "a")
    assert told == [("rpush", b"m"), ("lpop", b"l"), ("lpush", b"m"), ("rpop", b"l"), ("del", b"l")]


def test_a_list_can_be_turned():
    redis = filled("a", "b", "c")
    redis("LMOVE", "l", "l", "LEFT", "RIGHT")
    assert whole(redis) == array("b", "c", "a")


# -- the middle -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("start", "stop", "expected"),
    [(0, 1, "ab"), (1, 2, "bc"), (-2, -1, "cd"), (-100, 100, "abcd"), (2, 1, ""), (4, 9, ""), (0, -5, "")],
)
def test_a_range_counts_from_either_end(start, stop, expected):
    assert filled(*"abcd")("LRANGE", "l", start, stop) == array(*expected)


def test_linsert_lset_and_lrem_work_in_the_middle():
    redis = filled("a", "b", "a", "c", "a")
    assert [redis("LINSERT", "l", "BEFORE", "b", "x"), redis("LINSERT", "l", "AFTER", "none", "x")] == [
        b":6\r\n",
        b":-1\r\n",
    ]
    assert redis("LSET", "l", -1, "z") == b"+OK\r\n"
    assert redis("LREM", "l", -1, "a") == b":1\r\n"
    assert whole(redis) == array("a", "x", "b", "c", "z")
    assert redis("LREM", "l", 0, "none") == b":0\r\n"


def test_lset_needs_a_place():
    redis = filled("a")
    assert redis("LSET", "l", 1, "x") == b"-ERR index out of range\r\n"
    assert redis("LSET", "none", 0, "x") == b"-ERR no such key\r\n"
    assert redis("LSET", "l", "x", "x") == NOT_AN_INTEGER


def test_ltrim_of_everything_removes_the_key():
    redis = filled("a", "b")
    told = events(redis)
    assert redis("LTRIM", "l", 5, 9) == b"+OK\r\n"
    assert told == [("ltrim", b"l"), ("del", b"l")]


@pytest.mark.parametrize(
    ("options", "reply"),
    [
        ([], b":0\r\n"),
        (["RANK", "2"], b":2\r\n"),
        (["RANK", "-1"], b":4\r\n"),
        (["COUNT", "0"], b"*3\r\n:0\r\n:2\r\n:4\r\n"),
        (["COUNT", "2", "RANK", "-1"], b"*2\r\n:4\r\n:2\r\n"),
        (["COUNT", "0", "MAXLEN", "3"], b"*2\r\n:0\r\n:2\r\n"),
        (["RANK", "9"], b"$-1\r\n"),
        (["COUNT", "-1"], b"-ERR COUNT can't be negative\r\n"),
        (["MAXLEN", "-1"], b"-ERR MAXLEN can't be negative\r\n"),
        (["RANK"], SYNTAX),
    ],
)
def test_lpos_finds_places(options, reply):
    assert filled("a", "b", "a", "c", "a")("LPOS", "l", "a", *options) == reply


def test_another_type_is_refused():
    redis = Redis()
    redis("SET", "text", "x")
    requests = [("LPUSH", "text", "a"), ("LLEN", "text"), ("LRANGE", "text", 0, 1), ("BLPOP", "none", "text", 0)]
    assert [redis(*request) for request in requests] == [WRONG_TYPE] * len(requests)


# -- encodings ------------------------------------------------------------------------------------------------------


def long_list() -> Redis:
    """A list that the last of its 82 elements made a quicklist.

    An element of 98 bytes takes 101 in a listpack, whose head and end take 7, so that 81 fill 8188 of 8192 bytes.
    """
    redis = filled(*["x" * 98] * 81)
    redis("RPUSH", "l", "x" * 98)
    return redis


def test_a_list_is_a_listpack_up_to_8_kib():
    assert [encoding(redis, "l") for redis in (filled(*["x" * 98] * 81), long_list())] == ["listpack", "quicklist"]


def test_a_limit_may_be_a_number_of_elements():
    redis = filled(*"abcd", list_max_listpack_size=4)
    fits = encoding(redis, "l")
    redis("RPUSH", "l", "e")
    assert (fits, encoding(redis, "l")) == ("listpack", "quicklist")


def test_a_list_shrinks_back_only_at_half_the_limit():
    redis = long_list()
    seen = {}
    for left in range(81, 35, -1):
        redis("LPOP", "l")
        seen[left] = encoding(redis, "l")
    assert seen == {left: "listpack" if left * 101 + 7 <= 4096 else "quicklist" for left in range(81, 35, -1)}


@pytest.mark.parametrize(
    "request_words", [("LTRIM", "l", 0, 5), ("LREM", "l", -75, "x" * 98), ("LPOP", "l", 75)], ids=lambda words: words[0]
)
def test_every_way_to_shrink_converts_back(request_words):
    redis = long_list()
    redis(*request_words)
    assert encoding(redis, "l") == "listpack"


def test_a_large_element_set_in_the_middle_converts():
    redis = filled("a", "b")
    redis("LSET", "l", 0, "x" * 9000)
    grown = encoding(redis, "l")
    redis("LSET", "l", 0, "a")
    assert (grown, encoding(redis, "l")) == ("quicklist", "listpack")


# -- waiting --------------------------------------------------------------------------------------------------------


def test_who_waits_is_served_by_a_push_and_the_pop_is_written_down():
    redis = Redis()
    waiter = redis.connect()
    assert redis("BLPOP", "l", "m", 0, client=waiter) == b""
    redis("RPUSH", "m", "a", "b")
    assert redis.said(waiter) == array("m", "a")
    assert logged(redis) == [[b"RPUSH", b"m", b"a", b"b"], [b"LPOP", b"m"]]


def test_who_came_first_is_served_first():
    redis = Redis()
    first, second, third = redis.connect(), redis.connect(), redis.connect()
    for waiter in (first, second, third):
        redis("BRPOP", "l", 0, client=waiter)
    redis("RPUSH", "l", "a", "b")
    assert [redis.said(waiter) for waiter in (first, second, third)] == [array("l", "b"), array("l", "a"), b""]


def test_waiting_ends_with_nil_in_both_protocols():
    redis = Redis()
    modern = redis.connect()
    modern.speak(3)
    redis("BLPOP", "l", "0.5")
    redis("BLMPOP", "0.5", 1, "l", "LEFT", client=modern)
    redis.advance(499)
    assert (redis.said(redis.client), redis.said(modern)) == (b"", b"")
    redis.advance(1)
    assert (redis.said(redis.client), redis.said(modern)) == (b"*-1\r\n", b"_\r\n")


def test_blmove_in_vain_is_a_nil_string_and_its_pop_serves_the_next():
    redis = Redis()
    mover, waiter = redis.connect(), redis.connect()
    redis("BLMOVE", "l", "m", "LEFT", "RIGHT", 1, client=mover)
    redis("BLPOP", "m", 0, client=waiter)
    redis("RPUSH", "l", "a")
    assert (redis.said(mover), redis.said(waiter)) == (bulk("a"), array("m", "a"))
    redis("BRPOPLPUSH", "l", "m", 1, client=mover)
    redis.advance(1000)
    assert redis.said(mover) == b"$-1\r\n"


def test_a_key_of_another_type_wakes_nobody():
    redis = Redis()
    waiter = redis.connect()
    redis("BLPOP", "l", 0, client=waiter)
    redis("SADD", "l", "a")
    assert redis.said(waiter) == b""
    redis("DEL", "l")
    redis("RPUSH", "l", "a")
    assert redis.said(waiter) == array("l", "a")


def test_a_list_that_comes_by_another_way_wakes_too():
    redis = Redis()
    waiter = redis.connect()
    redis("BLPOP", "l", 0, client=waiter)
    redis("RPUSH", "other", 2, 1)
    redis("SORT", "other", "STORE", "l")
    assert redis.said(waiter) == array("l", "1")


def test_inside_multi_nobody_waits():
    redis = Redis()
    redis("MULTI")
    redis("BLPOP", "l", 0)
    redis("RPUSH", "l", "a")
    redis("BLMPOP", 0, 1, "l", "LEFT")
    assert redis("EXEC") == b"*3\r\n*-1\r\n:1\r\n*2\r\n$1\r\nl\r\n" + array("a")


def test_what_is_pushed_in_a_transaction_is_served_after_it():
    redis = Redis()
    waiter = redis.connect()
    redis("BLPOP", "l", 0, client=waiter)
    redis("MULTI")
    redis("RPUSH", "l", "a")
    redis("LPUSH", "l", "b")
    redis("EXEC")
    assert redis.said(waiter) == array("l", "b")


@pytest.mark.parametrize(
    ("timeout", "error"),
    [
        ("x", b"-ERR timeout is not a float or out of range\r\n"),
        ("-1", b"-ERR timeout is negative\r\n"),
        ("inf", b"-ERR timeout is out of range\r\n"),
    ],
)
def test_a_wrong_timeout_says_why(timeout, error):
    assert Redis()("BLPOP", "l", timeout) == error
