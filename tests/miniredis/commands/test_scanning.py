"""SSCAN and HSCAN: cursors, options, and the promise that nothing is missed."""

import pytest

from miniredis.commands.scanning import parse_cursor
from miniredis.errors import RedisError
from tests.miniredis.commands.collection_fixtures import NOT_AN_INTEGER, SYNTAX, array, words
from tests.miniredis.engine_fixtures import Redis


def page(reply: bytes) -> tuple[int, list[bytes]]:
    """(cursor, names) of a reply to SSCAN."""
    _, _, cursor, rest = reply.split(b"\r\n", 3)
    return int(cursor), words(rest)


def scanned(redis: Redis, *options: object, between=lambda: None) -> list[bytes]:  # type: ignore[no-untyped-def]
    """Everything that SSCAN of `s` returns from the beginning to the end."""
    found: list[bytes] = []
    cursor = 0
    while True:
        cursor, names = page(redis("SSCAN", "s", cursor, *options))
        found += names
        if not cursor:
            return found
        between()


def filled(count: int) -> Redis:
    redis = Redis()
    redis("SADD", "s", *(f"m{number}" for number in range(count)))
    return redis


def test_a_small_set_comes_whole_whatever_count_and_cursor_say():
    redis = filled(100)
    assert page(redis("SSCAN", "s", 77, "COUNT", 1)) == (0, [b"m%d" % number for number in range(100)])


def test_a_large_set_comes_in_pieces_of_about_count():
    redis = filled(5000)
    cursor, names = page(redis("SSCAN", "s", 0, "COUNT", 100))
    assert cursor and 100 <= len(names) < 200


def test_a_whole_scan_returns_every_member_once_when_nothing_changes():
    assert sorted(scanned(filled(3000))) == sorted(b"m%d" % number for number in range(3000))


def test_what_is_there_all_the_time_is_returned_though_the_set_grows_and_shrinks():
    redis = filled(1000)
    numbers = iter(range(1000, 10**6))

    def grow() -> None:
        redis("SADD", "s", *(f"m{next(numbers)}" for _ in range(60)))

    assert {b"m%d" % number for number in range(1000)} <= set(scanned(redis, between=grow))
    victims = iter(range(1000, 10**6))

    def shrink() -> None:
        redis("SREM", "s", *(f"m{next(victims)}" for _ in range(60)))

    assert {b"m%d" % number for number in range(1000)} <= set(scanned(redis, between=shrink))


def test_a_pattern_chooses_what_is_shown_and_pages_may_be_empty():
    redis = filled(2000)
    assert sorted(scanned(redis, "MATCH", "m199?")) == [b"m199%d" % number for number in range(10)]


def test_hscan_shows_fields_with_values_and_matches_fields():
    redis = Redis()
    redis("HSET", "h", "a", 1, "b", 2, "ab", 3)
    assert redis("HSCAN", "h", 0, "MATCH", "a*") == b"*2\r\n$1\r\n0\r\n" + array("a", "1", "ab", "3")


def test_hscan_finds_every_field_of_a_large_hash():
    redis = Redis()
    redis("HSET", "h", *(word for number in range(2000) for word in (f"f{number}", number)))
    found: list[bytes] = []
    cursor = 0
    while True:
        cursor, names = page(redis("HSCAN", "h", cursor))
        found += names
        if not cursor:
            break
    pairs = dict(zip(found[::2], found[1::2], strict=True))
    assert pairs == {b"f%d" % number: b"%d" % number for number in range(2000)}


def test_a_missing_key_is_an_empty_page_before_options_are_looked_at():
    redis = Redis()
    assert redis("SSCAN", "s", 0, "FOO") == b"*2\r\n$1\r\n0\r\n*0\r\n"
    assert redis("SSCAN", "s", "x") == b"-ERR invalid cursor\r\n"


@pytest.mark.parametrize(
    ("options", "error"),
    [
        (["FOO"], SYNTAX),
        (["COUNT"], SYNTAX),
        (["COUNT", "0"], SYNTAX),
        (["COUNT", "x"], NOT_AN_INTEGER),
        (["TYPE", "set"], SYNTAX),
        (["NOVALUES"], SYNTAX),
    ],
)
def test_a_wrong_option_says_why(options, error):
    redis = filled(1)
    assert redis("SSCAN", "s", 0, *options) == error


@pytest.mark.parametrize(
    ("text", "cursor"),
    [(b"0", 0), (b"", 0), (b"007", 7), (b"+7", 7), (b"-1", 2**64 - 1), (b"18446744073709551615", 2**64 - 1)],
)
def test_a_cursor_is_read_as_strtoul_reads(text, cursor):
    assert parse_cursor(text) == cursor


@pytest.mark.parametrize("text", [b"x", b" 0", b"1 ", b"+", b"--1", b"18446744073709551616"])
def test_what_is_no_cursor_is_refused(text):
    with pytest.raises(RedisError, match="invalid cursor"):
        parse_cursor(text)
