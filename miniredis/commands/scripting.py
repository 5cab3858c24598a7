"""Scripting: EVAL and its family, and the cache of programs behind EVALSHA."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from miniredis.command import (
    ALLOW_BUSY,
    NO_MANDATORY_KEYS,
    NOSCRIPT,
    READONLY,
    SKIP_MONITOR,
    STALE,
    command,
)
from miniredis.command import MAY_REPLICATE as MAY_WRITE
from miniredis.command_help import add_help
from miniredis.errors import RedisError
from miniredis.numbers import integer
from miniredis.wire.replies import OK, Status
from miniredis.wire.requests import Request

if TYPE_CHECKING:
    from miniredis.scripting.scripts import Script
    from miniredis.session import Session

EVAL_FLAGS = NOSCRIPT | SKIP_MONITOR | MAY_WRITE | NO_MANDATORY_KEYS | STALE


def counted_keys(request: Request) -> Request:
    """The keys of `EVAL script numkeys key ... argument ...`."""
    count = integer(request[2])
    return request[3 : 3 + count] if count > 0 else ()


def _run(session: Session, script: Script, words: tuple[bytes, ...], *, read_only: bool = False) -> Any:
    count, *rest = words
    keys = integer(count)
    if keys > len(rest):
        raise RedisError("ERR Number of keys can't be greater than number of args")
    if keys < 0:
        raise RedisError("ERR Number of keys can't be negative")
    engine = session.engine
    if engine.scripts.running is not None:
        raise RedisError("ERR This Redis command is not allowed from script")
    return engine.scripts.run(session, script, rest[:keys], rest[keys:], read_only)


def _kept(session: Session, sha: bytes) -> Script:
    script = session.engine.scripts.scripts.get(sha.decode("latin-1").lower())
    if script is None:
        raise RedisError("NOSCRIPT No matching script. Please use EVAL.")
    return script


@command("EVAL script numkeys [key [key ...]] [arg [arg ...]]", EVAL_FLAGS, since="2.6.0", keys=counted_keys)
def eval_(session: Session, script: bytes, *words: bytes) -> Any:
    """Run a Lua program.  Depends on the program."""
    _check_count(words)
    return _run(session, session.engine.scripts.load(script), words)


@command("EVALSHA sha1 numkeys [key [key ...]] [arg [arg ...]]", EVAL_FLAGS, since="2.6.0", keys=counted_keys)
def evalsha(session: Session, sha: bytes, *words: bytes) -> Any:
    """Run a Lua program that was loaded before, by its SHA-1.  Depends on the program."""
    _check_count(words)
    return _run(session, _kept(session, sha), words)


@command(
    "EVAL_RO script numkeys [key [key ...]] [arg [arg ...]]",
    NOSCRIPT | SKIP_MONITOR | READONLY | NO_MANDATORY_KEYS | STALE,
    since="7.0.0",
    keys=counted_keys,
)
def eval_ro(session: Session, script: bytes, *words: bytes) -> Any:
    """Run a Lua program that may not write.  Depends on the program."""
    _check_count(words)
    return _run(session, session.engine.scripts.load(script), words, read_only=True)


@command(
    "EVALSHA_RO sha1 numkeys [key [key ...]] [arg [arg ...]]",
    NOSCRIPT | SKIP_MONITOR | READONLY | NO_MANDATORY_KEYS | STALE,
    since="7.0.0",
    keys=counted_keys,
)
def evalsha_ro(session: Session, sha: bytes, *words: bytes) -> Any:
    """Run a Lua program loaded before that may not write.  Depends on the program."""
    _check_count(words)
    return _run(session, _kept(session, sha), words, read_only=True)


def _check_count(words: tuple[bytes, ...]) -> None:
    """The number of keys is looked at before the program."""
    keys = integer(words[0])
    if keys > len(words) - 1:
        raise RedisError("ERR Number of keys can't be greater than number of args")
    if keys < 0:
        raise RedisError("ERR Number of keys can't be negative")


@command("SCRIPT LOAD script", NOSCRIPT | STALE, since="2.6.0")
def script_load(session: Session, script: bytes) -> bytes:
    """Compile a program and keep it; its SHA-1.  O(N) in the program."""
    return session.engine.scripts.load(script).sha.encode()


@command("SCRIPT EXISTS sha1 [sha1 ...]", NOSCRIPT, since="2.6.0")
def script_exists(session: Session, *shas: bytes) -> list[int]:
    """1 for each program that is kept, else 0.  O(N) in the names."""
    kept = session.engine.scripts.scripts
    return [int(sha.decode("latin-1").lower() in kept) for sha in shas]


@command("SCRIPT FLUSH [ASYNC | SYNC]", NOSCRIPT, since="2.6.0")
def script_flush(session: Session, *options: bytes) -> Status:
    """Forget all programs.  O(N) in the programs."""
    if len(options) > 1 or (options and options[0].upper() not in (b"ASYNC", b"SYNC")):
        raise RedisError("ERR SCRIPT FLUSH only support SYNC|ASYNC option")
    session.engine.scripts.flush()
    return OK


@command("SCRIPT KILL", NOSCRIPT | ALLOW_BUSY, since="2.6.0")
def script_kill(session: Session) -> Status:
    """End the program that runs, unless it has written.  O(1)."""
    session.engine.scripts.kill()
    return OK


@command("SCRIPT DEBUG <YES | SYNC | NO>", NOSCRIPT, since="3.2.0")
def script_debug(session: Session, mode: bytes) -> Status:
    """Switch the step-by-step debugger, which is not built here: only NO is accepted.  O(1)."""
    if mode.upper() not in (b"YES", b"SYNC", b"NO"):
        raise RedisError("ERR Use SCRIPT DEBUG YES/SYNC/NO")
    if mode.upper() != b"NO":
        raise RedisError("ERR The Lua debugger is not available")
    return OK


add_help("SCRIPT", since="5.0.0")
