"""The question to every store and the answer of every algorithm, in milliseconds.

Tuples with names: they are made once for every request, and a tuple is what Python makes fastest.
"""

from typing import NamedTuple

from ratelimit.limit import Limit


class Ask(NamedTuple):
    """May `key` spend `cost` of `limit`?"""

    limit: Limit
    key: str
    cost: int = 1


class Decision(NamedTuple):
    """May this hit pass, and what comes next.

    Durations count from now; where a clock that went back is held at a later time, from there.
    """

    allowed: bool
    remaining: int
    """Hits of cost 1 that would pass now."""
    retry_after_ms: int
    """0 when allowed; else the first moment at which the same hit would pass if nobody else came, counted from now."""
    reset_ms: int
    """Until everything this key has spent is restored, counted from now."""
    delay_ms: int = 0
    """A leaking bucket as a queue: how long an admitted hit waits for its turn."""


class CostTooHigh(ValueError):
    """A hit that costs more than the limit could ever admit: no waiting helps, so it is an error and no denial."""

    def __init__(self, cost: int, capacity: int) -> None:
        never = f"a cost of {cost} can never pass: the limit admits {capacity} at most"
        super().__init__(never if cost > 0 else f"a cost of {cost}: 1 or more")
        self.cost, self.capacity = cost, capacity
