"""What every Disk promises, whichever it is.  A new one is one more line in DISKS."""

import errno
from random import Random

import pytest

from durable.disk import Disk, File
from durable.real_disk import RealDisk
from simulation.disk import DiskOptions, SimulatedDisk

DISKS = {
    "real": RealDisk,
    "simulated": lambda: SimulatedDisk(Random(1), DiskOptions(fsync_s=(0, 0), stall=0)),
}


@pytest.fixture(params=DISKS)
def disk(request, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return DISKS[request.param]()


def test_it_is_a_disk_with_files(disk):
    assert isinstance(disk, Disk)
    assert isinstance(disk.open("f", "x"), File)


def test_what_is_appended_can_be_read_at_once(disk):
    file = disk.open("f", "a")
    assert [file.append(b"abc"), file.append(memoryview(b"defg")), file.append(bytearray(b""))] == [3, 4, 0]
    assert (file.size(), disk.size("f"), disk.read("f")) == (7, 7, b"abcdefg")
    assert (file.pread(3, 2), file.pread(100, 5), file.pread(1, 7)) == (b"cde", b"fg", b"")


def test_modes_are_those_of_open(disk):
    with pytest.raises(FileNotFoundError):
        disk.open("f")
    with pytest.raises(FileNotFoundError):
        disk.open("no/such/folder", "a")
    disk.open("f", "x").append(b"old")
    with pytest.raises(FileExistsError):
        disk.open("f", "x")
    assert disk.open("f", "a").size() == 3
    assert disk.open("f", "w").size() == 0
    with pytest.raises(ValueError):
        disk.open("f", "rw")


def test_a_file_opened_for_reading_takes_no_bytes(disk):
    disk.open("f", "x").close()
    with pytest.raises(OSError) as raised:
        disk.open("f").append(b"x")
    assert (raised.value.errno, raised.value.filename) == (errno.EBADF, "f")


def test_appending_goes_on_where_a_truncation_cut(disk):
    file = disk.open("f", "a")
    file.append(b"abcdef")
    file.truncate(2)
    file.append(b"XY")
    assert disk.read("f") == b"abXY"


def test_a_renamed_file_replaces_what_had_its_name(disk):
    disk.open("old", "x").append(b"old")
    file = disk.open("new", "x")
    file.append(b"new")
    disk.rename("new", "old")
    assert (disk.read("old"), disk.exists("new"), disk.listdir(".")) == (b"new", False, ["old"])
    file.append(b"er")
    assert disk.read("old") == b"newer"


def test_folders_are_made_with_their_parents_and_list_their_names_in_order(disk):
    disk.mkdir("data/log")
    disk.mkdir("data/log")
    for name in ("b", "a", "c"):
        disk.open(f"data/log/{name}", "x").close()
    disk.unlink("data/log/c")
    assert (disk.listdir("data"), disk.listdir("data/log")) == (["log"], ["a", "b"])
    assert (disk.exists("data"), disk.exists("data/log/c")) == (True, False)
    disk.fsync_dir("data/log")


def test_a_folder_is_renamed_with_what_is_in_it_and_goes_when_it_is_empty(disk):
    disk.mkdir("folder")
    disk.open("folder/file", "a").append(b"content")
    disk.rename("folder", "other")
    assert (disk.exists("folder"), disk.listdir("other"), disk.read("other/file")) == (False, ["file"], b"content")
    with pytest.raises(OSError, match="not empty"):
        disk.rmdir("other")
    disk.unlink("other/file")
    disk.rmdir("other")
    assert not disk.exists("other")


@pytest.mark.parametrize("ask", ["read", "size", "unlink", "listdir", "fsync_dir"])
def test_what_is_not_there_is_missed(disk, ask):
    with pytest.raises(FileNotFoundError):
        getattr(disk, ask)("nowhere")


def test_a_lock_has_one_holder(disk):
    first = disk.lock("lock")
    with pytest.raises(BlockingIOError):
        disk.lock("lock")
    first.close()
    disk.lock("lock").close()


def test_a_view_shows_a_part_and_ends_with_the_file(disk):
    content = bytes(range(256)) * 64
    disk.open("f", "x").append(content)
    assert bytes(disk.view("f", 5000, 7)) == content[5000:5007]
    assert bytes(disk.view("f", 16380, 100)) == content[16380:]
    assert bytes(disk.view("f", 20000, 5)) == b""
    assert bytes(disk.view("f", 3, 0)) == b""


async def test_fsync_can_be_awaited_and_shared(disk):
    file = disk.open("f", "a")
    file.append(b"abc")
    for waiting in [file.fsync() for _ in range(20)]:
        assert await waiting is None
    file.fsync_now()
    file.close()
