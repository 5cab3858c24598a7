"""What `mini bench kafka` prints: medians side by side, ratios, and what was aimed at.

The aims (a ratio is ours over the other's, in the same rounds):

    one broker       1.5 of Kafka's rate, 0.5 of its CPU per MB, 0.5 of the floor's rate; consuming 0.9 of Kafka's rate
                     one in flight p50 0.2 ms, p99 0.5 ms; in the crowd p99 10 ms; start 500 ms; idle 60 MB
    three brokers    1.3 of Kafka's rate, one in flight p50 0.55 ms; start 2 s; 60 MB each
"""

import os
import platform
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from lab.benchmarks.kafka import ROWS, Figures, Results, Row, brokers_text
from lab.benchmarks.kafka_servers import FLOOR, OURS, REAL

Columns = Callable[[dict[str, Figures] | None], str]  # the cells of a row; without figures, their headings


@dataclass(frozen=True)
class Aim:
    """One thing to reach: `figure` of ours, over that of `against` when there is one, at least or at most `bound`."""

    figure: str  # a list of Figures
    bound: float
    at_least: bool = False
    against: str = ""

    def verdict(self, measured: dict[str, Figures]) -> tuple[str, bool] | None:
        """What stands in the table and whether it is reached; None when something was not measured."""
        ours = value(measured, OURS.name, self.figure)
        if ours is None:
            return None
        reached = ours
        if self.against:
            other = value(measured, self.against, self.figure)
            if not other:
                return None
            reached = ours / other
        good = reached >= self.bound if self.at_least else reached <= self.bound
        return f"{NAMES[self.figure]} {self._bound()} {'ok' if good else 'SHORT' if self.at_least else 'OVER'}", good

    def _bound(self) -> str:
        sign = ">=" if self.at_least else "<="
        return f"{sign}{self.bound:g}{f' of {self.against}' if self.against else f' {UNITS[self.figure]}'}"


NAMES = {"rates": "rate", "cpu_ms": "CPU", "p50_ms": "p50", "p99_ms": "p99", "start_ms": "start", "memory_mb": "memory"}
UNITS = {"p50_ms": "ms", "p99_ms": "ms", "start_ms": "ms", "memory_mb": "MB"}


def aims(row: Row) -> tuple[Aim, ...]:
    """What is to be reached in a row."""
    one = row.brokers == 1
    if row.kind == "produce" and one:
        return (
            Aim("rates", 1.5, True, REAL.name),
            Aim("cpu_ms", 0.5, False, REAL.name),
            Aim("rates", 0.5, True, FLOOR.name),
        )
    return {
        "produce": (Aim("rates", 1.3, True, REAL.name),),
        "consume": (Aim("rates", 0.9, True, REAL.name),),
        "latency": (Aim("p50_ms", 0.2), Aim("p99_ms", 0.5)) if one else (Aim("p50_ms", 0.55),),
        "crowd": (Aim("p99_ms", 10),),
        "start": (Aim("start_ms", 500 if one else 2000), Aim("memory_mb", 60)),
    }[row.kind]


def lines(results: Results) -> list[str]:
    """The whole report."""
    out = [
        f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}; "
        f"medians of {results.rounds} rounds of {results.seconds:g} s a row, after one that is not counted"
    ]
    out += [f"{name} did not take part: {reason}" for name, reason in results.absent.items()]
    out += [f"FAULT: {fault}" for fault in results.faults]
    for brokers in (1, 3):
        here = [row for row in ROWS if row.brokers == brokers]
        out += table(results, f"{brokers_text(brokers)}, acks=all", here, ("produce", "consume"), throughput)
        out += table(results, f"{brokers_text(brokers)}, milliseconds", here, ("latency", "crowd"), latency)
        out += table(results, f"{brokers_text(brokers)}, from nothing", here, ("start",), start)
    return out


def table(results: Results, title: str, rows: Sequence[Row], kinds: Sequence[str], columns: Columns) -> list[str]:
    """Those of the rows which were measured, under one heading; nothing when there are none."""
    names = [contestant.name for contestant in (REAL, OURS, FLOOR)]
    out = []
    for row in rows:
        measured = {name: found for name in names if (found := results.figures.get((row.key, name)))}
        if row.kind in kinds and measured:
            out.append(f"  {row.text:31}" + columns(measured) + "   " + verdicts(row, measured))
    return ["", f"{title:33}" + columns(None), *out] if out else []


def throughput(measured: dict[str, Figures] | None) -> str:
    """Thousand messages a second, CPU of the brokers in ms a MB, ratios of the rates."""
    names = (REAL.name, OURS.name, FLOOR.name)
    if measured is None:
        rates = "".join(f"{f'{name} k/s':>11}" for name in names)
        return rates + f"{'/kafka':>8}{'/floor':>8}" + "".join(f"{f'{name} ms/MB':>13}" for name in names)
    rates = "".join(cell(value(measured, name, "rates"), 11, 0.001) for name in names)
    ratios = cell(ratio(measured, REAL.name), 8) + cell(ratio(measured, FLOOR.name), 8)
    return rates + ratios + "".join(cell(value(measured, name, "cpu_ms"), 13) for name in names)


def latency(measured: dict[str, Figures] | None) -> str:
    return pairs(measured, ("p50_ms", "p50"), ("p99_ms", "p99"))


def start(measured: dict[str, Figures] | None) -> str:
    return pairs(measured, ("start_ms", "ms"), ("memory_mb", "MB"))


def pairs(measured: dict[str, Figures] | None, *figures: tuple[str, str]) -> str:
    names = (REAL.name, OURS.name, FLOOR.name)
    if measured is None:
        return "".join(f"{f'{name} {label}':>12}" for name in names for _, label in figures)
    return "".join(cell(value(measured, name, figure), 12) for name in names for figure, _ in figures)


def verdicts(row: Row, measured: dict[str, Figures]) -> str:
    found = [verdict[0] for aim in aims(row) if (verdict := aim.verdict(measured))]
    return ", ".join(found)


def value(measured: dict[str, Figures], name: str, figure: str) -> float | None:
    return measured[name].median(figure) if name in measured else None


def ratio(measured: dict[str, Figures], other: str) -> float | None:
    ours, theirs = value(measured, OURS.name, "rates"), value(measured, other, "rates")
    return ours / theirs if ours is not None and theirs else None


def cell(number: float | None, width: int, scale: float = 1.0) -> str:
    """Three significant digits, so that 0.117 ms and 372 MB stand in one column."""
    if number is None:
        return f"{'-':>{width}}"
    number *= scale
    digits = 0 if number >= 100 else 1 if number >= 10 else 2 if number >= 1 else 3
    return f"{number:{width}.{digits}f}"


def as_json(results: Results) -> dict[str, Any]:
    """Everything measured, each round, for keeping."""
    return {
        "python": platform.python_version(),
        "machine": platform.machine(),
        "cores": os.cpu_count(),
        "rounds": results.rounds,
        "seconds": results.seconds,
        "absent": results.absent,
        "faults": results.faults,
        **{
            part: [{"row": row, "server": name, **asdict(figures)} for (row, name), figures in kept.items()]
            for part, kept in (("rows", results.figures), ("warm_up", results.warm_up))
        },
    }
