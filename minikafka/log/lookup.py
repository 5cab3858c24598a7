"""From a time to an offset: what ListOffsets asks by timestamp.

The time index leads to an offset before which everything is older; from there headers are walked to the first batch whose
largest timestamp is not older, and only that one is opened, to find the record.

Source: Kafka's `LogSegment.java` findOffsetByTimestamp, `UnifiedLog.java` fetchOffsetByTimestamp; KIP-79, KIP-734.
"""

from collections.abc import Sequence
from typing import NamedTuple

from minikafka.log.segment import Segment
from minikafka.records.batch import Batch, read_records


class TimedOffset(NamedTuple):
    """A record's place, its time and the epoch of the leader that took it."""

    timestamp_ms: int
    offset: int
    leader_epoch: int


def offset_for_time(
    segments: Sequence[Segment], timestamp_ms: int, log_start_offset: int, up_to: int
) -> TimedOffset | None:
    """The first record at or behind the log's start, below `up_to`, that is not older than `timestamp_ms`."""
    for segment in segments:
        if segment.max_timestamp < timestamp_ms:
            continue
        start = max(segment.time_index.lookup(timestamp_ms), log_start_offset)
        for position, batch in segment.batches(segment.locate(start)):
            if batch.base_offset >= up_to:
                return None
            if batch.max_timestamp >= timestamp_ms and batch.last_offset >= log_start_offset:
                found = _record(segment, position, batch, timestamp_ms, log_start_offset)
                if found is not None:
                    return found if found.offset < up_to else None
    return None


def offset_of_max_timestamp(segments: Sequence[Segment], log_start_offset: int) -> TimedOffset | None:
    """The first record that has the largest timestamp of all."""
    largest = max(segments, key=lambda segment: segment.max_timestamp)
    if largest.max_timestamp < 0:
        return None
    for position, batch in largest.batches(largest.locate(max(largest.max_timestamp_offset, log_start_offset))):
        if batch.max_timestamp >= largest.max_timestamp:
            return _record(largest, position, batch, batch.max_timestamp, log_start_offset)
    return None


def _record(
    segment: Segment, position: int, batch: Batch, timestamp_ms: int, log_start_offset: int
) -> TimedOffset | None:
    """The first record of a batch that is not older.  A header that promises more than its records hold finds none."""
    if batch.is_log_append_time:
        return TimedOffset(batch.max_timestamp, max(batch.base_offset, log_start_offset), batch.leader_epoch)
    for record in read_records(segment.batch_bytes(position)):
        if record.timestamp_ms >= timestamp_ms and record.offset >= log_start_offset:
            return TimedOffset(record.timestamp_ms, record.offset, batch.leader_epoch)
    return None
