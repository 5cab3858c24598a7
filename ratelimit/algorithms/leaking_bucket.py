"""The leaking bucket: hits pour in, R per P leak out, and what would spill over is denied.

Two readings share the name, and the textbook means the second:

- a **meter** (Turner 1986): the level only says whether a hit may pass, and it passes at once.  It is the token bucket
  seen from below, level = B − tokens, and admits the same hits.
- a **queue** with a constant outflow: an admitted hit waits until what came before it has leaked out, and so leaves
  T after its predecessor.  nginx's `limit_req` is this (its `burst` counts what waits beside the one in service, so
  B = burst + 1, and `nodelay` turns it into the meter).  The same hits are admitted; `Decision.delay_ms` says how long
  each waits: the level before it, times T.

The level is counted in units of 1/P of a hit: R units leak every millisecond, a hit pours in P.
"""

from ratelimit.algorithms.base import Algorithm
from ratelimit.decision import CostTooHigh, Decision
from ratelimit.limit import REMEMBERED_MS, Limit

make = tuple.__new__


class LeakingBucket(Algorithm):
    """State: `last` (ms) shifted above the level, which is at most B·P."""

    keeps_denied = True

    def __init__(self, limit: Limit) -> None:
        self.limit = limit
        self.capacity = limit.capacity
        self._rate = limit.rate
        self._per = limit.per_ms
        self._full = limit.capacity * limit.per_ms
        self._at_first = 0 if limit.start_full else self._full
        self._queue = limit.queue
        self._bits = self._full.bit_length()
        self._mask = (1 << self._bits) - 1
        self.remembered_ms = 0 if limit.start_full else REMEMBERED_MS
        self.horizon_ms = -(-self._full // limit.rate) + self.remembered_ms

    def take(self, state: int | None, now_ms: int, cost: int = 1) -> tuple[int | None, Decision]:
        if not 0 < cost <= self.capacity:
            raise CostTooHigh(cost, self.capacity)
        rate, per, full = self._rate, self._per, self._full
        if state is None:
            level = self._at_first
            state = now_ms << self._bits | level if level else None
        else:
            level = state & self._mask
            elapsed = now_ms - (state >> self._bits)
            if elapsed > 0:
                level -= elapsed * rate
                if level < 0:
                    level = 0
            elif elapsed < 0:
                if elapsed < -per:
                    level = self._at_first
                    state = now_ms << self._bits | level if level else None
                else:
                    now_ms -= elapsed
        after = level + cost * per
        if after <= full:
            delay = -(-level // rate) if self._queue else 0
            decision = make(Decision, (True, (full - after) // per, 0, -(-after // rate), delay))
            return now_ms << self._bits | after, decision
        return state, make(Decision, (False, (full - level) // per, -((full - after) // rate), -(-level // rate), 0))

    def expires_ms(self, state: int) -> int:
        return (state >> self._bits) - (-(state & self._mask) // self._rate) + self.remembered_ms
