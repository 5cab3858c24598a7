"""The log: its positions, what may be cut, what is saved, and what a disk may look like after a crash."""

import pytest

from raft.log import Log, rooted
from raft.membership import Membership
from raft.messages import Entry, EntryKind, SavedState, Snapshot
from tests.raft.bench import entries

THREE = Membership.of(1, 2, 3)


def log(*terms: int, snapshot: Snapshot | None = None) -> Log:
    return Log(SavedState(snapshot=snapshot or Snapshot(membership=THREE), entries=entries(*terms)))


def terms(log: Log) -> list[int]:
    return [entry.term for entry in log.slice(log.first_index, log.last_index)]


@pytest.mark.parametrize(("index", "term"), [(0, 0), (1, 1), (3, 2), (4, None), (-1, None)])
def test_terms_are_known_from_the_base_to_the_end(index, term):
    assert log(1, 1, 2).term_at(index) == term


def test_a_batch_holds_what_fits_and_one_entry_at_least():
    full = log(1, 1, 1, 1)
    size = full.slice(1, 1)[0].size
    assert [len(full.batch(2, limit)) for limit in (1, size, 2 * size, 2 * size + 1, 100 * size)] == [1, 1, 2, 2, 3]
    assert full.batch(5, 100) == ()


@pytest.mark.parametrize(
    ("index", "term", "found"),
    [(9, 9, (6, 5)), (9, 4, (5, 3)), (4, 3, (4, 3)), (9, 2, (2, 1)), (1, 1, (1, 1)), (9, 0, (0, 0)), (0, 5, (0, 0))],
)
def test_the_last_entry_that_two_logs_can_share(index, term, found):
    assert log(1, 1, 3, 3, 3, 5).last_at_or_below(index, term) == found


def test_a_committed_entry_is_never_cut():
    full = log(1, 1)
    full.commit_to(2)
    with pytest.raises(AssertionError, match="entry 2 is committed"):
        full.merge(entries(2, first=2))


def test_what_is_not_there_is_not_committed():
    with pytest.raises(AssertionError, match="ends at 2"):
        log(1, 1).commit_to(3)


def test_the_newest_configuration_is_in_force_and_goes_with_its_entry():
    full = log(1)
    one, two = Membership.of(1, 2), Membership.of(1)
    full.append(Entry(2, 1, EntryKind.MEMBERSHIP, one.encode()))
    full.append(Entry(3, 1, EntryKind.MEMBERSHIP, two.encode()))
    assert [full.membership_at(index) for index in (1, 2, 3)] == [THREE, one, two]
    full.merge(entries(2, first=3))
    assert (full.membership, full.membership_index) == (one, 2)
    full.merge(entries(3, first=2))
    assert (full.membership, full.membership_index) == (THREE, 0)


# -- saving ---------------------------------------------------------------------------------------------------------------


def test_entries_are_handed_out_once_and_saved_when_their_write_is():
    full = log(1)
    full.merge(entries(1, 1, first=2))
    assert full.take(1) == entries(1, 1, first=2)
    full.merge(entries(1, first=4))
    assert full.take(2) == entries(1, first=4)
    assert full.take(3) == ()
    assert full.saved == 1
    full.was_saved(1)
    assert full.saved == 3
    full.was_saved(3)
    assert full.saved == 4


def test_entries_that_come_back_after_a_cut_are_not_saved_by_the_first_write():
    """The same (index, term) may return: the disk will hold the other entry in between."""
    full = log()
    full.merge(entries(1, 1))
    full.take(1)
    full.merge(entries(2, first=2))
    full.take(2)
    full.merge(entries(1, first=2))
    full.take(3)
    saved = []
    for number in (1, 2, 3):
        full.was_saved(number)
        saved.append(full.saved)
    assert saved == [1, 1, 2]


# -- compaction -----------------------------------------------------------------------------------------------------------


def test_compaction_keeps_a_tail_and_the_term_before_it():
    full = log(1, 2, 3, 4, 5)
    full.commit_to(4)
    full.compact(Snapshot(4, 4, THREE, b"state"), kept=2)
    assert (full.base_index, full.base_term, terms(full)) == (2, 2, [3, 4, 5])
    full.compact(Snapshot(4, 4, THREE, b"state"), kept=0)
    assert (full.base_index, full.base_term, terms(full)) == (4, 4, [5])


def test_a_snapshot_from_elsewhere_replaces_everything():
    full = log(1, 1, 1)
    full.append(Entry(4, 1, EntryKind.MEMBERSHIP, Membership.of(9).encode()))
    full.install(Snapshot(9, 3, THREE, b"state"))
    assert (full.first_index, full.last_index, full.last_term, full.committed) == (10, 9, 3, 9)
    assert full.membership == THREE


SNAPSHOT = Snapshot(3, 2, THREE, b"state")


@pytest.mark.parametrize(
    ("first", "stored", "base", "kept"),
    [
        (4, (2, 3), (3, 2), [2, 3]),  # cut exactly at the snapshot
        (1, (1, 1, 2, 2, 3), (1, 1), [1, 2, 2, 3]),  # the crash came before the cut, or a tail was kept
        (3, (2, 3), (3, 2), [3]),
        (1, (1, 1), (3, 2), []),  # the snapshot came from a leader, and the log does not reach it
        (1, (1, 1, 1, 1, 1), (3, 2), []),  # or has something else there
        (4, (), (3, 2), []),
    ],
)
def test_snapshot_and_log_may_have_been_saved_in_either_order(first, stored, base, kept):
    index, term, after = rooted(SavedState(snapshot=SNAPSHOT, entries=entries(*stored, first=first)))
    assert ((index, term), [entry.term for entry in after]) == (base, kept)


def test_a_gap_between_snapshot_and_log_is_not_accepted():
    with pytest.raises(AssertionError, match="no entry after the snapshot at 3"):
        rooted(SavedState(snapshot=SNAPSHOT, entries=entries(2, first=5)))
