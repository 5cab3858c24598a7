"""The checker's bounds: the algorithms keep them, and some of them are reached; and it tells when they are passed."""

from random import Random

import pytest

from cli.simulate_ratelimit import limit_of
from ratelimit.algorithms import ALGORITHMS, algorithm
from scenarios.ratelimit import BUCKETS, Arena, Hit, Limit, Plan

RATE, PER_MS = 5, 1000


def admitted(limit, moments):
    """When a lone limiter lets somebody through, in milliseconds."""
    rule, state, passed = algorithm(limit_of(limit)), None, []
    for now in moments:
        state, decision = rule.take(state, now)
        passed += [now] if decision.allowed else []
    return passed


def greedy(dice):
    """Quiet, then as much as possible at once, across the edge of a window; and again."""
    now = 1_790_000_000_000
    for _ in range(40):
        now += dice.choice((0, 1, 90, 199, 200, 201, 499, 950, 1000, 2500))
        yield from [now] * dice.choice((1, 3, 12))


@pytest.mark.parametrize("name", ALGORITHMS)
@pytest.mark.parametrize("burst", [1, 5, 12])
def test_the_algorithms_keep_the_bounds(name, burst):
    limit = Limit(name, RATE, PER_MS / 1000, burst if name in BUCKETS else RATE)
    slack = []
    for seed in range(40):
        passed = admitted(limit, greedy(Random(seed)))
        slack += [
            limit.bound((until - since) / 1000) - (last - first + 1)
            for first, since in enumerate(passed)
            for last, until in enumerate(passed[first:], first)
        ]
    assert min(slack) >= 0
    assert min(slack) == 0 or name == "sliding_window_counter"  # whose worst case takes a trickle


def hit(asked, answered, **changed):
    return Hit("k", 0, 1, asked, answered, True, "store", 0.0)._replace(**changed)


async def verdict(hits, **plan):
    """What the checker says of hits on a limit of 2 a second, a burst of 2."""
    arena = Arena(None, Plan((Limit("gcra", 2, 1.0, 2),), **plan), Random(1))
    arena.hits = hits
    arena.power_failures = [1.0]
    arena._check()
    return arena.report.violations


async def test_what_certainly_happened_within_a_time_is_counted():
    assert await verdict([hit(0.0, 0.1), hit(0.1, 0.2), hit(0.2, 0.3)]) != []
    assert await verdict([hit(0.0, 0.1), hit(0.1, 0.2), hit(0.2, 0.6)]) == []  # it may have been admitted at 0.6


async def test_what_a_power_failure_may_take_may_be_admitted_again():
    hits = [hit(0.8, 0.81), hit(0.82, 0.83), hit(1.1, 1.11), hit(1.12, 1.13)]
    assert await verdict(hits, appendfsync="everysec") == []
    assert len(await verdict(hits, appendfsync="always")) == 1
    assert len(await verdict([*hits, hit(1.14, 1.15)], appendfsync="everysec")) == 1


async def test_decisions_without_a_store_are_held_to_the_policy_and_the_timeout():
    assert len(await verdict([hit(0, 1, by="blind")])) == 1
    assert await verdict([hit(0, 1, by="blind")], on_failure="open") == []
    assert len(await verdict([hit(0, 1, allowed=False, by="blind", took_s=0.06)])) == 1
    # eight limiters share 2 a second: at least 1 for each
    assert len(await verdict([hit(0, 0.1, by="local"), hit(0.1, 0.2, by="local")])) == 1
    assert await verdict([hit(0, 0.1, by="local"), hit(0.1, 0.2, by="local", node=1)]) == []
