"""Unions, intersections and differences, and what becomes of the scores."""

import pytest

from miniredis.command import COMMANDS
from tests.miniredis.commands.test_sorted_sets import bulk, events, scores
from tests.miniredis.engine_fixtures import Redis


@pytest.fixture
def redis() -> Redis:
    redis = Redis()
    redis("ZADD", "x", 1, "a", 2, "b", 3, "c")
    redis("ZADD", "y", 10, "b", 20, "c", 30, "d")
    return redis


@pytest.mark.parametrize(
    ("request_words", "found"),
    [
        ("ZUNION 2 x y WITHSCORES", "a 1 b 12 c 23 d 30"),
        ("ZINTER 2 x y WITHSCORES", "b 12 c 23"),
        ("ZDIFF 2 x y WITHSCORES", "a 1"),
        ("ZINTER 2 x y WITHSCORES AGGREGATE MAX", "b 10 c 20"),
        ("ZINTER 2 x y AGGREGATE min WITHSCORES", "b 2 c 3"),
        ("ZUNION 2 x y WEIGHTS 2 0.5 WITHSCORES", "a 2 b 9 d 15 c 16"),
        ("ZUNION 2 x x WITHSCORES", "a 2 b 4 c 6"),
        ("ZUNION 1 x WEIGHTS -1", "c b a"),
        ("ZDIFF 2 none x", ""),
        ("ZINTER 2 x none", ""),
    ],
)
def test_sets_are_combined(redis, request_words, found):
    assert redis(*request_words.split()) == bulk(*found.split())


def test_opposite_infinities_make_zero():
    redis = Redis()
    redis("ZADD", "x", "inf", "a")
    redis("ZADD", "y", "-inf", "a")
    assert redis("ZUNION", 2, "x", "y", "WITHSCORES") == bulk("a", "0")
    assert redis("ZUNION", 1, "x", "WEIGHTS", 0, "WITHSCORES") == bulk("a", "0")


@pytest.mark.parametrize(("limit", "count"), [([], 2), (["LIMIT", "1"], 1), (["LIMIT", "0"], 2)])
def test_the_size_of_an_intersection_is_counted_up_to_a_limit(redis, limit, count):
    assert redis("ZINTERCARD", 2, "x", "y", *limit) == b":%d\r\n" % count


@pytest.mark.parametrize(
    ("request_words", "stored", "event"),
    [
        ("ZUNIONSTORE d 2 x y", "a 1 b 12 c 23 d 30", "zunionstore"),
        ("ZINTERSTORE d 2 x y", "b 12 c 23", "zinterstore"),
        ("ZDIFFSTORE d 2 x y", "a 1", "zdiffstore"),
    ],
)
def test_the_result_is_stored(redis, request_words, stored, event):
    told = events(redis)
    assert redis(*request_words.split()) == b":%d\r\n" % (len(stored.split()) // 2)
    assert scores(redis, "d") == bulk(*stored.split())
    assert told == [(event, b"d")]


def test_an_empty_result_removes_what_was_there(redis):
    told = events(redis)
    assert redis("ZINTERSTORE", "x", 2, "x", "none") == b":0\r\n"
    assert told == [("del", b"x")]


@pytest.mark.parametrize(
    ("request_words", "error"),
    [
        ("ZUNION 0 x", "at least 1 input key is needed for 'zunion' command"),
        ("ZUNION x y", "value is not an integer or out of range"),
        ("ZUNION 3 x y", "syntax error"),
        ("ZUNION 2 x y WEIGHTS 1", "syntax error"),
        ("ZUNION 2 x y WEIGHTS 1 z", "weight value is not a float"),
        ("ZUNION 1 x AGGREGATE AVG", "syntax error"),
        ("ZDIFF 1 x WEIGHTS 1", "syntax error"),
        ("ZINTERSTORE d 1 x WITHSCORES", "syntax error"),
        ("ZINTERCARD 1 x LIMIT -1", "LIMIT can't be negative"),
    ],
)
def test_a_wrong_combination_says_why(redis, request_words, error):
    assert redis(*request_words.split()) == b"-ERR %b\r\n" % error.encode()


def test_keys_are_found_by_their_count():
    request = b"ZUNIONSTORE d 2 x y WEIGHTS 1 2".split()
    assert COMMANDS[b"ZUNIONSTORE"].keys(request) == [b"d", b"x", b"y"]
    assert COMMANDS[b"ZINTER"].keys(b"ZINTER 2 x y".split()) == [b"x", b"y"]
    assert COMMANDS[b"BZMPOP"].keys(b"BZMPOP 0 2 x y MIN".split()) == [b"x", b"y"]
    assert COMMANDS[b"ZINTER"].keys(b"ZINTER 9 x y".split()) == ()
