"""LATENCY: what made clients wait.  What is kept stands in `miniredis/latency.py` and, per command, `stats.py`.

Source: Redis 7.2 `latency.c`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from miniredis.command import ADMIN, COMMANDS, LOADING, NOSCRIPT, STALE, Command, command
from miniredis.command_help import add_help
from miniredis.errors import RedisError
from miniredis.wire.replies import Verbatim

if TYPE_CHECKING:
    from miniredis.session import Session
    from miniredis.stats import CommandStats

ADMINISTRATION = ADMIN | NOSCRIPT | LOADING | STALE


@command("LATENCY LATEST", ADMINISTRATION, since="2.8.13", group="server")
def latency_latest(session: Session) -> list[Any]:
    """The newest sample of each event: name, second, milliseconds, and the worst there ever was.  O(1)."""
    events = session.engine.latency.events
    return [[name, *series.samples[-1], series.worst_ms] for name, series in events.items()]


@command("LATENCY HISTORY event", ADMINISTRATION, since="2.8.13", group="server")
def latency_history(session: Session, event: bytes) -> list[Any]:
    """The samples of one event, oldest first: second and milliseconds.  O(1)."""
    series = session.engine.latency.events.get(event.decode("latin-1"))
    return [] if series is None else [list(sample) for sample in series.samples]


@command("LATENCY RESET [event [event ...]]", ADMINISTRATION, since="2.8.13", group="server")
def latency_reset(session: Session, *events: bytes) -> int:
    """Forget the samples of these events, or of all; how many events were known.  O(1)."""
    return session.engine.latency.reset([event.decode("latin-1") for event in events])


@command("LATENCY GRAPH event", ADMINISTRATION, since="2.8.13", group="server")
def latency_graph(session: Session, event: bytes) -> Verbatim:
    """A picture of the samples of one event.  O(1)."""
    name = event.decode("latin-1")
    if name not in session.engine.latency.events:
        raise RedisError(f"ERR No samples available for event '{name}'")
    return Verbatim(session.engine.latency.graph(name))


@command("LATENCY DOCTOR", ADMINISTRATION, since="2.8.13", group="server")
def latency_doctor(session: Session) -> Verbatim:
    """What the samples say, in words.  O(1)."""
    engine = session.engine
    if not engine.settings.latency_monitor_threshold:
        return Verbatim(
            "The latency monitor is off, so there is nothing to judge. Switch it on with "
            "CONFIG SET latency-monitor-threshold <milliseconds>.\n"
        )
    if not engine.latency.events:
        return Verbatim("No latency event was seen while the monitor has been on.\n")
    lines = []
    for number, (name, series) in enumerate(sorted(engine.latency.events.items()), start=1):
        values = [ms for _, ms in series.samples]
        mean = sum(values) / len(values)
        spread = sum(abs(value - mean) for value in values) / len(values)
        lines.append(
            f"{number}. {name}: {len(values)} spikes (average {mean:.0f} ms, mean deviation {spread:.0f} ms, "
            f"worst of all times {series.worst_ms} ms). {ADVICE.get(name.partition('-')[0], '')}".rstrip()
        )
    return Verbatim("\n".join(lines) + "\n")


ADVICE = {
    "command": "SLOWLOG GET tells which commands; those that are not O(1) are best sent in smaller portions.",
    "fast": "Even quick commands waited: the machine is busy, or it swaps.",
    "fork": "A fork copies page tables: its time grows with the memory in use.",
    "aof": "The disk is slow for this append-only file; `appendfsync everysec` or `no` asks less of it.",
    "expire": "Many keys expire in the same moment; a little chance in their times to live spreads them.",
    "eviction": "Memory is full, and every write has to make room first.",
}


@command("LATENCY HISTOGRAM [command [command ...]]", ADMINISTRATION, since="7.0.0", group="server")
def latency_histogram(session: Session, *names: bytes) -> dict[bytes, Any]:
    """For commands that were called: how many calls took at most 1, 2, 4, 8... microseconds.  O(N) in the commands."""
    engine = session.engine
    if not engine.settings.latency_tracking:
        return {}
    rows: list[Command] = []
    for row in _named(names) if names else dict.fromkeys(COMMANDS.values()):
        rows += [row, *dict.fromkeys(row.subcommands.values())] if row.subcommands else [row]
    counted = {row.name: engine.stats.commands.get(row.name) for row in rows}
    return {
        name.encode(): {b"calls": counters.calls, b"histogram_usec": cumulative(counters)}
        for name, counters in counted.items()
        if counters
    }


def _named(names: tuple[bytes, ...]) -> list[Command]:
    found = []
    for name in names:
        first, _, second = name.upper().partition(b"|")
        row = COMMANDS.get(first)
        if row is not None and second:
            row = row.subcommands.get(second)
        if row is not None:
            found.append(row)
    return found


def cumulative(counters: CommandStats) -> dict[int, int]:
    """Calls that took up to each power of two, where there are any more than up to the one before."""
    buckets: dict[int, int] = {}
    total, limit = 0, 1
    for duration in sorted(counters):
        while limit < duration:
            limit *= 2
        total += counters[duration]
        buckets[limit] = total
    return buckets


add_help("LATENCY", since="2.8.13")
