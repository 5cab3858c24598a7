"""Messages as bytes, and bytes that are none."""

import pytest

from raft.frames import BadMessage, decode, encode
from raft.membership import Membership
from raft.messages import (
    MESSAGE_NUMBERS,
    AppendEntries,
    AppendReply,
    Entry,
    EntryKind,
    Heartbeat,
    HeartbeatReply,
    InstallSnapshot,
    PreVoteReply,
    ReadIndex,
    ReadIndexReply,
    RequestPreVote,
    RequestVote,
    SnapshotReply,
    TimeoutNow,
    VoteReply,
)

ENTRIES = (Entry(8, 3, EntryKind.COMMAND, b"x" * 300), Entry(9, 3, EntryKind.NO_OP, b""))
MESSAGES = [
    RequestPreVote(1, 2, 3, 4, 5),
    PreVoteReply(1, 2, 3, True),
    RequestVote(1, 2, 3, 4, 5, True),
    VoteReply(1, 2, 3, False),
    AppendEntries(1, 2, 3, 7, 2, ENTRIES, 6),
    AppendReply(1, 2, 3, False, 7, 6, 2),
    Heartbeat(1, 2, 3, 4, 5),
    HeartbeatReply(1, 2, 3, 4),
    InstallSnapshot(1, 2, 3, 4, 5, Membership.of(1, 2, learners=[3]), 100, 77, 50, b"half"),
    SnapshotReply(1, 2, 3, 4, 5, True),
    TimeoutNow(1, 2, 3),
    ReadIndex(1, 2, 3, b"context"),
    ReadIndexReply(1, 2, 3, b"context", 9),
]


def test_there_is_one_of_each():
    assert {type(message) for message in MESSAGES} == set(MESSAGE_NUMBERS)


@pytest.mark.parametrize("message", MESSAGES, ids=lambda message: type(message).__name__)
def test_a_message_comes_out_as_it_went_in(message):
    assert decode(encode(12, message)) == (12, message)


def test_the_bytes_of_a_heartbeat():
    assert encode(12, Heartbeat(1, 2, 300, 4, 5)).hex(" ") == "97 0c 07 01 02 cd 01 2c 04 05"


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"\xc1",
        b"\x05",
        b"\x92\x01\x63",
        b"\x93\x01\x07\x01",
        b"\x99\x01\x05\x01\x02\x03\x04\x05\x06\x07",
        b"garbage",
    ],
)
def test_other_bytes_are_refused(payload):
    with pytest.raises(BadMessage):
        decode(payload)


@pytest.mark.parametrize("message", MESSAGES, ids=lambda message: type(message).__name__)
def test_a_message_cut_anywhere_is_refused(message):
    payload = encode(0, message)
    for size in range(len(payload)):
        with pytest.raises(BadMessage):
            decode(payload[:size])
