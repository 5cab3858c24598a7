"""What a node finds again, through every kind of death."""

import asyncio
from random import Random

import pytest

from durable.journal import CorruptJournal
from raft.membership import Membership
from raft.messages import Entry, EntryKind, HardState, SavedState, Snapshot
from raft.storage import Store, Unreadable
from simulation.disk import SimulatedDisk
from simulation.world import World

FOUNDERS = Membership.of(1, 2, 3)


def entry(index, term, data=b"x"):
    return Entry(index, term, EntryKind.COMMAND, data)


def log(*terms, first=1):
    return tuple(entry(index, term) for index, term in enumerate(terms, first))


def snapshot(index, term, data=b"state"):
    return Snapshot(index, term, FOUNDERS, data)


def found(disk, group=0, **options):
    return Store(disk, "raft", **options).group(group).take()


def on_disk(scenario, seed=1):
    """Run it on a simulated host, where fsyncs can be awaited; returns its disk, after a power failure."""

    async def software(host):
        await scenario(host.disk)

    async def run(world):
        await world.start("a", software).main
        world.power_loss("a")
        return world.host("a").disk

    return World(seed).run(run)


@pytest.fixture
def disk():
    return SimulatedDisk(Random(1))


def test_nothing_is_found_on_a_new_disk(disk):
    store = Store(disk, "raft")
    assert (store.groups(), store.group(0).is_new, store.group(0).take()) == ([], True, SavedState())


def test_a_founding_membership_is_there_even_if_nothing_else_ever_was(disk):
    group = Store(disk, "raft").group(0)
    group.found(FOUNDERS)
    assert group.take() == SavedState.founding(FOUNDERS)
    disk.power_loss()
    assert found(disk) == SavedState.founding(FOUNDERS)
    assert not Store(disk, "raft").group(0).is_new


def test_entries_and_the_newest_state_come_back(disk):
    store = Store(disk, "raft")
    store.group(0).save(HardState(1, 2, 0), log(1, 1))
    store.group(0).save(HardState(2, None, 1), log(2, first=3))
    store.group(0).save(None, log(2, first=4))
    store.journal.sync_now()
    disk.power_loss()
    assert found(disk) == SavedState(HardState(2, None, 1), Snapshot(), log(1, 1, 2, 2))


def test_entries_replace_all_from_their_first_index_on(disk):
    """[R] §5.3: a follower deletes the existing entry that conflicts, and all that follow it."""
    store = Store(disk, "raft")
    store.group(0).save(None, log(1, 1, 1, 1, 1))
    store.group(0).save(None, log(2, first=3))
    assert found(disk).entries == log(1, 1, 2)


def test_groups_do_not_see_each_other(disk):
    store = Store(disk, "raft")
    store.group(7).save(HardState(1, 1, 0), log(1))
    store.group(9).save(HardState(5, None, 2), log(5, 5))
    store = Store(disk, "raft")
    assert store.groups() == [7, 9]
    assert store.group(7).take() == SavedState(HardState(1, 1, 0), Snapshot(), log(1))
    assert store.group(9).take() == SavedState(HardState(5, None, 2), Snapshot(), log(5, 5))


def test_one_fsync_serves_every_group_that_asks():
    told = []

    async def scenario(disk):
        store = Store(disk, "raft")
        before = store.journal.syncs
        done = asyncio.get_running_loop().create_future()
        for group in range(20):
            store.group(group).save(None, log(1))
            store.when_durable(lambda group=group: told.append(group) or (group == 19 and done.set_result(None)))
        await done
        assert (told, store.journal.syncs - before) == (list(range(20)), 2)

    on_disk(scenario)


def test_what_follows_a_snapshot_is_kept(disk):
    """[R] figure 13, step 6: an entry with the snapshot's last index and term, retain what follows it."""

    async def scenario(disk):
        store = Store(disk, "raft")
        store.group(0).save(None, log(1, 1, 2, 2))
        await store.group(0).save_snapshot(snapshot(3, 2))
        store.group(0).save(None, log(2, first=5))
        store.journal.sync_now()

    assert found(on_disk(scenario)) == SavedState(HardState(), snapshot(3, 2), log(2, 2, first=4))


def test_a_snapshot_of_another_history_takes_the_place_of_the_whole_log():
    """Step 7; and what is appended after it continues the snapshot, not the log that stood before."""

    async def scenario(disk):
        store = Store(disk, "raft")
        store.group(0).save(None, log(1, 1, 1, 1, 1, 1))
        await store.group(0).save_snapshot(snapshot(4, 3))
        store.group(0).save(None, log(3, first=5))
        store.journal.sync_now()

    assert found(on_disk(scenario)) == SavedState(HardState(), snapshot(4, 3), log(3, first=5))


@pytest.mark.parametrize("own_term, kept", [(2, log(2, first=3)), (1, ())])
def test_a_crash_between_the_file_and_its_record_is_fine(own_term, kept):
    async def scenario(disk):
        store = Store(disk, "raft")
        store.group(0).save(None, (*log(1), entry(2, own_term), entry(3, 2)))
        store.journal.sync_now()
        store.write = lambda *record: (_ for _ in ()).throw(OSError("here it dies"))
        with pytest.raises(OSError):
            await store.group(0).save_snapshot(snapshot(2, 2))

    disk = on_disk(scenario)
    assert found(disk) == SavedState(HardState(), snapshot(2, 2), kept)
    Store(disk, "raft").group(0).save(None, log(2, first=3))
    assert found(disk) == SavedState(HardState(), snapshot(2, 2), log(2, first=3))


def test_a_snapshot_far_ahead_whose_record_was_lost_is_continued_all_the_same():
    """Found by seed 10626: the file was durable, its record was not; entry 11 then followed entry 3 in the journal."""

    async def scenario(disk):
        store = Store(disk, "raft")
        store.group(0).save(None, log(1, 1, 1))
        store.journal.sync_now()
        store.write = lambda *record: (_ for _ in ()).throw(OSError("here it dies"))
        with pytest.raises(OSError):
            await store.group(0).save_snapshot(snapshot(10, 2))

    disk = on_disk(scenario)
    Store(disk, "raft").group(0).save(None, log(2, first=11))
    assert found(disk) == SavedState(HardState(), snapshot(10, 2), log(2, first=11))


@pytest.mark.parametrize("seed", range(60))
def test_whatever_the_power_takes_a_prefix_of_what_was_saved_is_found(seed):
    """Entries, overwritten tails, snapshots of both kinds, in segments so small that they are dropped all the time."""
    random = Random(seed)
    histories = []  # what would be found after each save
    durable = 0  # how many of them are sure

    async def scenario(disk):
        nonlocal durable
        store = Store(disk, "raft", segment_bytes=150)
        group, other = store.group(0), store.group(1)
        other.save(HardState(9, 1, 0), ())
        term, start, terms = 1, (0, 0), []
        state = HardState()
        for _ in range(40):
            choice = random.random()
            if choice < 0.5:
                terms.append(term)
                state = HardState(term, None, 0)
                group.save(state, [entry(start[0] + len(terms), term)])
            elif choice < 0.65 and terms:
                term += 1
                del terms[random.randrange(len(terms)) :]
                terms.append(term)
                group.save(None, [entry(start[0] + len(terms), term)])
            elif choice < 0.8 and terms:
                count = random.randint(1, len(terms))
                start, terms = (start[0] + count, terms[count - 1]), terms[count:]
                await group.save_snapshot(snapshot(*start))
                durable = max(durable, len(histories))
                store.collect()
            elif choice < 0.85:
                term += 1
                start, terms = (start[0] + len(terms) + 3, term), []
                await group.save_snapshot(snapshot(*start))
                durable = max(durable, len(histories))
            elif choice < 0.95:
                store.journal.sync_now()
                durable = len(histories)
            else:
                continue
            here = Snapshot() if start == (0, 0) else snapshot(*start)
            histories.append(SavedState(state, here, log(*terms, first=start[0] + 1)))

    disk = on_disk(scenario, seed)
    saved = found(disk)
    candidates = [SavedState(), *histories][durable:]
    same_log = [each for each in candidates if (each.snapshot, each.entries) == (saved.snapshot, saved.entries)]
    assert same_log, (saved, candidates)
    assert found(disk, group=1).hard_state in (HardState(9, 1, 0), HardState())


def test_segments_that_nobody_needs_are_dropped_and_silent_groups_pin_none():
    async def scenario(disk):
        store = Store(disk, "raft", segment_bytes=500)
        store.group(1).save(HardState(4, 2, 0), ())
        for index in range(1, 101):
            store.group(0).save(HardState(1, 1, index - 1), log(1, first=index))
            store.journal.sync_now()
            if index % 20 == 0:
                await store.group(0).save_snapshot(snapshot(index, 1))
                store.collect()
                store.journal.sync_now()
        await asyncio.sleep(0)
        assert store.journal.start > 2000
        assert len(store.journal.segments) <= 3

    disk = on_disk(scenario)
    assert found(disk).snapshot == snapshot(100, 1)
    assert found(disk, group=1) == SavedState(HardState(4, 2, 0))
    assert len(disk.listdir("raft/snapshots")) <= 2


def test_an_old_mark_behind_which_older_segments_are_gone_clears_nothing():
    async def scenario(disk):
        store = Store(disk, "raft", segment_bytes=100)
        for first in (1, 6):
            store.group(0).save(None, log(1, 1, 1, 1, 1, first=first))
            store.journal.sync_now()
        store.group(0).save(None, [entry(11, 1)])
        store.group(0).save(None, log(1, first=12))
        await store.group(0).save_snapshot(snapshot(2, 1))
        await store.group(0).save_snapshot(snapshot(10, 1))
        store.journal.sync_now()
        store.group(0).save(None, log(1, first=13))
        store.collect()
        await asyncio.sleep(5)
        assert store.journal.start > 0

    assert found(on_disk(scenario)) == SavedState(HardState(), snapshot(10, 1), (entry(11, 1), *log(1, 1, first=12)))


def test_a_log_that_is_not_compacted_pins_its_segments():
    async def scenario(disk):
        store = Store(disk, "raft", segment_bytes=200)
        store.group(1).save(None, log(1))
        for index in range(1, 31):
            store.group(0).save(None, log(1, first=index))
            store.journal.sync_now()
        await store.group(0).save_snapshot(snapshot(30, 1))
        store.collect()
        assert store.journal.start == 0

    assert found(on_disk(scenario), group=1).entries == log(1)


def test_a_missing_snapshot_is_an_error_and_not_an_empty_table(disk):
    def lost(disk):
        for name in disk.listdir("raft/snapshots"):
            disk.unlink(f"raft/snapshots/{name}")

    async def scenario(disk):
        store = Store(disk, "raft")
        store.group(0).save(None, log(1, 1))
        await store.group(0).save_snapshot(snapshot(2, 1))
        store.journal.sync_now()

    disk = on_disk(scenario)
    lost(disk)
    with pytest.raises(Unreadable):
        Store(disk, "raft")


def test_a_damaged_snapshot_is_an_error():
    async def scenario(disk):
        await Store(disk, "raft").group(0).save_snapshot(snapshot(2, 1))

    disk = on_disk(scenario)
    (name,) = disk.listdir("raft/snapshots")
    content = bytearray(disk.read(f"raft/snapshots/{name}"))
    content[-3] ^= 1
    disk.open(f"raft/snapshots/{name}", "w").append(content)
    with pytest.raises(CorruptJournal):
        Store(disk, "raft")
