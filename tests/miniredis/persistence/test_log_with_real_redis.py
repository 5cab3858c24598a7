"""The append-only file, both ways: Redis reads what we write, and we read what Redis writes.

What both hold is compared by DEBUG DIGEST, a sum over all keys, values and expiry times.
"""

import asyncio
import os
import shutil
import subprocess
import time
from contextlib import asynccontextmanager
from random import Random

import pytest

import miniredis.commands  # noqa: F401  fills the command table
from durable.real_disk import RealDisk
from miniredis.engine import Engine
from miniredis.host import ShutdownWish
from miniredis.options import OPTIONS
from miniredis.persistence.files import FilePersistence, LoadFailed
from miniredis.persistence.fork_snapshotter import ForkSnapshotter
from miniredis.session import Session
from serving.clock import SystemClock
from serving.config import Given
from tests.oracles.real_redis import real_redis

REAL = ("--appendonly", "yes", "--enable-debug-command", "yes")
FAR_MS = 4_000_000_000_000
WRITES = [
    "SET text hello",
    "SET number 12",
    "INCR number",
    "SET soon gone PX 900000000",
    f"PEXPIREAT text {FAR_MS}",
    "RPUSH list a b c",
    "LPOP list",
    "SELECT 3",
    "SET text elsewhere",
    "MULTI",
    "APPEND text !",
    "SELECT 0",
    "DEL number",
    "EXEC",
    "SET binary \r\n\x00\xff",
    "SELECT 15",
    "SETRANGE long 100000 end",
]


@asynccontextmanager
async def our_redis(folder, **changes):
    """A client of our own engine with its files in `folder`: words in, the reply's bytes out."""
    options = {"dir": str(folder), "appendonly": "yes", "save": "", "enable-debug-command": "yes", **changes}
    settings = OPTIONS.load([Given(name, [value], "test") for name, value in options.items()])
    engine = Engine(settings, SystemClock(), Random(1), asyncio.get_running_loop().call_later)
    engine.persistence = persistence = FilePersistence(engine, RealDisk(), ForkSnapshotter())
    await persistence.start()
    session = Session(engine)

    def call(*words):
        session.run([words])
        engine.end_unit()
        persistence.flush()
        reply = b"".join(session.out)
        session.out.clear()
        return reply

    call.persistence, call.state = persistence, persistence.state
    yield call
    assert persistence.prepare_stop(ShutdownWish())
    await persistence.stop()


def words_of(line):
    return [word.encode("latin-1") for word in line.split(" ")]


def write_all(call):
    for line in WRITES:
        reply = call(*words_of(line))
        assert not reply.startswith(b"-"), (line, reply)


def digest(call):
    found = call(b"DEBUG", b"DIGEST")
    assert found.startswith(b"+") and len(found) == 43 and found != b"+" + b"0" * 40 + b"\r\n", found
    return found


def checked(folder):
    """redis-check-aof's last word on the log in `folder`."""
    checker = shutil.which("redis-check-aof")
    assert checker is not None, "redis-tools has it"
    manifest = folder / "appendonlydir" / "appendonly.aof.manifest"
    run = subprocess.run([checker, manifest], capture_output=True, text=True, timeout=20)
    return run.returncode, run.stdout.strip().splitlines()[-1]


def files(folder):
    return sorted(os.listdir(folder / "appendonlydir"))


async def until(true, tick):
    deadline = time.monotonic() + 20
    while not true():
        assert time.monotonic() < deadline
        tick()
        await asyncio.sleep(0.005)


# -- ours, read by Redis ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("policy", ["always", "everysec", "no"])
async def test_redis_reads_what_we_wrote(tmp_path, policy):
    async with our_redis(tmp_path, appendfsync=policy) as ours:
        write_all(ours)
        expected = digest(ours)
    assert checked(tmp_path) == (0, "All AOF files and manifest are valid")
    with real_redis(*REAL, folder=tmp_path) as real:
        assert digest(real.call) == expected


async def test_redis_reads_annotations_of_time(tmp_path):
    async with our_redis(tmp_path, **{"aof-timestamp-enabled": "yes"}) as ours:
        write_all(ours)
        expected = digest(ours)
    log = (tmp_path / "appendonlydir" / "appendonly.aof.1.incr.aof").read_bytes()
    assert log.startswith(b"#TS:")
    assert checked(tmp_path) == (0, "All AOF files and manifest are valid")
    with real_redis(*REAL, folder=tmp_path) as real:
        assert digest(real.call) == expected


async def test_redis_reads_what_we_rewrote_while_writing_went_on(tmp_path):
    async with our_redis(tmp_path) as ours:
        write_all(ours)
        assert ours(b"BGREWRITEAOF") == b"+Background append only file rewriting started\r\n"
        ours(b"SELECT", b"7")
        ours(b"SET", b"meanwhile", b"1")
        await until(lambda: ours.state.child is None, ours.persistence.tick)
        assert ours.state.last_rewrite_ok
        ours(b"INCR", b"meanwhile")
        expected = digest(ours)
    assert files(tmp_path) == [
        "appendonly.aof.2.base.rdb",
        "appendonly.aof.2.incr.aof",
        "appendonly.aof.manifest",
    ]
    assert checked(tmp_path) == (0, "All AOF files and manifest are valid")
    with real_redis(*REAL, folder=tmp_path) as real:
        assert digest(real.call) == expected
        assert real.call(b"INCR", b"counted by Redis") == b":1\r\n"
    async with our_redis(tmp_path) as ours:
        assert ours(b"GET", b"counted by Redis") == b"$1\r\n1\r\n"


async def test_redis_reads_a_log_that_was_switched_on_while_running(tmp_path):
    async with our_redis(tmp_path, appendonly="no") as ours:
        write_all(ours)
        assert ours(b"CONFIG", b"SET", b"appendonly", b"yes") == b"+OK\r\n"
        ours(b"SET", b"after", b"1")
        await until(lambda: ours.state.child is None, ours.persistence.tick)
        expected = digest(ours)
    with real_redis(*REAL, folder=tmp_path) as real:
        assert digest(real.call) == expected


# -- Redis's, read by us ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("preamble", ["yes", "no"])
@pytest.mark.parametrize("rewrite", [False, True], ids=["as written", "rewritten"])
async def test_we_read_what_redis_wrote(tmp_path, preamble, rewrite):
    with real_redis(*REAL, "--aof-use-rdb-preamble", preamble, folder=tmp_path) as real:
        write_all(real.call)
        if rewrite:
            real.call(b"BGREWRITEAOF")
            real.call(b"SET", b"meanwhile", b"1")
            await until(lambda: b"aof_rewrite_in_progress:0" in real.call(b"INFO", b"persistence"), lambda: None)
        expected = digest(real.call)
    before = files(tmp_path)
    async with our_redis(tmp_path) as ours:
        assert digest(ours) == expected
        ours(b"SET", b"ours", b"1")
        goes_on = digest(ours)
    assert files(tmp_path) == before
    with real_redis(*REAL, folder=tmp_path) as real:
        assert digest(real.call) == goes_on


async def test_we_take_over_the_one_file_log_of_an_older_redis_as_redis_does(tmp_path):
    """Version 4 to 6 with a preamble: a snapshot, and behind it commands, in one file beside no folder."""
    with real_redis(*REAL, folder=tmp_path) as real:
        write_all(real.call)
        real.call(b"BGREWRITEAOF")
        await until(lambda: b"aof_rewrite_in_progress:0" in real.call(b"INFO", b"persistence"), lambda: None)
        real.call(b"SELECT", b"0")
        real.call(b"SET", b"in the tail", b"1")
        expected = digest(real.call)
    old = b"".join(
        (tmp_path / "appendonlydir" / f"appendonly.aof.{name}").read_bytes() for name in ("2.base.rdb", "2.incr.aof")
    )
    manifests = []
    for name in ("ours", "Redis's"):
        folder = tmp_path / name
        folder.mkdir()
        (folder / "appendonly.aof").write_bytes(old)
        if name == "ours":
            async with our_redis(folder) as ours:
                assert digest(ours) == expected
        else:
            with real_redis(*REAL, folder=folder) as real:
                assert digest(real.call) == expected
        assert not (folder / "appendonly.aof").exists()
        manifests.append((folder / "appendonlydir" / "appendonly.aof.manifest").read_bytes())
        assert files(folder) == ["appendonly.aof", "appendonly.aof.1.incr.aof", "appendonly.aof.manifest"]
    assert manifests[0] == manifests[1]


# -- damage -----------------------------------------------------------------------------------------------------

TAILS = {
    "half a command": b"*3\r\n$3\r\nSET\r\n$4\r\nhal",
    "a MULTI without EXEC": b"*1\r\n$5\r\nMULTI\r\n*3\r\n$3\r\nSET\r\n$4\r\nlost\r\n$1\r\n1\r\n",
}


@pytest.mark.parametrize("tail", TAILS)
async def test_a_cut_tail_is_cut_away_where_redis_cuts_it(tmp_path, tail):
    lengths = []
    for name in ("ours", "Redis's"):
        folder = tmp_path / name
        folder.mkdir()
        async with our_redis(folder) as ours:
            write_all(ours)
            expected = digest(ours)
        log = folder / "appendonlydir" / "appendonly.aof.1.incr.aof"
        with log.open("ab") as file:
            file.write(TAILS[tail])
        if name == "ours":
            async with our_redis(folder) as ours:
                assert digest(ours) == expected
        else:
            with real_redis(*REAL, folder=folder) as real:
                assert digest(real.call) == expected
        lengths.append(log.stat().st_size)
    assert lengths[0] == lengths[1]


@pytest.mark.parametrize("tail", TAILS)
async def test_a_cut_tail_is_refused_where_that_is_wished(tmp_path, tail):
    async with our_redis(tmp_path) as ours:
        write_all(ours)
    log = tmp_path / "appendonlydir" / "appendonly.aof.1.incr.aof"
    whole = log.stat().st_size
    with log.open("ab") as file:
        file.write(TAILS[tail])
    with pytest.raises(LoadFailed, match=rf"appendonly\.aof\.1\.incr\.aof.*at byte {whole}"):
        async with our_redis(tmp_path, **{"aof-load-truncated": "no"}):
            pass
    assert log.stat().st_size == whole + len(TAILS[tail])


async def test_damage_before_the_end_is_refused_with_file_and_position(tmp_path):
    async with our_redis(tmp_path) as ours:
        write_all(ours)
    log = tmp_path / "appendonlydir" / "appendonly.aof.1.incr.aof"
    whole = log.read_bytes()
    place = whole.index(b"$5\r\nhello")
    log.write_bytes(whole[:place] + b"%" + whole[place + 1 :])
    with pytest.raises(LoadFailed, match=rf"appendonly\.aof\.1\.incr\.aof.*'\$'.*'%'.*at byte {place}"):
        async with our_redis(tmp_path):
            pass
    assert checked(tmp_path)[0] == 1
