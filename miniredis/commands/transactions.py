"""Transactions: commands queued after MULTI, carried out together by EXEC, unless something that was watched changed.

There is no rollback.  Redis checks what can be checked when a command is queued (its name, its number of arguments, the
room in memory); what fails while EXEC runs fails alone, and the others take effect.  Since one thread carries out one
command at a time, "together" costs nothing: EXEC is a command that happens to be long.

WATCH is optimistic locking: it takes no lock, it notes who wants to hear of a key.  A change marks the session, and
EXEC answers nil instead of running.  A key that expires between WATCH and EXEC counts as changed even while nobody has
removed it; one that had expired before WATCH may be removed unnoticed.

Queueing itself stands in `session.py`, because it happens to every command.

Source: Redis 7.2 `multi.c`; documentation, "Transactions".
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from miniredis.blocking import Wait
from miniredis.command import ALLOW_BUSY, FAST, LOADING, NOSCRIPT, SKIP_SLOWLOG, STALE, command
from miniredis.errors import RedisError
from miniredis.wire.replies import NO_REPLY, NULL_ARRAY, OK, Encoded, Status

if TYPE_CHECKING:
    from miniredis.session import Session


@command("MULTI", NOSCRIPT | LOADING | STALE | FAST | ALLOW_BUSY, since="1.2.0")
def multi(session: Session) -> Status:
    """Begin to queue commands instead of carrying them out.  O(1)."""
    if session.in_transaction:
        raise RedisError("ERR MULTI calls can not be nested")
    session.in_transaction = True
    session.settle()
    return OK


@command("EXEC", NOSCRIPT | LOADING | STALE | SKIP_SLOWLOG, since="1.2.0")
def exec_(session: Session) -> Any:
    """Carry out what was queued; nil when a watched key was touched.  O(what was queued)."""
    if not session.in_transaction:
        raise RedisError("ERR EXEC without MULTI")
    queued = session.transaction
    failed, broken = session.transaction_failed, session.transaction_broken or session.watches_expired_key()
    session.end_transaction()
    if failed:
        raise RedisError("EXECABORT Transaction discarded because of previous errors.")
    if broken:
        return NULL_ARRAY
    # One by one, as any reply leaves, since SUBSCRIBE answers on its own, and CLIENT REPLY may change things midway.
    session.reply(Encoded(b"*%d\r\n" % len(queued)))
    session.in_exec = True
    try:
        for row, request in queued:
            reply = session.carry_out(row, request)
            session.reply(reply.reply_in_vain() if isinstance(reply, Wait) else reply)
    finally:
        session.in_exec = False
    return NO_REPLY


@command("DISCARD", NOSCRIPT | LOADING | STALE | FAST | ALLOW_BUSY, since="2.0.0")
def discard(session: Session) -> Status:
    """Forget what was queued, and watch nothing any more.  O(N) in the commands queued."""
    if not session.in_transaction:
        raise RedisError("ERR DISCARD without MULTI")
    session.end_transaction()
    return OK


@command("WATCH key [key ...]", NOSCRIPT | LOADING | STALE | FAST | ALLOW_BUSY, since="2.2.0")
def watch(session: Session, *keys: bytes) -> Status:
    """Let the next EXEC fail if one of these keys changes before it.  O(1) a key."""
    if session.in_transaction:
        raise RedisError("ERR WATCH inside MULTI is not allowed")
    if not session.transaction_broken:  # it will fail anyway
        for key in keys:
            session.watch(session.database, key)
    return OK


@command("UNWATCH", NOSCRIPT | LOADING | STALE | FAST | ALLOW_BUSY, since="2.2.0")
def unwatch(session: Session) -> Status:
    """Watch nothing any more.  O(1)."""
    session.unwatch()
    return OK
