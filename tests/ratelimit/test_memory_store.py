"""State in the process: expiry, eviction, several limits at once, threads, bytes a key."""

import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from random import Random

import pytest

from ratelimit import Ask, CostTooHigh, Decision, Limit, MemoryStore
from ratelimit.algorithms import ALGORITHMS
from ratelimit.limit import DAY_MS
from tests.ratelimit.traces import START_MS


class Time:
    def __init__(self) -> None:
        self.ms = START_MS

    def __call__(self) -> int:
        return self.ms


@pytest.fixture
def time():
    return Time()


@pytest.mark.parametrize("name", ALGORITHMS)
def test_keys_whose_state_says_nothing_are_dropped(name, time):
    table = MemoryStore(now_ms=time).table(Limit(10, 1000, algorithm=name))
    for key in range(5000):
        table.hit(f"user:{key}")
    assert len(table) == 5000
    time.ms += 2000 + 1000 // 8
    for key in range(10_000):
        table.hit(f"other:{key % 100}")
    assert len(table) <= 5000  # each hit swept a part of its own shard
    for key in range(10_000):
        table.hit(f"more:{key % 2000}")
    assert len(table) < 2200


def test_a_key_that_is_still_in_use_is_filed_again_and_kept(time):
    table = MemoryStore(now_ms=time).table(Limit(2, 1000))
    for _ in range(20):
        assert table.hit("steady").allowed
        time.ms += 500
    assert not [table.hit("steady").allowed for _ in range(3)][2]


@pytest.mark.parametrize("name", ALGORITHMS)
def test_an_attacker_who_chooses_keys_only_pushes_out_what_is_nearest_to_nothing(name, time):
    table = MemoryStore(max_keys=4096, now_ms=time).table(Limit(5, 60_000, algorithm=name))
    debtors = [f"debtor:{number}" for number in range(20)]
    for debtor in debtors:
        for _ in range(5):
            table.hit(debtor)
    for number in range(20_000):
        table.hit(f"attacker:{number}")
        if number % 1000 == 0:
            time.ms += 1
    assert len(table) <= 4096
    if name in ("gcra", "token_bucket", "leaking_bucket"):  # the windows cannot tell: all end together
        assert not any(table.peek(debtor).allowed for debtor in debtors)


@pytest.mark.parametrize("name", ["gcra", "token_bucket", "leaking_bucket"])
def test_a_bucket_that_starts_empty_fills_once_and_is_remembered_for_a_day(name, time):
    """A caller who is slower than the bucket fills is new only once; and again when the clock was set far back."""
    limit = Limit(2, 1000, algorithm=name, start_full=False)
    table = MemoryStore(max_keys=100, now_ms=time).table(limit)
    hits = [table.hit("k").allowed]
    for pause in (3_600_000, 3_600_000, 20 * 3_600_000, -40 * 3_600_000, 500):
        time.ms += pause
        hits.append(table.hit("k").allowed)
    assert hits == [False, True, True, True, False, True]
    assert table.peek("k") == Decision(False, 0, 500, 1000)
    time.ms += 30 * DAY_MS
    table.hit("other")
    assert len(table) == 1


def test_reset_forgets_and_does_not_file_a_key_twice(time):
    table = MemoryStore(now_ms=time).table(Limit(1, 1000))
    assert table.reset("a") is False
    for _ in range(100):
        assert table.hit("a").allowed
        assert table.reset("a") is True
    filed = [key for shard in table._shards for keys in (*shard.wheel.values(), shard.due) for key in keys]
    assert filed == ["a"]


def test_several_limits_are_all_consumed_or_none(time):
    store = MemoryStore(now_ms=time)
    second, hour = Limit(2, 1000), Limit(3, 3_600_000, algorithm="fixed_window")
    asks = [Ask(second, "u"), Ask(hour, "u")]
    assert [[d.allowed for d in store.hit(asks)] for _ in range(3)] == [[True, True], [True, True], [False, True]]
    assert store.peek([Ask(hour, "u")])[0].remaining == 1  # the third took nothing from the hour
    time.ms += 1000
    assert [d.allowed for d in store.hit(asks)] == [True, True]
    assert [d.allowed for d in store.hit(asks)] == [True, False]
    assert store.peek([Ask(second, "u")])[0].remaining == 1


def test_one_question_twice_in_a_call_is_an_error(time):
    with pytest.raises(ValueError, match="two asks"):
        MemoryStore(now_ms=time).hit([Ask(Limit(2, 1000), "u"), Ask(Limit(2, 1000), "u")])


def test_a_cost_that_can_never_pass_takes_nothing_from_the_others(time):
    store = MemoryStore(now_ms=time)
    small, large = Limit(2, 1000), Limit(10, 1000)
    with pytest.raises(CostTooHigh):
        store.hit([Ask(large, "u", 3), Ask(small, "u", 3)])
    assert store.peek([Ask(large, "u")])[0].remaining == 10


@pytest.mark.parametrize("name", ALGORITHMS)
def test_threads_never_admit_more_than_the_limit(name, time):
    store = MemoryStore(now_ms=time)
    limit, other = Limit(500, 3_600_000, algorithm=name), Limit(900, 3_600_000, algorithm=name)

    def hammer(seed: int) -> int:
        dice = Random(seed)
        asks = [Ask(limit, "k"), Ask(other, "k")]
        return sum(all(d.allowed for d in store.hit(asks if dice.random() < 0.5 else asks[::-1])) for _ in range(400))

    with ThreadPoolExecutor(8) as threads:
        assert sum(threads.map(hammer, range(8))) == 500
    assert store.peek([Ask(other, "k")])[0].remaining == 400


BYTES_A_KEY = {
    "gcra": 210, "fixed_window": 210, "token_bucket": 260, "leaking_bucket": 260, "sliding_window_counter": 260,
    "sliding_window_log": 330,
}  # fmt: skip
"""The key's own text, its state, its place in the dict and in the wheel; of the log with one entry."""


@pytest.mark.parametrize("name", ALGORITHMS)
def test_memory_per_key_is_what_the_documentation_says(name, time):
    store = MemoryStore(now_ms=time)
    table = store.table(Limit(100, 60_000, algorithm=name))
    keys = 20_000
    tracemalloc.start()
    for number in range(keys):
        table.hit(f"user:{number:07d}")
    used, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert used / keys <= BYTES_A_KEY[name]
