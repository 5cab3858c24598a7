"""maxmemory: the account, each policy, and the error when nothing may go."""

import pytest

from miniredis.eviction import weight_of
from tests.miniredis.engine_fixtures import Redis

VALUE = "v" * 200


def filled(policy: str, **settings) -> Redis:
    return Redis(maxmemory=100_000, maxmemory_policy=policy, **settings)


def test_the_account_is_what_weighing_everything_anew_gives():
    redis = filled("noeviction")
    for number in range(50):
        redis("SET", f"k{number}", "x" * number)
    redis("APPEND", "k3", "y" * 1000)
    redis("DEL", "k4", "k5")
    redis("RENAME", "k6", "k7")
    redis("SET", "k8", "")
    database = redis.engine.databases[0]
    assert redis.engine.eviction.booked == sum(weight_of(key, value) for key, value in database.values.items())
    redis.engine.databases[0].clear()
    assert redis.engine.eviction.booked == 0


def test_without_a_policy_writes_are_refused_and_reads_and_deletions_are_not():
    redis = filled("noeviction")
    replies = [redis("SET", f"k{number}", VALUE) for number in range(1000)]
    assert replies[0] == b"+OK\r\n"
    assert replies[-1] == b"-OOM command not allowed when used memory > 'maxmemory'.\r\n"
    assert redis("GET", "k0") == b"$200\r\n" + VALUE.encode() + b"\r\n"
    for number in range(50):
        redis("DEL", f"k{number}")
    assert redis("SET", "k0", VALUE) == b"+OK\r\n"


@pytest.mark.parametrize("policy", ["allkeys-lru", "allkeys-lfu", "allkeys-random"])
def test_memory_stays_bounded_under_every_policy_for_all_keys(policy):
    redis = filled(policy)
    for number in range(3000):
        assert redis("SET", f"k{number}", VALUE) == b"+OK\r\n"
        assert redis.engine.eviction.used() < 101_000
    assert redis.engine.stats.evicted_keys == 3000 - len(redis.engine.databases[0])


@pytest.mark.parametrize("policy", ["volatile-lru", "volatile-lfu", "volatile-random", "volatile-ttl"])
def test_a_volatile_policy_spares_keys_that_do_not_expire(policy):
    redis = filled(policy)
    redis("SET", "stays", VALUE)
    for number in range(1000):
        assert redis("SET", f"k{number}", VALUE, "EX", 1000 + number) == b"+OK\r\n"
    assert redis("EXISTS", "stays") == b":1\r\n"


def test_a_volatile_policy_without_such_keys_refuses():
    redis = filled("volatile-lru")
    replies = {redis("SET", f"k{number}", VALUE) for number in range(1000)}
    assert b"-OOM command not allowed when used memory > 'maxmemory'.\r\n" in replies


def test_lru_keeps_what_is_used():
    redis = filled("allkeys-lru", maxmemory_samples=10)
    for number in range(100):
        redis("SET", f"hot{number}", VALUE)
    for number in range(600):
        redis.advance(1000)
        redis("SET", f"cold{number}", VALUE)
        if number % 5 == 0:
            for hot in range(100):
                redis("GET", f"hot{hot}")
    kept = sum(redis("EXISTS", f"hot{number}") == b":1\r\n" for number in range(100))
    assert kept > 90


def test_ttl_policy_removes_the_nearest_end_first():
    redis = filled("volatile-ttl", maxmemory_samples=64)
    for number in range(150):
        redis("SET", f"late{number}", VALUE, "EX", 100_000)
    redis("SET", "soon", VALUE, "EX", 10)
    for number in range(150, 400):
        redis("SET", f"late{number}", VALUE, "EX", 100_000)
    assert redis("EXISTS", "soon") == b":0\r\n"


def test_an_eviction_is_written_down_as_a_deletion_of_its_own():
    redis = filled("allkeys-random")
    for number in range(400):
        redis("SET", f"k{number}", VALUE)
    deletions = [unit for unit in redis.written if unit[0][1][0] == b"DEL"]
    assert deletions and all(len(unit) == 1 for unit in deletions)


def test_idle_time_and_frequency_can_be_asked_for():
    redis = Redis()
    redis("SET", "k", "v")
    redis.advance(5000)
    assert redis("OBJECT", "IDLETIME", "k") == b":5\r\n"
    redis("GET", "k")
    assert redis("OBJECT", "IDLETIME", "k") == b":0\r\n"
    assert redis("OBJECT", "FREQ", "k").startswith(b"-ERR An LFU maxmemory policy is not selected")
    redis = Redis(maxmemory_policy="allkeys-lfu")
    redis("SET", "k", "v")
    assert redis("OBJECT", "FREQ", "k") == b":5\r\n"
    for _ in range(1000):
        redis("GET", "k")
    often = int(redis("OBJECT", "FREQ", "k")[1:])
    assert 8 < often < 40
    redis.advance(3 * 60_000)
    assert int(redis("OBJECT", "FREQ", "k")[1:]) == often - 3
