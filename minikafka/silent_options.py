"""Properties that many a server.properties says and nothing here depends on: thread pools, buffers, things of later parts.

They are accepted, so that anyone's file starts this broker, and clients may ask for them and change them as in Kafka;
the log says once which lines of a file changed nothing.

Source: Apache Kafka 4.1.1, asked for each by DescribeConfigs.
"""

from __future__ import annotations

from typing import Any

from minikafka.kinds import Double, EmptyText, Int, Long, Or, Short
from minikafka.topic_options import as_of_topics
from serving.config import Option
from serving.kinds import Boolean, Choice, CommaList, Kind, Text

INT_MAX, LONG_MAX, DOUBLE_MAX = 2**31 - 1, 2**63 - 1, 1.7976931348623157e308
PROTOCOLS = ("PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL")
LISTENERS_NAMED_SO = "SASL_SSL:SASL_SSL,PLAINTEXT:PLAINTEXT,SSL:SSL,SASL_PLAINTEXT:SASL_PLAINTEXT"


def silent(name: str, kind: Kind | type[Kind], default: Any, mutable: bool = False, **more: Any) -> Option:
    """A row.  `mutable`: clients may change it."""
    return Option(name, kind, default, "", mutable=mutable, effect=False, check=as_of_topics(name), **more)


# fmt: off
THREADS = [
    silent("num.network.threads", Int, 3, mutable=True, minimum=1),
    silent("num.io.threads", Int, 8, mutable=True, minimum=1),
    silent("background.threads", Int, 10, mutable=True, minimum=1),
    silent("num.recovery.threads.per.data.dir", Int, 2, mutable=True, minimum=1),
    silent("num.replica.alter.log.dirs.threads", Or(Int), None),
    silent("group.coordinator.threads", Int, 4, minimum=1),
]

SOCKETS = [
    silent("socket.send.buffer.bytes", Int, 102_400),
    silent("socket.receive.buffer.bytes", Int, 102_400),
    silent("replica.socket.receive.buffer.bytes", Int, 65_536),
    silent("queued.max.requests", Int, 500, minimum=1),
    silent("connections.max.reauth.ms", Long, 0),
    silent("max.connections.per.ip", Int, INT_MAX, mutable=True, minimum=0),
    silent("max.connections.per.ip.overrides", EmptyText, "", mutable=True),
    silent("max.connection.creation.rate", Int, INT_MAX, mutable=True, minimum=0),
    silent("security.inter.broker.protocol", Choice, "PLAINTEXT", choices=PROTOCOLS),
    silent("listener.security.protocol.map", Text, LISTENERS_NAMED_SO, mutable=True),
    silent("authorizer.class.name", EmptyText, ""),
]

LOGS = [
    silent("log.cleaner.enable", Boolean, "true"),
    silent("log.cleaner.threads", Int, 1, mutable=True, minimum=0),
    silent("log.cleaner.dedupe.buffer.size", Long, 134_217_728, mutable=True),
    silent("log.cleaner.io.buffer.size", Int, 524_288, mutable=True, minimum=0),
    silent("log.cleaner.backoff.ms", Long, 15_000, mutable=True, minimum=0),
    silent("log.cleaner.io.buffer.load.factor", Double, 0.9, mutable=True),
    silent("log.cleaner.io.max.bytes.per.second", Double, DOUBLE_MAX, mutable=True),
    silent("log.cleaner.min.cleanable.ratio", Double, 0.5, mutable=True, minimum=0, maximum=1),
    silent("log.cleaner.min.compaction.lag.ms", Long, 0, mutable=True, minimum=0),
    silent("log.cleaner.max.compaction.lag.ms", Long, LONG_MAX, mutable=True, minimum=1),
    silent("log.preallocate", Boolean, "false", mutable=True),
    silent("log.flush.start.offset.checkpoint.interval.ms", Int, 60_000, minimum=0),
    silent("log.initial.task.delay.ms", Long, 30_000, hidden=True, minimum=0),
    silent("log.dir.failure.timeout.ms", Long, 30_000, minimum=1),
    silent("log.local.retention.ms", Long, -2, mutable=True, minimum=-2),
    silent("log.local.retention.bytes", Long, -2, mutable=True, minimum=-2),
    silent("compression.gzip.level", Int, -1, mutable=True),
    silent("compression.lz4.level", Int, 9, mutable=True, minimum=1, maximum=17),
    silent("compression.zstd.level", Int, 3, mutable=True, minimum=-131_072, maximum=22),
]

REPLICAS = [
    silent("replica.selector.class", Text, ""),
    silent("fetch.purgatory.purge.interval.requests", Int, 1_000),
    silent("producer.purgatory.purge.interval.requests", Int, 1_000),
    silent("delete.records.purgatory.purge.interval.requests", Int, 1),
]

TRANSACTIONS = [
    silent("transaction.state.log.replication.factor", Short, 3, minimum=1),
    silent("transaction.state.log.min.isr", Int, 2, minimum=1),
    silent("transaction.state.log.num.partitions", Int, 50, minimum=1),
    silent("transaction.state.log.segment.bytes", Int, 104_857_600, minimum=1),
    silent("transaction.max.timeout.ms", Int, 900_000, minimum=1),
    silent("transactional.id.expiration.ms", Int, 604_800_000, minimum=1),
    silent("transaction.abort.timed.out.transaction.cleanup.interval.ms", Int, 10_000, minimum=1),
    silent("transaction.remove.expired.transaction.cleanup.interval.ms", Int, 3_600_000, minimum=1),
    silent("transaction.partition.verification.enable", Boolean, "true", mutable=True),
]

CONTROLLER = [
    silent("controller.quorum.election.backoff.max.ms", Int, 1_000, minimum=0),
    silent("controller.quorum.retry.backoff.ms", Int, 20, minimum=0),
    silent("controller.quorum.append.linger.ms", Int, 25, minimum=0),
    silent("metadata.log.segment.bytes", Int, 1_073_741_824, minimum=8_388_608),
    silent("metadata.log.segment.ms", Long, 604_800_000),
    silent("metadata.max.retention.bytes", Long, 104_857_600),
    silent("metadata.max.retention.ms", Long, 604_800_000),
    silent("metadata.max.idle.interval.ms", Int, 500, minimum=0),
]

GROUPS = [
    silent("group.coordinator.append.linger.ms", Int, 5, minimum=0),
    silent("group.coordinator.rebalance.protocols", CommaList, "classic,consumer,streams"),
    silent("offsets.load.buffer.size", Int, 5_242_880, minimum=1),
    silent("offsets.topic.compression.codec", Int, 0),
    silent("group.consumer.session.timeout.ms", Int, 45_000, minimum=1),
    silent("group.consumer.heartbeat.interval.ms", Int, 5_000, minimum=1),
    silent("group.consumer.assignors", CommaList, "uniform,range"),
    silent("share.coordinator.state.topic.replication.factor", Short, 3, minimum=1),
    silent("share.coordinator.state.topic.min.isr", Short, 2, minimum=1),
]

METRICS = [
    silent("metric.reporters", CommaList, "org.apache.kafka.common.metrics.JmxReporter", mutable=True),
    silent("metrics.num.samples", Int, 2, minimum=1),
    silent("metrics.sample.window.ms", Long, 30_000, minimum=1),
    silent("metrics.recording.level", Choice, "INFO", choices=("INFO", "DEBUG", "TRACE")),
]

INTERNAL = [
    silent("unstable.api.versions.enable", Boolean, "false", hidden=True),
    silent("unstable.feature.versions.enable", Boolean, "false", hidden=True),
    silent("server.max.startup.time.ms", Long, LONG_MAX, hidden=True, minimum=0),
]
"""Kafka's own table has these, and keeps them to itself."""

GONE = [
    silent("zookeeper.connect", Text, "", hidden=True),
    silent("auto.include.jmx.reporter", Boolean, "true", hidden=True),
    silent("leader.imbalance.per.broker.percentage", Int, 10, hidden=True),
]
"""Kafka 4 has forgotten these; older files have not."""
# fmt: on

SILENT_OPTIONS = [
    *THREADS,
    *SOCKETS,
    *LOGS,
    *REPLICAS,
    *TRANSACTIONS,
    *CONTROLLER,
    *GROUPS,
    *METRICS,
    *INTERNAL,
    *GONE,
]
