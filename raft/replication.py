"""How the log gets from the leader to everyone, and when an entry is committed.

The leader sends each member the entries after those it has, naming the one before them; the member refuses unless it has
that one too.  By induction two logs that agree on an entry agree on all before it (the Log Matching Property).  A refusal
says where the logs could meet at best, so that the leader steps back over a term a round trip, not over an entry.

Replication is not done when something is proposed but when the caller asks what is `ready`: whatever came meanwhile goes
out in one message.

Source: [R] §5.3, §5.4.2 and Figure 2 (AppendEntries RPC, Rules for Servers: Leaders).
"""

from typing import TYPE_CHECKING

from raft import reading, reconfiguration, snapshots, transfer
from raft.messages import AppendEntries, AppendReply, Heartbeat, HeartbeatReply
from raft.progress import Flow, Progress

if TYPE_CHECKING:
    from raft.node import Node


# -- the leader sends -----------------------------------------------------------------------------------------------------


def send_appends(node: "Node") -> None:
    for member, progress in node.progress.items():
        send_append(node, member, progress)


def send_append(node: "Node", member: int, progress: Progress) -> None:
    """Send what this member lacks, as far as its window is open: entries, and news of the commit index."""
    log, window = node.log, node.settings.appends_in_flight_max
    while progress.may_send(window):
        news = progress.next_index <= log.last_index or progress.told_commit < log.committed
        if not news and progress.flow is Flow.REPLICATE:
            return
        if log.term_at(progress.next_index - 1) is None:
            snapshots.begin(node, member, progress)
            return
        append(node, member, progress, limit=node.settings.append_bytes_max)


def append(node: "Node", member: int, progress: Progress, limit: int) -> None:
    """One AppendEntries of at most `limit` bytes of entries; none at all if that is 0."""
    log, previous = node.log, progress.next_index - 1
    previous_term = log.term_at(previous)
    assert previous_term is not None
    entries = log.batch(progress.next_index, limit) if limit else ()
    node.send(AppendEntries(node.id, member, node.term, previous, previous_term, entries, log.committed))
    progress.sent(previous + len(entries))
    progress.told_commit = log.committed


def send_heartbeats(node: "Node") -> None:
    """A new round: who answers it still took this server for the leader after the round began."""
    node.round += 1
    for member, progress in node.progress.items():
        commit = min(progress.match_index, node.log.committed)  # never more than it is known to hold
        node.send(Heartbeat(node.id, member, node.term, commit, node.round))


# -- a follower receives --------------------------------------------------------------------------------------------------


def receive_append(node: "Node", message: AppendEntries) -> None:
    """[R] Figure 2, AppendEntries RPC, receiver."""
    # 1. A lower term was refused in `Node.step`; this is the leader of our term, so whoever ran against it gives in.
    node.heard_from_leader(message.sender)
    log, previous = node.log, message.previous_index
    if previous < log.base_index:  # a late message about entries that our snapshot has taken in
        node.send(AppendReply(node.id, message.sender, node.term, True, log.committed))
        return
    # 2. Without the entry before them the new ones prove nothing.  Say where we might meet.
    if not log.has(previous, message.previous_term):
        hint_index, hint_term = log.last_at_or_below(previous, message.previous_term)
        node.send(AppendReply(node.id, message.sender, node.term, False, previous, hint_index, hint_term))
        return
    # 3. and 4. Only a conflict cuts the log: a message that is merely shorter may be old.
    log.merge(message.entries)
    # 5. What lies after this message's last entry may be another leader's leftovers, whatever leaderCommit says.
    last_new = previous + len(message.entries)
    log.commit_to(min(message.commit, last_new))
    node.send(AppendReply(node.id, message.sender, node.term, True, last_new))


def receive_heartbeat(node: "Node", message: Heartbeat) -> None:
    node.heard_from_leader(message.sender)
    node.log.commit_to(message.commit)
    node.send(HeartbeatReply(node.id, message.sender, node.term, message.round))


# -- the leader hears back ------------------------------------------------------------------------------------------------


def count_append(node: "Node", reply: AppendReply) -> None:
    progress = node.heard_from(reply.sender)
    if progress is None:
        return
    if reply.agreed:
        agreed(node, reply.sender, progress, reply.index)
        return
    last_common, _ = node.log.last_at_or_below(reply.hint_index, reply.hint_term)
    if progress.flow is not Flow.SNAPSHOT and progress.refused(reply.index, last_common):
        node.appends_due = True


def agreed(node: "Node", member: int, progress: Progress, index: int) -> None:
    """`member` has our log up to `index`, durably."""
    is_news = progress.agreed(index)
    if progress.flow is Flow.PROBE or (progress.snapshot is not None and index >= progress.snapshot.index):
        progress.replicate()
    node.appends_due = True
    if is_news:
        advance_commit(node)
        transfer.hand_over_if_level(node, member)


def count_heartbeat(node: "Node", reply: HeartbeatReply) -> None:
    progress = node.heard_from(reply.sender)
    if progress is None:
        return
    progress.acknowledged_round = max(progress.acknowledged_round, reply.round)
    reading.release(node)
    # It is alive, so what it has not answered may be lost.  Ask again, with nothing in hand: a refusal will say.
    if progress.flow is Flow.SNAPSHOT:
        snapshots.send_chunk(node, reply.sender, progress)
    elif progress.flow is Flow.PROBE:
        progress.probe_sent = False
        node.appends_due = True
    elif progress.match_index < node.log.last_index:
        if node.log.term_at(progress.next_index - 1) is None:
            snapshots.begin(node, reply.sender, progress)
        else:
            append(node, reply.sender, progress, limit=0)


# -- commitment -----------------------------------------------------------------------------------------------------------


def advance_commit(node: "Node") -> None:
    """[R] Figure 2: if N > commitIndex, a majority of matchIndex[i] >= N, and log[N].term == currentTerm: commitIndex = N.

    The last condition is Figure 8: an entry of an earlier term on a majority may still be replaced, by a leader whose log
    ends in a later term.  It is committed beneath the first entry of our own term, never by counting.
    """
    log = node.log
    reached = node.membership.majority_reaches(node.match_index)
    if reached <= log.committed or log.term_at(reached) != node.term:
        return
    node.uncommitted_bytes -= sum(entry.size for entry in log.slice(log.committed + 1, reached))
    log.commit_to(reached)
    node.appends_due = True
    reading.release(node)
    reconfiguration.committed(node)
