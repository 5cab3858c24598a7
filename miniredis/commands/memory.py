"""MEMORY: what keys take, and what the whole takes.

C asks its allocator; Python's does not answer, so these figures come from `eviction.py`'s account of the data and from
the operating system's count of the process's pages.  Between the two lies the interpreter.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from miniredis.command import READONLY, Flag, command
from miniredis.command_help import add_help
from miniredis.errors import SyntaxFault
from miniredis.eviction import EXPIRY_OVERHEAD, KEY_OVERHEAD, SAMPLES, weight_of
from miniredis.numbers import integer
from miniredis.wire.replies import OK, Status, Verbatim

if TYPE_CHECKING:
    from miniredis.database import Database
    from miniredis.session import Session

PLAIN = Flag(0)


@command("MEMORY USAGE key [SAMPLES count]", READONLY, since="4.0.0", group="server")
def memory_usage(db: Database, key: bytes, *words: bytes) -> int | None:
    """Bytes that a key and its value take; of a collection the elements by so many samples, 0 for all.  O(N) in the
    samples."""
    samples = SAMPLES
    remaining = iter(words)
    for option in remaining:
        text = next(remaining, None)
        if option.upper() != b"SAMPLES" or text is None:
            raise SyntaxFault
        samples = integer(text)
        if samples < 0:
            raise SyntaxFault
    value = db.peek(key)
    if value is None:
        return None
    return weight_of(key, value, samples) + (EXPIRY_OVERHEAD if db.expires_at(key) is not None else 0)


@command("MEMORY DOCTOR", PLAIN, since="4.0.0", group="server")
def memory_doctor(session: Session) -> Verbatim:
    """What the figures of MEMORY STATS say, in words.  O(1)."""
    engine = session.engine
    used, resident = engine.eviction.used(), engine.host.use().resident_bytes
    findings = []
    if used < 5 * 1024 * 1024:
        return Verbatim("There is too little data here to judge its memory.\n")
    if resident > 3 * used:
        findings.append("The process is more than three times as large as its data: it has held more before.")
    if engine.settings.maxmemory and used > engine.settings.maxmemory:
        findings.append("The data is larger than maxmemory; the policy finds nothing to evict.")
    if len(engine.sessions) and sum(session.measure()[1] for session in engine.sessions.values()) > used // 10:
        findings.append("Clients leave a tenth of the data's size unread: see CLIENT LIST for `omem`.")
    return Verbatim("\n".join(findings or ["Nothing unusual."]) + "\n")


@command("MEMORY PURGE", PLAIN, since="4.0.0", group="server")
def memory_purge(session: Session) -> Status:
    """Ask the allocator to give unused pages back, which Python's does by itself.  O(1)."""
    return OK


@command("MEMORY MALLOC-STATS", PLAIN, since="4.0.0", group="server")
def memory_malloc_stats(session: Session) -> Verbatim:
    """The allocator's own figures, which Python's does not show.  O(1)."""
    return Verbatim("Stats not supported for the current allocator")


@command("MEMORY STATS", PLAIN, since="4.0.0", group="server")
def memory_stats(session: Session) -> dict[str, Any]:
    """Where the memory goes.  O(N) in the databases."""
    engine = session.engine
    used, resident = engine.eviction.used(), engine.host.use().resident_bytes
    engine.peak_memory = max(engine.peak_memory, used)
    clients = sum(sum(one.measure()) for one in engine.sessions.values())
    filled = [database for database in engine.databases if database.values]
    overheads = {
        f"db.{database.index}": {
            "overhead.hashtable.main": len(database.values) * KEY_OVERHEAD,
            "overhead.hashtable.expires": len(database.expires) * EXPIRY_OVERHEAD,
        }
        for database in filled
    }
    keys = sum(len(database.values) for database in filled)
    overhead = clients + sum(sum(tables.values()) for tables in overheads.values())
    dataset = max(0, used - overhead)
    return {
        "peak.allocated": engine.peak_memory,
        "total.allocated": used,
        "startup.allocated": 0,
        "replication.backlog": 0,
        "clients.slaves": 0,
        "clients.normal": clients,
        "cluster.links": 0,
        "aof.buffer": engine.persistence.state.log_buffered,
        "lua.caches": 0,
        "functions.caches": 0,
        **overheads,
        "overhead.total": overhead,
        "keys.count": keys,
        "keys.bytes-per-key": used // keys if keys else 0,
        "dataset.bytes": dataset,
        "dataset.percentage": 100 * dataset / used if used else 0.0,
        "peak.percentage": 100 * used / engine.peak_memory if engine.peak_memory else 0.0,
        "allocator.allocated": used,
        "allocator.active": resident,
        "allocator.resident": resident,
        "allocator-fragmentation.ratio": 1.0,
        "allocator-fragmentation.bytes": 0,
        "allocator-rss.ratio": 1.0,
        "allocator-rss.bytes": 0,
        "rss-overhead.ratio": 1.0,
        "rss-overhead.bytes": 0,
        "fragmentation": resident / used if used else 0.0,
        "fragmentation.bytes": resident - used,
    }


add_help("MEMORY", since="4.0.0")
