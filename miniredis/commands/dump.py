"""DUMP and RESTORE: one value as bytes, to be put back here or on another server, real ones included.

What the bytes are is told in `persistence/dump.py`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from miniredis.command import DENYOOM, READONLY, WRITE, command
from miniredis.errors import RedisError, SyntaxFault
from miniredis.numbers import INT64_MAX, INT64_MIN, integer
from miniredis.persistence.damage import Damaged
from miniredis.persistence.dump import dump as payload_of
from miniredis.persistence.dump import is_intact, load
from miniredis.persistence.rdb_writer import Encoding
from miniredis.wire.replies import OK, Status

if TYPE_CHECKING:
    from miniredis.database import Database

FREQUENCY_MAX = 255


@command("DUMP key", READONLY, since="2.6.0", group="keys")
def dump(db: Database, key: bytes) -> bytes | None:
    """The value at `key` as RESTORE reads it, nil when there is none.  O(N) in the value's size."""
    value = db.find(key)
    return None if value is None else payload_of(value, Encoding.of(db.engine.settings))


@command(
    "RESTORE key ttl serialized-value [REPLACE] [ABSTTL] [IDLETIME seconds] [FREQ frequency]",
    WRITE | DENYOOM,
    since="2.6.0",
    group="keys",
)
def restore(db: Database, key: bytes, ttl: bytes, payload: bytes, *options: bytes) -> Status:
    """Store at `key` what DUMP gave, to live for `ttl` milliseconds, 0 for ever.  O(N) in the value's size."""
    replace = absolute = False
    idle_seconds = frequency = None
    remaining = iter(options)
    for option in remaining:
        word = option.upper()
        if word == b"REPLACE":
            replace = True
        elif word == b"ABSTTL":
            absolute = True
        elif word == b"IDLETIME" and frequency is None and (text := next(remaining, None)) is not None:
            idle_seconds = integer(text)
            if idle_seconds < 0:
                raise RedisError("ERR Invalid IDLETIME value, must be >= 0")
        elif word == b"FREQ" and idle_seconds is None and (text := next(remaining, None)) is not None:
            frequency = integer(text)
            if not 0 <= frequency <= FREQUENCY_MAX:
                raise RedisError("ERR Invalid FREQ value, must be >= 0 and <= 255")
        else:
            raise SyntaxFault
    if not replace and db.find_to_write(key) is not None:
        raise RedisError("BUSYKEY Target key name already exists.")
    at_ms = integer(ttl)
    if at_ms < 0:
        raise RedisError("ERR Invalid TTL value, must be >= 0")
    if not is_intact(payload):
        raise RedisError("ERR DUMP payload version or checksum are wrong")
    try:
        value = load(payload, db.engine.settings)
    except Damaged:
        raise RedisError("ERR Bad data format") from None
    deleted = replace and db.delete(key)
    if at_ms and not absolute:
        at_ms += db.now_ms
        if at_ms > INT64_MAX:
            at_ms = INT64_MIN  # Redis adds in 64 bits and ends up in the past
    if at_ms and at_ms <= db.now_ms and not db.engine.loading:
        if deleted:
            db.changed(key, "del")
            name = b"UNLINK" if db.engine.settings.lazyfree_lazy_server_del else b"DEL"
            db.engine.propagate_instead(db.index, (name, key))
        return OK
    db.store(key, value)
    if at_ms:
        db.set_expiry(key, at_ms)
        if not absolute:
            request = (b"RESTORE", key, b"%d" % at_ms, payload, *options, b"ABSTTL")
            db.engine.propagate_instead(db.index, request)
    eviction = db.engine.eviction
    if eviction.frequency and frequency is not None:
        db.touched[key] = eviction.stamp_of_frequency(frequency)
    elif not eviction.frequency and idle_seconds is not None:
        db.touched[key] = eviction.stamp_of_idle(idle_seconds)
    db.changed(key, "restore")
    return OK
