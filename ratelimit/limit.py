"""How much: so many hits in such a time, by this algorithm.

    Limit.parse("3 per minute")                        GCRA, a burst of 3
    Limit.parse("100 per 15 minutes burst 20")         20 at once, then one every 9 seconds
    Limit(5000, DAY_MS, algorithm="fixed_window")

The letters of the field: R is `rate`, P is `per_ms`, B is `burst`, T = P/R is the time from one hit to the next.

Nothing here is a fraction.  Time is whole milliseconds, and whatever lies between two milliseconds or two tokens is kept
as a remainder: in units of 1/R ms, or 1/P of a token.  Python's integers never round, but the same decision is also
taken in Redis by Lua, whose numbers are doubles, exact up to 2^53.  So a limit whose products would pass that is refused
here, when the configuration is read, and not decided differently on two machines.
"""

import re
from dataclasses import dataclass, fields

SECOND_MS = 1000
MINUTE_MS = 60 * SECOND_MS
HOUR_MS = 60 * MINUTE_MS
DAY_MS = 24 * HOUR_MS

UNITS = {
    "ms": 1, "millisecond": 1, "s": SECOND_MS, "sec": SECOND_MS, "second": SECOND_MS, "m": MINUTE_MS, "min": MINUTE_MS,
    "minute": MINUTE_MS, "h": HOUR_MS, "hour": HOUR_MS, "d": DAY_MS, "day": DAY_MS, "week": 7 * DAY_MS,
}  # fmt: skip
"""What may stand after `per`, with or without a plural s."""

VARIANTS: dict[str, tuple[str, ...]] = {
    "gcra": ("burst", "start_full"),
    "token_bucket": ("burst", "start_full"),
    "leaking_bucket": ("burst", "start_full", "queue"),
    "fixed_window": ("aligned",),
    "sliding_window_log": ("log_denied",),
    "sliding_window_counter": ("aligned", "rounding"),
}
"""Which options each algorithm has; giving one to another is an error."""

REMEMBERED_MS = DAY_MS
"""For so long after it is full a bucket that started empty is kept: forgotten, it would be empty again, and whoever comes
more slowly than it fills would be denied each time."""

EXACT = 2**53
"""Doubles hold every integer up to here."""

TEXT = re.compile(
    r"\s*(?P<rate>\d+)\s*(?:/|per)\s*(?P<count>\d+)?\s*(?P<unit>[a-z]+)(?:\s+burst\s+(?P<burst>\d+))?\s*",
    re.IGNORECASE,
)


def in_ms(unit: str) -> int | None:
    """A unit's milliseconds, singular or plural; None for an unknown one."""
    return UNITS.get(unit) or UNITS.get(unit.removesuffix("s"))


class LimitError(ValueError):
    """A limit that cannot be kept as it is written."""


@dataclass(frozen=True, slots=True)
class Limit:
    """R hits per P milliseconds.  Raises LimitError on what cannot be."""

    rate: int
    """R, hits per period.  0 is allowed and lets nothing pass."""
    per_ms: int
    """P, the period, in milliseconds."""
    burst: int | None = None
    """B, how many may come at once (buckets and GCRA); None is R."""
    algorithm: str = "gcra"
    aligned: bool = True
    """Windows begin at multiples of P since 1970; otherwise the first hit opens one."""
    log_denied: bool = False
    """The log also holds what was denied: who keeps hammering stays out."""
    rounding: str = "ceil"
    """What the sliding counter does with the fraction of a hit in the window before: `ceil` or `floor`."""
    queue: bool = False
    """Admitted hits of a leaking bucket wait for their turn (`Decision.delay_ms`)."""
    start_full: bool = True
    """A key never seen may spend its whole burst; otherwise it begins with nothing, and again after a day's pause."""

    def __post_init__(self) -> None:
        if self.algorithm not in VARIANTS:
            raise LimitError(f"unknown algorithm {self.algorithm!r}: one of {', '.join(VARIANTS)}")
        if self.rate < 0 or self.per_ms < 1:
            raise LimitError(f"{self.rate} per {self.per_ms} ms: a rate is 0 or more, a period 1 ms or more")
        if self.burst is not None and self.burst < 1:
            raise LimitError(f"a burst of {self.burst}: 1 or more")
        if self.rounding not in ("ceil", "floor"):
            raise LimitError(f"rounding {self.rounding!r}: ceil or floor")
        for field in fields(self)[4:]:
            self._only_where_it_means_something(field.name, field.default)
        self._only_where_it_means_something("burst", None)
        if 2 * (self.capacity + 1) * self.per_ms + self.rate >= EXACT:
            raise LimitError(f"{self.capacity} times {self.per_ms} ms is more than a double can count exactly")

    def __hash__(self) -> int:
        """Stores look a limit up at every hit: what seldom differs is left to the comparison."""
        return hash((self.rate, self.per_ms, self.algorithm))

    def _only_where_it_means_something(self, option: str, default: object) -> None:
        if getattr(self, option) != default and option not in VARIANTS[self.algorithm]:
            raise LimitError(f"{self.algorithm} has no {option}")

    @property
    def capacity(self) -> int:
        """The largest cost that can ever pass: B of a bucket, R of a window."""
        return self.rate if self.burst is None or not self.rate else self.burst

    @property
    def fingerprint(self) -> str:
        """A short text that differs when decisions would: part of every stored key.

        A rule changed while it runs so begins with fresh keys, and the old ones expire: nothing written under one limit
        is read under another.  The price: just after the change, everybody has the whole of the new limit.
        """
        options = [
            f",{field.name}={getattr(self, field.name)}"
            for field in fields(self)[4:]
            if getattr(self, field.name) != field.default
        ]
        return f"{self.algorithm}:{self.rate}/{self.per_ms}:{self.capacity}{''.join(options)}"

    @classmethod
    def parse(cls, text: str, **options: object) -> "Limit":
        """`3 per minute`, `10/s`, `100 per 15 minutes burst 20`; options are this class's fields."""
        match = TEXT.fullmatch(text)
        if match is None or (unit_ms := in_ms(match["unit"].lower())) is None:
            raise LimitError(f"{text!r} is not a limit: write `3 per minute`, `10/s`, `100 per 15 minutes burst 20`")
        if match["burst"] is not None:
            if options.get("burst") is not None:
                raise LimitError(f"{text!r} has a burst, and `burst` is given as well")
            options["burst"] = int(match["burst"])
        return cls(int(match["rate"]), int(match["count"] or 1) * unit_ms, **options)  # type: ignore[arg-type]

    def __str__(self) -> str:
        name, unit_ms = next(
            (name, size)
            for name, size in (
                ("day", DAY_MS),
                ("hour", HOUR_MS),
                ("minute", MINUTE_MS),
                ("second", SECOND_MS),
                ("ms", 1),
            )
            if self.per_ms % size == 0
        )
        count = self.per_ms // unit_ms
        per = name if count == 1 else f"{count} {name}" + ("" if name == "ms" else "s")
        return f"{self.rate} per {per}" + (f" burst {self.burst}" if self.burst is not None else "")
