"""How far a file is written and durable, through every failure."""

import errno

import pytest

from durable.appender import Appender, whole_length
from durable.real_disk import RealDisk
from tests.durable.broken_disk import BrokenFile


def test_an_append_returns_the_offset_behind_it(tmp_path):
    file = RealDisk().open(str(tmp_path / "f"), "a")
    file.append(b"old")
    appender = Appender(file)
    assert (appender.append(b"abcd"), appender.append(b""), appender.append(b"e")) == (7, 7, 8)
    assert (appender.written, appender.durable, file.pread(10, 0)) == (8, 3, b"oldabcde")


async def test_one_fsync_serves_all_who_ask_while_another_runs():
    file, told = BrokenFile(), []
    appender = Appender(file, on_durable=told.append)
    appender.append(b"1")
    appender.sync()
    for _ in range(100):
        appender.append(b"2")
        appender.sync()
    await file.release()
    assert (told, len(file.running)) == ([1], 1)
    await file.release()
    assert (told, appender.durable, appender.syncs, file.running) == ([1, 101], 101, 2, [])


async def test_what_is_written_during_an_fsync_waits_until_somebody_asks():
    file, told = BrokenFile(), []
    appender = Appender(file, on_durable=told.append)
    appender.append(b"1")
    appender.sync()
    appender.append(b"2")
    await file.release()
    assert (told, appender.durable, appender.written, file.running) == ([1], 1, 2, [])


async def test_nothing_new_needs_no_fsync():
    file = BrokenFile()
    appender = Appender(file)
    appender.sync()
    appender.sync_now()
    assert (appender.syncs, file.running) == (0, [])


async def test_a_blocking_sync_overtakes_one_that_runs():
    file, told = BrokenFile(), []
    appender = Appender(file, on_durable=told.append)
    appender.append(b"1")
    appender.sync()
    appender.append(b"23")
    appender.sync_now()
    await file.release()
    assert (told, appender.durable) == ([3], 3)


def test_the_part_of_a_record_that_fitted_is_cut_away():
    file = BrokenFile(room=5)
    appender = Appender(file)
    appender.append(b"abc")
    with pytest.raises(OSError) as raised:
        appender.append(b"defg")
    assert (raised.value.errno, appender.written, file.content) == (errno.ENOSPC, 3, b"abc")
    assert appender.error is raised.value
    file.room = None
    assert (appender.append(b"defg"), appender.error, file.content) == (7, None, b"abcdefg")


def test_a_cut_that_fails_is_made_before_the_next_append():
    file = BrokenFile(room=5)
    appender = Appender(file)
    appender.append(b"abc")
    file.truncate_fails = True
    with pytest.raises(OSError):
        appender.append(b"defg")
    assert file.content == b"abcde"
    file.room = None
    with pytest.raises(OSError) as raised:
        appender.append(b"hij")
    assert (raised.value.errno, appender.written) == (errno.EIO, 3)
    file.truncate_fails = False
    assert (appender.append(b"hij"), file.content) == (6, b"abchij")


async def test_after_a_failed_fsync_nothing_is_taken_any_more():
    file, told, broken = BrokenFile(), [], []
    appender = Appender(file, on_durable=told.append, on_broken=broken.append)
    appender.append(b"abc")
    appender.sync()
    file.fsync_fails = True
    await file.release()
    file.fsync_fails = False
    with pytest.raises(OSError) as raised:
        appender.append(b"d")
    with pytest.raises(OSError):
        appender.sync_now()
    appender.sync()
    assert (raised.value.errno, broken, told, appender.durable) == (errno.EIO, [raised.value], [], 0)
    assert file.running == []


def test_a_failed_blocking_sync_breaks_it_too():
    file = BrokenFile()
    appender = Appender(file)
    appender.append(b"abc")
    file.fsync_fails = True
    with pytest.raises(OSError):
        appender.sync_now()
    assert appender.broken


# -- the tail scan -----------------------------------------------------------------------------------


def lines(data):
    """A format for tests: records end in a newline."""
    return data.rfind(b"\n") + 1


@pytest.mark.parametrize(
    ("content", "whole"),
    [
        (b"", 0),
        (b"torn", 0),
        (b"a\nb\n", 4),
        (b"a\nb\nto", 4),
        (b"x" * 600_000 + b"\n" + b"y" * 300_000, 600_001),
    ],
)
def test_the_whole_records_are_measured(tmp_path, content, whole):
    path = tmp_path / "f"
    path.write_bytes(content)
    assert whole_length(RealDisk(), str(path), lines, record_max=1 << 20) == whole


def test_what_is_longer_than_any_record_is_not_read_to_its_end(tmp_path):
    path = tmp_path / "f"
    path.write_bytes(b"a\n" + b"x" * 5_000_000 + b"\n")
    most = 0

    def scan(data):
        nonlocal most
        most = max(most, len(data))
        return lines(data)

    assert whole_length(RealDisk(), str(path), scan, record_max=1 << 20) == 2
    assert most < 2 << 20


def test_a_long_record_is_not_scanned_once_for_each_chunk(tmp_path):
    path = tmp_path / "f"
    path.write_bytes(b"x" * 20_000_000 + b"\nrest")
    scanned = 0

    def scan(data):
        nonlocal scanned
        scanned += len(data)
        return lines(data)

    assert whole_length(RealDisk(), str(path), scan, record_max=1 << 30) == 20_000_001
    assert scanned < 3 * 20_000_000
