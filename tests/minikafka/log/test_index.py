"""The sparse indexes, on a disk of their own."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from minikafka.log.index import BadIndex, OffsetIndex, TimeIndex
from tests.minikafka.log.fixtures import disk

RISING = st.lists(st.integers(1, 50), min_size=1, max_size=40)


def offset_index(*entries: tuple[int, int], base_offset: int = 1000) -> OffsetIndex:
    index = OffsetIndex(disk(), "00000000000000001000.index", base_offset)
    index.start_afresh()
    for offset, position in entries:
        index.append(offset, position)
    return index


def time_index(*entries: tuple[int, int], base_offset: int = 1000) -> TimeIndex:
    index = TimeIndex(disk(), "00000000000000001000.timeindex", base_offset)
    index.start_afresh()
    for timestamp, offset in entries:
        index.append(timestamp, offset)
    return index


@pytest.mark.parametrize("finished", [False, True])
@settings(max_examples=40, deadline=None)
@given(steps=RISING)
def test_a_lookup_finds_the_nearest_entry_at_or_below(finished, steps):
    entries = [(1000 + sum(steps[: n + 1]), 100 * (n + 1)) for n in range(len(steps))]
    index = offset_index(*entries)
    if finished:
        index.finish()
    for offset in range(1000, entries[-1][0] + 3):
        assert index.lookup(offset) == max((position for last, position in entries if last <= offset), default=0)


def test_a_time_leads_to_where_everything_before_is_older():
    index = time_index((50, 1010), (60, 1020), (75, 1033))
    assert [index.lookup(timestamp) for timestamp in (0, 50, 51, 60, 61, 75, 76, 99)] == [
        1000, 1000, 1010, 1010, 1020, 1020, 1033, 1033,
    ]  # fmt: skip


def test_only_a_later_time_makes_an_entry():
    assert list(time_index((50, 1010), (50, 1020), (40, 1030), (51, 1040))) == [(50, 10), (51, 40)]


def test_the_files_are_kafkas():
    index = offset_index((1026, 4464), (1052, 9100))
    index.write()
    assert index._disk.read(index.path).hex() == "0000001a00001170" + "000000340000238c"
    times = time_index((1_000_000_000_137, 1019))
    times.write()
    assert times._disk.read(times.path).hex() == "000000e8d4a51089" + "00000013"


def test_writing_twice_appends_what_is_new():
    index = offset_index((1005, 100))
    assert index.write()
    assert not index.write()
    index.append(1010, 200)
    assert index.write()
    assert index._disk.size(index.path) == 16


def test_a_truncation_drops_the_entries_of_what_is_cut_off():
    index = offset_index((1005, 100), (1010, 200), (1015, 300))
    index.finish()
    index.truncate_to(1010)
    assert list(index) == [(5, 100)]
    index.finish()
    assert index._disk.size(index.path) == 8
    times = time_index((50, 1005), (60, 1010))
    times.truncate_to(1006)
    assert list(times) == [(50, 5)]


@pytest.mark.parametrize(
    "content",
    [
        "00000005 00000064 00000005 000000c8",
        "00000005 00000064 00000004 000000c8",
        "00000005 00010000",
        "00000005 ffffffff",
    ],
)
def test_entries_that_cannot_be_are_noticed(content):
    index = offset_index()
    index.write()
    file = index._disk.open(index.path, "a")
    file.append(bytes.fromhex(content))
    fresh = OffsetIndex(index._disk, index.path, 1000)
    with pytest.raises(BadIndex):
        fresh.check(log_size=1000)


def test_a_torn_entry_at_the_end_is_left_out():
    index = offset_index((1005, 100), (1010, 200))
    index.write()
    index._disk.open(index.path, "a").truncate(13)
    fresh = OffsetIndex(index._disk, index.path, 1000)
    assert (len(fresh), fresh.lookup(2000)) == (1, 100)
