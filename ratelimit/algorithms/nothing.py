"""A rate of 0: nothing passes, whatever the algorithm.

Written by operators to close a route for a while.  No cost is too high here, since no smaller one would pass either, and
`retry_after_ms` is the period: somebody may have opened the route by then.
"""

from ratelimit.algorithms.base import Algorithm
from ratelimit.decision import Decision
from ratelimit.limit import Limit


class Nothing(Algorithm):
    """The limit that admits nobody."""

    def __init__(self, limit: Limit) -> None:
        self.limit = limit
        self.capacity = 0
        self.horizon_ms = 0
        self._denied = Decision(False, 0, limit.per_ms, limit.per_ms)

    def take(self, state: None, now_ms: int, cost: int = 1) -> tuple[None, Decision]:
        return None, self._denied

    def expires_ms(self, state: None) -> int:
        return 0
