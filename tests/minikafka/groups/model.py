"""A group of simulated consumers, a network that loses and delays, coordinators that come and go; all checked.

One seed is one world on virtual time: members join, share, heartbeat, commit, crash, come back, leave; requests and
answers are late or lost; the log commits late, refuses, and moves to another coordinator, which knows what was committed
and no more.  Then calm returns, and the group has to come to rest with every partition read by exactly one member.

What must hold all along:

    one share-out     all shares given out in a generation come from one leader's one SyncGroup
    no ghosts         a commit is not accepted of a generation once shares of a later one have been given out, nor of a
                      static member's former self once the new one has been let in
    no going back     what a fetch has shown, and what was acknowledged, is never lost
    bounded waiting   JoinGroup and SyncGroup are answered in the time that the timeouts allow
    one truth         a coordinator that reads the committed log knows what this one has committed

    python -m tests.minikafka.groups.model 200
"""

from __future__ import annotations

import heapq
import sys
from collections import defaultdict
from collections.abc import Callable
from random import Random
from typing import Any

from minikafka.groups.coordinator import GroupCoordinator
from minikafka.groups.group import STABLE
from minikafka.groups.settings import GroupSettings
from minikafka.wire.errors import ErrorCode
from tests.minikafka.groups.desk import Desk, subscription

PARTITIONS = 6
SESSION_MS, REBALANCE_MS, HEARTBEAT_MS, RETRY_MS = 6_000, 8_000, 1_000, 300
INITIAL_DELAY_MS, COMMIT_TIMEOUT_MS = 1_000, 2_000
PATIENCE_MS = REBALANCE_MS + INITIAL_DELAY_MS + COMMIT_TIMEOUT_MS + 100
STORM_MS, CALM_MS = 60_000, 60_000
NONE = ErrorCode.NONE


class Broken(AssertionError):
    """An invariant does not hold."""


def must(condition: bool, what: str) -> None:
    if not condition:
        raise Broken(what)


class World(Desk):
    """The coordinator's desk, with a network around it."""

    def __init__(self, seed: int, members: int = 4) -> None:
        settings = GroupSettings(
            initial_rebalance_delay_ms=INITIAL_DELAY_MS, commit_timeout_ms=COMMIT_TIMEOUT_MS, offsets_retention_ms=2**60
        )
        super().__init__(settings, seed=seed, auto_commit=False)
        self.dice = Random(f"world {seed}")
        self.loss = self.dice.choice([0, 0.02, 0.1])
        self.delay_ms = self.dice.choice([5, 50, 500])
        self.mishap_ms = self.dice.choice([2_000, 6_000, 20_000])
        self.commit_delay_ms = self.dice.choice([1, 20, 300])
        self.calm = False
        self.events: list[tuple[int, int, Callable[[], None]]] = []
        self.numbers = 0
        self.offset = 0
        self.share_out: dict[int, bytes] = {}  # generation -> who shared it out, how often
        self.shared_up_to = 0
        self.let_in: dict[str, str] = {}  # instance id -> member id
        self.acknowledged: dict[int, int] = defaultdict(int)
        self.shown: dict[int, int] = defaultdict(int)
        self.waiting: dict[Any, int] = {}  # ticket -> since when
        self.members = [Consumer(self, number, static=self.dice.random() < 0.4) for number in range(members)]

    # -- time and network ---------------------------------------------------------------------------------------------

    def after(self, ms: int, what: Callable[[], None]) -> None:
        self.numbers += 1
        heapq.heappush(self.events, (self.now_ms + ms, self.numbers, what))

    def latency_ms(self) -> int:
        return self.dice.randrange(1, 10 if self.calm else self.delay_ms)

    def lost(self) -> bool:
        return not self.calm and self.dice.random() < self.loss

    def call(self, send: Callable[[], Any], receive: Callable[[Any], None]) -> None:
        """A request to the coordinator, and its answer, if both arrive."""

        def arrive() -> None:
            ticket = send()
            if ticket.answer is None:
                self.waiting[ticket] = self.now_ms
                ticket.then.append(lambda answer: self.waiting.pop(ticket))
            self.when_answered(
                ticket, lambda answer: self.lost() or self.after(self.latency_ms(), lambda: receive(answer))
            )

        if not self.lost():
            self.after(self.latency_ms(), arrive)

    def when_answered(self, ticket: Any, then: Callable[[Any], Any]) -> None:
        if ticket.answer is not None:
            then(ticket.answer)
        else:
            ticket.then.append(then)

    def flush(self) -> None:
        before = self.end_offset
        super().flush()
        if self.end_offset > before:
            end = self.end_offset
            delay = 1 if self.calm else self.dice.randrange(1, self.commit_delay_ms + 1)
            coordinator = self.coordinator
            self.after(delay, lambda: self.commit_up_to(end, coordinator))

    def commit_up_to(self, end: int, coordinator: GroupCoordinator) -> None:
        if coordinator is self.coordinator and end > self.high_watermark:
            self.commit_log(end)

    def run_world(self, ms: int) -> None:
        until = self.now_ms + ms
        while self.events and self.events[0][0] <= until:
            at_ms, _, what = heapq.heappop(self.events)
            self.run(at_ms - self.now_ms)
            what()
            oldest = next(iter(self.waiting.values()), self.now_ms)
            must(self.now_ms - oldest <= PATIENCE_MS, f"a request has waited since {oldest}")
        self.run(until - self.now_ms)

    # -- mishaps ------------------------------------------------------------------------------------------------------

    def storm(self) -> None:
        if self.calm:
            return
        match self.dice.randrange(6):
            case 0:
                self.take_over()
            case 1:
                self.refuse_with = self.dice.choice([ErrorCode.NOT_ENOUGH_REPLICAS, NONE])
                self.after(1_000, self.accept)
            case _:
                self.dice.choice(self.members).mishap()
        self.after(self.dice.randrange(self.mishap_ms), self.storm)

    def accept(self) -> None:
        self.refuse_with = NONE

    def take_over(self) -> None:
        """Another coordinator: it must know what this one had committed."""
        before = {group: dict(kept) for group, kept in self.coordinator.offsets.by_group.items()}
        group = self.coordinator.groups.get("g")
        settled = group is not None and group.state is STABLE and not len(self.coordinator.membership.writes)
        fail_over = self.snapshot() if settled else None
        self.fail_over()
        must(self.coordinator.offsets.by_group == before, "other offsets after loading")
        if fail_over is not None:
            must(self.snapshot() == fail_over, f"another group after loading: {self.snapshot()}, before {fail_over}")
        for partition, offset in self.acknowledged.items():
            must(self.offset_of(partition) >= offset, f"offset {offset} of {partition} was acknowledged and is lost")

    def snapshot(self) -> Any:
        group = self.group()
        members = {
            each.member_id: (each.group_instance_id, each.assignment, each.metadata(group.protocol_name))
            for each in group.members.values()
        }
        return group.generation, group.protocol_name, group.leader, members

    def offset_of(self, partition: int) -> int:
        return self.offsets().get(("t", partition), 0)

    # -- what clients saw -----------------------------------------------------------------------------------------------

    def show(self) -> None:
        """A fetch."""
        for (_, partition), offset in self.offsets().items():
            must(
                offset >= self.shown[partition],
                f"a fetch of {partition} went back from {self.shown[partition]} to {offset}",
            )
            self.shown[partition] = offset

    def shares_given(self, generation: int, share: bytes) -> None:
        origin = share.split(b"|")[0]
        known = self.share_out.setdefault(generation, origin)
        must(known == origin, f"generation {generation} was shared out by {known!r} and by {origin!r}")
        self.shared_up_to = max(self.shared_up_to, generation)

    # -- the whole story --------------------------------------------------------------------------------------------------

    def play(self) -> None:
        for member in self.members:
            self.after(self.dice.randrange(3_000), member.start)
        self.after(self.dice.randrange(self.mishap_ms), self.storm)
        self.run_world(STORM_MS)
        self.calm = True
        self.accept()
        for member in self.members:
            if not member.alive:
                member.start()
        self.run_world(CALM_MS // 2)
        if self.dice.random() < 0.5:
            self.members.pop().vanish()
        if self.dice.random() < 0.5:
            self.take_over()
        self.run_world(CALM_MS // 2)
        self.show()
        group = self.group()
        must(group.state is STABLE, f"not at rest: {group}")
        ids = {member.member_id for member in self.members}
        must(set(group.members) == ids, f"members {list(group.members)}, alive {ids}")
        must({member.generation for member in self.members} == {group.generation}, "members of another generation")
        read = sorted(partition for member in self.members for partition in member.partitions)
        must(read == list(range(PARTITIONS)), f"partitions read: {read}")
        self.take_over()


class Consumer:
    """A client as the real ones are: one request after another, each with a time after which it is given up."""

    def __init__(self, world: World, number: int, static: bool) -> None:
        self.world = world
        self.name = f"c{number}"
        self.instance = f"static-{number}" if static else None
        self.life = 0  # answers to an earlier life, or to a request given up, are not for us
        self.alive = False
        self.member_id = ""
        self.generation = -1
        self.partitions: list[int] = []

    def start(self) -> None:
        self.life += 1
        self.alive = True
        self.member_id, self.generation, self.partitions = "", -1, []
        self.join()

    def mishap(self) -> None:
        """Crash, come back later; or leave; or pause so long that others give up on us."""
        if not self.alive:
            return
        match self.world.dice.randrange(3):
            case 0:
                self.vanish()
                self.world.after(self.world.dice.randrange(200, 15_000), self.start_again)
            case 1:
                member, instance = self.member_id, self.instance
                self.vanish()
                if member:
                    self.world.call(lambda: self.world.leave((member, instance)), lambda answer: None)
                self.world.after(self.world.dice.randrange(200, 15_000), self.start_again)
            case _:
                self.life += 1
                life = self.life
                self.world.after(SESSION_MS * 2, lambda: life == self.life and self.alive and self.heartbeat())

    def vanish(self) -> None:
        """Gone for good, without a word."""
        self.life += 1
        self.alive = False

    def start_again(self) -> None:
        if not self.alive:
            self.start()

    def ask(
        self, send: Callable[[], Any], receive: Callable[[Any], None], give_up_ms: int, again: Callable[[], None]
    ) -> None:
        self.life += 1
        life = self.life

        def received(answer: Any) -> None:
            if life == self.life:
                self.life += 1
                receive(answer)

        def given_up() -> None:
            if life == self.life:
                again()

        self.world.call(send, received)
        self.world.after(give_up_ms, given_up)

    def later(self, ms: int, what: Callable[[], None]) -> None:
        life = self.life
        self.world.after(ms, lambda: what() if life == self.life and self.alive else None)

    def join(self) -> None:
        world, member_id = self.world, self.member_id

        def send() -> Any:
            ticket = world.join(
                self.name, member_id, instance=self.instance, session_ms=SESSION_MS, rebalance_ms=REBALANCE_MS,
                protocols=(("range", subscription("t")),),
            )  # fmt: skip
            if self.instance is not None:
                world.when_answered(ticket, self.let_in)
            return ticket

        self.ask(send, self.joined, PATIENCE_MS + 2_000, self.join)

    def let_in(self, answer: Any) -> None:
        if answer.error_code == NONE and self.instance is not None:
            self.world.let_in[self.instance] = answer.member_id

    def joined(self, answer: Any) -> None:
        if answer.error_code == NONE:
            self.member_id, self.generation = answer.member_id, answer.generation_id
            self.sync(answer)
        elif answer.error_code == ErrorCode.MEMBER_ID_REQUIRED:
            self.member_id = answer.member_id
            self.join()
        else:
            self.failed(answer.error_code)

    def failed(self, error: int) -> None:
        """Begin again, as who we are or as somebody new."""
        if error in (ErrorCode.UNKNOWN_MEMBER_ID, ErrorCode.FENCED_INSTANCE_ID):
            self.member_id = ""
        self.later(RETRY_MS, self.join)

    def sync(self, join: Any) -> None:
        world, generation, member_id = self.world, self.generation, self.member_id
        shares: dict[str, bytes] = {}
        if join.leader == member_id and not join.skip_assignment:
            world.numbers += 1
            origin = b"%s#%d" % (member_id.encode(), world.numbers)
            for at, member in enumerate(join.members):
                mine = [str(partition) for partition in range(PARTITIONS) if partition % len(join.members) == at]
                shares[member.member_id] = origin + b"|" + ",".join(mine).encode()

        def send() -> Any:
            ticket = world.sync(member_id, generation, shares, instance=self.instance)
            world.when_answered(
                ticket, lambda answer: answer.error_code or world.shares_given(generation, answer.assignment)
            )
            return ticket

        def synced(answer: Any) -> None:
            if answer.error_code != NONE:
                self.failed(answer.error_code)
                return
            self.partitions = [
                int(partition) for partition in answer.assignment.split(b"|")[1].split(b",") if partition
            ]
            self.heartbeat()

        self.ask(send, synced, PATIENCE_MS + 2_000, self.join)

    def heartbeat(self) -> None:
        world, member_id, generation = self.world, self.member_id, self.generation

        def send() -> Any:
            ticket = world.ticket()
            ticket.answer = world.heartbeat(member_id, generation, instance=self.instance)
            return ticket

        def beaten(error: ErrorCode) -> None:
            if error is NONE or error.retriable:
                self.later(HEARTBEAT_MS // 2, self.commit)
            else:
                self.failed(error)

        self.ask(send, beaten, HEARTBEAT_MS, self.heartbeat)

    def commit(self) -> None:
        world, member_id, generation = self.world, self.member_id, self.generation
        if not self.partitions:
            self.later(HEARTBEAT_MS // 2, self.heartbeat)
            return
        partition = world.dice.choice(self.partitions)

        def send() -> Any:
            world.offset += 1
            offset, shared_up_to = world.offset, world.shared_up_to
            let_in = world.let_in.get(self.instance or "", member_id)
            ticket = world.commit({("t", partition): offset}, member_id, generation, instance=self.instance)

            def answered(answer: Any) -> None:
                if answer.topics[0].partitions[0].error_code == NONE:
                    must(
                        generation >= shared_up_to,
                        f"generation {generation} committed after {shared_up_to} was shared out",
                    )
                    must(let_in == member_id, f"{member_id} committed although {let_in} had been let in")
                    world.acknowledged[partition] = max(offset, world.acknowledged[partition])

            world.when_answered(ticket, answered)
            world.show()
            return ticket

        def committed(answer: Any) -> None:
            error = ErrorCode(answer.topics[0].partitions[0].error_code)
            if error is NONE or error.retriable:
                self.later(HEARTBEAT_MS // 2, self.heartbeat)
            else:
                self.failed(error)

        self.ask(send, committed, COMMIT_TIMEOUT_MS + 2_000, self.heartbeat)
        if not world.calm and world.dice.random() < 0.3:  # one that nobody waits for, and that the network holds up
            world.after(world.dice.randrange(5_000), send)


def explore(seeds: range) -> None:
    for seed in seeds:
        try:
            World(seed).play()
        except Broken as broken:
            raise Broken(f"seed {seed}: {broken}") from broken


if __name__ == "__main__":
    explore(range(int(sys.argv[1])))
