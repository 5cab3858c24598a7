"""Keys die lazily and actively, and their death is written down."""

from tests.miniredis.engine_fixtures import Redis


def test_a_key_is_gone_after_its_last_millisecond_and_not_before():
    redis = Redis()
    redis("SET", "k", "v", "PX", 100)
    redis.advance(100)
    assert redis("GET", "k") == b"$1\r\nv\r\n"
    redis.advance(1)
    assert redis("GET", "k") == b"$-1\r\n"


def test_lazy_expiry_is_written_down_before_the_command_that_met_it():
    redis = Redis()
    redis("SET", "k", "v", "PX", 100)
    redis.advance(200)
    redis.written.clear()
    redis("GET", "k")
    redis("SET", "n", "1", "PX", 100)
    redis.advance(200)
    redis("INCR", "n")
    assert redis.written[0] == [(0, (b"DEL", b"k"))]
    assert [list(words) for _, words in redis.written[2]] == [[b"DEL", b"n"], [b"INCR", b"n"]]


def test_the_cycle_removes_what_nobody_asks_for():
    redis = Redis()
    for number in range(500):
        redis("SET", f"k{number}", "v", "PX", 100 + number % 2 * 10**9)
    redis.advance(200)
    database = redis.engine.databases[0]
    for _ in range(100):
        redis.engine.expiry.run(100)
    assert len(database) == 250
    assert redis.engine.expired_keys == 250
    assert len(database.expiring) == 250


def test_a_dead_key_is_seen_by_nobody():
    redis = Redis()
    redis("SET", "k", "v", "PX", 1)
    redis.engine.expiry.enabled = False
    redis.advance(10)
    assert redis("EXISTS", "k") == b":0\r\n"
    redis("SET", "k", "v", "PX", 1)
    redis.advance(10)
    assert redis("KEYS", "*") == b"*0\r\n"
    assert redis("TTL", "k") == b":-2\r\n"
    assert redis("RANDOMKEY") == b"$-1\r\n"


def test_persist_and_overwriting_end_a_countdown_and_renaming_keeps_it():
    redis = Redis()
    redis("SET", "k", "v", "EX", 10)
    redis("RENAME", "k", "r")
    assert redis("TTL", "r") == b":10\r\n"
    redis("SET", "r", "w", "KEEPTTL")
    assert redis("TTL", "r") == b":10\r\n"
    redis("SET", "r", "w")
    assert redis("TTL", "r") == b":-1\r\n"
    redis("EXPIRE", "r", 5)
    assert redis("PERSIST", "r") == b":1\r\n"
    assert redis("PERSIST", "r") == b":0\r\n"
