"""What `mini bench ratelimit` prints: decisions a second side by side, and what was aimed at.

one key      at least 2 of the fastest of the others that have the algorithm
many keys    at least 2.5 of it; at most 210 bytes a key (GCRA, fixed window), 260 (the others but the log)
over Redis   one at a time at least 1 of the fastest of the others; 64 callers, and batches of 64, at least 6
middleware   at most 15 µs a request
"""

import os
import platform
from typing import Any

from lab.benchmarks.ratelimit import Results

ALGORITHMS = (
    "gcra",
    "token_bucket",
    "leaking_bucket",
    "fixed_window",
    "sliding_window_log",
    "sliding_window_counter",
)
OTHERS = ("limits", "throttled-py", "pyrate-limiter")
BYTES_MAX = {"gcra": 210, "fixed_window": 210, "sliding_window_log": None}
BYTES_MAX_ELSE = 260
MIDDLEWARE_MAX_US = 15.0


def lines(results: Results) -> list[str]:
    """The whole report."""
    versions = ", ".join(f"{name} {version}" for name, version in results.versions.items())
    out = [
        f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}",
        versions,
    ]
    out += [f"{name} did not take part: {reason}" for name, reason in results.absent.items()]
    for section, aim in (("one key", 2.0), ("many keys", 2.5)):
        out += in_process(results, section, aim)
    for server in ("redis-server", "miniredis"):
        out += over_redis(results, server)
    return out + attack(results) + middleware(results)


def word(reached: bool) -> str:
    return "ok" if reached else "SHORT"


def in_process(results: Results, section: str, aim: float) -> list[str]:
    if not any(key[0] == section for key in results.rates):
        return []
    many = section == "many keys"
    heads = [
        *(f"{name:>15}" for name in ("mini", *OTHERS)),
        f"{'of fastest':>12}",
        "  aim        ",
        "  bytes a key" * many,
    ]
    out = ["", f"{section}: thousand decisions a second, median of {results.size.rounds}", f"{'':24}" + "".join(heads)]
    for algorithm in ALGORITHMS:
        mine = results.rate(section, "mini", algorithm)
        theirs = [results.rate(section, name, algorithm) for name in OTHERS]
        if mine is None:
            continue
        fastest = max((rate for rate in theirs if rate), default=None)
        row = f"{algorithm:24}" + "".join(f"{rate / 1000:15.0f}" if rate else f"{'-':>15}" for rate in (mine, *theirs))
        if fastest:
            row += f"{mine / fastest:12.2f}  {aim:g} {word(mine >= aim * fastest):6}"
        else:
            row += " " * 21
        out.append(row.ljust(106) + (bytes_words(results, algorithm) if many else ""))
    return [line.rstrip() for line in out]


def bytes_words(results: Results, algorithm: str) -> str:
    found = {
        name: min(results.bytes_a_key[name, algorithm])
        for name in ("mini", *OTHERS)
        if (name, algorithm) in results.bytes_a_key
    }
    most = BYTES_MAX.get(algorithm, BYTES_MAX_ELSE)
    aim = f" (at most {most}: {word(found['mini'] <= most)})" if most else ""
    return ", ".join(f"{name} {count:.0f}" for name, count in found.items()) + aim


def over_redis(results: Results, server: str) -> list[str]:
    """One at a time, 64 callers at once, batches of 64."""
    columns = {f"{server}, one at a time": 1, f"{server}, 64 callers": 6, f"{server}, batches of 64": 6}
    rows = dict.fromkeys(key[1:] for key in results.rates if key[0] in columns)
    if not rows:
        return []
    alone = next(iter(columns))
    others = [rate for name, algorithm in rows if name in OTHERS and (rate := results.rate(alone, name, algorithm))]
    fastest = max(others, default=0.0)
    out = ["", f"{server}: decisions a second; ratios to the fastest of the others one at a time ({fastest:.0f})"]
    out.append(" " * 40 + "".join(f"{column.partition(', ')[2]:>15}{'':18}" for column in columns))
    for name, algorithm in rows:
        row = f"{name:16}{algorithm:24}"
        for section, aim in columns.items():
            rate = results.rate(section, name, algorithm)
            row += f"{rate:15.0f}" if rate else f"{'-':>15}"
            if rate and fastest and name == "mini":
                row += f"{rate / fastest:8.2f}  {aim} {word(rate >= aim * fastest):6} "
            else:
                row += " " * 18
        out.append(row.rstrip())
    return out


def attack(results: Results) -> list[str]:
    found = results.attack
    if not found:
        return []
    return [
        "",
        f"attack: {found['keys']:.0f} distinct keys on a table of 100,000: {found['rate'] / 1000:.0f} thousand a second, "
        f"memory grown by {found['grown_bytes'] / 1e6:.1f} MB, slowest decision of a thousandth of them "
        f"{found['slowest_us']:.0f} µs, {found['debtors_still_denied']:.0f} of {found['debtors']:.0f} debtors still denied",
    ]


def middleware(results: Results) -> list[str]:
    bare, limited = results.rate("middleware", "bare", ""), results.rate("middleware", "mini", "gcra")
    if not bare or not limited:
        return []
    added = 1e6 / limited - 1e6 / bare
    return [
        "",
        f"ASGI middleware: {added:.1f} µs a request more than the bare application's {1e6 / bare:.1f} "
        f"(at most {MIDDLEWARE_MAX_US:g}: {word(added <= MIDDLEWARE_MAX_US)})",
    ]


def as_json(results: Results) -> dict[str, Any]:
    """Every figure of every round."""
    return {
        "versions": results.versions,
        "rates": {" / ".join(key): rates for key, rates in results.rates.items()},
        "bytes_a_key": {" / ".join(key): counts for key, counts in results.bytes_a_key.items()},
        "attack": results.attack,
        "absent": results.absent,
    }
