"""The operating system's own ways of saying no, and fsyncs that are shared."""

import asyncio
import errno
import os
import subprocess
import sys
import threading

import pytest

from durable import real_disk
from durable.real_disk import RealDisk


def test_a_full_disk_takes_nothing_and_says_so():
    file = RealDisk().open("/dev/full", "a")
    with pytest.raises(OSError) as raised:
        file.append(b"abc")
    assert (raised.value.errno, raised.value.filename) == (errno.ENOSPC, "/dev/full")


def test_a_disk_that_fills_up_midway_tells_how_much_went_in(tmp_path, monkeypatch):
    answers = iter([4, 3, OSError(errno.ENOSPC, "No space left on device")])

    def write(fd, data):
        answer = next(answers)
        if isinstance(answer, OSError):
            raise answer
        assert bytes(data)[:1] == b"%d" % {4: 0, 3: 4}[answer]
        return answer

    file = RealDisk().open(str(tmp_path / "f"), "a")
    monkeypatch.setattr(os, "write", write)
    assert file.append(b"0123456789") == 7


def test_a_lock_of_another_process_is_respected(tmp_path):
    path = str(tmp_path / "lock")
    hold = (
        f"from durable.real_disk import RealDisk; lock = RealDisk().lock({path!r}); print('held', flush=True); input()"
    )
    holder = subprocess.Popen(
        [sys.executable, "-c", hold], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=os.getcwd()
    )
    assert holder.stdout.readline() == "held\n"
    with pytest.raises(BlockingIOError) as raised:
        RealDisk().lock(path)
    assert raised.value.filename == path
    holder.kill()
    holder.communicate()
    RealDisk().lock(path).close()


async def test_those_who_ask_while_an_fsync_runs_share_the_next(tmp_path, monkeypatch):
    go_on, calls = threading.Event(), []

    def slow(fd):
        calls.append(fd)
        assert go_on.wait(10)

    monkeypatch.setattr(real_disk, "force_out", slow)
    file = RealDisk().open(str(tmp_path / "f"), "a")
    waiting = [file.fsync() for _ in range(1000)]
    go_on.set()
    await asyncio.gather(*waiting)
    assert len(calls) == 2


async def test_a_failed_fsync_is_told_to_all_who_waited_for_it(tmp_path, monkeypatch):
    def fail(fd):
        raise OSError(errno.EIO, "Input/output error")

    path = str(tmp_path / "f")
    monkeypatch.setattr(real_disk, "force_out", fail)
    file = RealDisk().open(path, "a")
    results = await asyncio.gather(file.fsync(), file.fsync(), return_exceptions=True)
    assert [(type(error), error.errno, error.filename) for error in results] == [(OSError, errno.EIO, path)] * 2
    with pytest.raises(OSError):
        file.fsync_now()


async def test_a_file_closed_during_its_fsync_stays_open_until_that_ends(tmp_path, monkeypatch):
    go_on = threading.Event()
    monkeypatch.setattr(real_disk, "force_out", lambda fd: (go_on.wait(10), os.fsync(fd)))
    file = RealDisk().open(str(tmp_path / "f"), "a")
    done = file.fsync()
    file.close()
    go_on.set()
    await done
    with pytest.raises(OSError):
        os.fstat(file.fileno())
    with pytest.raises(OSError):
        await file.fsync()


async def test_the_threads_end_with_the_disk(tmp_path):
    disk = RealDisk()
    await disk.open(str(tmp_path / "f"), "a").fsync()
    disk.close()
    assert [thread.name for thread in threading.enumerate() if thread.name.startswith("fsync")] == []


def test_a_new_folder_and_its_parents_are_durable_at_once(tmp_path, monkeypatch):
    synced = []
    disk = RealDisk()
    monkeypatch.setattr(disk, "fsync_dir", synced.append)
    disk.mkdir(str(tmp_path / "a" / "b"))
    disk.mkdir(str(tmp_path / "a" / "b"))
    assert synced == [str(tmp_path), str(tmp_path / "a")]


def test_a_file_in_the_place_of_a_folder_is_told(tmp_path):
    (tmp_path / "f").touch()
    with pytest.raises(FileExistsError):
        RealDisk().mkdir(str(tmp_path / "f"))
