"""The log: what is written for each unit, when it is fsynced, and what happens when the disk says no."""

import errno

import pytest

from miniredis.persistence.aof import Log
from tests.durable.broken_disk import BrokenFile
from tests.miniredis.engine_fixtures import ManualClock, make_settings


class Told:
    """A log on a file that fails when told to, and what was heard of it."""

    def __init__(self, file=None, **settings):
        self.clock = ManualClock()
        self.durable, self.errors = [], []
        self.log = Log(
            make_settings(**settings),
            self.clock,
            on_durable=lambda: self.durable.append(self.log.durable_offset),
            on_error=self.errors.append,
        )
        self.file = file or BrokenFile()
        self.log.open(self.file)

    def append(self, *unit):
        self.log.append([(database, words.split()) for database, words in unit])
        self.log.flush(sync=False)

    def text(self):
        return bytes(self.file.content).replace(b"\r\n", b" ").decode()


SET = "*3 $3 SET $1 k $1 v "
SELECT_0 = "*2 $6 SELECT $1 0 "
SELECT_3 = "*2 $6 SELECT $1 3 "


def test_the_database_is_selected_first_and_when_it_changes():
    told = Told()
    told.append((0, b"SET k v"))
    told.append((0, b"DEL k"))
    told.append((3, b"LPUSH l 1 2 3"))
    told.append((3, b"FLUSHALL"))
    assert told.text() == (
        SELECT_0 + SET + "*2 $3 DEL $1 k " + SELECT_3 + "*5 $5 LPUSH $1 l $1 1 $1 2 $1 3 " + "*1 $8 FLUSHALL "
    )


def test_a_unit_of_several_commands_stands_between_multi_and_exec():
    told = Told()
    told.append((0, b"SET k v"), (3, b"SET k v"), (3, b"SET k v"))
    assert told.text() == SELECT_0 + "*1 $5 MULTI " + SET + SELECT_3 + SET + SET + "*1 $4 EXEC "


def test_binary_words_are_written_by_their_length():
    told = Told()
    told.log.append([(0, (b"SET", b"a\r\n", b"\x00\xff"))])
    told.log.flush(sync=False)
    assert told.file.content.endswith(b"*3\r\n$3\r\nSET\r\n$3\r\na\r\n\r\n$2\r\n\x00\xff\r\n")


def test_the_time_is_noted_once_a_second_when_asked():
    told = Told(aof_timestamp_enabled=True)
    told.append((0, b"SET k v"))
    told.append((0, b"SET k v"))
    told.clock.us += 1_000_000
    told.append((0, b"SET k v"))
    assert told.text() == "#TS:1700000000 " + SELECT_0 + SET + SET + "#TS:1700000001 " + SET


def test_all_of_a_turn_is_one_write():
    told, writes = Told(), []
    told.file.append = lambda data: (writes.append(data), len(data))[1]
    for _ in range(100):
        told.log.append([(0, (b"SET", b"k", b"v"))])
    assert (told.log.buffered, told.log.flushed_offset) == (23 + 100 * 27, 0)
    told.log.flush(sync=False)
    told.log.flush(sync=False)
    assert (list(map(len, writes)), told.log.buffered) == ([2723], 0)
    assert told.log.flushed_offset == told.log.written_offset == 2723


async def test_offsets_follow_each_byte_to_the_disk():
    told = Told()
    told.append((0, b"SET k v"))
    told.log.flush(sync=True)
    told.append((0, b"SET k v"))
    assert (told.log.written_offset, told.log.flushed_offset, told.log.durable_offset) == (77, 77, 0)
    await told.file.release()
    assert (told.durable, told.log.durable_offset) == ([50], 50)


async def test_offsets_count_on_in_the_next_file():
    told = Told()
    told.append((0, b"SET k v"))
    told.log.flush_now()
    next_file = BrokenFile()
    told.log.open(next_file)
    told.append((0, b"SET k v"))
    assert bytes(next_file.content) == bytes(told.file.content)  # SELECT again: each file stands for itself
    assert (told.log.written_offset, told.log.durable_offset) == (100, 50)
    told.log.flush_now()
    assert told.log.durable_offset == 100


def test_what_stood_in_a_file_before_counts_for_nothing():
    file = BrokenFile()
    file.append(b"x" * 1000)
    told = Told(file)
    assert (told.log.written_offset, told.log.durable_offset) == (0, 0)
    told.append((0, b"SET k v"))
    assert told.log.written_offset == 50


# -- everysec --------------------------------------------------------------------------------------------------------


async def test_every_second_one_fsync_begins_if_there_is_something_new():
    told = Told()
    begun = []
    for tenth in range(35):
        told.clock.us += 100_000
        if tenth < 15:
            told.append((0, b"SET k v"))
        told.log.every_second()
        if told.file.running:
            begun.append(tenth)
            await told.file.release()
    assert begun == [0, 10, 20]
    assert told.log.durable_offset == told.log.written_offset


async def test_no_fsync_begins_while_one_runs_and_a_slow_one_is_counted_once():
    told = Told()
    for _ in range(50):
        told.clock.us += 100_000
        told.append((0, b"SET k v"))
        told.log.every_second()
    assert (len(told.file.running), told.log.delayed_fsyncs) == (1, 1)


# -- failures --------------------------------------------------------------------------------------------------------


def test_what_did_not_fit_is_cut_away_and_written_when_there_is_room():
    told = Told(BrokenFile(room=60))
    told.append((0, b"SET k v"))
    told.append((0, b"SET k v"))
    assert (told.text(), [error.errno for error in told.errors]) == (SELECT_0 + SET, [errno.ENOSPC])
    told.file.room = None
    told.append((0, b"DEL k"))
    assert told.text() == SELECT_0 + SET  # not before a second has passed
    told.clock.us += 1_000_000
    told.log.flush(sync=False)
    assert told.text() == SELECT_0 + SET + SET + "*2 $3 DEL $1 k "
    assert (told.errors[-1], told.log.error, told.log.buffered) == (None, None, 0)


async def test_after_a_failed_fsync_nothing_is_called_durable_until_there_is_a_new_log():
    told = Told()
    told.append((0, b"SET k v"))
    told.log.flush(sync=True)
    told.file.fsync_fails = True
    await told.file.release()
    assert (told.log.incomplete, [error.errno for error in told.errors]) == (True, [errno.EIO])
    told.log.append([(0, [b"SET", b"k", b"2"])])
    told.clock.us += 5_000_000
    told.log.flush(sync=True)
    assert (told.text(), told.log.buffered, told.durable) == (SELECT_0 + SET, 27, [])

    fresh = BrokenFile()
    told.log.open_incomplete(fresh)
    assert (told.log.buffered, told.log.written_offset, told.log.flushed_offset) == (0, 77, 77)
    told.log.append([(0, [b"SET", b"k", b"3"])])
    told.log.flush(sync=True)
    await fresh.release()
    assert (told.log.durable_offset, told.errors[-1].errno) == (0, errno.EIO)
    told.log.completed()
    assert (told.log.durable_offset, told.errors[-1], told.log.incomplete) == (127, None, False)
    assert bytes(fresh.content).endswith(b"$1\r\n3\r\n")


async def test_an_fsync_that_ends_after_its_file_was_left_says_nothing_about_the_next():
    told = Told()
    told.append((0, b"SET k v"))
    told.log.flush(sync=True)
    told.log.open_incomplete(BrokenFile())
    await told.file.release()
    assert (told.durable, told.errors) == ([], [])


def test_a_blocking_flush_raises_what_went_wrong():
    told = Told(BrokenFile(room=10))
    told.log.append([(0, (b"SET", b"k", b"v"))])
    with pytest.raises(OSError):
        told.log.flush_now()
    told.file.room = None
    told.log.flush_now()
    assert told.log.durable_offset == 50
