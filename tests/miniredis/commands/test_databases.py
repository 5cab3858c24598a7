"""DBSIZE, FLUSHDB, FLUSHALL, SWAPDB."""

from tests.miniredis.engine_fixtures import Redis


def test_a_flush_is_written_down_even_when_nothing_was_there():
    redis = Redis()
    assert redis("FLUSHDB") == redis("FLUSHALL", "ASYNC") == b"+OK\r\n"
    assert redis.written == [[(0, (b"FLUSHDB",))], [(0, (b"FLUSHALL", b"ASYNC"))]]


def test_flushall_empties_every_database_and_flushdb_one():
    redis = Redis()
    for index in range(3):
        redis("SELECT", index)
        redis("SET", "k", index)
    assert (redis("FLUSHDB"), redis("DBSIZE")) == (b"+OK\r\n", b":0\r\n")
    assert sum(map(len, redis.engine.databases)) == 2
    redis("FLUSHALL", "SYNC")
    assert sum(map(len, redis.engine.databases)) == 0
    assert redis("FLUSHALL", "x") == redis("FLUSHDB", "SYNC", "x") == b"-ERR syntax error\r\n"


def test_swapping_exchanges_keys_with_their_expiries_under_everyone():
    redis = Redis()
    redis("SET", "k", "1", "PX", "5000")
    assert redis("SWAPDB", 0, 1) == b"+OK\r\n"
    assert redis("EXISTS", "k") == b":0\r\n"
    redis("SELECT", 1)
    assert redis("PTTL", "k") == b":5000\r\n"
    assert redis.written[-1] == [(0, [b"SWAPDB", b"0", b"1"])]


def test_swapping_wakes_who_waits_for_what_is_now_there():
    redis = Redis()
    waiting = redis.connect()
    redis("BZPOPMIN", "z", "0", client=waiting)
    redis("SELECT", 1)
    redis("ZADD", "z", "1", "a")
    redis("SWAPDB", 0, 1)
    assert redis.said(waiting) == b"*3\r\n$1\r\nz\r\n$1\r\na\r\n$1\r\n1\r\n"


def test_swapdb_complains_in_redis_order():
    redis = Redis()
    assert redis("SWAPDB", "x", "y") == b"-ERR invalid first DB index\r\n"
    assert redis("SWAPDB", "1", "y") == b"-ERR invalid second DB index\r\n"
    assert redis("SWAPDB", "1", "99") == b"-ERR DB index is out of range\r\n"
