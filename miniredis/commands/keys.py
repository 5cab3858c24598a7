"""Keys: what can be asked of a key and done to it whatever it holds.

Times to live are kept as the moment they end, and written down so (EXPIRE becomes PEXPIREAT): a log replayed tomorrow
must not start every countdown anew.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from miniredis.command import DENYOOM, FAST, READONLY, TOUCHES_ARBITRARY_KEYS, WRITE, command
from miniredis.commands import scanning
from miniredis.errors import NoSuchKey, RedisError
from miniredis.glob import matches
from miniredis.numbers import INT64_MAX, INT64_MIN, integer
from miniredis.values import TYPES, duplicate, encoding
from miniredis.wire.replies import OK, Status

if TYPE_CHECKING:
    from miniredis.database import Database

SHARED_INTEGERS = 10_000
SHARED_REFERENCES = 2**31 - 1


@command("DEL key [key ...]", WRITE)
def del_(db: Database, *keys: bytes) -> int:
    """Remove keys; how many there were.  O(N) in the keys."""
    removed = 0
    for key in keys:
        if db.peek(key) is not None:
            db.delete(key)
            db.changed(key, "del")
            removed += 1
    return removed


@command("UNLINK key [key ...]", WRITE | FAST, since="4.0.0")
def unlink(db: Database, *keys: bytes) -> int:
    """Remove keys; where Redis frees large values in another thread, the collector does here.  O(1) for each key."""
    return del_(db, *keys)


@command("EXISTS key [key ...]", READONLY | FAST)
def exists(db: Database, *keys: bytes) -> int:
    """How many of the keys exist, one named twice counted twice.  O(N) in the keys."""
    return sum(db.exists(key) for key in keys)


@command("TOUCH key [key ...]", READONLY | FAST, since="3.2.1")
def touch(db: Database, *keys: bytes) -> int:
    """Mark keys as used now; how many there are.  O(N) in the keys."""
    return sum(db.find(key) is not None for key in keys)


@command("TYPE key", READONLY | FAST)
def type_(db: Database, key: bytes) -> Status:
    """The kind of value: string, list, set, zset, hash, or none.  O(1)."""
    return Status(TYPES[type(db.values[key])] if db.exists(key) else "none")


@command("KEYS pattern", READONLY)
def keys(db: Database, pattern: bytes) -> list[bytes]:
    """All keys that match a glob pattern.  O(N) in the keys of the database: SCAN is kinder."""
    everything = pattern == b"*"
    found = [key for key in list(db.values) if everything or matches(pattern, key)]
    return [key for key in found if not db.peek_expired(key)] if db.expires else found


@command("SCAN cursor [MATCH pattern] [COUNT count] [TYPE type]", READONLY | TOUCHES_ARBITRARY_KEYS, since="2.8.0")
def scan(db: Database, cursor: bytes, *words: bytes) -> list[object]:
    """Some of the keys, and the cursor to go on with.  O(1) for each call, O(N) for all of them."""
    at = scanning.parse_cursor(cursor)
    options = scanning.parse_options(words, with_type=True)
    at, names = scanning.scan_buckets(db.scan, at, options.count)
    found = []
    for name in names:
        value = db.peek(name) if options.fits(name) else None
        if value is not None and (options.type is None or TYPES[type(value)].encode() == options.type):
            found.append(name)
    return scanning.reply(at, found)


@command("RANDOMKEY", READONLY | TOUCHES_ARBITRARY_KEYS)
def randomkey(db: Database) -> bytes | None:
    """Some key.  O(1)."""
    while db.values:
        key = db.random_key()
        if db.peek(key) is not None:
            return key
        if db.engine.expiring_paused and all(map(db.peek_expired, db.values)):
            return key
    return None


@command("RENAME key newkey", WRITE)
def rename(db: Database, key: bytes, newkey: bytes) -> Status:
    """Give a key another name, and whatever had that name is gone.  O(1)."""
    _rename(db, key, newkey)
    return OK


@command("RENAMENX key newkey", WRITE | FAST)
def renamenx(db: Database, key: bytes, newkey: bytes) -> int:
    """Rename where the new name is free; 1 when it was done.  O(1)."""
    return _rename(db, key, newkey, only_if_free=True)


def _rename(db: Database, key: bytes, newkey: bytes, *, only_if_free: bool = False) -> int:
    value = db.find_to_write(key)
    if value is None:
        raise NoSuchKey
    if key == newkey:
        return 0
    expires_at = db.expires_at(key)
    if db.find_to_write(newkey) is not None:
        if only_if_free:
            return 0
        db.delete(newkey)
    db.delete(key)
    db.store(newkey, value)
    if expires_at is not None:
        db.set_expiry(newkey, expires_at)
    db.changed(key, "rename_from", 0)
    db.changed(newkey, "rename_to")
    return 1


@command("COPY source destination [DB destination-db] [REPLACE]", WRITE | DENYOOM, since="6.2.0")
def copy(db: Database, source: bytes, destination: bytes, *options: bytes) -> int:
    """Copy a key with its time to live; 1 when it was done.  O(N) in the elements of the value."""
    target, replace = db, False
    remaining = iter(options)
    for option in remaining:
        word = option.upper()
        if word == b"REPLACE":
            replace = True
        elif word == b"DB" and (text := next(remaining, None)) is not None:
            target = _database(db, integer(text))
        else:
            raise RedisError("ERR syntax error")
    if target is db and source == destination:
        raise RedisError("ERR source and destination objects are the same")
    value = db.find(source)
    if value is None or (target.find_to_write(destination) is not None and not replace):
        return 0
    expires_at = db.expires_at(source)
    target.delete(destination)
    target.store(destination, duplicate(value))
    if expires_at is not None:
        target.set_expiry(destination, expires_at)
    target.changed(destination, "copy_to")
    return 1


@command("MOVE key db", WRITE | FAST)
def move(db: Database, key: bytes, index: bytes) -> int:
    """Put a key into another database, where that name must be free; 1 when it was done.  O(1)."""
    target = _database(db, integer(index))
    if target is db:
        raise RedisError("ERR source and destination objects are the same")
    value = db.find_to_write(key)
    if value is None or target.find_to_write(key) is not None:
        return 0
    expires_at = db.expires_at(key)
    db.delete(key)
    target.store(key, value)
    if expires_at is not None:
        target.set_expiry(key, expires_at)
    db.changed(key, "move_from", 0)
    target.changed(key, "move_to")
    return 1


def _database(db: Database, index: int) -> Database:
    databases = db.engine.databases
    if not 0 <= index < len(databases):
        raise RedisError("ERR DB index is out of range")
    return databases[index]


# -- time to live -------------------------------------------------------------------------------------------------


@command("EXPIRE key seconds [NX | XX | GT | LT]", WRITE | FAST)
def expire(db: Database, key: bytes, seconds: bytes, *options: bytes) -> int:
    """Let a key live so many seconds; 1 when it was set.  O(1)."""
    return _expire(db, "expire", key, seconds, 1000, db.now_ms, options)


@command("PEXPIRE key milliseconds [NX | XX | GT | LT]", WRITE | FAST, since="2.6.0")
def pexpire(db: Database, key: bytes, milliseconds: bytes, *options: bytes) -> int:
    """Let a key live so many milliseconds; 1 when it was set.  O(1)."""
    return _expire(db, "pexpire", key, milliseconds, 1, db.now_ms, options)


@command("EXPIREAT key unix-time-seconds [NX | XX | GT | LT]", WRITE | FAST, since="1.2.0")
def expireat(db: Database, key: bytes, at: bytes, *options: bytes) -> int:
    """Let a key live until a second since 1970; 1 when it was set.  O(1)."""
    return _expire(db, "expireat", key, at, 1000, 0, options)


@command("PEXPIREAT key unix-time-milliseconds [NX | XX | GT | LT]", WRITE | FAST, since="2.6.0")
def pexpireat(db: Database, key: bytes, at: bytes, *options: bytes) -> int:
    """Let a key live until a millisecond since 1970; 1 when it was set.  O(1)."""
    return _expire(db, "pexpireat", key, at, 1, 0, options)


def _expire(
    db: Database, name: str, key: bytes, text: bytes, unit_ms: int, since_ms: int, options: tuple[bytes, ...]
) -> int:
    conditions = _expire_conditions(options)
    when = integer(text)
    if not INT64_MIN // unit_ms <= when <= INT64_MAX // unit_ms or when * unit_ms > INT64_MAX - since_ms:
        raise RedisError(f"ERR invalid expire time in '{name}' command")
    when = when * unit_ms + since_ms
    if db.find_to_write(key) is None:
        return 0
    current = db.expires_at(key)
    if (
        (b"NX" in conditions and current is not None)
        or (b"XX" in conditions and current is None)
        or (b"GT" in conditions and (current is None or when <= current))
        or (b"LT" in conditions and current is not None and when >= current)
    ):
        return 0
    if when <= db.now_ms and not db.engine.loading:
        db.delete(key)
        db.changed(key, "del")
        db.engine.propagate_instead(db.index, (b"UNLINK" if db.engine.settings.lazyfree_lazy_expire else b"DEL", key))
        return 1
    db.set_expiry(key, when)
    db.changed(key, "expire")
    db.engine.propagate_instead(db.index, (b"PEXPIREAT", key, b"%d" % when))
    return 1


def _expire_conditions(options: tuple[bytes, ...]) -> set[bytes]:
    conditions = set()
    for option in options:
        word = option.upper()
        if word not in (b"NX", b"XX", b"GT", b"LT"):
            raise RedisError(f"ERR Unsupported option {option.decode('latin-1')}")
        conditions.add(word)
    if b"NX" in conditions and len(conditions) > 1:
        raise RedisError("ERR NX and XX, GT or LT options at the same time are not compatible")
    if conditions >= {b"GT", b"LT"}:
        raise RedisError("ERR GT and LT options at the same time are not compatible")
    return conditions


NO_KEY, NO_EXPIRY = -2, -1


def _expiry(db: Database, key: bytes) -> int:
    """When `key` expires in ms since 1970, or NO_KEY, or NO_EXPIRY."""
    if not db.exists(key):
        return NO_KEY
    at_ms = db.expires_at(key)
    return NO_EXPIRY if at_ms is None else at_ms


@command("TTL key", READONLY | FAST)
def ttl(db: Database, key: bytes) -> int:
    """Seconds the key has to live, rounded; -1 for ever, -2 no such key.  O(1)."""
    at_ms = _expiry(db, key)
    return at_ms if at_ms < 0 else (max(at_ms - db.now_ms, 0) + 500) // 1000


@command("PTTL key", READONLY | FAST, since="2.6.0")
def pttl(db: Database, key: bytes) -> int:
    """Milliseconds the key has to live; -1 for ever, -2 no such key.  O(1)."""
    at_ms = _expiry(db, key)
    return at_ms if at_ms < 0 else max(at_ms - db.now_ms, 0)


@command("EXPIRETIME key", READONLY | FAST, since="7.0.0")
def expiretime(db: Database, key: bytes) -> int:
    """The second since 1970 at which the key expires, rounded; -1 never, -2 no such key.  O(1)."""
    at_ms = _expiry(db, key)
    return at_ms if at_ms < 0 else (at_ms + 500) // 1000


@command("PEXPIRETIME key", READONLY | FAST, since="7.0.0")
def pexpiretime(db: Database, key: bytes) -> int:
    """The millisecond since 1970 at which the key expires; -1 never, -2 no such key.  O(1)."""
    return _expiry(db, key)


@command("PERSIST key", WRITE | FAST, since="2.2.0")
def persist(db: Database, key: bytes) -> int:
    """Let a key live for ever; 1 when it had a time to live.  O(1)."""
    if db.find_to_write(key) is None or not db.persist(key):
        return 0
    db.changed(key, "persist")
    return 1


# -- OBJECT -------------------------------------------------------------------------------------------------------


@command("OBJECT ENCODING key", READONLY, since="2.2.3")
def object_encoding(db: Database, key: bytes) -> bytes | None:
    """How Redis would store the value.  O(1)."""
    value = db.peek(key)
    return None if value is None else encoding(value).encode()


@command("OBJECT REFCOUNT key", READONLY, since="2.2.3")
def object_refcount(db: Database, key: bytes) -> int | None:
    """How many share the value: Redis shares small integers.  O(1)."""
    value = db.peek(key)
    if value is None:
        return None
    shared = type(value) is bytes and encoding(value) == "int" and 0 <= int(value) < SHARED_INTEGERS
    policy = db.engine.settings.maxmemory_policy
    recency_matters = bool(db.engine.settings.maxmemory) and ("lru" in policy or "lfu" in policy)
    return SHARED_REFERENCES if shared and not recency_matters else 1


@command("OBJECT IDLETIME key", READONLY, since="2.2.3")
def object_idletime(db: Database, key: bytes) -> int | None:
    """Seconds since the key was last used.  O(1)."""
    if db.peek(key) is None:
        return None
    if db.engine.eviction.frequency:
        raise RedisError(
            "ERR An LFU maxmemory policy is selected, idle time not tracked. Please note that when switching "
            "between policies at runtime LRU and LFU data will take some time to adjust."
        )
    return db.engine.eviction.idle_seconds(db, key)


@command("OBJECT FREQ key", READONLY, since="4.0.0")
def object_freq(db: Database, key: bytes) -> int | None:
    """The logarithmic counter of the key's uses, decayed by time.  O(1)."""
    if db.peek(key) is None:
        return None
    if not db.engine.eviction.frequency:
        raise RedisError(
            "ERR An LFU maxmemory policy is not selected, access frequency not tracked. Please note that when "
            "switching between policies at runtime LRU and LFU data will take some time to adjust."
        )
    return db.engine.eviction.counter(db, key)
