"""CLIENT PAUSE: hold commands back for a while, so that a failover loses nothing.

A held request stays at the head of its client's queue, and the client with it; when the pause ends, all go on in the
order in which they had come.  While writes are held the data must not change by itself either: keys whose time has come
are unseen, but not removed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from miniredis.command import Command, Flag

if TYPE_CHECKING:
    from miniredis.engine import Engine, Timer
    from miniredis.session import Session

WRITES = "writes"
ALL = "all"


class Pause:
    """At most one pause at a time; another one can make it longer and stricter, never shorter."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.what: str | None = None  # WRITES, ALL, or None: nothing is held
        self.until_ms = 0
        self.timer: Timer | None = None
        self.held: dict[Session, None] = {}  # in the order in which they came

    def begin(self, what: str, timeout_ms: int) -> None:
        engine = self.engine
        self.what = ALL if ALL in (what, self.what) else WRITES
        self.until_ms = max(self.until_ms, engine.now_ms + timeout_ms)
        engine.guards.add("paused")
        engine.expiring_paused = True
        if self.timer is not None:
            self.timer.cancel()
        self.timer = engine.call_later((self.until_ms - engine.now_ms) / 1000, self.end)

    def end(self) -> None:
        """Let everyone who was held go on, at the end of this turn."""
        engine = self.engine
        self.what, self.until_ms = None, 0
        engine.guards.discard("paused")
        engine.expiring_paused = False
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None
        held, self.held = self.held, {}
        for session in held:
            session.paused = session.blocked = False
            session.schedule()

    def hold(self, session: Session) -> None:
        """Let `session` wait until the pause is over."""
        self.held[session] = None
        session.paused = True
        session.block()

    def holds(self, session: Session, command: Command) -> bool:
        """Whether `command` of `session` has to wait."""
        if self.what is None:
            return False
        return self.what == ALL or bool(session.flags_of(command) & (Flag.WRITE | Flag.MAY_REPLICATE))
