"""One group of consumers, as its coordinator sees it: members, a generation, a state.

                        somebody joins
          +-------+  ------------------>  +--------------------+  everybody rejoined, or time is up: generation + 1
          | Empty |                       | PreparingRebalance |  --------------------------+
          +-------+  <------------------  +--------------------+                            v
              |        nobody is left          ^           ^                    +---------------------+
    deleted,  v                                |           |  join, leave,      | CompletingRebalance |
    expired +------+       somebody joins,     |           +--------------------+---------------------+
            | Dead |       leaves, is silent   |              silence                       |
            +------+                      +--------+    the leader's shares are stored      |
                                          | Stable |  <-------------------------------------+
                                          +--------+

A member names the ways to share that it knows (`protocols`), each with bytes that only clients read; the group uses one
that all its members know, by vote.  A member with a `group_instance_id` is static: it may come back under a new member id
and gets what it had.

This file holds what a group *is*, and which changes are legal; membership.py decides when they happen.

Source: Kafka `ClassicGroup.java`, `ClassicGroupMember.java`; KIP-62, KIP-345, KIP-394.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from enum import StrEnum

from minikafka.records.coordinator import ConsumerProtocolSubscription
from minikafka.wire.compile import decode
from minikafka.wire.errors import ErrorCode, KafkaError
from minikafka.wire.messages.groups import JoinGroupResponse, SyncGroupResponse
from minikafka.wire.types import WireError

CONSUMER = "consumer"
"""The protocol type of consumers: the coordinator may look into their subscriptions, for the topics alone."""

JoinReply = Callable[[JoinGroupResponse], None]
SyncReply = Callable[[SyncGroupResponse], None]
Protocols = tuple[tuple[str, bytes], ...]


class State(StrEnum):
    """Names as tools show them."""

    EMPTY = "Empty"
    PREPARING_REBALANCE = "PreparingRebalance"
    COMPLETING_REBALANCE = "CompletingRebalance"
    STABLE = "Stable"
    DEAD = "Dead"


EMPTY, DEAD, STABLE = State.EMPTY, State.DEAD, State.STABLE
PREPARING, COMPLETING = State.PREPARING_REBALANCE, State.COMPLETING_REBALANCE

COMES_FROM = {
    EMPTY: {PREPARING},
    PREPARING: {EMPTY, STABLE, COMPLETING},
    COMPLETING: {PREPARING},
    STABLE: {COMPLETING},
    DEAD: {EMPTY, PREPARING, COMPLETING, STABLE, DEAD},
}


class Member:
    """One consumer.

    protocols   (name, metadata), the best first
    is_new      its first JoinGroup has not been answered: it cannot heartbeat yet
    assignment  its share: bytes from the group's leader
    join_reply, sync_reply   a request of it that waits
    """

    __slots__ = (
        "assignment",
        "client_host",
        "client_id",
        "group_instance_id",
        "is_new",
        "join_reply",
        "member_id",
        "protocols",
        "rebalance_timeout_ms",
        "session_timeout_ms",
        "sync_reply",
    )

    def __init__(
        self,
        member_id: str,
        group_instance_id: str | None,
        client_id: str,
        client_host: str,
        rebalance_timeout_ms: int,
        session_timeout_ms: int,
        protocols: Protocols,
        assignment: bytes = b"",
    ) -> None:
        self.member_id = member_id
        self.group_instance_id = group_instance_id
        self.client_id = client_id
        self.client_host = client_host
        self.rebalance_timeout_ms = rebalance_timeout_ms
        self.session_timeout_ms = session_timeout_ms
        self.protocols = protocols
        self.assignment = assignment
        self.is_new = False
        self.join_reply: JoinReply | None = None
        self.sync_reply: SyncReply | None = None

    @property
    def protocol_names(self) -> set[str]:
        return {name for name, _ in self.protocols}

    def metadata(self, protocol: str | None) -> bytes:
        """What the member sent for `protocol`."""
        return next((metadata for name, metadata in self.protocols if name == protocol), b"")

    def vote(self, candidates: set[str]) -> str:
        """The one it likes best."""
        return next(name for name, _ in self.protocols if name in candidates)

    @property
    def waits(self) -> bool:
        """Whether its silence is ours: it cannot heartbeat while it waits for an answer."""
        return self.join_reply is not None or self.sync_reply is not None

    def answer_sync(self, response: SyncGroupResponse) -> None:
        """Answer the SyncGroup that waits, if one does."""
        if self.sync_reply is not None:
            reply, self.sync_reply = self.sync_reply, None
            reply(response)


class Group:
    """A group of the older ("classic") protocol.

    generation        counts the rebalances; whoever speaks of another one is behind
    protocol_type     None: a group of offsets alone, without members so far
    protocol_name     the way to share that this generation uses
    leader            the member that works out the shares
    awaiting_join     how many members' JoinGroup waits
    supporters        protocol -> how many members know it
    pending_members   ids that were given out and have not joined with them yet
    pending_sync      members of this generation that have not asked for their share
    storing           the leader's shares are on their way into the log
    new_member_added  since the initial delay was last extended
    state_since_ms    wall time; -1: not known (records of old brokers)
    subscribed_topics None: not known
    """

    type = "classic"

    def __init__(self, group_id: str, state_since_ms: int) -> None:
        self.group_id = group_id
        self.state = self.previous_state = EMPTY
        self.state_since_ms = state_since_ms
        self.generation = 0
        self.protocol_type: str | None = None
        self.protocol_name: str | None = None
        self.leader: str | None = None
        self.members: dict[str, Member] = {}
        self.supporters: Counter[str] = Counter()
        self.awaiting_join = 0
        self.static_members: dict[str, str] = {}
        self.pending_members: dict[str, None] = {}
        self.pending_sync: dict[str, None] = {}
        self.storing = False
        self.new_member_added = False
        self.subscribed_topics: frozenset[str] | None = None

    def __repr__(self) -> str:
        return f"<{self.group_id} {self.state} generation {self.generation} {list(self.members)}>"

    def become(self, state: State, wall_ms: int) -> None:
        """Change the state, as the picture above allows."""
        assert self.state in COMES_FROM[state], f"{self.group_id}: {self.state} -> {state}"
        self.previous_state, self.state = self.state, state
        self.state_since_ms = wall_ms
        self.storing = False

    # -- members ------------------------------------------------------------------------------------------------------

    def add(self, member: Member, protocol_type: str) -> None:
        """The first one sets the group's type and leads it."""
        if not self.members:
            self.protocol_type = protocol_type
        if self.leader is None:
            self.leader = member.member_id
        self.members[member.member_id] = member
        self.supporters.update(member.protocol_names)
        if member.group_instance_id is not None:
            self.static_members[member.group_instance_id] = member.member_id
        self.pending_members.pop(member.member_id, None)

    def remove(self, member_id: str) -> Member | None:
        """A leader's place goes to any other member."""
        member = self.members.pop(member_id, None)
        if member is not None:
            self._forget_protocols(member)
            self.awaiting_join -= member.join_reply is not None
            if member.group_instance_id is not None and self.static_members.get(member.group_instance_id) == member_id:
                del self.static_members[member.group_instance_id]
        if self.leader == member_id:
            self.leader = next(iter(self.members), None)
        self.pending_members.pop(member_id, None)
        self.pending_sync.pop(member_id, None)
        return member

    def rename(self, old_id: str, new_id: str) -> Member:
        """The static member `old_id` is back as `new_id`: everything it had is the new one's."""
        member = self.members[old_id]
        self.members = {
            (new_id if member_id == old_id else member_id): each for member_id, each in self.members.items()
        }
        member.member_id = new_id
        assert member.group_instance_id is not None
        self.static_members[member.group_instance_id] = new_id
        if self.leader == old_id:
            self.leader = new_id
        if old_id in self.pending_sync:
            del self.pending_sync[old_id]
            self.pending_sync[new_id] = None
        return member

    def validated(self, member_id: str, group_instance_id: str | None) -> Member:
        """The member of that id.  Raises 25 for an unknown one, 82 when another has taken over its instance id."""
        if group_instance_id is not None:
            holder = self.static_members.get(group_instance_id)
            if holder is None:
                raise KafkaError(ErrorCode.UNKNOWN_MEMBER_ID)
            if holder != member_id:
                raise KafkaError(ErrorCode.FENCED_INSTANCE_ID)
        member = self.members.get(member_id)
        if member is None:
            raise KafkaError(ErrorCode.UNKNOWN_MEMBER_ID)
        return member

    def hold_join(self, member: Member, reply: JoinReply) -> None:
        """Its JoinGroup waits.  One that waited before is given up by its client: it is told to join, as it does."""
        self.answer_join(
            member, JoinGroupResponse(error_code=ErrorCode.REBALANCE_IN_PROGRESS, member_id=member.member_id)
        )
        member.join_reply = reply
        self.awaiting_join += 1

    def answer_join(self, member: Member, response: JoinGroupResponse) -> None:
        """Answer the JoinGroup that waits, if one does."""
        if member.join_reply is not None:
            reply, member.join_reply = member.join_reply, None
            self.awaiting_join -= 1
            reply(response)

    @property
    def all_joined(self) -> bool:
        return self.awaiting_join == len(self.members) and not self.pending_members

    @property
    def rebalance_timeout_ms(self) -> int:
        """What the slowest member has asked for."""
        return max((member.rebalance_timeout_ms for member in self.members.values()), default=0)

    def elect_joined_leader(self) -> bool:
        """Keep the leader if it has rejoined, else take the first that has.  False: nobody has."""
        leader = self.members.get(self.leader or "")
        if leader is None:
            return False
        if leader.join_reply is None:
            joined = next((member for member in self.members.values() if member.join_reply is not None), None)
            if joined is None:
                return False
            self.leader = joined.member_id
        return True

    # -- protocols ----------------------------------------------------------------------------------------------------

    def candidates(self) -> set[str]:
        """The protocols that every member knows."""
        return {name for name, count in self.supporters.items() if count == len(self.members)}

    def change_protocols(self, member: Member, protocols: Protocols) -> None:
        self._forget_protocols(member)
        member.protocols = protocols
        self.supporters.update(member.protocol_names)

    def _forget_protocols(self, member: Member) -> None:
        for name in member.protocol_names:
            self.supporters[name] -= 1
            if not self.supporters[name]:
                del self.supporters[name]

    def supports(self, protocol_type: str, names: Iterable[str]) -> bool:
        """Whether a member of these could be in the group; to an empty one everything is welcome but nothing.

        In a rebalance all may have gone, while one that was given an id is awaited: then any name will do.
        """
        if self.state is EMPTY:
            return bool(protocol_type) and any(True for _ in names)
        return self.protocol_type == protocol_type and any(self.supporters[name] == len(self.members) for name in names)

    def select_protocol(self) -> str:
        """Each member votes for the best of those that all know; the most votes win."""
        candidates = self.candidates()
        votes = Counter(member.vote(candidates) for member in self.members.values())
        return max(votes, key=votes.__getitem__)

    def begin_generation(self, wall_ms: int) -> None:
        """The next generation, of the members there are."""
        self.generation += 1
        self.protocol_name = self.select_protocol() if self.members else None
        self.learn_subscribed_topics()
        self.pending_sync.clear()
        self.become(COMPLETING if self.members else EMPTY, wall_ms)

    def learn_subscribed_topics(self) -> None:
        """Of consumers, the topics that any of them reads.  Every version of a subscription begins as version 0."""
        self.subscribed_topics = None
        if self.protocol_type != CONSUMER:
            return
        topics: set[str] = set()
        try:
            for member in self.members.values():
                subscription, _ = decode(ConsumerProtocolSubscription, 0, member.metadata(self.protocol_name), 2)
                topics.update(subscription.topics)
        except WireError:
            return
        self.subscribed_topics = frozenset(topics)

    def subscribes_to(self, topic: str) -> bool:
        """Consumers whose subscriptions cannot be read are taken to read everything."""
        if self.subscribed_topics is None:
            return self.protocol_type == CONSUMER
        return topic in self.subscribed_topics

    # -- offsets ------------------------------------------------------------------------------------------------------

    def check_commit(self, member_id: str, group_instance_id: str | None, generation: int) -> Member | None:
        """The member that commits offsets, if it may and is one.  Raises 22, 25, 27, 82.

        generation < 0 is a consumer that is no member, or a tool: welcome while there are no members.
        """
        if generation < 0 and self.state is EMPTY:
            return None
        if generation < 0 and not member_id and group_instance_id is None:
            raise KafkaError(ErrorCode.UNKNOWN_MEMBER_ID)
        member = self.validated(member_id, group_instance_id)
        if generation != self.generation:
            raise KafkaError(ErrorCode.ILLEGAL_GENERATION)
        if self.state is COMPLETING:
            raise KafkaError(ErrorCode.REBALANCE_IN_PROGRESS)
        return member

    def check_delete(self) -> None:
        """Whether the whole group may go.  Raises 68."""
        if self.state is not EMPTY:
            raise KafkaError(ErrorCode.NON_EMPTY_GROUP)

    def check_delete_offsets(self) -> None:
        """Whether offsets may go, of topics nobody subscribes to.  Raises 68 where that is not to be known."""
        if self.state is not EMPTY and self.protocol_type != CONSUMER:
            raise KafkaError(ErrorCode.NON_EMPTY_GROUP)

    def expiry_base(self, commit_ms: int) -> int | None:
        """Since when an offset, committed at `commit_ms`, has been of no use; None: it is of use.

        Members that read consume what they subscribe to; an empty group ages as a whole (KIP-211).
        """
        if self.protocol_type is None:
            return commit_ms
        if self.state is EMPTY:
            return self.state_since_ms if self.state_since_ms >= 0 else commit_ms
        if self.protocol_type == CONSUMER and self.state is STABLE and self.subscribed_topics is not None:
            return commit_ms
        return None
