"""What `mini bench redis` prints: medians side by side, ratios, and what was aimed at.

The aims (a ratio is ours over the other's rate, in the same rounds):

    -P 1     0.9 of redis-server, as there the kernel and the load generator cost more than either server
    -P 16    0.6 of the floor for the simplest commands, 0.45 for those with a data structure behind them
    -P 16    0.3 of redis-server where one request carries much (MSET of 10, LRANGE of 100)
    load     250,000 SETs a second, and under 400 MB for a million of them
"""

import os
import platform
import statistics
from typing import Any

from lab.benchmarks.redis import FAKE, FLOOR, OURS, REAL, TESTS, Figures, Results

SIMPLE = ("PING_MBULK", "GET", "SET", "INCR")
BULKY = ("MSET", "LRANGE_100")
LOAD_RATE_MIN, PRIVATE_MB_MAX = 250_000, 400


def aim(depth: int, test: str) -> tuple[str, float]:
    """Against whom a test is judged, and the ratio to reach."""
    if depth == 1:
        return REAL.name, 0.9
    if test in BULKY:
        return REAL.name, 0.3
    return FLOOR.name, 0.6 if test in SIMPLE else 0.45


def lines(results: Results) -> list[str]:
    """The whole report."""
    out = [f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"]
    out += [f"{name} did not take part: {reason}" for name, reason in results.absent.items()]
    for persistence in ("off", "everysec"):
        for depth in (1, 16):
            out += rates(results, persistence, depth)
    return out + loads(results)


def rates(results: Results, persistence: str, depth: int) -> list[str]:
    def figures(test: str, name: str) -> Figures | None:
        return results.figures.get((persistence, depth, test, name))

    names = [c.name for c in (REAL, OURS, FLOOR, FAKE) if any(figures(test.name, c.name) for test in TESTS)]
    if not names:
        return []
    out = [
        "",
        f"-P {depth}, persistence {persistence}: thousand requests a second, median of {results.rounds} rounds; "
        "server CPU in µs a request",
        "".join(
            [
                f"{'':12}",
                *[f"{name:>13}" for name in names],
                f"{'of real':>9}{'of floor':>9}",
                "  aim".ljust(24),
            ]
        )
        + "CPU "
        + " ".join(f"{name:>12}" for name in names),
    ]
    for test in TESTS:
        measured = {name: found for name in names if (found := figures(test.name, name))}
        if measured:
            out.append(rate_line(test.name, depth, names, measured))
    return out


def rate_line(test: str, depth: int, names: list[str], measured: dict[str, Figures]) -> str:
    def ratio(other: str) -> float | None:
        both = OURS.name in measured and other in measured
        return measured[OURS.name].rate / measured[other].rate if both else None

    against, wanted = aim(depth, test)
    reached = ratio(against)
    verdict = "" if reached is None else f"  {wanted} of {against} " + ("ok" if reached >= wanted else "SHORT")
    cells = [f"{measured[name].rate / 1000:13.1f}" if name in measured else f"{'-':>13}" for name in names]
    ratios = [f"{r:9.2f}" if (r := ratio(other)) is not None else f"{'-':>9}" for other in (REAL.name, FLOOR.name)]
    cpu = [f"{measured[name].cpu:12.2f}" if name in measured else f"{'-':>12}" for name in names]
    return "".join([f"{test:12}", *cells, *ratios, verdict.ljust(24)]) + "    " + " ".join(cpu)


def loads(results: Results) -> list[str]:
    if not results.loads:
        return []
    out = [
        "",
        f"redis-cli --pipe, {results.keys_loaded:,} SETs into an empty server, maxmemory-policy allkeys-lru",
    ]
    for name, load in results.loads.items():
        rate, private = statistics.median(load.rates), statistics.median(load.private_mb)
        line = (
            f"{name:12}{rate / 1000:9.0f}k SETs/s{private:9.0f} MB private"
            f"{statistics.median(load.resident_mb):9.0f} MB resident"
        )
        if name == OURS.name:
            fast, small = rate >= LOAD_RATE_MIN, private <= PRIVATE_MB_MAX
            line += f"   250k/s {'ok' if fast else 'SHORT'}, 400 MB {'ok' if small else 'OVER'}"
        out.append(line)
    return out


def as_json(results: Results) -> dict[str, Any]:
    """Everything measured, each round, for keeping."""
    return {
        "python": platform.python_version(),
        "machine": platform.machine(),
        "cores": os.cpu_count(),
        "rounds": results.rounds,
        "absent": results.absent,
        "rates": [
            {
                "persistence": persistence,
                "pipeline": depth,
                "test": test,
                "server": name,
                "requests_per_s": figures.rates,
                "cpu_us_per_request": figures.cpu_us,
            }
            for (persistence, depth, test, name), figures in results.figures.items()
        ],
        "loads": {
            name: {
                "keys": results.keys_loaded,
                "sets_per_s": load.rates,
                "private_mb": load.private_mb,
                "resident_mb": load.resident_mb,
            }
            for name, load in results.loads.items()
        },
    }
