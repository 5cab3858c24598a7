"""Brokers come, live, go; and what that does to partitions."""

import pytest

from minikafka.controller.image import Broker, Endpoint, Feature
from minikafka.controller.sessions import Overheard
from minikafka.wire.errors import ErrorCode
from minikafka.wire.messages.cluster import UnregisterBrokerRequest, UnregisterBrokerResponse
from minikafka.wire.messages.controller import (
    AssignReplicasToDirsRequest,
    BrokerHeartbeatRequest,
    BrokerHeartbeatResponse,
    BrokerRegistrationRequest,
    BrokerRegistrationResponse,
)
from tests.minikafka.controller.cluster import CLUSTER_ID, Cluster, directory, shown


def registration(**changed):
    fields = {
        "broker_id": 0,
        "cluster_id": CLUSTER_ID,
        "incarnation_id": b"i" * 16,
        "log_dirs": [directory(0)],
    }
    return BrokerRegistrationRequest(**{**fields, **changed})


def test_a_registration_is_kept_whole_under_the_epoch_of_its_offset():
    cluster = Cluster()
    response = cluster.ask(
        registration(
            rack="r1",
            listeners=[
                BrokerRegistrationRequest.Listener(name="PLAINTEXT", host="kafka", port=9092, security_protocol=0)
            ],
            features=[
                BrokerRegistrationRequest.Feature(
                    name="metadata.version", min_supported_version=7, max_supported_version=27
                )
            ],
        )
    )
    assert response == BrokerRegistrationResponse(broker_epoch=1)
    assert cluster.image.brokers == {
        0: Broker(
            id=0,
            epoch=1,
            incarnation_id=b"i" * 16,
            endpoints=(Endpoint("PLAINTEXT", "kafka", 9092, 0),),
            features=(Feature("metadata.version", 7, 27),),
            rack="r1",
            fenced=True,
            in_controlled_shutdown=False,
            directories=(directory(0),),
        )
    }


def test_a_broker_is_unfenced_once_it_has_applied_its_registration():
    cluster = Cluster()
    cluster.register(0)
    epoch = cluster.image.brokers[0].epoch
    assert cluster.heartbeat(0, applied=epoch - 1) == BrokerHeartbeatResponse(is_caught_up=False, is_fenced=True)
    assert cluster.heartbeat(0, applied=epoch) == BrokerHeartbeatResponse(is_caught_up=True, is_fenced=False)
    assert not cluster.image.brokers[0].fenced


def test_heartbeats_write_nothing():
    cluster = Cluster(3)
    written = len(cluster.log)
    for _ in range(100):
        cluster.now_ms += 500
        for broker_id in range(3):
            cluster.heartbeat(broker_id)
        cluster.tick()
    assert len(cluster.log) == written


def test_a_stale_broker_epoch_is_no_sign_of_life():
    cluster = Cluster(1)
    stale = BrokerHeartbeatRequest(broker_id=0, broker_epoch=cluster.image.brokers[0].epoch - 1)
    cluster.now_ms += 2_499
    assert cluster.ask(stale) == BrokerHeartbeatResponse(error_code=ErrorCode.STALE_BROKER_EPOCH)
    cluster.now_ms += 1
    cluster.tick()
    assert cluster.image.brokers[0].fenced


def test_an_unknown_broker_has_no_epoch_that_holds():
    response = Cluster().ask(BrokerHeartbeatRequest(broker_id=9, broker_epoch=1))
    assert response == BrokerHeartbeatResponse(error_code=ErrorCode.STALE_BROKER_EPOCH)


def test_the_same_process_keeps_its_epoch_when_it_asks_again():
    cluster = Cluster(1)
    before, written = cluster.image.brokers[0], len(cluster.log)
    assert cluster.register(0, again=True) == BrokerRegistrationResponse(broker_epoch=before.epoch)
    assert (cluster.image.brokers[0], len(cluster.log)) == (before, written)


def test_another_process_is_refused_while_the_first_is_heard():
    cluster = Cluster(1)
    refused = BrokerRegistrationResponse(error_code=ErrorCode.DUPLICATE_BROKER_REGISTRATION, broker_epoch=-1)
    assert cluster.register(0) == refused
    cluster.now_ms += 2_499
    assert cluster.register(0) == refused
    cluster.now_ms += 1
    assert cluster.register(0).error_code == 0


@pytest.mark.parametrize(
    "changed, code",
    [
        ({"cluster_id": "another"}, ErrorCode.INCONSISTENT_CLUSTER_ID),
        ({"log_dirs": []}, ErrorCode.INVALID_REGISTRATION),
        ({"log_dirs": [directory(5), directory(5)]}, ErrorCode.INVALID_REGISTRATION),
        ({"log_dirs": [directory(0)]}, ErrorCode.INVALID_REGISTRATION),
        (
            {
                "features": [
                    BrokerRegistrationRequest.Feature(
                        name="metadata.version", min_supported_version=1, max_supported_version=26
                    )
                ]
            },
            ErrorCode.UNSUPPORTED_VERSION,
        ),
    ],
)
def test_what_cannot_register(changed, code):
    cluster = Cluster(1)
    written = len(cluster.log)
    response = cluster.ask(registration(**{"broker_id": 5, "log_dirs": [directory(5)], **changed}))
    assert response == BrokerRegistrationResponse(error_code=code, broker_epoch=-1)
    assert len(cluster.log) == written


def test_a_silent_broker_is_fenced_and_leads_nothing():
    cluster = Cluster(3)
    cluster.create("t", [0, 1, 2], [1, 0, 2])
    cluster.silence(0)
    assert cluster.image.brokers[0].fenced
    assert shown(cluster.partition("t", 0)) == "leader 1 isr [1, 2] epochs 1/1"
    assert shown(cluster.partition("t", 1)) == "leader 1 isr [1, 2] epochs 0/1"


def test_several_silent_brokers_are_fenced_one_by_one():
    cluster = Cluster(3, min_insync_replicas=2)
    cluster.create("t", [0, 1, 2])
    cluster.silence(0, 1, 2)
    assert shown(cluster.partition("t")) == "leader -1 isr [] elr [1, 2] last [2] epochs 3/3"


def test_a_fenced_broker_that_is_heard_again_comes_back():
    cluster = Cluster(3, min_insync_replicas=2)
    cluster.create("t", [0, 1, 2])
    cluster.silence(0, 1, 2)
    cluster.heartbeat(0)
    assert shown(cluster.partition("t")) == "leader -1 isr [] elr [1, 2] last [2] epochs 3/3"
    cluster.heartbeat(1)
    assert shown(cluster.partition("t")) == "leader 1 isr [1] elr [2] epochs 4/4"


def test_a_clean_stop_keeps_a_broker_eligible():
    cluster = Cluster(2, min_insync_replicas=2)
    cluster.create("t", [0, 1])
    cluster.silence(0, 1)
    assert shown(cluster.partition("t")) == "leader -1 isr [] elr [0, 1] last [1] epochs 2/2"
    cluster.register(0, previous_epoch=cluster.image.brokers[0].epoch)
    cluster.heartbeat(0)
    assert shown(cluster.partition("t")) == "leader 0 isr [0] elr [1] epochs 3/3"


def test_an_unclean_stop_leaves_every_isr_and_elr():
    cluster = Cluster(2, min_insync_replicas=2)
    cluster.create("t", [0, 1])
    cluster.silence(0, 1)
    cluster.register(0)
    cluster.heartbeat(0)
    assert shown(cluster.partition("t")) == "leader -1 isr [] elr [1] last [1] epochs 2/3"


def test_an_older_clean_stop_is_an_unclean_one():
    cluster = Cluster(2, min_insync_replicas=2)
    cluster.create("t", [0, 1])
    older = cluster.image.brokers[0].epoch
    cluster.crash(0)
    cluster.silence(0, 1)
    cluster.register(0, previous_epoch=older)
    assert 0 not in cluster.partition("t").isr + cluster.partition("t").elr


def test_an_unclean_stop_that_was_not_noticed_counts_at_the_registration():
    """The session ended and nobody ticked: the broker is still leader when its next process registers."""
    cluster = Cluster(2)
    cluster.create("t", [0, 1])
    cluster.now_ms += 2_000
    cluster.heartbeat(1)
    cluster.now_ms += 500
    cluster.register(0)
    assert shown(cluster.partition("t")) == "leader 1 isr [1] epochs 1/1"


def test_a_stopping_broker_hands_over_and_waits_until_all_know():
    cluster = Cluster(3)
    cluster.create("t", [0, 1, 2])
    decided_at = len(cluster.log)
    assert cluster.heartbeat(0, want_shut_down=True) == BrokerHeartbeatResponse(is_caught_up=True, is_fenced=False)
    assert cluster.image.brokers[0].in_controlled_shutdown
    assert shown(cluster.partition("t")) == "leader 1 isr [1, 2] epochs 1/1"
    cluster.heartbeat(1, applied=decided_at)
    cluster.heartbeat(2, applied=decided_at - 1)
    assert not cluster.heartbeat(0, want_shut_down=True).should_shut_down
    cluster.heartbeat(2, applied=decided_at)
    assert cluster.heartbeat(0, want_shut_down=True) == BrokerHeartbeatResponse(
        is_caught_up=True, is_fenced=True, should_shut_down=True
    )
    assert cluster.image.brokers[0].fenced


def test_a_stopping_broker_may_start_again_at_once():
    cluster = Cluster(1)
    cluster.create("t", [0])
    cluster.heartbeat(0, want_shut_down=True)
    assert shown(cluster.partition("t")) == "leader -1 isr [] elr [0] last [0] epochs 1/1"
    cluster.register(0, previous_epoch=cluster.image.brokers[0].epoch)
    cluster.heartbeat(0)
    assert shown(cluster.partition("t")) == "leader 0 isr [0] epochs 2/2"


def test_a_follower_stops_at_once():
    cluster = Cluster(2)
    cluster.create("t", [0, 1])
    assert cluster.heartbeat(1, want_shut_down=True).should_shut_down
    assert shown(cluster.partition("t")) == "leader 0 isr [0] epochs 0/1"


def test_who_was_told_to_stop_may_start_again_at_once():
    cluster = Cluster(2)
    cluster.create("t", [0, 1])
    stopped = cluster.image.brokers[1].epoch
    assert cluster.heartbeat(1, want_shut_down=True).should_shut_down
    assert cluster.register(1, previous_epoch=stopped).error_code == 0


def test_a_broker_may_ask_to_be_fenced():
    cluster = Cluster(2)
    cluster.create("t", [0, 1])
    assert cluster.heartbeat(0, want_fence=True).is_fenced
    assert shown(cluster.partition("t")) == "leader 1 isr [1] epochs 1/1"
    assert cluster.heartbeat(0, want_fence=True).is_fenced
    assert not cluster.heartbeat(0).is_fenced


def assignment(cluster, topic_id, places):
    """Broker 0 says which of its directories holds which partitions of a topic."""
    Directory = AssignReplicasToDirsRequest.Directory
    return AssignReplicasToDirsRequest(
        broker_id=0,
        broker_epoch=cluster.image.brokers[0].epoch,
        directories=[
            Directory(
                id=place,
                topics=[
                    Directory.Topic(
                        topic_id=topic_id,
                        partitions=[Directory.Topic.Partition(partition_index=index) for index in indexes],
                    )
                ],
            )
            for place, indexes in places.items()
        ],
    )


def test_a_replica_is_assigned_to_a_directory_of_its_broker_only():
    cluster = Cluster(3)
    cluster.create("t", [0, 1], [1, 2])
    topic_id = cluster.image.topic_ids["t"]

    def outcomes(topic_id, directory, *indexes):
        response = cluster.ask(assignment(cluster, topic_id, {directory: indexes}))
        return [partition.error_code for partition in response.directories[0].topics[0].partitions]

    written = len(cluster.log)
    assert outcomes(topic_id, directory(0), 0, 1, 2) == [0, 6, 3]
    assert outcomes(topic_id, directory(1), 0) == [57]
    assert outcomes(b"?" * 16, directory(0), 0) == [100]
    assert len(cluster.log) == written


def test_partitions_in_a_lost_directory_move_and_stay_away():
    cluster = Cluster(2)
    first, second = b"1" * 16, b"2" * 16
    cluster.silence(0)
    cluster.ask(registration(log_dirs=[first, second]))
    cluster.heartbeat(0)
    cluster.create("t", [0, 1], [0, 1])
    topic_id = cluster.image.topic_ids["t"]
    cluster.ask(assignment(cluster, topic_id, {first: [0], second: [1]}))
    cluster.heartbeat(0, offline_log_dirs=[first])
    assert cluster.image.brokers[0].directories == (second,)
    assert [shown(each) for each in cluster.image.topics[topic_id].partitions] == [
        "leader 1 isr [1] epochs 1/2",
        "leader 0 isr [0, 1] epochs 0/1",
    ]
    written = len(cluster.log)
    cluster.heartbeat(0, offline_log_dirs=[first])
    assert len(cluster.log) == written


def test_a_broker_without_a_directory_is_fenced():
    cluster = Cluster(2)
    cluster.create("t", [0, 1])
    assert cluster.heartbeat(0, offline_log_dirs=[directory(0)]).is_fenced
    assert shown(cluster.partition("t")) == "leader 1 isr [1] epochs 1/1"


def test_a_new_controller_gives_everyone_a_fresh_session():
    cluster = Cluster(2)
    cluster.now_ms += 2_400
    cluster.fail_over()
    cluster.now_ms += 2_499
    assert cluster.tick() == 0
    cluster.heartbeat(1)
    cluster.now_ms += 1
    cluster.tick()
    assert [broker.fenced for broker in cluster.image.brokers.values()] == [True, False]


def silences_borne(cluster: Cluster) -> dict[int, int]:
    """Broker -> milliseconds from now until it is fenced, if it is not heard any more."""
    began, borne = cluster.now_ms, {}
    while len(borne) < len(cluster.image.brokers):
        cluster.tick()
        for broker in cluster.image.brokers.values():
            if broker.fenced:
                borne.setdefault(broker.id, cluster.now_ms - began)
        cluster.now_ms += 100
    return borne


def test_sessions_go_on_under_a_new_controller_that_has_overheard_heartbeats():
    """Broker 0 was heard 900 ms ago, and died since; of broker 1 only an earlier life was, of broker 2 nothing."""
    cluster = Cluster(3, broker_session_timeout_ms=2500)
    brokers, now = cluster.image.brokers, cluster.now_ms
    cluster.fail_over({0: Overheard(brokers[0].epoch, now - 900), 1: Overheard(brokers[1].epoch - 1, now - 900)})
    assert silences_borne(cluster) == {0: 1600, 1: 2500, 2: 2500}


def test_a_broker_that_a_new_controller_has_not_overheard_for_long_has_two_heartbeats_to_say_so():
    cluster = Cluster(1, broker_session_timeout_ms=2500)
    cluster.fail_over({0: Overheard(cluster.image.brokers[0].epoch, cluster.now_ms - 60_000)})
    assert silences_borne(cluster) == {0: 1000}


def test_a_controller_that_stood_still_calls_nobody_silent_for_it():
    cluster = Cluster(2, broker_session_timeout_ms=2500)
    cluster.now_ms += 500
    cluster.heartbeat(1)
    cluster.now_ms += 10_000
    cluster.controller.stood_still(10_000, cluster.now_ms)
    assert silences_borne(cluster) == {0: 2000, 1: 2500}


def test_the_next_deadline_is_the_first_session_to_end():
    cluster = Cluster(2)
    start = cluster.now_ms
    cluster.now_ms += 1_000
    cluster.heartbeat(0)
    assert cluster.controller.next_deadline_ms() == start + 2_500


def test_an_unregistered_broker_is_gone():
    cluster = Cluster(2)
    cluster.create("t", [0, 1])
    assert cluster.ask(UnregisterBrokerRequest(broker_id=0)) == UnregisterBrokerResponse()
    assert list(cluster.image.brokers) == [1]
    assert shown(cluster.partition("t")) == "leader 1 isr [1] epochs 1/1"
    assert cluster.ask(UnregisterBrokerRequest(broker_id=0)) == UnregisterBrokerResponse(
        error_code=ErrorCode.BROKER_ID_NOT_REGISTERED, error_message="Broker ID 0 is not currently registered"
    )
