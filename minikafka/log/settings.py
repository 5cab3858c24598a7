"""What a topic's settings say about its logs.  Names and defaults are those of Kafka's topic settings."""

from dataclasses import dataclass

FOREVER = (1 << 63) - 1


@dataclass(frozen=True)
class LogSettings:
    """Times in ms, sizes in bytes; -1 for retention without a limit."""

    segment_bytes: int = 1 << 30
    segment_ms: int = 7 * 24 * 3600 * 1000
    segment_jitter_ms: int = 0
    segment_index_bytes: int = 10 << 20  # of each index
    index_interval_bytes: int = 4096
    max_message_bytes: int = 1048588  # of a batch, as sent
    log_append_time: bool = False  # message.timestamp.type=LogAppendTime
    timestamp_before_max_ms: int = FOREVER  # message.timestamp.before.max.ms
    timestamp_after_max_ms: int = 3600 * 1000  # message.timestamp.after.max.ms
    codec: int | None = None  # compression.type; None is `producer`: as it came
    delete: bool = True  # cleanup.policy contains delete
    compact: bool = False  # cleanup.policy contains compact
    retention_ms: int = 7 * 24 * 3600 * 1000
    retention_bytes: int = -1
    file_delete_delay_ms: int = 60 * 1000
    producer_id_expiration_ms: int = 24 * 3600 * 1000  # a setting of the broker
