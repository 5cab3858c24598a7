"""Whom a limiter hears of most, in bounded memory.

Anybody chooses keys, so nobody can count them all.  But whoever matters comes often, and k counters are enough to find
everyone with more than 1/k of the hits (Misra and Gries 1982): each known key has a counter; when a new key finds all
counters taken, all are lowered, and those that reach zero are free again.  A frequent key loses no more than the few
hits that others cost it; a rare one is forgotten.

Lowering by one a time costs k steps for each stranger.  Here all are lowered by the median instead, which frees half of
them at once: a constant cost a hit, and an error of at most 2·hits/k.

What is shown is of the last full interval and the one that runs, so that the table tells of now and not of yesterday.

Source: J. Misra, D. Gries, "Finding repeated elements" (1982); E. Anderson et al., "A high-performance algorithm for
identifying frequent items in data streams" (2017), for the median.
"""

from __future__ import annotations

from heapq import nlargest
from typing import NamedTuple


class Busy(NamedTuple):
    """One key: how often it passed and how often it was denied, in hits a second."""

    key: str
    passed_per_s: float
    denied_per_s: float


class Counters:
    """The frequent keys of one interval; `most` of them at most."""

    def __init__(self, most: int) -> None:
        self.most = most
        self.hits: dict[str, list[int]] = {}  # to [passed, denied]

    def count(self, key: str, allowed: bool) -> None:
        counter = self.hits.get(key)
        if counter is None:
            if len(self.hits) >= self.most:
                self._lower()
            counter = self.hits[key] = [0, 0]
        counter[not allowed] += 1

    def _lower(self) -> None:
        median = sorted(map(sum, self.hits.values()))[len(self.hits) // 2]
        for key, (passed, denied) in list(self.hits.items()):
            if passed + denied <= median:
                del self.hits[key]
            else:  # what is lowered is taken from both in proportion
                kept = passed + denied - median
                denied = denied * kept // (passed + denied)
                self.hits[key] = [kept - denied, denied]


class Busiest:
    """The busiest keys of the last seconds.

    most          counters of each interval
    interval_ms   how long one is counted
    """

    def __init__(self, now_ms: int, most: int = 1024, interval_ms: int = 10_000) -> None:
        self.most, self.interval_ms = most, interval_ms
        self._began_ms = now_ms
        self._now, self._before = Counters(most), Counters(most)
        self._whole_before = False

    def count(self, key: str, allowed: bool, now_ms: int) -> None:
        if now_ms - self._began_ms >= self.interval_ms:
            self._turn(now_ms)
        self._now.count(key, allowed)

    def _turn(self, now_ms: int) -> None:
        silent = now_ms - self._began_ms >= 2 * self.interval_ms
        self._before = Counters(self.most) if silent else self._now
        self._now, self._whole_before = Counters(self.most), True
        self._began_ms = now_ms - (now_ms - self._began_ms) % self.interval_ms

    def top(self, count: int, now_ms: int) -> list[Busy]:
        """The `count` keys with most hits a second, the busiest first."""
        if now_ms - self._began_ms >= self.interval_ms:
            self._turn(now_ms)
        seconds = max(1, now_ms - self._began_ms + self._whole_before * self.interval_ms) / 1000
        sums = {key: list(counter) for key, counter in self._before.hits.items()}
        for key, (passed, denied) in self._now.hits.items():
            before = sums.setdefault(key, [0, 0])
            before[0] += passed
            before[1] += denied
        chosen = nlargest(count, sums.items(), key=lambda item: sum(item[1]))
        return [Busy(key, passed / seconds, denied / seconds) for key, (passed, denied) in chosen]
