"""Settings of topics, brokers and groups: described, replaced, changed one by one, refused."""

from collections.abc import Callable

from minikafka.wire.messages.configs import AlterConfigsRequest, DescribeConfigsRequest, IncrementalAlterConfigsRequest
from tests.golden.play import Answer, Connection, Stage, Theme

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

OF_A_BROKER = """
    authorizer.class.name auto.create.topics.enable auto.leader.rebalance.enable background.threads
    broker.heartbeat.interval.ms broker.rack broker.session.timeout.ms compression.gzip.level compression.lz4.level
    compression.type compression.zstd.level connections.max.idle.ms connections.max.reauth.ms
    controlled.shutdown.enable controller.listener.names controller.quorum.append.linger.ms
    controller.quorum.bootstrap.servers controller.quorum.election.backoff.max.ms
    controller.quorum.election.timeout.ms controller.quorum.fetch.timeout.ms controller.quorum.request.timeout.ms
    controller.quorum.retry.backoff.ms default.replication.factor delete.records.purgatory.purge.interval.requests
    delete.topic.enable fetch.max.bytes fetch.purgatory.purge.interval.requests group.consumer.assignors
    group.consumer.heartbeat.interval.ms group.consumer.session.timeout.ms group.coordinator.append.linger.ms
    group.coordinator.rebalance.protocols group.coordinator.threads group.initial.rebalance.delay.ms
    group.max.session.timeout.ms group.max.size group.min.session.timeout.ms initial.broker.registration.timeout.ms
    inter.broker.listener.name leader.imbalance.check.interval.seconds listener.security.protocol.map
    log.cleaner.backoff.ms log.cleaner.delete.retention.ms log.cleaner.enable log.cleaner.io.buffer.load.factor
    log.cleaner.io.buffer.size log.cleaner.io.max.bytes.per.second log.cleaner.max.compaction.lag.ms
    log.cleaner.min.cleanable.ratio log.cleaner.min.compaction.lag.ms log.cleaner.threads log.cleanup.policy
    log.dir.failure.timeout.ms log.flush.interval.messages log.flush.interval.ms
    log.flush.offset.checkpoint.interval.ms log.flush.scheduler.interval.ms
    log.flush.start.offset.checkpoint.interval.ms log.index.interval.bytes log.index.size.max.bytes
    log.local.retention.bytes log.local.retention.ms log.message.timestamp.after.max.ms
    log.message.timestamp.before.max.ms log.message.timestamp.type log.preallocate log.retention.bytes
    log.retention.check.interval.ms log.retention.hours log.retention.minutes log.retention.ms log.roll.hours
    log.roll.jitter.hours log.roll.jitter.ms log.roll.ms log.segment.bytes log.segment.delete.delay.ms
    max.connection.creation.rate max.connections max.connections.per.ip max.connections.per.ip.overrides
    max.incremental.fetch.session.cache.slots max.request.partition.size.limit message.max.bytes metadata.log.dir
    metadata.log.max.record.bytes.between.snapshots metadata.log.max.snapshot.interval.ms metadata.log.segment.bytes
    metadata.log.segment.ms metadata.max.idle.interval.ms metadata.max.retention.bytes metadata.max.retention.ms
    metric.reporters metrics.num.samples metrics.recording.level metrics.sample.window.ms min.insync.replicas
    node.id num.partitions num.replica.alter.log.dirs.threads num.replica.fetchers offset.metadata.max.bytes
    offsets.commit.timeout.ms offsets.load.buffer.size offsets.retention.check.interval.ms offsets.retention.minutes
    offsets.topic.compression.codec offsets.topic.num.partitions offsets.topic.replication.factor
    offsets.topic.segment.bytes process.roles producer.id.expiration.ms producer.purgatory.purge.interval.requests
    queued.max.request.bytes queued.max.requests replica.fetch.backoff.ms replica.fetch.max.bytes
    replica.fetch.min.bytes replica.fetch.response.max.bytes replica.fetch.wait.max.ms
    replica.high.watermark.checkpoint.interval.ms replica.lag.time.max.ms replica.selector.class
    replica.socket.receive.buffer.bytes replica.socket.timeout.ms request.timeout.ms security.inter.broker.protocol
    share.coordinator.state.topic.min.isr share.coordinator.state.topic.replication.factor
    socket.listen.backlog.size socket.receive.buffer.bytes socket.request.max.bytes socket.send.buffer.bytes
    transaction.abort.timed.out.transaction.cleanup.interval.ms transaction.max.timeout.ms
    transaction.partition.verification.enable transaction.remove.expired.transaction.cleanup.interval.ms
    transaction.state.log.min.isr transaction.state.log.num.partitions transaction.state.log.replication.factor
    transaction.state.log.segment.bytes transactional.id.expiration.ms unclean.leader.election.enable
""".split()  # noqa: SIM905
"""What ours knows of Kafka's settings, without folders, ports, and what the recorder itself sets."""


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


@theme.story
def groups_of_their_own(stage: Stage) -> None:
    """What was set for a group stands alone; what was not is the brokers'."""
    a = stage.connect()
    session = "consumer.session.timeout.ms"
    asked = described(GROUP, stage.name, [session, "consumer.heartbeat.interval.ms"], synonyms=True)

    def holds(value: str) -> Callable[[Answer], bool]:
        return lambda answer: any(config.value == value for config in answer.results[0].configs)

    a.ask(changed(GROUP, stage.name, (session, SET, "46000")), 1)
    a.until(holds("46000"), asked, 4)
    a.ask(changed(GROUP, stage.name, ("no.such.thing", SET, "1")), 1)
    a.ask(changed(GROUP, stage.name, (session, SET, "0")), 1)
    a.ask(changed(GROUP, "", (session, SET, "46000")), 1)
    a.ask(described(GROUP, "", [session]), 4)
    a.ask(changed(GROUP, stage.name, (session, DELETE, None)), 1)
    a.until(holds("45000"), asked, 4)


@theme.story
def all_of_a_broker(stage: Stage) -> None:
    """Their types, defaults, what else they could come from, and which may change while the broker runs."""
    stage.connect().ask(described(BROKER, "1", OF_A_BROKER, synonyms=True), 4)


@theme.story
def one_broker_over_all(stage: Stage) -> None:
    """The setting of a single broker goes before that of all, both before its file; topics follow."""
    a = stage.connect()
    topic = stage.topic()
    name = "log.retention.ms"

    def holds(*values: str) -> Callable[[Answer], bool]:
        def there(answer: Answer) -> bool:  # Apache Kafka tells whence a value is before the value is so
            config = answer.results[0].configs[0]
            return config.value == values[0] and [each.value for each in config.synonyms][: len(values)] == [*values]

        return there

    of_it, of_all = described(BROKER, "1", [name], synonyms=True), described(BROKER, "", [name], synonyms=True)
    a.ask(changed(BROKER, "", (name, SET, "7000")), 1)
    a.ask(changed(BROKER, "1", (name, SET, "8000")), 1)
    a.until(holds("8000", "7000"), of_it, 4)
    a.until(holds("7000"), of_all, 4)
    a.until(holds("8000", "7000", "-1"), described(TOPIC, topic, ["retention.ms"], synonyms=True), 4)
    a.ask(changed(BROKER, "1", (name, DELETE, None)), 1)
    a.until(holds("7000", "-1"), of_it, 4)
    a.ask(changed(BROKER, "", (name, DELETE, None)), 1)
    a.until(holds("-1"), of_it, 4)


@theme.story
def of_nobody_known(stage: Stage) -> None:
    """A broker's setting that no broker has may be a plugin's: it is kept, and its value is not shown."""
    a = stage.connect()
    name = "no.such.thing"
    for who in ("1", ""):
        a.ask(changed(BROKER, who, (name, SET, "secret")), 1)
        a.until(lambda answer: answer.results[0].configs, described(BROKER, who, [name], synonyms=True), 4)
        a.ask(changed(BROKER, who, (name, DELETE, None)), 1)
        a.until(lambda answer: not answer.results[0].configs, described(BROKER, who, [name]), 4)


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
    a.ask(changed(BROKER, "1", ("log.cleaner.threads", APPEND, "1")), 1)
    a.ask(changed(BROKER, "1", ("log.cleaner.threads", 7, "1")), 1)
    a.ask(changed(BROKER, "1", ("log.cleaner.threads", SET, None)), 1)
    a.ask(changed(BROKER, "", ("max.connections.per.ip", SET, "-1")), 1)
    a.ask(changed(BROKER, "1", ("min.insync.replicas", SET, "2")), 1)
    both = changed(BROKER, "9", ("log.cleaner.threads", SET, "1"))
    both.resources += changed(TOPIC, stage.topic(), ("retention.ms", SET, "1")).resources
    a.ask(both, 1)


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
