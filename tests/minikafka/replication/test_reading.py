"""What a replica gives to consumers and followers (KIP-392)."""

import pytest

from minikafka.replication.reading import Answer, failed, read
from minikafka.wire.errors import ErrorCode
from tests.minikafka.replication.replicas import WALL, batch, registration, replica


@pytest.fixture
def follower():
    """It has two batches of a record each; the watermark it knows of is behind the first."""
    partition = replica(me=2)
    partition.update(registration(leader=1), now_ms=0)
    for offset, value in enumerate("ab"):
        data = bytearray(batch(value))
        data[:8] = offset.to_bytes(8, "big")
        data[12:16] = bytes(4)  # the leader's epoch
        partition.append_from_leader(data, WALL)
    partition.hear_of_watermark(1, 0)
    return partition


def test_a_follower_gives_what_lies_below_the_watermark_it_knows(follower):
    answer = read(follower, 0, 1 << 20, at_least_one=True, leader_only=False)
    first = bytes(follower.log.read(0, 1 << 20, 1).records)
    assert (answer.error_code, answer.high_watermark, bytes(answer.records)) == (ErrorCode.NONE, 1, first)
    assert bytes(read(follower, 1, 1 << 20, at_least_one=True, leader_only=False).records) == b""


def test_beyond_its_end_an_offset_is_out_of_range(follower):
    answer = read(follower, 3, 1 << 20, at_least_one=True, leader_only=False)
    assert answer == failed(0, ErrorCode.OFFSET_OUT_OF_RANGE)


def test_who_wants_the_leader_is_refused(follower):
    assert read(follower, 0, 1 << 20, at_least_one=True) == failed(0, ErrorCode.NOT_LEADER_OR_FOLLOWER)


@pytest.mark.parametrize(
    "epoch, error", [(0, ErrorCode.NONE), (1, ErrorCode.UNKNOWN_LEADER_EPOCH), (-1, ErrorCode.NONE)]
)
def test_epochs_are_compared_whoever_leads(follower, epoch, error):
    answer: Answer = read(follower, 0, 0, at_least_one=False, current_leader_epoch=epoch, leader_only=False)
    assert answer.error_code is error
