"""Requests that are sent again and again, to workers that die: how often was each executed, and what was answered?

    Arena ──┬─ shoppers   each sends one order, under one key, to several workers at once; and again, until it is
            │             answered; and sometimes once more after that
            ├─ nemesis    kills, pauses and cuts off workers, and the store they share
            └─ checker    reads the shop's ledger, which no fault touches, and what every shopper was told

What is promised depends on who may execute when a worker has not come back, and on whether the shop looks at its ledger:

    takeover   shop         deeds for a key             answers to a key
    off        any          at most one                 all the same, or "nobody knows"
    on         fenced       at most one                 all the same
    on         plain        at most one an attempt,     each is a deed's
                            fences growing

and in each case: what was replayed once is what is replayed ever after; without faults, exactly one deed; when the
faults have ended, everybody gets an answer; and what was answered was done.

The shop speaks HTTP: POST /orders with an Idempotency-Key is answered 201 and the number of the order, 5xx when nothing
was done.  Source: draft-ietf-httpapi-idempotency-key-header-07 §2.6.
"""

import asyncio
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from random import Random
from typing import NamedTuple, Protocol

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]
LOST = (OSError, EOFError, TimeoutError, asyncio.TimeoutError)
WORKER_FAULTS = ("kill", "pause", "cut")
STORE_FAULTS = ("kill store", "pause store", "power failure of the store")
HEAD = b"\r\n".join(
    [
        b"POST /orders HTTP/1.1",
        b"host: shop",
        b'idempotency-key: "%b"',
        b"authorization: %b",
        b"content-length: %d",
        b"",
        b"",
    ]
)
AGAIN_S = 0.1, 1.0  # Retry-After is whole seconds; these shoppers are less patient


class Deed(NamedTuple):
    """A line in the shop's ledger: an order was carried out."""

    key: str
    order: str
    worker: int
    fence: int
    attempt: int
    at: float


class Stage(Protocol):
    """What the nemesis can do, and what the checker may see.

    ledger           every deed, in order
    connect          to a worker, as a client
    start, kill      a worker, or the store: None
    power_failure    the same, and what was not fsynced is gone
    pause, resume    it stands still, its connections open
    cut, heal        a worker neither hears nor reaches the store
    """

    @property
    def ledger(self) -> list[Deed]: ...
    async def connect(self, worker: int) -> Streams: ...
    async def start(self, worker: int | None) -> None: ...
    async def kill(self, worker: int | None) -> None: ...
    async def power_failure(self, worker: int | None) -> None: ...
    async def pause(self, worker: int | None) -> None: ...
    async def resume(self, worker: int | None) -> None: ...
    async def cut(self, worker: int) -> None: ...
    async def heal(self) -> None: ...


@dataclass(frozen=True)
class Plan:
    """How hard to push.  Times in seconds, ranges are drawn from evenly.

    takeover, fenced   what the workers were started with
    lease_s            likewise; calm at the end lasts several of them
    """

    takeover: bool = True
    fenced: bool = True
    lease_s: float = 2.0
    workers: int = 4
    shoppers: int = 6
    orders: int = 5  # of each shopper, one after the other
    duplicates: tuple[int, int] = (1, 4)  # requests for an order at one time
    faults: tuple[str, ...] = WORKER_FAULTS
    rounds: int = 10
    calm_s: tuple[float, float] = (0.1, 1.5)
    fault_s: tuple[float, float] = (0.1, 6.0)
    request_s: float = 5.0  # a client's patience
    patience_s: float = 300.0  # from the end of the last fault until all must have been answered

    @property
    def once(self) -> bool:
        """Whether a key must never be executed twice."""
        return self.fenced or not self.takeover


class Answer(NamedTuple):
    """What a worker said; `again` is whether there was a Retry-After."""

    status: int
    body: bytes
    replayed: bool = False
    again: bool = False

    @property
    def final(self) -> bool:
        """A conflict that does not say "again" is a key that was given up: nobody knows its outcome."""
        return self.status == 201 or (self.status == 409 and not self.again)


@dataclass
class Report:
    """What happened, in numbers; `violations` is empty when the promises were kept."""

    keys: int = 0
    deeds: int = 0
    executed_twice: int = 0  # keys with more than one deed
    successions: int = 0  # deeds of a second or later attempt
    nobody_knows: int = 0  # keys that were given up
    answers: Counter[str] = field(default_factory=Counter)
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
        self.told: dict[str, list[Answer]] = {}  # final answers, in the order in which they came
        self._random = Random(random.getrandbits(64))
        self._open = 0  # requests whose shopper still waits

    async def run(self) -> Report:
        """The whole scenario, on workers and a store that have been started."""
        shoppers = [
            asyncio.create_task(self._shopper(number, Random(self._random.getrandbits(64))))
            for number in range(self.plan.shoppers)
        ]
        try:
            if self.plan.faults:
                await self._nemesis(Random(self._random.getrandbits(64)))
            async with asyncio.timeout(self.plan.patience_s):
                await asyncio.gather(*shoppers)
        except TimeoutError:
            seconds = self.plan.patience_s
            self.report.violations.append(f"{self._open} requests have no answer {seconds:.0f} s after the last fault")
        finally:
            for shopper in shoppers:
                shopper.cancel()
            await asyncio.gather(*shoppers, return_exceptions=True)
        self._check()
        return self.report

    # The nemesis

    async def _nemesis(self, random: Random) -> None:
        for turn in range(1, self.plan.rounds + 1):
            await asyncio.sleep(random.uniform(*self.plan.calm_s))
            fault = random.choice(self.plan.faults)
            worker = None if fault in STORE_FAULTS else random.randrange(self.plan.workers)
            self.report.faults[fault] += 1
            self.note(f"round {turn}/{self.plan.rounds}: {fault} {'' if worker is None else worker}")
            if fault.startswith(("kill", "power")):
                await (self.stage.kill(worker) if fault.startswith("kill") else self.stage.power_failure(worker))
                await asyncio.sleep(random.uniform(*self.plan.fault_s))
                await self.stage.start(worker)
            elif fault.startswith("pause"):
                await self.stage.pause(worker)
                await asyncio.sleep(random.uniform(*self.plan.fault_s))
                await self.stage.resume(worker)
            else:
                assert worker is not None
                await self.stage.cut(worker)
                await asyncio.sleep(random.uniform(*self.plan.fault_s))
                await self.stage.heal()

    # The shoppers

    async def _shopper(self, number: int, random: Random) -> None:
        for turn in range(self.plan.orders):
            key = f"{number}-{turn}"
            self.report.keys += 1
            requests = [
                self._until_answered(key, number, Random(random.getrandbits(64)))
                for _ in range(random.randint(*self.plan.duplicates))
            ]
            await asyncio.gather(*requests)
            if random.random() < 0.3:
                await asyncio.sleep(random.uniform(0, 3))
                await self._until_answered(key, number, random)

    async def _until_answered(self, key: str, number: int, random: Random) -> None:
        self._open += 1
        while not await self._answered(key, number, random):  # noqa: ASYNC110 (each turn asks)
            await asyncio.sleep(random.uniform(*AGAIN_S))
        self._open -= 1

    async def _answered(self, key: str, number: int, random: Random) -> bool:
        try:
            async with asyncio.timeout(self.plan.request_s):
                streams = await self.stage.connect(random.randrange(self.plan.workers))
                answer = await ask(streams, key, b"shopper-%d" % number, b"book of " + key.encode())
        except LOST:
            self.report.answers["lost"] += 1
            return False
        self.report.answers[f"{answer.status}{' replayed' if answer.replayed else ''}"] += 1
        if answer.final:
            self.told.setdefault(key, []).append(answer)
        elif answer.status not in (409, 500, 503):
            self.report.violations.append(f"{key} was answered {answer}")
            return True
        return answer.final

    # The checker

    def _check(self) -> None:
        deeds: dict[str, list[Deed]] = {}
        for deed in self.stage.ledger:
            deeds.setdefault(deed.key, []).append(deed)
        for key, answers in self.told.items():
            for text in violations(self.plan, key, deeds.get(key, []), answers):
                self.report.violations.append(f"{text}\n    deeds {deeds.get(key, [])}\n    answers {answers}")
        report = self.report
        report.deeds = len(self.stage.ledger)
        report.executed_twice = sum(len(done) > 1 for done in deeds.values())
        report.successions = sum(deed.attempt > 1 for deed in self.stage.ledger)
        report.nobody_knows = sum(any(answer.status == 409 for answer in told) for told in self.told.values())


def violations(plan: Plan, key: str, deeds: list[Deed], answers: list[Answer]) -> list[str]:
    """Which promises were broken for one key."""
    broken = []
    orders = {answer.body for answer in answers if answer.status == 201}
    replayed = {answer.body for answer in answers if answer.replayed}
    done = {deed.order.encode() for deed in deeds}
    if plan.once and len(deeds) > 1:
        broken.append(f"{key} was executed {len(deeds)} times")
    if plan.once and len(orders) > 1:
        broken.append(f"{key} was answered in {len(orders)} ways")
    if len(replayed) > 1:
        broken.append(f"{key} was replayed in {len(replayed)} ways")
    if orders - done:
        broken.append(f"{key} was answered with {orders - done}, which was never done")
    if not plan.faults and len(deeds) != 1:
        broken.append(f"{key} was executed {len(deeds)} times, and there was no fault")
    if plan.takeover and any(answer.status == 409 for answer in answers):
        broken.append(f"{key} was given up though another may take over")
    attempts = [deed.attempt for deed in deeds]
    if len(set(attempts)) < len(attempts):
        broken.append(f"{key} was executed twice by one attempt")
    if sorted(deeds, key=lambda deed: deed.attempt) != sorted(deeds, key=lambda deed: deed.fence):
        broken.append(f"the fences of {key} do not grow with its attempts")
    return broken


async def ask(streams: Streams, key: str, who: bytes, body: bytes) -> Answer:
    """One POST on a connection of its own.  Raises OSError and EOFError when it is lost."""
    reader, writer = streams
    try:
        writer.write(HEAD % (key.encode(), who, len(body)) + body)
        lines = (await reader.readuntil(b"\r\n\r\n")).split(b"\r\n")
        fields = dict(line.lower().split(b": ", 1) for line in lines[1:] if line)
        content = await reader.readexactly(int(fields[b"content-length"]))
        return Answer(int(lines[0].split()[1]), content, b"idempotent-replayed" in fields, b"retry-after" in fields)
    finally:
        writer.transport.abort()
        with suppress(OSError):
            await writer.wait_closed()


async def run(stage: Stage, plan: Plan, random: Random, note: Callable[[str], None] = lambda _: None) -> Report:
    """Run the scenario on the running loop's time.  The report says whether the promises were kept."""
    return await Arena(stage, plan, random, note).run()
