"""An engine without a server: time that stands until it is turned, timers that are called by hand."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from types import SimpleNamespace
from typing import Any

import miniredis.commands  # noqa: F401  fills the command table
from miniredis.engine import Engine
from miniredis.options import OPTIONS
from miniredis.session import Session
from serving.config import Settings


class ManualClock:
    """Stands still until `advance`."""

    def __init__(self) -> None:
        self.us = 1_700_000_000_000_000

    def now_ms(self) -> int:
        return self.us // 1000

    def monotonic_us(self) -> int:
        return self.us

    def spent_us(self) -> int:
        return 0


class ManualTimers:
    """Collects timers; `World.advance` fires those that are due."""

    def __init__(self, clock: ManualClock) -> None:
        self.clock = clock
        self.timers: list[tuple[int, int, Callable[[], None], SimpleNamespace]] = []

    def call_later(self, seconds: float, callback: Callable[[], None]) -> Any:
        handle = SimpleNamespace(cancelled=False)
        handle.cancel = lambda: setattr(handle, "cancelled", True)
        self.timers.append((self.clock.us + round(seconds * 1e6), len(self.timers), callback, handle))
        return handle


class Redis:
    """A server for tests: `redis("SET", "k", "v")` is what a client of it would see, as raw bytes."""

    def __init__(self, **settings: Any) -> None:
        self.clock = ManualClock()
        self.timers = ManualTimers(self.clock)
        self.engine = Engine(make_settings(**settings), self.clock, Random(1), self.timers.call_later)
        self.written: list[Any] = []  # the units that an append-only file would get
        self.engine.propagate_to = self.written.append
        self.client = self.connect()

    def connect(self) -> Session:
        return Session(self.engine, address="127.0.0.1:50000", local_address="127.0.0.1:6379")

    def __call__(self, *words: bytes | str | int | float, client: Session | None = None) -> bytes:
        session = client or self.client
        session.run([[word if isinstance(word, bytes) else str(word).encode() for word in words]])
        self.turn()
        return self.said(session)

    def turn(self) -> None:
        """The end of a turn, as the server does it: clients that were served go on with what they had sent."""
        while self.engine.to_flush:
            flush, self.engine.to_flush = self.engine.to_flush, []
            for session in flush:
                session.scheduled = False
                session.go_on()

    def said(self, session: Session) -> bytes:
        """What `session` was sent since it was last asked."""
        data = b"".join(session.out)
        session.out.clear()
        return data

    def advance(self, ms: int) -> None:
        """Let time pass; timers that come due are fired in order."""
        until = self.clock.us + ms * 1000
        while due := sorted(timer for timer in self.timers.timers if timer[0] <= until):
            at, _, callback, handle = due[0]
            self.timers.timers.remove(due[0])
            self.clock.us = max(self.clock.us, at)
            self.engine.refresh_time()
            if not handle.cancelled:
                callback()
                self.turn()
        self.clock.us = until
        self.engine.refresh_time()


def make_settings(**changes: Any) -> Settings:
    """The defaults of redis-server, with `changes`."""
    settings = OPTIONS.load()
    for name, value in changes.items():
        assert hasattr(settings, name), f"no option is called {name}"
        setattr(settings, name, value)
    return settings
