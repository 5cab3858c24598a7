"""The time, handed down: no server code asks the machine what time it is.

A server gets a `Clock` and passes it on; the simulator hands in one that reads virtual time, and a test one that it
turns by hand.  Three questions, because they have three answers:

    now_ms         wall clock, ms since 1970: what EXPIREAT means.  It may jump; never order events by it.
    monotonic_us   microseconds since some start: durations, deadlines.
    spent_us       CPU microseconds of this process: for work that adapts to its own cost.  0 in simulation, where
                   computing takes no time, so such work is bounded by a count as well.
"""

import time
from typing import Protocol


class Clock(Protocol):
    """What a server may know of the time."""

    def now_ms(self) -> int: ...
    def monotonic_us(self) -> int: ...
    def spent_us(self) -> int: ...


class SystemClock:
    """The machine's own clocks."""

    def now_ms(self) -> int:
        return time.time_ns() // 1_000_000

    def monotonic_us(self) -> int:
        return time.monotonic_ns() // 1000

    def spent_us(self) -> int:
        return time.process_time_ns() // 1000


def steady_ms() -> int:
    """Milliseconds since 1970 that never go back: the wall clock as it was at import, and monotonic from there."""
    return (STARTED + time.monotonic_ns()) // 1_000_000


STARTED = time.time_ns() - time.monotonic_ns()
