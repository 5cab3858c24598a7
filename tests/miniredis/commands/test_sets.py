"""Sets: replies, encodings, chance, what is told and what is written down."""

import pytest

from tests.miniredis.commands.collection_fixtures import (
    NOT_AN_INTEGER,
    SYNTAX,
    WRONG_TYPE,
    array,
    encoding,
    events,
    logged,
    words,
)
from tests.miniredis.engine_fixtures import Redis


def filled(*members: object, key: str = "s", **settings: object) -> Redis:
    redis = Redis(**settings)
    redis("SADD", key, *members)
    redis.written.clear()
    return redis


# -- members --------------------------------------------------------------------------------------------------------


def test_sadd_and_srem_count_what_changed():
    redis = filled("a", "b")
    assert redis("SADD", "s", "b", "c", "c") == b":1\r\n"
    assert redis("SREM", "s", "a", "x", "a") == b":1\r\n"
    assert redis("SMEMBERS", "s") == array("b", "c")


def test_the_last_member_takes_the_key_along():
    redis = filled("a")
    told = events(redis)
    redis("SREM", "s", "a")
    assert redis("EXISTS", "s") == b":0\r\n"
    assert told == [("srem", b"s"), ("del", b"s")]


def test_what_changes_nothing_is_not_told_and_not_written_down():
    redis = filled("a")
    told = events(redis)
    redis("SADD", "s", "a")
    redis("SREM", "s", "x")
    assert (told, logged(redis)) == ([], [])


def test_membership_is_an_integer_in_both_protocols():
    redis = filled("a")
    redis.client.speak(3)
    assert redis("SISMEMBER", "s", "a") == b":1\r\n"
    assert redis("SMISMEMBER", "s", "a", "x") == b"*2\r\n:1\r\n:0\r\n"
    assert redis("SMISMEMBER", "none", "a", "x") == b"*2\r\n:0\r\n:0\r\n"


def test_resp3_has_a_type_for_sets_but_random_members_are_an_array():
    redis = filled("a")
    redis.client.speak(3)
    assert redis("SMEMBERS", "s") == b"~1\r\n$1\r\na\r\n"
    assert redis("SINTER", "s", "none") == b"~0\r\n"
    assert redis("SRANDMEMBER", "s", 5) == b"*1\r\n$1\r\na\r\n"
    assert redis("SPOP", "s", 5) == b"~1\r\n$1\r\na\r\n"


def test_smove_tells_in_the_order_things_happen():
    redis = filled("a")
    told = events(redis)
    assert redis("SMOVE", "s", "t", "a") == b":1\r\n"
    assert redis("SMEMBERS", "t") == array("a")
    assert told == [("srem", b"s"), ("del", b"s"), ("sadd", b"t")]


def test_smove_within_one_set_asks_only_whether_the_member_is_there():
    redis = filled("a")
    assert [redis("SMOVE", "s", "s", "a"), redis("SMOVE", "s", "s", "x")] == [b":1\r\n", b":0\r\n"]
    assert logged(redis) == []


def test_smove_from_nowhere_does_not_mind_what_the_destination_is():
    redis = Redis()
    redis("SET", "text", "x")
    assert redis("SMOVE", "none", "text", "a") == b":0\r\n"
    redis("SADD", "s", "a")
    assert redis("SMOVE", "s", "text", "x") == WRONG_TYPE


def test_another_type_is_refused():
    redis = Redis()
    redis("SET", "text", "x")
    requests = [("SADD", "text", "a"), ("SCARD", "text"), ("SPOP", "text"), ("SUNION", "none", "text")]
    assert [redis(*request) for request in requests] == [WRONG_TYPE] * len(requests)


# -- encodings ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("members", "expected"),
    [
        (["1"], "intset"),
        (["1", "a"], "listpack"),
        (["01"], "listpack"),
        (["9223372036854775808"], "listpack"),
        (["a" * 64], "listpack"),
        (["a" * 65], "hashtable"),
        (range(512), "intset"),
        (range(513), "hashtable"),
        ([f"m{number}" for number in range(128)], "listpack"),
        ([f"m{number}" for number in range(129)], "hashtable"),
        ([*range(127), "a"], "listpack"),
        ([*range(128), "a"], "hashtable"),
        (["a"] * 129, "hashtable"),
    ],
    ids=lambda value: value if isinstance(value, str) else f"{len(value)} from {value[0]}",
)
def test_the_encoding_follows_the_members(members, expected):
    assert encoding(filled(*members), "s") == expected


def test_an_intset_answers_in_numeric_order_and_keeps_it_as_a_listpack():
    redis = filled(10, 9, -1)
    assert redis("SMEMBERS", "s") == array("-1", "9", "10")
    redis("SADD", "s", "a", "5")
    assert redis("SMEMBERS", "s") == array("-1", "9", "10", "a", "5")


def test_an_encoding_is_never_taken_back():
    redis = filled(1, "a")
    redis("SREM", "s", "a")
    assert encoding(redis, "s") == "listpack"


def test_an_intset_that_grows_beyond_its_limit_skips_the_listpack():
    redis = filled(*range(4), set_max_intset_entries=4)
    redis("SADD", "s", 4)
    assert encoding(redis, "s") == "hashtable"


def test_what_is_stored_takes_the_smallest_encoding():
    redis = filled(1, 2, "a")
    redis("SADD", "t", 1, 2, "b")
    redis("SINTERSTORE", "common", "s", "t")
    redis("SUNIONSTORE", "all", "s", "t")
    redis("SDIFFSTORE", "rest", "s", "t")
    assert [encoding(redis, key) for key in ("common", "all", "rest")] == ["intset", "listpack", "listpack"]


# -- chance ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [5, 100, 300])
def test_spop_is_written_down_as_what_it_took(size):
    redis = filled(*(f"m{number}" for number in range(size)))
    member = words(redis("SPOP", "s", 1))[0]
    assert logged(redis) == [[b"SREM", b"s", member]]
    assert redis("SISMEMBER", "s", member) == b":0\r\n"


def test_spop_of_all_is_written_down_as_a_deletion():
    redis = filled("a", "b")
    told = events(redis)
    assert words(redis("SPOP", "s", 3)) == [b"a", b"b"]
    assert told == [("spop", b"s"), ("del", b"s")]
    assert logged(redis) == [[b"DEL", b"s"]]


def test_one_srem_takes_at_most_1024_members():
    redis = filled(*(f"m{number}" for number in range(4000)))
    redis("SPOP", "s", 2050)
    assert [len(request) - 2 for request in logged(redis)] == [1024, 1024, 2]


@pytest.mark.parametrize("count", [1, 40, 99, 299])
def test_spop_and_what_is_left_make_up_the_whole(count):
    redis = filled(*(f"m{number}" for number in range(300)))
    taken = words(redis("SPOP", "s", count))
    left = words(redis("SMEMBERS", "s"))
    assert len(taken) == count
    assert sorted(taken + left) == sorted(b"m%d" % number for number in range(300))


def test_a_set_that_spop_made_small_is_small_again_and_keeps_its_time_to_live():
    redis = filled(*(f"m{number}" for number in range(300)))
    redis("EXPIRE", "s", 100)
    redis("SPOP", "s", 290)
    assert (encoding(redis, "s"), redis("TTL", "s")) == ("listpack", b":100\r\n")


@pytest.mark.parametrize("size", [10, 100, 1000])
def test_srandmember_gives_different_members_and_with_a_negative_count_any(size):
    redis = filled(*(f"m{number}" for number in range(size)))
    members = {b"m%d" % number for number in range(size)}
    some = words(redis("SRANDMEMBER", "s", 7))
    most = words(redis("SRANDMEMBER", "s", size - 1))
    repeated = words(redis("SRANDMEMBER", "s", -3 * size))
    assert (len(set(some)), len(set(most)), len(repeated)) == (7, size - 1, 3 * size)
    assert {*some, *most, *repeated} <= members
    assert redis("SCARD", "s") == b":%d\r\n" % size


def test_every_member_is_picked_about_as_often():
    redis = filled(*(f"m{number}" for number in range(20)))
    picks = words(redis("SRANDMEMBER", "s", -20_000))
    times = [picks.count(b"m%d" % number) for number in range(20)]
    assert 850 < min(times) <= max(times) < 1150


@pytest.mark.parametrize(
    ("request_words", "error"),
    [
        (["SPOP", "s", "1", "2"], SYNTAX),
        (["SPOP", "s", "-1"], b"-ERR value is out of range, must be positive\r\n"),
        (["SPOP", "none", "x"], b"-ERR value is out of range, must be positive\r\n"),
        (["SRANDMEMBER", "s", "1", "2"], SYNTAX),
        (["SRANDMEMBER", "s", "x"], NOT_AN_INTEGER),
        (["SRANDMEMBER", "s", str(-(2**63))], b"-ERR value is out of range, value must between "
         b"-9223372036854775807 and 9223372036854775807\r\n"),
        (["SINTERCARD", "0", "s"], b"-ERR numkeys should be greater than 0\r\n"),
        (["SINTERCARD", "2", "s"], b"-ERR Number of keys can't be greater than number of args\r\n"),
        (["SINTERCARD", "1", "s", "LIMIT", "-1"], b"-ERR LIMIT can't be negative\r\n"),
        (["SINTERCARD", "1", "s", "LIMIT"], SYNTAX),
    ],
)  # fmt: skip
def test_a_wrong_request_says_why(request_words, error):
    assert filled("a")(*request_words) == error


# -- several sets ---------------------------------------------------------------------------------------------------


def test_sets_are_combined():
    redis = filled("a", "b", "c")
    redis("SADD", "t", "c", "b", "x")
    assert words(redis("SINTER", "s", "t", "s")) == [b"b", b"c"]
    assert words(redis("SUNION", "s", "none", "t")) == [b"a", b"b", b"c", b"x"]
    assert words(redis("SDIFF", "s", "t", "none")) == [b"a"]
    assert words(redis("SDIFF", "s", "s")) == []
    assert [redis("SINTERCARD", 2, "s", "t"), redis("SINTERCARD", 2, "s", "t", "LIMIT", 1)] == [b":2\r\n", b":1\r\n"]


def test_a_stored_result_replaces_whatever_was_there_and_its_time_to_live():
    redis = filled("a")
    redis("SET", "d", "text", "EX", 100)
    told = events(redis)
    assert redis("SUNIONSTORE", "d", "s") == b":1\r\n"
    assert (redis("SMEMBERS", "d"), redis("TTL", "d")) == (array("a"), b":-1\r\n")
    assert told == [("sunionstore", b"d")]


def test_an_empty_result_leaves_nothing():
    redis = filled("a", key="d")
    told = events(redis)
    assert redis("SINTERSTORE", "d", "d", "none") == b":0\r\n"
    assert redis("SDIFFSTORE", "d", "none") == b":0\r\n"
    assert (redis("EXISTS", "d"), told) == (b":0\r\n", [("del", b"d")])
    assert logged(redis) == [[b"SINTERSTORE", b"d", b"d", b"none"]]


def test_a_destination_may_be_one_of_the_sets():
    redis = filled("a", "b")
    redis("SADD", "t", "b")
    redis("SDIFFSTORE", "s", "s", "t")
    assert redis("SMEMBERS", "s") == array("a")


def test_an_expired_set_counts_as_none():
    redis = filled("a")
    redis("PEXPIRE", "s", 100)
    redis.advance(101)
    assert [redis("SCARD", "s"), redis("SUNION", "s"), redis("SADD", "s", "b")] == [b":0\r\n", b"*0\r\n", b":1\r\n"]
