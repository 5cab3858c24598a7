"""Reads that are not in the log and yet see everything written before they began.

A leader may answer from its own state only if it is still the leader, which it cannot know from its own clock, and if its
state has all that was committed before.  So ([T] §6.4):

    1. it has committed an entry of its own term: until then its commit index may lag behind earlier leaders'
    2. readIndex = commitIndex
    3. one round of heartbeats, begun after the read came, is answered by a majority: no later leader existed then
    4. the state machine has applied readIndex; answer

One round serves all reads that came before it went out.  A follower asks the leader for the index and then answers by its
own state, which spreads the work.  A lease would spare step 3 and trust clocks instead: a paused process does not notice
that its lease has run out, so there is none here.

Source: [T] §6.4, §6.4.1.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from raft.messages import ReadIndex, ReadIndexReply
from raft.ready import NotLeader, ReadState, Role

if TYPE_CHECKING:
    from raft.node import Node


@dataclass(slots=True)
class WaitingRead:
    asker: int
    context: bytes
    index: int | None
    """The commit index when it came, or None while that does not count for this term."""
    round: int
    """The first heartbeat round that begins after it came."""


def ask(node: "Node", context: bytes) -> None:
    if node.role is Role.LEADER:
        accept(node, node.id, context)
    elif node.leader is not None:
        node.send(ReadIndex(node.id, node.leader, node.term, context))
    else:
        raise NotLeader(None)


def receive_ask(node: "Node", message: ReadIndex) -> None:
    accept(node, message.sender, message.context)


def accept(node: "Node", asker: int, context: bytes) -> None:
    index = node.log.committed if node.has_committed_in_its_term() else None
    node.waiting_reads.append(WaitingRead(asker, context, index, node.round + 1))
    node.round_due = True
    release(node)  # a leader alone needs nobody's answer


def release(node: "Node") -> None:
    """Let go the reads for which steps 1 to 3 are done: they are in order, so the first that is not ends it."""
    if not node.waiting_reads or not node.has_committed_in_its_term():
        return
    acknowledged = node.membership.majority_reaches(node.acknowledged_round)
    while node.waiting_reads and node.waiting_reads[0].round <= acknowledged:
        read = node.waiting_reads.popleft()
        index = node.log.committed if read.index is None else read.index
        if read.asker == node.id:
            node.read_states.append(ReadState(read.context, index))
        else:
            node.send(ReadIndexReply(node.id, read.asker, node.term, read.context, index))


def receive_index(node: "Node", message: ReadIndexReply) -> None:
    node.read_states.append(ReadState(message.context, message.index))
