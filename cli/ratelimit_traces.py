"""Traces of requests on which algorithms differ: when each comes, in milliseconds.

Each is built from the limit, so that it means the same for 10 per minute and 5000 per hour.  The epoch is the edge of a
window, as windows are aligned to it.
"""

from collections.abc import Callable
from pathlib import Path
from random import Random

from ratelimit.limit import Limit

PERIODS = 4
"""How long a trace is."""


def boundary_burst(limit: Limit, random: Random) -> list[int]:
    """As many as allowed just before the edge of a window, and as many just after it; the same again, a period later.

    A fixed window admits both bursts: twice its limit within a moment.
    """
    period, rate = limit.per_ms, max(1, limit.rate)
    gap = max(1, period // (20 * rate))
    burst = [number * gap for number in range(rate)]
    bursts = [edge + side + offset for edge in (period, 3 * period) for side in (-rate * gap, 0) for offset in burst]
    return sorted(bursts)


def steady(limit: Limit, random: Random) -> list[int]:
    """One and a half times as many as allowed, evenly spaced."""
    return [number * limit.per_ms * 2 // (3 * max(1, limit.rate)) for number in range(PERIODS * limit.rate * 3 // 2)]


def poisson(limit: Limit, random: Random) -> list[int]:
    """One and a fifth times as many as allowed, at random: as independent users come."""
    times, now = [], 0.0
    while (now := now + random.expovariate(1.2 * max(1, limit.rate) / limit.per_ms)) < PERIODS * limit.per_ms:
        times.append(int(now))
    return times


def spike(limit: Limit, random: Random) -> list[int]:
    """Half of what is allowed, and in the middle a sixth of a period with ten times as many."""
    period, rate = limit.per_ms, max(1, limit.rate)
    calm = [number * 2 * period // rate for number in range(PERIODS * rate // 2)]
    begin, length = period * 8 // 5, period // 6
    return sorted(calm + [begin + number * period // (10 * rate) for number in range(10 * rate * length // period)])


TRACES: dict[str, Callable[[Limit, Random], list[int]]] = {
    "boundary-burst": boundary_burst,
    "steady": steady,
    "poisson": poisson,
    "spike": spike,
}


def read_trace(file: Path) -> list[int]:
    """A time in milliseconds on each line, the first being 0; `#` begins a comment.  Raises ValueError."""
    times = []
    for number, line in enumerate(file.read_text(errors="replace").splitlines(), start=1):
        word = line.partition("#")[0].strip()
        if not word:
            continue
        if not word.isdecimal():
            raise ValueError(f"{file}, line {number}: {word!r} is not a whole number of milliseconds")
        times.append(int(word))
    if not times:
        raise ValueError(f"{file}: no request in it")
    return [time - min(times) for time in sorted(times)]
