"""Bits and small integers inside strings; large ones against an obvious twin."""

from random import Random

import pytest

from miniredis.commands.bitmaps import count_bits, find_bit
from tests.miniredis.commands.test_sorted_sets import events
from tests.miniredis.engine_fixtures import Redis


def test_a_bit_is_set_from_the_left_and_the_string_grows():
    redis = Redis()
    assert [redis("SETBIT", "k", 7, 1), redis("SETBIT", "k", 7, 1), redis("SETBIT", "k", 16, 0)] == [
        b":0\r\n",
        b":1\r\n",
        b":0\r\n",
    ]
    assert redis("GET", "k") == b"$3\r\n\x01\x00\x00\r\n"
    assert [redis("GETBIT", "k", 7), redis("GETBIT", "k", 8), redis("GETBIT", "k", 9999)] == [
        b":1\r\n",
        b":0\r\n",
        b":0\r\n",
    ]


def test_only_a_changed_bit_is_told_and_written_down():
    redis = Redis()
    told = events(redis)
    for _ in range(2):
        redis("SETBIT", "k", 3, 1)
    assert told == [("setbit", b"k")]
    assert redis.written == [[(0, [b"SETBIT", b"k", b"3", b"1"])]]


@pytest.mark.parametrize(
    ("request_words", "error"),
    [
        ("SETBIT k -1 1", "bit offset is not an integer or out of range"),
        ("SETBIT k 4294967296 1", "bit offset is not an integer or out of range"),
        ("SETBIT k 0 2", "bit is not an integer or out of range"),
        ("GETBIT k x", "bit offset is not an integer or out of range"),
        ("BITCOUNT foobar 0", "syntax error"),
        ("BITCOUNT foobar 0 1 FOO", "syntax error"),
        ("BITPOS foobar 2", "The bit argument must be 1 or 0."),
        ("BITPOS foobar x", "value is not an integer or out of range"),
        ("BITOP NOT d foobar foobar", "BITOP NOT must be called with a single source key."),
        ("BITOP NAND d foobar", "syntax error"),
        ("BITFIELD k GET u64 0", "Invalid bitfield type. Use something like i16 u8. Note that u64 is not supported "
         "but i64 is."),
        ("BITFIELD k OVERFLOW FOO", "Invalid OVERFLOW type specified"),
        ("BITFIELD k SET u8 0", "syntax error"),
        ("BITFIELD_RO k SET u8 0 1", "BITFIELD_RO only supports the GET subcommand"),
    ],
)  # fmt: skip
def test_a_wrong_request_says_why(request_words, error):
    redis = Redis()
    redis("SET", "foobar", "foobar")
    assert redis(*request_words.split()) == b"-ERR %b\r\n" % error.encode()


@pytest.mark.parametrize(
    ("options", "count"),
    [("", 26), ("0 0", 4), ("1 1", 6), ("1 1 BYTE", 6), ("5 30 BIT", 17), ("-2 -1", 7), ("3 1", 0), ("0 -100", 4)],
)
def test_bits_are_counted_in_a_range(options, count):
    redis = Redis()
    redis("SET", "k", "foobar")
    assert redis("BITCOUNT", "k", *options.split()) == b":%d\r\n" % count


@pytest.mark.parametrize(
    ("value", "options", "position"),
    [
        (b"\xff\xf0\x00", "0", 12),
        (b"\xff\xff\xff", "0", 24),
        (b"\xff\xff\xff", "0 0 -1", -1),
        (b"\x00\xff\xf0", "1 0", 8),
        (b"\x00\xff\xf0", "1 2", 16),
        (b"\x00\xff\xf0", "1 7 15 BIT", 8),
        (b"\x00\x00\x00", "1", -1),
        (b"\x00\xff\xf0", "0 8 -1 BIT", 20),
    ],
)
def test_a_bit_is_found_in_a_range(value, options, position):
    redis = Redis()
    redis("SET", "k", value)
    assert redis("BITPOS", "k", *options.split()) == b":%d\r\n" % position


def test_where_there_is_no_key_all_bits_are_zero():
    redis = Redis()
    assert [redis("BITPOS", "k", 0), redis("BITPOS", "k", 1), redis("BITCOUNT", "k")] == [
        b":0\r\n",
        b":-1\r\n",
        b":0\r\n",
    ]


def test_counting_and_searching_agree_with_a_string_of_bits():
    random = Random(1)
    for _ in range(500):
        data = bytes(random.choice([0, 0, 255, 255, random.randrange(256)]) for _ in range(random.randint(1, 12)))
        text = "".join(f"{byte:08b}" for byte in data)
        first = random.randrange(len(text))
        last = random.randrange(first, len(text))
        part = text[first : last + 1]
        assert count_bits(data, first, last) == part.count("1")
        for bit in (0, 1):
            found = part.find(str(bit))
            assert find_bit(data, bit, first, last) == (found + first if found >= 0 else -1)


def test_bits_are_counted_across_chunks():
    data = b"\x0f" * 200_001
    assert count_bits(data, 4, 8 * len(data) - 5) == 4 * len(data) - 4


@pytest.mark.parametrize(
    ("operation", "keys", "result"),
    [
        ("AND", "a b", b"\x0f\x00\x00"),
        ("OR", "a b", b"\xff\x0f\x55"),
        ("XOR", "a b", b"\xf0\x0f\x55"),
        ("NOT", "a", b"\x00\xff"),
        ("AND", "a none", b"\x00\x00"),
    ],
)
def test_logical_operations_pad_with_zeros(operation, keys, result):
    redis = Redis()
    redis("SET", "a", b"\xff\x00")
    redis("SET", "b", b"\x0f\x0f\x55")
    assert redis("BITOP", operation, "d", *keys.split()) == b":%d\r\n" % len(result)
    assert redis("GET", "d") == b"$%d\r\n%b\r\n" % (len(result), result)


def test_an_operation_on_nothing_removes_the_destination():
    redis = Redis()
    redis("SET", "d", "x")
    told = events(redis)
    assert redis("BITOP", "OR", "d", "none") == b":0\r\n"
    assert told == [("del", b"d")]


@pytest.mark.parametrize(
    ("request_words", "reply"),
    [
        ("SET u8 0 255 GET i8 0 GET u4 #1", b"*3\r\n:0\r\n:-1\r\n:15\r\n"),
        ("SET u8 0 250 INCRBY u8 0 10", b"*2\r\n:0\r\n:4\r\n"),
        ("SET u8 0 250 OVERFLOW SAT INCRBY u8 0 10", b"*2\r\n:0\r\n:255\r\n"),
        ("SET u8 0 250 OVERFLOW FAIL INCRBY u8 0 10 GET u8 0", b"*3\r\n:0\r\n$-1\r\n:250\r\n"),
        ("OVERFLOW SAT INCRBY i5 3 -100 GET i5 3", b"*2\r\n:-16\r\n:-16\r\n"),
        ("OVERFLOW SAT SET u8 0 -1 GET u8 0", b"*2\r\n:0\r\n:255\r\n"),
        ("SET i64 1 -9223372036854775808 OVERFLOW FAIL INCRBY i64 1 -1", b"*2\r\n:0\r\n$-1\r\n"),
        ("GET u8 100", b"*1\r\n:0\r\n"),
        ("", b"*0\r\n"),
    ],
)
def test_integers_of_any_width_are_read_and_written(request_words, reply):
    assert Redis()("BITFIELD", "k", *request_words.split()) == reply


def test_a_value_that_was_changed_in_place_is_raw():
    redis = Redis()
    redis("SET", "k", 12)
    redis("SETBIT", "k", 0, 0)
    assert redis("OBJECT", "ENCODING", "k") == b"$3\r\nraw\r\n"
