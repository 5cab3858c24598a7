"""The client and the tools against Apache Kafka itself: here only if `make real-kafka` has fetched it."""

import pytest
from click.testing import CliRunner

from cli.main import main
from lab import kafka_peers
from lab.kafka_peers import PeerMissing, kafka_broker, tool

TOPICS = "org.apache.kafka.tools.TopicCommand"
GROUPS = "org.apache.kafka.tools.consumer.group.ConsumerGroupCommand"
CONFIGS = "kafka.admin.ConfigCommand"


def fetched() -> bool:
    try:
        return bool(kafka_peers.jars()) and bool(kafka_peers.java())
    except PeerMissing:
        return False


pytestmark = pytest.mark.skipif(not fetched(), reason="`make real-kafka` fetches it")


@pytest.fixture(scope="module")
def real():
    with kafka_broker("group.initial.rebalance.delay.ms=0") as running:
        yield running


@pytest.fixture
def mini(real):
    def typed(line, given=None):
        result = CliRunner().invoke(
            main, ["kafka", *line.split(" "), "--bootstrap-server", real.bootstrap], input=given
        )
        assert result.exit_code == 0, result.output
        return result.stdout

    return typed


def words(text: str) -> list[list[str]]:
    """Lines as lists of words: the widths of columns are a matter of taste."""
    return sorted(line.split() for line in text.splitlines() if line.strip())


def test_topics_are_described_in_kafkas_own_words(real, mini):
    mini("topics create one --partitions 3 --config retention.ms=9000")
    theirs = tool(TOPICS, "--bootstrap-server", real.bootstrap, "--describe", "--topic", "one").stdout
    assert words(mini("topics describe one")) == words(theirs)


def test_a_group_of_ours_is_described_in_kafkas_own_words(real, mini):
    mini("topics create two --partitions 2")
    mini("produce two --codec zstd --key-separator :", "a:1\nb:2\nc:3\n")
    lines = mini("consume two --group readers --from-beginning --max-messages 3 --print-key --key-separator =")
    assert sorted(lines.split()) == ["a=1", "b=2", "c=3"]
    mini("produce two --partition 1", "later\n")
    theirs = tool(GROUPS, "--bootstrap-server", real.bootstrap, "--describe", "--group", "readers").stdout
    assert words(mini("groups describe readers")) == words(theirs)


def test_settings_are_shown_in_kafkas_own_words(real, mini):
    mini("topics create three --partitions 1")
    mini("configs alter --topic three --add-config retention.ms=7000,cleanup.policy=[compact,delete]")
    who = ("--entity-type", "topics", "--entity-name", "three")
    theirs = tool(CONFIGS, "--bootstrap-server", real.bootstrap, "--describe", *who).stdout
    assert mini("configs describe --topic three").splitlines() == theirs.splitlines()
