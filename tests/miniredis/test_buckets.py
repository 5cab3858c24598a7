"""The index of keys: what a scan promises, and that a pick is random."""

from collections import Counter
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from miniredis.buckets import Buckets


def key(number: int) -> bytes:
    return b"key:%d" % number


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32), st.integers(0, 3000), st.integers(0, 3000), st.integers(0, 2000))
def test_a_scan_returns_every_key_that_is_there_from_its_beginning_to_its_end(seed, stay, come, go):
    """The guarantee of SCAN, while the table grows and shrinks between any two calls."""
    random = Random(seed)
    buckets = Buckets(seed)
    staying = {key(number) for number in range(stay)}
    going = [b"going:%d" % number for number in range(go)]
    coming = [b"coming:%d" % number for number in range(come)]
    for one in [*staying, *going]:
        buckets.add(one)
    cursor, seen = buckets.scan(0)
    found = set(seen)
    for _ in range(100_000):
        if not cursor:
            break
        for _ in range(random.randrange(40)):
            if coming and random.random() < 0.5:
                buckets.add(coming.pop())
            elif going:
                buckets.discard(going.pop())
        cursor, seen = buckets.scan(cursor)
        found.update(seen)
    assert cursor == 0
    assert found >= staying


def test_no_bucket_grows_long():
    buckets = Buckets(1)
    for number in range(20_000):
        buckets.add(key(number))
    assert max(map(len, buckets._buckets)) < 60
    for number in range(19_990):
        buckets.discard(key(number))
    assert len(buckets) == 10
    assert len(buckets._buckets) < 30


def test_every_key_is_picked_about_as_often():
    buckets = Buckets(1)
    for number in range(50):
        buckets.add(key(number))
    random = Random(3)
    picks = Counter(buckets.pick(random) for _ in range(50_000))
    assert len(picks) == 50
    assert max(picks.values()) < 5 * min(picks.values())
