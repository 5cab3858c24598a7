"""One limit in Python code: ask, wait, decorate, or hold a place.

    limiter = Limiter("10 per second")
    if limiter.hit("user:7").allowed: ...

    @limiter.limited(key=lambda user, *rest: user)        raises RateLimited
    def send(user, text): ...

    with limiter.waiting("mails"):                        sleeps until its turn
        send_mail()

`AsyncLimiter` has the same words as coroutines, over a store in the process or in Redis.  The leaking bucket as a queue
makes whoever `acquire`s wait for its turn; the others only wait when they are denied.
"""

import asyncio
import functools
import inspect
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from typing import Any, ParamSpec, Protocol, TypeVar

from ratelimit.decision import Ask, Decision
from ratelimit.limit import Limit
from ratelimit.memory_store import MemoryStore

P = ParamSpec("P")
R = TypeVar("R")


class RateLimited(Exception):
    """Denied; `decision` says for how long."""

    def __init__(self, key: str, limit: Limit, decision: Decision) -> None:
        super().__init__(f"{key!r} may not pass: {limit}, try again in {decision.retry_after_ms / 1000:g} s")
        self.key, self.limit, self.decision = key, limit, decision


class Store(Protocol):
    """What a Limiter asks: MemoryStore, or SyncRedisStore."""

    def hit(self, asks: Sequence[Ask], now_ms: int | None = None) -> list[Decision]: ...
    def peek(self, asks: Sequence[Ask], now_ms: int | None = None) -> list[Decision]: ...
    def reset(self, limit: Limit, key: str) -> bool: ...


class AsyncStore(Protocol):
    """What an AsyncLimiter asks: RedisStore."""

    async def hit(self, asks: Sequence[Ask], now_ms: int | None = None) -> list[Decision]: ...
    async def peek(self, asks: Sequence[Ask], now_ms: int | None = None) -> list[Decision]: ...
    async def reset(self, limit: Limit, key: str) -> bool: ...


def read_limit(limit: Limit | str) -> Limit:
    return Limit.parse(limit) if isinstance(limit, str) else limit


def passes_deadline(decision: Decision, left_s: float | None) -> bool:
    """Whether waiting for this decision's turn would pass the caller's deadline."""
    return left_s is not None and decision.retry_after_ms > left_s * 1000


class Limiter:
    """One limit over a store that answers at once.

    sleep  how `acquire` waits: seconds to nothing
    """

    def __init__(
        self, limit: Limit | str, store: Store | None = None, sleep: Callable[[float], object] = time.sleep
    ) -> None:
        self.limit = read_limit(limit)
        self.store = MemoryStore() if store is None else store
        self._sleep = sleep
        if isinstance(self.store, MemoryStore):
            # The quick way: a table answers without lists of one.
            table = self.store.table(self.limit)
            self.hit, self.peek, self.reset = table.hit, table.peek, table.reset  # type: ignore[method-assign]

    def hit(self, key: str, cost: int = 1, now_ms: int | None = None) -> Decision:
        """May this pass?  Consumes if so.  Raises CostTooHigh."""
        return self.store.hit([Ask(self.limit, key, cost)], now_ms)[0]

    def peek(self, key: str, cost: int = 1, now_ms: int | None = None) -> Decision:
        """What `hit` would say, changing nothing."""
        return self.store.peek([Ask(self.limit, key, cost)], now_ms)[0]

    def reset(self, key: str) -> bool:
        """Forget what this key has spent; whether there was anything."""
        return self.store.reset(self.limit, key)

    def acquire(self, key: str, cost: int = 1, timeout_s: float | None = None) -> Decision:
        """Hit, waiting for as long as it takes; with `timeout_s`, raise RateLimited as soon as it cannot be in time."""
        waited_s = 0.0
        while True:
            decision = self.hit(key, cost)
            if decision.allowed:
                if decision.delay_ms:
                    self._sleep(decision.delay_ms / 1000)
                return decision
            if passes_deadline(decision, None if timeout_s is None else timeout_s - waited_s):
                raise RateLimited(key, self.limit, decision)
            self._sleep(decision.retry_after_ms / 1000)
            waited_s += decision.retry_after_ms / 1000

    @contextmanager
    def waiting(self, key: str, cost: int = 1, timeout_s: float | None = None) -> Iterator[Decision]:
        """`with limiter.waiting(key):` the body runs when it is its turn."""
        yield self.acquire(key, cost, timeout_s)

    @contextmanager
    def at_once(self, key: str, cost: int = 1) -> Iterator[Decision]:
        """`with limiter.at_once(key):` the body runs, or RateLimited is raised."""
        decision = self.hit(key, cost)
        if not decision.allowed:
            raise RateLimited(key, self.limit, decision)
        yield decision

    def limited(
        self, key: str | Callable[..., str], cost: int = 1, wait: bool = False
    ) -> Callable[[Callable[P, R]], Callable[P, R]]:
        """Decorate a function: `key` is a text, or makes one from the call's arguments.  Raises RateLimited, or waits."""

        def decorate(function: Callable[P, R]) -> Callable[P, R]:
            if inspect.iscoroutinefunction(function):
                raise TypeError(f"{function.__qualname__} is a coroutine function: decorate it by an AsyncLimiter")

            @functools.wraps(function)
            def limited(*args: P.args, **kwargs: P.kwargs) -> R:
                name = key if isinstance(key, str) else key(*args, **kwargs)
                with self.waiting(name, cost) if wait else self.at_once(name, cost):
                    return function(*args, **kwargs)

            return limited

        return decorate


class AsyncLimiter:
    """One limit over a store in the process or in Redis; never blocks the loop."""

    def __init__(self, limit: Limit | str, store: AsyncStore | MemoryStore | None = None) -> None:
        self.limit = read_limit(limit)
        self.store = MemoryStore() if store is None else store

    async def hit(self, key: str, cost: int = 1, now_ms: int | None = None) -> Decision:
        """May this pass?  Consumes if so.  Raises CostTooHigh."""
        answer: Any = self.store.hit([Ask(self.limit, key, cost)], now_ms)
        return (answer if isinstance(answer, list) else await answer)[0]  # type: ignore[no-any-return]

    async def peek(self, key: str, cost: int = 1, now_ms: int | None = None) -> Decision:
        """What `hit` would say, changing nothing."""
        answer: Any = self.store.peek([Ask(self.limit, key, cost)], now_ms)
        return (answer if isinstance(answer, list) else await answer)[0]  # type: ignore[no-any-return]

    async def reset(self, key: str) -> bool:
        """Forget what this key has spent; whether there was anything."""
        answer: Any = self.store.reset(self.limit, key)
        return answer if isinstance(answer, bool) else await answer

    async def acquire(self, key: str, cost: int = 1, timeout_s: float | None = None) -> Decision:
        """Hit, waiting for as long as it takes; with `timeout_s`, raise RateLimited as soon as it cannot be in time."""
        loop = asyncio.get_running_loop()
        deadline = None if timeout_s is None else loop.time() + timeout_s
        while True:
            decision = await self.hit(key, cost)
            if decision.allowed:
                if decision.delay_ms:
                    await asyncio.sleep(decision.delay_ms / 1000)
                return decision
            if passes_deadline(decision, None if deadline is None else deadline - loop.time()):
                raise RateLimited(key, self.limit, decision)
            await asyncio.sleep(decision.retry_after_ms / 1000)

    @asynccontextmanager
    async def waiting(self, key: str, cost: int = 1, timeout_s: float | None = None) -> AsyncIterator[Decision]:
        """`async with limiter.waiting(key):` the body runs when it is its turn."""
        yield await self.acquire(key, cost, timeout_s)

    @asynccontextmanager
    async def at_once(self, key: str, cost: int = 1) -> AsyncIterator[Decision]:
        """`async with limiter.at_once(key):` the body runs, or RateLimited is raised."""
        decision = await self.hit(key, cost)
        if not decision.allowed:
            raise RateLimited(key, self.limit, decision)
        yield decision

    def limited(
        self, key: str | Callable[..., str], cost: int = 1, wait: bool = False
    ) -> Callable[[Callable[P, Awaitable[R]]], Callable[P, Awaitable[R]]]:
        """Decorate a coroutine function: `key` is a text, or makes one from the call's arguments."""

        def decorate(function: Callable[P, Awaitable[R]]) -> Callable[P, Awaitable[R]]:
            @functools.wraps(function)
            async def limited(*args: P.args, **kwargs: P.kwargs) -> R:
                name = key if isinstance(key, str) else key(*args, **kwargs)
                async with self.waiting(name, cost) if wait else self.at_once(name, cost):
                    return await function(*args, **kwargs)

            return limited

        return decorate
