"""A random explorer: a few nodes as plain objects, a network and disks that do their worst, all checked at every step.

One seed is one world.  Messages are delivered in any order, twice, or never; links break in one direction or both; disks
finish writes late, and a crash keeps any part of what was not finished; clocks run at any rate, since a tick is an event
like others.  Each seed also draws which kinds of mishap are common in its world and which never happen there: a mistake
that needs three crashes in a row is found where crashes are common.  Then everything is mended, and the cluster has to
prove that it is alive.

    python -m tests.raft.model 1000            seeds 0 to 999
    python -m tests.raft.model 17 --verbose    seed 17, event by event
"""

import sys
from collections import deque
from dataclasses import dataclass, field, replace
from random import Random

from raft.invariants import Invariants, check
from raft.membership import Membership
from raft.messages import Entry, EntryKind, HardState, Message, SavedState, Snapshot
from raft.node import Node, Ready, Refused, Role, Settings

SETTINGS = Settings(
    election_ticks=5, append_bytes_max=60, appends_in_flight_max=3, uncommitted_bytes_max=400, snapshot_chunk_bytes=30,
    kept_entries=3,
)  # fmt: skip
"""Small, so that every limit is met."""


@dataclass
class ModelDisk:
    """What is durable, and the writes that are on their way there."""

    saved: SavedState
    pending: deque[Ready] = field(default_factory=deque)

    def finish(self, ready: Ready) -> None:
        self.save(ready.snapshot, ready.entries, ready.hard_state)

    def save(self, snapshot: Snapshot | None, entries: tuple[Entry, ...], hard_state: HardState | None) -> None:
        saved = self.saved
        if snapshot is not None:
            saved = replace(saved, snapshot=snapshot, entries=())
        if entries:
            kept = tuple(entry for entry in saved.entries if entry.index < entries[0].index)
            saved = replace(saved, entries=kept + entries)
        if hard_state is not None:
            saved = replace(saved, hard_state=hard_state)
        self.saved = saved

    def compact(self, snapshot: Snapshot, first_index: int) -> None:
        kept = tuple(entry for entry in self.saved.entries if entry.index >= first_index - 1)
        self.saved = replace(self.saved, snapshot=snapshot, entries=kept)

    def lose_power(self, random: Random) -> None:
        """Some of the pending writes are whole, the next is torn, the rest never was."""
        for _ in range(random.randint(0, len(self.pending))):
            self.finish(self.pending.popleft())
        if self.pending:
            torn = self.pending.popleft()
            if torn.snapshot is None or random.random() < 0.5:
                self.save(torn.snapshot, torn.entries[: random.randint(0, len(torn.entries))], None)
        self.pending.clear()


class Cluster:
    """The world of one seed.  `history` holds a line an event when `verbose`."""

    def __init__(self, seed: int, verbose: bool = False, node_type: type[Node] = Node) -> None:
        self.random = Random(seed)
        self.verbose = verbose
        self.node_type = node_type
        self.invariants = Invariants()
        founders = self.random.choice([(1, 2, 3), (1, 2, 3), (1, 2, 3, 4, 5), (1, 2, 3, 4), (1,)])
        self.disks = {id: ModelDisk(SavedState()) for id in range(1, 7)}
        for id in founders:
            self.disks[id] = ModelDisk(SavedState.founding(Membership.of(*founders)))
        self.nodes: dict[int, Node] = {}
        self.network: list[Message] = []
        self.cut: set[tuple[int, int]] = set()
        self.states: dict[int, list[bytes]] = {}
        self.proposed = 0
        self.disorder = self.random.choice((0.0, 0.3, 0.6))
        self.loss = self.random.choice((0.0, 0.03, 0.1))
        self.haste = self.random.choice((0.72, 0.86, 0.92))
        """How much of what happens is not a mishap."""
        self.weights = [weight * self.random.choice((0, 1, 1, 3)) for weight in WEIGHTS]
        for id in self.disks:
            self.start(id)

    # -- one server ---------------------------------------------------------------------------------------------------

    def start(self, id: int) -> None:
        saved = self.disks[id].saved
        self.states[id] = saved.snapshot.data.split()
        node = self.nodes[id] = self.node_type(id, saved, SETTINGS, Random(self.random.getrandbits(32)))
        self.invariants.started(node, saved)
        # What is on the disk after a start is all that is on the disk: a log that the snapshot has overtaken is not used.
        self.pump(id)

    def crash(self, id: int) -> None:
        disk = self.disks[id]
        disk.lose_power(self.random)
        del self.nodes[id]

    def pump(self, id: int) -> None:
        """Take what the node has to say: some of it leaves at once, the rest waits for the disk."""
        node, disk = self.nodes[id], self.disks[id]
        while node.has_ready():
            ready = node.ready()
            self.invariants.took(node, ready)
            self.transmit(ready.messages_at_once)
            disk.pending.append(ready)

    def sync(self, id: int) -> None:
        """The oldest write of a server is durable: its promises may leave, its entries be applied."""
        node, disk = self.nodes[id], self.disks[id]
        ready = disk.pending.popleft()
        disk.finish(ready)
        self.invariants.saved(id, ready.hard_state, ready.entries, ready.snapshot)
        self.transmit(ready.messages)
        self.apply(id, ready)
        node.advance(ready)
        self.pump(id)

    def apply(self, id: int, ready: Ready) -> None:
        if ready.snapshot is not None:
            self.invariants.restored(id, ready.snapshot)
            self.states[id] = ready.snapshot.data.split()
        self.invariants.applied(id, ready.committed)
        for entry in ready.committed:
            if entry.kind is EntryKind.COMMAND:
                self.states[id].append(entry.data)
        for read in ready.reads:
            self.invariants.read_answered(read.context, read.index)

    def transmit(self, messages: list[Message]) -> None:
        for message in messages:
            self.invariants.sent(message)
            if (message.sender, message.to) not in self.cut:
                self.network.append(message)

    # -- events -------------------------------------------------------------------------------------------------------

    def event(self) -> None:
        """Something happens: mostly messages, writes and time, at times a mishap."""
        dice = self.random.random()
        if dice < 0.58 * self.haste:
            self.deliver_one()
        elif dice < 0.82 * self.haste:
            self.sync_one()
        elif dice < self.haste:
            self.tick_one()
        else:
            self.random.choices((*MISHAPS, Cluster.start_one), (*self.weights, 4))[0](self)

    def say(self, text: str) -> None:
        if self.verbose:
            print(text, *self.nodes.values(), sep="\n    ")

    def deliver_one(self) -> None:
        if not self.network:
            return
        place = self.random.randrange(len(self.network)) if self.random.random() < self.disorder else 0
        message = self.network.pop(place)
        fate = self.random.random()
        if fate < self.loss:
            return
        if fate < 2 * self.loss:
            self.network.append(message)
        self.deliver(message)

    def deliver(self, message: Message) -> None:
        if message.to in self.nodes:
            self.say(f"deliver {message}")
            self.nodes[message.to].step(message)
            self.pump(message.to)

    def sync_one(self) -> None:
        waiting = [id for id in self.nodes if self.disks[id].pending]
        if waiting:
            id = self.random.choice(waiting)
            self.say(f"sync {id}")
            self.sync(id)

    def tick_one(self) -> None:
        if self.nodes:
            id = self.random.choice(list(self.nodes))
            self.say(f"tick {id}")
            self.nodes[id].tick()
            self.pump(id)

    def leaders(self) -> list[Node]:
        return [node for node in self.nodes.values() if node.role is Role.LEADER]

    def propose(self) -> None:
        for node in self.leaders():
            try:
                self.proposed += 1
                node.propose(b"p%d" % self.proposed)
                self.say(f"propose p{self.proposed} to {node.id}")
            except Refused:
                continue
            self.pump(node.id)

    def read(self) -> None:
        if self.nodes:
            node = self.random.choice(self.leaders() or list(self.nodes.values()))
            if self.random.random() < 0.3:
                node = self.random.choice(list(self.nodes.values()))
            self.proposed += 1
            context = b"r%d" % self.proposed
            self.invariants.read_asked(context)
            try:
                node.read_index(context)
            except Refused:
                return
            self.say(f"read {context!r} at {node.id}")
            self.pump(node.id)

    def crash_one(self) -> None:
        if self.nodes:
            id = self.random.choice(list(self.nodes))
            self.say(f"crash {id}")
            self.crash(id)
            if self.random.random() < 0.5:
                self.start(id)

    def start_one(self) -> None:
        down = sorted(self.disks.keys() - self.nodes.keys())
        if down:
            id = self.random.choice(down)
            self.say(f"start {id}")
            self.start(id)

    def campaign(self) -> None:
        if self.nodes:
            id = self.random.choice(list(self.nodes))
            self.say(f"campaign {id}")
            self.nodes[id].campaign()
            self.pump(id)

    def cut_links(self) -> None:
        ids = sorted(self.disks)
        if self.random.random() < 0.5:
            one, other = self.random.sample(ids, 2)
            self.cut.add((one, other))
        else:
            side = set(self.random.sample(ids, self.random.randint(1, 3)))
            self.cut |= {(a, b) for a in ids for b in ids if (a in side) != (b in side)}
        self.say(f"cut {sorted(self.cut)}")

    def isolate_a_leader(self) -> None:
        for node in self.leaders():
            self.cut |= {(a, b) for a in self.disks for b in self.disks if node.id in (a, b)}
            self.say(f"isolate {node.id}")

    def heal_links(self) -> None:
        self.say("heal")
        self.cut.clear()

    def lose_messages(self) -> None:
        self.say("lose messages")
        self.network = [message for message in self.network if self.random.random() < 0.5]

    def compact(self) -> None:
        if self.nodes:
            node = self.random.choice(list(self.nodes.values()))
            disk = self.disks[node.id]
            snapshot = node.compact(node.applied_index, b" ".join(self.states[node.id]))
            if snapshot is not None:
                self.say(f"compact {node.id} to {snapshot.index}")
                disk.compact(snapshot, node.first_index)
            self.pump(node.id)

    def transfer(self) -> None:
        for node in self.leaders():
            to = self.random.choice(sorted(node.membership.voters))
            try:
                node.transfer_leadership(to)
                self.say(f"transfer from {node.id} to {to}")
            except (Refused, ValueError):
                continue
            self.pump(node.id)

    def change_membership(self) -> None:
        for node in self.leaders():
            target = self.another_membership(node.membership)
            try:
                node.propose_membership(target)
                self.say(f"change at {node.id} to {target}")
            except (Refused, ValueError):
                continue
            self.pump(node.id)

    def another_membership(self, current: Membership) -> Membership:
        ids = list(self.disks)
        if self.random.random() < 0.4:
            voters = self.random.sample(ids, self.random.randint(1, 5))
            learners = self.random.sample(ids, self.random.randint(0, 2))
        else:
            one = self.random.choice(ids)
            voters = sorted(current.voters ^ {one}) or [one]
            learners = sorted(current.learners)
        return Membership.of(*voters, learners=set(learners) - set(voters))

    # -- the end ------------------------------------------------------------------------------------------------------

    def run(self, events: int) -> None:
        for _ in range(events):
            self.event()
        self.mend()
        self.prove_alive()

    def mend(self) -> None:
        """All servers up, all links whole, nothing lost from here on."""
        self.cut.clear()
        for id in sorted(self.disks.keys() - self.nodes.keys()):
            self.start(id)

    def settle(self) -> None:
        """Finish all writes and deliver all messages, in order."""
        for _ in range(100_000):
            waiting = [id for id in self.nodes if self.disks[id].pending]
            for id in waiting:
                self.sync(id)
            messages, self.network = self.network, []
            for message in messages:
                self.deliver(message)
            if not waiting and not messages:
                return
        raise AssertionError("the cluster never comes to rest")

    def prove_alive(self) -> None:
        """Within some election timeouts one leader takes a proposal, and every member applies it."""
        for _ in range(40 * SETTINGS.election_ticks):
            for node in list(self.nodes.values()):
                node.tick()
                self.pump(node.id)
            self.settle()
            leaders = [node for node in self.leaders() if self.commits_at(node)]
            if len(leaders) == 1 and self.all_level_with(leaders[0]):
                return
        raise AssertionError(f"no progress after everything was mended: {list(self.nodes.values())}")

    def commits_at(self, node: Node) -> bool:
        try:
            _, index = node.propose(b"alive")
        except Refused:
            return False
        self.pump(node.id)
        self.settle()
        return node.role is Role.LEADER and node.commit_index >= index

    def all_level_with(self, leader: Node) -> bool:
        members = [self.nodes[id] for id in leader.membership.members]
        level = all(node.applied_index == leader.applied_index for node in members)
        if level:
            for node in members:
                check(self.states[node.id] == self.states[leader.id], f"states of {leader.id} and {node.id} differ")
        return level


MISHAPS, WEIGHTS = zip(
    (Cluster.propose, 40),
    (Cluster.read, 10),
    (Cluster.crash_one, 4),
    (Cluster.start_one, 8),
    (Cluster.campaign, 3),
    (Cluster.cut_links, 3),
    (Cluster.isolate_a_leader, 2),
    (Cluster.heal_links, 5),
    (Cluster.lose_messages, 2),
    (Cluster.compact, 5),
    (Cluster.transfer, 2),
    (Cluster.change_membership, 5),
    strict=True,
)


def explore(seed: int, events: int = 3000, verbose: bool = False, node_type: type[Node] = Node) -> Cluster:
    cluster = Cluster(seed, verbose, node_type)
    cluster.run(events)
    return cluster


def main(arguments: list[str]) -> None:
    if "--verbose" in arguments:
        explore(int(arguments[0]), verbose=True)
        return
    for seed in range(int(arguments[0])):
        try:
            explore(seed)
        except Exception as error:
            print(f"seed {seed}: {type(error).__name__}: {error}")


if __name__ == "__main__":
    main(sys.argv[1:])
