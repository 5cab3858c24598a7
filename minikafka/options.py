"""The properties of server.properties: name, type, default, bounds, meaning.

A row says what may be said; `serving.config` reads files, the environment and arguments by it and prints `--help`.  All
names are Kafka's, and so are types, bounds and what clients may change while the broker runs.  What Kafka 4.1 has and
this broker has no use for stands apart (silent_options.py): it is accepted, so that anyone's file starts this broker.

Defaults that differ from Kafka's, and why:

    listeners                     loopback only: nobody's laptop becomes a server by accident
    log.dir                       ./data/kafka
    broker.session.timeout.ms     2500 instead of 9000, and its heartbeat 500 instead of 2000: partitions of a dead
    broker.heartbeat.interval.ms  broker are led again in three seconds, not ten
    controller.quorum.election.timeout.ms   500 (drawn from 500 to 1000) instead of 1000, for the same reason
    offsets.topic.replication.factor        3, but when nobody says so 1 for a lone broker, which could never have three

Kafka also changes `listeners`, `max.connections` and `num.replica.fetchers` while it runs; here they are read once.

Source: Apache Kafka 4.1 `KafkaConfig`, `ServerConfigs`, `ReplicationConfigs`, `GroupCoordinatorConfig`, `KRaftConfigs`.
"""

from __future__ import annotations

from typing import Any

from minikafka.kinds import Int, ListInText, Long, Or, Roles, Short, told
from minikafka.silent_options import SILENT_OPTIONS
from minikafka.topic_options import as_of_topics
from serving.config import Option, Settings, Table
from serving.kinds import Boolean, Choice, CommaList, Kind, Text
from serving.our_options import OUR_OPTIONS

INT_MAX, LONG_MAX = 2**31 - 1, 2**63 - 1


def fixed(name: str, kind: Kind | type[Kind], default: Any, doc: str, **more: Any) -> Option:
    """A property that is read once, at start."""
    return Option(name, kind, default, doc, mutable=False, check=as_of_topics(name), **more)


def dynamic(name: str, kind: Kind | type[Kind], default: Any, doc: str, **more: Any) -> Option:
    """A property that clients may change."""
    return Option(name, kind, default, doc, check=as_of_topics(name), **more)


IDENTITY = [
    fixed("process.roles", Roles, "broker,controller", "What this process is: broker, controller, or both."),
    fixed("node.id", Int, 1, "This node's number, different for each.", minimum=0, aliases=("broker.id",)),
    fixed("broker.rack", Text, "", "Where this broker stands; replicas are spread over racks."),
    fixed(
        "cluster.id", Text, "", "The cluster to found or to join; made by the first controller when empty.", ours=True
    ),
]

NETWORK = [
    fixed(
        "listeners",
        ListInText,
        "PLAINTEXT://127.0.0.1:9092,CONTROLLER://127.0.0.1:9093",
        "Where to listen: NAME://host:port, comma between; host empty means every address.",
    ),
    fixed(
        "advertised.listeners",
        ListInText,
        "",
        "What clients and brokers are told to connect to, where it differs from `listeners`.",
    ),
    fixed("controller.listener.names", ListInText, "CONTROLLER", "Which listeners are the controller's."),
    fixed("inter.broker.listener.name", Text, "", "Which listener brokers use among themselves; else the first."),
    fixed(
        "controller.quorum.voters",
        CommaList,
        "",
        "The controllers: id@host:port, comma between.  Empty on a node that is both: itself alone.",
    ),
    fixed("controller.quorum.bootstrap.servers", CommaList, "", "Controllers to ask first: host:port."),
    fixed("socket.request.max.bytes", Int, 100 * 1024 * 1024, "The largest request that is read.", minimum=1),
    fixed("socket.listen.backlog.size", Int, 50, "Connections waiting to be accepted.", minimum=1),
    fixed("max.connections", Int, INT_MAX, "How many clients may be connected.", minimum=0),
    fixed("connections.max.idle.ms", Long, 600_000, "A connection this long without a request is closed."),
    fixed(
        "queued.max.request.bytes",
        Long,
        -1,
        "Memory for large requests while they are read, over all connections; -1 means 512 MiB.",
    ),
    fixed("num.replica.fetchers", Int, 1, "Connections to each leader that replicas are copied over.", minimum=1),
]

TOPICS = [
    fixed("num.partitions", Int, 1, "Partitions of a topic that does not say.", minimum=1),
    fixed("default.replication.factor", Int, 1, "Replicas of a topic that does not say.", minimum=1),
    dynamic("min.insync.replicas", Int, 1, "Replicas that must have a record before acks=all is answered.", minimum=1),
    fixed("auto.create.topics.enable", Boolean, "true", "Whether asking for a topic that is not there creates it."),
    fixed("delete.topic.enable", Boolean, "true", "Whether topics can be deleted."),
    dynamic("unclean.leader.election.enable", Boolean, "false", "Rather lose records than have no leader."),
    dynamic("message.max.bytes", Int, 1_048_588, "The largest batch that is taken, as sent.", minimum=0),
    dynamic(
        "compression.type",
        Choice,
        "producer",
        "How batches are stored; `producer`, as they come, is all this broker does.",
        choices=("uncompressed", "zstd", "lz4", "snappy", "gzip", "producer"),
    ),
    dynamic(
        "log.message.timestamp.type",
        Choice,
        "CreateTime",
        "Whether a record carries its producer's time or the broker's.",
        choices=("CreateTime", "LogAppendTime"),
    ),
    dynamic("log.message.timestamp.before.max.ms", Long, LONG_MAX, "How old a record may claim to be.", minimum=0),
    dynamic("log.message.timestamp.after.max.ms", Long, 3_600_000, "How far ahead it may be.", minimum=0),
    fixed("max.request.partition.size.limit", Int, 2000, "Partitions described in one answer.", minimum=1),
]

LOG = [
    fixed("log.dir", Text, "./data/kafka", "The folder of the data, unless log.dirs names several."),
    fixed("log.dirs", ListInText, "", "Folders of the data, comma between."),
    fixed("metadata.log.dir", Text, "", "The folder of the metadata log: another disk, perhaps."),
    dynamic("log.segment.bytes", Int, 2**30, "Size at which a new segment begins.", minimum=1_048_576, maximum=INT_MAX),
    dynamic("log.roll.ms", Or(Long), None, "Age at which a new segment begins; before log.roll.hours."),
    fixed("log.roll.hours", Int, 168, "The same in hours.", minimum=1),
    dynamic("log.roll.jitter.ms", Or(Long), None, "How much earlier, at random; before log.roll.jitter.hours."),
    fixed("log.roll.jitter.hours", Int, 0, "The same in hours.", minimum=0),
    dynamic(
        "log.retention.ms", Or(Long), None, "Age at which segments are deleted, -1 never; before minutes and hours."
    ),
    fixed("log.retention.minutes", Or(Int), None, "The same in minutes."),
    fixed("log.retention.hours", Int, 168, "The same in hours."),
    dynamic("log.retention.bytes", Long, -1, "Size of a partition at which its oldest segments go; -1 none."),
    fixed("log.retention.check.interval.ms", Long, 300_000, "How often to look.", minimum=1),
    dynamic("log.segment.delete.delay.ms", Long, 60_000, "How long a deleted file stays, renamed.", minimum=0),
    dynamic("log.index.interval.bytes", Int, 4096, "Bytes of log between two entries of an index.", minimum=0),
    dynamic("log.index.size.max.bytes", Int, 10 * 2**20, "Size of an index at which a new segment begins.", minimum=4),
    dynamic("log.flush.interval.messages", Long, LONG_MAX, "Records after which a partition is fsynced.", minimum=1),
    dynamic("log.flush.interval.ms", Or(Long), None, "Milliseconds after which it is; before the next."),
    fixed("log.flush.scheduler.interval.ms", Long, LONG_MAX, "The same."),
    fixed("log.flush.offset.checkpoint.interval.ms", Int, 60_000, "How often recovery points are kept.", minimum=0),
    dynamic("log.cleanup.policy", CommaList, "delete", "delete, compact, or both."),
    dynamic("log.cleaner.delete.retention.ms", Long, 86_400_000, "How long a tombstone stays.", minimum=0),
    dynamic("producer.id.expiration.ms", Int, 86_400_000, "How long a silent producer is remembered.", minimum=1),
    fixed("producer.id.expiration.check.interval.ms", Int, 600_000, "How often to look.", minimum=1, hidden=True),
]

REPLICATION = [
    fixed("replica.lag.time.max.ms", Long, 30_000, "A follower behind for this long leaves the in-sync set."),
    fixed("replica.fetch.max.bytes", Int, 1_048_576, "Bytes of one partition in a follower's fetch.", minimum=0),
    fixed("replica.fetch.response.max.bytes", Int, 10_485_760, "Bytes of a follower's fetch.", minimum=0),
    fixed("replica.fetch.min.bytes", Int, 1, "Bytes for which a follower's fetch waits."),
    fixed("replica.fetch.wait.max.ms", Int, 500, "How long it waits."),
    fixed("replica.fetch.backoff.ms", Int, 1000, "Pause of a partition that cannot be fetched.", minimum=0),
    fixed("replica.socket.timeout.ms", Int, 30_000, "How long to wait for another broker's answer."),
    fixed("replica.high.watermark.checkpoint.interval.ms", Long, 5000, "How often high watermarks are kept."),
    fixed("auto.leader.rebalance.enable", Boolean, "true", "Whether leaders go back to the preferred replica."),
    fixed("leader.imbalance.check.interval.seconds", Long, 300, "How often to look.", minimum=1),
    fixed("fetch.max.bytes", Int, 57_671_680, "Bytes of any fetch.", minimum=1024),
    fixed("max.incremental.fetch.session.cache.slots", Int, 1000, "Fetch sessions kept.", minimum=0),
]

CONTROLLER = [
    fixed("broker.heartbeat.interval.ms", Int, 500, "How often a broker says that it lives."),
    fixed("broker.session.timeout.ms", Int, 2500, "Silence after which it is fenced."),
    fixed("initial.broker.registration.timeout.ms", Int, 60_000, "How long a start may wait for a controller."),
    fixed("controlled.shutdown.enable", Boolean, "true", "Whether leaders move before a broker stops."),
    fixed("controller.quorum.election.timeout.ms", Int, 500, "Silence after which controllers elect anew.", minimum=0),
    fixed("controller.quorum.fetch.timeout.ms", Int, 2000, "How long a leader stays without a majority.", minimum=0),
    fixed("controller.quorum.request.timeout.ms", Int, 2000, "How long to wait for a controller's answer.", minimum=0),
    fixed("metadata.log.max.record.bytes.between.snapshots", Long, 20_971_520, "Bytes of metadata log.", minimum=1),
    fixed("metadata.log.max.snapshot.interval.ms", Long, 3_600_000, "Age of the newest snapshot.", minimum=0),
    fixed("request.timeout.ms", Int, 30_000, "How long an admin call waits for its effect."),
]

GROUPS = [
    fixed("group.initial.rebalance.delay.ms", Int, 3000, "How long a new group waits for more members."),
    fixed("group.min.session.timeout.ms", Int, 6000, "The shortest session a member may ask for."),
    fixed("group.max.session.timeout.ms", Int, 1_800_000, "The longest."),
    fixed("group.max.size", Int, INT_MAX, "Members of a group.", minimum=1),
    fixed("offset.metadata.max.bytes", Int, 4096, "Text that may be committed with an offset."),
    fixed("offsets.commit.timeout.ms", Int, 5000, "How long a commit waits for the replicas.", minimum=1),
    fixed("offsets.retention.minutes", Int, 10_080, "How long an empty group's offsets stay.", minimum=1),
    fixed("offsets.retention.check.interval.ms", Long, 600_000, "How often to look.", minimum=1),
    fixed("offsets.topic.num.partitions", Int, 50, "Partitions of __consumer_offsets.", minimum=1),
    fixed("offsets.topic.replication.factor", Short, 3, "Its replicas: 3, or 1 for a lone broker.", minimum=1),
    fixed("offsets.topic.segment.bytes", Int, 104_857_600, "Its segments.", minimum=1),
]


OPTIONS = Table(
    [
        *IDENTITY,
        *NETWORK,
        *TOPICS,
        *LOG,
        *REPLICATION,
        *CONTROLLER,
        *GROUPS,
        *SILENT_OPTIONS,
        *OUR_OPTIONS,
    ]
)

ASSUMED = ("process.roles", "node.id", "controller.listener.names")
"""What Kafka must be told and we take for granted: it counts as said."""


def given(settings: Settings) -> dict[str, str]:
    """What this node's file, environment and arguments say, by Kafka's names; not what is ours alone, and no null."""
    said = [settings.table.named[name.lower()] for name in {**dict.fromkeys(ASSUMED), **settings.where}]
    texts = {option.name: told(option.kind, getattr(settings, option.attribute)) for option in said if not option.ours}
    return {name: text for name, text in texts.items() if text is not None}


def defaults(table: Table) -> dict[str, str]:
    """What holds of Kafka's properties when nobody says anything; not where that is null."""
    listed = [option for option in table.options if not option.ours and option.name not in ASSUMED]
    texts = {option.name: told(option.kind, option.default) for option in listed}
    return {name: text for name, text in texts.items() if text is not None}
