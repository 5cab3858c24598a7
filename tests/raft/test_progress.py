"""Flow control: probing, a window of messages in flight, and what a lost message costs."""

from dataclasses import replace

import pytest

from raft.messages import AppendEntries, AppendReply, Heartbeat, HeartbeatReply
from raft.node import Node
from raft.progress import Flow, Progress
from tests.raft.bench import SETTINGS, answer, leader, only, sent, wait

WINDOW = replace(SETTINGS, appends_in_flight_max=2)


def in_step() -> Node:
    """A leader of two, whose follower agrees up to its no-op."""
    node = leader(voters=(1, 2), settings=WINDOW)
    answer(node, AppendReply(2, 1, 1, True, 1))
    sent(node)
    return node


def proposed(node: Node, data: bytes = b"x") -> list[int]:
    """The entries' indexes in each message that one more proposal leads to."""
    node.propose(data)
    return [entry.index for message in only(AppendEntries, sent(node)) for entry in message.entries]


def test_a_follower_that_is_not_in_step_is_sent_one_message_at_a_time():
    node = leader(voters=(1, 2), settings=WINDOW)
    assert node.progress[2].flow is Flow.PROBE
    assert [proposed(node), proposed(node)] == [[], []]
    node.step(AppendReply(2, 1, 1, True, 1))
    assert node.progress[2].flow is Flow.REPLICATE
    assert [[entry.index for entry in message.entries] for message in only(AppendEntries, sent(node))] == [[2, 3]]


def test_one_in_step_is_sent_ahead_up_to_the_window():
    node = in_step()
    assert [proposed(node) for _ in range(4)] == [[2], [3], [], []]
    node.step(AppendReply(2, 1, 1, True, 2))
    assert [[entry.index for entry in message.entries] for message in only(AppendEntries, sent(node))] == [[4, 5]]


def test_one_answer_frees_all_messages_it_covers():
    node = in_step()
    proposed(node), proposed(node)
    answer(node, AppendReply(2, 1, 1, True, 3))
    assert list(node.progress[2].in_flight) == []


def test_a_lost_message_is_noticed_at_the_next_one_and_sent_again():
    node = in_step()
    proposed(node), proposed(node)  # 2 is lost, 3 arrives
    node.step(AppendReply(2, 1, 1, False, 2, 1, 1))
    again = only(AppendEntries, sent(node))
    assert [(message.previous_index, len(message.entries)) for message in again] == [(1, 2)]
    assert node.progress[2].flow is Flow.PROBE


def test_the_last_message_lost_is_noticed_at_a_heartbeat():
    """Nothing follows it that could be refused: so the leader asks, with empty hands."""
    node = in_step()
    proposed(node)
    assert only(Heartbeat, wait(node, 2)) == [Heartbeat(1, 2, 1, 1, 1)]
    asked = answer(node, HeartbeatReply(2, 1, 1, 1))
    assert asked == [AppendEntries(1, 2, 1, 2, 1, (), 1)]
    again = answer(node, AppendReply(2, 1, 1, False, 2, 1, 1))
    assert [(message.previous_index, len(message.entries)) for message in only(AppendEntries, again)] == [(1, 1)]


def test_a_lost_probe_is_sent_again_at_a_heartbeat():
    node = leader(voters=(1, 2), settings=WINDOW)
    wait(node, 2)
    again = answer(node, HeartbeatReply(2, 1, 1, 1))
    assert [message.previous_index for message in only(AppendEntries, again)] == [0]


def test_messages_are_cut_to_size():
    node = leader(voters=(1, 2), settings=replace(SETTINGS, append_bytes_max=250))
    answer(node, AppendReply(2, 1, 1, True, 1))
    for _ in range(5):
        node.propose(b"x" * 100)
    assert [len(message.entries) for message in only(AppendEntries, sent(node))] == [2, 2, 1]


@pytest.mark.parametrize(
    ("index", "last_common", "taken"),
    [(4, 2, False), (7, 2, False), (9, 2, True)],
    ids=["agreed meanwhile", "of an earlier probe", "the one that is out"],
)
def test_only_the_refusal_of_the_last_probe_is_news(index, last_common, taken):
    progress = Progress(next_index=10)
    progress.match_index = 4
    progress.probe_sent = True
    assert progress.refused(index, last_common) is taken
    assert progress.next_index == (5 if taken else 10)  # never at or below what it agreed to


def test_match_index_only_grows():
    progress = Progress(next_index=1)
    assert [progress.agreed(index) for index in (3, 1, 3, 5)] == [True, False, False, True]
    assert (progress.match_index, progress.next_index) == (5, 6)
