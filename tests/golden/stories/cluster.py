"""Three brokers: who leads, who follows, who coordinates, and what the others say."""

from minikafka.wire.messages.fetch import FetchRequest
from minikafka.wire.messages.groups import FindCoordinatorRequest, ListGroupsRequest
from minikafka.wire.messages.metadata import MetadataRequest
from minikafka.wire.messages.topics import CreateTopicsRequest, ElectLeadersRequest
from minikafka.wire.messages.transactions import InitProducerIdRequest
from tests.golden.batches import batch, produce
from tests.golden.play import Answer, Stage, Theme
from tests.golden.stories.fetch import end_of, fetch, offsets_at
from tests.golden.stories.groups import alone, beat, describe, join, leave, sync
from tests.golden.stories.offsets import commit
from tests.golden.stories.offsets import fetch as fetch_offsets
from tests.golden.stories.topics import create, placed

theme = Theme(
    "cluster",
    "Three brokers: leaders, followers, coordinators",
    ("log.retention.ms=-1", "group.initial.rebalance.delay.ms=0", "auto.leader.rebalance.enable=false"),
    brokers=3,
)


def on(stage: Stage, *replicas: list[int], suffix: str = "", **configs: str) -> str:
    """A topic whose partitions lie where one says; the first of each is its leader."""
    name = f"{stage.name}{suffix}"
    wanted = placed(name, *replicas)
    Config = CreateTopicsRequest.Topic.Config
    wanted.configs = [Config(name=key.replace("_", "."), value=value) for key, value in configs.items()]
    made = stage.backstage().ask(create(wanted), 7)
    assert made.topics[0].error_code == 0, made
    for node in stage.addresses:
        stage.settled(name, len(replicas), node)
    return name


@theme.story_by_version("Metadata", (1, 5, 7, 9, 12, 13))
def three_brokers(stage: Stage, version: int) -> None:
    """Replicas in the order of preference, all in sync, none offline; the same from every broker."""
    topic = on(stage, [1, 2, 3], [2, 3, 1], [3, 1, 2])
    request = MetadataRequest(topics=[MetadataRequest.Topic(name=topic)], allow_auto_topic_creation=False)
    for node in (1, 2, 3):
        answer = stage.backstage(node).ask(request, version)
        assert [part.leader_id for part in sorted(answer.topics[0].partitions, key=lambda p: p.partition_index)] == [
            1,
            2,
            3,
        ]
    a = stage.connect("a", 2)
    held = a.send(request, version)
    held.answer()


@theme.story_by_version("Produce")
def not_the_leader(stage: Stage, version: int) -> None:
    """A follower takes nothing; from version 10 it tells who leads, and where that one is."""
    topic = on(stage, [1, 2])
    where = stage.topic_id(topic) if version >= 13 else topic
    follower, stranger = stage.connect("follower", 2), stage.connect("stranger", 3)
    for connection in (follower, stranger):
        connection.ask(produce(where, batch("x")), version)
        connection.ask(produce(where, batch("x"), acks=1), version)


def refused(answer: Answer) -> bool:
    return bool(answer.responses[0].partitions[0].error_code)


def told(answer: Answer) -> int:
    """The high watermark in an answer to a fetch; a follower hears of it a moment later."""
    high: int = answer.responses[0].partitions[0].high_watermark
    return high


@theme.story_by_version("Fetch")
def reading_elsewhere(stage: Stage, version: int) -> None:
    """A follower may be read from version 11 on; one who holds no replica cannot be; from version 12 the answer tells who
    leads, from 16 on where."""
    topic = on(stage, [1, 2])
    stage.backstage(1).ask(produce(topic, batch("x", "y")), 9)
    stage.backstage(1).ask(produce(topic, batch("z")), 9)
    where = stage.topic_id(topic) if version >= 13 else topic
    follower, stranger = stage.connect("follower", 2), stage.connect("stranger", 3)
    if version >= 11:
        stage.backstage(2).until(lambda answer: refused(answer) or told(answer) == 3, fetch(topic, 0), 11)
    follower.ask(fetch(where, 0), version)
    follower.ask(fetch(where, 0, epoch=0), version) if version >= 9 else None
    stranger.ask(fetch(where, 0), version)
    stranger.ask(fetch(where, 0, epoch=5), version) if version >= 9 else None


@theme.story_by_version("ListOffsets")
def offsets_elsewhere(stage: Stage, version: int) -> None:
    """Only the leader tells."""
    topic = on(stage, [1, 2])
    for who, node in (("follower", 2), ("stranger", 3)):
        connection = stage.connect(who, node)
        connection.ask(offsets_at(topic, -1), version)
        connection.ask(offsets_at(topic, -2), version)


@theme.story_by_version("OffsetForLeaderEpoch")
def epochs_elsewhere(stage: Stage, version: int) -> None:
    """Only the leader tells."""
    topic = on(stage, [1, 2])
    for who, node in (("follower", 2), ("stranger", 3)):
        connection = stage.connect(who, node)
        connection.ask(end_of(topic, 0), version)
        connection.ask(end_of(topic, 0, current=0), version)


@theme.story
def all_replicas(stage: Stage) -> None:
    """acks=all is answered when every replica in sync has the batch; then the high watermark is beyond it."""
    topic = on(stage, [1, 2, 3], min_insync_replicas="2")
    a = stage.connect()
    a.ask(produce(topic, batch("x"), timeout_ms=5000), 9)
    a.ask(produce(topic, batch("y"), acks=1), 9)
    a.until(lambda answer: told(answer) == 2, fetch(topic, 0), 12)


@theme.story
def more_in_sync_than_there_are(stage: Stage) -> None:
    """min.insync.replicas above the number of replicas counts as that number."""
    topic = on(stage, [1, 2], min_insync_replicas="3")
    stage.connect().ask(produce(topic, batch("x"), timeout_ms=5000), 9)


@theme.story
def elsewhere_coordinated(stage: Stage) -> None:
    """Of a group only its coordinator knows; the others say NOT_COORDINATOR."""
    group, topic = stage.name, stage.topic()
    node = stage.coordinator(group)
    other = node % 3 + 1
    a, b = stage.connect("coordinator", node), stage.connect("other", other)
    member = alone(stage, a, group)
    for version in (0, 3, 9):
        b.ask(join(group), version)
    b.ask(sync(group, 1, member), 5)
    b.ask(beat(group, 1, member), 4)
    b.ask(leave(group, member), 5)
    b.ask(leave(group, member), 1)
    b.ask(describe(group), 5)
    b.ask(commit(group, (topic, 0, 1)), 8)
    for version in (1, 3, 8):
        b.ask(fetch_offsets(group, (topic, [0]), version=version), version)
    found = b.ask(ListGroupsRequest(), 5)
    assert found.groups == []


@theme.story
def found_by_any(stage: Stage) -> None:
    """Every broker names the same coordinator."""
    stage.coordinator("a-group")
    names = set()
    for node in (1, 2, 3):
        answer = stage.backstage(node).ask(FindCoordinatorRequest(coordinator_keys=["a-group"]), 4)
        names.add(answer.coordinators[0].node_id)
    assert len(names) == 1


@theme.story
def producer_ids_apart(stage: Stage) -> None:
    """Each broker hands out ids of a block of its own."""
    ids = set()
    for node in (1, 2, 3):
        request = InitProducerIdRequest(transactional_id=None, transaction_timeout_ms=0)
        for _ in range(2):
            answer = stage.backstage(node).until(lambda got: got.error_code == 0, request, 4)
            ids.add(answer.producer_id)
    assert len(ids) == 6
    stage.connect("a", 2).ask(request, 4)


@theme.story
def asked_of_any_broker(stage: Stage) -> None:
    """What the controller decides may be asked of any broker."""
    for node in (1, 2, 3):
        a = stage.connect(f"broker-{node}", node)
        a.ask(create(placed(f"{stage.name}-{node}", [3, 1], [1, 2, 3])), 7)
        a.ask(create(placed(f"{stage.name}-{node}", [3, 1])), 7)
        a.ask(create(placed(f"{stage.name}-bad-{node}", [3, 1], [1, 2])), 7)
        a.ask(create(placed(f"{stage.name}-bad-{node}", [1, 4])), 7)


@theme.story
def preferred_leaders(stage: Stage) -> None:
    """Nothing to elect where the preferred replica leads; an unclean election only where there is no leader."""
    topic = on(stage, [2, 3, 1], [3, 1, 2])
    a = stage.connect()
    Topic = ElectLeadersRequest.Topic
    for kind in (0, 1):
        rows = [Topic(topic=topic, partitions=[0, 1, 2])]
        a.ask(ElectLeadersRequest(election_type=kind, topic_partitions=rows, timeout_ms=1000), 2)


@theme.story
def a_replica_with_a_wrong_epoch(stage: Stage) -> None:
    """A fetch in the name of a follower, by topic id: with a broker epoch that is not the follower's."""
    topic = on(stage, [1, 2, 3])
    where = stage.topic_id(topic)
    a = stage.connect()
    stranger = fetch(where, 0)
    stranger.replica_state = FetchRequest.ReplicaState(replica_id=9, replica_epoch=1)
    a.ask(stranger, 17)
    old = fetch(where, 0)
    old.replica_state = FetchRequest.ReplicaState(replica_id=2, replica_epoch=0)
    a.ask(old, 17)
