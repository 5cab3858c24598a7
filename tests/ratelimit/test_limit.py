"""How limits are written, and which cannot be."""

import pytest

from ratelimit import Limit, LimitError
from ratelimit.limit import DAY_MS, MINUTE_MS


@pytest.mark.parametrize(
    ("text", "limit"),
    [
        ("3 per minute", Limit(3, MINUTE_MS)),
        ("10/s", Limit(10, 1000)),
        ("10 / sec", Limit(10, 1000)),
        ("100 per 15 minutes burst 20", Limit(100, 15 * MINUTE_MS, 20)),
        ("5000/day", Limit(5000, DAY_MS)),
        ("7 per 250 ms", Limit(7, 250)),
        ("0 per hour", Limit(0, 60 * MINUTE_MS)),
        ("1 PER WEEK", Limit(1, 7 * DAY_MS)),
    ],
)
def test_a_limit_reads_as_it_is_said(text, limit):
    assert Limit.parse(text) == limit


@pytest.mark.parametrize(
    "text", ["", "3", "3 per", "per minute", "3 per fortnight", "-1/s", "1.5/s", "3/s burst", "3/0 s"]
)
def test_what_is_no_limit_is_refused(text):
    with pytest.raises(LimitError):
        Limit.parse(text)


def test_a_limit_says_itself_again():
    for text in ("3 per minute", "100 per 15 minutes burst 20", "7 per 250 ms", "5000 per day"):
        assert str(Limit.parse(text)) == text


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ({"algorithm": "fixed_window", "burst": 3}, "fixed_window has no burst"),
        ({"log_denied": True}, "gcra has no log_denied"),
        ({"algorithm": "gcra", "aligned": False}, "gcra has no aligned"),
        ({"algorithm": "leaky"}, "unknown algorithm 'leaky'"),
        ({"burst": 0}, "a burst of 0"),
        ({"algorithm": "sliding_window_counter", "rounding": "up"}, "rounding 'up'"),
    ],
)
def test_options_that_mean_nothing_are_errors(options, complaint):
    with pytest.raises(LimitError, match=complaint):
        Limit(3, 1000, **options)


def test_what_a_double_cannot_count_is_a_configuration_error():
    Limit(50_000_000, DAY_MS)
    with pytest.raises(LimitError, match="exactly"):
        Limit(60_000_000, DAY_MS)


def test_a_fingerprint_differs_whenever_decisions_would():
    limits = [
        Limit(3, 1000), Limit(4, 1000), Limit(3, 1001), Limit(3, 1000, 5), Limit(3, 1000, start_full=False),
        Limit(3, 1000, algorithm="fixed_window"), Limit(3, 1000, algorithm="fixed_window", aligned=False),
    ]  # fmt: skip
    assert len({limit.fingerprint for limit in limits}) == len(limits)
    assert Limit(3, 1000, 3).fingerprint == Limit(3, 1000).fingerprint == "gcra:3/1000:3"
