"""Redis under fire: clients that write, a nemesis that kills, a checker that reads everything afterwards.

    Arena ──┬─ private writers   each owns its keys, so every reply can be foretold, and after a crash one cut through
            │                    its commands must explain all its keys (redis_checker.py)
            ├─ sharing writers   counter, set, list, queues for all (redis_errands.py): nothing acknowledged may be
            │                    missing, nothing may appear twice or out of nowhere, no job may be in two places
            └─ nemesis           kill -9, power failure, pause, cut, failing disk; a start; a check; and again

A client that loses its connection never learns what became of its last commands, so it ends its *session* there and
begins another with fresh keys: in each session the unknown commands are the last ones.  While the server is down a
gate keeps the clients away, and the check reads a database that nobody is writing to.

What must survive is the documented promise: an acknowledged write, when the process is killed; when the power fails,
those of them that are older than `WINDOW_S[appendfsync]`.  And what the checker has once read after a crash, it must be
able to read again (under `always`, whose window is zero).

Source: redis.io/docs, "Redis persistence"; the single-cut check is the prefix property of a write-ahead log.
Next: lab/chaos.py runs this against real processes, `mini simulate redis` under virtual time.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from random import Random
from typing import Protocol, cast

from scenarios.redis_checker import DATABASES, Claim, History, Session, Unit
from scenarios.redis_errands import Errands
from scenarios.redis_model import Model, draw
from scenarios.resp import Client, Command, Reply, ReplyError, Streams

# Seconds of acknowledged writes that a power failure may take; everysec waits up to two for a slow fsync to end.
WINDOW_S = {"always": 0.0, "everysec": 2.0}
CHECK_DEADLINE_S = 60.0
CRASHES = ("kill", "power_failure")
DISK_FAULTS = ("disk_full", "append_error", "fsync_error")
RECONNECT_S = 0.02
LOST = (OSError, EOFError, TimeoutError, asyncio.TimeoutError)  # IncompleteReadError is an EOFError


class Server(Protocol):
    """What a nemesis can do to a server.  `start` returns at once; the scenario waits until PING is answered.

    kill, power_failure    the process is gone at the return; the second takes what was not fsynced with it
    pause, resume          it stands still, with its connections open
    cut, heal              every connection is reset, and new ones too, while it goes on
    """

    async def connect(self) -> Streams: ...
    async def start(self) -> None: ...
    async def kill(self) -> None: ...
    async def pause(self) -> None: ...
    async def resume(self) -> None: ...
    async def cut(self) -> None: ...
    async def heal(self) -> None: ...
    async def power_failure(self) -> None: ...


class ServerWithDisk(Server, Protocol):
    """A server whose disk can fail while it runs.

    break_disk   disk_full: nothing more fits, perhaps after some bytes; append_error, fsync_error: some or all fail
    mend_disk    the disk is well again; whether the server has ended by itself meanwhile
    """

    async def break_disk(self, fault: str) -> None: ...
    async def mend_disk(self) -> bool: ...


Deed = Callable[[], Awaitable[None]]


@dataclass(frozen=True)
class Plan:
    """How hard to push.  Times in seconds, ranges are drawn from evenly."""

    appendfsync: str = "always"
    rounds: int = 20
    private_writers: int = 4
    sharing_writers: int = 3
    faults: tuple[str, ...] = ("kill",)  # of kill, power_failure, pause, cut, and DISK_FAULTS
    load_s: tuple[float, float] = (0.1, 0.6)
    pause_s: tuple[float, float] = (0.1, 1.0)  # how long a pause or a cut lasts
    request_deadline_s: float = 5.0
    think_s: float = 0.0  # longest wait between two batches; virtual time would pass too slowly without one
    rewrite_chance: float = 0.3  # that a BGREWRITEAOF is running when the fault strikes
    double_kill_chance: float = 0.15  # that the server dies again while it starts
    idle_crash_chance: float = 0.1  # that it dies once more before anybody has written again
    start_deadline_s: float = 60.0
    recovery_deadline_s: float = 30.0  # from a mended disk to writes


@dataclass
class Report:
    """What happened, in numbers; `violations` is empty when the server kept its promises."""

    acknowledged: int = 0
    refused: int = 0
    unknown: int = 0
    lost: int = 0
    restarts: int = 0
    checks: int = 0
    rewrites: int = 0
    longest_unavailability_s: float = 0.0
    faults: dict[str, int] = field(default_factory=dict)
    violations: list[str] = field(default_factory=list)

    def verify(self) -> "Report":
        """Itself.  Raises Violated when a promise was broken."""
        if self.violations:
            raise Violated("\n".join(self.violations))
        return self


class Violated(AssertionError):
    """A promise was broken; the text names each."""


class Arena:
    """One run.  `random` is forked for each actor, so that a draw more in one does not shift the others."""

    def __init__(
        self, server: Server, plan: Plan, random: Random, note: Callable[[str], None] = lambda _: None
    ) -> None:
        self.server, self.plan, self.note = server, plan, note
        self.report = Report()
        self._random = Random(random.getrandbits(64))
        self._now = asyncio.get_running_loop().time
        self._gate = asyncio.Event()
        self._nobody = asyncio.Event()
        self._connected = 0
        self._stopped = False
        pin = not WINDOW_S[plan.appendfsync] or "power_failure" not in plan.faults
        self.history = History(WINDOW_S[plan.appendfsync], pin, self._now)

    async def run(self) -> Report:
        """The whole scenario, against a server that has been started; leaves it running."""
        await self._until_ready()
        self._gate.set()
        writers = [
            asyncio.create_task(self._writer(number, Random(self._random.getrandbits(64))))
            for number in range(self.plan.private_writers + self.plan.sharing_writers)
        ]
        try:
            await self._nemesis(Random(self._random.getrandbits(64)))
            if not self.history.violations:
                await asyncio.sleep(self.plan.load_s[0])
                await self._everybody_out()
                await self._check(nothing_in_flight=False)
        except Violated as violated:
            self._violation(str(violated))
        finally:
            self._stopped = True
            for writer in writers:
                writer.cancel()
            outcomes = await asyncio.gather(*writers, return_exceptions=True)
        for outcome in outcomes:
            if isinstance(outcome, Exception):
                self._violation(f"a writer failed: {outcome!r}")
        self._tally()
        return self.report

    # The nemesis

    async def _nemesis(self, random: Random) -> None:
        for turn in range(1, self.plan.rounds + 1):
            await asyncio.sleep(random.uniform(*self.plan.load_s))
            fault = random.choice(self.plan.faults)
            self.report.faults[fault] = self.report.faults.get(fault, 0) + 1
            if fault == "pause":
                await self._disturb(random, self.server.pause, self.server.resume)
            elif fault == "cut":
                await self._disturb(random, self.server.cut, self.server.heal)
            elif fault in DISK_FAULTS:
                await self._fail_disk(fault, random)
            else:
                await self._crash(fault, random)
            acknowledged = sum(unit.acknowledged_at is not None for s in self.history.sessions for unit in s.units)
            self.note(f"round {turn}/{self.plan.rounds}: {fault}, {acknowledged} private writes acknowledged so far")
            if self.history.violations:
                return

    async def _disturb(self, random: Random, begin: Deed, end: Deed) -> None:
        """Out of reach for a while, and nothing forgotten: clients lose patience or connections, not data."""
        since = self._now()
        await begin()
        await asyncio.sleep(random.uniform(*self.plan.pause_s))
        await end()
        await self._until_ready()
        self._unavailable(since)

    async def _fail_disk(self, fault: str, random: Random) -> None:
        """Under `always` the server may end, else it refuses writes until it can keep them; it never forgets.

        No crash falls into this time: what a client was told under `everysec` may be in memory alone until the disk
        takes it.  Nor does one follow a failed fsync before a rewrite has ended, since the page cache may then show
        what the disk does not hold; that is what an operator is told to do as well.
        """
        since, server = self._now(), cast(ServerWithDisk, self.server)
        await server.break_disk(fault)
        while random.random() < self.plan.rewrite_chance:
            await self._rewrite(random)
            await asyncio.sleep(random.uniform(0, 0.5))
        await asyncio.sleep(random.uniform(*self.plan.pause_s))
        ended = await server.mend_disk()
        await self._everybody_out()
        if ended:
            if self.plan.appendfsync != "always":
                raise Violated(f"the server ended because of {fault}, with appendfsync {self.plan.appendfsync}")
            await self.server.start()
            self.report.restarts += 1
        await self._until("takes writes", ("SET", "shared:probe", "1"), lambda reply: reply == b"OK")
        await self._check(nothing_in_flight=ended)
        if fault == "fsync_error":
            await self._until_rewritten()
        self._unavailable(since)
        self._gate.set()
        await asyncio.sleep(2 * WINDOW_S[self.plan.appendfsync])

    async def _until_rewritten(self) -> None:
        def rewritten(reply: Reply) -> bool:
            lines = cast(bytes, reply).split()
            return {b"aof_rewrite_in_progress:0", b"aof_rewrite_scheduled:0", b"aof_last_bgrewrite_status:ok"} <= {
                *lines
            }

        await self._until("begins a rewrite", ("BGREWRITEAOF",), lambda reply: True)
        await self._until("ends its rewrite", ("INFO", "persistence"), rewritten)

    async def _until(self, what: str, command: tuple[str, ...], done: Callable[[Reply], bool]) -> None:
        deadline = self._now() + self.plan.recovery_deadline_s
        reply: Reply = None
        while self._now() < deadline:
            try:
                async with asyncio.timeout(self.plan.request_deadline_s):
                    client = await Client.connected(self.server.connect)
                    try:
                        reply = await client.call(*command)
                    finally:
                        await client.close()
            except (*LOST, ReplyError) as error:
                reply = error
            else:
                if done(reply):
                    return
            await asyncio.sleep(0.5)
        seconds = self.plan.recovery_deadline_s
        raise Violated(f"not within {seconds:.0f} s of the end of a disk fault: {what}; last reply {reply!r}")

    async def _crash(self, fault: str, random: Random) -> None:
        if random.random() < self.plan.rewrite_chance:
            await self._rewrite(random)
            await asyncio.sleep(random.uniform(0, 0.05))
        since = self._now()
        await self._strike(fault)
        await self._come_back(fault, random, since)
        while random.random() < self.plan.idle_crash_chance and not self.history.violations:
            since = self._now()
            fault = random.choice([fault for fault in self.plan.faults if fault in CRASHES])
            await self._strike(fault)
            await self._come_back(fault, random, since)
        self._gate.set()

    async def _come_back(self, fault: str, random: Random, since: float) -> None:
        await self.server.start()
        if random.random() < self.plan.double_kill_chance:
            await asyncio.sleep(random.uniform(0, 0.3))
            await self._strike(fault)
            await self.server.start()
        await self._until_ready()
        self._unavailable(since)
        self.report.restarts += 1
        await self._check(nothing_in_flight=True)

    async def _strike(self, fault: str) -> None:
        if fault == "power_failure":
            await self.server.power_failure()
        else:
            await self.server.kill()
        struck = self._now()
        await self._everybody_out()
        if fault == "power_failure":
            self.history.power_failures.append((struck, self._now()))  # replies may have been on their way

    async def _rewrite(self, random: Random) -> None:
        command = random.choice(("BGREWRITEAOF", "BGREWRITEAOF", "BGSAVE"))
        with suppress(*LOST, ReplyError):  # "already in progress" is no breach
            client = await asyncio.wait_for(Client.connected(self.server.connect), self.plan.request_deadline_s)
            try:
                await asyncio.wait_for(client.call(command), self.plan.request_deadline_s)
                self.report.rewrites += 1
            finally:
                await client.close()

    async def _everybody_out(self) -> None:
        self._gate.clear()
        if self._connected:
            self._nobody.clear()
            await self._nobody.wait()

    async def _until_ready(self) -> None:
        deadline = self._now() + self.plan.start_deadline_s
        while self._now() < deadline:
            with suppress(*LOST, ReplyError):
                client = await asyncio.wait_for(Client.connected(self.server.connect), self.plan.request_deadline_s)
                try:
                    await asyncio.wait_for(client.call("PING"), self.plan.request_deadline_s)
                    return
                finally:
                    await client.close()
            await asyncio.sleep(RECONNECT_S)
        raise Violated(f"the server does not answer PING within {self.plan.start_deadline_s:.0f} s of its start")

    async def _check(self, nothing_in_flight: bool) -> None:
        self.report.checks += 1
        try:
            async with asyncio.timeout(CHECK_DEADLINE_S):
                client = await Client.connected(self.server.connect)
                try:
                    await self.history.check(client, nothing_in_flight)
                finally:
                    await client.close()
        except LOST as error:
            self._violation(f"the server went away while everything was read: {error!r}")

    def _violation(self, text: str) -> None:
        self.history.violations.append(text)

    def _unavailable(self, since: float) -> None:
        self.report.longest_unavailability_s = max(self.report.longest_unavailability_s, self._now() - since)

    # The writers

    async def _writer(self, number: int, random: Random) -> None:
        turn = 0
        while not self._stopped:
            await self._gate.wait()
            turn += 1
            with suppress(*LOST):
                client = await asyncio.wait_for(Client.connected(self.server.connect), self.plan.request_deadline_s)
                self._connected += 1
                try:
                    if number < self.plan.private_writers:
                        await self._private_session(client, number, turn, random)
                    else:
                        await self._sharing_session(client, number, turn, random)
                finally:
                    await client.close()
                    self._connected -= 1
                    if not self._connected:
                        self._nobody.set()
            await asyncio.sleep(RECONNECT_S)

    async def _private_session(self, client: Client, number: int, turn: int, random: Random) -> None:
        session = Session(prefix=b"private:%d:%d:" % (number, turn), database=random.randrange(DATABASES))
        self.history.sessions.append(session)
        model, serial = Model(), 0
        async with asyncio.timeout(self.plan.request_deadline_s):
            await client.call("SELECT", session.database)
        while self._gate.is_set():
            batch = []
            for _ in range(random.choice((1, 1, 1, 3, 12))):
                commands = []
                for _ in range(random.choice((1, 1, 1, 1, 3))):
                    serial += 1
                    commands.append(draw(random, session.prefix, b"%d-%d-%d" % (number, turn, serial)))
                batch.append(Unit(tuple(commands), [model.apply(command) for command in commands]))
            session.units += batch
            client.send(on_the_wire(batch))
            for unit in batch:
                async with asyncio.timeout(self.plan.request_deadline_s):
                    reply = await self._unit_reply(client, unit)
                if reply == unit.expected and not any(earlier.refused for earlier in batch):
                    unit.acknowledged_at = self._now()
                elif is_refusal(reply):
                    unit.refused = True
                elif any(earlier.refused for earlier in batch):
                    self.history.sessions.remove(session)  # refused in part: the model has run ahead of the server
                    return
                else:
                    commands = list(unit.commands)
                    self._violation(f"{commands} answered {reply}, expected {unit.expected}")
                    return
            if any(unit.refused for unit in batch):
                return  # the model has run ahead of the server; a new session starts from nothing
            await asyncio.sleep(random.uniform(0, self.plan.think_s))

    async def _unit_reply(self, client: Client, unit: Unit) -> list[Reply]:
        if len(unit.commands) == 1:
            return [await client.receive()]
        replies = [await client.receive() for _ in range(len(unit.commands) + 2)]
        last = replies[-1]
        return last if isinstance(last, list) else [last]

    async def _sharing_session(self, client: Client, number: int, turn: int, random: Random) -> None:
        errands = Errands(client, self.history, random, self._now, b"shared:done:%d:%d" % (number, turn))
        serial = 0
        while self._gate.is_set():
            serial += 1
            unique = b"%d-%d-%d" % (number, turn, serial)
            errand = random.choice(errands.all)
            async with asyncio.timeout(self.plan.request_deadline_s):
                try:
                    await errand(Claim(unique, number))
                except ReplyError as error:
                    if not is_refusal([error]):
                        raise
                    self.report.refused += 1
            await asyncio.sleep(random.uniform(0, self.plan.think_s))

    def _tally(self) -> None:
        units = [unit for session in self.history.sessions for unit in session.units]
        history = self.history
        claims = [*history.pushed, *history.jobs, *history.counts, *history.bag.added, *history.stack.added]
        outcomes = [unit.acknowledged_at for unit in units] + [claim.acknowledged_at for claim in claims]
        refused = sum(unit.refused for unit in units)
        self.report.acknowledged = sum(at is not None for at in outcomes)
        self.report.unknown = len(outcomes) - self.report.acknowledged - refused - self.report.refused
        self.report.refused += refused
        self.report.lost, self.report.violations = self.history.lost, self.history.violations


def on_the_wire(units: Iterable[Unit]) -> list[Command]:
    """The commands of each unit, between MULTI and EXEC where there are several."""
    commands: list[Command] = []
    for unit in units:
        commands += unit.commands if len(unit.commands) == 1 else [(b"MULTI",), *unit.commands, (b"EXEC",)]
    return commands


def is_refusal(reply: list[Reply]) -> bool:
    """Errors alone, by which the server says that it did not do it: a full or failing disk, full memory, still loading."""
    refusals = {"MISCONF", "OOM", "LOADING", "EXECABORT", "BUSY"}
    return bool(reply) and all(isinstance(one, ReplyError) and one.code in refusals for one in reply)


async def run(server: Server, plan: Plan, random: Random, note: Callable[[str], None] = lambda _: None) -> Report:
    """Run the scenario on the running loop's time.  The report says whether the server kept its promises."""
    return await Arena(server, plan, random, note).run()
