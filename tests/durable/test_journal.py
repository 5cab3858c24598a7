"""Records that survive, tails that are cut, and damage that is not mistaken for a tail."""

import errno
from random import Random

import pytest

from durable.journal import HEADER, MAGIC, SECTOR, CorruptJournal, Journal, encode_record
from durable.real_disk import RealDisk
from simulation.disk import DiskOptions, SimulatedDisk

FIRST = "j/" + "0" * 20 + ".journal"


def opened(disk, folder="j", **options):
    found = []
    journal = Journal(disk, folder, replay=lambda position, data: found.append(data), **options)
    return journal, found


def rewrite(disk, path, content):
    file = disk.open(path, "w")
    file.append(content)
    file.fsync_now()
    file.close()


@pytest.fixture
def disk():
    return SimulatedDisk(Random(1))


def test_what_was_appended_is_replayed_in_order(tmp_path):
    journal, found = opened(RealDisk(), str(tmp_path / "j"))
    assert found == []
    journal.append([b"one", b"", b"three"])
    journal.append([b"4" * 100_000])
    journal.close()
    assert opened(RealDisk(), str(tmp_path / "j"))[1] == [b"one", b"", b"three", b"4" * 100_000]


def test_the_bytes_on_disk(disk):
    journal, _ = opened(disk)
    journal.append([b"abc"])
    assert disk.read(FIRST).hex(" ") == (
        "6d 69 6e 69 2d 6a 6f 75 72 6e 61 6c 20 31 0a 03 00 00 00 b7 3f 4b 36 ee 3e 6c bf 61 62 63"
    )


async def test_durable_is_a_position_and_is_told_once_for_all(tmp_path):
    import asyncio

    told, done = [], asyncio.Event()
    disk = RealDisk()
    journal, _ = opened(disk, str(tmp_path / "j"), on_durable=lambda position: (told.append(position), done.set()))
    start = journal.durable
    journal.append([b"abc"])
    journal.append([b"defg"])
    assert (journal.durable, journal.written) == (start, start + 2 * HEADER.size + 7)
    journal.sync()
    await done.wait()
    assert (told, journal.durable, journal.syncs) == ([journal.written], journal.written, 1)
    journal.close()
    disk.close()


@pytest.mark.parametrize("seed", range(40))
def test_after_a_power_failure_stands_a_prefix_that_holds_all_that_was_synced(seed):
    """Over several lives, in segments so small that they roll all the time."""
    random = Random(seed)
    disk = SimulatedDisk(random, DiskOptions())
    promised, appended = [], []
    for _ in range(6):
        journal, found = opened(disk, segment_bytes=200)
        assert found[: len(promised)] == promised
        assert found == appended[: len(found)]
        promised, appended = list(found), list(found)
        for _ in range(random.randint(0, 30)):
            batch = [random.randbytes(random.randint(0, 60)) for _ in range(random.randint(1, 3))]
            appended += batch
            journal.append(batch)
            if random.random() < 0.4:
                journal.sync_now()
                promised = list(appended)
        disk.power_loss() if random.random() < 0.7 else disk.crash()


@pytest.mark.parametrize("seed", range(40))
def test_what_was_once_replayed_stays(seed):
    """A process that is killed leaves records in the page cache: who reads them may tell others, so they must be durable."""
    disk = SimulatedDisk(Random(seed))
    journal, _ = opened(disk)
    journal.append([b"a" * 700, b"b" * 700])
    disk.crash()
    found = opened(disk)[1]
    disk.power_loss()
    assert opened(disk)[1] == found == [b"a" * 700, b"b" * 700]


@pytest.mark.parametrize("seed", range(20))
def test_what_a_failed_fsync_lost_is_never_promised_later(seed):
    """The page cache shows it, the next fsync succeeds, and it is not on the platter (fsyncgate)."""
    disk = SimulatedDisk(Random(seed))
    journal, _ = opened(disk)
    journal.append([b"a" * 700])
    disk.fail_next("fsync")
    with pytest.raises(OSError):
        journal.sync_now()
    assert journal.broken
    with pytest.raises(OSError):
        journal.append([b"c"])
    disk.crash()
    found = opened(disk)[1]
    disk.power_loss()
    assert opened(disk)[1] == found


CONTENT = MAGIC + encode_record(b"first") + encode_record(b"second" * 200)
WHOLE = len(MAGIC) + HEADER.size + 5


@pytest.mark.parametrize("kept", [*range(WHOLE, WHOLE + 30), len(CONTENT) - 1])
def test_a_torn_last_record_is_cut_off_and_appending_goes_on(disk, kept):
    opened(disk)
    rewrite(disk, FIRST, CONTENT[:kept])
    journal, found = opened(disk)
    assert found == [b"first"]
    journal.append([b"next"])
    assert opened(disk)[1] == [b"first", b"next"]


@pytest.mark.parametrize("kept", range(len(MAGIC)))
def test_a_segment_whose_first_bytes_were_torn_is_an_empty_one(disk, kept):
    opened(disk)
    rewrite(disk, FIRST, MAGIC[:kept])
    assert opened(disk)[1] == []


@pytest.mark.parametrize("sectors", [1, 2])
def test_a_tail_of_sectors_that_were_never_written_is_torn(disk, sectors):
    opened(disk)
    rewrite(disk, FIRST, CONTENT[: sectors * SECTOR] + bytes(len(CONTENT) - sectors * SECTOR))
    assert opened(disk)[1] == [b"first"]


@pytest.mark.parametrize("place", range(len(MAGIC), len(CONTENT), 7))
def test_a_flipped_bit_is_an_error_that_says_where(disk, place):
    """In the first record or in the last: their bytes are all there."""
    damaged = bytearray(CONTENT)
    damaged[place] ^= 4
    opened(disk)
    rewrite(disk, FIRST, damaged)
    with pytest.raises(CorruptJournal) as raised:
        opened(disk)
    assert (raised.value.path, raised.value.position) == (FIRST, len(MAGIC) if place < WHOLE else WHOLE)


def test_the_damage_is_named(disk):
    opened(disk)
    rewrite(disk, FIRST, CONTENT[:-1] + b"!")
    with pytest.raises(CorruptJournal) as raised:
        opened(disk)
    assert str(raised.value) == f"{FIRST} is corrupt at byte 32: a record of 1200 bytes does not match its checksum"


def test_a_short_segment_that_is_not_the_last_is_corrupt(disk):
    journal, _ = opened(disk, segment_bytes=50)
    for _ in range(9):
        journal.append([b"x" * 20])
        journal.sync_now()
    assert len(journal.segments) == 5
    second = journal.segments[1].path
    rewrite(disk, second, disk.read(second)[:-1])
    with pytest.raises(CorruptJournal) as raised:
        opened(disk)
    assert (raised.value.path, raised.value.position) == (second, 78)
    disk.unlink(second)
    with pytest.raises(CorruptJournal):
        opened(disk)


def test_a_foreign_file_is_not_taken_for_a_segment(disk):
    opened(disk)
    rewrite(disk, FIRST, b"something else entirely")
    with pytest.raises(CorruptJournal):
        opened(disk)


def test_a_segment_is_left_only_when_it_is_durable(disk):
    journal, _ = opened(disk, segment_bytes=100)
    for _ in range(4):
        journal.append([b"x" * 30])
    assert (len(journal.segments), journal.syncs) == (1, 0)
    journal.append([b"y" * 30])  # now it is twice as long as it should be
    journal.append([b"z" * 30])
    assert (len(journal.segments), journal.syncs, journal.durable) == (2, 1, journal.segments[1].base + len(MAGIC))


def test_records_are_read_by_position(disk):
    journal, _ = opened(disk, segment_bytes=60)
    places = {}
    for number in range(12):
        data = b"%d" % number * 10
        places[journal.append([data])] = data
        journal.sync_now()
    assert {place: journal.read(place) for place in places} == places
    for nowhere in (journal.written, journal.written + 5, -1):
        with pytest.raises(LookupError):
            journal.read(nowhere)


def test_reading_checks_the_record(disk):
    journal, _ = opened(disk)
    place = journal.append([b"abc"])
    damaged = bytearray(disk.read(FIRST))
    damaged[-1] ^= 1
    rewrite(disk, FIRST, damaged)
    with pytest.raises(CorruptJournal) as raised:
        journal.read(place)
    assert raised.value.position == place
    with pytest.raises(CorruptJournal):
        journal.read(place + 1)


def test_dropping_forgets_whole_segments_and_never_the_last(disk):
    journal, _ = opened(disk, segment_bytes=50)
    for number in range(9):
        journal.append([b"%d" % number * 20])
        journal.sync_now()
    bases = [segment.base for segment in journal.segments]
    journal.drop_before(bases[2] + 1)
    assert [segment.base for segment in journal.segments] == bases[2:]
    with pytest.raises(LookupError):
        journal.read(len(MAGIC))
    journal.drop_before(journal.written)
    assert [segment.base for segment in journal.segments] == bases[-1:]
    disk.power_loss()
    assert opened(disk)[1] == [b"8" * 20]


@pytest.mark.parametrize("operation", range(1, 9))
@pytest.mark.parametrize("seed", range(4))
def test_power_may_fail_between_any_two_steps_of_dropping(seed, operation):
    disk = SimulatedDisk(Random(seed))
    journal, _ = opened(disk, segment_bytes=50)
    for number in range(9):
        journal.append([b"%d" % number * 20])
        journal.sync_now()
    disk.strike_before(operation, disk.power_loss)
    try:
        journal.drop_before(journal.written)
    except SystemExit:
        pass
    else:
        disk.power_loss()
    found = opened(disk)[1]
    assert found == [b"%d" % number * 20 for number in range(9)][-len(found) :]


def test_a_full_disk_refuses_and_the_journal_goes_on_when_there_is_room(disk):
    journal, _ = opened(disk)
    disk.options.capacity = disk.used() + 20
    with pytest.raises(OSError) as raised:
        journal.append([b"x" * 30])
    assert raised.value.errno == errno.ENOSPC
    disk.options.capacity = None
    journal.append([b"y"])
    assert opened(disk)[1] == [b"y"]


def test_what_a_crash_left_of_a_new_segment_is_swept_away(disk):
    opened(disk)
    disk.open(FIRST + ".new", "a").append(b"half")
    assert opened(disk)[1] == []
    assert disk.listdir("j") == ["0" * 20 + ".journal"]
