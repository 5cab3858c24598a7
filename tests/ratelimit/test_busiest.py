"""The busiest keys in bounded memory."""

from collections import Counter
from random import Random

from ratelimit.busiest import Busiest, Busy, Counters


def test_a_frequent_key_is_found_among_strangers_without_end():
    counters, random, true = Counters(100), Random(7), Counter()
    hits = 20_000
    for number in range(hits):
        key = random.choice(["often", "often too", f"stranger {number}"])
        true[key] += 1
        counters.count(key, allowed=key == "often")
        assert len(counters.hits) <= 100
    (passed, denied), (passed_too, denied_too) = counters.hits["often"], counters.hits["often too"]
    assert (denied, passed_too) == (0, 0)
    error = 2 * hits / 100
    assert true["often"] - error <= passed <= true["often"]
    assert true["often too"] - error <= denied_too <= true["often too"]


def test_what_is_lowered_is_taken_from_passed_and_denied_in_proportion():
    counters = Counters(2)
    for _ in range(4):
        counters.count("a", True)
        counters.count("a", False)
    for _ in range(2):
        counters.count("b", True)
    counters.count("b", True)
    counters.hits["a"], counters.hits["b"] = [10, 10], [2, 0]
    counters.hits["c"] = [3, 3]
    counters._lower()
    assert counters.hits == {"a": [7, 7]}


def test_rates_are_of_the_last_interval_and_the_one_that_runs():
    busiest = Busiest(0, interval_ms=10_000)
    for ms in range(0, 10_000, 100):
        busiest.count("a", True, ms)
    busiest.count("b", False, 15_000)
    assert busiest.top(9, 15_000) == [Busy("a", 100 / 15, 0.0), Busy("b", 0.0, 1 / 15)]
    assert busiest.top(1, 15_000) == [Busy("a", 100 / 15, 0.0)]


def test_what_was_long_ago_is_forgotten():
    busiest = Busiest(0, interval_ms=10_000)
    busiest.count("a", True, 1)
    assert busiest.top(9, 35_000) == []
