"""Reading a log: what is carried out, what is cut off, what is refused, and what redis-check-aof says to the same bytes."""

import re
import shutil
import subprocess

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from durable.real_disk import RealDisk
from miniredis.persistence import rdb
from miniredis.persistence.aof import encode
from miniredis.persistence.aof_reader import NEVER, AofError, Damage, Replay, cut
from tests.miniredis.engine_fixtures import Redis


def log_of(*lines):
    return b"".join(
        line.encode() + b"\r\n" if line.startswith("#") else encode(line.encode().split()) for line in lines
    )


def replay(tmp_path, content, *, last=True, **settings):
    """What a server that has read this log is like."""
    redis = Redis(**settings)
    path = tmp_path / "appendonly.aof.1.incr.aof"
    path.write_bytes(content)
    redis.engine.loading = True
    loaded = Replay(redis.engine, RealDisk(), str(path), last=last)
    for _ in loaded.steps():
        pass
    redis.engine.loading = False
    redis.loaded, redis.path = loaded, path
    return redis


def data(redis):
    return [dict(database.values) for database in redis.engine.databases if database.values]


def test_commands_are_carried_out_in_their_databases(tmp_path):
    content = log_of("SELECT 0", "SET a 1", "#TS:1700000000", "INCR a", "SELECT 3", "SET b x", "DEL b", "SET c y")
    redis = replay(tmp_path, content)
    assert (redis("GET", "a"), redis("SELECT", 3), redis("KEYS", "*")) == (
        b"$1\r\n2\r\n",
        b"+OK\r\n",
        b"*1\r\n$1\r\nc\r\n",
    )
    assert (redis.loaded.position, redis.loaded.commands, redis.written) == (len(content), 7, [])


def test_nothing_expires_while_a_log_is_read(tmp_path):
    redis = replay(tmp_path, log_of("SELECT 0", "SET a 1 PXAT 1000", "APPEND a 2", "PERSIST a"))
    assert redis("GET", "a") == b"$2\r\n12\r\n"


def test_binary_and_huge_words_come_back_as_they_were(tmp_path):
    huge = bytes(range(256)) * 4096 + b"\r\n"
    redis = replay(tmp_path, encode((b"SET", b"a\r\n*3\r\n", huge)) + encode((b"SET", b"b", b"")))
    assert data(redis) == [{b"a\r\n*3\r\n": huge, b"b": b""}]


def test_a_snapshot_may_stand_before_the_commands(tmp_path):
    before = Redis()
    before("SET", "a", 1)
    redis = replay(tmp_path, b"".join(rdb.snapshot(before.engine, aof_base=True)) + log_of("INCR a"))
    assert (redis("GET", "a"), redis.loaded.keys_loaded, redis.loaded.commands) == (b"$1\r\n2\r\n", 1, 1)


def test_a_long_log_is_read_in_steps(tmp_path):
    content = b"".join(encode((b"SET", b"key:%d" % number, b"x" * 100)) for number in range(20_000))
    redis = Redis()
    path = tmp_path / "log"
    path.write_bytes(content)
    loading = Replay(redis.engine, RealDisk(), str(path), last=True)
    steps = loading.steps()
    next(steps)
    assert 0 < loading.commands <= 64
    assert sum(1 for _ in steps) > 300
    assert (len(redis.engine.databases[0]), loading.position) == (20_000, len(content))


def test_an_error_that_a_command_answers_does_not_end_the_reading(tmp_path):
    redis = replay(tmp_path, log_of("SET a x", "INCR a", "SET b 1"))
    assert (redis("GET", "b"), redis.loaded.errors) == (b"$1\r\n1\r\n", 1)


# -- a cut end -------------------------------------------------------------------------------------------------------

WHOLE = log_of("SELECT 0", "SET a 1")
UNIT = log_of("MULTI", "SET a 2", "SET b 2", "EXEC")


@pytest.mark.parametrize("length", range(1, len(UNIT)))
def test_of_a_unit_cut_anywhere_nothing_remains(tmp_path, length):
    redis = replay(tmp_path, WHOLE + UNIT[:length])
    assert data(redis) == [{b"a": b"1"}]
    assert redis.path.read_bytes() == WHOLE


def test_a_cut_end_is_refused_when_asked(tmp_path):
    with pytest.raises(AofError) as raised:
        replay(tmp_path, WHOLE + UNIT[:30], aof_load_truncated=False)
    assert raised.value.position == len(WHOLE)
    assert str(raised.value) == (
        "appendonly.aof.1.incr.aof: Unexpected end of file: it ends with a MULTI without its EXEC. Either set "
        "aof-load-truncated to yes, or let redis-check-aof --fix repair a copy of it (at byte 50)"
    )
    assert (tmp_path / "appendonly.aof.1.incr.aof").read_bytes() == WHOLE + UNIT[:30]


def test_only_the_last_file_may_be_cut(tmp_path):
    with pytest.raises(AofError) as raised:
        replay(tmp_path, WHOLE + b"*3\r\n", last=False)
    assert (raised.value.reason, raised.value.position) == (
        "it ends with an unfinished command, and is not the last file",
        len(WHOLE),
    )


def test_a_length_that_the_file_cannot_hold_is_not_waited_for(tmp_path):
    content = WHOLE + b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$999999999999\r\nabc"
    assert cut(content, 0, len(content))[1:] == (len(WHOLE), NEVER)
    assert replay(tmp_path, content).path.read_bytes() == WHOLE


# -- damage ----------------------------------------------------------------------------------------------------------

DAMAGED = {
    "another prefix": (b"x3\r\n", 0, "Expected prefix '*', got: 'x'"),
    "zeros": (bytes(100), 0, "Expected prefix '*', got: '\\x00'"),
    "another inner prefix": (b"*1\r\n+PING\r\n", 4, "Expected prefix '$', got: '+'"),
    "no count": (b"*x\r\n$4\r\nPING\r\n", 0, "Expected a number of arguments, got: b'x'"),
    "a count of none": (b"*0\r\n$4\r\nPING\r\n", 0, "Expected a number of arguments, got: b'0'"),
    "no length": (b"*1\r\n$-1\r\nPING\r\n", 4, "Expected a length, got: b'-1'"),
    "a length too small": (b"*1\r\n$3\r\nPING\r\n", 11, "Expected \\r\\n, got: 470d"),
    "a number without end": (b"*" + b"1" * 100, 0, f"Expected \\r\\n after a number, got: {b'*' + b'1' * 31!r}"),
}
"""Bytes behind a sound beginning, where in them it is noticed, what is said."""


@pytest.mark.parametrize("case", DAMAGED)
def test_damage_is_refused_with_place_and_reason(tmp_path, case):
    damaged, offset, reason = DAMAGED[case]
    with pytest.raises(AofError) as raised:
        replay(tmp_path, WHOLE + damaged)
    assert (raised.value.reason, raised.value.position) == (f"Bad file format: {reason}", len(WHOLE) + offset)
    assert (tmp_path / "appendonly.aof.1.incr.aof").read_bytes() == WHOLE + damaged


@pytest.mark.parametrize(
    ("lines", "reason"),
    [
        (["NOSUCH a"], "Unknown command b'NOSUCH'"),
        (["GET"], "Wrong number of arguments for 'get'"),
        (["SELECT 99"], "ERR DB index is out of range"),
        (["EXEC"], "Unexpected EXEC"),
    ],
)
def test_what_no_server_wrote_is_refused(tmp_path, lines, reason):
    with pytest.raises(AofError) as raised:
        replay(tmp_path, WHOLE + log_of(*lines, "SET b 1"))
    assert (raised.value.reason, raised.value.position) == (f"Bad file format: {reason}", len(WHOLE))


def test_a_multi_within_a_multi_is_refused(tmp_path):
    with pytest.raises(AofError) as raised:
        replay(tmp_path, WHOLE + log_of("MULTI", "SET b 1", "MULTI"))
    assert raised.value.reason == "Bad file format: Unexpected MULTI"


@hypothesis_settings(max_examples=300, deadline=None)
@given(st.data())
def test_whatever_the_bytes_reading_ends_and_stays_within_them(data):
    content = bytearray(WHOLE + UNIT + WHOLE)
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(content) - 1))
        content[at : at + data.draw(st.integers(0, 3))] = data.draw(st.binary(max_size=4))
        content = content or bytearray(b"*")
    try:
        requests, used, missing = cut(bytes(content), 0, len(content))
    except Damage as damage:
        assert 0 <= damage.position < len(content)
    else:
        assert 0 <= used <= len(content) and (missing == 0) == (used == len(content))
        assert sum(len(encode(request)) for request, _ in requests) <= used


@hypothesis_settings(max_examples=200, deadline=None)
@given(st.lists(st.lists(st.binary(max_size=6) | st.just(b"\r\n$1\r\n"), min_size=1, max_size=4), max_size=8))
def test_what_was_written_is_read(commands):
    content = b"".join(map(encode, commands))
    requests, used, missing = cut(content, 0, len(content))
    assert [list(request) for request, _ in requests] == commands
    assert [end for _, end in requests] == [
        sum(len(encode(command)) for command in commands[: count + 1]) for count in range(len(commands))
    ]
    assert (used, missing) == (len(content), 0)


# -- beside redis-check-aof ------------------------------------------------------------------------------------------

CHECKER = shutil.which("redis-check-aof")


def checked(path):
    """Up to which byte redis-check-aof finds the file in order, and whether that is all of it."""
    ended = subprocess.run([CHECKER, str(path)], capture_output=True, text=True, timeout=20)
    output = ended.stdout + ended.stderr
    return int(re.findall(r"ok_up_to=(\d+)", output)[-1]), ended.returncode == 0


@pytest.mark.skipif(CHECKER is None, reason="redis-tools is not installed")
@pytest.mark.parametrize("length", range(1, len(UNIT) + 1, 7))
def test_the_checker_sees_the_same_whole_part(tmp_path, length):
    path = tmp_path / "copy.aof"
    path.write_bytes(WHOLE + UNIT[:length])
    up_to, whole = checked(path)
    redis = replay(tmp_path, WHOLE + UNIT[:length])
    assert (redis.loaded.position, redis.path.stat().st_size == len(WHOLE) + length) == (up_to, whole)


@pytest.mark.skipif(CHECKER is None, reason="redis-tools is not installed")
@pytest.mark.parametrize("case", sorted(DAMAGED.keys() - {"a count of none"}))  # which the server refuses, and it alone
def test_the_checker_refuses_the_same_damage(tmp_path, case):
    path = tmp_path / "copy.aof"
    path.write_bytes(WHOLE + DAMAGED[case][0])
    assert checked(path) == (len(WHOLE), False)
