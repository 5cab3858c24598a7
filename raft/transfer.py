"""A leader that wants to go hands over without waiting for anyone's timeout.

It takes no more proposals, brings its successor level with its own log, and tells it to start an election now.  That
election skips pre-vote, and its requests are marked, since voters would protect the leader they hear from.  If nothing
has come of it after an election timeout, the leader goes on as before.

Source: [T] §3.10.
"""

from typing import TYPE_CHECKING

from raft import election
from raft.messages import TimeoutNow

if TYPE_CHECKING:
    from raft.node import Node


def begin(node: "Node", to: int) -> None:
    if to == node.id:
        return
    if to not in node.progress or not node.membership.may_vote(to):
        raise ValueError(f"server {to} is not a voter")
    node.successor = to
    node.transfer_elapsed = 0
    node.appends_due = True
    hand_over_if_level(node, to)


def hand_over_if_level(node: "Node", member: int) -> None:
    progress = node.progress.get(member)
    if member == node.successor and progress is not None and progress.match_index == node.log.last_index:
        node.send(TimeoutNow(node.id, member, node.term))


def tick(node: "Node") -> None:
    """The successor has had its chance: take proposals again."""
    node.transfer_elapsed += 1
    if node.transfer_elapsed >= node.settings.election_ticks:
        node.successor = None


def to_most_advanced(node: "Node") -> None:
    """A leader that has removed itself names the voter that can win, and leaves."""
    voters = [voter for voter in sorted(node.membership.voters) if voter in node.progress]
    best = max(voters, key=lambda voter: node.progress[voter].match_index)
    node.send(TimeoutNow(node.id, best, node.term))


def receive_timeout_now(node: "Node", message: TimeoutNow) -> None:
    election.campaign(node, transfer=True)
