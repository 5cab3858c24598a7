"""A circuit breaker: after a few failures in a row, stop asking for a while.

Each question to a dead server costs its asker the whole timeout, and the server, when it comes back, a burst of all who
waited.  The breaker remembers how the last questions went, and answers "do not ask" at once.

                  failures in a row                    open_ms later
      ┌──────────┐ ───────────────▶ ┌────────┐ ────────────────────▶ ┌───────────┐
      │  closed  │                  │  open  │                       │ half-open │   `probes` may ask, the others not yet
      └──────────┘ ◀─ ─ ─ ─ ─ ─ ─ ─ └────────┘ ◀──────────────────── └───────────┘
            ▲                                      a probe fails:          │
            └──────────────────────────────────────open_ms doubles─────────┘ all probes succeed

A question that began before the circuit last changed says nothing about now, and its outcome is not counted: a hundred
that were on their way when the server died come back as failures during the first probe.  A probe that never reports
(its caller was cancelled) is replaced after another `open_ms`.

Time is an argument: milliseconds of any clock that does not go back.  Source: M. Nygard, "Release It!" (2007), ch. 5.
"""

from __future__ import annotations

from enum import Enum


class State(Enum):
    """Where the breaker stands."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half-open"


class CircuitBreaker:
    """One server's breaker.

    failures     in a row, that open it
    open_ms      until it is tried again; doubled with each failed trial, up to `open_ms_max`
    probes       that must succeed before it closes
    """

    def __init__(self, failures: int = 5, open_ms: int = 1000, *, open_ms_max: int = 30_000, probes: int = 1) -> None:
        if failures < 1 or open_ms < 1 or probes < 1 or open_ms_max < open_ms:
            raise ValueError("a breaker needs 1 or more failures, milliseconds and probes")
        self.failures, self.open_ms, self.open_ms_max, self.probes = failures, open_ms, open_ms_max, probes
        self.state = State.CLOSED
        self.opened = 0  # times
        self._epoch = 0  # of the questions now allowed: each change of state begins another
        self._failed = 0  # in a row
        self._wait_ms = open_ms
        self._until_ms = 0  # open: when it is tried; half-open: when lost probes are replaced
        self._begun = self._succeeded = 0  # probes

    def begin(self, now_ms: int) -> int | None:
        """May the server be asked?  A ticket to hand to `end`, or None."""
        if self.state is State.CLOSED:
            return self._epoch
        if now_ms >= self._until_ms:
            self._enter(State.HALF_OPEN)
            self._until_ms = now_ms + self._wait_ms
        if self.state is State.OPEN or self._begun == self.probes:
            return None
        self._begun += 1
        return self._epoch

    def end(self, ticket: int, succeeded: bool, now_ms: int) -> None:
        """How it went."""
        if ticket != self._epoch:
            return
        if self.state is State.CLOSED:
            self._failed = 0 if succeeded else self._failed + 1
            if self._failed >= self.failures:
                self._open(self.open_ms, now_ms)
        elif not succeeded:
            self._open(min(2 * self._wait_ms, self.open_ms_max), now_ms)
        else:
            self._succeeded += 1
            if self._succeeded == self.probes:
                self._enter(State.CLOSED)

    def retry_after_ms(self, now_ms: int) -> int:
        """Until the server may be asked again; 0 when it may be now."""
        return 0 if self.state is State.CLOSED else max(0, self._until_ms - now_ms)

    def _open(self, wait_ms: int, now_ms: int) -> None:
        self._enter(State.OPEN)
        self.opened += 1
        self._wait_ms, self._until_ms = wait_ms, now_ms + wait_ms

    def _enter(self, state: State) -> None:
        self.state = state
        self._epoch += 1
        self._failed = self._begun = self._succeeded = 0
