"""One trace played to every algorithm: who was admitted, and the most that ever got through within one period."""

from collections.abc import Sequence
from typing import NamedTuple

from ratelimit.algorithms import algorithm
from ratelimit.limit import VARIANTS, Limit

NAMES = {
    "fixed_window": "fixed window",
    "sliding_window_log": "sliding log",
    "sliding_window_counter": "sliding counter",
    "token_bucket": "token bucket",
    "leaking_bucket": "leaking bucket",
    "leaking_queue": "leaking queue",
    "gcra": "GCRA",
}
"""In the order of the textbook: each mends a fault of the one before.  The queue is the leaking bucket whose admitted
requests wait for their turn: drawn when they leave."""


class Played(NamedTuple):
    """What one algorithm did.

    admitted, denied   times in ms
    most               admitted within some period at most; it begins at `most_from_ms`
    """

    name: str
    admitted: list[int]
    denied: list[int]
    most: int
    most_from_ms: int


def play(trace: Sequence[int], limit: Limit, algorithms: Sequence[str] = tuple(NAMES)) -> list[Played]:
    """Every algorithm on `trace`; `limit` says how much, and its burst is for those that have one."""
    return [play_one(trace, limit, name) for name in algorithms]


def play_one(trace: Sequence[int], limit: Limit, name: str) -> Played:
    """One of NAMES on `trace`."""
    queue = name == "leaking_queue"
    row = "leaking_bucket" if queue else name
    burst = limit.burst if "burst" in VARIANTS[row] else None
    one = algorithm(Limit(limit.rate, limit.per_ms, burst, row, queue=queue))
    admitted: list[int] = []
    denied: list[int] = []
    state = None
    for time_ms in trace:
        state, decision = one.take(state, time_ms)
        if decision.allowed:
            admitted.append(time_ms + decision.delay_ms)
        else:
            denied.append(time_ms)
    return Played(NAMES[name], admitted, denied, *most_within(admitted, limit.per_ms))


def most_within(times: Sequence[int], period_ms: int) -> tuple[int, int]:
    """How many of `times`, sorted, fall into one half-open period at most, and where the first such begins."""
    most, begin, first = 0, 0, 0
    for last, time_ms in enumerate(times):
        while time_ms - times[first] >= period_ms:
            first += 1
        if last - first + 1 > most:
            most, begin = last - first + 1, times[first]
    return most, begin
