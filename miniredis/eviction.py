"""Eviction: which key goes when memory is full, and how full it is.

**Recency.**  Exact LRU would need a list through all keys, moved at every access.  Redis keeps one number per key
instead, samples a few keys when it must free something, and takes the one idle longest: with five samples and a pool of
the best candidates so far it is nearly as good as the real order (antirez, "Random notes on improving the Redis LRU
algorithm").  The number, in `Database.touched`:

    LRU policies    seconds of the last use, wrapping at 24 bits
    LFU policies    minutes of the last decay (16 bits) | uses on a logarithmic scale (8 bits)

**Fullness.**  C asks its allocator what it handed out.  Python's allocator does not say, and the size of the process
does not shrink when a key goes, so evicting by it would never stop.  So we keep an account of our own, while
`maxmemory` is set: after each change the value at the key is weighed (its bytes and Python's overhead; of a collection
the container exactly and the elements by a sample, as MEMORY USAGE does) and the difference is booked.  The interpreter
itself, some 30 MB, is not counted: `maxmemory` bounds the data.

Source: Redis 7.2 `evict.c`.
"""

from __future__ import annotations

from bisect import insort
from itertools import islice
from sys import getsizeof
from typing import TYPE_CHECKING, Any

from miniredis.command import Flag
from miniredis.errors import OutOfMemory
from miniredis.values.hashes import Hash
from miniredis.values.sorted_sets import SortedSet
from miniredis.values.strings import STRING

if TYPE_CHECKING:
    from miniredis.buckets import Buckets
    from miniredis.command import Command
    from miniredis.database import Database
    from miniredis.engine import Engine
    from miniredis.session import Session

LRU_BITS = 24
LFU_INITIAL = 5  # a new key is not the first to go
LFU_MAX = 255
POOL_SIZE = 16
EVICTIONS_MAX = 2_000  # per command: a server that has much to free stays responsive, as in Redis

KEY_OVERHEAD = 150  # bytes: entries in the dicts of values, stamps and weights, and a place in a bucket
EXPIRY_OVERHEAD = 90
ELEMENT_OVERHEAD = 8  # a pointer in a deque; what a dict takes, its getsizeof tells
SCORED_OVERHEAD = 8 + 56 + 24  # of a sorted set: a place in the list, the pair, the score
SAMPLES = 5

# A dict that maps a million keys to a million distinct ints holds 28 MB of ints; weights in steps of 16 are shared.
STEPS = [step * 16 for step in range(4096)]


def weight_of(key: bytes, value: Any, samples: int = SAMPLES) -> int:
    """Bytes that `key` with `value` takes, in steps of 16; elements of a collection by `samples`, 0 for all."""
    size = getsizeof(key) + KEY_OVERHEAD
    if isinstance(value, STRING):
        size += getsizeof(value)
    else:
        size += elements_weight(value, samples)
    step = (size + 15) >> 4
    return STEPS[step] if step < len(STEPS) else step * 16


def elements_weight(value: Any, samples: int) -> int:
    """Bytes of a collection: the container, and its elements by the mean of the first `samples`."""
    scored = type(value) is SortedSet
    container = value.scores if scored else value
    count = len(container)
    sampled = min(samples or count, count)
    weight = sum(map(getsizeof, islice(container, sampled)))
    if type(value) is Hash:
        weight += sum(map(getsizeof, islice(value.values(), sampled)))
    overhead = SCORED_OVERHEAD if scored else ELEMENT_OVERHEAD
    return getsizeof(container) + count * (weight // sampled + overhead if sampled else 0)


class Eviction:
    """Keeps the stamps' clock and the account of memory, and frees some when `maxmemory` is passed."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.booked = 0  # bytes, while engine.weighing
        self.pool: list[tuple[int, int, bytes]] = []  # (badness, database, key), the worst last
        self.next_database = 0
        self.configure()

    def configure(self) -> None:
        """Take over `maxmemory` and its policy, at the start and after CONFIG SET."""
        settings = self.engine.settings
        self.policy: str = settings.maxmemory_policy
        self.frequency = self.engine.counting_uses = "lfu" in self.policy
        self.limit: int = settings.maxmemory
        weighing = self.limit > 0
        if weighing and not self.engine.weighing:
            self.engine.weighing = True
            self._weigh_everything()
        elif not weighing:
            self.engine.weighing = False
            self.booked = 0
            for database in self.engine.databases:
                database.weights = {}
        (self.engine.guards.add if weighing else self.engine.guards.discard)("maxmemory")
        self.pool.clear()

    # -- the account ----------------------------------------------------------------------------------------------

    def _weigh_everything(self) -> None:
        self.booked = 0
        for database in self.engine.databases:
            database.weights = {key: weight_of(key, value) for key, value in database.values.items()}
            self.booked += sum(database.weights.values())

    def weigh(self, database: Database, key: bytes) -> None:
        """`key` was stored or changed: book the difference.  A key that is gone was taken off by `delete`."""
        value = database.values.get(key)
        if value is not None:
            weight = weight_of(key, value)
            self.booked += weight - database.weights.get(key, 0)
            database.weights[key] = weight

    def used(self) -> int:
        """Bytes of data: as booked while `maxmemory` is set, else by a sample of keys from each database."""
        databases = self.engine.databases
        expiries = sum(len(database.expires) for database in databases) * EXPIRY_OVERHEAD
        if self.engine.weighing:
            return self.booked + expiries
        return expiries + sum(self._sampled(database) for database in databases if database.values)

    def _sampled(self, database: Database) -> int:
        count = len(database.values)
        if count <= 64:
            keys = list(database.values)
        else:
            keys = [database.random_key() for _ in range(64)]
        return sum(weight_of(key, database.values[key]) for key in keys) * count // len(keys)

    # -- stamps ---------------------------------------------------------------------------------------------------

    def first_stamp(self) -> int:
        """The stamp of a key made now."""
        return self.stamp_of_frequency(LFU_INITIAL) if self.frequency else self._seconds()

    def stamp(self, old: int) -> int:
        """The stamp of a key used now, whose last was `old`, under an LFU policy."""
        counter = self._decayed(old)
        if counter < LFU_MAX:
            above = max(counter - LFU_INITIAL, 0)
            if self.engine.random.random() < 1 / (above * self.engine.settings.lfu_log_factor + 1):
                counter += 1
        return self.stamp_of_frequency(counter)

    def stamp_of_idle(self, seconds: int) -> int:
        """The stamp of a key last used so many seconds ago: RESTORE, RDB files."""
        return (self._seconds() - seconds) & ((1 << LRU_BITS) - 1)

    def stamp_of_frequency(self, counter: int) -> int:
        return (self.engine.now_ms // 60_000 & 0xFFFF) << 8 | counter

    def _seconds(self) -> int:
        return self.engine.now_ms // 1000 & ((1 << LRU_BITS) - 1)

    def idle_seconds(self, database: Database, key: bytes) -> int:
        """Seconds since `key` was last used."""
        return (self._seconds() - database.touched.get(key, 0)) & ((1 << LRU_BITS) - 1)

    def counter(self, database: Database, key: bytes) -> int:
        """The logarithmic counter of `key`, with what time has taken off it."""
        return self._decayed(database.touched.get(key, 0))

    def _decayed(self, stamp: int) -> int:
        """One off for each `lfu-decay-time` minutes since the stamp was made."""
        minutes = self.engine.settings.lfu_decay_time
        elapsed = (self.engine.now_ms // 60_000 - (stamp >> 8)) & 0xFFFF
        return max((stamp & LFU_MAX) - (elapsed // minutes if minutes else 0), 0)

    # -- making room ----------------------------------------------------------------------------------------------

    def make_room(self, session: Session, command: Command) -> None:
        """Called before every command while `maxmemory` is set.  Raises OutOfMemory when `command` would take more
        and nothing can be freed."""
        if self.used() <= self.limit:
            return
        with self.engine.latency.timed("eviction-cycle"):
            freed = self.evict()
        if freed:
            return
        queued = session.in_transaction and command.name not in ("exec", "discard", "quit", "reset")
        grows = command.flags & Flag.DENYOOM or queued
        if command.name == "exec":
            grows = any(queued_command.flags & Flag.DENYOOM for queued_command, _ in session.transaction)
        if grows:
            raise OutOfMemory

    def evict(self) -> bool:
        """Remove keys until the data fits; False when the policy finds none to remove."""
        if self.policy == "noeviction":
            return False
        for _ in range(EVICTIONS_MAX):
            if self.used() <= self.limit:
                return True
            victim = self._random_victim() if "random" in self.policy else self._worst_victim()
            if victim is None:
                return False
            self._remove(*victim)
        return True

    def _remove(self, database: Database, key: bytes) -> None:
        engine = self.engine
        database.delete(key)
        if database.watchers:
            database.touch_watchers(key)
        engine.stats.evicted_keys += 1
        engine.notify("evicted", key, database.index)
        engine.propagate(database.index, (b"UNLINK" if engine.settings.lazyfree_lazy_eviction else b"DEL", key))
        engine.end_unit()

    def _candidates(self, database: Database) -> Buckets:
        return database.keys if self.policy.startswith("allkeys") else database.expiring

    def _random_victim(self) -> tuple[Database, bytes] | None:
        """Some key, the databases taking turns."""
        databases = self.engine.databases
        for _ in databases:
            database = databases[self.next_database % len(databases)]
            self.next_database += 1
            if len(candidates := self._candidates(database)):
                return database, candidates.pick(self.engine.random)
        return None

    def _worst_victim(self) -> tuple[Database, bytes] | None:
        """The worst of the pool, after a few more candidates from each database were let in."""
        databases = self.engine.databases
        while True:
            found = False
            for database in databases:
                candidates = self._candidates(database)
                if len(candidates):
                    found = True
                    self._fill_pool(database, candidates)
            if not found:
                return None
            while self.pool:
                _, index, key = self.pool.pop()
                if key in (databases[index].values if self._any_key else databases[index].expires):
                    return databases[index], key

    @property
    def _any_key(self) -> bool:
        return self.policy.startswith("allkeys")

    def _fill_pool(self, database: Database, candidates: Buckets) -> None:
        for _ in range(min(self.engine.settings.maxmemory_samples, len(candidates))):
            key = candidates.pick(self.engine.random)
            entry = (self._badness(database, key), database.index, key)
            if entry not in self.pool:
                insort(self.pool, entry)
        del self.pool[:-POOL_SIZE]

    def _badness(self, database: Database, key: bytes) -> int:
        """The higher, the sooner it goes."""
        if self.policy == "volatile-ttl":
            return -database.expires[key]
        if self.frequency:
            return LFU_MAX - self.counter(database, key)
        return self.idle_seconds(database, key)
