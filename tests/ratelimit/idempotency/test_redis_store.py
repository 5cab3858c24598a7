"""record.lua decides as record.py does, on miniredis and on Redis; and what RedisStore makes of a server's moods."""

import asyncio
from contextlib import asynccontextmanager
from random import Random

import pytest

from ratelimit.idempotency import record as states
from ratelimit.idempotency.record import Claim, Record, State, Verdict
from ratelimit.idempotency.redis_store import RedisStore
from ratelimit.idempotency.store import StoreUnavailable
from ratelimit.redis_link import RedisLink
from tests.miniredis.live_server import live_server
from tests.oracles.real_redis import real_redis

TTL_MS = 60_000
CLAIM = Claim(b"holder", b"fingerprint", 10_000)
TRACES, STEPS = 40, 40


@asynccontextmanager
async def linked(kind="miniredis"):
    """A link to an empty server."""
    if kind == "miniredis":
        async with live_server() as live:
            link = RedisLink(f"redis://127.0.0.1:{live.port}", timeout_ms=5000)
            yield link
            await link.close()
    else:
        with real_redis() as client:
            link = RedisLink(f"redis://127.0.0.1:{client.port}", timeout_ms=5000)
            yield link
            await link.close()


class Model:
    """The acts of record.py on one record."""

    def __init__(self):
        self.record = None

    def act(self, name, *arguments):
        self.record, outcome = getattr(states, name)(self.record, *arguments)
        return outcome


async def stored(link, name):
    """The record as it lies in Redis."""
    flat = await link.call("HGETALL", f"idempotency:{name}")
    fields = dict(zip(flat[::2], flat[1::2], strict=True))
    if not fields:
        return None
    return Record(
        State(int(fields[b"state"])),
        fields[b"holder"],
        int(fields[b"fence"]),
        int(fields[b"attempt"]),
        fields[b"fingerprint"],
        int(fields[b"lease_ms"]),
        int(fields[b"until_ms"]),
        fields.get(b"answer", b""),
    )


def next_claim(random, claims):
    """Mostly one that has acted before: as it is, or by its holder's name alone, as a begin without a reply has it."""
    if claims and random.random() < 0.7:
        claim = random.choice(claims)
        return claim if random.random() < 0.8 else claim._replace(fence=0, attempt=0)
    fingerprint = random.choices((b"\x00same", b"other"), (9, 1))[0]
    return Claim(b"%x" % random.getrandbits(32), fingerprint, random.choice((1000, 10_000)))


@pytest.mark.parametrize("kind", ["miniredis", "redis"])
async def test_lua_decides_as_python_on_random_traces(kind):
    async with linked(kind) as link:
        now_ms = 0
        store = RedisStore(link, TTL_MS, now_ms=lambda: now_ms)
        for trace in range(TRACES):
            random, model, name, claims = Random(trace), Model(), str(trace), []
            now_ms = random.choice((0, 1_700_000_000_000, 2**52))
            for _ in range(STEPS):
                now_ms = max(0, now_ms + random.choice((0, 0, 1, 333, 999, 1000, 3000, 10_000, -5000)))
                claim = next_claim(random, claims)
                act = random.choice(("begin", "begin", "begin", "renew", "renew", "complete", "release"))
                answer, takeover = random.randbytes(random.choice((0, 5, 300))), random.random() < 0.8
                if act == "begin":
                    expected = model.act("begin", claim, takeover, now_ms)
                    outcome = await store.begin(name, claim, takeover)
                    if outcome.verdict == Verdict.ACQUIRED:
                        claims.append(claim._replace(fence=outcome.fence, attempt=outcome.attempt))
                elif act == "renew":
                    expected, outcome = model.act("renew", claim, now_ms), await store.renew(name, claim)
                elif act == "complete" and random.random() < 0.3:
                    expected = model.act("complete", claim, answer, now_ms)
                    outcome = await store.complete(name, claim, answer)
                else:
                    expected, outcome = model.act("release", claim), await store.release(name, claim)
                assert outcome == expected, (trace, act)
                assert await stored(link, name) == model.record, (trace, act)


@pytest.mark.parametrize("kind", ["miniredis", "redis"])
async def test_by_the_servers_clock_a_lease_ends_and_a_fence_grows(kind):
    async with linked(kind) as link:
        store = RedisStore(link)
        short = CLAIM._replace(lease_ms=20)
        first = await store.begin("a", short, True)
        while (second := await store.begin("a", CLAIM, True)).verdict == Verdict.IN_PROGRESS:
            assert 1 <= second.wait_ms <= 20
        assert (second.verdict, second.attempt) == (Verdict.ACQUIRED, 2)
        assert second.fence >= first.fence + 20
        seconds, _ = await link.call("TIME")
        assert abs(second.fence // 1000 - int(seconds)) <= 1


async def test_every_record_has_a_time_to_live_after_every_act():
    async with linked() as link:
        store = RedisStore(link, TTL_MS)
        for act in (
            store.begin("a", CLAIM, True),
            store.renew("a", CLAIM),
            store.release("a", CLAIM),
            store.begin("a", CLAIM, True),
            store.complete("a", CLAIM, b"answer"),
        ):
            await link.call("PERSIST", "idempotency:a")
            await act
            assert TTL_MS - 5000 < await link.call("PTTL", "idempotency:a") <= TTL_MS


async def test_the_script_is_sent_again_to_a_server_that_lost_it():
    async with linked() as link:
        store = RedisStore(link)
        await store.begin("a", CLAIM, True)
        await link.call("SCRIPT", "FLUSH")
        assert (await store.begin("a", CLAIM, True)).verdict == Verdict.IN_PROGRESS


async def test_an_error_of_the_server_is_a_store_that_does_not_answer():
    async with linked() as link:
        await link.call("SET", "idempotency:a", "not a record")
        with pytest.raises(StoreUnavailable, match="WRONGTYPE"):
            await RedisStore(link).begin("a", CLAIM, True)


async def test_a_server_that_is_gone_is_a_store_that_does_not_answer():
    link = RedisLink("redis://127.0.0.1:1", timeout_ms=50)
    with pytest.raises(StoreUnavailable):
        await RedisStore(link).begin("a", CLAIM, True)
    await link.close()


async def test_an_operator_may_have_a_key_forgotten():
    async with linked() as link:
        store = RedisStore(link)
        await store.begin("a", CLAIM, True)
        assert [await store.forget("a"), await store.forget("a")] == [True, False]


async def test_of_a_hundred_that_begin_at_once_one_holds_the_key():
    async with linked() as link:
        store = RedisStore(link)
        claims = [CLAIM._replace(holder=b"%d" % number) for number in range(100)]
        outcomes = await asyncio.gather(*(store.begin("a", claim, True) for claim in claims))
        verdicts = sorted(outcome.verdict for outcome in outcomes)
        assert verdicts == [Verdict.ACQUIRED] + [Verdict.IN_PROGRESS] * 99
