"""Snapshots: chunks lost, repeated, from another leader, of another state; and what is not worth installing."""

from dataclasses import replace
from zlib import crc32

import pytest

from raft.membership import Membership
from raft.messages import (
    AppendEntries,
    AppendReply,
    HeartbeatReply,
    InstallSnapshot,
    SnapshotReply,
)
from raft.node import Node
from raft.progress import Flow
from tests.raft.bench import SETTINGS, answer, entries, leader, logged, only, sent, server, wait

CHUNKED = replace(SETTINGS, snapshot_chunk_bytes=4, snapshot_bytes_max=100)
DATA = b"0123456789"
FOUR = Membership.of(1, 2, 3, 4)


def chunk(
    offset: int, *, term: int = 5, index: int = 9, data: bytes = DATA, checksum: int | None = None
) -> InstallSnapshot:
    check = crc32(data) if checksum is None else checksum
    return InstallSnapshot(2, 1, term, index, 4, FOUR, len(data), check, offset, data[offset : offset + 4])


def reply(offset: int, *, installed: bool = False, index: int = 9, term: int = 5) -> SnapshotReply:
    return SnapshotReply(1, 2, term, index, offset, installed)


def test_a_snapshot_arrives_in_chunks_and_replaces_the_log():
    node = server(1, 1, 1)
    assert answer(node, chunk(0)) == [reply(4)]
    assert answer(node, chunk(4)) == [reply(8)]
    node.step(chunk(8))
    ready = node.ready()
    assert ready.snapshot == node.log.snapshot
    assert (ready.snapshot.index, ready.snapshot.term, ready.snapshot.data) == (9, 4, DATA)
    assert (ready.must_sync, ready.messages, ready.committed) == (True, [reply(10, installed=True)], ())
    node.advance(ready)
    assert (node.first_index, node.last_index, node.commit_index, node.applied_index) == (10, 9, 9, 9)
    assert node.membership == FOUR


def test_chunks_lost_and_repeated_are_asked_for_again():
    node = server()
    offsets = [answer(node, chunk(offset))[0].offset for offset in (4, 0, 0, 8, 4, 4, 0)]
    assert offsets == [0, 4, 4, 4, 8, 8, 8]
    assert answer(node, chunk(8)) == [reply(10, installed=True)]


def test_another_leader_or_another_state_starts_from_the_beginning():
    node = server()
    answer(node, chunk(0))
    assert answer(node, chunk(4, term=6)) == [reply(0, term=6)]
    answer(node, chunk(0, term=6))
    assert answer(node, chunk(4, term=6, data=b"something else")) == [reply(0, term=6)]


def test_a_snapshot_that_does_not_match_its_checksum_is_thrown_away():
    node = server()
    for offset in (0, 4):
        answer(node, chunk(offset, checksum=1))
    assert answer(node, chunk(8, checksum=1)) == [reply(0)]
    assert (node.incoming, node.last_index) == (None, 0)


def test_a_snapshot_beyond_the_limit_is_not_collected():
    node = server(settings=CHUNKED)
    assert answer(node, chunk(0, data=bytes(101))) == []
    assert node.incoming is None


def test_what_is_committed_already_needs_no_snapshot():
    node = server(1, 1, 1, term=5, commit=3)
    assert answer(node, chunk(0, index=2)) == [reply(10, installed=True, index=2)]
    assert logged(node) == [1, 1, 1]


def test_what_the_log_holds_needs_no_snapshot_and_keeps_what_follows():
    """[R] Figure 13, 6: "If existing log entry has same index and term as snapshot's last included entry, retain log
    entries following it and reply." """
    node = server(1, 4, 5, term=5)
    assert answer(node, chunk(0, index=2)) == [reply(10, installed=True, index=2)]
    assert (logged(node), node.commit_index) == ([1, 4, 5], 2)


def test_an_empty_state_is_one_chunk():
    node = server()
    assert answer(node, chunk(0, data=b"")) == [reply(0, installed=True)]
    assert node.commit_index == 9


def test_a_late_append_about_what_the_snapshot_took_in_is_agreed_to():
    node = server()
    for offset in (0, 4, 8):
        answer(node, chunk(offset))
    late = AppendEntries(2, 1, 5, 3, 1, entries(1, first=4), 4)
    assert answer(node, late) == [AppendReply(1, 2, 5, True, 9)]


# -- the leader's side ----------------------------------------------------------------------------------------------------


def compacted() -> Node:
    """A leader with a snapshot at 4; server 3 is known to have nothing."""
    node = leader(1, 1, settings=CHUNKED)
    node.propose(b"x")
    sent(node)
    for index in (3, 4):
        answer(node, AppendReply(2, 1, 2, True, index))
    snapshot = node.compact(4, DATA)
    assert snapshot is not None and node.first_index == 5
    return node


def test_a_follower_behind_the_log_is_sent_the_snapshot_and_then_the_log():
    node = compacted()
    first = answer(node, AppendReply(3, 1, 2, False, 2, 0, 0))
    assert [(message.offset, message.chunk) for message in only(InstallSnapshot, first)] == [(0, b"0123")]
    assert node.progress[3].flow is Flow.SNAPSHOT
    node.propose(b"y")
    assert [message.to for message in only(AppendEntries, sent(node))] == [2]  # appends to 3 would be refused
    second = answer(node, SnapshotReply(3, 1, 2, 4, 4))
    assert [(message.offset, message.chunk) for message in second] == [(4, b"4567")]
    assert answer(node, SnapshotReply(3, 1, 2, 4, 4)) == []  # the same again
    then = answer(node, SnapshotReply(3, 1, 2, 4, 10, installed=True))
    assert [(message.previous_index, len(message.entries)) for message in only(AppendEntries, then)] == [(4, 1)]


def test_a_lost_chunk_is_sent_again_when_the_follower_is_heard():
    node = compacted()
    answer(node, AppendReply(3, 1, 2, False, 2, 0, 0))
    wait(node, 2)
    again = answer(node, HeartbeatReply(3, 1, 2, 1))
    assert [message.offset for message in only(InstallSnapshot, again)] == [0]


def test_a_follower_that_restarted_in_the_middle_begins_again():
    node = compacted()
    answer(node, AppendReply(3, 1, 2, False, 2, 0, 0))
    answer(node, SnapshotReply(3, 1, 2, 4, 4))
    again = answer(node, SnapshotReply(3, 1, 2, 4, 0))
    assert [message.offset for message in again] == [0]


def test_a_snapshot_being_sent_stays_the_same_when_a_newer_one_is_made():
    node = compacted()
    answer(node, AppendReply(3, 1, 2, False, 2, 0, 0))
    node.propose(b"y")
    sent(node)
    answer(node, AppendReply(2, 1, 2, True, 5))
    assert node.compact(5, b"newer") is not None
    (next_chunk,) = answer(node, SnapshotReply(3, 1, 2, 4, 4))
    assert (next_chunk.last_index, next_chunk.chunk) == (4, b"4567")


# -- making one -----------------------------------------------------------------------------------------------------------


def test_only_what_is_applied_can_be_in_a_snapshot():
    with pytest.raises(ValueError, match="entry 2 is not applied"):
        server(1, 1, commit=1).compact(2, b"")


def test_an_older_snapshot_is_not_taken():
    node = compacted()
    assert node.compact(3, b"older") is None
    assert node.log.snapshot.index == 4


def test_a_server_that_does_not_know_its_cluster_makes_no_snapshot():
    """Its entries begin before the one that made it a member: a snapshot there would tell nobody who the voters are."""
    node = server(voters=Membership())
    answer(node, AppendEntries(2, 1, 1, 0, 0, entries(1, 1), 2))
    assert node.applied_index == 2
    assert node.compact(2, b"state") is None
