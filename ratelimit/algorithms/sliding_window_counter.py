"""The sliding window counter: two fixed windows, the older one fading away.

What of the last P lies in the window before is estimated: had its hits come evenly, prev·(1 − f) of them, f being the
part of this window that is over.  Two numbers a key instead of R moments, and the burst at the edge is gone in practice.
It is an estimate: a burst at the end of one window followed by a trickle may admit up to 2·R − 1 in some P (Cloudflare
reports 0.003 % of requests decided wrong on its traffic).

`ceil` admits when prev·(1 − f) + cur + 1 ≤ R and never goes over R by its own estimate; `floor` rounds the fraction
away first, as many implementations do, and lets one more in.  Both are decided without a division:

    prev·(P − elapsed) + (cur + cost)·P  ≤  R·P
"""

from ratelimit.algorithms.base import Algorithm
from ratelimit.decision import CostTooHigh, Decision
from ratelimit.limit import Limit

make = tuple.__new__


class SlidingWindowCounter(Algorithm):
    """State: where the window began (ms), the count of the one before, the count: shifted above each other."""

    def __init__(self, limit: Limit) -> None:
        self.limit = limit
        self.capacity = limit.rate
        self._per = limit.per_ms
        self._aligned = limit.aligned
        self._spare = 0 if limit.rounding == "ceil" else limit.per_ms - 1
        self._bits = limit.rate.bit_length()
        self._mask = (1 << self._bits) - 1
        self.horizon_ms = 2 * limit.per_ms

    def take(self, state: int | None, now_ms: int, cost: int = 1) -> tuple[int | None, Decision]:
        capacity, per, bits = self.capacity, self._per, self._bits
        if not 0 < cost <= capacity:
            raise CostTooHigh(cost, capacity)
        elapsed = 2 * per if state is None else now_ms - (state >> 2 * bits)
        if -per <= elapsed < 2 * per:
            assert state is not None
            current, previous = state & self._mask, state >> bits & self._mask
            if elapsed >= per:
                current, previous, elapsed = 0, current, elapsed - per
            elif elapsed < 0:
                now_ms, elapsed = now_ms - elapsed, 0
        else:
            current = previous = 0
            elapsed = now_ms % per if self._aligned else 0
        # What this window may still take, in units of 1/P of a hit.
        room = (capacity - current) * per + self._spare - previous * (per - elapsed)
        left = room - cost * per
        if left >= 0:
            current += cost
            decision = make(Decision, (True, left // per, 0, 2 * per - elapsed, 0))
            return (now_ms - elapsed << bits | previous) << bits | current, decision
        reset = (2 * per if current else per) - elapsed
        return state, make(
            Decision, (False, max(0, room // per), self._wait(current, previous, elapsed, cost), reset, 0)
        )

    def _wait(self, current: int, previous: int, elapsed: int, cost: int) -> int:
        """Milliseconds until the fading leaves room for `cost`: in this window, or in the next, where current fades."""
        free = self.capacity - cost - current
        if free >= 0:
            return self._per - elapsed - (free * self._per + self._spare) // previous
        free += current
        return 2 * self._per - elapsed - (free * self._per + self._spare) // current

    def expires_ms(self, state: int) -> int:
        return (state >> 2 * self._bits) + 2 * self._per
