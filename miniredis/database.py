"""One numbered database: keys, their values, when they expire, and who is to be told when they change.

Every command reaches its data through here, so four duties are met in one place:

    expiry      a key whose time has come is gone for whoever looks, whether or not it was removed yet
    recency     each look-up stamps the key, for OBJECT IDLETIME and for eviction
    watching    a change marks the transactions that WATCH the key
    telling     a change counts as dirty, goes to keyspace subscribers and wakes who waits for the key

Reading and writing look-ups differ in what they count: only reading makes hits and misses.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from miniredis.buckets import Buckets
from miniredis.errors import WrongType
from miniredis.values.strings import STRING

if TYPE_CHECKING:
    from miniredis.engine import Engine
    from miniredis.session import Session

Value = Any
Kind = TypeVar("Kind")


class Database:
    """The keyspace of one SELECT number."""

    __slots__ = (
        "blocked",
        "engine",
        "expires",
        "expiring",
        "expiry_cursor",
        "index",
        "keys",
        "touched",
        "values",
        "watchers",
        "weights",
    )

    def __init__(self, engine: Engine, index: int) -> None:
        self.engine = engine
        self.index = index
        self.values: dict[bytes, Value] = {}
        self.expires: dict[bytes, int] = {}  # ms since 1970, for keys that have a time to live
        self.touched: dict[bytes, int] = {}  # LRU: seconds of last use; LFU: see eviction.py
        self.weights: dict[bytes, int] = {}  # bytes of each key, while `maxmemory` is set
        self.keys = Buckets(engine.bucket_seed)  # of `values`
        self.expiring = Buckets(engine.bucket_seed)  # of `expires`
        self.expiry_cursor = 0  # where the active cycle goes on
        self.watchers: dict[bytes, dict[Session, bool]] = {}  # who watches; True: it had expired already then
        self.blocked: dict[bytes, dict[Session, None]] = {}  # who waits, in order of arrival; see blocking.py

    def __len__(self) -> int:
        return len(self.values)

    # -- looking ------------------------------------------------------------------------------------------------

    @property
    def now_ms(self) -> int:
        """The wall clock, standing still while a command runs."""
        return self.engine.now_ms

    def peek(self, key: bytes) -> Value | None:
        """The value at `key`, without counting or stamping: for EXISTS-like questions about the key itself."""
        value = self.values.get(key)
        if value is not None and key in self.expires and self._has_expired(key):
            return None
        return value

    def exists(self, key: bytes) -> bool:
        """Whether there is a value at `key`: counted as hit or miss, but not as a use."""
        engine = self.engine
        if self.peek(key) is not None:
            engine.keyspace_hits += 1
            return True
        engine.keyspace_misses += 1
        if engine.notifying:
            engine.notify("keymiss", key, self.index)
        return False

    def find(self, key: bytes) -> Value | None:
        """The value at `key` for reading, of any type: counted as hit or miss."""
        engine = self.engine
        value = self.values.get(key)
        if value is not None and not (key in self.expires and self._has_expired(key)):
            engine.keyspace_hits += 1
            if engine.touching:
                self.touched[key] = (
                    engine.stamp(self.touched.get(key, 0)) if engine.counting_uses else engine.first_stamp
                )
            return value
        engine.keyspace_misses += 1
        if engine.notifying:
            engine.notify("keymiss", key, self.index)
        return None

    def find_to_write(self, key: bytes) -> Value | None:
        """The value at `key` for changing, of any type."""
        value = self.values.get(key)
        if value is None or (key in self.expires and self._has_expired(key)):
            return None
        engine = self.engine
        if engine.touching:
            self.touched[key] = engine.stamp(self.touched.get(key, 0)) if engine.counting_uses else engine.first_stamp
        return value

    def string(self, key: bytes) -> bytes | bytearray | None:
        """The string at `key`, for reading.  Raises WrongType."""
        value = self.find(key)
        if value is None or isinstance(value, STRING):
            return value
        raise WrongType

    def string_to_write(self, key: bytes) -> bytes | bytearray | None:
        value = self.find_to_write(key)
        if value is None or isinstance(value, STRING):
            return value
        raise WrongType

    def read(self, key: bytes, kind: type[Kind]) -> Kind | None:
        """The `kind` (List, Set, Hash, SortedSet) at `key`, for reading.  Raises WrongType."""
        value = self.find(key)
        if value is None or type(value) is kind:
            return value
        raise WrongType

    def write(self, key: bytes, kind: type[Kind]) -> Kind | None:
        """The same, for changing."""
        value = self.find_to_write(key)
        if value is None or type(value) is kind:
            return value
        raise WrongType

    def get_or_create(self, key: bytes, kind: type[Kind]) -> Kind:
        """The `kind` at `key`, an empty one stored first when there is none.  The caller fills it at once: an empty
        collection is never left behind.  Raises WrongType."""
        value = self.find_to_write(key)
        if value is None:
            value = kind()
            self._add(key, value)
            return value
        if type(value) is kind:
            return value
        raise WrongType

    def expires_at(self, key: bytes) -> int | None:
        """When `key` expires, ms since 1970; None when never."""
        return self.expires.get(key)

    def scan(self, cursor: int) -> tuple[int, list[bytes]]:
        """Some keys, expired ones among them, and the cursor to go on with.  See Buckets."""
        return self.keys.scan(cursor)

    def random_key(self) -> bytes:
        """Some key; the database must not be empty."""
        return self.keys.pick(self.engine.random)

    def items(self) -> Iterator[tuple[bytes, Value, int | None]]:
        """(key, value, expires_at_ms or None) of every key, in order of insertion: for snapshots."""
        expires = self.expires
        for key, value in self.values.items():
            yield key, value, expires.get(key)

    # -- changing -----------------------------------------------------------------------------------------------

    def _add(self, key: bytes, value: Value) -> None:
        self.values[key] = value
        self.keys.add(key)
        self.touched[key] = self.engine.first_stamp
        if self.blocked and key in self.blocked:
            self.engine.ready.append((self, key))
        if self.engine.notifying:
            self.engine.notify("new", key, self.index)

    def store(self, key: bytes, value: Value, *, keep_ttl: bool = False) -> None:
        """Put `value` at `key`, whatever stood there; its time to live ends unless `keep_ttl`.

        Does not tell anyone: the command calls `changed` with the name of its event.
        """
        if key in self.values:
            self.values[key] = value
            engine = self.engine
            if engine.touching:
                self.touched[key] = (
                    engine.stamp(self.touched.get(key, 0)) if engine.counting_uses else engine.first_stamp
                )
            if not keep_ttl and key in self.expires:
                self.persist(key)
            if self.blocked and key in self.blocked:
                self.engine.ready.append((self, key))
        else:
            self._add(key, value)

    def store_strings(self, pairs: Sequence[bytes]) -> None:
        """MSET: keys and values in turn.  As `store` and `changed` for each, without asking for each who cares."""
        engine = self.engine
        values, touched, stamp = self.values, self.touched, engine.first_stamp
        keys = pairs[::2]
        if (
            self.expires or self.watchers or self.blocked or engine.weighing or engine.notifying or engine.counting_uses
        ):  # fmt: skip
            for key, value in zip(keys, pairs[1::2], strict=True):
                self.store(key, value)
                self.changed(key, "set")
            return
        for key, value in zip(keys, pairs[1::2], strict=True):
            if key not in values:
                self.keys.add(key)
            values[key] = value
            touched[key] = stamp
        engine.dirty += len(keys)

    def delete(self, key: bytes) -> bool:
        """Remove `key`; False when there was none.  Does not tell anyone."""
        if self.values.pop(key, None) is None:
            return False
        self.keys.discard(key)
        self.touched.pop(key, None)
        if self.weights:
            self.engine.eviction.booked -= self.weights.pop(key, 0)
        if key in self.expires:
            self.persist(key)
        return True

    def set_expiry(self, key: bytes, at_ms: int) -> None:
        """Let `key`, which must exist, expire at `at_ms`."""
        if key not in self.expires:
            self.expiring.add(key)
        self.expires[key] = at_ms

    def persist(self, key: bytes) -> bool:
        """Take the time to live away; False when there was none."""
        if self.expires.pop(key, None) is None:
            return False
        self.expiring.discard(key)
        return True

    def changed(self, key: bytes, event: str, count: int = 1) -> None:
        """Tell that `key` was changed: `event` as keyspace notifications call it, `count` for the save points."""
        engine = self.engine
        engine.dirty += count
        if self.watchers and key in self.watchers:
            self.touch_watchers(key)
        if engine.weighing:
            engine.weigh(self, key)
        if engine.notifying:
            engine.notify(event, key, self.index)

    def removed_if_empty(self, key: bytes, value: Any) -> bool:
        """Delete `key` when the collection at it has become empty, and tell so; call after `changed`."""
        if value:
            return False
        self.delete(key)
        if self.engine.notifying:
            self.engine.notify("del", key, self.index)
        return True

    def touch_watchers(self, key: bytes) -> None:
        """Every transaction that watches `key` will abort."""
        for session, expired_then in self.watchers.get(key, {}).items():
            if not (expired_then and key not in self.values):
                session.transaction_broken = True

    def clear(self) -> int:
        """Remove everything; returns how many keys there were."""
        count = len(self.values)
        for key, watching in self.watchers.items():
            for session, expired_then in watching.items():
                if key in self.values and not (expired_then and self.peek_expired(key)):
                    session.transaction_broken = True
        self._empty()
        return count

    def _empty(self) -> None:
        self.engine.eviction.booked -= sum(self.weights.values())
        self.values, self.expires, self.touched, self.weights = {}, {}, {}, {}
        self.keys, self.expiring = Buckets(self.engine.bucket_seed), Buckets(self.engine.bucket_seed)
        self.expiry_cursor = 0

    def swap_data(self, other: Database) -> None:
        """SWAPDB: exchange all data, while clients, watches and waiters stay with their numbers."""
        self._touch_swapped(other)
        other._touch_swapped(self)
        for name in ("values", "expires", "touched", "weights", "keys", "expiring", "expiry_cursor"):
            mine, theirs = getattr(self, name), getattr(other, name)
            setattr(self, name, theirs)
            setattr(other, name, mine)

        self._wake_for_present_keys()
        other._wake_for_present_keys()

    def _touch_swapped(self, replacement: Database) -> None:
        """Every transaction aborts that watches a key here which is there in `replacement` or was here: unless all
        that is exchanged is a key whose time had come against one like it, or against none."""
        for key, watching in self.watchers.items():
            there = key in replacement.values
            if not there and key not in self.values:
                continue
            for session, expired_then in watching.items():
                expired_now = replacement.peek_expired(key)
                if expired_then and (not there or expired_now):
                    continue
                if not expired_then and key not in self.values and expired_now:
                    watching[session] = True
                    continue
                session.transaction_broken = True

    def _wake_for_present_keys(self) -> None:
        self.engine.ready += [(self, key) for key in self.blocked if key in self.values]

    # -- expiry -------------------------------------------------------------------------------------------------

    def peek_expired(self, key: bytes) -> bool:
        """Whether the time of `key` has come, without acting on it."""
        at_ms = self.expires.get(key)
        return at_ms is not None and at_ms < self.engine.now_ms

    def _has_expired(self, key: bytes) -> bool:
        """Whether the time of `key`, which has one, has come; if so it is removed on the spot."""
        engine = self.engine
        if self.expires[key] >= engine.now_ms or engine.loading:
            return False
        if engine.expiring_paused:
            return True
        self.expire(key)
        return True

    def expire(self, key: bytes) -> None:
        """Remove `key` because its time has come, and write that down: who replays the log has another clock."""
        engine = self.engine
        self.delete(key)
        engine.expired_keys += 1
        if self.watchers and key in self.watchers:
            self.touch_watchers(key)
        if engine.notifying:
            engine.notify("expired", key, self.index)
        engine.propagate(self.index, (b"UNLINK" if engine.settings.lazyfree_lazy_expire else b"DEL", key))
