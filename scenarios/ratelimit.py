"""Eight limiters, one store, and callers who want more than they may have: how many were let through?

    Arena ──┬─ callers    ask any limiter about a few shared keys, faster than the limits allow
            ├─ nemesis    kills, pauses and cuts off limiters, and the store they share; cuts the store's power
            └─ checker    has what every caller was told, and when it asked

A caller knows an interval in which its hit was admitted: from its question to the answer.  If both ends of several such
intervals lie within t seconds, then so many hits were admitted within t seconds, whatever the network did.  Of no key
may that ever be more than the algorithm's bound for t:

    token_bucket, leaking_bucket, gcra     B + R·t/P
    sliding_window_log                     R for every P begun
    fixed_window                           R for each window that t seconds can touch
    sliding_window_counter                 the same, and 2R - 1 within one P

What the store may forget is said by its configuration: nothing that it confirmed under `appendfsync always`; under
`everysec` what it confirmed in the two seconds before a power failure, which then may be admitted once more.

And without a store: an open rule lets through, a closed one does not, a local one keeps each limiter's share; all within
the timeout.  When the faults are over, and the limits had time to refill, every key can be spent in full again: nobody
is locked out by what a crash left behind.

To `hit KEY COUNT` a limiter answers so many lines, one for each of as many hits at once, which may share their way to the
store: `ALLOWED BY LIFE SECONDS`: 1 or 0; store, blind or local; how often the limiter has been started; how long it took
to decide.
"""

import asyncio
from bisect import insort
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from math import floor
from random import Random
from typing import NamedTuple, Protocol

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]
LOST = (OSError, EOFError, TimeoutError, asyncio.TimeoutError)
LIMITER_FAULTS = ("kill", "pause", "cut")
STORE_FAULTS = ("kill store", "pause store", "power failure")
FORGETS_S = {"always": 0.0, "everysec": 2.0}
"""Seconds of confirmed hits that a power failure may take."""
REST_S = 60.0
CLOCK_S = 0.001
"""The store's clock counts whole milliseconds."""
CROWD = 6
"""Hits of a caller who does not ask one after the other."""
BUCKETS = ("token_bucket", "leaking_bucket", "gcra")


class Limit(NamedTuple):
    """R hits per P seconds, B of them at once."""

    algorithm: str
    rate: int
    per_s: float
    burst: int

    def bound(self, seconds: float) -> int:
        """The most that may be admitted within so long a time, wherever it begins."""
        periods = floor(seconds / self.per_s)
        if self.algorithm in BUCKETS:
            return self.burst + floor(self.rate * seconds / self.per_s)
        if self.algorithm == "sliding_window_log":
            return self.rate * (periods + 1)
        if self.algorithm == "sliding_window_counter" and not periods:
            return 2 * self.rate - 1
        return self.rate * (periods + 2)

    def share(self, nodes: int) -> "Limit":
        """What one limiter of `nodes` admits by itself."""
        return self._replace(rate=max(1, self.rate // nodes), burst=max(1, self.burst // nodes))


class Hit(NamedTuple):
    """What a caller was told, and when."""

    key: str
    node: int
    life: int
    asked: float
    answered: float
    allowed: bool
    by: str
    took_s: float


class Stage(Protocol):
    """What the nemesis can do.  None is the store.

    connect          to a limiter, as a caller
    start, kill      a limiter, or the store
    pause, resume    it stands still, its connections open
    cut, heal        a limiter neither hears nor reaches the store
    power_failure    the store's machine is dark until it is started
    """

    async def connect(self, limiter: int) -> Streams: ...
    async def start(self, limiter: int | None) -> None: ...
    async def kill(self, limiter: int | None) -> None: ...
    async def pause(self, limiter: int | None) -> None: ...
    async def resume(self, limiter: int | None) -> None: ...
    async def cut(self, limiter: int) -> None: ...
    async def heal(self) -> None: ...
    async def power_failure(self) -> None: ...


@dataclass(frozen=True)
class Plan:
    """How hard to push.  Times in seconds, ranges are drawn from evenly.

    limits       of every key, all or none, as the limiters were started with
    appendfsync  likewise the store
    on_failure   what a limiter does without a store: open, closed or local; it waits `timeout_s` for it
    clock_rate   how fast any clock may run, the store's or a limiter's
    """

    limits: tuple[Limit, ...]
    appendfsync: str = "always"
    on_failure: str = "closed"
    timeout_s: float = 0.05
    clock_rate: float = 1.0
    limiters: int = 8
    callers: int = 10
    keys: int = 2
    faults: tuple[str, ...] = LIMITER_FAULTS + STORE_FAULTS
    rounds: int = 8
    calm_s: tuple[float, float] = (0.1, 1.5)
    fault_s: tuple[float, float] = (0.05, 2.0)
    think_s: float = 0.05
    patience_s: float = 3.0  # of a caller

    @property
    def full_again_s(self) -> float:
        """Until every limit has refilled, wherever it stood."""
        return max(2 * limit.per_s + limit.burst * limit.per_s / limit.rate for limit in self.limits)


@dataclass
class Report:
    """What happened, in numbers; `violations` is empty when the promises were kept."""

    hits: Counter[str] = field(default_factory=Counter)  # by who decided, and how
    lost: int = 0
    faults: Counter[str] = field(default_factory=Counter)
    violations: list[str] = field(default_factory=list)

    def verify(self) -> "Report":
        """Itself.  Raises Violated when a promise was broken."""
        if self.violations:
            raise Violated("\n".join(self.violations))
        return self


class Violated(AssertionError):
    """A promise was broken; the text names each."""


class Arena:
    """One run."""

    def __init__(self, stage: Stage, plan: Plan, random: Random, note: Callable[[str], None] = lambda _: None) -> None:
        self.stage, self.plan, self.note = stage, plan, note
        self.report = Report()
        self.hits: list[Hit] = []
        self.power_failures: list[float] = []
        self.disturbed: list[tuple[int, float, float]] = []  # limiters that stood still: which, from, to
        self._random = Random(random.getrandbits(64))
        self._now = asyncio.get_running_loop().time

    async def run(self) -> Report:
        """The whole scenario, on limiters and a store that have been started."""
        callers = [
            asyncio.create_task(self._caller(Random(self._random.getrandbits(64)))) for _ in range(self.plan.callers)
        ]
        try:
            await self._nemesis(Random(self._random.getrandbits(64)))
            await asyncio.sleep(self.plan.calm_s[1])
        finally:
            for caller in callers:
                caller.cancel()
            outcomes = await asyncio.gather(*callers, return_exceptions=True)
        self.report.violations += [f"a caller failed: {each!r}" for each in outcomes if isinstance(each, Exception)]
        await self._spend_everything()
        self._check()
        return self.report

    # The nemesis

    async def _nemesis(self, random: Random) -> None:
        plan, stage = self.plan, self.stage
        for turn in range(1, plan.rounds + 1):
            await asyncio.sleep(random.uniform(*plan.calm_s))
            if not plan.faults:
                continue
            fault = random.choice(plan.faults)
            limiter = None if fault in STORE_FAULTS else random.randrange(plan.limiters)
            self.report.faults[fault] += 1
            self.note(f"round {turn}/{plan.rounds}: {fault} {'' if limiter is None else limiter}")
            since = self._now()
            if fault == "power failure":
                self.power_failures.append(since)
                await stage.power_failure()
            elif fault.startswith("kill"):
                await stage.kill(limiter)
            elif fault.startswith("pause"):
                await stage.pause(limiter)
            else:
                assert limiter is not None
                await stage.cut(limiter)
            await asyncio.sleep(random.uniform(*plan.fault_s))
            if fault.startswith("pause"):
                await stage.resume(limiter)
            elif fault == "cut":
                await stage.heal()
            else:
                await stage.start(limiter)
            if limiter is not None:
                self.disturbed.append((limiter, since, self._now()))

    # The callers

    async def _caller(self, random: Random) -> None:
        while True:
            node = random.randrange(self.plan.limiters)
            with suppress(*LOST):
                async with asyncio.timeout(self.plan.patience_s):
                    streams = await self.stage.connect(node)
                try:
                    for _ in range(random.choice((1, 5, 20))):
                        await asyncio.sleep(random.uniform(0, self.plan.think_s))
                        key, count = f"key-{random.randrange(self.plan.keys)}", random.choice((1, 1, 1, CROWD))
                        async with asyncio.timeout(self.plan.patience_s):
                            await self._hits(streams, node, key, count)
                finally:
                    await hang_up(streams)
                continue
            self.report.lost += 1
            await asyncio.sleep(random.uniform(0, self.plan.think_s))

    async def _hits(self, streams: Streams, node: int, key: str, count: int) -> Hit:
        """So many at once; the last of them.  Raises OSError, EOFError when the limiter is lost: the rest did not pass."""
        reader, writer = streams
        asked = self._now()
        writer.write(f"hit {key} {count}\n".encode())
        for _ in range(count):
            allowed, by, life, took_s = (await reader.readuntil(b"\n")).decode().split()
            hit = Hit(key, node, int(life), asked, self._now(), allowed == "1", by, float(took_s))
            self.hits.append(hit)
            self.report.hits[f"{by} {'allowed' if hit.allowed else 'denied'}"] += 1
        return hit

    async def _spend_everything(self) -> None:
        """After some rest, each key admits again as much at once as its limits do.

        In bad weather a hit may be counted and its answer come too late, so only a denial by the store says something.
        """
        plan = self.plan
        await asyncio.sleep(plan.full_again_s + REST_S)
        whole = min(limit.burst if limit.algorithm in BUCKETS else limit.rate for limit in plan.limits)
        for number in range(plan.keys):
            told: list[Hit] = []
            until = self._now() + REST_S
            streams = await self.stage.connect(number % plan.limiters)
            while len(told) < whole or not any(hit.by == "store" for hit in told):
                told.append(await self._hits(streams, number % plan.limiters, f"key-{number}", 1))
                if told[-1].by == "store" and not told[-1].allowed and len(told) <= whole:
                    self.report.violations.append(
                        f"key-{number} denies hit {len(told)} of {whole} when all is well again"
                    )
                    break
                if self._now() > until:
                    self.report.violations.append(f"{REST_S:.0f} s after the last fault nobody asks the store again")
                    break
            await hang_up(streams)

    # The checker

    def _check(self) -> None:
        plan, broken = self.plan, self.report.violations
        groups: dict[tuple[object, ...], list[Hit]] = {}
        for hit in self.hits:
            if hit.by == "blind":
                if hit.allowed != (plan.on_failure == "open"):
                    broken.append(f"{plan.on_failure}, and yet {hit}")
            elif hit.allowed:
                groups.setdefault((hit.key,) if hit.by == "store" else (hit.key, hit.node, hit.life), []).append(hit)
            if hit.took_s > plan.timeout_s + CLOCK_S and not self._stood_still(hit):
                broken.append(f"more than the timeout of {plan.timeout_s} s: {hit}")
        for who, admitted in groups.items():
            for limit in plan.limits:
                if len(who) == 1:
                    text = self._too_many(limit, admitted)
                else:
                    text = self._too_many(limit.share(plan.limiters), admitted)
                if text:
                    broken.append(f"{' '.join(map(str, who))}: {text}")

    def _stood_still(self, hit: Hit) -> bool:
        return any(
            hit.node == node and since <= hit.answered and hit.asked <= until for node, since, until in self.disturbed
        )

    def _too_many(self, limit: Limit, admitted: list[Hit]) -> str:
        """The first interval with more admissions than the limit allows, in words; "" when there is none."""
        answered: list[float] = []
        for hit in sorted(admitted, key=lambda hit: hit.asked, reverse=True):
            insort(answered, hit.answered)
            for count, until in enumerate(answered, 1):
                seconds = (until - hit.asked + CLOCK_S) * self.plan.clock_rate
                bound = limit.bound(seconds)
                if count > bound and count > bound + self._forgotten(admitted, hit.asked, until):
                    return f"{count} admitted within {seconds:.3f} s, {bound} allowed by {limit}; from {hit.asked:.3f} s on"
        return ""

    def _forgotten(self, admitted: list[Hit], since: float, until: float) -> int:
        """Admissions that the store may have confirmed and forgotten within this time."""
        forgets_s = FORGETS_S[self.plan.appendfsync]
        return sum(
            hit.asked <= failed and hit.answered >= failed - forgets_s
            for failed in self.power_failures
            if forgets_s and since <= failed <= until
            for hit in admitted
        )


async def hang_up(streams: Streams) -> None:
    streams[1].transport.abort()
    with suppress(OSError):
        await streams[1].wait_closed()


async def run(stage: Stage, plan: Plan, random: Random, note: Callable[[str], None] = lambda _: None) -> Report:
    """Run the scenario on the running loop's time.  The report says whether the promises were kept."""
    return await Arena(stage, plan, random, note).run()
