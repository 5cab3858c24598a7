"""When the store does not answer: who is let through then, and how long that question may take.

A limiter guards something; it must not become the reason why that something is down.  So each rule says what a hit is
worth without a store, and a guard around the store sees to it that nobody waits for longer than `timeout_ms`:

    open     let it pass.  For limits that protect budgets and manners; what most want (Stripe and Envoy do this)
    closed   deny it.  For limits that protect secrets: logins, one-time codes, payments
    local    let a limiter in this process decide.  With n nodes each admits R/n (`nodes`), or R if nobody knows n

      hit ──▶ breaker ──▶ store, at most timeout_ms ──▶ decision
                 │ open            │ error, too late
                 └────────┬────────┘
                          ▼
                    open / closed / local

A hit that timed out may have been counted by the store nonetheless: with a store that is slow and not dead, callers may
spend more than they were told.  Never less is counted than was admitted *by the store*; what `open` and `local` let
through meanwhile the store never hears of.  Next: circuit_breaker.py; redis_store.py is what usually fails.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Literal

from ratelimit.circuit_breaker import CircuitBreaker
from ratelimit.decision import Ask, CostTooHigh, Decision
from ratelimit.limit import Limit
from ratelimit.limiter import AsyncStore, Store
from ratelimit.memory_store import MemoryStore
from serving.clock import steady_ms

OnFailure = Literal["open", "closed", "local"]
RETRY_MS = 1000
"""What a closed rule tells its callers at least, while nobody knows when the store is back."""
LOCAL_KEYS = 100_000
"""That `local` remembers of each limit."""


@lru_cache(maxsize=10_000)
def share(limit: Limit, nodes: int) -> Limit:
    """One node's part of a limit, rounded down, at least 1: how many may be admitted altogether stays about the same."""
    if nodes == 1 or not limit.rate:
        return limit
    burst = None if limit.burst is None else max(1, limit.burst // nodes)
    return replace(limit, rate=max(1, limit.rate // nodes), burst=burst)


class Blind(Decision):
    """Made without asking anybody: an open or a closed rule's.  A face may say so (503 rather than 429)."""

    __slots__ = ()


class Substitute:
    """Decides without the store.

    on_failure  for asks that say nothing themselves
    nodes       that share a limit, for `local`
    memory      where `local` counts; it starts from nothing at each outage, and is kept small
    """

    def __init__(self, on_failure: OnFailure, nodes: int, memory: MemoryStore) -> None:
        self.on_failure, self.nodes, self.memory = on_failure, nodes, memory

    def hit(
        self, asks: Sequence[Ask], now_ms: int | None, policies: Sequence[OnFailure] | None, retry_after_ms: int
    ) -> list[Decision]:
        """All or none again: nothing is consumed locally when a closed rule denies anyway."""
        policies = policies or [self.on_failure] * len(asks)
        local = [self._local(ask) for ask, policy in zip(asks, policies, strict=True) if policy == "local"]
        once: dict[tuple[Limit, str], Ask] = {}  # limits that differ may have equal shares
        for ask in sorted(local, key=lambda ask: ask.cost):
            once[ask.limit, ask.key] = ask
        decide = self.memory.peek if "closed" in policies else self.memory.hit
        decided = dict(zip(once, decide(list(once.values()), now_ms), strict=True)) if once else {}
        shares = iter(local)
        return [
            decided[next(shares)[:2]] if policy == "local" else self._blind(ask, policy == "open", retry_after_ms)
            for ask, policy in zip(asks, policies, strict=True)
        ]

    def _local(self, ask: Ask) -> Ask:
        limit = share(ask.limit, self.nodes)
        if ask.cost <= ask.limit.capacity:  # what fits into the whole limit is not too much for a part of it
            return Ask(limit, ask.key, min(ask.cost, limit.capacity))
        return Ask(limit, ask.key, ask.cost)

    def _blind(self, ask: Ask, allowed: bool, retry_after_ms: int) -> Decision:
        capacity = ask.limit.capacity
        if capacity and not 0 < ask.cost <= capacity:
            raise CostTooHigh(ask.cost, capacity)
        if allowed and capacity:
            return Blind(True, capacity - ask.cost, 0, 0)
        return Blind(False, 0, max(RETRY_MS, retry_after_ms), max(RETRY_MS, retry_after_ms))


class Guard:
    """What both guards share: the breaker's tickets, and the substitute.

    failures  hits so far that were decided without the store; `last_error` says why the last of them was
    """

    def __init__(
        self,
        on_failure: OnFailure,
        nodes: int,
        breaker: CircuitBreaker | None,
        memory: MemoryStore | None,
        now_ms: Callable[[], int],
    ) -> None:
        self.breaker, self.failures = breaker, 0
        self.last_error: OSError | None = None
        self._now_ms = now_ms
        self._substitute = Substitute(on_failure, nodes, memory or MemoryStore(LOCAL_KEYS, now_ms))

    def _begin(self) -> int | None:
        return self.breaker.begin(self._now_ms()) if self.breaker else 0

    def _end(self, ticket: int, error: OSError | None = None) -> None:
        self.last_error = error or self.last_error
        if self.breaker:
            self.breaker.end(ticket, error is None, self._now_ms())

    def _instead(
        self, asks: Sequence[Ask], now_ms: int | None, on_failure: Sequence[OnFailure] | None
    ) -> list[Decision]:
        self.failures += 1
        retry_after_ms = self.breaker.retry_after_ms(self._now_ms()) if self.breaker else 0
        return self._substitute.hit(asks, now_ms, on_failure, retry_after_ms)

    def _forget(self, limit: Limit, key: str) -> None:
        self._substitute.memory.reset(share(limit, self._substitute.nodes), key)


class GuardedStore(Guard):
    """A store that always answers, within `timeout_ms`.

    timeout_ms  for a whole hit; None leaves it to the store.  A RedisLink's own timeout bounds one round trip, of which
                a hit may need two
    breaker     None asks the store every time
    """

    def __init__(
        self,
        store: AsyncStore,
        *,
        timeout_ms: int | None = 50,
        on_failure: OnFailure = "open",
        nodes: int = 1,
        breaker: CircuitBreaker | None = None,
        memory: MemoryStore | None = None,
        now_ms: Callable[[], int] = steady_ms,
    ) -> None:
        super().__init__(on_failure, nodes, breaker, memory, now_ms)
        self.store = store
        self._timeout_s = None if timeout_ms is None else timeout_ms / 1000

    async def hit(
        self, asks: Sequence[Ask], now_ms: int | None = None, on_failure: Sequence[OnFailure] | None = None
    ) -> list[Decision]:
        """As the store's; `on_failure` is for each ask.  Raises CostTooHigh."""
        if (ticket := self._begin()) is not None:
            try:
                async with asyncio.timeout(self._timeout_s):
                    decisions = await self.store.hit(asks, now_ms)
            except OSError as error:  # TimeoutError is one, and StoreUnavailable
                self._end(ticket, error)
            else:
                self._end(ticket)
                return decisions
        return self._instead(asks, now_ms, on_failure)

    async def peek(self, asks: Sequence[Ask], now_ms: int | None = None) -> list[Decision]:
        """As the store's.  Raises StoreUnavailable, TimeoutError: nothing is decided by it, so nothing is made up."""
        async with asyncio.timeout(self._timeout_s):
            return await self.store.peek(asks, now_ms)

    async def reset(self, limit: Limit, key: str) -> bool:
        """As the store's, and what was counted here meanwhile.  Raises StoreUnavailable, TimeoutError."""
        self._forget(limit, key)
        async with asyncio.timeout(self._timeout_s):
            return await self.store.reset(limit, key)


class SyncGuardedStore(Guard):
    """The same around a store that blocks; how long it may is its own setting (redis-py's socket_timeout)."""

    def __init__(
        self,
        store: Store,
        *,
        on_failure: OnFailure = "open",
        nodes: int = 1,
        breaker: CircuitBreaker | None = None,
        memory: MemoryStore | None = None,
        now_ms: Callable[[], int] = steady_ms,
    ) -> None:
        super().__init__(on_failure, nodes, breaker, memory, now_ms)
        self.store = store

    def hit(
        self, asks: Sequence[Ask], now_ms: int | None = None, on_failure: Sequence[OnFailure] | None = None
    ) -> list[Decision]:
        """As the store's; `on_failure` is for each ask.  Raises CostTooHigh."""
        if (ticket := self._begin()) is not None:
            try:
                decisions = self.store.hit(asks, now_ms)
            except OSError as error:
                self._end(ticket, error)
            else:
                self._end(ticket)
                return decisions
        return self._instead(asks, now_ms, on_failure)

    def peek(self, asks: Sequence[Ask], now_ms: int | None = None) -> list[Decision]:
        """As the store's.  Raises StoreUnavailable: nothing is decided by it, so nothing is made up."""
        return self.store.peek(asks, now_ms)

    def reset(self, limit: Limit, key: str) -> bool:
        """As the store's, and what was counted here meanwhile.  Raises StoreUnavailable."""
        self._forget(limit, key)
        return self.store.reset(limit, key)
