"""What Raft writes down and what servers say to each other: plain values, no behaviour.

The paper's two RPCs became pairs of one-way messages, since replies come late, twice, or never:

    message                 from → to                     answered by
    RequestPreVote          pre-candidate → voters        PreVoteReply           would you vote for me?     [T] §9.6
    RequestVote             candidate → voters            VoteReply                                         [R] §5.2, 5.4
    AppendEntries           leader → members              AppendReply                                       [R] §5.3
    Heartbeat               leader → members              HeartbeatReply         an AppendEntries without the log:
                                                                                 keeps followers, numbers rounds for reads
    InstallSnapshot         leader → one far behind       SnapshotReply          one chunk each             [R] §7
    TimeoutNow              leader → its successor        (a RequestVote)        leadership transfer        [T] §3.10
    ReadIndex               follower → leader             ReadIndexReply                                    [T] §6.4

Every message names its `sender`, its receiver `to`, and the sender's `term`.  Which group a message belongs to, if a
process runs many, is the transport's matter, outside of these.  `promises` marks those that speak for the sender's disk:
they may leave only when what they promise is durable (see `Ready` in node.py).

Source: [R] Figure 2 and Figure 13.  Next: membership.py, log.py.
"""

from dataclasses import dataclass
from enum import IntEnum
from typing import ClassVar

from raft.membership import EMPTY, Membership


class EntryKind(IntEnum):
    COMMAND = 0
    """`data` is the application's."""
    NO_OP = 1
    """A leader's first entry of its term: what is under it may be committed ([R] §8)."""
    MEMBERSHIP = 2
    """`data` is a Membership, in force from the moment it is in the log."""


@dataclass(slots=True)
class Entry:
    index: int
    term: int
    kind: EntryKind
    data: bytes

    @property
    def size(self) -> int:
        """Bytes it is counted for in limits: its data and a small charge for being there at all."""
        return len(self.data) + ENTRY_OVERHEAD


ENTRY_OVERHEAD = 16


@dataclass(frozen=True, slots=True)
class HardState:
    """Persistent state on all servers, the part beside the log.

    `commit` need not be saved, but spares a restarted server the wait for a leader.
    """

    term: int = 0
    vote: int | None = None
    commit: int = 0


@dataclass(frozen=True, slots=True)
class Snapshot:
    """All that the log said up to `index`, in the application's own words: `data` (client sessions included)."""

    index: int = 0
    term: int = 0
    membership: Membership = EMPTY
    """The configuration as of `index`."""
    data: bytes = b""


@dataclass(frozen=True, slots=True)
class SavedState:
    """What a server finds on its disk when it starts.

    A founding member of a cluster starts from `founding(membership)`, the same on each; a server that will be added later
    from an empty `SavedState()`: it knows nobody, so it waits to be spoken to.
    """

    hard_state: HardState = HardState()
    snapshot: Snapshot = Snapshot()
    entries: tuple[Entry, ...] = ()
    """Consecutive; the first may lie before `snapshot.index` + 1 (the kept tail, or a crash before the cut), not after."""

    @classmethod
    def founding(cls, membership: Membership) -> "SavedState":
        return cls(snapshot=Snapshot(membership=membership))


@dataclass(slots=True)
class RequestPreVote:
    """`term` is the term it would run in: its own + 1.  Changes nothing at the receiver."""

    promises: ClassVar[bool] = False
    sender: int
    to: int
    term: int
    last_index: int
    last_term: int


@dataclass(slots=True)
class PreVoteReply:
    """`term` is the one asked for when granting, the voter's own when refusing."""

    promises: ClassVar[bool] = False
    sender: int
    to: int
    term: int
    granted: bool


@dataclass(slots=True)
class RequestVote:
    promises: ClassVar[bool] = True  # term, and the vote for itself
    sender: int
    to: int
    term: int
    last_index: int
    last_term: int
    transfer: bool = False
    """The leader itself asked for this election: voters need not protect it."""


@dataclass(slots=True)
class VoteReply:
    promises: ClassVar[bool] = True  # term and vote
    sender: int
    to: int
    term: int
    granted: bool


@dataclass(slots=True)
class AppendEntries:
    promises: ClassVar[bool] = False  # a leader's entries may travel while its own disk still writes them: [T] §10.2.1
    sender: int
    to: int
    term: int
    previous_index: int
    previous_term: int
    entries: tuple[Entry, ...]
    commit: int


@dataclass(slots=True)
class AppendReply:
    """Agreed: the logs are equal up to `index`.  Refused: `index` is the previous_index that did not match, and

    hint_index   the follower's last entry at or before `index` whose term is not above the one asked for,
    hint_term    its term: the leader need not ask about anything above in a later term than that.
    """

    promises: ClassVar[bool] = True  # entries up to `index`
    sender: int
    to: int
    term: int
    agreed: bool
    index: int
    hint_index: int = 0
    hint_term: int = 0


@dataclass(slots=True)
class Heartbeat:
    """`commit` is never above what the receiver is known to hold.  `round` counts within the leader's term."""

    promises: ClassVar[bool] = False
    sender: int
    to: int
    term: int
    commit: int
    round: int


@dataclass(slots=True)
class HeartbeatReply:
    promises: ClassVar[bool] = False
    sender: int
    to: int
    term: int
    round: int


@dataclass(slots=True)
class InstallSnapshot:
    """One chunk of a snapshot of `size` bytes; `checksum` (CRC-32) is over all of them."""

    promises: ClassVar[bool] = False
    sender: int
    to: int
    term: int
    last_index: int
    last_term: int
    membership: Membership
    size: int
    checksum: int
    offset: int
    chunk: bytes


@dataclass(slots=True)
class SnapshotReply:
    """`offset` bytes of the snapshot at `last_index` are here.  Fewer than were sent: start again from there."""

    promises: ClassVar[bool] = True  # the snapshot, once it is whole
    sender: int
    to: int
    term: int
    last_index: int
    offset: int
    installed: bool = False
    """The whole of it is durable (or was not needed): the log goes on after `last_index`."""


@dataclass(slots=True)
class TimeoutNow:
    promises: ClassVar[bool] = False
    sender: int
    to: int
    term: int


@dataclass(slots=True)
class ReadIndex:
    """`context` is the asker's own mark, handed back with the answer."""

    promises: ClassVar[bool] = False
    sender: int
    to: int
    term: int
    context: bytes


@dataclass(slots=True)
class ReadIndexReply:
    promises: ClassVar[bool] = False
    sender: int
    to: int
    term: int
    context: bytes
    index: int


Message = (
    RequestPreVote
    | PreVoteReply
    | RequestVote
    | VoteReply
    | AppendEntries
    | AppendReply
    | Heartbeat
    | HeartbeatReply
    | InstallSnapshot
    | SnapshotReply
    | TimeoutNow
    | ReadIndex
    | ReadIndexReply
)

MESSAGE_NUMBERS: dict[type[Message], int] = {
    RequestPreVote: 1,
    PreVoteReply: 2,
    RequestVote: 3,
    VoteReply: 4,
    AppendEntries: 5,
    AppendReply: 6,
    Heartbeat: 7,
    HeartbeatReply: 8,
    InstallSnapshot: 9,
    SnapshotReply: 10,
    TimeoutNow: 11,
    ReadIndex: 12,
    ReadIndexReply: 13,
}
"""Their names on the wire: fixed for ever, so that servers of two versions can talk."""
