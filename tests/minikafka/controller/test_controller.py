"""The mind as a whole: the first entry, ids, features, elections on request and by the clock, order of append and answer."""

import pytest

from minikafka.controller.controller import Controller
from minikafka.controller.image import MetadataImage
from minikafka.controller.state import ControllerSettings
from minikafka.wire.errors import ErrorCode
from minikafka.wire.messages.cluster import UpdateFeaturesRequest
from minikafka.wire.messages.controller import (
    AllocateProducerIdsRequest,
    AllocateProducerIdsResponse,
    BrokerRegistrationRequest,
)
from minikafka.wire.messages.topics import ElectLeadersRequest, ElectLeadersResponse
from minikafka.wire.types import uuid_bytes
from tests.minikafka.controller.cluster import CLUSTER_ID, Cluster, shown


def test_the_first_entry_names_the_cluster_and_its_levels():
    cluster = Cluster(min_insync_replicas=2)
    assert cluster.image == MetadataImage(
        offset=0,
        epoch=1,
        cluster_id=CLUSTER_ID,
        features={"metadata.version": 27, "eligible.leader.replicas.version": 1},
        configs={(4, ""): {"min.insync.replicas": "2"}},
    )


def test_a_cluster_id_of_our_own_is_a_uuid():
    class Dice:
        def randbytes(self, count):
            return bytes(range(count))

    controller = Controller(MetadataImage(), ControllerSettings(), Dice())
    (decision,) = controller.activate(0)
    controller.appended(decision.records, 1, 1, 0)
    assert uuid_bytes(controller.image.cluster_id) == bytes(range(16))


def test_a_later_controller_finds_the_first_entry_and_writes_none():
    cluster = Cluster(1)
    written = len(cluster.log)
    cluster.fail_over()
    assert len(cluster.log) == written


def test_an_answer_waits_for_its_offset():
    cluster = Cluster()
    request = BrokerRegistrationRequest(broker_id=1, cluster_id=CLUSTER_ID, log_dirs=[b"d" * 16])
    decision = cluster.controller.decide(request, cluster.now_ms)
    assert 1 not in cluster.image.brokers
    cluster.controller.appended(decision.records, 41, 3, cluster.now_ms)
    assert cluster.image.brokers[1].epoch == 41
    assert decision.answer(41).broker_epoch == 41


def test_decisions_stand_on_those_appended_before_them():
    cluster = Cluster(1)
    controller = cluster.controller
    request = AllocateProducerIdsRequest(broker_id=0, broker_epoch=cluster.image.brokers[0].epoch)
    starts = []
    for offset in (100, 101, 102):
        decision = controller.decide(request, cluster.now_ms)
        controller.appended(decision.records, offset, 1, cluster.now_ms)
        starts.append(decision.answer(offset).producer_id_start)
    assert starts == [0, 1000, 2000]
    assert cluster.follower.next_producer_id == 0


def test_producer_ids_are_never_given_twice():
    cluster = Cluster(2)

    def block(broker_id, broker_epoch=None):
        epoch = cluster.image.brokers[broker_id].epoch if broker_epoch is None else broker_epoch
        return cluster.ask(AllocateProducerIdsRequest(broker_id=broker_id, broker_epoch=epoch))

    assert block(0) == AllocateProducerIdsResponse(producer_id_start=0, producer_id_len=1000)
    cluster.fail_over()
    assert block(1) == AllocateProducerIdsResponse(producer_id_start=1000, producer_id_len=1000)
    assert block(1, broker_epoch=0) == AllocateProducerIdsResponse(error_code=ErrorCode.STALE_BROKER_EPOCH)


def elect(cluster, election_type, *topics):
    request = ElectLeadersRequest(
        election_type=election_type,
        topic_partitions=[ElectLeadersRequest.Topic(topic=name, partitions=indexes) for name, indexes in topics]
        if topics
        else None,
    )
    return {
        (topic.topic, partition.partition_id): (partition.error_code, partition.error_message)
        for topic in cluster.ask(request).replica_election_results
        for partition in topic.partition_result
    }


def with_leaders_moved():
    cluster = Cluster(2)
    cluster.create("t", [0, 1], [1, 0])
    cluster.silence(0)
    cluster.heartbeat(0)
    return cluster


def test_the_preferred_leader_is_elected_when_it_can_lead():
    cluster = with_leaders_moved()
    unavailable = (ErrorCode.PREFERRED_LEADER_NOT_AVAILABLE, ErrorCode.PREFERRED_LEADER_NOT_AVAILABLE.message)
    not_needed = (ErrorCode.ELECTION_NOT_NEEDED, ErrorCode.ELECTION_NOT_NEEDED.message)
    assert elect(cluster, 0, ("t", [0, 1])) == {("t", 0): unavailable, ("t", 1): not_needed}
    cluster.propose("t", [1, 0])
    assert elect(cluster, 0, ("t", [0])) == {("t", 0): (0, None)}
    assert shown(cluster.partition("t")) == "leader 0 isr [0, 1] epochs 2/3"


def test_a_partition_named_twice_is_elected_once():
    cluster = with_leaders_moved()
    cluster.propose("t", [1, 0])
    request = ElectLeadersRequest(topic_partitions=[ElectLeadersRequest.Topic(topic="t", partitions=[0, 0])])
    (result,) = cluster.ask(request).replica_election_results
    assert [partition.error_code for partition in result.partition_result] == [0, ErrorCode.ELECTION_NOT_NEEDED]
    assert shown(cluster.partition("t")) == "leader 0 isr [0, 1] epochs 2/3"


def test_null_elects_wherever_it_is_needed():
    cluster = with_leaders_moved()
    cluster.propose("t", [1, 0])
    assert elect(cluster, 0) == {("t", 0): (0, None)}
    assert elect(cluster, 0) == {}


def test_an_unclean_election_by_hand_ignores_the_settings():
    cluster = Cluster(2)
    cluster.create("t", [0, 1])
    cluster.silence(1)
    cluster.silence(0)
    nobody = (ErrorCode.ELIGIBLE_LEADERS_NOT_AVAILABLE, ErrorCode.ELIGIBLE_LEADERS_NOT_AVAILABLE.message)
    assert elect(cluster, 1, ("t", [0])) == {("t", 0): nobody}
    cluster.heartbeat(1)
    assert shown(cluster.partition("t")) == "leader -1 isr [] elr [0] last [0] epochs 1/2"
    assert elect(cluster, 1, ("t", [0])) == {("t", 0): (0, None)}
    assert shown(cluster.partition("t")) == "leader 1 isr [1] recovering epochs 2/3"


def test_elections_that_cannot_be():
    cluster = Cluster(1)
    cluster.create("t", [0])
    assert elect(cluster, 0, ("none", [0]), ("t", [7])) == {
        ("none", 0): (3, "No such topic as none"),
        ("t", 7): (3, "No such partition as t-7"),
    }
    assert elect(cluster, 9, ("t", [0])) == {("t", 0): (42, "Unknown election type 9")}
    assert cluster.ask(ElectLeadersRequest(election_type=9)) == ElectLeadersResponse(
        error_code=ErrorCode.INVALID_REQUEST
    )


def test_the_clock_gives_preferred_leaders_their_place():
    cluster = with_leaders_moved()
    cluster.propose("t", [1, 0])
    cluster.now_ms = cluster.controller.next_rebalance_ms
    for broker_id in (0, 1):
        cluster.heartbeat(broker_id)
    assert cluster.tick() == 1
    assert shown(cluster.partition("t")) == "leader 0 isr [0, 1] epochs 2/3"


def test_leaders_stay_where_rebalancing_is_off():
    cluster = Cluster(2, auto_leader_rebalance_enable=False)
    cluster.create("t", [0, 1])
    cluster.silence(0)
    cluster.heartbeat(0)
    cluster.propose("t", [1, 0])
    cluster.now_ms = cluster.controller.next_rebalance_ms
    for broker_id in (0, 1):
        cluster.heartbeat(broker_id)
    assert cluster.tick() == 0


@pytest.mark.parametrize(
    "feature, level, upgrade_type, code, message",
    [
        ("metadata.version", 27, 1, 0, None),
        (
            "metadata.version",
            28,
            1,
            95,
            "Invalid update version 28 for feature metadata.version. Local controller 0 only supports versions 27-27",
        ),
        (
            "metadata.version",
            -1,
            1,
            95,
            "Invalid update version -1 for feature metadata.version. A feature version cannot be less than 0.",
        ),
        (
            "nope",
            1,
            1,
            95,
            "Invalid update version 1 for feature nope. Local controller 0 does not support this feature.",
        ),
        (
            "metadata.version",
            27,
            0,
            95,
            "Invalid update version 27 for feature metadata.version. "
            "The controller does not support the given upgrade type.",
        ),
    ],
)
def test_levels_of_features(feature, level, upgrade_type, code, message):
    cluster = Cluster()
    written = len(cluster.log)
    response = cluster.ask(
        UpdateFeaturesRequest(
            feature_updates=[
                UpdateFeaturesRequest.FeatureUpdate(feature=feature, max_version_level=level, upgrade_type=upgrade_type)
            ]
        )
    )
    if code:
        message = f"The update failed for all features since the following feature had an error: {message}"
    assert (response.error_code, response.error_message) == (code, message)
    assert len(cluster.log) == written
