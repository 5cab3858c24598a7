"""Who waits for which key, until when: BLPOP and its family.

A command that finds nothing returns a `Wait` instead of a reply.  The session then stops reading (a client has one
request under way at a time), and stands in line at each of its keys.  When one of them appears, the command is simply
run again, in order of arrival: the first in line takes what there is, the next finds less, and who finds nothing goes
on waiting in the place it had.  So fairness needs no code of its own, and a command is written once.

Inside MULTI or a script nobody can wait: there a `Wait` is answered at once as if its time had run out.

Source: Redis 7.2 `blocked.c`, which re-executes the command likewise (7.0 served the pop itself).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from miniredis.command import Command
from miniredis.errors import RedisError
from miniredis.numbers import parse_float
from miniredis.wire.replies import NULL_ARRAY
from miniredis.wire.requests import Request

if TYPE_CHECKING:
    from miniredis.database import Database
    from miniredis.engine import Engine, Timer
    from miniredis.session import Session


@dataclass(slots=True)
class Wait:
    """Returned by a handler that has nothing yet.

    keys           whose appearance is worth another try; none when something else ends the waiting (WAITAOF)
    kind           the class of value that is waited for: a key of another type wakes nobody
    timeout_ms     0 for ever
    timeout_reply  what is answered when the time has run out, or a function that knows it then
    """

    keys: tuple[bytes, ...] | list[bytes]
    timeout_ms: int
    kind: type | None = None
    timeout_reply: Any = NULL_ARRAY

    def reply_in_vain(self) -> Any:
        """The answer of a command that did not get what it waited for."""
        return self.timeout_reply() if callable(self.timeout_reply) else self.timeout_reply


@dataclass(slots=True)
class Blocked:
    """One waiting session."""

    command: Command
    request: Request
    database: Database
    wait: Wait
    timer: Timer | None
    since_us: int


def timeout_ms(text: bytes) -> int:
    """A timeout argument, seconds with a fraction, as milliseconds.  Raises the errors BLPOP gives."""
    seconds = parse_float(text)
    if seconds is None:
        raise RedisError("ERR timeout is not a float or out of range")
    milliseconds = seconds * 1000
    if milliseconds > 2**63 - 1:
        raise RedisError("ERR timeout is out of range")
    if milliseconds < 0:
        raise RedisError("ERR timeout is negative")
    return -int(-milliseconds // 1)


class Waiting:
    """The lines at all keys of all databases; the line itself stands in `Database.blocked`."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.sessions: dict[Session, Blocked] = {}

    def block(self, session: Session, command: Command, request: Request, wait: Wait) -> None:
        """Let `session` wait; it reads no further request until it is served, has timed out or is unblocked."""
        timer = None
        if wait.timeout_ms:
            timer = self.engine.call_later(wait.timeout_ms / 1000, lambda: self.time_out(session))
        database = session.database
        self.sessions[session] = Blocked(command, request, database, wait, timer, self.engine.clock.monotonic_us())
        for key in wait.keys:
            database.blocked.setdefault(key, {})[session] = None
        session.block()

    def leave(self, session: Session) -> Blocked | None:
        """Take `session` out of every line; returns what it waited for, None when it did not."""
        blocked = self.sessions.pop(session, None)
        if blocked is None:
            return None
        if blocked.timer is not None:
            blocked.timer.cancel()
        lines = blocked.database.blocked
        for key in blocked.wait.keys:
            if (line := lines.get(key)) is not None:
                line.pop(session, None)
                if not line:
                    del lines[key]
        return blocked

    def time_out(self, session: Session) -> None:
        """The waiting was in vain."""
        if (blocked := self.leave(session)) is not None:
            session.unblock(blocked.wait.reply_in_vain())

    def interrupt(self, session: Session, reply: Any) -> bool:
        """CLIENT UNBLOCK: end the waiting with `reply`; False when there was none."""
        if self.leave(session) is None:
            return False
        session.unblock(reply)
        return True

    def fulfil(self, session: Session, wait: Wait) -> None:
        """What `wait` waits for, something other than a key, has come; if it is still under way."""
        blocked = self.sessions.get(session)
        if blocked is not None and blocked.wait is wait:
            self.leave(session)
            reply = wait.reply_in_vain()
            session.count(blocked.command, blocked.request, 0, reply)
            session.unblock(reply)

    def serve_ready(self) -> None:
        """Run the commands of those who wait for the keys that have appeared, until no further key appears."""
        engine = self.engine
        while engine.ready:
            ready, engine.ready = dict.fromkeys(engine.ready), []
            for database, key in ready:
                for session in list(database.blocked.get(key, ())):
                    value = database.values.get(key)
                    if value is None:
                        break  # whoever stood first took all
                    blocked = self.sessions.get(session)
                    if blocked is not None and type(value) is blocked.wait.kind:
                        self._try_again(session, blocked)

    def _try_again(self, session: Session, blocked: Blocked) -> None:
        engine = self.engine
        started = engine.clock.monotonic_us()
        reply = engine.call(session, blocked.command, blocked.request)
        if isinstance(reply, Wait):
            return
        self.leave(session)
        session.count(blocked.command, blocked.request, engine.clock.monotonic_us() - started, reply)
        if engine.pending:
            unit, engine.pending = engine.pending, []
            if engine.propagate_to is not None:
                engine.propagate_to(unit)
        session.unblock(reply)
