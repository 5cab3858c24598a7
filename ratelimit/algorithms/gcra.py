"""GCRA, the generic cell rate algorithm: a whole bucket in one moment of time.

Do not count tokens; remember when the bucket would be full again, if nobody came any more.  That moment is the
*theoretical arrival time* (TAT): a caller who keeps exactly to the rate arrives just then.  Each hit moves it on by
T = P/R.  Whoever comes so early that TAT would lie more than B·T ahead is denied.

        now          TAT                    now + B·T
    ─────┼────────────┼──────────────────────┼─────────▶ time
         │◀─ spent ──▶│◀───── remaining ────▶│

From ATM networks (ITU-T I.371, where it polices cells); redis-cell and Stripe's limiters made it known on the web.
With the same R, P, B it admits the very hits a token bucket does, and needs one number instead of two.

TAT is held in units of 1/R ms, in which T is exactly P: no fraction, no drift.  On float seconds the last hit of an
instant burst is lost to rounding.

A clock that goes back: only TAT is known, not the moment of the last hit.  So TAT is pulled back to now + B·T, where a
bucket is spent and no worse; beyond a period more, it is forgotten.
"""

from ratelimit.algorithms.base import Algorithm
from ratelimit.decision import CostTooHigh, Decision
from ratelimit.limit import REMEMBERED_MS, Limit

make = tuple.__new__


class GCRA(Algorithm):
    """State: TAT in units of 1/R ms since 1970."""

    keeps_denied = True

    def __init__(self, limit: Limit) -> None:
        self.limit = limit
        self.capacity = limit.capacity
        self._rate = limit.rate
        self._per = limit.per_ms
        self._full = limit.capacity * limit.per_ms
        self._forgotten = self._full + limit.per_ms * limit.rate
        self._at_first = 0 if limit.start_full else self._full
        self.remembered_ms = 0 if limit.start_full else REMEMBERED_MS
        self.horizon_ms = -(-self._full // limit.rate) + self.remembered_ms

    def take(self, state: int | None, now_ms: int, cost: int = 1) -> tuple[int | None, Decision]:
        if not 0 < cost <= self.capacity:
            raise CostTooHigh(cost, self.capacity)
        rate, per = self._rate, self._per
        now = now_ms * rate
        if state is None:
            spent = self._at_first
            state = now + spent
        else:
            spent = state - now
            if spent < 0:
                spent = 0
            elif spent > self._full:
                spent = self._full if spent <= self._forgotten else self._at_first
                state = now + spent
        left = self._full - spent - cost * per
        if left >= 0:
            spent += cost * per
            return now + spent, make(Decision, (True, left // per, 0, -(-spent // rate), 0))
        return state, make(Decision, (False, (self._full - spent) // per, -(left // rate), -(-spent // rate), 0))

    def expires_ms(self, state: int) -> int:
        return -(-state // self._rate) + self.remembered_ms
