"""Apache Kafka as a child: here only if `make real-kafka` has fetched it."""

import pytest

from lab import kafka_peers
from lab.kafka_peers import PeerMissing, brokers_alive, jars, kafka_answers, kafka_broker, kafka_cluster, tool


def fetched() -> bool:
    try:
        return bool(jars()) and bool(kafka_peers.java())
    except PeerMissing:
        return False


needs_kafka = pytest.mark.skipif(not fetched(), reason="`make real-kafka` fetches it")


@needs_kafka
def test_a_broker_runs_kafkas_tools_survives_a_kill_and_leaves_nothing():
    with kafka_broker("num.partitions=2") as kafka:
        node = kafka.nodes[0]
        server = ("--bootstrap-server", kafka.bootstrap)
        tool("org.apache.kafka.tools.TopicCommand", *server, "--create", "--topic", "greetings")
        node.child.kill()
        assert not kafka_answers(kafka.port)
        node.start()
        described = tool("org.apache.kafka.tools.TopicCommand", *server, "--describe", "--topic", "greetings").stdout
        assert "PartitionCount: 2" in described
        assert (node.data / "greetings-1").is_dir()
    assert not kafka_answers(kafka.port)
    assert not node.directory.exists()


@needs_kafka
def test_three_brokers_know_each_other():
    with kafka_cluster(3) as kafka:
        assert [brokers_alive(node.port) for node in kafka.nodes] == [3, 3, 3]
        assert len(kafka.bootstrap.split(",")) == 3


@needs_kafka
def test_a_wrong_setting_is_reported_in_kafkas_own_words():
    with (
        pytest.raises(kafka_peers.ChildError, match=r"Invalid value none for configuration num\.partitions"),
        kafka_broker("num.partitions=none"),
    ):
        pass


def test_missing_jars_are_named_with_the_remedy(monkeypatch, tmp_path):
    monkeypatch.setenv("REAL_KAFKA", str(tmp_path))
    with pytest.raises(PeerMissing, match=r"holds no Apache Kafka; `make real-kafka` fetches it"):
        jars()
