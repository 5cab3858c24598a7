"""KIP-966 and the rules of leader and partition epochs, on one partition."""

import pytest

from minikafka.controller.elections import Elected, Election, change, elect
from minikafka.controller.image import NO_LEADER, RECOVERING, Partition
from minikafka.records.metadata import PartitionChangeRecord

TOPIC = bytes(15) + b"T"


def partition(**fields):
    values = {"replicas": (1, 2, 3), "directories": (bytes(16),) * 3, "isr": (1, 2, 3), "leader": 1}
    return Partition(**{**values, **fields})


def alive(*brokers):
    return lambda broker: broker in brokers


def changed(before, *brokers, min_isr=2, **arguments):
    record = change(before, TOPIC, 0, may_lead=alive(*brokers), min_isr=min_isr, **arguments)
    return None if record is None else before.merge(record)


@pytest.mark.parametrize(
    "state, living, election, elected",
    [
        ({}, (1, 2, 3), Election.ONLINE, Elected(1)),
        ({"leader": 2}, (1, 2, 3), Election.ONLINE, Elected(2)),
        ({"leader": 2}, (1, 2, 3), Election.PREFERRED, Elected(1)),
        ({"leader": 2, "isr": (2, 3)}, (1, 2, 3), Election.PREFERRED, Elected(2)),
        ({}, (3, 2), Election.ONLINE, Elected(2)),
        ({"isr": (3,)}, (1, 2), Election.ONLINE, Elected(NO_LEADER)),
        ({"isr": (3,), "elr": (2,)}, (1, 2), Election.ONLINE, Elected(NO_LEADER)),
        ({"isr": (), "elr": (3, 2), "leader": -1}, (1, 2, 3), Election.ONLINE, Elected(2, from_elr=True)),
        ({"isr": (), "elr": (3,), "leader": -1, "last_known_elr": (1,)}, (1,), Election.ONLINE, Elected(NO_LEADER)),
        ({"isr": (), "leader": -1, "last_known_elr": (2,)}, (1, 2), Election.ONLINE, Elected(2, unclean=True)),
        ({"isr": (), "leader": -1, "last_known_elr": (2,)}, (1,), Election.ONLINE, Elected(NO_LEADER)),
        ({"isr": (), "leader": -1, "last_known_elr": (2,)}, (3,), Election.UNCLEAN, Elected(3, unclean=True)),
        ({"isr": (1,), "elr": (2,)}, (3,), Election.UNCLEAN, Elected(3, unclean=True)),
        ({}, (), Election.UNCLEAN, Elected(NO_LEADER)),
    ],
)
def test_isr_then_elr_then_last_leader_then_unclean(state, living, election, elected):
    assert elect(partition(**state), alive(*living), election) == elected


def test_a_new_isr_raises_the_partition_epoch_only():
    after = changed(partition(leader_epoch=5, partition_epoch=9), 1, 2, 3, isr=(1, 2))
    assert after == partition(isr=(1, 2), leader_epoch=5, partition_epoch=10)


def test_a_new_leader_raises_both_epochs():
    after = changed(partition(leader_epoch=5, partition_epoch=9), 2, 3, isr=(2, 3))
    assert after == partition(isr=(2, 3), leader=2, leader_epoch=6, partition_epoch=10)


def test_nothing_new_is_no_record():
    assert changed(partition(), 1, 2, 3) is None


def test_a_record_names_only_what_changes():
    record = change(partition(), TOPIC, 7, may_lead=alive(1, 2, 3), min_isr=2, isr=(1, 2))
    assert record == PartitionChangeRecord(partition_id=7, topic_id=TOPIC, isr=[1, 2])


def test_who_leaves_a_small_isr_stays_eligible():
    after = changed(partition(isr=(1, 2)), 1, isr=(1,))
    assert after == partition(isr=(1,), elr=(2,), partition_epoch=1)


def test_who_leaves_a_large_isr_does_not():
    assert changed(partition(), 1, 2, isr=(1, 2)).elr == ()


def test_an_isr_of_the_minimum_voids_the_elr():
    after = changed(partition(isr=(1,), elr=(2,)), 1, 2, 3, isr=(1, 3))
    assert after == partition(isr=(1, 3), elr=(), partition_epoch=1)


def test_more_than_all_replicas_is_never_asked():
    after = changed(partition(isr=(1, 2), elr=(3,)), 1, 2, 3, min_isr=5, isr=(1, 2, 3))
    assert after.elr == ()


def test_the_last_of_the_isr_leaves_an_empty_one_and_is_remembered():
    after = changed(partition(isr=(1,), elr=(2,)), isr=())
    assert after == partition(isr=(), elr=(2, 1), leader=-1, last_known_elr=(1,), leader_epoch=1, partition_epoch=1)


def test_an_eligible_leader_is_an_isr_of_one_and_recovered():
    before = partition(isr=(), elr=(2, 1), leader=-1, last_known_elr=(1,), leader_epoch=1, partition_epoch=1)
    after = changed(before, 2)
    assert after == partition(isr=(2,), elr=(1,), leader=2, leader_epoch=2, partition_epoch=2)


def test_an_unclean_stop_is_neither_in_sync_nor_eligible():
    after = changed(partition(isr=(1,), elr=(2,)), 1, unclean_stopped=(2,))
    assert after == partition(isr=(1,), partition_epoch=1)


def test_the_last_known_leader_leads_only_as_recovering():
    before = partition(isr=(), leader=-1, last_known_elr=(2,))
    after = changed(before, 2, 3)
    assert after == partition(isr=(2,), leader=2, leader_epoch=1, partition_epoch=1, leader_recovery_state=RECOVERING)


def test_an_unclean_leader_forgets_who_was_eligible():
    before = partition(isr=(), elr=(1,), leader=-1, last_known_elr=(1,))
    after = changed(before, 3, election=Election.UNCLEAN)
    assert after == partition(isr=(3,), leader=3, leader_epoch=1, partition_epoch=1, leader_recovery_state=RECOVERING)
