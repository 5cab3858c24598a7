"""The same algorithms a second time, slow and obvious: fractions, lists, and the sentences of the textbook.

They share no line with the package.  Time never goes back here; the boundary cases have tests of their own.
"""

from bisect import bisect_left
from collections.abc import Callable
from fractions import Fraction
from math import ceil, floor

from ratelimit import Limit


def first_moment(passes: Callable[[int], bool], latest: int) -> int:
    """The shortest wait in ms after which `passes`: found by halving, since once it does it goes on to."""
    return bisect_left(range(latest), True, key=passes)


class BucketOracle:
    """Tokens as a fraction.  GCRA, the token bucket and both leaking buckets must agree with it."""

    def __init__(self, limit: Limit) -> None:
        self.limit = limit
        self.rate = Fraction(limit.rate, limit.per_ms)
        self.size = limit.capacity
        self.tokens: Fraction | None = None
        self.last = 0

    def take(self, now: int, cost: int) -> tuple[bool, int, int, int, int]:
        if self.tokens is None:
            self.tokens = Fraction(self.size if self.limit.start_full else 0)
        else:
            self.tokens = min(Fraction(self.size), self.tokens + (now - self.last) * self.rate)
        self.last = now
        before = self.size - self.tokens
        allowed = self.tokens >= cost
        if allowed:
            self.tokens -= cost
        retry = 0 if allowed else ceil((cost - self.tokens) / self.rate)
        delay = ceil(before / self.rate) if allowed and self.limit.queue else 0
        return allowed, floor(self.tokens), retry, ceil((self.size - self.tokens) / self.rate), delay


class FixedWindowOracle:
    def __init__(self, limit: Limit) -> None:
        self.limit = limit
        self.opened: int | None = None
        self.hits: list[int] = []

    def window(self, now: int) -> int:
        if self.limit.aligned:
            return now // self.limit.per_ms * self.limit.per_ms
        if self.opened is None or now >= self.opened + self.limit.per_ms:
            self.opened = now
        return self.opened

    def take(self, now: int, cost: int) -> tuple[bool, int, int, int, int]:
        start = self.window(now)
        used = sum(1 for hit in self.hits if hit >= start)
        allowed = used + cost <= self.limit.rate
        if allowed:
            self.hits += [now] * cost
            used += cost
        end = start + self.limit.per_ms - now
        return allowed, self.limit.rate - used, 0 if allowed else end, end, 0


class LogOracle:
    def __init__(self, limit: Limit) -> None:
        self.limit = limit
        self.hits: list[int] = []

    def inside(self, now: int) -> list[int]:
        return [hit for hit in self.hits if hit > now - self.limit.per_ms]

    def take(self, now: int, cost: int) -> tuple[bool, int, int, int, int]:
        self.hits = self.inside(now)
        allowed = len(self.hits) + cost <= self.limit.rate
        if allowed or self.limit.log_denied:
            self.hits += [now] * cost
        used = len(self.inside(now))
        retry = first_moment(lambda wait: len(self.inside(now + wait)) + cost <= self.limit.rate, self.limit.per_ms)
        self.hits = self.hits[-self.limit.rate :]
        return (
            allowed,
            max(0, self.limit.rate - used),
            0 if allowed else retry,
            self.hits[-1] + self.limit.per_ms - now,
            0,
        )


class CounterOracle:
    """Counts per window, the estimate as a fraction, `retry_after` found by trying."""

    def __init__(self, limit: Limit) -> None:
        self.limit = limit
        self.hits: list[int] = []
        self.start: int | None = None

    def window(self, now: int) -> int:
        per = self.limit.per_ms
        if self.limit.aligned:
            return now // per * per
        if self.start is None or now >= self.start + 2 * per:
            return now
        return self.start + (now - self.start) // per * per

    def room(self, now: int, start: int) -> Fraction:
        per = self.limit.per_ms
        current = sum(1 for hit in self.hits if hit >= start)
        previous = sum(1 for hit in self.hits if start - per <= hit < start)
        faded = previous * (1 - Fraction(now - start, per))
        return self.limit.rate - current - (faded if self.limit.rounding == "ceil" else floor(faded))

    def take(self, now: int, cost: int) -> tuple[bool, int, int, int, int]:
        per = self.limit.per_ms
        start = self.window(now)
        self.hits = [hit for hit in self.hits if hit >= start - per]
        allowed = self.room(now, start) >= cost
        if allowed:
            self.hits += [now] * cost
            self.start = start
        retry = first_moment(
            lambda wait: self.room(now + wait, start + (now + wait - start) // per * per) >= cost, 2 * per
        )
        current = any(hit >= start for hit in self.hits)
        reset = start + (2 if current else 1) * per - now
        return allowed, max(0, floor(self.room(now, start))), 0 if allowed else retry, reset, 0


ORACLES = {
    "gcra": BucketOracle,
    "token_bucket": BucketOracle,
    "leaking_bucket": BucketOracle,
    "fixed_window": FixedWindowOracle,
    "sliding_window_log": LogOracle,
    "sliding_window_counter": CounterOracle,
}
