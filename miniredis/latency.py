"""The latency monitor: what made clients wait, when, and for how long.

A slow log tells which command was slow; often no command was, but a fork, an fsync or an expiry cycle that stood in
their way.  So every such place reports under the name of an event what it took, and what passes
`latency-monitor-threshold` is kept: a ring of 160 samples per event, the worst of each second.

    command, fast-command       a command, by what it promises to be
    fork                        the beginning of a snapshot
    aof-write                   one turn's changes on their way into the log
    expire-cycle                the search for keys whose time has come
    eviction-cycle              making room

Redis has a few more, for what it does in threads and when it moves memory about.

Source: Redis 7.2 `latency.c`, `sparkline.c`; documentation, "Redis latency monitoring".
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from miniredis.engine import Engine

HISTORY = 160  # samples kept of each event
GRAPH_ROWS = 4
GRAPH_WIDTH = 80


@dataclass(slots=True)
class Series:
    """One event: its newest samples, (second since 1970, ms), oldest first, and the worst of all times."""

    samples: deque[tuple[int, int]] = field(default_factory=lambda: deque(maxlen=HISTORY))
    worst_ms: int = 0

    def add(self, second: int, ms: int) -> None:
        self.worst_ms = max(self.worst_ms, ms)
        if self.samples and self.samples[-1][0] == second:
            self.samples[-1] = second, max(self.samples[-1][1], ms)
        else:
            self.samples.append((second, ms))


class LatencyMonitor:
    """Event -> samples."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.events: dict[str, Series] = {}

    def note(self, event: str, ms: int) -> None:
        """`event` took `ms`: kept when `latency-monitor-threshold` is set and not above that."""
        threshold = self.engine.settings.latency_monitor_threshold
        if 0 < threshold <= ms:
            self.events.setdefault(event, Series()).add(self.engine.clock.now_ms() // 1000, ms)

    @contextmanager
    def timed(self, event: str) -> Iterator[None]:
        """What is done inside is `event`."""
        if not self.engine.settings.latency_monitor_threshold:
            yield
            return
        started = self.engine.clock.monotonic_us()
        yield
        self.note(event, (self.engine.clock.monotonic_us() - started) // 1000)

    def reset(self, events: Sequence[str]) -> int:
        """Forget `events`, or all when none is named; returns how many there were."""
        return sum(self.events.pop(event, None) is not None for event in events or list(self.events))

    def graph(self, event: str) -> str:
        """A picture of one event: a column per sample, and under it how long ago that was."""
        series = self.events[event]
        now = self.engine.clock.now_ms() // 1000
        values = [ms for _, ms in series.samples]
        labels = [ago(now - second) for second, _ in series.samples]
        head = f"{event} - high {max(values)} ms, low {min(values)} ms (all time high {series.worst_ms} ms)\n"
        lines = [head + "-" * GRAPH_WIDTH + "\n"]
        for start in range(0, len(values), GRAPH_WIDTH):
            lines.append(sparkline(values, labels, start, min(start + GRAPH_WIDTH, len(values))))
        return "".join(lines)


def ago(seconds: int) -> str:
    """`seconds` as a label: 7s, 12m, 3h, 2d."""
    for unit, length in (("d", 86400), ("h", 3600), ("m", 60)):
        if seconds >= length:
            return f"{seconds // length}{unit}"
    return f"{seconds}s"


def sparkline(values: Sequence[int], labels: Sequence[str], start: int, end: int) -> str:
    """The values from `start` to `end` as columns of `_`, `o`, `#` and `|`, scaled to all of `values`; labels stand
    upright below, after an empty line."""
    low, spread = min(values), (max(values) - min(values)) or 1
    steps = 3 * GRAPH_ROWS
    heights = [min((value - low) * steps // spread, steps - 1) for value in values[start:end]]
    rows = []
    for row in reversed(range(GRAPH_ROWS)):
        levels = (height - 3 * row for height in heights)
        rows.append("".join(" " if level < 0 else "_o#|"[min(level, 3)] for level in levels))
    shown = labels[start:end]
    rows.append(" " * len(shown))
    for depth in range(max(map(len, shown))):
        rows.append("".join(label[depth] if depth < len(label) else " " for label in shown))
    return "".join(row + "\n" for row in rows)
