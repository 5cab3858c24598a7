"""A consumer group that really is one: members join, share, read, commit; and they die, leave, and are added.

    Member   join -> sync (the leader shares) -> resume where the group was -> read, commit, heartbeat -> join again
             It goes on reading while its coordinator cannot be reached, as Kafka's own do: so some members speak for
             partitions that they have lost without knowing it, and their commits must be refused
    Crew     starts members, kills some (no farewell), lets some leave, adds some, until the run drains

Now and then a member sends a commit of the generation before, as a thread does that slept through a rebalance.

A static member has an instance id, is started again under the same when it was killed, and gets what it had.

Source: Kafka's `ConsumerCoordinator`, `AbstractCoordinator`; KIP-62, KIP-345, KIP-394.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from random import Random

from scenarios import kafka_group_wire as group_wire
from scenarios import kafka_wire as wire
from scenarios.kafka_checker import History
from scenarios.kafka_clients import MAY_BE_REPEATED, TOPIC, Pace, Place, Reading
from scenarios.kafka_group_checker import GroupHistory
from scenarios.kafka_wire import Membership

ILLEGAL_GENERATION, UNKNOWN_MEMBER, REBALANCE = 22, 25, 27
MEMBER_ID_REQUIRED, FENCED_INSTANCE = 79, 82
OUT_OF_STEP = (ILLEGAL_GENERATION, UNKNOWN_MEMBER, REBALANCE, FENCED_INSTANCE)
"""The group has gone on without us, or is about to."""


@dataclass(frozen=True)
class Ways:
    """How the members of a group behave.  Times in seconds, ranges are drawn from evenly."""

    members: int = 0
    static: bool = False
    session_s: float = 1.0
    rebalance_s: float = 1.0
    heartbeat_s: float = 0.2
    between_s: tuple[float, float] = (0.5, 2.0)
    """From one death, farewell or arrival to the next."""
    commit_chance: float = 0.4
    """That a member commits, instead of reading on."""
    late_chance: float = 0.2
    """That a commit comes after one of the generation before."""

    @property
    def timeouts(self) -> group_wire.Timeouts:
        return group_wire.Timeouts(int(self.session_s * 1000), int(self.rebalance_s * 1000))


class Member(Reading):
    """One member, for one life."""

    def __init__(
        self, name: str, place: Place, pace: Pace, random: Random, ways: Ways, history: History, group: GroupHistory
    ) -> None:
        super().__init__(name, place, pace, random, len(group.consumed), history)
        self.ways, self.group = ways, group
        self.me = Membership(instance=name if ways.static else None)
        self.held_as = self.me  # who had this share: a member that was put out is none any more
        self.before: list[tuple[Membership, int, int]] = []  # who we were, partitions and offsets: one generation ago
        self.owned: list[int] = []
        self.coordinator: int | None = None
        self.leaving = False
        self.joined = 0
        self._heartbeat_at = 0.0

    async def run(self) -> None:
        try:
            while not self.leaving and not self.place.over:
                if await self._join() and await self._resume():
                    await self._consume()
                else:
                    await self.pause()
            await self._leave()
        finally:
            self.close()

    # -- asking the coordinator ---------------------------------------------------------------------------------------

    async def _ask(self, key: int, body: bytes, answer_s: float | None = None) -> tuple[int, wire.Reader] | None:
        """Who answered, and what; None: nobody, and the coordinator is to be looked for again."""
        if self.coordinator is None:
            self.coordinator = await self.find_coordinator(self.group.name)
        node = self.coordinator
        if node is None:
            return None
        answer = await self.ask(node, key, body, answer_s)
        if answer is None:
            self.coordinator = None
            return None
        return node, answer

    def _in_step(self, error: int, what: str) -> bool:
        """Whether to go on as before.  Raises Violated for what no member may be told."""
        if error in OUT_OF_STEP:
            if error in (UNKNOWN_MEMBER, FENCED_INSTANCE):
                self.me = Membership(instance=self.me.instance)
            return False
        self.check(error, what)
        if error:
            self.coordinator = None
        return not error

    # -- a generation begins ------------------------------------------------------------------------------------------

    async def _join(self) -> bool:
        """Until there is a share for us."""
        if self.owned:
            self.before = [(self.held_as, partition, self.positions[partition]) for partition in self.owned]
        self.owned = []
        waits_s = self.ways.rebalance_s + self.pace.answer_s
        body = group_wire.join_group_request(self.group.name, TOPIC, self.me, self.ways.timeouts)
        answered = await self._ask(wire.JOIN_GROUP, body, waits_s)
        if answered is None:
            return False
        joined = group_wire.join_group(answered[1])
        if joined.error == MEMBER_ID_REQUIRED:
            self.me = replace(self.me, member=joined.member)
            return await self._join()
        if not self._in_step(joined.error, "joins"):
            return False
        self.me = replace(self.me, generation=joined.generation, member=joined.member)
        shares = self._shared(joined.members) if joined.members else {}
        asked = self.group.mark()
        body = group_wire.sync_group_request(self.group.name, self.me, shares)
        answered = await self._ask(wire.SYNC_GROUP, body, waits_s)
        if answered is None:
            return False
        node, answer = answered
        error, share = group_wire.sync_group(answer)
        if not self._in_step(error, "asks for its share"):
            return False
        self.owned, self.held_as = group_wire.partitions_of(share), self.me
        self.group.was_given(node, asked, self.me.generation, self.name, self.owned)
        self.joined += 1
        return True

    def _shared(self, members: tuple[str, ...]) -> dict[str, bytes]:
        """As the leader of a generation: every partition to somebody, not always to the same."""
        first = self.random.randrange(len(members))
        given: dict[str, list[int]] = {member: [] for member in members}
        for partition in self.positions:
            given[members[(first + partition) % len(members)]].append(partition)
        return {member: group_wire.share(TOPIC, partitions) for member, partitions in given.items()}

    async def _resume(self) -> bool:
        """Where the group was, in each partition that is ours now."""
        for partition in self.owned:
            answered = await self._ask(wire.OFFSET_FETCH, wire.offset_fetch_request(self.group.name, TOPIC, partition))
            if answered is None:
                return False
            node, answer = answered
            error, offset = wire.offset_fetch(answer)
            if not self._in_step(error, "asks where its group was"):
                return False
            self.group.resumes(node, partition, self.name, offset)
            self.positions[partition] = max(0, offset)
            self.resumed += 1
        return True

    # -- while it lasts -----------------------------------------------------------------------------------------------

    async def _consume(self) -> None:
        """Until the group begins another generation, or we leave."""
        while not self.leaving and not self.place.over and await self._heartbeat():
            if self.owned and not await self._step(self.random.choice(self.owned)):
                return
            await asyncio.sleep(self.random.uniform(*self.pace.think_s))
        if self.random.random() < 0.5:  # what is taken from us is committed first, if there is time
            for partition in self.owned:
                await self._commit(partition)

    async def _step(self, partition: int) -> bool:
        """Read on, or commit; False: join again."""
        if self.random.random() < self.ways.commit_chance:
            return await self._commit(partition)
        if not await self.fetch(partition, await self.leader_of(partition)):
            await self.pause()
            await self.refresh()
        return True

    async def _heartbeat(self) -> bool:
        """When it is time for one.  False: join again.  A coordinator that is silent, or elsewhere, does not stop us from
        reading."""
        now = asyncio.get_running_loop().time()
        if now < self._heartbeat_at:
            return True
        self._heartbeat_at = now + self.ways.heartbeat_s
        answered = await self._ask(wire.HEARTBEAT, group_wire.heartbeat_request(self.group.name, self.me))
        if answered is None:
            return True
        error = group_wire.error_of(answered[1])
        return self._in_step(error, "sends a heartbeat") or error in MAY_BE_REPEATED

    async def _commit(self, partition: int) -> bool:
        """False: join again.  Who is no member keeps silent: without one in the group anybody's commit would be taken."""
        if self.me.generation < 0:
            return False
        if self.before and self.random.random() < self.ways.late_chance:
            await self._commit_as(*self.random.choice(self.before))
        return await self._commit_as(self.me, partition, self.positions[partition])

    async def _commit_as(self, by: Membership, partition: int, offset: int) -> bool:
        asked, commit = self.group.mark(), self.group.commits(partition, by.generation, offset)
        body = wire.offset_commit_request(self.group.name, TOPIC, partition, offset, by)
        answered = await self._ask(wire.OFFSET_COMMIT, body)
        if answered is None:
            return True
        node, answer = answered
        error = wire.offset_commit(answer)
        if not error:
            self.group.was_committed(node, asked, partition, commit)
        elif error in OUT_OF_STEP:
            self.group.was_refused(partition, commit)
            if by != self.me:
                return True
        return self._in_step(error, "commits") or error in MAY_BE_REPEATED

    def took(self, partition: int, record: wire.Stored) -> None:
        super().took(partition, record)
        self.group.consumed[partition].add(record.offset)

    async def _leave(self) -> None:
        """A static member goes without a word: it is expected back."""
        if self.me.member and self.me.instance is None:
            body = group_wire.leave_group_request(self.group.name, self.me)
            answered = await self._ask(wire.LEAVE_GROUP, body)
            if answered is not None:
                self._in_step(group_wire.error_of(answered[1]), "leaves")


class Crew:
    """All members of one group, over time."""

    def __init__(
        self, place: Place, pace: Pace, random: Random, ways: Ways, history: History, group: GroupHistory
    ) -> None:
        self.place, self.pace, self.random, self.ways = place, pace, random, ways
        self.history, self.group = history, group
        self.members: dict[asyncio.Task[None], Member] = {}
        self.read = self.shares = self.resumed = self.started = 0
        self.counts: dict[str, int] = {}

    async def run(self) -> None:
        """For ever.  Raises Violated."""
        try:
            for _ in range(self.ways.members):
                self._start()
            while not self.place.over:
                pause = self.random.uniform(*self.ways.between_s)
                ended, _ = await asyncio.wait(self.members, timeout=pause, return_when=asyncio.FIRST_COMPLETED)
                for task in ended:
                    self._ended(task)
                    task.result()
                if not ended and not self.place.draining:
                    await self._deed()
                elif not self.members:
                    self._start()
        finally:
            for task in list(self.members):
                await self._kill(task)

    def _start(self, name: str = "") -> None:
        member = Member(
            name or f"{self.group.name}{self.started}",
            self.place,
            self.pace,
            Random(self.random.getrandbits(64)),
            self.ways,
            self.history,
            self.group,
        )
        self.started += 1
        self.members[asyncio.create_task(member.run())] = member

    async def _kill(self, task: asyncio.Task[None]) -> None:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        self._ended(task)

    def _ended(self, task: asyncio.Task[None]) -> None:
        member = self.members.pop(task)
        self.read += member.read
        self.shares += member.joined
        self.resumed += member.resumed

    async def _deed(self) -> None:
        """Something happens to the group."""
        deeds = ["kill", "leave"] if len(self.members) > self.ways.members else ["kill", "leave", "add"]
        deed = self.random.choice(deeds)
        self.counts[deed] = self.counts.get(deed, 0) + 1
        if deed == "add":
            self._start()
            return
        task, member = self.random.choice(list(self.members.items()))
        if deed == "leave":
            member.leaving = True
            return
        await self._kill(task)
        self._start(member.name if self.ways.static else "")
