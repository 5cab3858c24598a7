"""Random traces, in memory, in miniredis and in Redis: decision for decision the same.

30 traces an algorithm and store in `make test`; RATELIMIT_TRACES=1000 for the long run.
"""

import asyncio
import os
from contextlib import asynccontextmanager
from random import Random

import pytest

from ratelimit import Ask
from ratelimit.algorithms import ALGORITHMS, algorithm
from ratelimit.limit import DAY_MS
from ratelimit.redis_link import RedisLink
from ratelimit.redis_store import RedisStore
from tests.miniredis.live_server import live_server
from tests.oracles.real_redis import real_redis
from tests.ratelimit.traces import random_limit, random_trace

TRACES = int(os.environ.get("RATELIMIT_TRACES", "30"))
AT_ONCE = 30


@asynccontextmanager
async def redis_store(server):
    """A store whose link is patient: whole traces are in flight."""
    if server == "miniredis":
        async with live_server() as live, linked(live.port) as store:
            yield store
    else:
        with real_redis() as real:
            async with linked(real.port) as store:
                yield store


@asynccontextmanager
async def linked(port):
    link = RedisLink(f"redis://127.0.0.1:{port}", timeout_ms=30_000, waiting_max=1_000_000)
    try:
        yield RedisStore(link)
    finally:
        await link.close()


def wandering_trace(limit, dice):
    """A random trace on a clock that is now and then set back: a little, about a period, far."""
    for now, cost in random_trace(limit, dice):
        back = dice.choice((1, limit.per_ms - 1, limit.per_ms, limit.per_ms + 1, 4 * limit.per_ms, DAY_MS))
        yield now - (back if dice.random() < 0.1 else 0), cost


def decided_by(limit, trace):
    """What the algorithm itself says; the list is what every store must answer."""
    rule, state, decisions = algorithm(limit), None, []
    for now, cost in trace:
        state, decision = rule.take(state, now, cost)
        decisions.append(decision)
    return decisions


@pytest.mark.parametrize("server", ["miniredis", "redis"])
@pytest.mark.parametrize("name", ALGORITHMS)
async def test_lua_decides_as_python_does(name, server):
    async with redis_store(server) as store:
        for first in range(0, TRACES, AT_ONCE):
            expected, batch = [], []
            for seed in range(first, min(first + AT_ONCE, TRACES)):
                dice = Random(f"{name}/{seed}")
                limit = random_limit(name, dice)
                trace = list(wandering_trace(limit, dice))
                expected.append((seed, limit, decided_by(limit, trace)))
                batch.append(asyncio.gather(*[store.hit([Ask(limit, f"{seed}", cost)], now) for now, cost in trace]))
            for (seed, limit, decisions), hits in zip(expected, batch, strict=True):
                answers = [decision for [decision] in await hits]
                assert (seed, limit, answers) == (seed, limit, decisions)
