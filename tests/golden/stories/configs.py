"""Settings of topics, brokers and groups: described, replaced, changed one by one, refused."""

from minikafka.wire.messages.configs import AlterConfigsRequest, DescribeConfigsRequest, IncrementalAlterConfigsRequest
from tests.golden.play import Connection, Stage, Theme

theme = Theme(
    "configs",
    "DescribeConfigs, AlterConfigs, IncrementalAlterConfigs",
    ("log.retention.ms=-1", "min.insync.replicas=1", "num.partitions=2"),
)

TOPIC, BROKER, LOGGER, CLIENT_METRICS, GROUP = 2, 4, 8, 16, 32
SET, DELETE, APPEND, SUBTRACT = range(4)

CHOSEN = [
    "cleanup.policy",
    "retention.ms",
    "min.insync.replicas",
    "max.message.bytes",
    "unclean.leader.election.enable",
]


def described(
    kind: int, name: str, keys: list[str] | None = None, synonyms: bool = False, **settings: bool
) -> DescribeConfigsRequest:
    resource = DescribeConfigsRequest.Resource(resource_type=kind, resource_name=name, configuration_keys=keys)
    return DescribeConfigsRequest(resources=[resource], include_synonyms=synonyms, **settings)


def replaced(kind: int, name: str, validate_only: bool = False, **configs: str | None) -> AlterConfigsRequest:
    Resource = AlterConfigsRequest.Resource
    settings = [Resource.Config(name=key.replace("_", "."), value=value) for key, value in configs.items()]
    resources = [Resource(resource_type=kind, resource_name=name, configs=settings)]
    return AlterConfigsRequest(resources=resources, validate_only=validate_only)


def changed(
    kind: int, name: str, *changes: tuple[str, int, str | None], validate_only: bool = False
) -> IncrementalAlterConfigsRequest:
    Resource = IncrementalAlterConfigsRequest.Resource
    settings = [Resource.Config(name=key, config_operation=operation, value=value) for key, operation, value in changes]
    resources = [Resource(resource_type=kind, resource_name=name, configs=settings)]
    return IncrementalAlterConfigsRequest(resources=resources, validate_only=validate_only)


def seen(connection: Connection, topic: str, *want: tuple[str, str]) -> None:
    """The chosen settings of a topic, as soon as the broker has heard of the change."""

    def there(answer: object) -> bool:
        values = {config.name: config.value for config in answer.results[0].configs}  # type: ignore[attr-defined]
        return all(values[key] == value for key, value in want)

    connection.until(there, described(TOPIC, topic, CHOSEN, synonyms=True), 4)


@theme.story_by_version("DescribeConfigs")
def all_of_a_topic(stage: Stage, version: int) -> None:
    """Every setting, its value, where that comes from; with version 1 what else it could have come from, with 3 types."""
    a = stage.connect()
    topic = stage.topic(retention_ms="5000", cleanup_policy="compact")
    a.ask(described(TOPIC, topic, synonyms=True), version)


@theme.story_by_version("DescribeConfigs")
def chosen_settings(stage: Stage, version: int) -> None:
    """Only the names asked for; a name that no setting has is left out, an empty list names none."""
    a = stage.connect()
    topic = stage.topic(retention_ms="5000")
    a.ask(described(TOPIC, topic, [*CHOSEN, "no.such.thing"]), version)
    a.ask(described(TOPIC, topic, []), version)
    a.ask(
        described(BROKER, "1", ["num.partitions", "log.retention.ms", "node.id", "log.cleaner.threads"], True), version
    )
    a.ask(described(BROKER, "", ["log.cleaner.threads"], True), version)


@theme.story
def nobody_and_nothing(stage: Stage) -> None:
    """Topics that are not there, brokers that are others, kinds that are none."""
    a = stage.connect()
    for kind, name in [(TOPIC, "nobody-made-it"), (TOPIC, ""), (TOPIC, "no/name"), (BROKER, "9"), (BROKER, "x")]:
        a.ask(described(kind, name, ["retention.ms"]), 4)
    for kind in (0, 1, 3, 5, 99):
        b = stage.connect("b")
        b.send(described(kind, "x"), 4).either()


@theme.story
def one_resource_twice(stage: Stage) -> None:
    """Asked twice in a request."""
    a = stage.connect()
    topic = stage.topic()
    request = described(TOPIC, topic, ["retention.ms"])
    request.resources.append(request.resources[0])
    a.ask(request, 4)
    a.ask(DescribeConfigsRequest(resources=[]), 4)


@theme.story
def of_groups(stage: Stage) -> None:
    """A group has settings whether it is there or not."""
    a = stage.connect()
    a.ask(described(GROUP, "any-group", ["consumer.session.timeout.ms", "consumer.heartbeat.interval.ms"], True), 4)


@theme.story_by_version("AlterConfigs")
def replaced_as_a_whole(stage: Stage, version: int) -> None:
    """What a request does not name goes back to its default."""
    a = stage.connect()
    topic = stage.topic(retention_ms="5000", max_message_bytes="2000")
    a.ask(replaced(TOPIC, topic, min_insync_replicas="2"), version)
    seen(a, topic, ("min.insync.replicas", "2"), ("max.message.bytes", "1048588"))
    a.ask(replaced(TOPIC, topic, validate_only=True, retention_ms="1"), version)
    a.ask(replaced(TOPIC, topic), version)
    seen(a, topic, ("min.insync.replicas", "1"))


@theme.story_by_version("AlterConfigs")
def not_replaced(stage: Stage, version: int) -> None:
    """Unknown names and values that cannot be; topics that are not there.

    A resource twice in one request is not asked: Apache Kafka 4.1.1 never answers that.
    """
    a = stage.connect()
    topic = stage.topic()
    a.ask(replaced(TOPIC, topic, no_such_thing="1"), version)
    a.ask(replaced(TOPIC, topic, retention_ms="soon"), version)
    a.ask(replaced(TOPIC, topic, retention_ms=None), version)
    a.ask(replaced(TOPIC, "nobody-made-it", retention_ms="1"), version)
    a.ask(replaced(TOPIC, "", retention_ms="1"), version)
    a.ask(replaced(BROKER, "9", log_cleaner_threads="1"), version)


@theme.story_by_version("IncrementalAlterConfigs")
def changed_one_by_one(stage: Stage, version: int) -> None:
    """Set, delete, append to a list and subtract from it; the rest stays."""
    a = stage.connect()
    topic = stage.topic(retention_ms="5000")
    a.ask(changed(TOPIC, topic, ("min.insync.replicas", SET, "2"), ("max.message.bytes", SET, "999")), version)
    seen(a, topic, ("min.insync.replicas", "2"), ("max.message.bytes", "999"), ("retention.ms", "5000"))
    a.ask(changed(TOPIC, topic, ("cleanup.policy", APPEND, "compact")), version)
    seen(a, topic, ("cleanup.policy", "delete,compact"))
    a.ask(changed(TOPIC, topic, ("cleanup.policy", APPEND, "compact")), version)
    a.ask(changed(TOPIC, topic, ("cleanup.policy", SUBTRACT, "delete")), version)
    seen(a, topic, ("cleanup.policy", "compact"))
    a.ask(changed(TOPIC, topic, ("retention.ms", DELETE, None), ("max.message.bytes", DELETE, "x")), version)
    seen(a, topic, ("retention.ms", "-1"), ("max.message.bytes", "1048588"))
    a.ask(changed(TOPIC, topic, ("retention.ms", SET, "77"), validate_only=True), version)
    a.ask(changed(TOPIC, topic), version)
    seen(a, topic, ("retention.ms", "-1"))


@theme.story
def not_changed(stage: Stage) -> None:
    """Each refusal leaves everything as it was."""
    a = stage.connect()
    topic = stage.topic()
    for change in [
        ("no.such.thing", SET, "1"),
        ("no.such.thing", DELETE, None),
        ("retention.ms", SET, "soon"),
        ("retention.ms", SET, ""),
        ("retention.ms", SET, None),
        ("retention.ms", APPEND, "1"),
        ("retention.ms", SUBTRACT, "1"),
        ("retention.ms", 7, "1"),
        ("cleanup.policy", SET, "burn"),
        ("cleanup.policy", SET, ""),
        ("cleanup.policy", SUBTRACT, "delete"),
        ("min.insync.replicas", SET, "0"),
        ("compression.type", SET, "best"),
        ("unclean.leader.election.enable", SET, "maybe"),
    ]:
        a.send(changed(TOPIC, topic, change), 1).either()
        if a.ended:
            a = stage.connect()
    a.ask(changed(TOPIC, topic, ("retention.ms", SET, "1"), ("retention.ms", SET, "2")), 1)
    a.ask(changed(TOPIC, topic, ("retention.ms", SET, "1"), ("no.such.thing", SET, "2")), 1)
    a.ask(changed(TOPIC, "nobody-made-it", ("retention.ms", SET, "1")), 1)
    a.ask(changed(TOPIC, "", ("retention.ms", SET, "1")), 1)
    a.ask(changed(TOPIC, "no/name", ("retention.ms", SET, "1")), 1)
    a.ask(described(TOPIC, topic, CHOSEN, synonyms=True), 4)


@theme.story
def of_brokers(stage: Stage) -> None:
    """For one broker or for all; read-only settings are refused, changeable ones show their source."""
    a = stage.connect()

    def threads(value: str) -> None:
        a.until(
            lambda answer: answer.results[0].configs[0].value == value,
            described(BROKER, "1", ["log.cleaner.threads"], synonyms=True),
            4,
        )

    a.ask(changed(BROKER, "", ("log.cleaner.threads", SET, "2")), 1)
    threads("2")
    a.ask(changed(BROKER, "", ("log.cleaner.threads", DELETE, None)), 1)
    threads("1")
    a.ask(changed(BROKER, "1", ("node.id", SET, "2")), 1)
    a.ask(changed(BROKER, "1", ("log.dirs", SET, "elsewhere")), 1)
    a.ask(changed(BROKER, "9", ("log.cleaner.threads", SET, "1")), 1)
    a.ask(changed(BROKER, "x", ("log.cleaner.threads", SET, "1")), 1)
    a.ask(changed(BROKER, "1", ("log.cleaner.threads", SET, "many")), 1)


@theme.story
def kinds_that_are_none(stage: Stage) -> None:
    """Resource types nobody knows, or that have no settings."""
    for kind in (0, 1, 3, 99):
        a = stage.connect()
        a.send(changed(kind, "x", ("retention.ms", SET, "1")), 1).either()
        b = stage.connect("b")
        b.send(replaced(kind, "x", retention_ms="1"), 2).either()


@theme.story
def a_resource_twice(stage: Stage) -> None:
    """Two changes of one resource in a request: neither is made."""
    a = stage.connect()
    topic = stage.topic()
    request = changed(TOPIC, topic, ("retention.ms", SET, "1"))
    request.resources.append(changed(TOPIC, topic, ("retention.ms", SET, "2")).resources[0])
    a.ask(request, 1)
    a.ask(IncrementalAlterConfigsRequest(resources=[]), 1)
