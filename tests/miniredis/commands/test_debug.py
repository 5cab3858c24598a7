"""DEBUG: who may, and what it answers.  The digests were taken from redis-server 7.0.15."""

import pytest

from tests.miniredis.engine_fixtures import Redis

OPEN = {"enable_debug_command": "yes"}


def test_it_is_refused_unless_allowed():
    redis = Redis()
    assert redis("DEBUG", "SLEEP", 0).startswith(b"-ERR DEBUG command not allowed.")
    redis.engine.settings.enable_debug_command = "local"
    assert redis("DEBUG", "SLEEP", 0) == b"+OK\r\n"
    redis.client.address = "10.0.0.1:5"
    assert redis("DEBUG", "SLEEP", 0).startswith(b"-ERR DEBUG command not allowed.")


def test_digests_are_those_of_redis():
    redis = Redis(**OPEN)
    for line in ("SET a 1", "ZADD z 1.5 a", "SET e x EX 1000"):
        redis(*line.split())
    assert redis("DEBUG", "DIGEST-VALUE", "a", "nokey", "e") == (
        b"*3\r\n+b4fc66738120fba0b5aa500ab5c2bf89cea1c5da\r\n+0000000000000000000000000000000000000000\r\n"
        b"+0745672cb1bf060476eedeb8a28f5ffe1ff5a2be\r\n"
    )


def test_the_digest_does_not_know_the_order_of_keys_but_their_database():
    one, two = Redis(**OPEN), Redis(**OPEN)
    for key in ("a", "b", "c"):
        one("SET", key, key)
    for key in ("c", "a", "b"):
        two("SET", key, key)
    assert one("DEBUG", "DIGEST") == two("DEBUG", "DIGEST")
    two("SWAPDB", 0, 1)
    assert one("DEBUG", "DIGEST") != two("DEBUG", "DIGEST")


def test_sleep_holds_everybody():
    redis = Redis(**OPEN)
    other = redis.connect()
    assert redis("DEBUG", "SLEEP", "0.5") == b""
    assert redis("PING", client=other) == b""
    redis.advance(500)
    assert (redis.said(redis.client), redis.said(other)) == (b"+OK\r\n", b"+PONG\r\n")


def test_objects_are_described():
    redis = Redis(**OPEN)
    redis("SET", "k", "abc")
    redis.advance(3000)
    assert redis("DEBUG", "OBJECT", "k").partition(b" refcount")[2] == (
        b":1 encoding:embstr serializedlength:4 lru:5501184 lru_seconds_idle:3\r\n"
    )
    assert redis("DEBUG", "SDSLEN", "k").startswith(b"+key_sds_len:1, key_sds_avail:0, key_zmalloc: 1, val_sds_len:3,")
    assert redis("DEBUG", "LISTPACK", "k") == b"-ERR Not a listpack encoded object.\r\n"
    assert redis("DEBUG", "OBJECT", "nokey") == b"-ERR no such key\r\n"


def test_populate_fills_what_is_free():
    redis = Redis(**OPEN)
    redis("SET", "p:1", "mine")
    assert redis("DEBUG", "POPULATE", 3, "p", 10) == b"+OK\r\n"
    assert redis("MGET", "p:0", "p:1") == b"*2\r\n$10\r\nvalue:0\0\0\0\r\n$4\r\nmine\r\n"


def test_the_search_for_expired_keys_can_be_switched_off():
    redis = Redis(**OPEN)
    redis("DEBUG", "SET-ACTIVE-EXPIRE", 0)
    assert redis.engine.expiry.enabled is False
    redis("DEBUG", "SET-ACTIVE-EXPIRE", 1)
    assert redis.engine.expiry.enabled is True


@pytest.mark.parametrize(
    ("kind", "resp2", "resp3"),
    [
        ("double", b"$5\r\n3.141\r\n", b",3.141\r\n"),
        ("null", b"$-1\r\n", b"_\r\n"),
        ("map", b"*6\r\n:0\r\n:0\r\n:1\r\n:1\r\n:2\r\n:0\r\n", b"%3\r\n:0\r\n#f\r\n:1\r\n#t\r\n:2\r\n#f\r\n"),
        ("set", b"*3\r\n:0\r\n:1\r\n:2\r\n", b"~3\r\n:0\r\n:1\r\n:2\r\n"),
        ("verbatim", b"$25\r\nThis is a verbatim\nstring\r\n", b"=29\r\ntxt:This is a verbatim\nstring\r\n"),
        ("bignum", b"$37\r\n1234567999999999999999999999999999999\r\n", b"(1234567999999999999999999999999999999\r\n"),
    ],
)
def test_every_type_of_the_protocol_can_be_asked_for(kind, resp2, resp3):
    redis = Redis(**OPEN)
    assert redis("DEBUG", "PROTOCOL", kind) == resp2
    redis("HELLO", 3)
    assert redis("DEBUG", "PROTOCOL", kind) == resp3


def test_what_it_does_not_know_it_names_as_it_was_spelled():
    redis = Redis(**OPEN)
    for words in (("jMap",), ("sLEEp",)):
        assert redis("DEBUG", *words) == (
            b"-ERR unknown subcommand or wrong number of arguments for '%b'. Try DEBUG HELP.\r\n" % words[0].encode()
        )
