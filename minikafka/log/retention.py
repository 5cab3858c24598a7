"""Which segments may be forgotten.  Pure: sizes, times and offsets in, a count out.

    by start   all of it lies below the log's start, which DeleteRecords or retention raised
    by time    its largest timestamp is older than `retention.ms`
    by size    without it the log still holds at least `retention.bytes`

Only from the oldest on, without gaps, and nothing at or above the high watermark.  By time even the active segment goes
(it is rolled first): records written with old timestamps are gone at the next check, as many a test has found out.

Source: Kafka's `UnifiedLog.java`, deleteOldSegments.
"""

from collections.abc import Callable, Sequence
from typing import NamedTuple

from minikafka.log.settings import LogSettings


class SegmentFacts(NamedTuple):
    """What retention needs to know of a segment."""

    size: int  # bytes
    max_timestamp: int  # ms; when it was last written, if no record has one
    end_offset: int  # the base offset of the next; of the active one, the log's end
    active: bool


def deletable(
    segments: Sequence[SegmentFacts], settings: LogSettings, log_start_offset: int, high_watermark: int, now_ms: int
) -> int:
    """How many segments, counted from the oldest, may go."""
    count = _below(segments, lambda segment: not segment.active and segment.end_offset <= log_start_offset)
    if settings.delete:
        may_go = [segment for segment in segments if segment.end_offset <= high_watermark and segment.size]
        if settings.retention_ms >= 0:
            count = max(count, _below(may_go, lambda segment: now_ms - segment.max_timestamp > settings.retention_ms))
        if settings.retention_bytes >= 0:
            count = max(count, _by_size(may_go, sum(segment.size for segment in segments) - settings.retention_bytes))
    return count


def _by_size(segments: Sequence[SegmentFacts], surplus: int) -> int:
    count = 0
    for segment in segments:
        surplus -= segment.size
        if surplus < 0:
            break
        count += 1
    return count


def _below(segments: Sequence[SegmentFacts], may_go: Callable[[SegmentFacts], bool]) -> int:
    count = 0
    for segment in segments:
        if not may_go(segment):
            break
        count += 1
    return count
