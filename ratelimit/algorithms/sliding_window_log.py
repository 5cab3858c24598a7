"""The sliding window log: remember the moment of every hit, admit while fewer than R lie in the last P.

The only one that keeps its promise exactly: never more than R in any window of P, wherever it begins.  The price is R
moments a key, 8 bytes each.

Two readings of the textbook's picture.  Here a denied hit is not logged, so that the promise is R per P and a caller who
waits gets through.  With `log_denied=True` it is, and who keeps hammering stays out until they pause for a while;
only the last R are kept then, since no older one can matter.

An entry exactly P old is out.  A hit of cost c is c entries.  Old entries are cut off when they make up half of the
array: each is moved at most once on average, instead of R of them with every hit.
"""

from array import array
from bisect import bisect_right

from ratelimit.algorithms.base import Algorithm
from ratelimit.decision import CostTooHigh, Decision
from ratelimit.limit import Limit

make = tuple.__new__
SMALL = 16


class SlidingWindowLog(Algorithm):
    """State: the moments (ms) in order, in an array that is changed in place."""

    def __init__(self, limit: Limit) -> None:
        self.limit = limit
        self.capacity = limit.rate
        self._per = limit.per_ms
        self._log_denied = limit.log_denied
        self.horizon_ms = limit.per_ms

    def take(self, state: "array[int] | None", now_ms: int, cost: int = 1) -> "tuple[array[int] | None, Decision]":
        capacity, per = self.capacity, self._per
        if not 0 < cost <= capacity:
            raise CostTooHigh(cost, capacity)
        log = array("q") if state is None else state
        if log and now_ms < log[-1]:
            if log[-1] - now_ms > per:
                del log[:]
            else:
                now_ms = log[-1]
        free, since = capacity - len(log), now_ms - per
        if log and log[0] <= since:
            old = bisect_right(log, since)
            free += old
            if old > SMALL and 2 * old > len(log):
                del log[:old]
        if cost <= free:
            log.append(now_ms)
            if cost > 1:
                log.extend([now_ms] * (cost - 1))
            return log, make(Decision, (True, free - cost, 0, per, 0))
        if self._log_denied:
            log.extend([now_ms] * cost)
            del log[: max(0, len(log) - capacity)]
            free = 0
        in_the_way = log[len(log) - capacity + cost - 1]
        return log, make(Decision, (False, free, in_the_way - since, log[-1] - since, 0))

    def peek(self, state: "array[int] | None", now_ms: int, cost: int = 1) -> Decision:
        return super().peek(state and state[:], now_ms, cost)

    def expires_ms(self, state: "array[int]") -> int:
        return state[-1] + self._per
