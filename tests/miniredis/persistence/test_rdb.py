from typing import Any

import pytest

from miniredis.persistence.rdb import Loading, snapshot
from miniredis.persistence.rdb_format import RdbError
from miniredis.persistence.rdb_reader import RdbReader
from tests.miniredis.engine_fixtures import Redis
from tests.miniredis.persistence import old_encodings as old
from tests.miniredis.persistence.keyspaces import everything, reader, saved, shape


def filled(**settings: Any) -> Redis:
    redis = Redis(**settings)
    for index, entries in everything().items():
        for key, value, at_ms in entries:
            redis.engine.databases[index].store(key, value)
            if at_ms is not None:
                redis.engine.databases[index].set_expiry(key, at_ms)
    return redis


def loaded(data: bytes, *, into: Redis | None = None, **options: Any) -> tuple[Redis, Loading]:
    redis = into or Redis()
    loading = Loading(redis.engine, reader(data, size=len(data), databases=16), **options)
    for _ in loading.steps():
        pass
    return redis, loading


def contents(redis: Redis) -> dict[tuple[int, bytes], Any]:
    return {
        (database.index, key): (shape(value), at_ms)
        for database in redis.engine.databases
        for key, value, at_ms in database.items()
    }


class MemoryFile:
    """The part of a File that reading needs."""

    def __init__(self, data: bytes) -> None:
        self.data = data

    def pread(self, size: int, position: int) -> bytes:
        return self.data[position : position + size]

    def size(self) -> int:
        return len(self.data)


def test_a_snapshot_brings_the_whole_keyspace_back():
    before = filled()
    after, loading = loaded(b"".join(snapshot(before.engine)))
    assert contents(after) == contents(before)
    assert (loading.keys_loaded, loading.keys_expired, loading.notices) == (len(contents(before)), 0, [])


def test_a_snapshot_is_what_the_writer_makes_of_the_same_values():
    assert (
        b"".join(snapshot(filled().engine)).partition(b"\xfe")[2][:-8] == saved(everything()).partition(b"\xfe")[2][:-8]
    )


def test_loading_goes_step_by_step():
    data = b"".join(snapshot(filled().engine))
    redis = Redis()
    loading = Loading(redis.engine, reader(data))
    seen = [(loading.keys_loaded, loading.position) for _ in loading.steps()]
    assert seen == sorted(seen)
    assert len(seen) > loading.keys_loaded


def test_keys_whose_time_has_come_are_left_out_but_for_the_base_of_a_log():
    past, now = 1, Redis().engine.now_ms
    data = saved({0: [(b"past", b"v", past), (b"now", b"v", now), (b"ever", b"v", None)]})
    redis, loading = loaded(data)
    assert (list(redis.engine.databases[0].values), loading.keys_expired) == ([b"now", b"ever"], 1)
    redis, loading = loaded(data, keep_expired=True)
    assert (list(redis.engine.databases[0].values), loading.keys_expired) == ([b"past", b"now", b"ever"], 0)


def test_a_key_that_comes_twice_is_an_error():
    data = old.file(10, b"\xfe\x02", old.key(0, b"k", b"\x01a"), old.key(0, b"k", b"\x01b"))
    with pytest.raises(RdbError, match="database 2 has the key b'k' twice"):
        loaded(data)


def test_keys_that_stand_are_replaced_when_told_so():
    redis = Redis()
    redis("SET", "k", "old", "EX", 100)
    redis("SET", "other", "stays")
    loaded(saved({0: [(b"k", b"new", None)]}), into=redis, replace=True)
    assert contents(redis) == {(0, b"other"): (b"stays", None), (0, b"k"): (b"new", None)}


def test_idle_times_survive_under_a_policy_that_goes_by_them():
    before, after = Redis(maxmemory_policy="allkeys-lru"), Redis(maxmemory_policy="volatile-lru")
    before("SET", "k", "v")
    before.advance(100_000)
    loaded(b"".join(snapshot(before.engine)), into=after)
    assert after("OBJECT", "IDLETIME", "k") == b":100\r\n"


def test_frequencies_survive_under_a_policy_that_goes_by_them():
    before, after = Redis(maxmemory_policy="allkeys-lfu"), Redis(maxmemory_policy="volatile-lfu")
    before("SET", "k", "v")
    loaded(b"".join(snapshot(before.engine)), into=after)
    assert after("OBJECT", "FREQ", "k") == before("OBJECT", "FREQ", "k") == b":5\r\n"


def test_what_is_loaded_is_weighed_while_memory_is_bounded():
    before, after = filled(maxmemory=10**9), Redis(maxmemory=10**9)
    loaded(b"".join(snapshot(before.engine)), into=after)
    assert set(after.engine.databases[3].weights) == set(after.engine.databases[3].values)


def test_a_file_is_read_from_the_middle_of_another():
    data = saved({0: [(b"k", b"v" * 100, None)]})
    opened = RdbReader.of_file(MemoryFile(b"before" + data + b"after"), Redis().engine.settings, position=6)  # type: ignore[arg-type]
    list(opened.events())
    assert opened.position == 6 + len(data)


def test_the_checksum_is_left_out_when_switched_off():
    assert b"".join(snapshot(filled(rdbchecksum=False).engine))[-8:] == b"\0" * 8
