"""The token bucket: R tokens per P pour in, the bucket holds B, a hit takes one or is denied.

The best known of all: bursts up to B pass at once, and over a long time no more than R per P.  In any single window of
P at most B + R (a full bucket, and what pours in meanwhile).

Nobody pours.  The bucket is filled when it is next looked at, with what has come in since: that is why it costs nothing
to have a million of them.  Credit is counted in units of 1/P of a token, in which R units come in every millisecond and
a hit takes P of them; whoever rounds the refill to whole tokens and moves `last` on to now starves a steady caller.

A bucket that starts empty (`start_full=False`) makes a new key wait, so that nobody gains by changing names.  It begins
to fill when it is first asked for, and is kept for a day after it is full.
"""

from ratelimit.algorithms.base import Algorithm
from ratelimit.decision import CostTooHigh, Decision
from ratelimit.limit import REMEMBERED_MS, Limit

make = tuple.__new__


class TokenBucket(Algorithm):
    """State: `last` (ms) shifted above the credit, which is at most B·P."""

    keeps_denied = True

    def __init__(self, limit: Limit) -> None:
        self.limit = limit
        self.capacity = limit.capacity
        self._rate = limit.rate
        self._per = limit.per_ms
        self._full = limit.capacity * limit.per_ms
        self._at_first = self._full if limit.start_full else 0
        self._bits = self._full.bit_length()
        self._mask = (1 << self._bits) - 1
        self.remembered_ms = 0 if limit.start_full else REMEMBERED_MS
        self.horizon_ms = -(-self._full // limit.rate) + self.remembered_ms

    def take(self, state: int | None, now_ms: int, cost: int = 1) -> tuple[int | None, Decision]:
        if not 0 < cost <= self.capacity:
            raise CostTooHigh(cost, self.capacity)
        rate, per, full = self._rate, self._per, self._full
        if state is None:
            credit = self._at_first
            state = None if credit else now_ms << self._bits
        else:
            credit = state & self._mask
            elapsed = now_ms - (state >> self._bits)
            if elapsed > 0:
                credit += elapsed * rate
                if credit > full:
                    credit = full
            elif elapsed < 0:
                if elapsed < -per:
                    credit = self._at_first
                    state = None if credit else now_ms << self._bits
                else:
                    now_ms -= elapsed
        left = credit - cost * per
        if left >= 0:
            missing = full - left
            return now_ms << self._bits | left, make(Decision, (True, left // per, 0, -(-missing // rate), 0))
        return state, make(Decision, (False, credit // per, -(left // rate), -((credit - full) // rate), 0))

    def expires_ms(self, state: int) -> int:
        return (state >> self._bits) - ((state & self._mask) - self._full) // self._rate + self.remembered_ms
