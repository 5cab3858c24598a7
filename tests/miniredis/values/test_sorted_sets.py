"""Order, ranks and ranges, against a plain sorted list; both structures inside."""

from math import inf
from random import Random

import pytest
from sortedcontainers import SortedList

from miniredis.values.sorted_sets import PLAIN_MAX, LexBound, LexRange, ScoreRange, SortedSet

FIRST, LAST = LexBound(-1), LexBound(1)


def members(stored: SortedSet, positions: tuple[int, int]) -> list[bytes]:
    start, stop = positions
    return [member for _, member in stored.order[start:stop]] if start < stop else []


@pytest.mark.parametrize("size", [50, PLAIN_MAX + 500])
def test_it_stays_in_order_whatever_is_done_to_it(size):
    random, stored, twin = Random(size), SortedSet(), {}
    for _ in range(3 * size):
        member, score = b"m%d" % random.randrange(2 * size), float(random.randrange(9))
        if random.random() < 0.3:
            assert stored.remove(member) == (twin.pop(member, None) is not None)
        else:
            stored.set(member, score)
            twin[member] = score
    assert stored.scores == twin
    assert list(stored.order) == sorted((score, member) for member, score in twin.items())
    assert stored.rank(max(twin)) == list(stored.order).index((twin[max(twin)], max(twin)))


def test_a_large_one_changes_its_structure():
    stored = SortedSet((b"%d" % number, 1.0) for number in range(PLAIN_MAX))
    assert type(stored.order) is list
    stored.add(b"one more", 1.0)
    assert type(stored.order) is SortedList
    assert len(stored.order) == PLAIN_MAX + 1


def test_equal_scores_are_ordered_by_the_bytes_of_members():
    stored = SortedSet([(b"b", 1), (b"a\x00", 1), (b"", 1), (b"\xff", 1), (b"a", 1)])
    assert [member for _, member in stored.order] == [b"", b"a", b"a\x00", b"b", b"\xff"]


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        (ScoreRange(-inf, inf), [b"l", b"a", b"b", b"c", b"h"]),
        (ScoreRange(-inf, inf, True, True), [b"a", b"b", b"c"]),
        (ScoreRange(1, 2), [b"a", b"b", b"c"]),
        (ScoreRange(1, 2, low_open=True), [b"c"]),
        (ScoreRange(1, 2, high_open=True), [b"a", b"b"]),
        (ScoreRange(2, 1), []),
        (ScoreRange(1, 1, True), []),
        (ScoreRange(inf, inf), [b"h"]),
        (ScoreRange(inf, inf, True), []),
    ],
)
def test_a_range_of_scores(wanted, found):
    stored = SortedSet([(b"a", 1), (b"b", 1), (b"c", 2), (b"l", -inf), (b"h", inf)])
    assert members(stored, stored.slice_by_score(wanted)) == found


@pytest.mark.parametrize(
    ("low", "high", "found"),
    [
        (FIRST, LAST, [b"a", b"aa", b"b", b"c"]),
        (LexBound(0, b"a", False), LexBound(0, b"b", False), [b"a", b"aa", b"b"]),
        (LexBound(0, b"a"), LexBound(0, b"b"), [b"aa"]),
        (LexBound(0, b"a"), LAST, [b"aa", b"b", b"c"]),
        (LAST, FIRST, []),
        (LexBound(0, b"b"), LexBound(0, b"b", False), []),
        (FIRST, FIRST, []),
    ],
)
def test_a_range_of_members_where_scores_are_equal(low, high, found):
    stored = SortedSet([(b"b", 0), (b"aa", 0), (b"c", 0), (b"a", 0)])
    assert members(stored, stored.slice_by_member(LexRange(low, high))) == found


def test_where_scores_differ_a_range_of_members_is_read_as_a_listpack_is():
    """Only the farther bound ends the reading; once it has begun, the nearer one is asked no more."""
    stored = SortedSet([(b"a", 1), (b"d", 2), (b"b", 3)])
    wanted = LexRange(LexBound(0, b"a", False), LexBound(0, b"c", False))
    assert members(stored, stored.slice_by_member(wanted)) == [b"a"]
    assert members(stored, stored.slice_by_member(wanted, backward=True)) == [b"a", b"d", b"b"]


def test_the_index_for_scans_follows_every_change():
    stored = SortedSet((b"%d" % number, 1.0) for number in range(100))
    index = stored.members_index(7)
    stored.remove(b"5")
    stored.add(b"new", 3.0)
    stored.remove_slice(0, 10)
    found, cursor = set(), 0
    while True:
        cursor, names = index.scan(cursor)
        found.update(names)
        if not cursor:
            break
    assert found == set(stored.scores)


def test_a_listpack_knows_no_minus_zero():
    """It writes whole numbers as integers."""
    stored = SortedSet()
    stored.add(b"a", -0.0)
    assert str(stored.scores[b"a"]) == "0.0"
    stored.encoding = "skiplist"
    stored.add(b"b", -0.0)
    assert str(stored.scores[b"b"]) == "-0.0"
