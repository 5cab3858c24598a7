"""Places: the example of the Redis documentation, and what searches answer, store and refuse."""

import pytest

from tests.miniredis.commands.test_sorted_sets import bulk, events
from tests.miniredis.engine_fixtures import Redis


@pytest.fixture
def redis() -> Redis:
    redis = Redis()
    redis("GEOADD", "Sicily", 13.361389, 38.115556, "Palermo", 15.087269, 37.502669, "Catania")
    return redis


def ask(redis: Redis, line: str) -> bytes:
    return redis(*line.split())


def test_geoadd_is_a_zadd_and_written_down_as_one(redis):
    assert redis.written == [
        [(0, [b"ZADD", b"Sicily", b"3479099956230698", b"Palermo", b"3479447370796909", b"Catania"])]
    ]
    assert redis("GEOADD", "Sicily", "CH", 13.5, 38, "Palermo") == b":1\r\n"
    assert redis("GEOADD", "Sicily", "XX", 13.5, 38, "Rome") == b":0\r\n"
    assert len(redis.written) == 2


def test_places_come_back_as_near_as_52_bits_can_say(redis):
    assert redis("GEOPOS", "Sicily", "Palermo", "none") == (
        b"*2\r\n" + bulk("13.36138933897018433", "38.11555639549629859") + b"*-1\r\n"
    )
    redis.client.speak(3)
    assert redis("GEOPOS", "Sicily", "Palermo") == b"*1\r\n*2\r\n,13.36138933897018433\r\n,38.11555639549629859\r\n"


def test_geohashes_and_distances(redis):
    assert redis("GEOHASH", "Sicily", "Palermo", "Catania", "none") == (
        b"*3\r\n$11\r\nsqc8b49rny0\r\n$11\r\nsqdtr74hyu0\r\n$-1\r\n"
    )
    assert [redis("GEODIST", "Sicily", "Palermo", "Catania", *unit) for unit in ([], ["km"], ["MI"], ["ft"])] == [
        b"$11\r\n166274.1516\r\n",
        b"$8\r\n166.2742\r\n",
        b"$8\r\n103.3182\r\n",
        b"$11\r\n545518.8700\r\n",
    ]
    assert redis("GEODIST", "Sicily", "Palermo", "none") == b"$-1\r\n"


@pytest.mark.parametrize(
    ("options", "found"),
    [
        ("FROMLONLAT 15 37 BYRADIUS 200 km ASC", "Catania Palermo"),
        ("FROMLONLAT 15 37 BYRADIUS 200 km DESC", "Palermo Catania"),
        ("FROMLONLAT 15 37 BYRADIUS 100 km", "Catania"),
        ("FROMMEMBER Palermo BYRADIUS 0 m", "Palermo"),
        ("FROMLONLAT 15 37 BYBOX 400 400 km ASC COUNT 1", "Catania"),
        ("BYBOX 20 400 km FROMLONLAT 15 37", "Catania"),
        ("FROMLONLAT 0 0 BYRADIUS 10 km", ""),
    ],
)
def test_places_are_found_in_a_circle_or_a_box(redis, options, found):
    assert redis("GEOSEARCH", "Sicily", *options.split()) == bulk(*found.split())


def test_what_is_found_comes_with_what_was_asked_for(redis):
    assert ask(redis, "GEORADIUS Sicily 15 37 100 km WITHCOORD WITHHASH WITHDIST") == (
        b"*1\r\n*4\r\n$7\r\nCatania\r\n$7\r\n56.4413\r\n:3479447370796909\r\n"
        + bulk("15.08726745843887329", "37.50266842333162032")
    )


def test_a_search_is_stored_with_places_or_distances(redis):
    told = events(redis)
    assert ask(redis, "GEOSEARCHSTORE d Sicily FROMLONLAT 15 37 BYRADIUS 200 km") == b":2\r\n"
    assert redis("ZSCORE", "d", "Palermo") == b"$16\r\n3479099956230698\r\n"
    assert ask(redis, "GEORADIUSBYMEMBER Sicily Palermo 200 km STOREDIST d") == b":2\r\n"
    assert redis("ZSCORE", "d", "Palermo") == b"$1\r\n0\r\n"
    assert ask(redis, "GEOSEARCHSTORE d Sicily FROMLONLAT 0 0 BYRADIUS 1 m STOREDIST") == b":0\r\n"
    assert told == [("geosearchstore", b"d"), ("georadiusstore", b"d"), ("del", b"d")]


@pytest.mark.parametrize(
    ("request_words", "error"),
    [
        ("GEOADD Sicily 181 0 x", "invalid longitude,latitude pair 181.000000,0.000000"),
        ("GEOADD Sicily 0 x y", "value is not a valid float"),
        ("GEOADD Sicily NX XX 0 0 y", "syntax error"),
        ("GEODIST Sicily a b cm", "unsupported unit provided. please use M, KM, FT, MI"),
        ("GEOSEARCH Sicily FROMMEMBER none BYRADIUS 1 m", "could not decode requested zset member"),
        ("GEOSEARCH Sicily FROMLONLAT 0 0 BYRADIUS x m", "need numeric radius"),
        ("GEOSEARCH Sicily FROMLONLAT 0 0 BYRADIUS -1 m", "radius cannot be negative"),
        ("GEOSEARCH Sicily FROMLONLAT 0 0 BYBOX -1 1 m", "height or width cannot be negative"),
        ("GEOSEARCH Sicily FROMLONLAT 0 0 BYRADIUS 1 m COUNT 0", "COUNT must be > 0"),
        ("GEOSEARCH Sicily FROMLONLAT 0 0 BYRADIUS 1 m ANY", "the ANY argument requires COUNT argument"),
        ("GEOSEARCH Sicily BYRADIUS 1 m BYRADIUS 1 m",
         "exactly one of FROMMEMBER or FROMLONLAT can be specified for GEOSEARCH"),
        ("GEOSEARCH none FROMMEMBER x FROMMEMBER x ASC",
         "exactly one of BYRADIUS and BYBOX can be specified for GEOSEARCH"),
        ("GEORADIUS Sicily 0 0 1 m STORE d WITHDIST",
         "STORE option in GEORADIUS is not compatible with WITHDIST, WITHHASH and WITHCOORD options"),
        ("GEORADIUS_RO Sicily 0 0 1 m STORE d", "syntax error"),
    ],
)  # fmt: skip
def test_a_wrong_request_says_why(redis, request_words, error):
    assert redis(*request_words.split()) == b"-ERR %b\r\n" % error.encode()
