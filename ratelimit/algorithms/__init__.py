"""The textbook's limiters, a chapter each; this page says what they have in common.

    gcra                    one moment a key: when the bucket would be empty again
    token_bucket            tokens come in at a steady rate, a hit takes one
    leaking_bucket          hits pour in, leak out at a steady rate, and may not spill; as a meter or as a queue
    fixed_window            a counter that begins again at every full minute
    sliding_window_log      the moments of all hits of the last minute
    sliding_window_counter  two counters, the older one fading away

The first three, given the same R, P and B, admit exactly the same hits: three ways to look at one thing.

An algorithm is a pure function of what it remembers of a key, the time, and what the hit costs.  What it remembers is
one integer (packed with shifts, a third of the memory of a tuple, and nothing the garbage collector must visit), or an
array for the log; None is a key it knows nothing of.  A denied hit changes nothing, unless its chapter says so.

**A clock that goes back** by a period or less is held where it was.  Further back, what is remembered lies in a future
that does not come again, and is forgotten: otherwise a clock set right after a year wrong would lock everybody out for a
year.

Beside each chapter in Python (`gcra.py`) stands the same one in Lua (`gcra.lua`), for Redis.
"""

from collections.abc import Callable

from ratelimit.algorithms.base import Algorithm
from ratelimit.algorithms.fixed_window import FixedWindow
from ratelimit.algorithms.gcra import GCRA
from ratelimit.algorithms.leaking_bucket import LeakingBucket
from ratelimit.algorithms.nothing import Nothing
from ratelimit.algorithms.sliding_window_counter import SlidingWindowCounter
from ratelimit.algorithms.sliding_window_log import SlidingWindowLog
from ratelimit.algorithms.token_bucket import TokenBucket
from ratelimit.limit import Limit

ALGORITHMS: dict[str, type[Algorithm]] = {
    "gcra": GCRA,
    "token_bucket": TokenBucket,
    "leaking_bucket": LeakingBucket,
    "fixed_window": FixedWindow,
    "sliding_window_log": SlidingWindowLog,
    "sliding_window_counter": SlidingWindowCounter,
}


def algorithm(limit: Limit) -> Algorithm:
    """The algorithm that decides for this limit."""
    chapter: Callable[[Limit], Algorithm] = ALGORITHMS[limit.algorithm] if limit.rate else Nothing
    return chapter(limit)
