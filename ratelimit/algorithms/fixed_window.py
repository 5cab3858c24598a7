"""The fixed window: count the hits of this minute, begin again at the next.

The cheapest to understand, and its flaw is in every book: a caller who spends R at the end of one window and R at the
beginning of the next has sent 2·R within moments (`mini ratelimit plot` shows it).

Windows begin at multiples of P since 1970, the same for everybody: all who were denied come back at once, on the minute.
With `aligned=False` a key's first hit opens its window, which spreads them.
"""

from ratelimit.algorithms.base import Algorithm
from ratelimit.decision import CostTooHigh, Decision
from ratelimit.limit import Limit

make = tuple.__new__


class FixedWindow(Algorithm):
    """State: where the window began (ms) shifted above the count, which is at most R."""

    def __init__(self, limit: Limit) -> None:
        self.limit = limit
        self.capacity = limit.rate
        self._per = limit.per_ms
        self._aligned = limit.aligned
        self._bits = limit.rate.bit_length()
        self._mask = (1 << self._bits) - 1
        self.horizon_ms = limit.per_ms

    def take(self, state: int | None, now_ms: int, cost: int = 1) -> tuple[int | None, Decision]:
        capacity, per = self.capacity, self._per
        if not 0 < cost <= capacity:
            raise CostTooHigh(cost, capacity)
        if state is not None:
            rest = (state >> self._bits) + per - now_ms
            if 0 < rest <= 2 * per:
                left = capacity - (state & self._mask) - cost
                if rest > per:  # the clock was set back: hold it
                    rest = per
                if left >= 0:
                    return state + cost, make(Decision, (True, left, 0, rest, 0))
                return state, make(Decision, (False, left + cost, rest, rest, 0))
        elapsed = now_ms % per if self._aligned else 0
        state = now_ms - elapsed << self._bits | cost
        return state, make(Decision, (True, capacity - cost, 0, per - elapsed, 0))

    def expires_ms(self, state: int) -> int:
        return (state >> self._bits) + self._per
