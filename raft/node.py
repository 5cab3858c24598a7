"""One Raft server as a state machine: messages and ticks in, `Ready` out.  It has no disk, no socket, no clock.

The paper's Figure 2, and where it is here:

    State                       `Node.__init__`, log.py (the entries), progress.py (what a leader knows of each follower)
    RequestVote RPC             election.answer_vote
    AppendEntries RPC           replication.receive_append
    Rules: all servers          `Node.step`, the first lines; applying is the caller's (ready.py)
    Rules: followers            `RULES` below, `Node.tick`
    Rules: candidates           election.py
    Rules: leaders              replication.py

Beyond the figure: pre-vote and the lease (election.py), CheckQuorum (`Node.tick`), snapshots.py, reading.py, transfer.py,
reconfiguration.py.  Each is a chapter of functions over one `Node`; the table says who listens to what.

The same messages, ticks and dice give the same outputs, always: that is what lets simulation find mistakes, and a trace
tell a story.

Source: [R] Ongaro & Ousterhout, "In Search of an Understandable Consensus Algorithm", extended version, 2014;
[T] Ongaro's thesis, 2014.  The shape is etcd's raft.
"""

from collections import deque
from collections.abc import Callable
from random import Random
from typing import Any

from raft import election, reading, reconfiguration, replication, snapshots, transfer
from raft.log import Log
from raft.membership import Membership
from raft.messages import (
    AppendEntries,
    AppendReply,
    Entry,
    EntryKind,
    HardState,
    Heartbeat,
    HeartbeatReply,
    InstallSnapshot,
    Message,
    PreVoteReply,
    ReadIndex,
    ReadIndexReply,
    RequestPreVote,
    RequestVote,
    SavedState,
    Snapshot,
    SnapshotReply,
    TimeoutNow,
    VoteReply,
)
from raft.progress import Progress
from raft.ready import (
    ChangeUnderWay,
    Leadership,
    NotLeader,
    ReadState,
    Ready,
    Refused,
    Role,
    Settings,
    TooMuchUncommitted,
    TransferUnderWay,
)

__all__ = [
    "ChangeUnderWay", "Leadership", "Node", "NotLeader", "ReadState", "Ready", "Refused", "Role", "Settings",
    "TooMuchUncommitted", "TransferUnderWay",
]  # fmt: skip


class Node:
    def __init__(self, id: int, saved: SavedState, settings: Settings, random: Random, applied: int = 0) -> None:
        """A server that starts from what is `saved` on its disk.

        applied   the last entry its state machine has; `saved.snapshot.index` or more, or 0 for just that
        """
        self.id = id
        self.settings = settings
        self.random = random

        # Persistent state on all servers ([R] Figure 2); the caller saves it.
        self.log = Log(saved)
        self.term, self.vote = saved.hard_state.term, saved.hard_state.vote
        if self.log.last_term > self.term:  # the power went between the entries and the hard state they came with, and
            self.term, self.vote = self.log.last_term, id  # with the vote: it counts as spent, on whomever

        # Volatile state on all servers.
        self.log.commit_to(min(max(saved.hard_state.commit, applied), self.log.last_index))
        self.log.applied = self.log.applying = max(applied, self.log.snapshot.index)
        self.role = Role.FOLLOWER
        self.leader: int | None = None
        self.election_elapsed = 0
        self.election_timeout = 0
        self.reset_election_timer()
        self.incoming: snapshots.Incoming | None = None

        # Volatile state on candidates and leaders.
        self.granted: set[int] = set()
        self._begin_leadership()

        # What the next Ready is made of.
        self.appends_due = self.round_due = False
        self.read_states: list[ReadState] = []
        self.snapshot_to_save: Snapshot | None = None
        self._at_once: list[Message] = []
        self._after_save: list[Message] = []
        self._number = 0
        self._durable_term = self.term
        self._last_hard_state = saved.hard_state
        self._last_leadership = self._leadership()

        if self.membership.is_only_voter(id):  # nobody could object: why wait?
            self.campaign()

    def _begin_leadership(self) -> None:
        """Volatile state on leaders: reinitialized after election."""
        self.progress: dict[int, Progress] = {}
        """nextIndex and matchIndex of each other member."""
        self.round = 0
        self.heartbeat_elapsed = 0
        self.waiting_reads: deque[reading.WaitingRead] = deque()
        self.successor: int | None = None
        self.transfer_elapsed = 0
        self.uncommitted_bytes = 0

    # -- what can be seen ---------------------------------------------------------------------------------------------

    @property
    def membership(self) -> Membership:
        return self.log.membership

    @property
    def first_index(self) -> int:
        """The first entry still in the log: what is before it may be cut from disk once the snapshot is durable."""
        return self.log.first_index

    @property
    def last_index(self) -> int:
        return self.log.last_index

    @property
    def commit_index(self) -> int:
        return self.log.committed

    @property
    def applied_index(self) -> int:
        return self.log.applied

    @property
    def term_is_durable(self) -> bool:
        return self._durable_term == self.term

    def __repr__(self) -> str:
        return (
            f"<Node {self.id} {self.role.value} term {self.term} log {self.first_index}..{self.last_index} "
            f"committed {self.commit_index}>"
        )

    # -- inputs -------------------------------------------------------------------------------------------------------

    def step(self, message: Message) -> None:
        """Take a message from another server, or drop it."""
        if message.to != self.id:
            return
        if isinstance(message, RequestVote | RequestPreVote) and election.protects_leader(self, message):
            return
        if message.term < self.term:
            self._refuse_outdated(message)
            return
        if message.term > self.term and not speaks_of_a_future_term(message):
            self.adopt_term(message.term)
            self.become_follower(leader=message.sender if isinstance(message, FROM_A_LEADER) else None)
        rule = RULES.get((self.role, type(message)))
        if rule is not None:
            rule(self, message)

    def _refuse_outdated(self, message: Message) -> None:
        """A sender of a lower term learns ours from the answer, and steps down; its replies are about nothing any more."""
        match message:
            case RequestPreVote():
                self.send(PreVoteReply(self.id, message.sender, self.term, False))
            case RequestVote():
                self.send(VoteReply(self.id, message.sender, self.term, False))
            case AppendEntries():
                self.send(AppendReply(self.id, message.sender, self.term, False, message.previous_index))
            case Heartbeat():
                self.send(HeartbeatReply(self.id, message.sender, self.term, 0))
            case InstallSnapshot():
                self.send(SnapshotReply(self.id, message.sender, self.term, message.last_index, 0))

    def tick(self) -> None:
        """A unit of time has passed."""
        self.election_elapsed += 1
        if self.role is not Role.LEADER:
            if self.election_elapsed >= self.election_timeout:
                self.campaign()
            return
        self.heartbeat_elapsed += 1
        if self.heartbeat_elapsed >= self.settings.heartbeat_ticks:
            self.heartbeat_elapsed = 0
            self.round_due = True
        if self.successor is not None:
            transfer.tick(self)
        if self.election_elapsed >= self.settings.election_ticks:
            self.election_elapsed = 0
            self._check_quorum()

    def _check_quorum(self) -> None:
        """A leader that a majority has not answered for an election timeout is cut off: it resigns ([T] §6.2)."""
        heard = {self.id, *(member for member, progress in self.progress.items() if progress.recently_active)}
        if not self.membership.is_majority(heard):
            self.become_follower(leader=None)
        for progress in self.progress.values():
            progress.recently_active = False

    def campaign(self) -> None:
        """Start an election now, as if the timeout had passed."""
        election.campaign(self)

    def propose(self, data: bytes) -> tuple[int, int]:
        """Append a command; replication begins with the next Ready.

        Returns (term, index): it is committed if an entry of this very term is committed at this index, lost if one of
        another term is, and until then unknown.  Raises NotLeader, TransferUnderWay, TooMuchUncommitted.
        """
        self._take_requests()
        size = len(data)
        if self.uncommitted_bytes and self.uncommitted_bytes + size > self.settings.uncommitted_bytes_max:
            raise TooMuchUncommitted(f"{self.uncommitted_bytes} bytes wait for a majority")
        return self.append(EntryKind.COMMAND, data)

    def propose_membership(self, target: Membership) -> tuple[int, int]:
        """Begin a change to `target`, through a joint configuration if it takes one; that is then left by itself.

        Returns (term, index) of the first entry.  Raises NotLeader, TransferUnderWay, ChangeUnderWay, ValueError.
        """
        self._take_requests()
        return reconfiguration.propose(self, target)

    def transfer_leadership(self, to: int) -> None:
        """Hand over to a voter; `Ready.leadership` tells if it worked.  Raises NotLeader, TransferUnderWay, ValueError."""
        self._take_requests()
        transfer.begin(self, to)

    def read_index(self, context: bytes) -> None:
        """Ask for an index to read at; the answer is a ReadState with this context in some Ready.

        After a change of leader or a lost message there is none: ask again after a while.  Raises NotLeader if no leader
        is known.
        """
        reading.ask(self, context)

    def compact(self, index: int, snapshot_data: bytes) -> Snapshot | None:
        """Take `snapshot_data` as the state at `index`, and forget the log before it, but for a tail.

        index   at most `applied_index`: the last entry that the data includes

        Returns the snapshot for the caller to save; once that is durable, the stored log may be cut to `first_index`.  None
        if there is one as new already, or if this server has not learned yet who its cluster is.
        """
        if index > self.applied_index:
            raise ValueError(f"entry {index} is not applied yet, {self.applied_index} is")
        if index <= self.log.snapshot.index:
            return None
        membership, term = self.log.membership_at(index), self.log.term_at(index)
        if not membership.voters or term is None:
            return None
        snapshot = Snapshot(index, term, membership, snapshot_data)
        self.log.compact(snapshot, self.settings.kept_entries)
        return snapshot

    def _take_requests(self) -> None:
        if self.role is not Role.LEADER:
            raise NotLeader(self.leader)
        if self.successor is not None:
            raise TransferUnderWay(f"leadership is going to server {self.successor}")

    # -- outputs ------------------------------------------------------------------------------------------------------

    def has_ready(self) -> bool:
        """Whether `ready` has anything to do for the caller."""
        log, before, led = self.log, self._last_hard_state, self._last_leadership
        return bool(
            self._at_once
            or self._after_save
            or log.taken < log.last_index
            or log.applying < log.committed
            or self.read_states
            or self.appends_due
            or self.round_due
            or self.snapshot_to_save
            or (before.term, before.vote, before.commit) != (self.term, self.vote, log.committed)
            or (led.term, led.leader, led.role) != (self.term, self.leader, self.role)
        )

    def ready(self) -> Ready:
        """What is to be done, once; the caller does it in the order that `Ready` states."""
        self._send_what_is_due()
        log = self.log
        self._number += 1
        hard_state, leadership, before = self._hard_state(), self._leadership(), self._last_hard_state
        entries = log.take(self._number)
        new_vote = (hard_state.term, hard_state.vote) != (before.term, before.vote)
        ready = Ready(
            number=self._number,
            hard_state=hard_state if hard_state != before else None,
            entries=entries,
            snapshot=self.snapshot_to_save,
            must_sync=bool(entries or self.snapshot_to_save or new_vote),
            messages_at_once=self._at_once,
            messages=self._after_save,
            committed=log.hand_out_committed(),
            reads=self.read_states,
            leadership=leadership if leadership != self._last_leadership else None,
        )
        self._at_once, self._after_save, self.read_states, self.snapshot_to_save = [], [], [], None
        self._last_hard_state, self._last_leadership = hard_state, leadership
        return ready

    def advance(self, ready: Ready) -> None:
        """All of `ready` is done: saved, sent, applied."""
        if ready.hard_state is not None:
            self._durable_term = ready.hard_state.term
            election.count_own_vote(self)
        self.log.was_saved(ready.number)
        if ready.snapshot is not None:
            self.log.applied = max(self.log.applied, ready.snapshot.index)
        if ready.committed:
            self.log.applied = max(self.log.applied, ready.committed[-1].index)
        if self.role is Role.LEADER:
            replication.advance_commit(self)  # its own disk counts for it only now

    def _send_what_is_due(self) -> None:
        if self.role is Role.LEADER:
            if self.round_due:
                replication.send_heartbeats(self)
            if self.appends_due:
                replication.send_appends(self)
        self.appends_due = self.round_due = False

    def _hard_state(self) -> HardState:
        return HardState(self.term, self.vote, self.log.committed)

    def _leadership(self) -> Leadership:
        return Leadership(self.term, self.leader, self.role)

    def send(self, message: Message) -> None:
        """Queue a message behind what it promises; any message promises the term it names."""
        if message.promises or not self.term_is_durable:
            self._after_save.append(message)
        else:
            self._at_once.append(message)

    # -- roles --------------------------------------------------------------------------------------------------------

    def adopt_term(self, term: int) -> None:
        """A term begins with the vote unspent."""
        assert term > self.term
        self.term, self.vote = term, None

    def become(self, role: Role) -> None:
        """Change roles, with no leader known yet."""
        if self.role is Role.LEADER:
            self._begin_leadership()
            self.reset_election_timer()  # as a leader it had none
        self.role, self.leader = role, None
        self.granted = set()

    def become_follower(self, leader: int | None) -> None:
        """The election timer runs on: a higher term alone is no sign of a leader."""
        self.become(Role.FOLLOWER)
        self.leader = leader

    def become_leader(self) -> None:
        """Upon election ([R] Figure 2): volatile state anew, and an entry to commit the older ones under (§8)."""
        self.become(Role.LEADER)
        self.leader, self.incoming = self.id, None
        self.election_elapsed = 0
        next_index = self.log.last_index + 1
        self.progress = {member: Progress(next_index) for member in sorted(self.membership.members - {self.id})}
        uncommitted = self.log.slice(self.log.committed + 1, self.log.last_index)
        self.uncommitted_bytes = sum(entry.size for entry in uncommitted)
        self.append(EntryKind.NO_OP, b"")

    def reset_election_timer(self) -> None:
        """A new draw each time, so that two that have collided do not collide again ([R] §5.2)."""
        self.election_elapsed = 0
        shortest = self.settings.election_ticks
        self.election_timeout = self.random.randrange(shortest, 2 * shortest)

    def heard_from_leader(self, leader: int) -> None:
        """A message of this term that only its leader sends."""
        if self.role is not Role.FOLLOWER:
            self.become_follower(leader)
        self.leader = leader
        self.reset_election_timer()

    def heard_from(self, member: int) -> Progress | None:
        """An answer of this term, to this leader; None if it is from someone who is gone."""
        progress = self.progress.get(member)
        if progress is not None:
            progress.recently_active = True
        return progress

    # -- what the chapters share --------------------------------------------------------------------------------------

    def append(self, kind: EntryKind, data: bytes) -> tuple[int, int]:
        """Put an entry at the end of a leader's log, which never changes otherwise (Leader Append-Only)."""
        entry = Entry(self.log.last_index + 1, self.term, kind, data)
        self.log.append(entry)
        self.uncommitted_bytes += entry.size
        self.appends_due = True
        return self.term, entry.index

    def other_voters(self) -> list[int]:
        return sorted(self.membership.all_voters - {self.id})

    def match_index(self, server: int) -> int:
        """Up to where `server` durably has this leader's log; its own disk is no different."""
        return self.log.saved if server == self.id else self.progress[server].match_index

    def acknowledged_round(self, server: int) -> int:
        """The last heartbeat round that `server` answered; its own is answered before it is asked."""
        return self.round + 1 if server == self.id else self.progress[server].acknowledged_round

    def has_committed_in_its_term(self) -> bool:
        """Then, and only then, does a leader know all that was committed before it ([T] §6.4)."""
        return self.log.term_at(self.log.committed) == self.term


FROM_A_LEADER = (AppendEntries, Heartbeat, InstallSnapshot, TimeoutNow)
"""Whoever sends these in a term is its leader."""


def speaks_of_a_future_term(message: Message) -> bool:
    """Pre-votes name a term that nobody is in yet."""
    return isinstance(message, RequestPreVote) or (isinstance(message, PreVoteReply) and message.granted)


ANY = tuple(Role)
NOT_LEADING = (Role.FOLLOWER, Role.PRE_CANDIDATE, Role.CANDIDATE)
LEADING = (Role.LEADER,)

RULES: dict[tuple[Role, type[Message]], Callable[[Node, Any], None]] = {
    (role, message): rule
    for roles, message, rule in (
        # who                     hears                what it does
        (ANY,                     RequestPreVote,      election.answer_pre_vote),
        (ANY,                     RequestVote,         election.answer_vote),
        ((Role.PRE_CANDIDATE,),   PreVoteReply,        election.count_pre_vote),
        ((Role.CANDIDATE,),       VoteReply,           election.count_vote),
        (NOT_LEADING,             AppendEntries,       replication.receive_append),
        (NOT_LEADING,             Heartbeat,           replication.receive_heartbeat),
        (NOT_LEADING,             InstallSnapshot,     snapshots.receive_chunk),
        (LEADING,                 AppendReply,         replication.count_append),
        (LEADING,                 HeartbeatReply,      replication.count_heartbeat),
        (LEADING,                 SnapshotReply,       snapshots.count_chunk),
        (NOT_LEADING,             TimeoutNow,          transfer.receive_timeout_now),
        (LEADING,                 ReadIndex,           reading.receive_ask),
        (ANY,                     ReadIndexReply,      reading.receive_index),
    )
    for role in roles
}  # fmt: skip
"""What is not in it is dropped: votes for an election that is over, answers to a leader that is none any more."""
