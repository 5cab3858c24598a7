"""Topics: made, described, widened, emptied, deleted; and what Metadata tells of them."""

from minikafka.wire.messages.metadata import MetadataRequest
from minikafka.wire.messages.topics import (
    CreatePartitionsRequest,
    CreateTopicsRequest,
    DeleteTopicsRequest,
    ElectLeadersRequest,
)
from minikafka.wire.types import ZERO_UUID
from tests.golden.batches import batch, produce
from tests.golden.play import Stage, Theme

theme = Theme(
    "topics",
    "Metadata, CreateTopics, CreatePartitions, DeleteTopics, ElectLeaders on one broker",
    ("num.partitions=3", "log.retention.ms=-1"),
)

Wanted = CreateTopicsRequest.Topic
NOBODY = bytes(15) + b"\7"


def create(
    *topics: CreateTopicsRequest.Topic, validate_only: bool = False, timeout_ms: int = 10000
) -> CreateTopicsRequest:
    return CreateTopicsRequest(topics=list(topics), timeout_ms=timeout_ms, validate_only=validate_only)


def plain(name: str, partitions: int = 1, copies: int = 1, **configs: str | None) -> CreateTopicsRequest.Topic:
    settings = [Wanted.Config(name=key.replace("_", "."), value=value) for key, value in configs.items()]
    return Wanted(name=name, num_partitions=partitions, replication_factor=copies, configs=settings)


def placed(name: str, *replicas: list[int], first: int = 0, partitions: int = -1, copies: int = -1) -> Wanted:
    rows = [Wanted.Assignment(partition_index=index, broker_ids=ids) for index, ids in enumerate(replicas, first)]
    return Wanted(name=name, num_partitions=partitions, replication_factor=copies, assignments=rows)


def describe(*names: str, **settings: bool) -> MetadataRequest:
    return MetadataRequest(topics=[MetadataRequest.Topic(name=name) for name in names], **settings)


# -------------------------------------------------------------------------------------------------------- Metadata


@theme.story_by_version("Metadata")
def nothing_asked(stage: Stage, version: int) -> None:
    """The brokers alone: an empty list of topics (but in version 0 that means all)."""
    a = stage.connect()
    if version:
        a.ask(MetadataRequest(topics=[]), version)


@theme.story_by_version("Metadata")
def one_topic(stage: Stage, version: int) -> None:
    """Its partitions, each with leader, replicas, replicas in sync."""
    a = stage.connect()
    topic = stage.topic(partitions=2)
    a.ask(describe(topic, allow_auto_topic_creation=False), version)


@theme.story_by_version("Metadata")
def no_such_topic(stage: Stage, version: int) -> None:
    """Not there and not to be created, beside one that is; then one asked twice, and names that cannot be."""
    a = stage.connect()
    topic = stage.topic()
    if version >= 4:  # before, asking is creating
        a.ask(describe(topic, "nobody-made-it", allow_auto_topic_creation=False), version)
    a.ask(describe(topic, topic, allow_auto_topic_creation=False), version)
    a.ask(describe("no such name", "", ".", "x" * 250, allow_auto_topic_creation=False), version)


@theme.story_by_version("Metadata")
def created_by_asking(stage: Stage, version: int) -> None:
    """The first answer says UNKNOWN_TOPIC_OR_PARTITION, a later one has the topic, with num.partitions."""
    a = stage.connect()
    name = stage.name
    a.ask(describe(name), version)
    a.until(lambda answer: len(answer.topics[0].partitions) == 3 and led(answer), describe(name), version)


def led(answer: object) -> bool:
    return all(part.leader_id >= 0 and part.isr_nodes for part in answer.topics[0].partitions)  # type: ignore[attr-defined]


@theme.story_by_version("Metadata", (10, 11, 12, 13))
def asked_by_id(stage: Stage, version: int) -> None:
    """From version 12 a topic may be asked by its id with a null name; an id nobody has is UNKNOWN_TOPIC_ID."""
    a = stage.connect()
    topic = stage.topic()
    Topic = MetadataRequest.Topic
    a.send(MetadataRequest(topics=[Topic(topic_id=stage.topic_id(topic), name=None)]), version).either()
    b = stage.connect("b")
    b.send(MetadataRequest(topics=[Topic(topic_id=NOBODY, name=None)]), version).either()
    c = stage.connect("c")
    c.send(MetadataRequest(topics=[Topic(topic_id=ZERO_UUID, name=None)]), version).either()
    d = stage.connect("d")
    d.send(MetadataRequest(topics=[Topic(topic_id=stage.topic_id(topic), name=topic)]), version).either()


@theme.story_by_version("Metadata", (12, 13))
def ids_beside_names(stage: Stage, version: int) -> None:
    """Where one topic of a request is asked by id, those asked by name are not looked at; a name beside an id neither."""
    topic, other = stage.topic(), stage.topic("-other")
    Topic = MetadataRequest.Topic
    by_id, by_name = Topic(topic_id=stage.topic_id(topic), name=None), Topic(name=other)
    nobody, nothing = Topic(topic_id=NOBODY, name=None), Topic(topic_id=ZERO_UUID, name=None)
    of_another = Topic(topic_id=stage.topic_id(topic), name=other)
    for topics in (
        [by_id, by_name],
        [nobody, by_name],
        [by_id, nothing],
        [by_id, by_id],
        [of_another],
        [by_name, nothing],
    ):
        stage.connect().send(MetadataRequest(topics=topics, allow_auto_topic_creation=False), version).either()


@theme.story_by_version("Metadata", (8, 10, 11, 12))
def authorized_operations(stage: Stage, version: int) -> None:
    """Without an authorizer everything is allowed: a bit for each operation there is."""
    a = stage.connect()
    topic = stage.topic()
    request = describe(topic, allow_auto_topic_creation=False, include_topic_authorized_operations=True)
    request.include_cluster_authorized_operations = version <= 10
    a.ask(request, version)


# ---------------------------------------------------------------------------------------------------- CreateTopics


@theme.story_by_version("CreateTopics")
def made(stage: Stage, version: int) -> None:
    """By numbers, by defaults (from version 4), by hand; with a setting; the answer's settings come with version 5."""
    a = stage.connect()
    name = stage.name
    a.ask(create(plain(f"{name}-a", 2, 1, retention_ms="1000", cleanup_policy="compact")), version)
    a.ask(create(plain(f"{name}-b", -1, -1), placed(f"{name}-c", [1], [1])), version)
    a.ask(create(plain(f"{name}-a")), version)
    a.ask(create(plain(f"{name}-d"), validate_only=True), version)
    a.until(lambda got: got.topics[0].error_code == 0, describe(f"{name}-a", allow_auto_topic_creation=False), 12)
    a.ask(describe(f"{name}-d", allow_auto_topic_creation=False), 12)


def refused(name: str, *topics: CreateTopicsRequest.Topic, version: int = 7) -> None:
    """A creation that does not happen."""

    def story(stage: Stage) -> None:
        """Refused, when it is meant and when it is only a question."""
        a = stage.connect()
        a.ask(create(*topics), version)
        a.ask(create(*topics, validate_only=True), version)
        a.ask(describe(*{topic.name for topic in topics}, allow_auto_topic_creation=False), 12)

    story.__name__ = f"refused_{name}"
    theme.story(story)


refused("empty_name", plain(""))
refused("dot", plain("."))
refused("two_dots", plain(".."))
refused("name_with_blank", plain("a b"))
refused("name_with_slash", plain("a/b"))
refused("name_of_250", plain("x" * 250))
refused("no_partitions", plain("r", 0))
refused("minus_two_partitions", plain("r", -2))
refused("no_replicas", plain("r", 1, 0))
refused("too_many_replicas", plain("r", 1, 2))
refused("minus_two_replicas", plain("r", 1, -2))
refused("unknown_setting", plain("r", no_such_thing="1"))
refused("bad_number", plain("r", retention_ms="soon"))
refused("number_out_of_range", plain("r", min_insync_replicas="0"))
refused("bad_choice", plain("r", cleanup_policy="burn"))
refused("null_setting", plain("r", retention_ms=None))
refused("segment_too_small", plain("r", segment_bytes="1000"))
refused("twice_in_a_request", plain("r"), plain("r", 2))
refused("twice_and_another", plain("r"), plain("r"), plain("no/good"))
refused("placed_and_counted", placed("r", [1], partitions=1))
refused("placed_and_copied", placed("r", [1], copies=1))
refused("placed_on_nobody", placed("r", [9]))
refused("placed_twice_on_one", placed("r", [1, 1]))
refused("placed_nowhere", placed("r", []))
refused("placed_with_a_gap", placed("r", [1], first=1))
refused("placed_on_minus_one", placed("r", [-1]))


@theme.story
def names_that_collide(stage: Stage) -> None:
    """Dots become underscores in the names of metrics, so of two names that differ in that alone only one may be."""
    a = stage.connect()
    a.ask(create(plain("collide.a_b")), 7)
    a.ask(create(plain("collide_a.b")), 7)
    a.ask(create(plain("both.one"), plain("both_one")), 7)


@theme.story
def nothing_to_create(stage: Stage) -> None:
    a = stage.connect()
    a.ask(create(), 7)


nothing_to_create.__doc__ = "An empty request."


@theme.story
def internal_names(stage: Stage) -> None:
    """A client may make the internal topics itself; the metadata topic never."""
    a = stage.connect()
    a.ask(create(plain("__cluster_metadata")), 7)
    a.ask(create(plain("__transaction_state", 1, 1)), 7)


@theme.story
def settings_of_a_new_topic(stage: Stage) -> None:
    """What the answer lists of a topic's settings: all of them, and where each comes from."""
    a = stage.connect()
    a.ask(create(plain(stage.name, 1, 1, retention_ms="5000", min_insync_replicas="1")), 5)


# ------------------------------------------------------------------------------------------------- CreatePartitions


def widen(
    *pairs: tuple[str, int], rows: list[list[int]] | None = None, validate_only: bool = False
) -> CreatePartitionsRequest:
    Topic = CreatePartitionsRequest.Topic
    assignments = None if rows is None else [Topic.Assignment(broker_ids=ids) for ids in rows]
    topics = [Topic(name=name, count=count, assignments=assignments) for name, count in pairs]
    return CreatePartitionsRequest(topics=topics, timeout_ms=10000, validate_only=validate_only)


@theme.story_by_version("CreatePartitions")
def widened(stage: Stage, version: int) -> None:
    """The number in all is given, and only grows."""
    a = stage.connect()
    topic = stage.topic(partitions=2)
    for count in (3, 3, 2, 0, -1):
        a.ask(widen((topic, count)), version)
    a.ask(widen((topic, 9), validate_only=True), version)
    a.ask(widen((topic, 5), rows=[[1], [1]]), version)
    stage.settled(topic, 5)
    a.ask(describe(topic), 12)


@theme.story
def not_widened(stage: Stage) -> None:
    """Unknown topics, a topic twice, placements that do not fit."""
    a = stage.connect()
    topic = stage.topic()
    a.ask(widen(("nobody-made-it", 2)), 3)
    a.ask(widen((topic, 2), (topic, 3)), 3)
    for rows in ([], [[1], [1]], [[9]], [[1, 1]], [[]], [[1, 9]], [[-1]]):
        a.ask(widen((topic, 2), rows=rows), 3)
    a.ask(widen(), 3)
    a.ask(describe(topic), 12)


# ----------------------------------------------------------------------------------------------------- DeleteTopics


@theme.story_by_version("DeleteTopics")
def deleted(stage: Stage, version: int) -> None:
    """By name; from version 6 also by id.  A deleted one is unknown."""
    a = stage.connect()
    topic, other = stage.topic(), stage.topic("-other")
    Topic = DeleteTopicsRequest.Topic
    if version < 6:
        a.ask(DeleteTopicsRequest(topic_names=[topic, "nobody-made-it"], timeout_ms=10000), version)
        a.ask(DeleteTopicsRequest(topic_names=[other, other], timeout_ms=10000), version)
        a.ask(DeleteTopicsRequest(topic_names=[], timeout_ms=10000), version)
    else:
        other_id = stage.topic_id(other)
        a.ask(DeleteTopicsRequest(topics=[Topic(name=topic), Topic(name="nobody-made-it")], timeout_ms=10000), version)
        for name, uuid in [(None, NOBODY), (None, ZERO_UUID), (other, other_id)]:
            a.ask(DeleteTopicsRequest(topics=[Topic(name=name, topic_id=uuid)], timeout_ms=10000), version)
        both = [Topic(name=other), Topic(name=None, topic_id=other_id)]
        a.ask(DeleteTopicsRequest(topics=both, timeout_ms=10000), version)
        a.ask(DeleteTopicsRequest(topics=[Topic(name=None, topic_id=other_id)], timeout_ms=10000), version)
    a.until(lambda got: got.topics[0].error_code == 3, describe(topic, allow_auto_topic_creation=False), 12)


@theme.story
def made_again(stage: Stage) -> None:
    """A topic of an old name is a new topic: another id, and no record of the old one."""
    a = stage.connect()
    topic = stage.topic()
    old = stage.topic_id(topic)
    a.ask(produce(topic, batch("old")), 9)
    a.ask(DeleteTopicsRequest(topics=[DeleteTopicsRequest.Topic(name=topic)], timeout_ms=10000), 6)
    a.until(lambda got: got.topics[0].error_code == 3, describe(topic, allow_auto_topic_creation=False), 12)
    stage.topic()
    a.ask(produce(topic, batch("new")), 9)
    request = MetadataRequest(topics=[MetadataRequest.Topic(name=None, topic_id=old)])
    a.ask(request, 12)
    assert stage.topic_id(topic) != old


# ----------------------------------------------------------------------------------------------------- ElectLeaders


@theme.story_by_version("ElectLeaders")
def elected(stage: Stage, version: int) -> None:
    """Where the preferred replica leads already there is nothing to do; unknown places are named."""
    a = stage.connect()
    topic = stage.topic(partitions=2)
    Topic = ElectLeadersRequest.Topic
    a.ask(ElectLeadersRequest(topic_partitions=[Topic(topic=topic, partitions=[0, 1])], timeout_ms=1000), version)
    a.ask(ElectLeadersRequest(topic_partitions=[Topic(topic=topic, partitions=[7])], timeout_ms=1000), version)
    a.ask(
        ElectLeadersRequest(topic_partitions=[Topic(topic="nobody-made-it", partitions=[0])], timeout_ms=1000), version
    )
    a.ask(ElectLeadersRequest(topic_partitions=[], timeout_ms=1000), version)
    if version:
        unclean = [Topic(topic=topic, partitions=[0])]
        a.ask(ElectLeadersRequest(election_type=1, topic_partitions=unclean, timeout_ms=1000), version)
        a.send(ElectLeadersRequest(election_type=7, topic_partitions=unclean, timeout_ms=1000), version).either()
