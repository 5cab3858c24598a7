"""Ranges by rank, score and member: read, counted, removed, stored."""

import pytest

from tests.miniredis.commands.test_sorted_sets import bulk, events, filled, scores
from tests.miniredis.engine_fixtures import Redis

FIVE = [1, "a", 2, "b", 3, "c", 4, "d", 5, "e"]


@pytest.mark.parametrize(
    ("request_words", "found"),
    [
        ("ZRANGE z 0 -1", "abcde"),
        ("ZRANGE z 1 2", "bc"),
        ("ZRANGE z -2 100", "de"),
        ("ZRANGE z 3 1", ""),
        ("ZRANGE z 5 9", ""),
        ("ZRANGE z 0 1 REV", "ed"),
        ("ZREVRANGE z 0 -3", "edc"),
        ("ZRANGE z (1 3 BYSCORE", "bc"),
        ("ZRANGE z (3 -inf BYSCORE REV", "ba"),
        ("ZRANGE z -inf +inf BYSCORE LIMIT 1 2", "bc"),
        ("ZRANGE z -inf +inf BYSCORE LIMIT -1 2", ""),
        ("ZRANGE z -inf +inf BYSCORE LIMIT 3 -1", "de"),
        ("ZRANGE z +inf -inf BYSCORE REV LIMIT 1 2", "dc"),
        ("ZRANGEBYSCORE z 2 (4", "bc"),
        ("ZREVRANGEBYSCORE z (4 2 LIMIT 0 1", "c"),
    ],
)
def test_a_range_is_read(request_words, found):
    assert filled(*FIVE)(*request_words.split()) == bulk(*found)


@pytest.mark.parametrize(
    ("request_words", "found"),
    [
        ("ZRANGE z [b [d BYLEX", "bcd"),
        ("ZRANGE z (d - BYLEX REV LIMIT 0 2", "cb"),
        ("ZRANGEBYLEX z - (c", "ab"),
        ("ZREVRANGEBYLEX z + [d", "ed"),
        ("ZRANGEBYLEX z + -", ""),
        ("ZRANGEBYLEX z - + LIMIT 4 9", "e"),
    ],
)
def test_a_range_of_members_is_read(request_words, found):
    assert filled(*(word for member in "abcde" for word in (0, member)))(*request_words.split()) == bulk(*found)


@pytest.mark.parametrize(
    ("request_words", "error"),
    [
        ("ZRANGE z 0 x", "value is not an integer or out of range"),
        ("ZRANGE z 0 1 LIMIT 0 1", "syntax error, LIMIT is only supported in combination with either BYSCORE or BYLEX"),
        ("ZRANGE z - + BYLEX WITHSCORES", "syntax error, WITHSCORES not supported in combination with BYLEX"),
        ("ZRANGE z a b BYSCORE", "min or max is not a float"),
        ("ZRANGE z a b BYLEX", "min or max not valid string range item"),
        ("ZRANGE z 0 1 BYSCORE LIMIT 0", "syntax error"),
        ("ZREVRANGE z 0 1 REV", "syntax error"),
        ("ZCOUNT z (x 1", "min or max is not a float"),
        ("ZLEXCOUNT z a [b", "min or max not valid string range item"),
        ("ZRANGESTORE d z 0 1 WITHSCORES", "syntax error"),
    ],
)
def test_a_wrong_range_says_why_even_where_there_is_no_key(request_words, error):
    assert Redis()(*request_words.split()) == b"-ERR %b\r\n" % error.encode()


def test_a_bound_of_nothing_is_zero():
    """zslParseRange leaves it to strtod, which reads nothing as 0."""
    assert filled(0, "a", 1, "b")("ZRANGEBYSCORE", "z", "", "(1") == bulk("a")


def test_counts_follow_the_same_bounds():
    redis = filled(*FIVE)
    assert [redis("ZCOUNT", "z", "(1", 4), redis("ZCOUNT", "z", 9, 1), redis("ZLEXCOUNT", "z", "-", "+")] == [
        b":3\r\n",
        b":0\r\n",
        b":5\r\n",
    ]


@pytest.mark.parametrize(
    ("request_words", "event", "left"),
    [
        ("ZREMRANGEBYRANK z 0 -2", "zremrangebyrank", "e"),
        ("ZREMRANGEBYSCORE z (1 4", "zremrangebyscore", "ae"),
        ("ZREMRANGEBYLEX z - (d", "zremrangebylex", "de"),
    ],
)
def test_a_range_is_removed(request_words, event, left):
    redis = filled(*FIVE)
    told = events(redis)
    assert redis(*request_words.split()) == b":%d\r\n" % (5 - len(left))
    assert redis("ZRANGE", "z", 0, -1) == bulk(*left)
    assert told == [(event, b"z")]


def test_who_removes_all_removes_the_key():
    redis = filled(*FIVE)
    told = events(redis)
    redis("ZREMRANGEBYRANK", "z", 0, -1)
    assert (told, redis("EXISTS", "z")) == ([("zremrangebyrank", b"z"), ("del", b"z")], b":0\r\n")


def test_a_range_is_stored_and_an_empty_one_leaves_nothing():
    redis = filled(*FIVE)
    redis("SET", "d", "x")
    told = events(redis)
    assert redis("ZRANGESTORE", "d", "z", 1, 2) == b":2\r\n"
    assert scores(redis, "d") == bulk("b", "2", "c", "3")
    assert redis("ZRANGESTORE", "d", "z", 8, 9) == b":0\r\n"
    assert (told, redis("EXISTS", "d")) == ([("zrangestore", b"d"), ("del", b"d")], b":0\r\n")
