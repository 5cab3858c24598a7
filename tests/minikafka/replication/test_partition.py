"""What a leader may count on, and when; Kafka's `Partition.scala` and KIP-101, 497, 841, 903, 966 by rule."""

import pytest

from minikafka.wire.errors import ErrorCode, KafkaError
from tests.minikafka.replication.replicas import append, batch, fetched, leader, registration, replica


def test_the_high_watermark_is_the_least_log_end_of_the_in_sync_set():
    partition = leader()
    append(partition, "a", "b", "c")
    seen = [partition.log.high_watermark]
    for broker, offset in ((2, 3), (3, 1), (3, 2), (3, 3)):
        fetched(partition, broker, offset)
        seen.append(partition.log.high_watermark)
    assert seen == [0, 0, 1, 2, 3]


def test_who_waits_for_an_offset_is_told_once_when_the_watermark_passes_it():
    partition, told = leader(), []
    append(partition, "a", "b")
    assert partition.when_committed(2, told.append)
    fetched(partition, 2, 2)
    fetched(partition, 3, 1)
    assert told == []
    fetched(partition, 3, 2)
    fetched(partition, 3, 2)
    assert told == [ErrorCode.NONE]
    assert not partition.when_committed(2, told.append)


def test_a_replica_alone_commits_what_it_appends():
    partition = replica(min_isr=1)
    partition.update(registration(isr=(1,), replicas=(1,)), now_ms=0)
    append(partition, "a", "b")
    assert partition.log.high_watermark == 2


def test_min_insync_replicas_above_the_number_of_replicas_counts_as_that_number():
    """Seen on Apache Kafka 4.1.1: acks=all goes on."""
    partition = replica(min_isr=2)
    partition.update(registration(isr=(1,), replicas=(1,)), now_ms=0)
    assert append(partition) == 0


def test_too_few_in_sync_refuses_acks_all_takes_acks_1_and_keeps_the_watermark():
    """KIP-966: what is taken with acks=1 meanwhile stays invisible."""
    partition = leader()
    partition.update(registration(isr=(1,), partition_epoch=1), now_ms=0)
    with pytest.raises(KafkaError) as refused:
        append(partition)
    assert refused.value.code is ErrorCode.NOT_ENOUGH_REPLICAS
    assert append(partition, acks=1) == 0
    assert partition.log.high_watermark == 0
    partition.update(registration(isr=(1, 2), partition_epoch=2), now_ms=0)
    fetched(partition, 2, 1)
    assert partition.log.high_watermark == 1


def test_a_leader_never_shrinks_the_isr_by_itself():
    partition = leader()
    append(partition, now_ms=0)
    fetched(partition, 2, 1, now_ms=900)
    assert partition.shrink_isr(now_ms=1500)
    assert (partition.proposal.isr, partition.isr) == ((1, 2), (1, 2, 3))
    fetched(partition, 2, 1, now_ms=1500)
    assert partition.log.high_watermark == 0, "3 counts until the controller has decided"
    partition.isr_decided(leader_epoch=0, partition_epoch=1, isr=(1, 2), now_ms=1500)
    assert (partition.isr, partition.log.high_watermark) == ((1, 2), 1)


def test_one_proposal_is_open_at_a_time():
    partition = leader()
    append(partition)
    assert partition.shrink_isr(now_ms=2000)
    assert not partition.shrink_isr(now_ms=3000)


def test_a_follower_at_the_end_does_not_lag_however_long_nothing_is_written():
    partition = leader()
    append(partition)
    fetched(partition, 2, 1)
    fetched(partition, 3, 1)
    assert not partition.shrink_isr(now_ms=100_000)


def test_a_follower_of_a_busy_leader_counts_as_caught_up_at_the_fetch_before():
    partition = leader()
    for now_ms in range(0, 3000, 500):  # always one record behind
        append(partition, now_ms=now_ms)
        fetched(partition, 2, max(0, now_ms // 500), now_ms)
        fetched(partition, 3, now_ms // 500 + 1, now_ms)
    assert not partition.shrink_isr(now_ms=3000)


def test_a_follower_joins_when_it_has_what_is_committed_of_this_reign():
    partition = leader()
    partition.update(registration(isr=(1, 2), partition_epoch=1), now_ms=0)
    append(partition, "a", "b")
    fetched(partition, 2, 2)
    fetched(partition, 3, 1)
    assert partition.proposal is None
    fetched(partition, 3, 2)
    assert partition.proposal.isr == (1, 2, 3)
    assert partition.isr_member_epochs() == [(1, 11), (2, 12), (3, 13)]


def test_a_proposed_member_is_waited_for_before_it_is_one():
    partition = leader()
    partition.update(registration(isr=(1, 2), partition_epoch=1), now_ms=0)
    append(partition)
    fetched(partition, 2, 1)
    fetched(partition, 3, 1)
    append(partition)
    fetched(partition, 2, 2)
    assert partition.log.high_watermark == 1


@pytest.mark.parametrize("bar", ["fenced", "a broker epoch not heard of yet"])
def test_who_may_not_join_is_not_proposed(bar):
    """KIP-841, KIP-903."""
    partition = leader()
    partition.update(registration(isr=(1, 2), partition_epoch=1), now_ms=0)
    if bar == "fenced":
        partition.brokers.barred.add(3)
    fetched(partition, 3, 0, epoch=13 if bar == "fenced" else 99)
    assert partition.proposal is None


def test_fetches_of_an_earlier_life_count_for_nothing():
    partition = leader()
    append(partition)
    fetched(partition, 3, 0, epoch=14)  # its broker tells it before the metadata does
    for epoch in (13, 12, 0):
        with pytest.raises(KafkaError) as refused:
            fetched(partition, 3, 1, epoch=epoch)
        assert refused.value.code is ErrorCode.NOT_LEADER_OR_FOLLOWER
    assert partition.followers[3].log_end_offset == 0


def test_the_first_fetch_counts_for_nothing_when_the_metadata_knows_a_later_life():
    """Seen on Apache Kafka 4.1.1."""
    partition = leader()
    with pytest.raises(KafkaError) as refused:
        fetched(partition, 3, 0, epoch=12)
    assert refused.value.code is ErrorCode.NOT_LEADER_OR_FOLLOWER


def test_a_refused_proposal_leaves_the_set_as_it_was():
    partition = leader()
    append(partition)
    partition.shrink_isr(now_ms=2000)
    partition.isr_refused(partition.proposal, now_ms=2000)
    assert (partition.proposal, partition.isr) == (None, (1, 2, 3))


def test_older_news_changes_nothing():
    partition = leader()
    partition.update(registration(isr=(1, 2), partition_epoch=5), now_ms=0)
    partition.update(registration(leader=2, isr=(2, 3), partition_epoch=4), now_ms=0)
    assert (partition.leader, partition.isr) == (1, (1, 2))


def test_a_new_leader_writes_its_epoch_down_before_its_first_record():
    partition = replica(me=2)
    partition.update(registration(leader=1), now_ms=0)
    partition.append_from_leader(stamped("a", "b", epoch=0), wall_ms=0)
    partition.update(registration(leader=2, leader_epoch=1, partition_epoch=1), now_ms=0)
    assert partition.log.epochs.entries == [(0, 0), (1, 2)]
    assert partition.reign_start == 2


def test_a_new_leader_knows_nothing_of_its_followers():
    """What they had fetched from another may have been cut off since."""
    partition = leader()
    append(partition)
    fetched(partition, 2, 1)
    partition.update(registration(leader=2, leader_epoch=1, partition_epoch=1), now_ms=0)
    partition.update(registration(leader=1, leader_epoch=2, partition_epoch=2), now_ms=0)
    assert [each.log_end_offset for each in partition.followers.values()] == [-1, -1]


def test_who_waits_hears_of_a_lost_leadership():
    partition, told = leader(), []
    append(partition)
    partition.when_committed(1, told.append)
    partition.update(registration(leader=2, leader_epoch=1, partition_epoch=1), now_ms=0)
    assert told == [ErrorCode.NOT_LEADER_OR_FOLLOWER]
    with pytest.raises(KafkaError):
        append(partition)


@pytest.mark.parametrize(
    ("asked", "error"),
    [(-1, None), (1, None), (0, ErrorCode.FENCED_LEADER_EPOCH), (2, ErrorCode.UNKNOWN_LEADER_EPOCH)],
)
def test_a_client_that_knows_another_epoch_is_told(asked, error):
    """KIP-320."""
    partition = leader()
    partition.update(registration(leader_epoch=1, partition_epoch=1), now_ms=0)
    if error is None:
        partition.check_leader(asked)
    else:
        with pytest.raises(KafkaError) as refused:
            partition.check_leader(asked)
        assert refused.value.code is error


def test_a_follower_cuts_its_log_where_the_leaders_departs_and_never_at_the_watermark():
    """KIP-101: the watermark lags; what lies above it may well be acknowledged."""
    partition = replica(me=2)
    partition.update(registration(leader=1), now_ms=0)
    for offset, value in enumerate("abc"):
        partition.append_from_leader(stamped(value, epoch=0, base_offset=offset), wall_ms=0)
    partition.hear_of_watermark(1, 0)
    partition.update(registration(leader=3, leader_epoch=2, partition_epoch=1), now_ms=0)
    assert partition.log.log_end_offset == 3
    assert partition.diverged(epoch=0, end_offset=2) == 2
    assert partition.log.high_watermark == 1


def test_the_leader_counts_itself_only_up_to_what_is_flushed_where_every_flush_counts():
    """Profile B: log.flush.interval.messages=1."""
    partition = leader(flush_counts=True)
    append(partition)
    fetched(partition, 2, 1)
    fetched(partition, 3, 1)
    assert partition.log.high_watermark == 0
    partition.log.recovery_point = 1
    partition.advance_high_watermark(now_ms=0)
    assert partition.log.high_watermark == 1


def test_a_followers_watermark_never_passes_its_own_end():
    partition = replica(me=2)
    partition.update(registration(leader=1), now_ms=0)
    partition.append_from_leader(stamped("a", epoch=0), wall_ms=0)
    partition.hear_of_watermark(10, 0)
    assert partition.log.high_watermark == 1


def stamped(*values: str, epoch: int, base_offset: int = 0) -> bytes:
    """A batch as a leader of `epoch` has written it."""
    data = bytearray(batch(*values))
    data[0:8] = base_offset.to_bytes(8, "big")
    data[12:16] = epoch.to_bytes(4, "big")
    return bytes(data)
