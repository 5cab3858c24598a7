from dataclasses import replace

import pytest

from minikafka.log.retention import SegmentFacts, deletable
from minikafka.log.settings import LogSettings

KEEP = LogSettings(retention_ms=-1, retention_bytes=-1)
NOW = 10_000
SEGMENTS = [
    SegmentFacts(100, 1_000, 10, False),
    SegmentFacts(100, 3_000, 20, False),
    SegmentFacts(100, 2_000, 30, False),
    SegmentFacts(50, 9_000, 35, True),
]


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        (KEEP, 0),
        (replace(KEEP, retention_ms=8_999), 1),
        (replace(KEEP, retention_ms=9_000), 0),
        (replace(KEEP, retention_ms=7_000), 1),
        (replace(KEEP, retention_ms=6_999), 3),
        (replace(KEEP, retention_ms=0), 4),
        (replace(KEEP, retention_bytes=350), 0),
        (replace(KEEP, retention_bytes=251), 0),
        (replace(KEEP, retention_bytes=250), 1),
        (replace(KEEP, retention_bytes=100), 2),
        (replace(KEEP, retention_bytes=0), 4),
        (replace(KEEP, retention_ms=0, delete=False), 0),
    ],
)
def test_the_oldest_go_by_time_and_size(settings, expected):
    assert deletable(SEGMENTS, settings, 0, 35, NOW) == expected


@pytest.mark.parametrize(("high_watermark", "expected"), [(0, 0), (19, 1), (20, 2), (34, 3), (35, 4)])
def test_nothing_at_or_above_the_high_watermark_goes(high_watermark, expected):
    assert deletable(SEGMENTS, replace(KEEP, retention_ms=0), 0, high_watermark, NOW) == expected


@pytest.mark.parametrize(("start", "expected"), [(0, 0), (9, 0), (10, 1), (25, 2), (35, 3)])
def test_what_lies_below_the_start_goes_even_on_compacted_topics(start, expected):
    assert deletable(SEGMENTS, replace(KEEP, delete=False), start, 35, NOW) == expected


def test_an_empty_active_segment_stays():
    assert deletable([SegmentFacts(0, 0, 0, True)], replace(KEEP, retention_ms=0), 0, 0, NOW) == 0
