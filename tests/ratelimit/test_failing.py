"""A guard around stores that fail in every way there is."""

import asyncio

import pytest

from ratelimit import Ask, CostTooHigh, Decision, Limit, MemoryStore
from ratelimit.circuit_breaker import CircuitBreaker
from ratelimit.failing import RETRY_MS, GuardedStore, SyncGuardedStore, share
from ratelimit.redis_link import RedisLink, StoreUnavailable
from ratelimit.redis_store import RedisStore

LIMIT = Limit(3, 60_000)
ASK = Ask(LIMIT, "user:7")


class Down:
    """A store in memory that can be switched off."""

    def __init__(self):
        self.memory, self.down, self.asked = MemoryStore(now_ms=lambda: 0), True, 0

    def hit(self, asks, now_ms=None):
        self.asked += 1
        if self.down:
            raise StoreUnavailable("down")
        return self.memory.hit(asks, now_ms)

    peek = hit

    def reset(self, limit, key):
        return self.memory.reset(limit, key)


def guarded(**options):
    store = Down()
    return store, SyncGuardedStore(store, now_ms=lambda: 0, **options)


def test_while_the_store_answers_its_word_counts():
    store, guard = guarded(on_failure="open")
    store.down = False
    assert [guard.hit([ASK])[0].allowed for _ in range(4)] == [True, True, True, False]
    assert guard.failures == 0


def test_open_lets_pass():
    _, guard = guarded(on_failure="open")
    assert [guard.hit([ASK]) for _ in range(5)] == [[Decision(True, 2, 0, 0)]] * 5
    assert (guard.failures, str(guard.last_error)) == (5, "down")


def test_closed_denies_and_says_when_to_come_back():
    _, guard = guarded(on_failure="closed")
    assert guard.hit([ASK]) == [Decision(False, 0, RETRY_MS, RETRY_MS)]


def test_closed_says_when_the_breaker_will_let_somebody_ask():
    _, guard = guarded(on_failure="closed", breaker=CircuitBreaker(failures=1, open_ms=5000))
    assert guard.hit([ASK]) == [Decision(False, 0, 5000, 5000)]


def test_local_counts_in_the_process():
    _, guard = guarded(on_failure="local")
    assert [guard.hit([ASK])[0].allowed for _ in range(4)] == [True, True, True, False]


def test_local_admits_a_nodes_share():
    limit = Limit(10, 1000, burst=4)
    assert share(limit, 4) == Limit(2, 1000, burst=1)
    _, guard = guarded(on_failure="local", nodes=4)
    assert [guard.hit([Ask(limit, "k", cost=3)])[0].allowed for _ in range(2)] == [True, False]


def test_limits_that_differ_may_have_the_same_share():
    _, guard = guarded(on_failure="local", nodes=8)
    asks = [Ask(Limit(3, 1000), "k"), Ask(Limit(1, 1000), "k")]
    assert [[decision.allowed for decision in guard.hit(asks)] for _ in range(2)] == [[True, True], [False, False]]


def test_each_rule_fails_its_own_way():
    hour = Ask(Limit(1, 3_600_000), "user:7")
    login = Ask(Limit(5, 1000), "user:7")
    _, guard = guarded()
    policies = ("open", "local", "closed")
    decisions = guard.hit([ASK, hour, login], on_failure=policies)
    assert [decision.allowed for decision in decisions] == [True, True, False]
    # one denied, so nothing was consumed from the others
    assert [decision.allowed for decision in guard.hit([ASK, hour], on_failure=policies[:2])] == [True, True]
    assert [decision.allowed for decision in guard.hit([ASK, hour], on_failure=policies[:2])] == [True, False]


@pytest.mark.parametrize("on_failure", ["open", "closed", "local"])
def test_a_closed_route_stays_closed_and_a_cost_too_high_an_error(on_failure):
    _, guard = guarded(on_failure=on_failure, nodes=2)
    assert [decision.allowed for decision in guard.hit([Ask(Limit(0, 1000), "k", 5)])] == [False]
    with pytest.raises(CostTooHigh):
        guard.hit([Ask(LIMIT, "k", 4)])


def test_behind_an_open_breaker_the_store_is_left_alone():
    store, guard = guarded(breaker=CircuitBreaker(failures=2, open_ms=1000))
    for _ in range(10):
        guard.hit([ASK])
    assert (store.asked, guard.failures) == (2, 10)


def test_a_probe_finds_the_store_well_again():
    now = 0
    store = Down()
    guard = SyncGuardedStore(store, breaker=CircuitBreaker(failures=1, open_ms=1000), now_ms=lambda: now)
    guard.hit([ASK])
    store.down, now = False, 1000
    assert guard.hit([ASK]) == [Decision(True, 2, 0, 20_000)]
    assert guard.failures == 1


async def test_a_slow_store_adds_its_timeout_and_no_more():
    """The loop's own clock is asked: how long the hit waited, not how busy the machine was."""

    class Slow:
        async def hit(self, asks, now_ms=None):
            await asyncio.sleep(3600)

    loop = asyncio.get_running_loop()
    guard = GuardedStore(Slow(), timeout_ms=20, on_failure="open")
    asked = loop.time()
    assert (await guard.hit([ASK]))[0].allowed
    assert 0.02 <= loop.time() - asked < 2.0


async def test_a_server_that_accepts_and_never_answers_adds_the_timeout_and_then_nothing():
    silent = await asyncio.start_server(lambda reader, writer: asyncio.Event().wait(), "127.0.0.1", 0)
    port = silent.sockets[0].getsockname()[1]
    link = RedisLink(f"redis://127.0.0.1:{port}", timeout_ms=5000)
    now = 0
    breaker = CircuitBreaker(failures=3, open_ms=1000)
    guard = GuardedStore(RedisStore(link), timeout_ms=20, on_failure="closed", breaker=breaker, now_ms=lambda: now)
    loop = asyncio.get_running_loop()
    try:
        asked = loop.time()
        decisions = [await guard.hit([ASK]) for _ in range(50)]
        assert decisions == [[Decision(False, 0, 1000, 1000)]] * 50
        assert 0.06 <= loop.time() - asked < 4.0  # three waited, the others did not
        assert breaker.opened == 1
    finally:
        await link.close()
        silent.close()
