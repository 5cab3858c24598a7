"""A single server on a test bench: made with the log it should have, fed by hand, its outputs read."""

from random import Random
from typing import TypeVar

from raft.membership import Membership
from raft.messages import Entry, EntryKind, HardState, Message, PreVoteReply, SavedState, Snapshot, VoteReply
from raft.node import Node, Role, Settings

ELECTION = 10
SETTINGS = Settings(election_ticks=ELECTION, heartbeat_ticks=2, kept_entries=0)
Kind = TypeVar("Kind")


def entries(*terms: int, first: int = 1) -> tuple[Entry, ...]:
    """Commands, one for each term given, from index `first` on."""
    return tuple(Entry(index, term, EntryKind.COMMAND, b"c%d" % index) for index, term in enumerate(terms, first))


def server(*terms: int, term: int | None = None, voters=(1, 2, 3), vote=None, commit=0, settings=SETTINGS) -> Node:
    """Server 1 whose log holds entries of these terms; its own term is the last one's if not given."""
    term = term if term is not None else (terms[-1] if terms else 0)
    founding = Snapshot(membership=voters if isinstance(voters, Membership) else Membership.of(*voters))
    node = Node(1, SavedState(HardState(term, vote, commit), founding, entries(*terms)), settings, Random(0))
    sent(node)
    return node


def sent(node: Node) -> list[Message]:
    """Do all that is ready, at once; what was sent."""
    messages: list[Message] = []
    while node.has_ready():
        ready = node.ready()
        messages += ready.messages_at_once + ready.messages
        node.advance(ready)
    return messages


def answer(node: Node, message: Message) -> list[Message]:
    """What the server sends on receiving this."""
    node.step(message)
    return sent(node)


def only(kind: type[Kind], messages: list[Message]) -> list[Kind]:
    return [message for message in messages if isinstance(message, kind)]


def wait(node: Node, ticks: int) -> list[Message]:
    messages: list[Message] = []
    for _ in range(ticks):
        node.tick()
        messages += sent(node)
    return messages


def candidate(*terms: int, voters=(1, 2, 3), settings=SETTINGS) -> Node:
    """A server that has passed the pre-vote and stands in the term after its log's."""
    node = server(*terms, voters=voters, settings=settings)
    node.campaign()
    sent(node)
    if node.role is Role.PRE_CANDIDATE:
        for voter in node.other_voters():
            node.step(granted_pre_vote(node, voter))
    return node


def granted_pre_vote(node: Node, voter: int) -> Message:
    return PreVoteReply(voter, node.id, node.term + 1, True)


def leader(*terms: int, voters=(1, 2, 3), settings=SETTINGS) -> Node:
    """A server that was elected in the term after its log's; its no-op is not acknowledged by anyone yet."""
    node = candidate(*terms, voters=voters, settings=settings)
    sent(node)
    for voter in node.other_voters():
        node.step(VoteReply(voter, node.id, node.term, True))
    assert node.role is Role.LEADER
    sent(node)
    return node


def logged(node: Node) -> list[int]:
    """The terms of the log's entries."""
    return [entry.term for entry in node.log.slice(node.first_index, node.last_index)]
