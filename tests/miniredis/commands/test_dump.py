import pytest

from miniredis.persistence.dump import dump
from miniredis.persistence.rdb_values import make_set
from tests.miniredis.engine_fixtures import Redis, make_settings

PAYLOAD = dump(b"hello")
OK = b"+OK\r\n"


def replied(payload: bytes) -> bytes:
    return b"$%d\r\n%b\r\n" % (len(payload), payload)


def test_dump_gives_the_payload_and_nil_for_no_key():
    redis = Redis()
    redis("SET", "k", "hello")
    assert (redis("DUMP", "k"), redis("DUMP", "none")) == (replied(PAYLOAD), b"$-1\r\n")


def test_restore_brings_the_value_back():
    redis = Redis()
    assert (redis("RESTORE", "k", 0, PAYLOAD), redis("GET", "k"), redis("PTTL", "k")) == (
        OK,
        b"$5\r\nhello\r\n",
        b":-1\r\n",
    )


def test_a_set_is_restored_with_its_encoding():
    redis = Redis()
    redis("RESTORE", "k", 0, dump(make_set([b"a", b"b"], make_settings())))
    assert (redis("TYPE", "k"), redis("OBJECT", "ENCODING", "k")) == (b"+set\r\n", b"$8\r\nlistpack\r\n")


def test_a_time_to_live_counts_from_now_and_is_written_down_as_when_it_ends():
    redis = Redis()
    redis("RESTORE", "k", 5000, PAYLOAD, "REPLACE")
    at_ms = b"%d" % (redis.engine.now_ms + 5000)
    assert redis("PEXPIRETIME", "k") == b":%b\r\n" % at_ms
    assert redis.written == [[(0, (b"RESTORE", b"k", at_ms, PAYLOAD, b"REPLACE", b"ABSTTL"))]]


def test_absttl_is_when_it_ends():
    redis = Redis()
    at_ms = redis.engine.now_ms + 70
    redis("RESTORE", "k", at_ms, PAYLOAD, "ABSTTL")
    assert redis("PTTL", "k") == b":70\r\n"


def test_a_value_whose_time_has_passed_is_not_stored():
    redis = Redis()
    redis("SET", "k", "old")
    assert redis("RESTORE", "k", 1, PAYLOAD, "ABSTTL", "REPLACE") == OK
    assert redis("EXISTS", "k") == b":0\r\n"
    assert redis.written[-1] == [(0, (b"DEL", b"k"))]


def test_nothing_is_written_down_when_nothing_was_there_and_nothing_stored():
    redis = Redis()
    assert (redis("RESTORE", "k", 1, PAYLOAD, "ABSTTL"), redis.written) == (OK, [])


def test_a_key_that_stands_is_left_alone_without_replace():
    redis = Redis()
    redis("SET", "k", "old")
    assert redis("RESTORE", "k", 0, PAYLOAD) == b"-BUSYKEY Target key name already exists.\r\n"
    assert redis("RESTORE", "k", 0, PAYLOAD, "replace") == OK
    assert redis("GET", "k") == b"$5\r\nhello\r\n"


def test_replace_ends_an_old_time_to_live():
    redis = Redis()
    redis("SET", "k", "old", "EX", 10)
    redis("RESTORE", "k", 0, PAYLOAD, "REPLACE")
    assert redis("TTL", "k") == b":-1\r\n"


def test_idletime_is_kept_while_eviction_goes_by_recency():
    redis = Redis()
    redis("RESTORE", "k", 0, PAYLOAD, "IDLETIME", 1000)
    assert redis("OBJECT", "IDLETIME", "k") == b":1000\r\n"


def test_freq_is_kept_while_eviction_goes_by_frequency():
    redis = Redis(maxmemory_policy="allkeys-lfu")
    redis("RESTORE", "k", 0, PAYLOAD, "FREQ", 42)
    assert redis("OBJECT", "FREQ", "k") == b":42\r\n"


def test_subscribers_to_the_keyspace_hear_restore_and_del(monkeypatch):
    redis, heard = Redis(), []
    redis.engine.notifying = True
    monkeypatch.setattr(redis.engine, "notify", lambda event, key, database: heard.append(event))
    redis("RESTORE", "k", 0, PAYLOAD)
    redis("RESTORE", "k", 1, PAYLOAD, "ABSTTL", "REPLACE")
    assert heard == ["new", "restore", "del"]


@pytest.mark.parametrize(
    ("words", "error"),
    [
        (("k", "x", PAYLOAD), "ERR value is not an integer or out of range"),
        (("k", -1, PAYLOAD), "ERR Invalid TTL value, must be >= 0"),
        (("k", 0, b"junk"), "ERR DUMP payload version or checksum are wrong"),
        (("k", 0, PAYLOAD[:-1] + b"\0"), "ERR DUMP payload version or checksum are wrong"),
        (("k", 0, PAYLOAD, "NX"), "ERR syntax error"),
        (("k", 0, PAYLOAD, "IDLETIME"), "ERR syntax error"),
        (("k", 0, PAYLOAD, "IDLETIME", "x"), "ERR value is not an integer or out of range"),
        (("k", 0, PAYLOAD, "IDLETIME", -1), "ERR Invalid IDLETIME value, must be >= 0"),
        (("k", 0, PAYLOAD, "FREQ", 256), "ERR Invalid FREQ value, must be >= 0 and <= 255"),
        (("k", 0, PAYLOAD, "FREQ", 1, "IDLETIME", 1), "ERR syntax error"),
        (("k", 0, PAYLOAD, "IDLETIME", 1, "FREQ", 1), "ERR syntax error"),
    ],
)
def test_each_wrong_request_has_its_answer(words, error):
    assert Redis()("RESTORE", *words) == f"-{error}\r\n".encode()
