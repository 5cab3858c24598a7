"""The paper, sentence by sentence: "In Search of an Understandable Consensus Algorithm", extended version, and the thesis."""

from dataclasses import replace
from random import Random

import pytest

from raft.membership import Membership
from raft.messages import (
    AppendEntries,
    AppendReply,
    Entry,
    EntryKind,
    HardState,
    Heartbeat,
    HeartbeatReply,
    PreVoteReply,
    ReadIndex,
    ReadIndexReply,
    RequestPreVote,
    RequestVote,
    SavedState,
    TimeoutNow,
    VoteReply,
)
from raft.node import ChangeUnderWay, Node, NotLeader, ReadState, Role, TooMuchUncommitted, TransferUnderWay
from tests.raft.bench import ELECTION, SETTINGS, answer, candidate, entries, leader, logged, only, sent, server, wait


def append(node: Node, term: int, previous: int, previous_term: int, *terms: int, commit: int = 0) -> AppendEntries:
    return AppendEntries(2, node.id, term, previous, previous_term, entries(*terms, first=previous + 1), commit)


# -- §5.1 terms -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("make", [server, candidate, leader])
def test_a_larger_term_is_adopted_and_makes_a_follower(make):
    """§5.1: "If one server's current term is smaller than the other's, then it updates its current term to the larger
    value.  If a candidate or leader discovers that its term is out of date, it immediately reverts to follower state." """
    node = make(1)
    answer(node, AppendReply(2, 1, 9, False, 0))
    assert (node.term, node.role, node.vote) == (9, Role.FOLLOWER, None)


@pytest.mark.parametrize(
    ("request_", "refusal"),
    [
        (AppendEntries(2, 1, 4, 0, 0, (), 0), AppendReply(1, 2, 5, False, 0)),
        (Heartbeat(2, 1, 4, 0, 7), HeartbeatReply(1, 2, 5, 0)),
        (RequestVote(2, 1, 4, 9, 9), VoteReply(1, 2, 5, False)),
        (RequestPreVote(2, 1, 4, 9, 9), PreVoteReply(1, 2, 5, False)),
    ],
)
def test_a_request_with_a_stale_term_is_rejected(request_, refusal):
    """§5.1: "If a server receives a request with a stale term number, it rejects the request." """
    node = server(1, term=5)
    assert answer(node, request_) == [refusal]
    assert (node.term, node.role, node.leader) == (5, Role.FOLLOWER, None)


def test_a_reply_of_an_earlier_term_is_about_nothing_any_more():
    node = candidate(1)
    sent(node)
    term = node.term
    for voter in (2, 3):
        assert answer(node, VoteReply(voter, 1, term - 1, True)) == []
    assert node.role is Role.CANDIDATE


# -- §5.2 leader election -------------------------------------------------------------------------------------------------


def test_servers_start_as_followers():
    """§5.2: "When servers start up, they begin as followers." """
    assert server().role is Role.FOLLOWER


def test_a_leader_sends_heartbeats():
    """§5.2: "Leaders send periodic heartbeats (AppendEntries RPCs that carry no log entries) to all followers" """
    node = leader()
    assert wait(node, 1) == []
    assert only(Heartbeat, wait(node, 1)) == [Heartbeat(1, 2, 1, 0, 1), Heartbeat(1, 3, 1, 0, 1)]


def test_a_follower_that_hears_nothing_asks_around_and_then_stands():
    """§5.2: "To begin an election, a follower increments its current term and transitions to candidate state." ([T] §9.6:
    but first it asks whether it could win.)"""
    node = server(1, 1, term=1)
    asked = wait(node, 2 * ELECTION - 1)
    assert asked == [RequestPreVote(1, 2, 2, 2, 1), RequestPreVote(1, 3, 2, 2, 1)]
    assert (node.role, node.term, node.vote) == (Role.PRE_CANDIDATE, 1, None)
    stood = answer(node, PreVoteReply(2, 1, 2, True))
    assert stood == [RequestVote(1, 2, 2, 2, 1), RequestVote(1, 3, 2, 2, 1)]
    assert (node.role, node.term, node.vote) == (Role.CANDIDATE, 2, 1)


@pytest.mark.parametrize(
    ("size", "votes", "role"),
    [(1, 0, Role.LEADER), (2, 0, Role.CANDIDATE), (2, 1, Role.LEADER), (3, 1, Role.LEADER), (4, 1, Role.CANDIDATE),
     (4, 2, Role.LEADER), (5, 1, Role.CANDIDATE), (5, 2, Role.LEADER)],
)  # fmt: skip
def test_a_majority_of_votes_makes_a_leader(size, votes, role):
    """§5.2: "A candidate wins an election if it receives votes from a majority of the servers in the full cluster." """
    node = candidate(voters=range(1, size + 1))
    sent(node)
    for voter in range(2, 2 + votes):
        node.step(VoteReply(voter, 1, 1, True))
        node.step(VoteReply(voter, 1, 1, True))  # twice is once
    sent(node)
    assert node.role is role


def test_a_refused_vote_is_none():
    node = candidate()
    sent(node)
    answer(node, VoteReply(2, 1, 1, False))
    assert node.role is Role.CANDIDATE


@pytest.mark.parametrize(
    ("vote", "candidate_", "granted"), [(None, 2, True), (2, 2, True), (3, 2, False), (1, 2, False)]
)
def test_a_server_votes_once_in_a_term(vote, candidate_, granted):
    """§5.2: "Each server will vote for at most one candidate in a given term, on a first-come-first-served basis." """
    node = server(term=1, vote=vote)
    assert answer(node, RequestVote(candidate_, 1, 1, 0, 0)) == [VoteReply(1, candidate_, 1, granted)]


@pytest.mark.parametrize("message", [AppendEntries(2, 1, 2, 1, 1, (), 0), Heartbeat(2, 1, 2, 0, 1)])
def test_a_candidate_gives_in_to_the_leader_of_its_term(message):
    """§5.2: "If the leader's term (included in its RPC) is at least as large as the candidate's current term, then the
    candidate recognizes the leader as legitimate and returns to follower state." """
    node = candidate(1)
    answer(node, message)
    assert (node.role, node.leader, node.term) == (Role.FOLLOWER, 2, 2)


def test_timeouts_are_drawn_from_t_to_2t_and_again_each_time():
    """§5.2: "election timeouts are chosen randomly from a fixed interval" """
    node = server()
    drawn = set()
    for _ in range(300):
        node.reset_election_timer()
        drawn.add(node.election_timeout)
    assert drawn == set(range(ELECTION, 2 * ELECTION))


def test_only_a_leader_a_granted_vote_and_an_election_reset_the_timer():
    node = server(1, 1, term=1)

    def elapsed_after(message) -> int:
        wait(node, 3)
        answer(node, message)
        return node.election_elapsed

    assert elapsed_after(append(node, 1, 0, 0)) == 0
    assert elapsed_after(Heartbeat(2, 1, 1, 0, 1)) == 0
    node.leader = None
    assert elapsed_after(RequestVote(3, 1, 2, 1, 1)) == 3  # refused: its log is shorter
    assert elapsed_after(RequestPreVote(3, 1, 3, 9, 9)) == 6
    assert elapsed_after(RequestVote(3, 1, 3, 9, 9)) == 0


def test_the_only_voter_does_not_wait():
    node = Node(7, SavedState.founding(Membership.of(7)), SETTINGS, Random(0))
    sent(node)
    assert (node.role, node.term, node.commit_index, node.applied_index) == (Role.LEADER, 1, 1, 1)


# -- §5.3 log replication -------------------------------------------------------------------------------------------------


def test_a_proposal_goes_to_all_followers_in_parallel():
    """§5.3: "The leader appends the command to its log as a new entry, then issues AppendEntries RPCs in parallel." """
    node = leader(1)
    for follower in (2, 3):
        answer(node, AppendReply(follower, 1, 2, True, 2))
    assert node.propose(b"x") == (2, 3)
    new = (Entry(3, 2, EntryKind.COMMAND, b"x"),)
    assert sent(node) == [AppendEntries(1, 2, 2, 2, 2, new, 2), AppendEntries(1, 3, 2, 2, 2, new, 2)]


def test_proposals_that_come_together_travel_together():
    node = leader()
    for follower in (2, 3):
        answer(node, AppendReply(follower, 1, 1, True, 1))
    for command in (b"x", b"y", b"z"):
        node.propose(command)
    assert [len(message.entries) for message in sent(node)] == [3, 3]


def test_a_majority_commits():
    """§5.3: "A log entry is committed once the leader that created the entry has replicated it on a majority." """
    node = leader(voters=range(1, 6))
    node.propose(b"x")
    sent(node)
    answer(node, AppendReply(2, 1, 1, True, 2))
    assert node.commit_index == 0
    answer(node, AppendReply(2, 1, 1, True, 2))  # the same again is no second voice
    assert node.commit_index == 0
    answer(node, AppendReply(3, 1, 1, True, 2))
    assert node.commit_index == 2


def test_followers_are_told_of_the_commitment_at_once():
    """§5.3: "The leader keeps track of the highest index it knows to be committed, and it includes that index in future
    AppendEntries RPCs." """
    node = leader()
    told = answer(node, AppendReply(2, 1, 1, True, 1))
    assert only(AppendEntries, told) == [AppendEntries(1, 2, 1, 1, 1, (), 1)]


def test_the_leader_does_not_count_itself_before_its_own_disk_has_the_entry():
    """[T] §10.2.1: it may write while it already sends, and the others may commit the entry before that write is done."""
    node = leader(voters=range(1, 6))
    node.propose(b"x")
    ready = node.ready()
    assert ready.messages == [] and ready.must_sync
    node.step(AppendReply(2, 1, 1, True, 2))
    node.step(AppendReply(3, 1, 1, True, 2))
    assert node.commit_index == 1  # the no-op, which is on its disk
    node.step(AppendReply(4, 1, 1, True, 2))
    assert node.commit_index == 2  # three others are a majority without it


@pytest.mark.parametrize(
    ("ours", "previous", "previous_term", "theirs", "result"),
    [
        ((1, 1), 2, 1, (2, 2), [1, 1, 2, 2]),
        ((1, 1), 0, 0, (1, 1, 1), [1, 1, 1]),
        ((1, 1, 1), 1, 1, (2,), [1, 2]),
        ((1, 1, 2, 2), 2, 1, (3, 3), [1, 1, 3, 3]),
        ((1, 1, 1), 0, 0, (1,), [1, 1, 1]),  # a late, shorter message: what follows may be newer than it
        ((1, 1, 1), 1, 1, (), [1, 1, 1]),
    ],
)
def test_only_a_conflict_cuts_the_log(ours, previous, previous_term, theirs, result):
    """Figure 2, AppendEntries RPC: "3. If an existing entry conflicts with a new one (same index but different terms),
    delete the existing entry and all that follow it.  4. Append any new entries not already in the log." """
    node = server(*ours, term=3)
    agreed = answer(node, append(node, 3, previous, previous_term, *theirs))
    assert agreed == [AppendReply(1, 2, 3, True, previous + len(theirs))]
    assert logged(node) == result


@pytest.mark.parametrize(
    ("previous", "previous_term", "hint"),
    [(5, 4, (3, 2)), (3, 3, (3, 2)), (2, 1, (0, 0)), (3, 1, (0, 0)), (9, 9, (3, 2))],
)
def test_a_follower_without_the_entry_before_refuses_and_says_where_they_might_meet(previous, previous_term, hint):
    """§5.3: "If the follower does not find an entry in its log with the same index and term, then it refuses." """
    node = server(2, 2, 2, term=9)
    refused = answer(node, append(node, 9, previous, previous_term, 9))
    assert refused == [AppendReply(1, 2, 9, False, previous, *hint)]
    assert logged(node) == [2, 2, 2]


FIGURE_7 = {
    "a": (1, 1, 1, 4, 4, 5, 5, 6, 6),
    "b": (1, 1, 1, 4),
    "c": (1, 1, 1, 4, 4, 5, 5, 6, 6, 6, 6),
    "d": (1, 1, 1, 4, 4, 5, 5, 6, 6, 6, 7, 7),
    "e": (1, 1, 1, 4, 4, 4, 4),
    "f": (1, 1, 1, 2, 2, 2, 3, 3, 3, 3, 3),
}


@pytest.mark.parametrize("name", FIGURE_7)
def test_the_leader_brings_every_follower_of_figure_7_to_its_own_log(name):
    """Figure 7, §5.3: "the leader handles inconsistencies by forcing the followers' logs to duplicate its own." """
    top = leader(1, 1, 1, 4, 4, 5, 5, 6, 6, 6, voters=(1, 2))
    top.log._entries[-1].term = top.term = 8  # the figure's leader is of term 8: it won after d's term 7
    top._durable_term, top._last_hard_state = 8, HardState(8, 1, 0)
    follower = server(*FIGURE_7[name], term=7, voters=(1, 2))
    follower.id = 2
    top.progress[2].probe_from(top.last_index)
    top.appends_due = True
    trips = 0
    while messages := sent(top):
        for message in only(AppendEntries, messages):
            trips += 1
            for reply in answer(follower, message):
                top.step(reply)
    assert logged(follower) == logged(top) == [1, 1, 1, 4, 4, 5, 5, 6, 6, 6, 8]
    assert trips <= 5  # "a term a round trip, not an entry"


def test_the_commit_index_is_no_further_than_what_the_message_proves():
    """Figure 2, AppendEntries RPC: "5. set commitIndex = min(leaderCommit, index of last new entry)" """
    node = server(1, 1, 1, 1, term=2)
    answer(node, append(node, 2, 1, 1, 1, commit=4))
    assert node.commit_index == 2  # 3 and 4 may be another leader's


def test_a_late_message_never_lowers_the_commit_index():
    node = server(1, 1, 1, term=1, commit=3)
    answer(node, append(node, 1, 1, 1, commit=1))
    answer(node, Heartbeat(2, 1, 1, 1, 1))
    assert node.commit_index == 3


def test_a_heartbeat_promises_no_more_than_the_follower_holds():
    node = leader(1, 1)
    answer(node, AppendReply(2, 1, 2, True, 3))
    assert node.commit_index == 3
    beats = only(Heartbeat, wait(node, 2))
    assert [(beat.to, beat.commit) for beat in beats] == [(2, 3), (3, 0)]


def test_answers_out_of_order_do_not_lower_match_index():
    node = leader(1, 1)
    answer(node, AppendReply(2, 1, 2, True, 3))
    answer(node, AppendReply(2, 1, 2, True, 1))
    answer(node, AppendReply(2, 1, 2, False, 1))
    assert (node.progress[2].match_index, node.progress[2].next_index) == (3, 4)


# -- §5.4 safety ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("ours", "last_index", "last_term", "granted"),
    [
        ((1,), 1, 1, True),
        ((1,), 2, 1, True),
        ((1, 1), 1, 1, False),
        ((1, 1), 1, 2, True),
        ((2,), 2, 1, False),
        ((1, 2), 9, 1, False),
        ((), 0, 0, True),
    ],
)
def test_a_vote_needs_a_log_at_least_as_up_to_date(ours, last_index, last_term, granted):
    """§5.4.1: "If the logs have last entries with different terms, then the log with the later term is more up-to-date.  If
    the logs end with the same term, then whichever log is longer is more up-to-date." """
    node = server(*ours, term=2)
    assert answer(node, RequestVote(2, 1, 3, last_index, last_term)) == [VoteReply(1, 2, 3, granted)]


def test_an_entry_of_an_earlier_term_is_committed_only_beneath_one_of_this_term():
    """§5.4.2, Figure 8: "Raft never commits log entries from previous terms by counting replicas." """
    node = leader(1, 2, voters=range(1, 6))
    for follower in (2, 3):
        answer(node, AppendReply(follower, 1, 3, True, 2))
    assert node.commit_index == 0
    for follower in (2, 3):
        answer(node, AppendReply(follower, 1, 3, True, 3))
    assert node.commit_index == 3


def test_a_new_leader_begins_with_a_no_op():
    """§8: "Raft handles this by having each leader commit a blank no-op entry into the log at the start of its term." """
    node = leader(1)
    assert node.log.slice(2, 2) == (Entry(2, 2, EntryKind.NO_OP, b""),)


def test_committed_entries_come_out_once_and_in_order():
    node = leader()
    node.propose(b"x")
    sent(node)
    node.step(AppendReply(2, 1, 1, True, 1))
    first = node.ready()
    node.step(AppendReply(2, 1, 1, True, 2))
    second = node.ready()
    assert [entry.index for entry in first.committed + second.committed] == [1, 2]
    assert node.applied_index == 0
    node.advance(first)
    assert node.applied_index == 1
    node.advance(second)
    assert (node.applied_index, node.has_ready()) == (2, False)


# -- what must be durable before what -------------------------------------------------------------------------------------


def test_what_promises_waits_for_the_disk_and_what_does_not_leaves_at_once():
    """§5.6, Figure 2: "Updated on stable storage before responding to RPCs" """
    voter = server()
    voter.step(RequestVote(2, 1, 5, 0, 0))
    ready = voter.ready()
    assert (ready.hard_state, ready.must_sync) == (HardState(5, 2, 0), True)
    assert (ready.messages_at_once, ready.messages) == ([], [VoteReply(1, 2, 5, True)])

    head = leader()
    for follower in (2, 3):
        answer(head, AppendReply(follower, 1, 1, True, 1))
    head.propose(b"x")
    ready = head.ready()
    assert [type(message) for message in ready.messages_at_once] == [AppendEntries, AppendEntries]
    assert (ready.messages, ready.must_sync) == ([], True)


def test_a_new_commit_index_alone_needs_no_fsync():
    node = server(1, 1, term=1)
    sent(node)
    node.step(Heartbeat(2, 1, 1, 2, 1))
    ready = node.ready()
    assert (ready.hard_state, ready.must_sync) == (HardState(1, None, 2), False)


def test_a_candidate_is_no_leader_before_its_own_vote_is_durable():
    node = candidate(voters=(1, 2))
    ready = node.ready()
    assert ready.messages == [RequestVote(1, 2, 1, 0, 0)] and ready.messages_at_once == []
    node.step(VoteReply(2, 1, 1, True))
    assert node.role is Role.CANDIDATE
    node.advance(ready)
    assert node.role is Role.LEADER


def test_a_write_of_entries_that_were_cut_away_meanwhile_counts_for_nothing():
    node = server(1, term=1)
    node.step(append(node, 1, 1, 1, 1, 1))
    first = node.ready()
    node.step(append(node, 2, 1, 1, 2))
    second = node.ready()
    node.advance(first)
    assert node.log.saved == 1
    node.advance(second)
    assert node.log.saved == 2


def test_a_torn_write_leaves_the_term_of_the_entries_and_no_vote_in_it():
    """The entries reached the disk and the hard state behind them did not."""
    node = Node(1, replace(SavedState.founding(Membership.of(1, 2, 3)), entries=entries(1, 4)), SETTINGS, Random(0))
    assert node.term == 4
    assert answer(node, RequestVote(2, 1, 4, 9, 9)) == [VoteReply(1, 2, 4, False)]


# -- §6, [T] §6.2, §9.6: pre-vote, lease, CheckQuorum ---------------------------------------------------------------------


def test_a_pre_vote_changes_nothing_at_the_voter():
    node = server(1, term=3, vote=2)
    wait(node, 4)
    assert answer(node, RequestPreVote(3, 1, 8, 1, 1)) == [PreVoteReply(1, 3, 8, True)]
    assert answer(node, RequestPreVote(2, 1, 8, 1, 1)) == [PreVoteReply(1, 2, 8, True)]
    assert (node.term, node.vote, node.election_elapsed) == (3, 2, 4)


def test_a_refused_pre_vote_tells_the_own_term():
    node = server(1, 1, term=3)
    assert answer(node, RequestPreVote(2, 1, 4, 1, 1)) == [PreVoteReply(1, 2, 3, False)]
    behind = server(1, term=1)
    behind.campaign()
    answer(behind, PreVoteReply(2, 1, 3, False))
    assert (behind.term, behind.role) == (3, Role.FOLLOWER)


@pytest.mark.parametrize("request_", [RequestVote(3, 1, 9, 9, 9), RequestPreVote(3, 1, 9, 9, 9)])
def test_who_hears_a_leader_does_not_answer_those_who_would_depose_it(request_):
    """§6: "if a server receives a RequestVote RPC within the minimum election timeout of hearing from a current leader, it
    does not update its term or grant its vote." """
    node = server(1, term=1)
    answer(node, Heartbeat(2, 1, 1, 0, 1))
    node.election_timeout = 2 * ELECTION
    wait(node, ELECTION - 1)
    assert answer(node, request_) == []
    assert node.term == 1
    wait(node, 1)
    assert [reply.granted for reply in answer(node, request_)] == [True]


def test_a_leader_that_nobody_answers_resigns():
    """[T] §6.2: a leader steps down when an election timeout passes in which no majority has answered it."""
    node = leader(voters=range(1, 6))
    wait(node, ELECTION)
    assert node.role is Role.LEADER  # the first time it has the benefit of the doubt
    answer(node, HeartbeatReply(2, 1, 1, 1))
    answer(node, HeartbeatReply(3, 1, 1, 1))
    wait(node, ELECTION)
    assert node.role is Role.LEADER
    answer(node, HeartbeatReply(2, 1, 1, 2))
    wait(node, ELECTION)
    assert (node.role, node.leader, node.term) == (Role.FOLLOWER, None, 1)


# -- [T] §3.10 leadership transfer ----------------------------------------------------------------------------------------


def test_a_successor_that_is_level_is_told_to_stand_now():
    node = leader()
    answer(node, AppendReply(2, 1, 1, True, 1))
    node.transfer_leadership(2)
    assert sent(node) == [TimeoutNow(1, 2, 1)]
    with pytest.raises(TransferUnderWay):
        node.propose(b"x")


def test_a_successor_is_brought_level_first():
    node = leader()
    answer(node, AppendReply(2, 1, 1, True, 1))
    node.propose(b"x")
    sent(node)
    node.transfer_leadership(2)
    assert only(TimeoutNow, sent(node)) == []
    assert only(TimeoutNow, answer(node, AppendReply(2, 1, 1, True, 2))) == [TimeoutNow(1, 2, 1)]


def test_a_transfer_that_does_not_happen_is_given_up_after_an_election_timeout():
    node = leader()
    answer(node, AppendReply(3, 1, 1, True, 1))
    node.transfer_leadership(2)
    wait(node, ELECTION)
    assert node.propose(b"x") == (1, 2)


def test_the_successors_election_skips_the_pre_vote_and_the_lease():
    node = server(1, term=1)
    answer(node, Heartbeat(2, 1, 1, 0, 1))
    asked = answer(node, TimeoutNow(2, 1, 1))
    assert asked == [RequestVote(1, 2, 2, 1, 1, True), RequestVote(1, 3, 2, 1, 1, True)]
    other = server(1, term=1)
    answer(other, Heartbeat(2, 1, 1, 0, 1))
    assert answer(other, RequestVote(3, 1, 2, 1, 1, True)) == [VoteReply(1, 3, 2, True)]


def test_leadership_goes_to_voters_only():
    node = leader(voters=Membership.of(1, 2, learners=[3]))
    with pytest.raises(ValueError, match="not a voter"):
        node.transfer_leadership(3)


# -- [T] §6.4 reads -------------------------------------------------------------------------------------------------------


def reads(node: Node) -> list[ReadState]:
    found: list[ReadState] = []
    while node.has_ready():
        ready = node.ready()
        found += ready.reads
        node.advance(ready)
    return found


def test_a_read_waits_for_a_round_of_heartbeats_that_began_after_it():
    node = leader()
    answer(node, AppendReply(2, 1, 1, True, 1))
    wait(node, 2)  # round 1
    node.read_index(b"r")
    assert reads(node) == []  # round 2 goes out
    node.step(HeartbeatReply(2, 1, 1, 1))
    assert reads(node) == []
    node.step(HeartbeatReply(2, 1, 1, 2))
    assert reads(node) == [ReadState(b"r", 1)]


def test_one_round_serves_all_reads_that_came_before_it():
    node = leader()
    answer(node, AppendReply(2, 1, 1, True, 1))
    node.read_index(b"a")
    node.step(ReadIndex(3, 1, 1, b"b"))
    assert only(Heartbeat, sent(node)) == [Heartbeat(1, 2, 1, 1, 1), Heartbeat(1, 3, 1, 0, 1)]
    node.step(HeartbeatReply(2, 1, 1, 1))
    ready = node.ready()
    assert ready.reads == [ReadState(b"a", 1)]
    assert only(ReadIndexReply, ready.messages_at_once) == [ReadIndexReply(1, 3, 1, b"b", 1)]


def test_a_leader_that_has_committed_nothing_in_its_term_does_not_know_what_is_committed():
    """[T] §6.4, step 1."""
    node = leader(1)
    node.read_index(b"r")
    sent(node)
    node.step(HeartbeatReply(2, 1, 2, 1))
    assert reads(node) == []
    node.step(AppendReply(2, 1, 2, True, 2))
    assert reads(node) == [ReadState(b"r", 2)]


def test_a_follower_asks_the_leader():
    node = server(term=1)
    with pytest.raises(NotLeader):
        node.read_index(b"r")
    answer(node, Heartbeat(2, 1, 1, 0, 1))
    node.read_index(b"r")
    assert sent(node) == [ReadIndex(1, 2, 1, b"r")]
    node.step(ReadIndexReply(2, 1, 1, b"r", 8))
    assert reads(node) == [ReadState(b"r", 8)]


def test_a_leader_alone_reads_at_once():
    node = leader(voters=(1,))
    node.read_index(b"r")
    assert reads(node) == [ReadState(b"r", 1)]


# -- limits ---------------------------------------------------------------------------------------------------------------


def test_a_leader_without_a_majority_takes_only_so_much():
    node = leader(settings=replace(SETTINGS, uncommitted_bytes_max=100))
    node.propose(b"x" * 70)
    with pytest.raises(TooMuchUncommitted):
        node.propose(b"x" * 70)
    sent(node)
    answer(node, AppendReply(2, 1, 1, True, 2))
    assert node.uncommitted_bytes == 0
    assert node.propose(b"x" * 1000) == (1, 3)  # one is taken whatever its size


def test_who_does_not_lead_says_who_does():
    node = server(term=1)
    answer(node, Heartbeat(2, 1, 1, 0, 1))
    with pytest.raises(NotLeader, match="the leader is server 2") as refused:
        node.propose(b"x")
    assert refused.value.leader == 2


# -- §6 membership --------------------------------------------------------------------------------------------------------


def test_a_leader_changes_nothing_before_it_has_committed_in_its_term():
    """[B]: the rule that the paper lacked."""
    node = leader(1)
    with pytest.raises(ChangeUnderWay, match="term 2"):
        node.propose_membership(Membership.of(1, 2, 3, 4))
    answer(node, AppendReply(2, 1, 2, True, 2))
    assert node.propose_membership(Membership.of(1, 2, 3, 4)) == (2, 3)
    with pytest.raises(ChangeUnderWay, match="earlier"):
        node.propose_membership(Membership.of(1, 2))


def test_a_configuration_is_in_force_when_it_is_in_the_log_and_no_longer_when_it_is_cut_away():
    """§6: "a server always uses the latest configuration in its log, regardless of whether the entry is committed." """
    node = server(1, term=1)
    four = Membership.of(1, 2, 3, 4)
    change = Entry(2, 1, EntryKind.MEMBERSHIP, four.encode())
    answer(node, AppendEntries(2, 1, 1, 1, 1, (change,), 0))
    assert node.membership == four
    answer(node, append(node, 2, 1, 1, 2))
    assert node.membership == Membership.of(1, 2, 3)


def test_several_changes_at_once_go_through_the_joint_configuration():
    """§6: joint consensus."""
    node = leader()
    answer(node, AppendReply(2, 1, 1, True, 1))
    node.propose_membership(Membership.of(1, 4, 5))
    assert node.membership == Membership(frozenset({1, 4, 5}), old_voters=frozenset({1, 2, 3}))
    sent(node)
    for follower in (4, 5):
        answer(node, AppendReply(follower, 1, 1, True, 2))
    assert node.commit_index == 1  # of the old voters only itself
    answer(node, AppendReply(2, 1, 1, True, 2))
    assert (node.commit_index, node.membership) == (2, Membership.of(1, 4, 5))
    answer(node, AppendReply(4, 1, 1, True, 3))
    assert node.commit_index == 3


def test_a_leader_that_removes_itself_leads_until_that_is_committed_without_counting_itself():
    """§6: "the leader steps down (returns to follower state) once it has committed the C_new log entry." """
    node = leader()
    answer(node, AppendReply(2, 1, 1, True, 1))
    node.propose_membership(Membership.of(2, 3))
    sent(node)
    answer(node, AppendReply(2, 1, 1, True, 2))
    assert (node.role, node.commit_index) == (Role.LEADER, 1)
    last = answer(node, AppendReply(3, 1, 1, True, 2))
    assert (node.role, node.commit_index) == (Role.FOLLOWER, 2)
    assert only(TimeoutNow, last) == [TimeoutNow(1, 2, 1)]
    assert wait(node, 3 * ELECTION) == []  # and does not come back


def test_a_server_whose_removal_is_not_committed_may_still_be_needed():
    """[T] §4.2.2: so it stands for election, without a voice of its own."""
    node = server(1, term=1)
    answer(node, AppendEntries(2, 1, 1, 1, 1, (Entry(2, 1, EntryKind.MEMBERSHIP, Membership.of(2, 3).encode()),), 0))
    node.campaign()
    assert [message.to for message in only(RequestPreVote, sent(node))] == [2, 3]
    answer(node, PreVoteReply(2, 1, 2, True))
    assert node.role is Role.PRE_CANDIDATE  # its own voice does not count
    answer(node, PreVoteReply(3, 1, 2, True))
    assert node.role is Role.CANDIDATE


def test_a_learner_hears_everything_and_has_no_say():
    """[T] §4.2.1: non-voting members."""
    node = leader(voters=Membership.of(1, 2, learners=[3]))
    assert list(node.progress) == [2, 3]
    answer(node, AppendReply(3, 1, 1, True, 1))
    assert node.commit_index == 0
    learner = server(voters=Membership.of(2, 3, learners=[1]))
    assert wait(learner, 5 * ELECTION) == []


@pytest.mark.parametrize(
    "target",
    [
        Membership.of(),
        Membership.of(1, 2, learners=[2]),
        Membership.of(1, 2, 3),
        Membership(frozenset({1}), old_voters=frozenset({2})),
    ],
)
def test_a_target_that_makes_no_sense_is_refused(target):
    node = leader()
    answer(node, AppendReply(2, 1, 1, True, 1))
    with pytest.raises(ValueError):
        node.propose_membership(target)
