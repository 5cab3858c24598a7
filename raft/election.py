"""How a leader is chosen: timeouts, votes, and the question asked before the vote.

    follower ──timeout──► pre-candidate ──a majority would──► candidate ──a majority does──► leader
        ▲                      │  ▲ timeout                      │  ▲ timeout                  │
        └──────────────────────┴──┴── a leader, a higher term ───┴──┴──────────────────────────┘

An election costs a term, and a server that was cut off would come back with many: enough to depose a leader that everyone
else is content with.  So it first asks who would vote for it, at its term + 1, changing nothing anywhere (pre-vote).  And
whoever has heard from a leader within the minimum timeout does not even answer: that leader is alive, unless it asked for
the election itself.  The other half of that bargain is CheckQuorum (node.py): a leader heard by nobody resigns.

Sources: [R] §5.2, §5.4.1, §6 (the lease); [T] §4.2.3, §6.2, §9.6.
"""

from typing import TYPE_CHECKING

from raft.messages import PreVoteReply, RequestPreVote, RequestVote, VoteReply
from raft.ready import Role

if TYPE_CHECKING:
    from raft.node import Node


def campaign(node: "Node", *, transfer: bool = False) -> None:
    """The election timeout passed, or (`transfer`) the leader asks this server to take over, which needs no pre-vote.

    A server whose removal is in its log but not committed may be needed yet: only it may have what others lack.  So it
    runs, without counting its own vote ([T] §4.2.2).
    """
    if node.role is Role.LEADER or not node.log.gives_a_voice(node.id):
        return
    if transfer:
        run_for_election(node, transfer=True)
    else:
        ask_around(node)


def ask_around(node: "Node") -> None:
    """Pre-vote: nothing that is saved changes, at any server."""
    node.become(Role.PRE_CANDIDATE)
    node.reset_election_timer()
    node.granted = {node.id}
    if node.membership.is_majority(node.granted):
        run_for_election(node)
        return
    log = node.log
    for voter in node.other_voters():
        node.send(RequestPreVote(node.id, voter, node.term + 1, log.last_index, log.last_term))


def run_for_election(node: "Node", *, transfer: bool = False) -> None:
    """[R] Figure 2, candidates: increment currentTerm, vote for self, reset election timer, send RequestVote."""
    node.adopt_term(node.term + 1)
    node.vote = node.id
    node.become(Role.CANDIDATE)
    node.reset_election_timer()
    log = node.log
    for voter in node.other_voters():
        node.send(RequestVote(node.id, voter, node.term, log.last_index, log.last_term, transfer))


def protects_leader(node: "Node", request: RequestVote | RequestPreVote) -> bool:
    """Whether a live leader is known, so that the request is dropped before even its term is looked at ([R] §6)."""
    if isinstance(request, RequestVote) and request.transfer:
        return False
    return node.leader is not None and node.election_elapsed < node.settings.election_ticks


def answer_pre_vote(node: "Node", request: RequestPreVote) -> None:
    """Would I, if asked in that term?  No timer is reset and no vote spent: many may be told yes."""
    granted = request.term > node.term and node.log.is_older_or_same(request.last_index, request.last_term)
    term = request.term if granted else node.term  # a refusal tells why: perhaps the asker's term is behind
    node.send(PreVoteReply(node.id, request.sender, term, granted))


def answer_vote(node: "Node", request: RequestVote) -> None:
    """[R] Figure 2, RequestVote RPC, receiver.  (A lower term was refused, a higher one adopted, in `Node.step`.)"""
    # 2. One vote a term, first come first served; and only for a log that has all that may be committed, which is why
    #    the comparison is with the end of the log and not with the commit index (§5.4.1).
    free = node.vote is None or node.vote == request.sender
    granted = free and node.log.is_older_or_same(request.last_index, request.last_term)
    if granted:
        node.vote = request.sender
        node.reset_election_timer()  # only when granting: else candidates that cannot win keep those who can from trying
    node.send(VoteReply(node.id, request.sender, node.term, granted))


def count_pre_vote(node: "Node", reply: PreVoteReply) -> None:
    if reply.granted and reply.term == node.term + 1:
        node.granted.add(reply.sender)
        if node.membership.is_majority(node.granted):
            run_for_election(node)


def count_vote(node: "Node", reply: VoteReply) -> None:
    """Only votes of this term come here: a late one from an earlier election was dropped in `Node.step`."""
    if reply.granted:
        win_if_majority(node, reply.sender)


def count_own_vote(node: "Node") -> None:
    """Its vote for itself is durable, and counts only now, like any other: so no leader forgets that it was one."""
    if node.role is Role.CANDIDATE and node.term_is_durable:
        win_if_majority(node, node.id)


def win_if_majority(node: "Node", voter: int) -> None:
    node.granted.add(voter)
    if node.membership.is_majority(node.granted):
        node.become_leader()
