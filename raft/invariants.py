"""What must hold in every cluster at every moment, checked from outside after each event.

    election safety           at most one leader in a term                                          [R] Figure 3
    leader append-only        a leader never replaces an entry of its own log
    log matching              two logs with the same entry at an index are equal up to there
    leader completeness       what is committed is in the log of every leader of a later term
    state machine safety      no two servers ever apply different entries at an index
    durability                what is committed is on the disks of a majority
    memory                    term and vote survive what a server has said about them; the commit index does not go back
    reads                     an index to read at is not below what was committed when the read began

Comparing whole logs after every event would be quadratic.  Instead each log is mirrored as a chain of hashes, each over
the one before and its entry, so that equality of two prefixes is equality of two numbers.

Whoever drives the nodes (tests, simulation) reports here: `started`, `took` each Ready, `saved` it, `sent` its messages,
`applied` its entries.  Source: [R] Figure 3 and its proofs in §5.4.3; [T] §3.6.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field

from raft.membership import EMPTY, Membership
from raft.messages import Entry, HardState, Message, RequestVote, SavedState, Snapshot, VoteReply
from raft.node import Node
from raft.ready import Ready, Role


class InvariantViolated(AssertionError):
    """A promise of Raft is broken; the message says which, where and how."""


@dataclass(slots=True)
class Mirror:
    """A log from its very first entry, as chained hashes: chain[i] stands for entries 1..i."""

    chain: list[int] = field(default_factory=lambda: [0])

    @property
    def last_index(self) -> int:
        return len(self.chain) - 1

    def replace_from(self, entries: Iterable[Entry]) -> None:
        """The effect of saving `entries`: they and nothing else from the first of them on."""
        chain = self.chain
        for place, entry in enumerate(entries):
            if place == 0:
                del chain[entry.index :]
            chain.append(linked(chain[-1], entry))

    def has(self, index: int, link: int) -> bool:
        return index < len(self.chain) and self.chain[index] == link


def linked(before: int, entry: Entry) -> int:
    return hash((before, entry.term, entry.kind, entry.data))


@dataclass(slots=True)
class Server:
    """One server as seen so far, over all its lives."""

    memory: Mirror = field(default_factory=Mirror)
    disk: Mirror = field(default_factory=Mirror)
    commit: int = 0
    applied: int = 0
    led: int = 0
    """The term in which it was last seen leading."""
    membership: Membership = EMPTY
    """The one in force at the Ready before: what was committed since may have been by its majority."""
    said_term: int = 0
    votes: dict[int, int] = field(default_factory=dict)
    """Term -> for whom, as others were told."""


class Invariants:
    def __init__(self) -> None:
        self.servers: dict[int, Server] = {}
        self.leaders: dict[int, int] = {}
        self.links: dict[tuple[int, int], int] = {}
        self.committed = Mirror()
        self.committed_in = [0]
        """The term in which each entry was first seen committed."""
        self.applied_entries: dict[int, int] = {}
        self.reads: dict[bytes, int] = {}

    # -- what is reported ---------------------------------------------------------------------------------------------

    def started(self, node: Node, saved: SavedState) -> None:
        """`node` begins a life from `saved`; its state machine stands at the node's `applied_index`."""
        server = self.servers.setdefault(node.id, Server())
        where = f"server {node.id} restarted"
        check(node.term >= server.said_term, f"memory: {where} in term {node.term}, it spoke in {server.said_term}")
        voted = server.votes.get(node.term)
        check(voted is None or node.vote == voted, f"memory: {where} with vote {node.vote}, it was for {voted}")
        mirror = self._mirror_of(saved)
        kept = min(server.disk.last_index, self.committed.last_index)
        if server.disk.has(kept, self.committed.chain[kept]):
            check(
                mirror.has(kept, self.committed.chain[kept]), f"memory: {where} without {kept}, which was on its disk"
            )
        server.memory, server.disk = mirror, Mirror(list(mirror.chain))
        server.membership = node.membership
        server.commit, server.applied, server.led = 0, node.applied_index, 0
        self._check_matching(node.id, mirror, saved.entries)

    def took(self, node: Node, ready: Ready) -> None:
        """The node has handed out `ready`: its state as of now is checked."""
        server = self.servers[node.id]
        if node.role is Role.LEADER and ready.entries and server.led == node.term:
            first = ready.entries[0].index
            check(first > server.memory.last_index, f"leader append-only: server {node.id} replaces entry {first}")
        if ready.snapshot is not None:
            server.memory = self._mirror_of(SavedState(snapshot=ready.snapshot))
        server.memory.replace_from(ready.entries)
        self._check_commit(node, server)
        server.membership = node.membership
        if node.role is Role.LEADER and server.led != node.term:
            self._check_new_leader(node, server)

    def saved(self, id: int, hard_state: HardState | None, entries: Iterable[Entry], snapshot: Snapshot | None) -> None:
        """This is durable on server `id`."""
        disk = self.servers[id].disk
        if snapshot is not None:
            disk.chain = self._mirror_of(SavedState(snapshot=snapshot)).chain
        disk.replace_from(entries)
        self._check_matching(id, disk, entries)

    def sent(self, message: Message) -> None:
        """The message is on its way, so its sender is bound by it."""
        server = self.servers[message.sender]
        if message.promises:
            server.said_term = max(server.said_term, message.term)
        if isinstance(message, RequestVote):
            self._voted(server, message.sender, message.term, message.sender)
        elif isinstance(message, VoteReply) and message.granted:
            self._voted(server, message.sender, message.term, message.to)

    def applied(self, id: int, entries: Iterable[Entry]) -> None:
        """Server `id` has applied these to its state machine."""
        server = self.servers[id]
        for entry in entries:
            check(entry.index == server.applied + 1, f"server {id} applies {entry.index} after {server.applied}")
            server.applied = entry.index
            content = hash((entry.term, entry.kind, entry.data))
            known = self.applied_entries.setdefault(entry.index, content)
            check(content == known, f"state machine safety: server {id} applies another entry at {entry.index}")

    def restored(self, id: int, snapshot: Snapshot) -> None:
        """Server `id` has replaced its state machine by a snapshot."""
        server = self.servers[id]
        check(snapshot.index >= server.applied, f"server {id} goes back from {server.applied} to {snapshot.index}")
        server.applied = snapshot.index

    def read_asked(self, context: bytes) -> None:
        self.reads[context] = self.committed.last_index

    def read_answered(self, context: bytes, index: int) -> None:
        floor = self.reads.get(context, 0)  # a repeated answer is checked again: the state only grows
        check(index >= floor, f"reads: index {index} for a read that began when {floor} was committed")

    # -- what is checked ----------------------------------------------------------------------------------------------

    def _check_commit(self, node: Node, server: Server) -> None:
        commit = node.commit_index
        check(
            commit >= server.commit, f"memory: commit index of server {node.id} went from {server.commit} to {commit}"
        )
        server.commit = commit
        check(commit <= server.memory.last_index, f"server {node.id} commits {commit}, which it does not have")
        seen = self.committed.last_index
        upto = min(seen, commit)
        check(
            server.memory.chain[upto] == self.committed.chain[upto],
            f"state machine safety: server {node.id} commits another log up to {upto}",
        )
        if commit <= seen:
            return
        link = server.memory.chain[commit]
        durable_on = {id for id, other in self.servers.items() if other.disk.has(commit, link)}
        check(
            decides(node.membership, durable_on) or decides(server.membership, durable_on),
            f"durability: server {node.id} commits {commit}, on the disks of {sorted(durable_on)} of {node.membership}",
        )
        self.committed.chain += server.memory.chain[seen + 1 : commit + 1]
        self.committed_in += [max(node.term, self.committed_in[-1])] * (commit - seen)

    def _check_matching(self, id: int, mirror: Mirror, entries: Iterable[Entry]) -> None:
        """Of what is durable: an entry that only memory held may be forgotten, and its place in the term taken again."""
        for entry in entries:
            if entry.index < len(mirror.chain):
                link = mirror.chain[entry.index]
                known = self.links.setdefault((entry.index, entry.term), link)
                check(
                    link == known, f"log matching: server {id} differs at or before {entry.index} of term {entry.term}"
                )

    def _check_new_leader(self, node: Node, server: Server) -> None:
        server.led = node.term
        other = self.leaders.setdefault(node.term, node.id)
        check(other == node.id, f"election safety: servers {other} and {node.id} both lead term {node.term}")
        before = self.committed.last_index
        while self.committed_in[before] >= node.term:
            before -= 1
        check(
            server.memory.has(before, self.committed.chain[before]),
            f"leader completeness: server {node.id}, leader of term {node.term}, lacks what is committed up to {before}",
        )

    def _voted(self, server: Server, id: int, term: int, candidate: int) -> None:
        before = server.votes.setdefault(term, candidate)
        check(before == candidate, f"election safety: server {id} votes for {before} and {candidate} in term {term}")

    def _mirror_of(self, saved: SavedState) -> Mirror:
        """What was compacted away is what was committed there."""
        index = saved.snapshot.index
        check(index <= self.committed.last_index, f"a snapshot holds {index}, committed is {self.committed.last_index}")
        mirror = Mirror(self.committed.chain[: index + 1])
        mirror.replace_from(entry for entry in saved.entries if entry.index > index)
        return mirror


def decides(membership: Membership, servers: set[int]) -> bool:
    """Whether these are a majority, counted here once more rather than by what is to be checked."""
    deciding = (membership.voters, membership.old_voters)
    return bool(membership.voters) and all(2 * len(voters & servers) > len(voters) for voters in deciding if voters)


def check(holds: bool, otherwise: str) -> None:
    if not holds:
        raise InvariantViolated(otherwise)
