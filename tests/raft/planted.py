"""Mistakes that people make in Raft, each small, each planted into the real code for the length of a test.

The list is that of those who have written Raft: a check that looks redundant left out, a number taken from the wrong place,
a message sent a moment early.  Each must be noticed by the explorer, or the explorer is not worth its time.

    python -m tests.raft.planted            finds, for each mistake, the first seeds that give it away
"""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from os import environ
from time import perf_counter
from typing import Any

import pytest

from raft import election, node, reading, reconfiguration, replication, snapshots
from raft.log import Log
from raft.membership import Membership, majority_of, middle
from raft.messages import AppendEntries, AppendReply, Heartbeat, HeartbeatReply, InstallSnapshot, RequestVote, VoteReply
from raft.node import Node, Role
from raft.progress import Progress
from tests.raft.model import explore

Patch = pytest.MonkeyPatch
MISTAKES: dict[str, Callable[[Patch], None]] = {}


def mistake(plant: Callable[[Patch], None]) -> Callable[[Patch], None]:
    MISTAKES[plant.__name__] = plant
    return plant


@contextmanager
def planted(name: str) -> Iterator[None]:
    with Patch.context() as patch:
        MISTAKES[name](patch)
        yield


def replace_rule(patch: Patch, message: type, rule: Callable[[Node, Any], None]) -> None:
    for role, kind in list(node.RULES):
        if kind is message:
            patch.setitem(node.RULES, (role, kind), rule)


# -- votes ----------------------------------------------------------------------------------------------------------------


@mistake
def a_vote_is_given_to_whoever_asks(patch: Patch) -> None:
    """[R] §5.2: one vote a term."""

    def answer_vote(node: Node, request: RequestVote) -> None:
        node.vote = None
        election.answer_vote(node, request)

    replace_rule(patch, RequestVote, answer_vote)


@mistake
def a_vote_is_given_to_any_log(patch: Patch) -> None:
    """[R] §5.4.1, the election restriction."""
    patch.setattr(Log, "is_older_or_same", lambda log, last_index, last_term: True)


@mistake
def the_longer_log_wins_whatever_its_term(patch: Patch) -> None:
    """[R] §5.4.1: last term first."""
    patch.setattr(Log, "is_older_or_same", lambda log, last_index, last_term: log.last_index <= last_index)


@mistake
def late_votes_are_counted_in_a_new_election(patch: Patch) -> None:
    step = Node.step

    def careless(node: Node, message: Any) -> None:
        late = isinstance(message, VoteReply) and message.term < node.term and node.role is Role.CANDIDATE
        step(node, replace(message, term=node.term) if late else message)

    patch.setattr(Node, "step", careless)


@mistake
def the_vote_is_not_saved(patch: Patch) -> None:
    ready = Node.ready

    def careless(node: Node) -> Any:
        done = ready(node)
        if done.hard_state is not None:
            done.hard_state = replace(done.hard_state, vote=None)
        return done

    patch.setattr(Node, "ready", careless)


@mistake
def all_draw_the_same_timeout(patch: Patch) -> None:
    """[R] §5.2: split votes for ever."""

    def reset(node: Node) -> None:
        node.election_elapsed, node.election_timeout = 0, node.settings.election_ticks

    patch.setattr(Node, "reset_election_timer", reset)


# -- the log --------------------------------------------------------------------------------------------------------------


@mistake
def a_shorter_message_cuts_the_log(patch: Patch) -> None:
    """[R] Figure 2, AppendEntries, step 3: only a conflict does."""

    def merge(log: Log, entries: Any) -> None:
        if entries and entries[0].index > log.committed and entries[0].index <= log.last_index:
            log._cut_from(entries[0].index)
        for entry in entries:
            if entry.index > log.last_index:
                log.append(entry)

    patch.setattr(Log, "merge", merge)


@mistake
def the_previous_term_is_not_compared(patch: Patch) -> None:
    """[R] §5.3, the consistency check."""

    def receive(node: Node, message: AppendEntries) -> None:
        known = node.log.term_at(message.previous_index)
        replication.receive_append(node, message if known is None else replace(message, previous_term=known))

    replace_rule(patch, AppendEntries, receive)


@mistake
def the_leaders_commit_index_is_believed_beyond_the_message(patch: Patch) -> None:
    """[R] Figure 2, AppendEntries, step 5: the index of the last NEW entry."""

    def receive(node: Node, message: AppendEntries) -> None:
        replication.receive_append(node, message)
        node.log.commit_to(min(message.commit, node.log.last_index))

    replace_rule(patch, AppendEntries, receive)


@mistake
def a_heartbeat_carries_the_leaders_own_commit_index(patch: Patch) -> None:
    def send_heartbeats(node: Node) -> None:
        node.round += 1
        for member in node.progress:
            node.send(Heartbeat(node.id, member, node.term, node.log.committed, node.round))

    def receive(node: Node, message: Heartbeat) -> None:
        replication.receive_heartbeat(node, replace(message, commit=min(message.commit, node.log.last_index)))

    patch.setattr(replication, "send_heartbeats", send_heartbeats)
    replace_rule(patch, Heartbeat, receive)


@mistake
def entries_of_earlier_terms_are_committed_by_counting(patch: Patch) -> None:
    """[R] §5.4.2, Figure 8."""

    advance_commit = replication.advance_commit

    def careless(node: Node) -> None:
        with Patch.context() as inner:
            inner.setattr(Log, "term_at", lambda log, index: node.term)
            advance_commit(node)

    patch.setattr(replication, "advance_commit", careless)


@mistake
def match_index_is_taken_from_next_index(patch: Patch) -> None:
    agreed = Progress.agreed
    patch.setattr(Progress, "agreed", lambda progress, index: agreed(progress, max(index, progress.next_index - 1)))


@mistake
def committed_entries_are_handed_out_again(patch: Patch) -> None:
    def hand_out(log: Log) -> Any:
        entries = log.slice(log.applied + 1, log.committed)
        log.applying = log.committed
        return entries

    patch.setattr(Log, "hand_out_committed", hand_out)


# -- durability -----------------------------------------------------------------------------------------------------------


@mistake
def promises_leave_before_they_are_saved(patch: Patch) -> None:
    """[R] §5.6: updated on stable storage before responding."""
    for message in (AppendReply, VoteReply, RequestVote):
        patch.setattr(message, "promises", False)
    patch.setattr(Node, "term_is_durable", True)


@mistake
def the_leader_counts_itself_before_its_disk_has_it(patch: Patch) -> None:
    """[T] §10.2.1."""
    match_index = Node.match_index
    patch.setattr(Node, "match_index", lambda node, id: node.log.last_index if id == node.id else match_index(node, id))


@mistake
def a_write_counts_although_its_entries_were_cut_away_since(patch: Patch) -> None:
    def forget(log: Log, index: int) -> None:
        log.taken = min(log.taken, index - 1)

    patch.setattr(Log, "_forget_saved_from", forget)


# -- reads, snapshots, membership -----------------------------------------------------------------------------------------


@mistake
def reads_are_answered_without_asking_whether_one_still_leads(patch: Patch) -> None:
    """[T] §6.4, step 3."""
    patch.setattr(Node, "acknowledged_round", lambda node, id: node.round + 1)


@mistake
def reads_are_answered_by_an_answer_to_an_earlier_round(patch: Patch) -> None:
    """[T] §6.4, step 3: a round begun after the read came."""
    accept = reading.accept

    def early(node: Node, asker: int, context: bytes) -> None:
        accept(node, asker, context)
        if node.waiting_reads:
            node.waiting_reads[-1].round = node.round
            reading.release(node)

    patch.setattr(reading, "accept", early)


@mistake
def a_leader_reads_before_it_has_committed_in_its_term(patch: Patch) -> None:
    """[T] §6.4, step 1."""

    def accept(node: Node, asker: int, context: bytes) -> None:
        node.waiting_reads.append(reading.WaitingRead(asker, context, node.log.committed, node.round + 1))
        node.round_due = True
        reading.release(node)

    patch.setattr(reading, "accept", accept)


@mistake
def an_old_snapshot_is_installed(patch: Patch) -> None:
    """[R] Figure 13, and raft's own log: not behind the commit index."""

    def receive(node: Node, message: InstallSnapshot) -> None:
        committed, node.log.committed = node.log.committed, 0
        has, Log.has = Log.has, lambda log, index, term: False
        try:
            snapshots.receive_chunk(node, message)
        finally:
            Log.has = has
            node.log.committed = node.log.committed or committed

    replace_rule(patch, InstallSnapshot, receive)


@mistake
def a_snapshot_forgets_the_configuration(patch: Patch) -> None:
    """[R] §7: the latest configuration as of lastIncludedIndex is part of it."""
    first = Log.membership_at

    def founding(log: Log, index: int) -> Membership:
        return log.configurations[0][1] if index else first(log, index)

    patch.setattr(Log, "membership_at", founding)


@mistake
def learners_count(patch: Patch) -> None:
    """[T] §4.2.1: they are no part of any majority."""
    patch.setattr(Membership, "is_majority", lambda self, servers: majority_of(self.members, servers))
    patch.setattr(Membership, "majority_reaches", lambda self, position: middle(self.members, position))


@mistake
def the_joint_configuration_asks_only_the_new_voters(patch: Patch) -> None:
    """[R] §6: majorities of both."""
    patch.setattr(Membership, "is_majority", lambda self, servers: majority_of(self.voters, servers))
    patch.setattr(Membership, "majority_reaches", lambda self, position: middle(self.voters, position))


@mistake
def several_servers_are_swapped_in_one_step(patch: Patch) -> None:
    """[R] §6, Figure 10."""
    patch.setattr(Membership, "next_step", lambda self, target: target)


@mistake
def a_change_begins_before_the_leader_has_committed_in_its_term(patch: Patch) -> None:
    """[B]: two changes to one old configuration."""
    propose = reconfiguration.propose

    def careless(node: Node, target: Membership) -> Any:
        with Patch.context() as inner:
            inner.setattr(Node, "has_committed_in_its_term", lambda node: True)
            return propose(node, target)

    patch.setattr(reconfiguration, "propose", careless)


@mistake
def a_change_begins_before_the_last_is_committed(patch: Patch) -> None:
    """[R] §6: one at a time."""
    propose = reconfiguration.propose

    def careless(node: Node, target: Membership) -> Any:
        with Patch.context() as inner:
            inner.setattr(Log, "membership_index", 0)
            return propose(node, target)

    patch.setattr(reconfiguration, "propose", careless)


@mistake
def lost_messages_are_not_sent_again(patch: Patch) -> None:
    replace_rule(patch, HeartbeatReply, lambda node, reply: node.heard_from(reply.sender) and None)


def main(names: list[str]) -> None:
    for name in names or MISTAKES:
        found, began = [], perf_counter()
        with planted(name):
            for seed in range(1_000_000):
                try:
                    explore(seed)
                except Exception as error:
                    found.append(f"{seed} {type(error).__name__}: {str(error)[:70]}")
                if len(found) == 2 or perf_counter() - began > float(environ.get("SECONDS", "25")):
                    break
        print(f"{name} {perf_counter() - began:.1f} s\n    " + "\n    ".join(found), flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
