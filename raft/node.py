"""One Raft server as a state machine (signatures; the body follows)."""

from dataclasses import dataclass
from enum import Enum
from random import Random

from raft.membership import Membership
from raft.messages import Entry, HardState, Message, SavedState, Snapshot


class Role(Enum):
    FOLLOWER = "follower"
    PRE_CANDIDATE = "pre-candidate"
    CANDIDATE = "candidate"
    LEADER = "leader"


@dataclass(frozen=True, slots=True)
class Settings:
    """Times are ticks, sizes bytes."""

    election_ticks: int = 10
    heartbeat_ticks: int = 1
    append_bytes_max: int = 1 << 20
    appends_in_flight_max: int = 64
    uncommitted_bytes_max: int = 64 << 20
    snapshot_chunk_bytes: int = 1 << 20
    snapshot_bytes_max: int = 1 << 30
    kept_entries: int = 1000


class Refused(Exception):
    """A request that this server cannot take now; nothing has changed."""


class NotLeader(Refused):
    leader: int | None


class TooMuchUncommitted(Refused): ...


class TransferUnderWay(Refused): ...


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
    saving, step 2, applying and advancing go in the order in which they were handed out.
    """

    number: int
    hard_state: HardState | None
    entries: tuple[Entry, ...]
    snapshot: Snapshot | None
    must_sync: bool
    messages_at_once: list[Message]
    messages: list[Message]
    committed: tuple[Entry, ...]
    """Every kind of entry; only COMMAND is the application's."""
    reads: list[ReadState]
    leadership: Leadership | None
    """Who leads, when that changed since the last Ready."""


class Node:
    id: int
    role: Role
    term: int
    vote: int | None
    leader: int | None
    membership: Membership

    def __init__(self, id: int, saved: SavedState, settings: Settings, random: Random, applied: int = 0) -> None:
        """`applied`: what the state machine already has; `saved.snapshot.index` or more."""
        raise NotImplementedError

    @property
    def first_index(self) -> int:
        """The first entry still in the log: what is before it may be cut from disk once the snapshot is durable."""
        raise NotImplementedError

    @property
    def last_index(self) -> int:
        raise NotImplementedError

    @property
    def commit_index(self) -> int:
        raise NotImplementedError

    @property
    def applied_index(self) -> int:
        raise NotImplementedError

    def step(self, message: Message) -> None:
        raise NotImplementedError

    def tick(self) -> None:
        raise NotImplementedError

    def campaign(self) -> None:
        """Start an election now, as if the timeout had passed."""
        raise NotImplementedError

    def propose(self, data: bytes) -> tuple[int, int]:
        """(term, index): committed if and only if an entry of this term is committed at this index.  Raises Refused."""
        raise NotImplementedError

    def propose_membership(self, target: Membership) -> tuple[int, int]:
        """(term, index) of the entry that begins the change; a joint one is left by itself.  Raises Refused, ValueError."""
        raise NotImplementedError

    def transfer_leadership(self, to: int) -> None:
        """Raises Refused, ValueError."""
        raise NotImplementedError

    def read_index(self, context: bytes) -> None:
        """The answer comes as a ReadState; after a change of leader or a lost message, never.

        Raises NotLeader if none is known.
        """
        raise NotImplementedError

    def has_ready(self) -> bool:
        raise NotImplementedError

    def ready(self) -> Ready:
        raise NotImplementedError

    def advance(self, ready: Ready) -> None:
        raise NotImplementedError

    def compact(self, index: int, snapshot_data: bytes) -> Snapshot | None:
        """Take `snapshot_data` as the state at `index` (at most applied) and forget the log before it, but for a tail.

        Returns the snapshot for the caller to save; only then may its stored log be cut to `first_index`.  None if there
        is one as new already, or this server has not learned yet who its cluster is.
        """
        raise NotImplementedError
