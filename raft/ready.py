"""What goes into a node besides messages, and what comes out: settings, refusals, and `Ready`, the list of things to do.

The node does nothing itself: it has no disk, no socket, no clock.  Its caller asks `ready()` what there is to do, does it
in the order that `Ready` states, and reports with `advance()`.  That order is where most of Raft's safety lives once the
algorithm is right, which is why it is written down once, here, and nowhere else.

Source: [R] §5.6 and Figure 2 ("updated on stable storage before responding to RPCs"); [T] §10.2.1; the shape is etcd's.
"""

from dataclasses import dataclass
from enum import Enum

from raft.messages import Entry, HardState, Message, Snapshot


class Role(Enum):
    FOLLOWER = "follower"
    PRE_CANDIDATE = "pre-candidate"
    CANDIDATE = "candidate"
    LEADER = "leader"


@dataclass(frozen=True, slots=True)
class Settings:
    """Times are ticks, sizes bytes."""

    election_ticks: int = 10
    """The minimum election timeout T; each server draws its own from [T, 2T), again at each reset.  Well above a round
    trip and an fsync: lower finds dead leaders sooner, and mistakes slow ones for dead."""
    heartbeat_ticks: int = 1
    append_bytes_max: int = 1 << 20
    """Of entries in one message."""
    appends_in_flight_max: int = 64
    """Messages to one follower that it has not answered."""
    uncommitted_bytes_max: int = 64 << 20
    """Proposals a leader without a majority will hold before it refuses more."""
    snapshot_chunk_bytes: int = 1 << 20
    snapshot_bytes_max: int = 1 << 30
    """Larger ones are not received."""
    kept_entries: int = 1000
    """Entries kept before a snapshot, so that a follower that is a little behind needs none."""


class Refused(Exception):
    """A request that this server cannot take now; nothing has changed."""


class NotLeader(Refused):
    """Ask `leader`, if one is known."""

    def __init__(self, leader: int | None) -> None:
        super().__init__(f"the leader is server {leader}" if leader is not None else "no leader is known")
        self.leader = leader


class TooMuchUncommitted(Refused):
    """Too many bytes wait for a majority already."""


class TransferUnderWay(Refused):
    """This leader is handing over: it takes nothing new until that has worked or timed out."""


class ChangeUnderWay(Refused):
    """Another membership change is not committed yet, or this leader has not committed anything in its term."""


@dataclass(frozen=True, slots=True)
class Leadership:
    term: int
    leader: int | None
    role: Role


@dataclass(frozen=True, slots=True)
class ReadState:
    """A read asked for with `context` may be answered once everything up to `index` is applied."""

    context: bytes
    index: int


@dataclass(slots=True)
class Ready:
    """What the caller must do now, in this order:

    0. `messages_at_once`   send: they promise nothing, so they may leave while step 1 is under way
    1. save                 `snapshot` (it replaces the whole stored log), then `entries` (they replace all stored ones
                            from entries[0].index on), then `hard_state`; fsync if `must_sync`
    2. `messages`           send
    3. apply                `snapshot` to the application (restore), then `committed` in order; answer `reads` at or
                            below what is applied
    4. `advance(ready)`

    Several may be under way: `ready()` may be called again before the last was advanced, and steps taken in between; but
    saving, step 2, applying and advancing go in the order in which they were handed out.  So many groups may put their
    step 1 into one file and one fsync.
    """

    number: int
    hard_state: HardState | None
    entries: tuple[Entry, ...]
    snapshot: Snapshot | None
    must_sync: bool
    """False if nothing is saved that a promise rests on: a new commit index alone may wait for the next fsync."""
    messages_at_once: list[Message]
    messages: list[Message]
    committed: tuple[Entry, ...]
    """Every kind of entry, once each, in order; only COMMAND is the application's."""
    reads: list[ReadState]
    leadership: Leadership | None
    """Who leads, when that changed since the last Ready."""
