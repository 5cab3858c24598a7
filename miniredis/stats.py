"""What a server counts: the figures behind INFO, and the ones CONFIG RESETSTAT sets back."""

from bisect import bisect_left
from collections import defaultdict, deque
from collections.abc import Iterable
from dataclasses import dataclass, field, fields
from itertools import accumulate

EXACT_US = 1000
"""Durations below this are counted one by one."""


class CommandStats(defaultdict[int, int]):
    """How often one command took how many microseconds: duration -> calls.

    One dictionary entry per duration is one addition per call, less than the two for a count and a sum would cost, and
    holds the whole distribution: calls, total, percentiles are read off it.  Redis keeps an HDR histogram beside the
    two sums for the same answers.  What took a millisecond or more is counted under its first binary digits (`rough`),
    so there are a few thousand entries at most.
    """

    __slots__ = ("failed", "rejected")

    def __init__(self) -> None:
        super().__init__(int)
        self.rejected = 0  # refused before it ran: arity, permission, memory
        self.failed = 0  # answered with an error

    @property
    def calls(self) -> int:
        return sum(self.values())

    @property
    def microseconds(self) -> int:
        return sum(duration * calls for duration, calls in self.items())

    def percentiles(self, wanted: Iterable[float]) -> list[int]:
        """The duration that so many percent of the calls did not exceed, for each of `wanted`."""
        durations = sorted(self)
        ranks = list(accumulate(self[duration] for duration in durations))
        return [durations[bisect_left(ranks, max(1, round(share / 100 * ranks[-1])))] for share in wanted]


def rough(duration_us: int) -> int:
    """`duration_us` cut to three binary digits more than its magnitude in the thousands, exact below a millisecond.

    >>> rough(999), rough(1234), rough(1_000_001)
    (999, 1232, 999424)
    """
    cut = max(0, duration_us.bit_length() - 8) if duration_us >= EXACT_US else 0
    return duration_us >> cut << cut


class CommandCounters(dict[str, CommandStats]):
    """By the command's name, made when first asked for."""

    def __missing__(self, name: str) -> CommandStats:
        counters = self[name] = CommandStats()
        return counters


@dataclass(slots=True)
class Stats:
    """Counters since the start, or since CONFIG RESETSTAT."""

    commands: CommandCounters = field(default_factory=CommandCounters)
    errors: dict[str, int] = field(default_factory=dict)  # by code: ERR, WRONGTYPE, ...
    error_replies: int = 0
    connections_received: int = 0
    connections_rejected: int = 0
    input_bytes: int = 0
    output_bytes: int = 0
    evicted_keys: int = 0
    evicted_clients: int = 0
    expired_stale_percent: float = 0.0
    expired_time_cap_reached: int = 0
    query_buffer_limit_disconnections: int = 0
    output_buffer_limit_disconnections: int = 0
    total_reads: int = 0
    total_writes: int = 0
    unexpected_errors: int = 0
    failed_logins: int = 0

    @property
    def calls(self) -> int:
        """Of all commands together."""
        return sum(counters.calls for counters in self.commands.values())

    @property
    def microseconds(self) -> int:
        return sum(counters.microseconds for counters in self.commands.values())

    def count_error(self, code: str) -> None:
        self.error_replies += 1
        self.errors[code] = self.errors.get(code, 0) + 1

    def reset(self) -> None:
        """Everything back to nothing."""
        nothing = Stats()
        for one in fields(self):
            setattr(self, one.name, getattr(nothing, one.name))


class Rates:
    """What happens per second of late: calls, bytes in and out, as the mean of sixteen samples a tenth of a second
    apart."""

    SAMPLES = 16

    def __init__(self) -> None:
        self.samples: deque[tuple[int, int, int, int]] = deque(maxlen=self.SAMPLES + 1)

    def sample(self, now_ms: int, stats: Stats) -> None:
        """Called ten times a second."""
        self.samples.append((now_ms, stats.calls, stats.input_bytes, stats.output_bytes))

    def _per_second(self, which: int) -> float:
        if len(self.samples) < 2:
            return 0.0
        first, last = self.samples[0], self.samples[-1]
        return max(0, last[which] - first[which]) * 1000 / max(1, last[0] - first[0])

    @property
    def commands(self) -> float:
        return self._per_second(1)

    @property
    def input_bytes(self) -> float:
        return self._per_second(2)

    @property
    def output_bytes(self) -> float:
        return self._per_second(3)
