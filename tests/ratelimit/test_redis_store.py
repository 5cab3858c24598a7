"""The store over a live miniredis: scripts, keys, TTLs, several asks, and what it says when Redis refuses."""

import asyncio
import socket
from contextlib import asynccontextmanager
from random import Random

import pytest
import redis

from ratelimit import Ask, AsyncLimiter, CostTooHigh, Decision, Limit, MemoryStore
from ratelimit.algorithms import ALGORITHMS, algorithm
from ratelimit.limit import DAY_MS, EXACT
from ratelimit.redis_link import RedisLink, StoreUnavailable
from ratelimit.redis_script import CLIENT_SLACK_MS, tag_of
from ratelimit.redis_store import RedisStore, SyncRedisStore
from tests.miniredis.live_server import live_server
from tests.oracles.real_redis import free_port, real_redis
from tests.ratelimit.traces import START_MS, random_limit, random_trace

MINUTE = Limit(3, 60_000)
HOUR = Limit(5, 3_600_000)
TEN = Limit(10, 3_600_000)


@asynccontextmanager
async def live_store(**options):
    async with live_server() as live:
        link = RedisLink(f"redis://127.0.0.1:{live.port}", timeout_ms=10_000)
        try:
            yield RedisStore(link, **options)
        finally:
            await link.close()


@asynccontextmanager
async def real_store():
    with real_redis() as real:
        link = RedisLink(f"redis://127.0.0.1:{real.port}", timeout_ms=10_000)
        try:
            yield RedisStore(link)
        finally:
            await link.close()


async def test_the_limit_of_a_key_is_kept_by_the_servers_clock():
    async with live_store() as store:
        decisions = [(await store.hit([Ask(MINUTE, "user:7")]))[0] for _ in range(4)]
        assert [decision.allowed for decision in decisions] == [True, True, True, False]
        assert 0 < decisions[3].retry_after_ms <= 20_000


async def test_peek_changes_nothing():
    async with live_store() as store:
        expected = [Decision(True, 3, 0, 0)]
        assert [await store.peek([Ask(MINUTE, "k")], START_MS) for _ in range(5)] == [expected] * 5
        assert await store.link.call("DBSIZE") == 0


async def test_reset_forgets():
    async with live_store() as store:
        await store.hit([Ask(MINUTE, "k", 3)])
        assert [await store.reset(MINUTE, "k"), await store.reset(MINUTE, "k")] == [True, False]
        assert (await store.hit([Ask(MINUTE, "k", 3)]))[0].allowed


@pytest.mark.parametrize("key", ["user:7", "{user:7}:login", "ключ", "a b\r\nc", "{", "}", "{}", ""])
async def test_any_text_is_a_key(key):
    async with live_store() as store:
        assert [(await store.hit([Ask(MINUTE, key)], START_MS))[0].remaining for _ in range(3)] == [2, 1, 0]


async def test_keys_carry_who_as_hash_tag_and_the_limits_fingerprint():
    async with live_store() as store:
        await store.hit([Ask(MINUTE, "user:7"), Ask(HOUR, "{user:7}:login")])
        assert sorted(await store.link.call("KEYS", "*")) == [
            b"ratelimit:{user:7}:gcra:3/60000:3",
            b"ratelimit:{user:7}:login:gcra:5/3600000:5",
        ]
    assert tag_of("user:7") == tag_of("{user:7}:login") == "user:7"


async def test_a_changed_limit_starts_afresh():
    async with live_store() as store:
        await store.hit([Ask(MINUTE, "k", 3)])
        assert (await store.hit([Ask(Limit(4, 60_000), "k")]))[0].remaining == 3


@pytest.mark.parametrize("name", ALGORITHMS)
async def test_every_key_lives_until_its_state_says_nothing(name):
    limit = Limit(3, 10_000, algorithm=name)
    rule = algorithm(limit)
    async with live_store() as store:
        for now in (START_MS + 4321, None):
            await store.link.call("FLUSHALL")
            [decision] = await store.hit([Ask(limit, "k", 2)], now)
            [key] = await store.link.call("KEYS", "*")
            left_ms = await store.link.call("PTTL", key)
            if now is None:
                assert decision.reset_ms - 5000 < left_ms <= decision.reset_ms + 1
            else:
                state, _ = rule.take(None, now, 2)
                assert -5000 < left_ms - (rule.expires_ms(state) - now + CLIENT_SLACK_MS) <= 0


@pytest.mark.parametrize("name", ALGORITHMS)
async def test_a_state_from_the_future_does_not_live_for_ever(name):
    limit = Limit(3, 10_000, algorithm=name)
    async with live_store() as store:
        for now in (START_MS + 10_000, START_MS, START_MS - 1, START_MS - DAY_MS):
            await store.hit([Ask(limit, "k")], now)
        [key] = await store.link.call("KEYS", "*")
        assert 0 < await store.link.call("PTTL", key) <= CLIENT_SLACK_MS + 30_000


async def test_a_server_that_forgot_the_script_gets_it_again():
    async with live_store() as store:
        await store.hit([Ask(MINUTE, "k")], START_MS)
        await store.link.call("SCRIPT", "FLUSH")
        hits = await asyncio.gather(*[store.hit([Ask(MINUTE, "k")], START_MS) for _ in range(3)])
        assert [decision.remaining for [decision] in hits] == [1, 0, 0]


async def test_several_asks_are_all_or_none():
    async with live_store() as store:
        both = [Ask(MINUTE, "user:7"), Ask(HOUR, "user:7")]
        allowed = []
        for _ in range(5):
            decisions = await store.hit(both, START_MS)
            allowed.append([decision.allowed for decision in decisions])
        assert allowed == [[True, True]] * 3 + [[False, True]] * 2
        assert (await store.peek([both[1]], START_MS))[0].remaining == 2


async def test_several_asks_are_decided_as_in_memory():
    """Random limits over few keys, all or none; every decision and every later one is the same."""
    dice, memory = Random(5), MemoryStore(now_ms=lambda: 0)
    limits = [random_limit(name, dice) for name in ALGORITHMS for _ in range(2)]
    async with live_store() as store:
        now = START_MS
        for turn in range(300):
            now += dice.choice((0, 0, 1, 7, 100))
            asks = [Ask(limit, dice.choice("ab"), 1) for limit in dice.sample(limits, dice.randint(1, 4))]
            deed = dice.choice(("hit", "hit", "hit", "peek"))
            expected = getattr(memory, deed)(asks, now)
            assert (turn, deed, asks, await getattr(store, deed)(asks, now)) == (turn, deed, asks, expected)


async def test_a_batch_is_decided_one_by_one():
    async with live_store() as store:
        batch = [[Ask(MINUTE, "k")], [Ask(MINUTE, "k"), Ask(HOUR, "k")], [Ask(MINUTE, "k", 2)], [Ask(HOUR, "k")]]
        closed = [[Ask(Limit(0, 5), "k")]]
        for hits, expected in ((batch, [[2], [1, 4], [1], [3]]), (batch[2:] + closed, [[1], [2], [0]])):
            decided = await store.hit_each(hits, START_MS)
            assert [[decision.remaining for decision in decisions] for decisions in decided] == expected


async def test_a_large_batch_is_decided_in_pieces_and_in_order():
    """As if each had come alone: random limits over few keys."""
    dice, memory = Random(6), MemoryStore(now_ms=lambda: 0)
    limits = [random_limit(name, dice) for name in ALGORITHMS for _ in range(2)]
    async with live_store() as store:
        for turn in range(3):
            now = START_MS + 100 * turn
            batch = [[Ask(dice.choice(limits), dice.choice("ab"), 1)] for _ in range(170)]
            assert await store.hit_each(batch, now) == [memory.hit(asks, now) for asks in batch]


def in_a_script(commandstats):
    return int(commandstats["cmdstat_evalsha"]["calls"])


async def test_hits_of_one_turn_share_a_script_and_are_decided_one_by_one():
    """As if each had come alone, in the order in which they were asked; and an idle caller's is a plain hit."""
    dice, memory = Random(7), MemoryStore(now_ms=lambda: START_MS)
    limits = [random_limit(name, dice) for name in ALGORITHMS]
    with real_redis() as real, redis.Redis(port=real.port) as other:
        store = RedisStore(RedisLink(f"redis://127.0.0.1:{real.port}", timeout_ms=10_000), now_ms=lambda: START_MS)
        await store.hit([Ask(MINUTE, "alone")])
        asks = [[Ask(dice.choice(limits), dice.choice("ab"), 1)] for _ in range(120)]
        other.config_resetstat()
        hits = await asyncio.gather(*[store.hit(asked) for asked in asks])
        assert hits == [memory.hit(asked) for asked in asks]
        assert in_a_script(other.info("commandstats")) == 1 + 4  # alone, and then at most 32 together
        assert store.asking == 0
        await store.link.close()


async def test_a_key_that_is_not_ours_fails_nobody_else_of_its_turn():
    for opened in (live_store, real_store):
        async with opened() as store:
            await store.link.call("LPUSH", "ratelimit:{bad}:gcra:3/60000:3", "not ours")
            hits = await asyncio.gather(
                *[store.hit([Ask(MINUTE, key)]) for key in ("a", "bad", "a", "bad")], return_exceptions=True
            )
            assert [decision.remaining for [decision] in hits[::2]] == [2, 1]
            assert all(isinstance(hit, StoreUnavailable) and "WRONGTYPE" in str(hit) for hit in hits[1::2])
            with pytest.raises(StoreUnavailable, match="WRONGTYPE"):
                await store.hit_each([[Ask(MINUTE, "a")], [Ask(MINUTE, "bad")]])
            assert not (await store.hit([Ask(MINUTE, "a")]))[0].allowed


async def test_a_turn_whose_script_is_not_known_gets_it_once():
    async with live_store() as store:
        for remaining in ([2, 1, 0], [0, 0, 0]):
            await store.link.call("SCRIPT", "FLUSH")
            hits = await asyncio.gather(*[store.hit([Ask(MINUTE, "k")]) for _ in range(3)])
            assert [decision.remaining for [decision] in hits] == remaining


async def test_callers_who_give_up_leave_their_turn_to_the_others():
    async with live_store() as store:
        await store.link.connect()
        waiting = [asyncio.ensure_future(store.hit([Ask(TEN, "k")])) for _ in range(3)]
        await asyncio.sleep(0)
        waiting[1].cancel()
        hits = await asyncio.gather(*waiting, return_exceptions=True)
        assert [type(hit) for hit in hits] == [list, asyncio.CancelledError, list]
        waiting = [asyncio.ensure_future(store.hit([Ask(TEN, "k")])) for _ in range(3)]
        await asyncio.sleep(0)
        for task in waiting:
            task.cancel()
        await asyncio.gather(*waiting, return_exceptions=True)
        assert (await store.hit([Ask(TEN, "k")]))[
            0
        ].remaining == 10 - 2 - 1 - 1  # of each three, the first had left at once
        assert store.asking == 0


async def test_hits_that_wait_are_bounded_and_fail_together_with_their_connection():
    with socket.create_server(("127.0.0.1", 0)) as silent:  # accepts, and never says a word
        link = RedisLink(f"redis://127.0.0.1:{silent.getsockname()[1]}", timeout_ms=50, waiting_max=100)
        store = RedisStore(link)
        hits = await asyncio.gather(*[store.hit([Ask(MINUTE, "k")]) for _ in range(130)], return_exceptions=True)
        assert all(isinstance(hit, StoreUnavailable) and not hit.sent for hit in hits)
        assert ["wait already" in str(hit) for hit in hits] == [False] * 100 + [True] * 30
        assert store.asking == 0
        await link.close()


async def test_an_empty_bucket_begins_to_fill_although_another_limit_denies():
    slow = Limit(1, 1000, start_full=False)
    memory = MemoryStore(now_ms=lambda: 0)
    for cluster in (False, True):
        async with live_store(cluster=cluster) as store:
            asks = [Ask(slow, "a"), Ask(MINUTE, "b")]
            for now in (0, 500, 1000, 1500):
                allowed = [decision.allowed for decision in await store.hit(asks, START_MS + now)]
                assert (now, allowed) == (now, [now == 1000, True])
                if not cluster:
                    assert [decision.allowed for decision in memory.hit(asks, START_MS + now)] == allowed


async def test_a_closed_route_needs_no_redis_and_lets_nothing_be_consumed():
    async with live_store() as store:
        decisions = await store.hit([Ask(MINUTE, "k"), Ask(Limit(0, 1000), "k")])
        assert [decision.allowed for decision in decisions] == [True, False]
        assert await store.link.call("DBSIZE") == 0


async def test_what_no_store_can_decide_is_an_error():
    async with live_store() as store:
        for cost in (4, 0, -1):
            with pytest.raises(CostTooHigh):
                await store.hit([Ask(MINUTE, "k", cost)])
        with pytest.raises(ValueError, match="two asks about the same"):
            await store.hit([Ask(MINUTE, "k"), Ask(MINUTE, "k", 2)])


async def test_what_redis_refuses_is_told():
    async with live_store() as store:
        await store.link.call("LPUSH", "ratelimit:{k}:gcra:3/60000:3", "not ours")
        with pytest.raises(StoreUnavailable, match="WRONGTYPE"):
            await store.hit([Ask(MINUTE, "k")])


async def test_a_demoted_master_is_dialled_again():
    with real_redis() as real:
        store = RedisStore(RedisLink(f"redis://127.0.0.1:{real.port}", timeout_ms=10_000))
        await store.hit([Ask(MINUTE, "k")])
        dials = store.link.dials
        await store.link.call("REPLICAOF", "127.0.0.1", "1")
        with pytest.raises(StoreUnavailable, match="READONLY"):
            await store.hit([Ask(MINUTE, "k")])
        await store.link.call("REPLICAOF", "NO", "ONE")
        assert (await store.hit([Ask(MINUTE, "k")]))[0].allowed
        assert store.link.dials == dials + 1
        await store.link.close()


@pytest.mark.parametrize("name", ALGORITHMS)
async def test_the_largest_numbers_are_exact(name):
    """Limits just below 2^53, where a double begins to round; half-spent, so that remainders are long."""
    dice = Random(name)
    async with live_store() as store:
        for _ in range(20):
            per = dice.choice((DAY_MS, 7 * DAY_MS + 1, 999_999_937, 3))
            rate = min((EXACT - 2 * per - 1) // (2 * per + 1), 10**9 if name != "sliding_window_log" else 200)
            limit = Limit(rate - dice.randrange(min(100, rate)), per, algorithm=name)
            rule, state, now, key = algorithm(limit), None, START_MS, str(dice.random())
            for _ in range(20):
                now += dice.choice((0, 1, 3, 12_345, per // 3, per))
                cost = min(limit.capacity, dice.choice((1, 2, limit.rate // 3 + 1, 100)))
                state, decision = rule.take(state, now, cost)
                assert (limit, now, await store.hit([Ask(limit, key, cost)], now)) == (limit, now, [decision])


async def test_a_user_with_few_rights_is_enough():
    """The list in redis_store.py."""
    rights = "+ping +evalsha +eval +del +time +get +set +lindex +llen +rpush +ltrim +pexpire"
    with real_redis() as real:
        real.call(b"ACL", b"SETUSER", b"limiter", b"on", b">secret", b"~ratelimit:*", *rights.encode().split())
        store = RedisStore(RedisLink(f"redis://limiter:secret@127.0.0.1:{real.port}", timeout_ms=10_000))
        for name in ALGORITHMS:
            limit = Limit(20, 1000, algorithm=name)
            for now in (START_MS, START_MS + 5, START_MS + 1004, START_MS - 5000, None):
                assert (await store.hit([Ask(limit, "k", 19)], now))[0] is not None
            assert await store.reset(limit, "k")
        await store.link.close()


async def test_an_async_limiter_stands_on_it():
    async with live_store() as store:
        limiter = AsyncLimiter("2 per hour", store)
        assert [(await limiter.hit("k")).allowed for _ in range(3)] == [True, True, False]
        assert (await limiter.reset("k"), (await limiter.peek("k")).remaining) == (True, 2)


async def test_tags_of_a_cluster_go_in_two_steps_and_consume_nothing_when_one_denies():
    async with live_store(cluster=True) as store:
        asks = [Ask(MINUTE, "user:7"), Ask(HOUR, "group:1"), Ask(HOUR, "user:7")]
        counts = [[decision.remaining for decision in await store.hit(asks, START_MS)] for _ in range(4)]
        assert counts == [[2, 4, 4], [1, 3, 3], [0, 2, 2], [0, 2, 2]]
        assert [decision.remaining for decision in await store.peek(asks, START_MS)] == [0, 2, 2]


def test_a_real_cluster_takes_the_asks_of_one_tag_in_one_script():
    with real_redis("--cluster-enabled", "yes", "--cluster-port", str(free_port())) as real:
        real.call(b"CLUSTER", b"ADDSLOTSRANGE", b"0", b"16383")
        client = redis.RedisCluster(host="127.0.0.1", port=real.port)
        while client.cluster_info()["cluster_state"] != "ok":
            pass
        one_script = SyncRedisStore(client)
        one_tag = [Ask(MINUTE, "user:7"), Ask(HOUR, "{user:7}:login")]
        assert [decision.remaining for decision in one_script.hit(one_tag, START_MS)] == [2, 4]
        two_tags = [Ask(MINUTE, "user:7"), Ask(HOUR, "group:1")]
        with pytest.raises((StoreUnavailable, redis.RedisClusterException)):
            one_script.hit(two_tags, START_MS)
        in_steps = SyncRedisStore(client, cluster=True)
        assert [decision.remaining for decision in in_steps.hit(two_tags, START_MS)] == [1, 4]
        client.close()


def test_the_sync_store_speaks_the_same_words():
    with real_redis() as real:
        store = SyncRedisStore.from_url(f"redis://127.0.0.1:{real.port}", timeout_ms=10_000)
        for name in ALGORITHMS:
            limit, dice = Limit(5, 1000, algorithm=name), Random(name)
            rule, state = algorithm(limit), None
            for now, cost in random_trace(limit, dice, hits=20):
                state, decision = rule.take(state, now, cost)
                assert store.hit([Ask(limit, name, cost)], now) == [decision]
        asks = [Ask(MINUTE, "k"), Ask(Limit(0, 1000), "k")]
        assert [decision.allowed for decision in store.hit(asks)] == [True, False]
        assert (store.reset(MINUTE, "k"), store.hit([asks[0]])[0].remaining, store.reset(MINUTE, "k")) == (
            False,
            2,
            True,
        )
        store.client.close()


def test_the_sync_store_says_that_redis_is_gone():
    with real_redis() as real:
        port = real.port
    store = SyncRedisStore.from_url(f"redis://127.0.0.1:{port}", timeout_ms=200)
    with pytest.raises(StoreUnavailable, match="refused"):
        store.hit([Ask(MINUTE, "k")])


def test_the_sync_store_sends_no_hit_twice():
    """redis-py tries again by itself unless it is told not to."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        store = SyncRedisStore.from_url(f"redis://127.0.0.1:{silent.getsockname()[1]}", timeout_ms=100)
        with pytest.raises(StoreUnavailable, match="Timeout"):
            store.hit([Ask(MINUTE, "k")])
        silent.settimeout(5.0)
        connection, _ = silent.accept()
        heard = connection.recv(2**16)
        silent.settimeout(0.05)
        with pytest.raises(TimeoutError):
            silent.accept()
        connection.close()
        assert heard.count(b"EVALSHA") <= 1
