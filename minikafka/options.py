"""The properties of server.properties: name, type, default, bounds, meaning.

A row says what may be said; `serving.config` reads files, the environment and arguments by it and prints `--help`.  All
names are Kafka's.  What Kafka 4.1 has and this broker has no use for stands in one list at the end: it is accepted, so
that anyone's file starts this broker, and the log says once which lines changed nothing.

Defaults that differ from Kafka's, and why:

    listeners                     loopback only: nobody's laptop becomes a server by accident
    log.dirs                      ./data/kafka
    broker.session.timeout.ms     2500 instead of 9000, and its heartbeat 500 instead of 2000: partitions of a dead
    broker.heartbeat.interval.ms  broker are led again in three seconds, not ten
    controller.quorum.election.timeout.ms   500 (drawn from 500 to 1000) instead of 1000, for the same reason
    offsets.topic.replication.factor        3, but 1 for a lone broker, which could never have three

Source: Apache Kafka 4.1 `KafkaConfig`, `ServerConfigs`, `ReplicationConfigs`, `GroupCoordinatorConfig`, `KRaftConfigs`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from serving.config import Option, Table
from serving.kinds import Boolean, Choice, CommaList, Integer, Kind, Real, Text
from serving.our_options import OUR_OPTIONS

INT_MAX, LONG_MAX = 2**31 - 1, 2**63 - 1


class Or(Kind):
    """A number that may be left out: the empty text is None, and another property speaks instead."""

    placeholder = "number"

    def parse(self, words: Sequence[str], option: Option) -> Any:
        if list(words) in ([""], []):
            return None
        return Integer().parse(words, option)

    def text(self, value: Any) -> str:
        return "" if value is None else str(value)


class Roles(CommaList):
    """`broker`, `controller`, or both."""

    def parse(self, words: Sequence[str], option: Option) -> tuple[str, ...]:
        roles = tuple(super().parse(words, option))
        if not roles or set(roles) - {"broker", "controller"}:
            raise ValueError("must be broker, controller, or both with a comma between")
        return roles


def fixed(name: str, kind: type[Kind], default: Any, doc: str, **more: Any) -> Option:
    """A property that is read once, at start."""
    return Option(name, kind, default, doc, mutable=False, **more)


IDENTITY = [
    fixed("process.roles", Roles, "broker,controller", "What this process is: broker, controller, or both."),
    fixed("node.id", Integer, 1, "This node's number, different for each.", minimum=0, aliases=("broker.id",)),
    fixed("broker.rack", Text, "", "Where this broker stands; replicas are spread over racks."),
    fixed(
        "cluster.id", Text, "", "The cluster to found or to join; made by the first controller when empty.", ours=True
    ),
]

NETWORK = [
    fixed(
        "listeners",
        CommaList,
        "PLAINTEXT://127.0.0.1:9092,CONTROLLER://127.0.0.1:9093",
        "Where to listen: NAME://host:port, comma between; host empty means every address.",
    ),
    fixed(
        "advertised.listeners",
        CommaList,
        "",
        "What clients and brokers are told to connect to, where it differs from `listeners`.",
    ),
    fixed("controller.listener.names", CommaList, "CONTROLLER", "Which listeners are the controller's."),
    fixed("inter.broker.listener.name", Text, "", "Which listener brokers use among themselves; else the first."),
    fixed(
        "controller.quorum.voters",
        CommaList,
        "",
        "The controllers: id@host:port, comma between.  Empty on a node that is both: itself alone.",
    ),
    fixed("controller.quorum.bootstrap.servers", CommaList, "", "Controllers to ask first: host:port."),
    fixed("socket.request.max.bytes", Integer, 100 * 1024 * 1024, "The largest request that is read.", minimum=1),
    fixed("socket.listen.backlog.size", Integer, 50, "Connections waiting to be accepted.", minimum=1),
    Option("max.connections", Integer, INT_MAX, "How many clients may be connected.", minimum=0),
    Option("connections.max.idle.ms", Integer, 600_000, "A connection this long without a request is closed."),
    fixed(
        "queued.max.request.bytes",
        Integer,
        -1,
        "Memory for large requests while they are read, over all connections; -1 means 512 MiB.",
    ),
    fixed("num.replica.fetchers", Integer, 1, "Connections to each leader that replicas are copied over.", minimum=1),
]

TOPICS = [
    Option("num.partitions", Integer, 1, "Partitions of a topic that does not say.", minimum=1),
    Option("default.replication.factor", Integer, 1, "Replicas of a topic that does not say.", minimum=1),
    Option(
        "min.insync.replicas", Integer, 1, "Replicas that must have a record before acks=all is answered.", minimum=1
    ),
    Option("auto.create.topics.enable", Boolean, "true", "Whether asking for a topic that is not there creates it."),
    Option("delete.topic.enable", Boolean, "true", "Whether topics can be deleted."),
    Option("unclean.leader.election.enable", Boolean, "false", "Rather lose records than have no leader."),
    Option("message.max.bytes", Integer, 1_048_588, "The largest batch that is taken, as sent.", minimum=0),
    Option(
        "compression.type",
        Choice,
        "producer",
        "How batches are stored; `producer`, as they come, is all this broker does.",
        choices=("uncompressed", "zstd", "lz4", "snappy", "gzip", "producer"),
    ),
    Option(
        "log.message.timestamp.type",
        Choice,
        "CreateTime",
        "Whether a record carries its producer's time or the broker's.",
        choices=("CreateTime", "LogAppendTime"),
    ),
    Option("log.message.timestamp.before.max.ms", Integer, LONG_MAX, "How old a record may claim to be.", minimum=0),
    Option("log.message.timestamp.after.max.ms", Integer, 3_600_000, "How far ahead it may be.", minimum=0),
    Option("max.request.partition.size.limit", Integer, 2000, "Partitions described in one answer.", minimum=1),
]

LOG = [
    fixed("log.dir", Text, "./data/kafka", "The folder of the data, unless log.dirs names several."),
    fixed("log.dirs", CommaList, "", "Folders of the data, comma between."),
    fixed("metadata.log.dir", Text, "", "The folder of the metadata log: another disk, perhaps."),
    Option(
        "log.segment.bytes", Integer, 2**30, "Size at which a new segment begins.", minimum=1_048_576, maximum=INT_MAX
    ),
    Option("log.roll.ms", Or, None, "Age at which a new segment begins; before log.roll.hours."),
    Option("log.roll.hours", Integer, 168, "The same in hours.", minimum=1),
    Option("log.roll.jitter.ms", Or, None, "How much earlier, at random; before log.roll.jitter.hours."),
    Option("log.roll.jitter.hours", Integer, 0, "The same in hours.", minimum=0),
    Option("log.retention.ms", Or, None, "Age at which segments are deleted, -1 never; before minutes and hours."),
    Option("log.retention.minutes", Or, None, "The same in minutes."),
    Option("log.retention.hours", Integer, 168, "The same in hours."),
    Option("log.retention.bytes", Integer, -1, "Size of a partition at which its oldest segments go; -1 none."),
    Option("log.retention.check.interval.ms", Integer, 300_000, "How often to look.", minimum=1),
    Option("log.segment.delete.delay.ms", Integer, 60_000, "How long a deleted file stays, renamed.", minimum=0),
    Option("log.index.interval.bytes", Integer, 4096, "Bytes of log between two entries of an index.", minimum=0),
    Option(
        "log.index.size.max.bytes", Integer, 10 * 2**20, "Size of an index at which a new segment begins.", minimum=4
    ),
    Option("log.flush.interval.messages", Integer, LONG_MAX, "Records after which a partition is fsynced.", minimum=1),
    Option("log.flush.interval.ms", Or, None, "Milliseconds after which it is."),
    Option(
        "log.flush.offset.checkpoint.interval.ms", Integer, 60_000, "How often recovery points are kept.", minimum=0
    ),
    Option("log.cleanup.policy", CommaList, "delete", "delete, compact, or both."),
    Option("log.cleaner.delete.retention.ms", Integer, 86_400_000, "How long a tombstone stays.", minimum=0),
    Option(
        "log.cleaner.min.cleanable.ratio", Real, 0.5, "Share of uncleaned log at which compaction begins.", effect=False
    ),
    Option("log.cleaner.min.compaction.lag.ms", Integer, 0, "How long a record stays as it is.", effect=False),
    Option("log.cleaner.max.compaction.lag.ms", Integer, LONG_MAX, "How long at most.", effect=False),
    Option("log.preallocate", Boolean, "false", "Whether segments are made in full size.", effect=False),
    fixed("producer.id.expiration.ms", Integer, 86_400_000, "How long a silent producer is remembered.", minimum=1),
    fixed("producer.id.expiration.check.interval.ms", Integer, 600_000, "How often to look.", minimum=1),
]

REPLICATION = [
    fixed("replica.lag.time.max.ms", Integer, 30_000, "A follower behind for this long leaves the in-sync set."),
    fixed("replica.fetch.max.bytes", Integer, 1_048_576, "Bytes of one partition in a follower's fetch.", minimum=0),
    fixed("replica.fetch.response.max.bytes", Integer, 10_485_760, "Bytes of a follower's fetch.", minimum=0),
    fixed("replica.fetch.min.bytes", Integer, 1, "Bytes for which a follower's fetch waits."),
    fixed("replica.fetch.wait.max.ms", Integer, 500, "How long it waits."),
    fixed("replica.fetch.backoff.ms", Integer, 1000, "Pause of a partition that cannot be fetched.", minimum=0),
    fixed("replica.socket.timeout.ms", Integer, 30_000, "How long to wait for another broker's answer."),
    fixed("replica.high.watermark.checkpoint.interval.ms", Integer, 5000, "How often high watermarks are kept."),
    fixed("auto.leader.rebalance.enable", Boolean, "true", "Whether leaders go back to the preferred replica."),
    fixed("leader.imbalance.check.interval.seconds", Integer, 300, "How often to look.", minimum=1),
    fixed("leader.imbalance.per.broker.percentage", Integer, 10, "Imbalance that is left alone."),
    fixed("fetch.max.bytes", Integer, 57_671_680, "Bytes of any fetch.", minimum=1024),
    fixed("max.incremental.fetch.session.cache.slots", Integer, 1000, "Fetch sessions kept.", minimum=0),
    fixed("replica.selector.class", Text, "", "Where a consumer is sent to read.", effect=False),
]

CONTROLLER = [
    fixed("broker.heartbeat.interval.ms", Integer, 500, "How often a broker says that it lives."),
    fixed("broker.session.timeout.ms", Integer, 2500, "Silence after which it is fenced."),
    fixed("initial.broker.registration.timeout.ms", Integer, 60_000, "How long a start may wait for a controller."),
    fixed("controlled.shutdown.enable", Boolean, "true", "Whether leaders move before a broker stops."),
    fixed("controller.quorum.election.timeout.ms", Integer, 500, "Silence after which controllers elect anew."),
    fixed("controller.quorum.fetch.timeout.ms", Integer, 2000, "How long a leader stays without a majority."),
    fixed("controller.quorum.request.timeout.ms", Integer, 2000, "How long to wait for a controller's answer."),
    fixed("metadata.log.max.record.bytes.between.snapshots", Integer, 20_971_520, "Bytes of metadata log.", minimum=1),
    fixed("metadata.log.max.snapshot.interval.ms", Integer, 3_600_000, "Age of the newest snapshot.", minimum=0),
    fixed("request.timeout.ms", Integer, 30_000, "How long an admin call waits for its effect."),
]

GROUPS = [
    fixed("group.initial.rebalance.delay.ms", Integer, 3000, "How long a new group waits for more members."),
    fixed("group.min.session.timeout.ms", Integer, 6000, "The shortest session a member may ask for."),
    fixed("group.max.session.timeout.ms", Integer, 1_800_000, "The longest."),
    fixed("group.max.size", Integer, INT_MAX, "Members of a group.", minimum=1),
    fixed("offset.metadata.max.bytes", Integer, 4096, "Text that may be committed with an offset."),
    fixed("offsets.commit.timeout.ms", Integer, 5000, "How long a commit waits for the replicas.", minimum=1),
    fixed("offsets.retention.minutes", Integer, 10_080, "How long an empty group's offsets stay.", minimum=1),
    fixed("offsets.retention.check.interval.ms", Integer, 600_000, "How often to look.", minimum=1),
    fixed("offsets.topic.num.partitions", Integer, 50, "Partitions of __consumer_offsets.", minimum=1),
    fixed("offsets.topic.replication.factor", Or, None, "Its replicas: 3, or 1 for a lone broker."),
    fixed("offsets.topic.segment.bytes", Integer, 104_857_600, "Its segments.", minimum=1),
]

WITHOUT_EFFECT = """
    num.network.threads num.io.threads background.threads num.recovery.threads.per.data.dir socket.send.buffer.bytes
    num.replica.alter.log.dirs.threads socket.receive.buffer.bytes listener.security.protocol.map zookeeper.connect
    queued.max.requests security.inter.broker.protocol replica.socket.receive.buffer.bytes log.cleaner.enable
    log.cleaner.threads log.cleaner.dedupe.buffer.size log.cleaner.io.buffer.size log.cleaner.backoff.ms
    log.cleaner.io.buffer.load.factor log.cleaner.io.max.bytes.per.second log.flush.scheduler.interval.ms
    log.flush.start.offset.checkpoint.interval.ms log.initial.task.delay.ms log.dir.failure.timeout.ms
    transaction.state.log.replication.factor transaction.state.log.min.isr transaction.state.log.num.partitions
    transaction.state.log.segment.bytes transaction.max.timeout.ms transactional.id.expiration.ms
    transaction.abort.timed.out.transaction.cleanup.interval.ms transaction.remove.expired.transaction.cleanup.interval.ms
    transaction.partition.verification.enable share.coordinator.state.topic.replication.factor
    share.coordinator.state.topic.min.isr fetch.purgatory.purge.interval.requests
    producer.purgatory.purge.interval.requests delete.records.purgatory.purge.interval.requests
    controller.quorum.election.backoff.max.ms controller.quorum.retry.backoff.ms controller.quorum.append.linger.ms
    metadata.log.segment.bytes metadata.log.segment.ms metadata.max.retention.bytes metadata.max.retention.ms
    metadata.max.idle.interval.ms group.coordinator.threads group.coordinator.append.linger.ms
    group.coordinator.rebalance.protocols offsets.load.buffer.size offsets.topic.compression.codec
    group.consumer.session.timeout.ms group.consumer.heartbeat.interval.ms group.consumer.assignors
    metric.reporters metrics.num.samples metrics.sample.window.ms metrics.recording.level auto.include.jmx.reporter
    connections.max.reauth.ms max.connections.per.ip max.connections.per.ip.overrides max.connection.creation.rate
    compression.gzip.level compression.lz4.level compression.zstd.level authorizer.class.name
    unstable.api.versions.enable unstable.feature.versions.enable server.max.startup.time.ms
""".split()  # noqa: SIM905 — eighty names in quotes would be twice as long
"""What many a server.properties says and nothing here depends on: thread pools, buffers, things of later parts."""

OPTIONS = Table(
    [
        *IDENTITY,
        *NETWORK,
        *TOPICS,
        *LOG,
        *REPLICATION,
        *CONTROLLER,
        *GROUPS,
        *(Option(name, Text, "", "", effect=False) for name in WITHOUT_EFFECT),
        *OUR_OPTIONS,
    ]
)
