"""ZADD and its relations: replies, what is told and what is written down, waiting."""

import pytest

from tests.miniredis.engine_fixtures import Redis


def bulk(*words: str) -> bytes:
    return b"*%d\r\n" % len(words) + b"".join(b"$%d\r\n%b\r\n" % (len(word), word.encode()) for word in words)


def filled(*pairs: str | int | float, key: str = "z", **settings) -> Redis:
    redis = Redis(**settings)
    redis("ZADD", key, *pairs)
    redis.written.clear()
    return redis


def scores(redis: Redis, key: str = "z") -> bytes:
    return redis("ZRANGE", key, 0, -1, "WITHSCORES")


def events(redis: Redis) -> list[tuple[str, bytes]]:
    """The changes that the engine tells of from now on, as (event, key)."""
    told: list[tuple[str, bytes]] = []

    def notify(event: str, key: bytes, database: int) -> None:
        if event not in ("keymiss", "new"):
            told.append((event, key))

    redis.engine.notifying = True
    redis.engine.notify = notify
    return told


# -- adding -------------------------------------------------------------------------------------------------------


def test_zadd_counts_the_new_ones_and_with_ch_the_changed_ones():
    redis = Redis()
    replies = [
        redis("ZADD", "z", 1, "a"),
        redis("ZADD", "z", 1, "a"),
        redis("ZADD", "z", 2, "a", 3, "b"),
        redis("ZADD", "z", "CH", 5, "a", 3, "b", 1, "c"),
    ]
    assert replies == [b":1\r\n", b":0\r\n", b":1\r\n", b":2\r\n"]


@pytest.mark.parametrize(
    ("options", "reply", "after"),
    [
        (["NX"], b":0\r\n", b"5"),
        (["XX", "CH"], b":1\r\n", b"7"),
        (["GT", "CH"], b":1\r\n", b"7"),
        (["LT", "CH"], b":0\r\n", b"5"),
        (["INCR"], b"$2\r\n12\r\n", b"12"),
        (["INCR", "LT"], b"$-1\r\n", b"5"),
        (["NX", "INCR"], b"$-1\r\n", b"5"),
    ],
)
def test_options_decide_whether_a_score_changes(options, reply, after):
    redis = filled(5, "m")
    assert redis("ZADD", "z", *options, 7, "m") == reply
    assert redis("ZSCORE", "z", "m") == b"$%d\r\n%b\r\n" % (len(after), after)


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (["NX", "a"], b"syntax error"),
        (["1", "a", "2"], b"syntax error"),
        (["x", "a"], b"value is not a valid float"),
        (["nan", "a"], b"value is not a valid float"),
        (["1e400", "a"], b"value is not a valid float"),
        (["1e-400", "a"], b"value is not a valid float"),
        (["1", "a", "x", "b"], b"value is not a valid float"),
        (["NX", "XX", "1", "a"], b"XX and NX options at the same time are not compatible"),
        (["GT", "LT", "1", "a"], b"GT, LT, and/or NX options at the same time are not compatible"),
        (["INCR", "1", "a", "2", "b"], b"INCR option supports a single increment-element pair"),
    ],
)
def test_a_wrong_zadd_says_why_and_leaves_nothing(arguments, error):
    redis = Redis()
    assert redis("ZADD", "z", *arguments) == b"-ERR %b\r\n" % error
    assert redis("EXISTS", "z") == b":0\r\n"


def test_infinities_may_not_meet():
    redis = filled("inf", "a")
    assert redis("ZINCRBY", "z", "-inf", "a") == b"-ERR resulting score is not a number (NaN)\r\n"
    assert redis("ZSCORE", "z", "a") == b"$3\r\ninf\r\n"


def test_scores_are_printed_as_the_shortest_text_and_are_doubles_in_resp3():
    redis = filled(0.1, "a", "1e17", "b", "0x10", "c")
    assert redis("ZMSCORE", "z", "a", "b", "c", "d") == (
        b"*4\r\n$3\r\n0.1\r\n$18\r\n100000000000000000\r\n$2\r\n16\r\n$-1\r\n"
    )
    redis.client.speak(3)
    assert redis("ZSCORE", "z", "a") == b",0.1\r\n"
    assert redis("ZRANGE", "z", 0, 0, "WITHSCORES") == b"*1\r\n*2\r\n$1\r\na\r\n,0.1\r\n"


def test_another_type_is_refused():
    redis = Redis()
    redis("SET", "z", "x")
    wrong = b"-WRONGTYPE Operation against a key holding the wrong kind of value\r\n"
    assert [redis("ZADD", "z", 1, "a"), redis("ZCARD", "z"), redis("ZPOPMIN", "z")] == [wrong] * 3


# -- encodings ------------------------------------------------------------------------------------------------------


def encoding(redis: Redis) -> str:
    return redis("OBJECT", "ENCODING", "z").split(b"\r\n")[1].decode()


def test_it_is_a_listpack_up_to_128_members_and_never_again():
    redis = filled(*(word for number in range(128) for word in (number, f"m{number}")))
    before = encoding(redis)
    redis("ZADD", "z", 1, "one more")
    after = encoding(redis)
    redis("ZREMRANGEBYRANK", "z", 1, -1)
    assert (before, after, encoding(redis)) == ("listpack", "skiplist", "skiplist")


def test_a_member_of_65_bytes_ends_the_listpack():
    redis = filled(1, "m" * 64)
    before = encoding(redis)
    redis("ZADD", "z", 1, "m" * 65)
    assert (before, encoding(redis)) == ("listpack", "skiplist")


def test_one_zadd_of_more_than_128_pairs_is_not_packed_even_if_they_are_one_member():
    """Redis 7.2 goes by the number of pairs; 7.0 by that of members."""
    redis = filled(*(word for number in range(129) for word in (number, "m")))
    assert (encoding(redis), redis("ZCARD", "z")) == ("skiplist", b":1\r\n")


# -- asking -----------------------------------------------------------------------------------------------------------


def test_ranks_count_from_either_end_and_come_with_the_score():
    redis = filled(1, "a", 2, "b", 3, "c")
    assert [redis("ZRANK", "z", "c"), redis("ZREVRANK", "z", "c"), redis("ZRANK", "z", "x")] == [
        b":2\r\n",
        b":0\r\n",
        b"$-1\r\n",
    ]
    assert redis("ZREVRANK", "z", "a", "WITHSCORE") == b"*2\r\n:2\r\n$1\r\n1\r\n"
    assert redis("ZRANK", "z", "x", "withscore") == b"*-1\r\n"
    assert redis("ZRANK", "z", "a", "FOO") == b"-ERR syntax error\r\n"
    assert redis("ZRANK", "z", "a", "WITHSCORE", "x") == b"-ERR wrong number of arguments for 'zrank' command\r\n"


def test_random_members_are_different_ones_or_repeated():
    redis = filled(1, "a", 2, "b", 3, "c")
    picked = redis("ZRANDMEMBER", "z", 2).split(b"\r\n")[2::2]
    assert len(set(picked)) == 2 and set(picked) < {b"a", b"b", b"c"}
    assert redis("ZRANDMEMBER", "z", -10).startswith(b"*10\r\n")
    assert redis("ZRANDMEMBER", "z", 5, "WITHSCORES") == bulk("a", "1", "b", "2", "c", "3")
    assert (redis("ZRANDMEMBER", "none"), redis("ZRANDMEMBER", "none", 1)) == (b"$-1\r\n", b"*0\r\n")


def test_a_small_set_is_scanned_whole_whatever_the_cursor():
    redis = filled(1, "apple", 2.5, "pear", 3, "plum")
    assert redis("ZSCAN", "z", 0, "MATCH", "p*", "COUNT", 1) == b"*2\r\n$1\r\n0\r\n" + bulk("pear", "2.5", "plum", "3")


def test_a_scan_of_a_large_set_meets_everyone_who_stays():
    redis = filled(*(word for number in range(1000) for word in (number, f"m{number}")))
    seen, cursor, calls = set(), b"0", 0
    while calls == 0 or cursor != b"0":
        lines = redis("ZSCAN", "z", cursor, "COUNT", 50).split(b"\r\n")
        cursor = lines[2]
        seen.update(lines[5::4])
        redis("ZREM", "z", f"m{2 * calls + 1}")  # the odd ones go, one at each call
        redis("ZADD", "z", 1, f"new{calls}")
        calls += 1
    assert calls > 10
    assert {b"m%d" % number for number in range(0, 1000, 2)} <= seen


# -- popping ------------------------------------------------------------------------------------------------------------


def test_pops_take_from_either_end_until_nothing_is_left():
    redis = filled(1, "a", 2, "b", 3, "c", 4, "d")
    told = events(redis)
    assert redis("ZPOPMIN", "z") == bulk("a", "1")
    assert redis("ZPOPMAX", "z", 2) == bulk("d", "4", "c", "3")
    assert redis("ZPOPMAX", "z", 9) == bulk("b", "2")
    assert redis("ZPOPMAX", "z", 9) == b"*0\r\n"
    assert told == [("zpopmin", b"z"), ("zpopmax", b"z"), ("zpopmax", b"z"), ("del", b"z")]


def test_a_counted_pop_is_nested_in_resp3_a_single_one_is_not():
    redis = filled(1, "a", 2, "b")
    redis.client.speak(3)
    assert redis("ZPOPMIN", "z", 1) == b"*1\r\n*2\r\n$1\r\na\r\n,1\r\n"
    assert redis("ZPOPMIN", "z") == b"*2\r\n$1\r\nb\r\n,2\r\n"


def test_zmpop_takes_from_the_first_key_that_has_any_and_is_written_down_as_zpop():
    redis = filled(1, "a", 2, "b", 3, "c")
    assert redis("ZMPOP", 2, "none", "z", "MAX", "COUNT", 2) == (
        b"*2\r\n$1\r\nz\r\n*2\r\n*2\r\n$1\r\nc\r\n$1\r\n3\r\n*2\r\n$1\r\nb\r\n$1\r\n2\r\n"
    )
    assert redis.written == [[(0, [b"ZPOPMAX", b"z", b"2"])]]
    assert redis("ZMPOP", 1, "none", "MIN") == b"*-1\r\n"


@pytest.mark.parametrize(
    ("request_words", "served", "written"),
    [
        (["BZPOPMIN", "x", "z", 0], b"*3\r\n$1\r\nz\r\n$1\r\na\r\n$1\r\n1\r\n", [b"ZPOPMIN", b"z"]),
        (["BZPOPMAX", "x", "z", 0], b"*3\r\n$1\r\nz\r\n$1\r\nb\r\n$1\r\n2\r\n", [b"ZPOPMAX", b"z"]),
        (
            ["BZMPOP", 0, 2, "x", "z", "MIN"],
            b"*2\r\n$1\r\nz\r\n*1\r\n*2\r\n$1\r\na\r\n$1\r\n1\r\n",
            [b"ZPOPMIN", b"z", b"1"],
        ),
    ],
)
def test_who_waits_is_served_when_members_come(request_words, served, written):
    redis = Redis()
    waiting = redis.connect()
    assert redis(*request_words, client=waiting) == b""
    assert redis("ZADD", "z", 1, "a", 2, "b") == b":2\r\n"
    assert redis.said(waiting) == served
    assert [request for unit in redis.written for _, request in unit] == [
        [b"ZADD", b"z", b"1", b"a", b"2", b"b"],
        written,
    ]


def test_those_who_wait_are_served_in_the_order_they_came():
    redis = Redis()
    first, second = redis.connect(), redis.connect()
    redis("BZPOPMIN", "z", 0, client=first)
    redis("BZPOPMIN", "z", 0, client=second)
    redis("ZADD", "z", 1, "a")
    assert (redis.said(first), redis.said(second)) == (b"*3\r\n$1\r\nz\r\n$1\r\na\r\n$1\r\n1\r\n", b"")


def test_waiting_ends_with_its_time_and_never_begins_in_a_transaction():
    redis = Redis()
    waiting = redis.connect()
    redis("BZPOPMIN", "z", 0.5, client=waiting)
    redis.advance(499)
    assert redis.said(waiting) == b""
    redis.advance(1)
    assert redis.said(waiting) == b"*-1\r\n"
    redis("MULTI")
    redis("BZPOPMAX", "z", 0)
    assert redis("EXEC") == b"*1\r\n*-1\r\n"


def test_zincrby_of_a_member_tells_zincr_and_is_written_down_as_it_came():
    redis = filled(1, "a")
    told = events(redis)
    assert redis("ZINCRBY", "z", 1.5, "a") == b"$3\r\n2.5\r\n"
    assert redis("ZREM", "z", "a", "b") == b":1\r\n"
    assert told == [("zincr", b"z"), ("zrem", b"z"), ("del", b"z")]
    assert redis.written == [[(0, [b"ZINCRBY", b"z", b"1.5", b"a"])], [(0, [b"ZREM", b"z", b"a", b"b"])]]


def test_an_expired_set_is_gone():
    redis = filled(1, "a")
    redis("PEXPIRE", "z", 100)
    redis.advance(101)
    assert (redis("ZADD", "z", "XX", 5, "a"), redis("ZCARD", "z")) == (b":0\r\n", b":0\r\n")
