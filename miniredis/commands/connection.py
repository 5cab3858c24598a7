"""The connection: who the client is, which database, which protocol."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from miniredis.command import FAST, LOADING, NO_AUTH, STALE, command
from miniredis.errors import RedisError, wrong_arity
from miniredis.numbers import integer
from miniredis.wire.replies import OK, Status

if TYPE_CHECKING:
    from miniredis.session import Session

PONG = Status("PONG")


@command("PING [message]", FAST)
def ping(session: Session, *message: bytes) -> Any:
    """PONG, or the message given.  O(1)."""
    if len(message) > 1:
        raise wrong_arity("ping")
    if session.subscriptions and session.protocol == 2:
        return [b"pong", message[0] if message else b""]
    return message[0] if message else PONG


@command("ECHO message", FAST)
def echo(session: Session, message: bytes) -> bytes:
    """The message again.  O(1)."""
    return message


@command("SELECT index", LOADING | STALE | FAST)
def select(session: Session, index: bytes) -> Status:
    """Work on another numbered database from now on.  O(1)."""
    number = integer(index)
    if not 0 <= number < len(session.engine.databases):
        raise RedisError("ERR DB index is out of range")
    session.select(number)
    return OK


@command("QUIT", FAST | NO_AUTH | LOADING | STALE)
def quit_(session: Session) -> Status:
    """Close the connection once everything before is answered.  O(1)."""
    session.close("QUIT")
    return OK
