"""From the names of Kafka's topic settings to what a log and a partition need to know.

Source: Kafka `LogConfig`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, partial

from minikafka.effective import Effective
from minikafka.log.settings import LogSettings
from minikafka.records.compression import Codec

FOREVER = 2**63 - 1
AS_PRODUCED = "producer"
CODECS = {
    "uncompressed": Codec.NONE,
    "gzip": Codec.GZIP,
    "snappy": Codec.SNAPPY,
    "lz4": Codec.LZ4,
    "zstd": Codec.ZSTD,
}


@dataclass(frozen=True)
class PartitionSettings:
    """What a partition needs beside its log.

    flush_messages, flush_ms   records and milliseconds after which the log is fsynced
    """

    min_isr: int
    flush_messages: int
    flush_ms: int


def log_settings_of(effective: Effective, topic: str) -> LogSettings:
    """What the logs of `topic` are to do."""

    def value(name: str) -> int:
        return int(effective.topic_value(topic, name))

    cleanup = effective.topic_value(topic, "cleanup.policy")
    codec = effective.topic_value(topic, "compression.type")
    return LogSettings(
        segment_bytes=value("segment.bytes"),
        segment_ms=value("segment.ms"),
        segment_jitter_ms=value("segment.jitter.ms"),
        segment_index_bytes=value("segment.index.bytes"),
        index_interval_bytes=value("index.interval.bytes"),
        max_message_bytes=value("max.message.bytes"),
        log_append_time=effective.topic_value(topic, "message.timestamp.type") == "LogAppendTime",
        timestamp_before_max_ms=value("message.timestamp.before.max.ms"),
        timestamp_after_max_ms=value("message.timestamp.after.max.ms"),
        codec=None if codec == AS_PRODUCED else CODECS[codec],
        delete="delete" in cleanup,
        compact="compact" in cleanup,
        retention_ms=value("retention.ms"),
        retention_bytes=value("retention.bytes"),
        file_delete_delay_ms=value("file.delete.delay.ms"),
        producer_id_expiration_ms=effective.broker_value("producer.id.expiration.ms"),
    )


def partition_settings_of(effective: Effective, topic: str) -> PartitionSettings:
    """What partitions of `topic` are to do."""
    return PartitionSettings(
        min_isr=int(effective.topic_value(topic, "min.insync.replicas")),
        flush_messages=int(effective.topic_value(topic, "flush.messages")),
        flush_ms=int(effective.topic_value(topic, "flush.ms")),
    )


class TopicSettings:
    """Both kinds, as they are now, each topic's read once: its partitions are many."""

    def __init__(self, effective: Effective) -> None:
        self.of_log = cache(partial(log_settings_of, effective))
        self.of_partition = cache(partial(partition_settings_of, effective))
