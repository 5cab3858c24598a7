"""What clients saw, and whether what the server holds can be explained by it.

    Session    one private writer's commands on keys of its own: one cut must explain them all
    Claim      a value given to a shared key: present when acknowledged, absent when never sent, never there twice
    Pool       values that are put in and taken out: never both taken and there
    Lease      a value with a deadline: there before, gone after
    History    all of them, and the times at which the power failed: which acknowledged writes must stand

Everything is read inside MULTI/EXEC, so that a command of a client long gone, which the server may still find in a
socket, cannot fall between two reads.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import cast

from scenarios.redis_model import Model, in_order, reads
from scenarios.resp import Client, Command, Reply

DATABASES = 3
CLOCKS_DIFFER_S = 0.05  # the server's wall clock and our monotonic one, rounding to milliseconds included


@dataclass
class Unit:
    """One command, or the commands of one MULTI/EXEC: what stands or falls together."""

    commands: tuple[Command, ...]
    expected: list[Reply]
    acknowledged_at: float | None = None
    refused: bool = False


@dataclass
class Session:
    """All that one client did on one connection, in keys of its own."""

    prefix: bytes
    database: int
    units: list[Unit] = field(default_factory=list)
    seen: list[Reply] | None = None  # what the last check read, when nothing may change any more


@dataclass
class Claim:
    """A value given to a shared key: by whom, in which turn, and when the server said yes."""

    value: bytes
    writer: int
    acknowledged_at: float | None = None


@dataclass
class Lease:
    """A key with a deadline, sent at `sent_at`: the server's clock has set it between then and the reply."""

    claim: Claim
    seconds: float
    sent_at: float

    @property
    def key(self) -> bytes:
        return b"shared:lease:" + self.claim.value


@dataclass
class Pool:
    """What some put in and others take out for good: a value taken is gone, a value not taken is there.

    unknown  takers who never got their reply: each may have taken one value
    """

    key: bytes
    added: list[Claim] = field(default_factory=list)
    removed: list[Claim] = field(default_factory=list)
    unknown: int = 0


@dataclass
class History:
    """One run's memory.  `window_s`: how old an acknowledged write must be for a power failure to spare it."""

    window_s: float
    pin: bool  # whether what was once read after a crash must be read again: unless power may fail within a window
    now: Callable[[], float] = lambda: 0.0
    sessions: list[Session] = field(default_factory=list)
    pushed: list[Claim] = field(default_factory=list)  # into shared:list and shared:set, in one transaction
    jobs: list[Claim] = field(default_factory=list)
    taken: list[tuple[Claim, bytes]] = field(default_factory=list)  # a job, and the list it was moved to
    counts: list[Claim] = field(default_factory=list)
    counted: list[tuple[int, float]] = field(default_factory=list)  # what INCR answered, and when
    seen_counts: list[tuple[int, float]] = field(default_factory=list)  # what GET answered
    seen: list[tuple[bytes, float]] = field(default_factory=list)  # values that LRANGE showed
    leases: list[Lease] = field(default_factory=list)  # those whose end no check has seen yet
    bag: Pool = field(default_factory=lambda: Pool(b"shared:bag"))
    stack: Pool = field(default_factory=lambda: Pool(b"shared:stack"))
    power_failures: list[tuple[float, float]] = field(default_factory=list)  # struck, and last reply delivered
    violations: list[str] = field(default_factory=list)
    lost: int = 0  # acknowledged and not found by the last check, whether or not that was allowed

    def must_stand(self, acknowledged_at: float | None) -> bool:
        """Whether every fault so far has to have spared a write acknowledged then."""
        if acknowledged_at is None:
            return False
        return not self.window_s or not any(
            struck - self.window_s < acknowledged_at <= silent for struck, silent in self.power_failures
        )

    async def check(self, client: Client, nothing_in_flight: bool) -> None:
        """Read everything and compare.  After a crash nothing can still be under way in the server's sockets.

        Raises OSError or EOFError when the server goes away meanwhile."""
        self.lost = 0
        for database in range(DATABASES):
            await client.call("SELECT", database)
            for session in self.sessions:
                if session.database == database:
                    self.check_session(session, await self._read(client, session), nothing_in_flight)
        await client.call("SELECT", 0)
        await self._check_shared(client)
        await self._check_leases(client)

    async def _read(self, client: Client, session: Session) -> list[Reply]:
        replies = await client.pipeline([(b"MULTI",), *reads(session.prefix), (b"EXEC",)])
        return in_order(cast(list[Reply], replies[-1]))

    def check_session(self, session: Session, read: list[Reply], nothing_in_flight: bool) -> None:
        if session.seen is not None:
            if read != session.seen:
                self.violations.append(f"{session.prefix!r} read {read} after it had read {session.seen}")
            return
        units = [unit for unit in session.units if not unit.refused]
        floor = max(
            (place for place, unit in enumerate(units, 1) if self.must_stand(unit.acknowledged_at)),
            default=0,
        )
        acknowledged = sum(unit.acknowledged_at is not None for unit in units)
        cuts = matching_cuts(units, session.prefix, read, floor)
        if not cuts:
            earlier = matching_cuts(units, session.prefix, read, 0)
            found = f"only the first {earlier[-1]} do" if earlier else f"no number of them explains {read}"
            sent = f"{len(units)} writes sent, {acknowledged} acknowledged, the first {floor} must stand"
            self.violations.append(f"{session.prefix!r}: {sent}; {found}")
            return
        self.lost += max(0, acknowledged - cuts[-1])
        if nothing_in_flight and self.pin:
            session.seen = read

    async def _check_shared(self, client: Client) -> None:
        done_lists = cast(list[bytes], await client.call("KEYS", "shared:done:*"))
        lists = [
            b"shared:list",
            b"shared:queue",
            *sorted({done for _, done in self.taken} | set(done_lists)),
        ]
        wholes = [(b"SMEMBERS", b"shared:set"), (b"GET", b"shared:counter"), (b"SMEMBERS", self.bag.key)]
        lists.append(self.stack.key)
        ranges = [(b"LRANGE", key, b"0", b"-1") for key in lists]
        replies = await client.pipeline([(b"MULTI",), *wholes, *ranges, (b"EXEC",)])
        members, counter, in_bag, *ranges_read = cast(list[list[bytes]], replies[-1])
        held = dict(zip(lists, ranges_read, strict=True))
        self.check_claims("shared:list", self.pushed, held[b"shared:list"])
        self.check_claims("shared:set", self.pushed, members)
        if set(members) != set(held[b"shared:list"]):
            self.violations.append("MULTI/EXEC was cut in two: shared:set and shared:list differ")
        self._check_order(held[b"shared:list"])
        self.check_pool(self.bag, in_bag)
        self.check_pool(self.stack, held.pop(self.stack.key))
        lists.pop()
        gone = [value for value, at in self.seen if self.must_stand(at) and value not in set(members)]
        if gone:
            self.violations.append(f"{shown(gone)} was seen in shared:list and is gone")
        self.check_claims("the job queue", self.jobs, [job for key in lists[1:] for job in held[key]])
        for claim, done in self.taken:
            if self.must_stand(claim.acknowledged_at) and claim.value not in held[done]:
                self.violations.append(f"job {claim.value!r} was moved to {done!r} and is not there")
        value = int(cast(bytes | None, counter) or b"0")
        floor = max((count for count, at in self.counted if self.must_stand(at)), default=0)
        if not floor <= value <= len(self.counts):
            self.violations.append(f"shared:counter is {value}; {floor} was acknowledged, {len(self.counts)} were sent")
        shown_before = max((count for count, at in self.seen_counts if self.must_stand(at)), default=0)
        if value < shown_before:
            self.violations.append(f"shared:counter is {value}; {shown_before} was seen")
        answers = [count for count, _ in self.counted]
        if not self.power_failures and len(answers) != len(set(answers)):
            self.violations.append("INCR gave the same number twice")

    def check_claims(self, place: str, claims: list[Claim], found: list[bytes]) -> None:
        present = set(found)
        missing = [c for c in claims if c.acknowledged_at is not None and c.value not in present]
        self.lost += len(missing)
        broken = [c.value for c in missing if self.must_stand(c.acknowledged_at)]
        invented = sorted(present - {c.value for c in claims})
        if broken:
            self.violations.append(f"{place}: {len(broken)} acknowledged values are missing, {shown(broken)}")
        if invented:
            self.violations.append(f"{place}: {len(invented)} values that nobody wrote, {shown(invented)}")
        if len(found) != len(present):
            self.violations.append(f"{place}: {len(found) - len(present)} values stand twice")

    def check_pool(self, pool: Pool, found: list[bytes]) -> None:
        """Taken and gone, once; not taken and there, but for what takers without a reply may have taken."""
        present = set(found)
        taken = {claim.value for claim in pool.removed}
        back = [
            claim.value for claim in pool.removed if self.must_stand(claim.acknowledged_at) and claim.value in present
        ]
        missing = [c for c in pool.added if c.acknowledged_at is not None and c.value not in present | taken]
        must = [c.value for c in missing if self.must_stand(c.acknowledged_at)]
        self.lost += max(0, len(missing) - pool.unknown)
        name = pool.key.decode()
        if back:
            self.violations.append(f"{name}: {shown(back)} was taken and is there again")
        if len(must) > pool.unknown:
            self.violations.append(f"{name}: {shown(must)} is missing, and {pool.unknown} takers got no reply")
        if invented := sorted((present | taken) - {claim.value for claim in pool.added}):
            self.violations.append(f"{name}: {len(invented)} values that nobody put there, {shown(invented)}")
        if not self.power_failures and len(taken) < len(pool.removed):
            self.violations.append(f"{name}: a value was taken twice")

    async def _check_leases(self, client: Client) -> None:
        """A key is there until its deadline and never after it, however often the server started in between."""
        before = self.now()
        values = await client.pipeline([(b"GET", lease.key) for lease in self.leases])
        after = self.now()
        running = []
        for lease, value in zip(self.leases, values, strict=True):
            acknowledged_at = lease.claim.acknowledged_at
            if value not in (None, lease.claim.value):
                self.violations.append(f"{lease.key!r} is {value!r}")
            if acknowledged_at is None or before <= acknowledged_at + lease.seconds + CLOCKS_DIFFER_S:
                running.append(lease)
            elif value is not None:
                late = before - acknowledged_at - lease.seconds
                self.violations.append(f"{lease.key!r} is there {late:.3f} s after its deadline")
            if (
                value is None
                and self.must_stand(acknowledged_at)
                and after < lease.sent_at + lease.seconds - CLOCKS_DIFFER_S
            ):
                self.violations.append(f"{lease.key!r} is gone before its deadline")
        self.leases = running

    def _check_order(self, found: list[bytes]) -> None:
        """Each writer awaits its reply before it writes again, so its values stand in the order written."""
        last: dict[bytes, list[int]] = {}
        for value in found:
            writer, *serial = value.split(b"-")
            serial_numbers = [int(part) for part in serial]
            if last.get(writer, [0, 0]) >= serial_numbers:
                self.violations.append(f"shared:list holds {value!r} after a later value of the same writer")
            last[writer] = serial_numbers


def matching_cuts(units: list[Unit], prefix: bytes, read: list[Reply], floor: int) -> list[int]:
    """The numbers, `floor` and up, of units after which the model answers what was read."""
    model, cuts = Model(), []
    for place, unit in enumerate([None, *units]):
        for command in unit.commands if unit else ():
            model.apply(command)
        if place >= floor and model.reading(prefix) == read:
            cuts.append(place)
    return cuts


def shown(values: list[bytes], limit: int = 5) -> str:
    text = ", ".join(repr(value) for value in values[:limit])
    return f"{text} and {len(values) - limit} more" if len(values) > limit else text
