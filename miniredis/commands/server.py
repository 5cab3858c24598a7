"""The server itself: its time, its role, its end; and whoever looks over everyone's shoulder.

Source: Redis 7.2 `server.c`, `db.c`, `rdb.c`, `replication.c`, `lolwut.c`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from miniredis import REDIS_VERSION
from miniredis.blocking import Wait
from miniredis.command import (
    ADMIN,
    ALLOW_BUSY,
    FAST,
    LOADING,
    NO_ASYNC_LOADING,
    NO_MULTI,
    NOSCRIPT,
    READONLY,
    STALE,
    Flag,
    command,
)
from miniredis.commands.clients import milliseconds
from miniredis.errors import RedisError, SyntaxFault
from miniredis.host import ShutdownWish
from miniredis.numbers import INT64_MAX, integer
from miniredis.wire.replies import NO_REPLY, OK, Status, Verbatim

if TYPE_CHECKING:
    from miniredis.session import Session


@command("TIME", LOADING | STALE | FAST, since="2.6.0")
def time(session: Session) -> list[bytes]:
    """The server's clock: seconds since 1970, and microseconds of the second.  O(1)."""
    now_ms = session.engine.clock.now_ms()
    return [b"%d" % (now_ms // 1000), b"%d" % (now_ms % 1000 * 1000)]


@command("ROLE", NOSCRIPT | LOADING | STALE | FAST, since="2.8.12")
def role(session: Session) -> list[Any]:
    """What this server is to others: a master, how far its changes go, and which replicas follow.  O(1)."""
    return [b"master", session.engine.replication_offset, []]


@command("MONITOR", ADMIN | NOSCRIPT | LOADING | STALE)
def monitor(session: Session) -> Any:
    """See every command that the server carries out, until the connection ends.  O(1)."""
    if session.in_exec or session.in_script:
        raise RedisError("ERR MONITOR isn't allowed for DENY BLOCKING client")
    if session.monitoring:
        return NO_REPLY
    session.monitoring = True
    session.engine.start_monitor(session)
    session.settle()
    return OK


@command("LOLWUT [VERSION version]", READONLY | FAST, since="5.0.0")
def lolwut(session: Session, *words: bytes) -> Verbatim:
    """A piece of computer art, and the version of the server.  O(1)."""
    if len(words) >= 2 and words[0].upper() == b"VERSION":
        integer(words[1])
    random = session.engine.random
    blocks = " ░▒▓█"
    rows = []
    height = 0.0
    for _ in range(8):
        row = ""
        for _ in range(48):
            height = min(max(height + random.uniform(-0.9, 0.9), 0), len(blocks) - 1)
            row += blocks[round(height)]
        rows.append(row)
    return Verbatim("\n".join(rows) + f"\n\nRedis ver. {REDIS_VERSION}\n")


# -- persistence ----------------------------------------------------------------------------------------------------

FAILED = "ERR "


@command("SAVE", ADMIN | NOSCRIPT | NO_ASYNC_LOADING | NO_MULTI)
def save(session: Session) -> Status:
    """Write a snapshot while everyone waits.  O(N) in all keys."""
    persistence = session.engine.persistence
    if persistence.state.child == "rdb":
        raise RedisError("ERR Background save already in progress")
    if not persistence.save():
        raise RedisError(FAILED)
    return OK


@command("BGSAVE [SCHEDULE]", ADMIN | NOSCRIPT | NO_ASYNC_LOADING)
def bgsave(session: Session, *words: bytes) -> Status:
    """Let a child process write a snapshot.  O(1), but for the fork."""
    if words and (len(words) > 1 or words[0].upper() != b"SCHEDULE"):
        raise SyntaxFault
    persistence = session.engine.persistence
    state = persistence.state
    if state.child == "rdb":
        raise RedisError("ERR Background save already in progress")
    if state.child is not None or session.in_exec:
        if not words and not session.in_exec:
            raise RedisError(
                "ERR Another child process is active (AOF?): can't BGSAVE right now. Use BGSAVE SCHEDULE in order to "
                "schedule a BGSAVE whenever possible."
            )
        state.save_scheduled = True
        return Status("Background saving scheduled")
    if not persistence.begin_save():
        raise RedisError(FAILED)
    return Status("Background saving started")


@command("BGREWRITEAOF", ADMIN | NOSCRIPT | NO_ASYNC_LOADING)
def bgrewriteaof(session: Session) -> Status:
    """Let a child process write the append-only file anew, as short as the data allows.  O(1), but for the fork."""
    persistence = session.engine.persistence
    state = persistence.state
    if state.child == "aof":
        raise RedisError("ERR Background append only file rewriting already in progress")
    if state.child is not None or session.in_exec:
        state.rewrite_scheduled = True
        return Status("Background append only file rewriting scheduled")
    if not persistence.begin_rewrite():
        raise RedisError(
            "ERR Can't execute an AOF background rewriting. Please check the server logs for more information."
        )
    return Status("Background append only file rewriting started")


@command("LASTSAVE", LOADING | STALE | FAST)
def lastsave(session: Session) -> int:
    """When the last snapshot succeeded, seconds since 1970.  O(1)."""
    return session.engine.persistence.state.last_save_ms // 1000


@command("SHUTDOWN [NOSAVE | SAVE] [NOW] [FORCE] [ABORT]", ADMIN | NOSCRIPT | LOADING | STALE | NO_MULTI | ALLOW_BUSY)
def shutdown(session: Session, *words: bytes) -> Any:
    """Save what is to be saved and end the server.  O(N) in all keys when saving, O(1) else."""
    given = {word.upper() for word in words}
    if given - {b"SAVE", b"NOSAVE", b"NOW", b"FORCE", b"ABORT"} or given >= {b"SAVE", b"NOSAVE"}:
        raise SyntaxFault
    host = session.engine.host
    if b"ABORT" in given:
        if given != {b"ABORT"}:
            raise SyntaxFault
        if not host.stop_shutdown():
            raise RedisError("ERR No shutdown in progress.")
        return OK
    keep = True if b"SAVE" in given else False if b"NOSAVE" in given else None
    if not host.shut_down(ShutdownWish(keep, b"NOW" in given, b"FORCE" in given)):
        raise RedisError("ERR Errors trying to SHUTDOWN. Check logs.")
    return NO_REPLY


# -- waiting for copies ---------------------------------------------------------------------------------------------


@command("WAIT numreplicas timeout", Flag(0), since="3.0.0", group="generic")
def wait(session: Session, numreplicas: bytes, timeout: bytes) -> Any:
    """Wait until so many replicas have what this client wrote; how many do.  There are none.  O(1)."""
    needed = integer(numreplicas)
    timeout_ms = milliseconds(session, timeout)
    if needed <= 0:
        return 0
    return Wait((), timeout_ms, timeout_reply=0)


@command("WAITAOF numlocal numreplicas timeout", NOSCRIPT, since="7.2.0", group="generic")
def waitaof(session: Session, numlocal: bytes, numreplicas: bytes, timeout: bytes) -> Any:
    """Wait until what was written is on this disk, and on those of so many replicas; both counts.  O(1)."""
    local = integer(numlocal)
    if not 0 <= local <= 1:
        raise RedisError("ERR value is out of range, value must between 0 and 1")
    replicas = integer(numreplicas)
    if not 0 <= replicas <= INT64_MAX:
        raise RedisError("ERR value is out of range, must be positive")
    timeout_ms = milliseconds(session, timeout)
    engine = session.engine
    if local and not engine.settings.appendonly:
        raise RedisError("ERR WAITAOF cannot be used when numlocal is set but appendonly is disabled.")
    persistence = engine.persistence
    offset = persistence.written_offset

    def reached() -> list[int]:
        durable = bool(engine.settings.appendonly) and persistence.durable_offset >= offset
        return [int(durable), 0]

    if reached()[0] >= local and not replicas:
        return reached()
    waiting = Wait((), timeout_ms, timeout_reply=reached)
    if not replicas:
        persistence.when_durable(offset, lambda: engine.waiting.fulfil(session, waiting))
    return waiting
