"""SORT: by what, what of it, in which order, and where to."""

import pytest

from tests.miniredis.commands.collection_fixtures import (
    NOT_AN_INTEGER,
    SYNTAX,
    WRONG_TYPE,
    array,
    encoding,
    events,
    logged,
)
from tests.miniredis.engine_fixtures import Redis

NOT_A_SCORE = b"-ERR One or more scores can't be converted into double\r\n"


def filled(*elements: object) -> Redis:
    redis = Redis()
    redis("RPUSH", "l", *elements)
    redis.written.clear()
    return redis


@pytest.fixture
def team() -> Redis:
    """Three players, with their weights as strings and their ages and names in hashes."""
    redis = filled(1, 2, 3)
    redis("MSET", "weight_1", 80, "weight_2", 70, "weight_3", 90)
    for number, age, name in ((1, 30, "C"), (2, 40, "A"), (3, 20, "B")):
        redis("HSET", f"player:{number}", "age", age, "name", name)
    redis.written.clear()
    return redis


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ([], ["-1", "2", "10"]),
        (["DESC"], ["10", "2", "-1"]),
        (["DESC", "ASC"], ["-1", "2", "10"]),
        (["ALPHA"], ["-1", "10", "2"]),
        (["ALPHA", "DESC"], ["2", "10", "-1"]),
        (["LIMIT", "1", "1"], ["2"]),
        (["LIMIT", "1", "-1"], ["2", "10"]),
        (["LIMIT", "-7", "1"], ["-1"]),
        (["LIMIT", "3", "1"], []),
        (["BY", "nosort"], ["10", "-1", "2"]),
        (["BY", "nosort", "DESC", "LIMIT", "0", "2"], ["2", "-1"]),
    ],
)
def test_a_list_is_sorted(options, expected):
    assert filled(10, -1, 2)("SORT", "l", *options) == array(*expected)


def test_equal_numbers_are_sorted_as_bytes():
    assert filled("1.0", "1", "01", "1e0")("SORT", "l") == array("01", "1", "1.0", "1e0")


def test_numbers_are_read_as_c_reads_them():
    assert filled("0x10", " 3", "", "-inf", "1\0x")("SORT", "l") == array("-inf", "", "1\0x", " 3", "0x10")


@pytest.mark.parametrize("element", ["a", "1 ", "nan", "1e400", " "])
def test_what_is_no_number_needs_alpha(element):
    redis = filled(1, element)
    assert redis("SORT", "l") == NOT_A_SCORE
    assert redis("SORT", "l", "STORE", "d") == NOT_A_SCORE
    assert redis("EXISTS", "d") == b":0\r\n"


def test_other_keys_say_by_what(team):
    assert team("SORT", "l", "BY", "weight_*") == array("2", "1", "3")
    assert team("SORT", "l", "BY", "player:*->age", "DESC") == array("2", "1", "3")
    assert team("SORT", "l", "BY", "player:*->name", "ALPHA") == array("2", "3", "1")


def test_what_is_not_there_counts_0_and_comes_first_in_an_alphabet(team):
    team("DEL", "weight_3", "player:1")
    assert team("SORT", "l", "BY", "weight_*") == array("3", "2", "1")
    assert team("SORT", "l", "BY", "player:*->name", "ALPHA") == array("1", "2", "3")


def test_get_answers_with_other_keys(team):
    reply = team("SORT", "l", "BY", "weight_*", "GET", "player:*->name", "GET", "#", "LIMIT", 0, 2)
    assert reply == array("A", "2", "C", "1")


def test_get_of_nothing_is_nil_and_stored_as_an_empty_string(team):
    team("LTRIM", "l", 0, 0)
    patterns = ["no_*", "fixed", "weight_*->x", "player:*", "player:*->"]
    options = [word for pattern in patterns for word in ("GET", pattern)]
    assert team("SORT", "l", *options) == b"*5\r\n" + b"$-1\r\n" * 5
    assert team("SORT", "l", *options, "STORE", "d") == b":5\r\n"
    assert team("LRANGE", "d", 0, -1) == b"*5\r\n" + b"$0\r\n\r\n" * 5
    team.client.speak(3)
    assert team("SORT_RO", "l", "GET", "no_*") == b"*1\r\n_\r\n"


def test_a_stored_result_is_a_list_with_its_event(team):
    team("SET", "d", "x", "EX", 100)
    team.written.clear()
    told = events(team)
    assert team("SORT", "l", "DESC", "STORE", "d") == b":3\r\n"
    assert (team("LRANGE", "d", 0, -1), team("TTL", "d")) == (array("3", "2", "1"), b":-1\r\n")
    assert told == [("sortstore", b"d")]
    assert logged(team) == [[b"SORT", b"l", b"DESC", b"STORE", b"d"]]


def test_storing_nothing_removes_what_was_there():
    redis = Redis()
    redis("SET", "d", "x")
    told = events(redis)
    assert redis("SORT", "none", "STORE", "d") == b":0\r\n"
    assert told == [("del", b"d")]


def test_a_stored_result_is_as_long_a_listpack_as_one_node():
    redis = filled(*range(4000))
    redis("SORT", "l", "STORE", "small", "LIMIT", 0, 700)
    redis("SORT", "l", "STORE", "large")
    assert [encoding(redis, key) for key in ("small", "large")] == ["listpack", "quicklist"]


def test_alpha_compares_up_to_a_zero_byte_unless_the_result_is_stored():
    redis = filled("a\0b", "a\0a")
    assert redis("SORT", "l", "ALPHA") == array("a\0b", "a\0a")
    redis("SORT", "l", "ALPHA", "STORE", "d")
    assert redis("LRANGE", "d", 0, -1) == array("a\0a", "a\0b")


def test_sets_and_sorted_sets_are_sorted_by_their_members():
    redis = Redis()
    redis("SADD", "s", 3, 20, 1)
    redis("ZADD", "z", 3, 1, 2, 20, 1, 3)
    assert redis("SORT", "s") == redis("SORT", "z") == array("1", "3", "20")
    assert redis("SORT", "z", "BY", "nosort") == array("3", "20", "1")
    assert redis("SORT", "z", "BY", "nosort", "DESC", "LIMIT", 1, 2) == array("20", "3")


def test_a_sorted_set_that_was_sorted_is_a_skiplist():
    redis = Redis()
    redis("ZADD", "z", 1, 1)
    redis("SORT", "z")
    assert encoding(redis, "z") == "skiplist"


def test_an_unsorted_set_is_sorted_where_others_would_see_another_order():
    """In scripts and with STORE, nosort means the alphabet: a replica's hash table has an order of its own."""
    redis = Redis()
    redis("SADD", "s", "b", "c", "a")
    assert redis("SORT", "s", "BY", "nosort") == array("b", "c", "a")
    assert redis("EVAL", "return redis.call('SORT', 's', 'BY', 'nosort')", 0) == array("a", "b", "c")
    redis("SORT", "s", "BY", "nosort", "STORE", "d")
    assert redis("LRANGE", "d", 0, -1) == array("a", "b", "c")


@pytest.mark.parametrize(
    ("options", "error"),
    [
        (["LIMIT", "1"], SYNTAX),
        (["LIMIT", "x", "1"], NOT_AN_INTEGER),
        (["BY"], SYNTAX),
        (["GET"], SYNTAX),
        (["STORE"], SYNTAX),
        (["FOO"], SYNTAX),
    ],
)
def test_a_wrong_option_says_why(options, error):
    assert Redis()("SORT", "none", *options) == error


def test_hashes_and_strings_cannot_be_sorted():
    redis = Redis()
    redis("SET", "text", "x")
    redis("HSET", "h", "a", 1)
    assert [redis("SORT", "text"), redis("SORT_RO", "h")] == [WRONG_TYPE] * 2


def test_sort_ro_cannot_store():
    assert filled(1)("SORT_RO", "l", "STORE", "d") == SYNTAX


def test_the_keys_are_the_source_and_the_last_destination():
    redis = Redis()
    request = ["SORT", "l", "BY", "store", "GET", "store", "STORE", "c", "LIMIT", "0", "store", "STORE", "d"]
    assert redis("COMMAND", "GETKEYS", *request) == array("l", "d")
    assert redis("COMMAND", "GETKEYS", "SORT_RO", "l", "BY", "w*") == array("l")
