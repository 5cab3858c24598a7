"""HyperLogLog: counting different elements without keeping them.  How it works stands in `values/hyperloglog.py`.

PFCOUNT of one key reads, yet changes the value: it notes the count in it, for the next time.  That is written down as
PFCOUNT itself, so that a replayed log ends in the same bytes.

Source: Redis 7.2 `hyperloglog.c`.
"""

from __future__ import annotations

from random import Random
from typing import TYPE_CHECKING

from miniredis.command import ADMIN, DENYOOM, FAST, READONLY, WRITE, command
from miniredis.commands.strings import changeable
from miniredis.errors import RedisError
from miniredis.values import hyperloglog
from miniredis.wire.replies import OK, Status

if TYPE_CHECKING:
    from miniredis.database import Database
    from miniredis.values.strings import String

NOT_ONE = "WRONGTYPE Key is not a valid HyperLogLog string value."


def _read(db: Database, key: bytes) -> String | None:
    """The HyperLogLog at `key`.  Raises WrongType, RedisError."""
    value = db.string(key)
    if value is not None and not hyperloglog.is_hyperloglog(value):
        raise RedisError(NOT_ONE)
    return value


def _write(db: Database, key: bytes) -> bytearray | None:
    """The same, to be changed."""
    value = db.string_to_write(key)
    if value is None:
        return None
    if not hyperloglog.is_hyperloglog(value):
        raise RedisError(NOT_ONE)
    return changeable(db, key, value)


def _create(db: Database, key: bytes) -> bytearray:
    data = bytearray(hyperloglog.NEW)
    db.store(key, data)
    return data


@command("PFADD key [element [element ...]]", WRITE | DENYOOM | FAST, since="2.8.9")
def pfadd(db: Database, key: bytes, *elements: bytes) -> int:
    """Count elements; 1 when the estimate may have changed.  O(1) for each."""
    data = _write(db, key)
    updated = 0
    if data is None:
        data = _create(db, key)
        updated = 1
    sparse_max = db.engine.settings.hll_sparse_max_bytes
    for element in elements:
        updated += hyperloglog.add(data, element, sparse_max)
    if updated:
        hyperloglog.mark_stale(data)
        db.changed(key, "pfadd", updated)
    return 1 if updated else 0


@command("PFCOUNT key [key ...]", READONLY, since="2.8.9")
def pfcount(db: Database, *keys: bytes) -> int:
    """About how many different elements were counted, at all of the keys together.  O(1), more for many keys."""
    if len(keys) > 1:
        registers = bytes(hyperloglog.REGISTERS)
        for key in keys:
            if (value := _read(db, key)) is not None:
                registers = hyperloglog.union(registers, hyperloglog.registers_of(value))
        return hyperloglog.estimate(registers)
    (key,) = keys
    value = _read(db, key)
    if value is None:
        return 0
    data = changeable(db, key, value)
    count = hyperloglog.cached_count(data)
    if count is None:
        count = hyperloglog.estimate(hyperloglog.registers_of(data))
        hyperloglog.cache_count(data, count)
        _changed_silently(db, key)
        db.engine.propagate_instead(db.index, [b"PFCOUNT", key])
    return count


def _changed_silently(db: Database, key: bytes) -> None:
    """The bytes at `key` are others, what they mean is not: no event is published."""
    db.engine.dirty += 1
    db.touch_watchers(key)


@command("PFMERGE destkey [sourcekey ...]", WRITE | DENYOOM, since="2.8.9")
def pfmerge(db: Database, destination: bytes, *sources: bytes) -> Status:
    """Let one key have counted what others have.  O(N) in the keys."""
    registers = bytes(hyperloglog.REGISTERS)
    dense = False
    for key in (destination, *sources):
        if (value := _read(db, key)) is not None:
            dense = dense or value[4] == hyperloglog.DENSE
            registers = hyperloglog.union(registers, hyperloglog.registers_of(value))
    data = _write(db, destination)
    if data is None:
        data = _create(db, destination)
    if dense:
        hyperloglog.make_dense(data)
    hyperloglog.raise_registers(data, registers, db.engine.settings.hll_sparse_max_bytes)
    hyperloglog.mark_stale(data)
    db.changed(destination, "pfadd")
    return OK


@command("PFDEBUG subcommand key", WRITE | DENYOOM | ADMIN, since="2.8.9")
def pfdebug(db: Database, subcommand: bytes, key: bytes) -> list[int] | Status | bytes | int:
    """GETREG: all registers; DECODE: the runs of a sparse value; ENCODING; TODENSE.  O(1)."""
    data = _write(db, key)
    if data is None:
        raise RedisError("ERR The specified key does not exist")
    word = subcommand.upper()
    if word == b"GETREG":
        if hyperloglog.make_dense(data):
            db.engine.dirty += 1
        return list(hyperloglog.registers_of(data))
    if word == b"DECODE":
        if data[4] == hyperloglog.DENSE:
            raise RedisError("ERR HLL encoding is not sparse")
        return hyperloglog.described(data).encode()
    if word == b"ENCODING":
        return Status("dense" if data[4] == hyperloglog.DENSE else "sparse")
    if word == b"TODENSE":
        converted = hyperloglog.make_dense(data)
        db.engine.dirty += converted
        return int(converted)
    raise RedisError(f"ERR Unknown PFDEBUG subcommand '{subcommand.decode('latin-1')}'")


SELF_TEST_ELEMENTS = 20_000
STANDARD_ERROR = 1.04 / 128  # 128 is the root of 16384


@command("PFSELFTEST", ADMIN, since="2.8.9")
def pfselftest(db: Database) -> Status:
    """Whether registers keep what is put into them, both encodings agree, and estimates err no more than they may.
    O(N) in the elements of the test."""
    random = Random(db.engine.random.getrandbits(64))
    registers = bytes(random.randrange(64) for _ in range(hyperloglog.REGISTERS))
    if hyperloglog.unpack(hyperloglog.pack(registers)) != registers:
        raise RedisError("TESTFAILED registers do not come back as they were packed")
    sparse, dense = bytearray(hyperloglog.NEW), bytearray(hyperloglog.NEW)
    hyperloglog.make_dense(dense)
    seed = random.getrandbits(64)
    checkpoint = 1
    for number in range(1, SELF_TEST_ELEMENTS + 1):
        element = (seed ^ number).to_bytes(8, "little")
        hyperloglog.add(dense, element, 0)
        hyperloglog.add(sparse, element, db.engine.settings.hll_sparse_max_bytes)
        if number == checkpoint:
            found = hyperloglog.registers_of(dense)
            if found != hyperloglog.registers_of(sparse):
                raise RedisError("TESTFAILED dense/sparse disagree")
            error = abs(hyperloglog.estimate(found) - number)
            if error > max(2, 6 * STANDARD_ERROR * number):
                raise RedisError(f"TESTFAILED Too big error. card:{number} abserr:{error}")
            checkpoint *= 10
    return OK
