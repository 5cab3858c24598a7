"""Keys in a process: they expire, and they are bounded."""

import pytest

from ratelimit.idempotency.memory_store import MemoryStore
from ratelimit.idempotency.record import Claim, Verdict
from ratelimit.idempotency.store import StoreUnavailable

CLAIM = Claim(b"holder", b"fingerprint", 1000)


class Store(MemoryStore):
    """With a clock that is turned by hand."""

    def __init__(self, **options):
        self.time = 50_000
        super().__init__(lambda: self.time, **options)

    async def consume(self, name, answer=b"done"):
        await self.begin(name, CLAIM, True)
        await self.complete(name, CLAIM, answer)

    async def verdict(self, name, takeover=True):
        return (await self.begin(name, CLAIM, takeover)).verdict


async def test_an_answer_is_kept_for_its_time_and_then_forgotten():
    store = Store(ttl_ms=60_000)
    await store.consume("a")
    store.time += 59_999
    assert await store.verdict("a") == Verdict.CONSUMED
    store.time += 1
    assert await store.verdict("a") == Verdict.ACQUIRED


async def test_its_time_begins_when_it_is_completed():
    store = Store(ttl_ms=60_000)
    await store.begin("a", CLAIM, True)
    store.time += 50_000
    await store.complete("a", CLAIM, b"done")
    store.time += 50_000
    assert await store.verdict("a") == Verdict.CONSUMED


async def test_asking_does_not_make_it_live_longer():
    store = Store(ttl_ms=60_000)
    await store.consume("a")
    store.time += 50_000
    await store.begin("a", CLAIM, True)
    await store.renew("a", CLAIM)
    store.time += 10_000
    assert await store.verdict("a") == Verdict.ACQUIRED


async def test_what_has_expired_is_swept_out_though_nobody_asks_for_it():
    store = Store(ttl_ms=60_000)
    for number in range(100):
        await store.consume(f"old {number}")
    store.time += 60_000
    await store.consume("new")
    assert (len(store), store.bytes_held) == (1, 4)


async def test_past_the_bound_of_keys_the_oldest_answer_goes():
    store = Store(keys=3)
    for name in "abcd":
        await store.consume(name)
    assert len(store) == 3
    assert [await store.verdict(name) for name in "bcd"] == [Verdict.CONSUMED] * 3
    assert await store.verdict("a") == Verdict.ACQUIRED


async def test_past_the_bound_of_bytes_the_oldest_answers_go():
    store = Store(bytes=1000)
    for name in "abcd":
        await store.consume(name, bytes(400))
    assert (len(store), store.bytes_held) == (2, 800)


async def test_a_key_that_is_held_is_never_pushed_out():
    store = Store(keys=2)
    assert await store.verdict("held") == Verdict.ACQUIRED
    for name in "abc":
        await store.consume(name)
    assert await store.verdict("held") == Verdict.IN_PROGRESS


async def test_when_all_are_held_no_more_begin():
    store = Store(keys=2)
    await store.verdict("a")
    await store.verdict("b")
    with pytest.raises(StoreUnavailable):
        await store.verdict("c")
    assert await store.verdict("a") == Verdict.IN_PROGRESS


async def test_a_holder_that_is_gone_makes_room_where_it_may_be_succeeded():
    store = Store(keys=1)
    await store.verdict("a")
    store.time += CLAIM.lease_ms
    with pytest.raises(StoreUnavailable):
        await store.verdict("b", takeover=False)
    assert await store.verdict("b") == Verdict.ACQUIRED
    assert len(store) == 1


async def test_an_operator_may_have_it_forgotten():
    store = Store()
    await store.consume("a")
    assert [await store.forget("a"), await store.forget("a")] == [True, False]
    assert store.bytes_held == 0
