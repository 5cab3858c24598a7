"""State in the process: a sharded table a limit, keys that expire, and never more of them than allowed.

    store = MemoryStore(max_keys=1_000_000)
    store.table(limit).hit("user:7")                         one limit: the quick way
    store.hit([Ask(minute, "user:7"), Ask(hour, "user:7")])  several: all are checked, then all consumed

**Shards.**  A table of a million keys grows by copying itself, tens of milliseconds at once.  So the keys are spread
over up to 64 small dicts, each with its own lock: threads may share a store, and while one shard grows the others answer.

**Expiry.**  A state that says no more than "never seen" is dropped.  Keys are filed in a wheel under the tick at which
theirs would expire; when the tick has passed, each is looked at again, and dropped or filed anew.  It costs 8 bytes a
key, no thread, and each hit does a bounded part of it.

**Eviction.**  Whoever chooses keys can fill any memory, so each limit keeps at most `max_keys`.  A new key then takes
the place of the one that would expire soonest: its state is nearest to none, so least is forgotten.  An attacker with
ten million keys of one hit each so pushes out their own; a caller in debt stays.  What is forgotten is at most what the
evicted keys had spent.

Locks are of `threading`, which server code here does not use; but this is also a library, and its callers may be threads.
"""

from collections.abc import Callable, Collection, Sequence
from itertools import count
from operator import attrgetter
from threading import RLock
from typing import Any

from ratelimit.algorithms import algorithm
from ratelimit.decision import Ask, Decision
from ratelimit.limit import Limit
from serving.clock import steady_ms

TICKS = 64
"""Slots of the wheel from now to the horizon: a dead key stays at most a 64th of it."""
SWEPT_AT_ONCE = 64
"""Keys that one hit looks at for others' sake: some 10 microseconds."""
TRIES = 4
"""Keys found longer-lived than filed before one is evicted nonetheless."""
SHARDS = 64
KEYS_A_SHARD = 1024
"""A small table is not split further than this."""


class Shard:
    """A part of a table's keys, their states, and the wheel they are filed in."""

    __slots__ = ("due", "lock", "number", "states", "sweep_at", "wheel")

    def __init__(self, number: int) -> None:
        self.number = number
        self.lock = RLock()
        self.states: dict[str, Any] = {}
        self.wheel: dict[int, list[str]] = {}
        self.due: list[str] = []
        self.sweep_at = 0


shard_number = attrgetter("number")


class Table:
    """One limit's keys."""

    def __init__(self, limit: Limit, max_keys: int, now_ms: Callable[[], int], numbers: "count[int]") -> None:
        self.algorithm = algorithm(limit)
        self.max_keys = max_keys
        self._take = self.algorithm.take
        self._now_ms = now_ms
        self._tick_ms = self.algorithm.horizon_ms // TICKS + 1
        shards = 1
        while shards < SHARDS and shards * 2 * KEYS_A_SHARD <= max_keys:
            shards *= 2
        self._shards = [Shard(next(numbers)) for _ in range(shards)]
        self._mask = shards - 1
        self._most = max_keys // shards

    def __len__(self) -> int:
        return sum(len(shard.states) for shard in self._shards)

    def hit(self, key: str, cost: int = 1, now_ms: int | None = None) -> Decision:
        """May this pass?  Consumes if so.  Raises CostTooHigh."""
        if now_ms is None:
            now_ms = self._now_ms()
        shard = self._shards[hash(key) & self._mask]
        with shard.lock:
            if now_ms >= shard.sweep_at:
                self._sweep(shard, now_ms)
            states = shard.states
            before = states.get(key)
            after, decision = self._take(before, now_ms, cost)
            if after is not before:
                if before is None and key not in states:
                    self._file_new(shard, key, after)
                states[key] = after
        return decision

    def peek(self, key: str, cost: int = 1, now_ms: int | None = None) -> Decision:
        """What `hit` would say, changing nothing."""
        shard = self._shards[hash(key) & self._mask]
        with shard.lock:
            return self.algorithm.peek(shard.states.get(key), self._now_ms() if now_ms is None else now_ms, cost)

    def reset(self, key: str) -> bool:
        """Forget what this key has spent; whether there was anything."""
        shard = self._shards[hash(key) & self._mask]
        with shard.lock:
            known = shard.states.get(key) is not None
            if known:
                shard.states[key] = None  # it is in the wheel, and must not be filed there twice
            return known

    def shard_of(self, key: str) -> Shard:
        return self._shards[hash(key) & self._mask]

    def _file_new(self, shard: Shard, key: str, state: Any) -> None:
        if len(shard.states) >= self._most:
            self._evict(shard)
        self._file(shard, key, state)

    def _file(self, shard: Shard, key: str, state: Any) -> None:
        tick = self.algorithm.expires_ms(state) // self._tick_ms + 1
        filed = shard.wheel.get(tick)
        if filed is None:
            filed = shard.wheel[tick] = []
        filed.append(key)

    def _sweep(self, shard: Shard, now_ms: int) -> None:
        """Look at keys whose tick has passed, some at a time."""
        tick = now_ms // self._tick_ms
        for passed in [known for known in shard.wheel if known <= tick]:
            shard.due += shard.wheel.pop(passed)
        for _ in range(min(SWEPT_AT_ONCE, len(shard.due))):
            self._drop_or_file(shard, shard.due.pop(), now_ms)
        shard.sweep_at = now_ms if shard.due else (tick + 1) * self._tick_ms

    def _drop_or_file(self, shard: Shard, key: str, now_ms: int) -> None:
        state = shard.states[key]
        if state is None or self.algorithm.expires_ms(state) <= now_ms:
            del shard.states[key]
        else:
            self._file(shard, key, state)

    def _evict(self, shard: Shard) -> None:
        """Make room for one key: the one that expires soonest, as far as a few looks can tell."""
        for tries in range(TRIES):
            if shard.due:
                key, tick = shard.due.pop(), -1
            else:
                tick = min(shard.wheel)
                key = shard.wheel[tick].pop()
                if not shard.wheel[tick]:
                    del shard.wheel[tick]
            state = shard.states[key]
            if state is None or tries == TRIES - 1 or self.algorithm.expires_ms(state) // self._tick_ms + 1 <= tick:
                del shard.states[key]
                return
            self._file(shard, key, state)


class MemoryStore:
    """Every limit's keys, in this process.

    now_ms  milliseconds since 1970 that never go back (`serving.clock.steady_ms`)
    """

    def __init__(self, max_keys: int = 1_000_000, now_ms: Callable[[], int] = steady_ms) -> None:
        if max_keys < 1:
            raise ValueError(f"max_keys {max_keys}: 1 or more")
        self.max_keys = max_keys
        self.now_ms = now_ms
        self._tables: dict[Limit, Table] = {}
        self._numbers = count()

    def table(self, limit: Limit) -> Table:
        """The keys of one limit: made when it is first asked for, `max_keys` for each."""
        table = self._tables.get(limit)
        if table is None:
            made = Table(limit, self.max_keys, self.now_ms, self._numbers)
            table = self._tables.setdefault(limit, made)  # one of two threads wins
        return table

    def keep_only(self, limits: Collection[Limit]) -> None:
        """Forget every key of limits that are not in use any more: nobody hits them, so nothing would sweep them."""
        for limit in [known for known in list(self._tables) if known not in limits]:
            self._tables.pop(limit, None)

    def hit(self, asks: Sequence[Ask], now_ms: int | None = None) -> list[Decision]:
        """Consume from all, if all allow it; from none otherwise.  No two asks are about the same limit and key.

        Taking from the first and being denied by the second would drain the first for nothing.
        """
        if len(asks) == 1:
            limit, key, cost = asks[0]
            return [self.table(limit).hit(key, cost, now_ms)]
        if len({ask[:2] for ask in asks}) < len(asks):
            raise ValueError("two asks about the same limit and key")
        return self.hit_in([self.table(ask.limit) for ask in asks], asks, now_ms)

    def hit_in(self, tables: Sequence[Table], asks: Sequence[Ask], now_ms: int | None = None) -> list[Decision]:
        """The same for a caller that knows the asks' tables, and that no two are about the same limit and key."""
        if now_ms is None:
            now_ms = self.now_ms()
        shards = [table.shard_of(ask.key) for table, ask in zip(tables, asks, strict=True)]
        locks = [shard.lock for shard in sorted(shards, key=shard_number)]  # always in one order: no deadlock
        for lock in locks:
            lock.acquire()
        try:
            decisions = [
                table.algorithm.peek(shard.states.get(ask[1]), now_ms, ask[2])
                for table, shard, ask in zip(tables, shards, asks, strict=True)
            ]
            if not all([decision.allowed for decision in decisions]):
                for table, ask, decision in zip(tables, asks, decisions, strict=True):
                    if table.algorithm.keeps_denied and not decision.allowed:
                        table.hit(ask[1], ask[2], now_ms)
                return decisions
            return [table.hit(key, cost, now_ms) for table, (_, key, cost) in zip(tables, asks, strict=True)]
        finally:
            for lock in locks:
                lock.release()

    def peek(self, asks: Sequence[Ask], now_ms: int | None = None) -> list[Decision]:
        """What `hit` would say of each alone, changing nothing."""
        return [self.table(limit).peek(key, cost, now_ms) for limit, key, cost in asks]

    def reset(self, limit: Limit, key: str) -> bool:
        """Forget what this key has spent of this limit; whether there was anything."""
        return self.table(limit).reset(key)
