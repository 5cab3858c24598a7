"""AlterPartition: what a leader may propose (KIP-497, 841, 903)."""

import pytest

from minikafka.controller.image import RECOVERING
from minikafka.wire.errors import ErrorCode
from minikafka.wire.messages.controller import AlterPartitionResponse
from tests.minikafka.controller.cluster import Cluster, shown


def three(**settings):
    cluster = Cluster(4, min_insync_replicas=2, **settings)
    cluster.create("t", [0, 1, 2])
    return cluster


def test_a_smaller_isr_is_answered_with_how_things_stand():
    cluster = three()
    assert cluster.propose("t", [0, 2]) == AlterPartitionResponse.Topic.Partition(
        partition_index=0, leader_id=0, leader_epoch=0, isr=[0, 2], partition_epoch=1
    )
    assert shown(cluster.partition("t")) == "leader 0 isr [0, 2] epochs 0/1"


def test_below_the_minimum_who_leaves_is_eligible_until_it_is_reached_again():
    cluster = three()
    cluster.propose("t", [0, 1])
    cluster.propose("t", [0])
    assert shown(cluster.partition("t")) == "leader 0 isr [0] elr [1] epochs 0/2"
    cluster.propose("t", [0, 2])
    assert shown(cluster.partition("t")) == "leader 0 isr [0, 2] epochs 0/3"


def test_the_isr_one_has_already_writes_nothing():
    cluster = three()
    written = len(cluster.log)
    assert cluster.propose("t", [0, 1, 2]).partition_epoch == 0
    assert len(cluster.log) == written


@pytest.mark.parametrize(
    "isr, changed, code",
    [
        ([0, 1], {"leader_epoch": 1}, ErrorCode.NOT_CONTROLLER),
        ([0, 1], {"partition_epoch": 1}, ErrorCode.NOT_CONTROLLER),
        ([0, 1], {"leader_epoch": -1}, ErrorCode.FENCED_LEADER_EPOCH),
        ([0, 1], {"broker_id": 1}, ErrorCode.INVALID_REQUEST),
        ([0, 1], {"partition_epoch": -1}, ErrorCode.INVALID_UPDATE_VERSION),
        ([0, 3], {}, ErrorCode.INVALID_REQUEST),
        ([0, 1, 1], {}, ErrorCode.INVALID_REQUEST),
        ([1, 2], {}, ErrorCode.INVALID_REQUEST),
        ([], {}, ErrorCode.INVALID_REQUEST),
        ([0], {"leader_recovery_state": RECOVERING}, ErrorCode.INVALID_REQUEST),
        ([0, 1], {"epochs": {1: 0}}, ErrorCode.INELIGIBLE_REPLICA),
        ([0, 1], {"epochs": {"leader": 0}}, ErrorCode.STALE_BROKER_EPOCH),
    ],
)
def test_refusals(isr, changed, code):
    cluster = three()
    written = len(cluster.log)
    assert cluster.propose("t", isr, **changed) is code
    assert len(cluster.log) == written


def test_a_fenced_broker_is_not_taken_in():
    cluster = three()
    cluster.silence(1)
    assert cluster.propose("t", [0, 1, 2]) is ErrorCode.INELIGIBLE_REPLICA


def test_nor_is_a_stopping_one():
    cluster = three()
    cluster.create("other", [1])
    cluster.propose("t", [0, 2])
    cluster.heartbeat(1, want_shut_down=True)
    assert cluster.propose("t", [0, 1, 2]) is ErrorCode.INELIGIBLE_REPLICA


def test_a_follower_seen_before_its_restart_is_not_taken_in():
    cluster = three()
    seen = cluster.image.brokers[1].epoch
    cluster.crash(1)
    assert cluster.propose("t", [0, 1, 2], epochs={1: seen}) is ErrorCode.INELIGIBLE_REPLICA
    assert cluster.propose("t", [0, 1, 2]).isr == [0, 1, 2]


def test_version_2_names_members_without_epochs():
    cluster = three()
    assert cluster.propose("t", [], new_isr=[0, 2]).isr == [0, 2]


def test_unknown_topics_and_partitions():
    cluster = three()
    assert cluster.propose("t", [0], partition_index=7) is ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
    assert cluster.propose_unknown(b"?" * 16) is ErrorCode.UNKNOWN_TOPIC_ID


def test_a_recovering_leader_reports_that_it_recovered():
    cluster = Cluster(2, min_insync_replicas=1, unclean_leader_election_enable=True)
    cluster.create("t", [0, 1])
    cluster.silence(1)
    cluster.silence(0)
    cluster.heartbeat(1)
    assert shown(cluster.partition("t")) == "leader 1 isr [1] recovering epochs 2/3"
    cluster.heartbeat(0)
    assert cluster.propose("t", [1, 0], leader_recovery_state=RECOVERING) is ErrorCode.INVALID_REQUEST
    assert cluster.propose("t", [1]).leader_recovery_state == 0
    assert shown(cluster.partition("t")) == "leader 1 isr [1] epochs 2/4"
