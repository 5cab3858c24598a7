"""Whole databases: how large, emptied, exchanged.

Source: Redis 7.2 `db.c`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from miniredis.command import FAST, READONLY, WRITE, command
from miniredis.errors import RedisError, SyntaxFault
from miniredis.numbers import parse_integer
from miniredis.wire.replies import OK, Status

if TYPE_CHECKING:
    from miniredis.database import Database
    from miniredis.session import Session


@command("DBSIZE", READONLY | FAST, group="server")
def dbsize(db: Database) -> int:
    """How many keys this database holds, those among them whose time has come but whom nobody removed.  O(1)."""
    return len(db)


@command("FLUSHDB [ASYNC | SYNC]", WRITE, group="server")
def flushdb(db: Database, *how: bytes) -> Status:
    """Remove every key of this database.  O(N) in its keys."""
    _check_how(how)
    _flush([db], (b"FLUSHDB", *how))
    return OK


@command("FLUSHALL [ASYNC | SYNC]", WRITE, group="server")
def flushall(db: Database, *how: bytes) -> Status:
    """Remove every key of every database.  O(N) in all keys."""
    _check_how(how)
    _flush(db.engine.databases, (b"FLUSHALL", *how), db.index)
    db.engine.persistence.everything_removed()
    return OK


def _check_how(how: tuple[bytes, ...]) -> None:
    """ASYNC and SYNC say which thread frees the memory; here the collector does."""
    if how and (len(how) > 1 or how[0].upper() not in (b"ASYNC", b"SYNC")):
        raise SyntaxFault


def _flush(databases: list[Database], request: tuple[bytes, ...], index: int | None = None) -> None:
    """Written down even when nothing was there: whoever replays the log may have had something."""
    engine = databases[0].engine
    removed = sum(database.clear() for database in databases)
    engine.dirty += removed
    if not removed:
        engine.propagate(databases[0].index if index is None else index, request)


@command("SWAPDB index1 index2", WRITE | FAST, since="4.0.0", group="server")
def swapdb(session: Session, index1: bytes, index2: bytes) -> Status:
    """Exchange two databases: clients that work on one see the other's keys at once.  O(1) for the keys, O(N) for
    clients that watch or wait."""
    engine = session.engine
    first, second = _index(index1, "first"), _index(index2, "second")
    if not (0 <= first < len(engine.databases) and 0 <= second < len(engine.databases)):
        raise RedisError("ERR DB index is out of range")
    engine.dirty += 1
    if first != second:
        engine.databases[first].swap_data(engine.databases[second])
    return OK


def _index(text: bytes, which: str) -> int:
    number = parse_integer(text)
    if number is None or not -(2**31) <= number < 2**31:
        raise RedisError(f"ERR invalid {which} DB index")
    return number
