"""Changing who the servers are, while they work.

    C_old ──append──► C_new                         one voter more or less, or learners: majorities overlap anyway
    C_old ──append──► C_old,new ──committed──► C_new   several at once: the joint one first, left by itself

A change is an entry, in force on each server from the moment it is in its log.  Two rules keep it safe: one change at a
time, each committed before the next begins; and a leader begins none before it has committed an entry of its own term.
The paper lacked the second.  Without it two leaders of different terms, each with an uncommitted change to the same old
configuration, could form majorities that do not overlap ([B]).

A leader that removes itself leads until that is committed, without counting itself, and then steps down.  One that is
removed without hearing of it would start elections; pre-vote and the lease make them harmless ([T] §4.2.3).

Sources: [R] §6; [T] §4.1 to 4.3; [B] D. Ongaro, "bug in single-server membership changes", raft-dev, July 2015.
"""

from typing import TYPE_CHECKING

from raft import transfer
from raft.membership import Membership
from raft.messages import EntryKind
from raft.progress import Progress
from raft.ready import ChangeUnderWay

if TYPE_CHECKING:
    from raft.node import Node


def propose(node: "Node", target: Membership) -> tuple[int, int]:
    current = node.membership
    if target.is_joint or not target.voters or target.voters & target.learners:
        raise ValueError(f"not a configuration to aim for: {target}")
    if target == current:
        raise ValueError(f"this is the configuration already: {target}")
    if current.is_joint or node.log.membership_index > node.log.committed:
        raise ChangeUnderWay("an earlier membership change is not committed yet")
    if not node.has_committed_in_its_term():
        raise ChangeUnderWay(f"this leader has not committed an entry of term {node.term} yet")
    return append(node, current.next_step(target))


def append(node: "Node", membership: Membership) -> tuple[int, int]:
    position = node.append(EntryKind.MEMBERSHIP, membership.encode())
    follow(node)
    return position


def follow(node: "Node") -> None:
    """Start sending to those who have joined, from the end of the log back to where they are; leave those who are gone."""
    members = node.membership.members - {node.id}
    for gone in node.progress.keys() - members:
        del node.progress[gone]
    for new in sorted(members - node.progress.keys()):
        node.progress[new] = Progress(next_index=node.log.last_index)


def committed(node: "Node") -> None:
    """The commit index moved: if the newest configuration is beneath it, take the step that follows."""
    if node.log.membership_index > node.log.committed:
        return
    if node.membership.is_joint:
        append(node, node.membership.without_old())
    elif not node.membership.may_vote(node.id):
        transfer.to_most_advanced(node)
        node.become_follower(leader=None)
