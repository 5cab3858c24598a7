"""Random limits and random traffic, by seed: the same for every store."""

from collections.abc import Iterator
from random import Random

from ratelimit import Limit
from ratelimit.limit import VARIANTS

START_MS = 1_790_000_000_000

OPTIONS = {
    "burst": (None, None, 1, 2, 7, 40),
    "start_full": (True, True, False),
    "queue": (False, True),
    "aligned": (True, False),
    "log_denied": (False, False, True),
    "rounding": ("ceil", "floor"),
}


def random_limit(algorithm: str, dice: Random) -> Limit:
    """Awkward ratios on purpose: 3 in 1,000 ms and 7 in 13 leave remainders everywhere."""
    options = {name: dice.choice(OPTIONS[name]) for name in VARIANTS[algorithm]}
    return Limit(
        dice.choice((1, 2, 3, 5, 7, 11, 30)), dice.choice((1, 7, 13, 100, 333, 1000)), algorithm=algorithm, **options
    )


def random_trace(limit: Limit, dice: Random, hits: int = 60) -> Iterator[tuple[int, int]]:
    """(now_ms, cost): bursts at one moment, a pace near the rate, pauses of about a window, and much longer ones."""
    now = START_MS + dice.randrange(10_000)
    pace = limit.per_ms / limit.rate
    for _ in range(hits):
        kind = dice.random()
        if kind < 0.35:
            pass
        elif kind < 0.8:
            now += round(pace * dice.random() * 2)
        elif kind < 0.97:
            now += round(limit.per_ms * dice.random() * 1.5)
        else:
            now += limit.per_ms * dice.choice((2, 3, 50, 10**9))
        yield now, min(limit.capacity, dice.choice((1, 1, 1, 1, 2, 3)))
