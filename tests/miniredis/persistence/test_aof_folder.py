"""The steps of the log's folder: what stands after each, and after a power failure in the middle of any."""

from contextlib import suppress
from random import Random

import pytest

from durable.real_disk import RealDisk
from miniredis.persistence.aof_folder import LogFolder
from miniredis.persistence.aof_manifest import ManifestError
from simulation.disk import DiskOptions, SimulatedDisk


def folder_on(disk):
    folder = LogFolder(disk, ".", "appendonlydir", "appendonly.aof")
    folder.read()
    return folder


@pytest.fixture
def disk(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return RealDisk()


def append(file, data):
    file.append(data)
    file.fsync_now()
    file.close()


def content(folder):
    """The log as a start would read it: the bytes of base and increments, in order."""
    folder.check()
    return b"".join(folder.disk.read(folder.path_of(file)) for file in folder.manifest.files)


def write_aside(disk, data):
    append(disk.open("temp-rewriteaof-bg.aof", "w"), data)
    return "temp-rewriteaof-bg.aof"


def test_a_new_log_is_a_base_and_an_empty_increment(disk):
    folder = folder_on(disk)
    append(folder.begin([b"ba", b"se;"]), b"one;")
    assert disk.listdir("appendonlydir") == [
        "appendonly.aof.1.base.rdb",
        "appendonly.aof.1.incr.aof",
        "appendonly.aof.manifest",
    ]
    assert content(folder_on(disk)) == b"base;one;"
    assert folder_on(disk).size() == 9


def test_a_start_goes_on_in_the_last_increment(disk):
    append(folder_on(disk).begin([b"base;"]), b"one;")
    append(folder_on(disk).open_last(), b"two;")
    assert content(folder_on(disk)) == b"base;one;two;"


def test_a_rewrite_replaces_what_was_before_its_increment_and_deletes_it(disk):
    folder = folder_on(disk)
    append(folder.begin([b"base;"]), b"one;")
    append(folder.open_next(), b"two;")
    assert content(folder_on(disk)) == b"base;one;two;"
    folder.commit(write_aside(disk, b"base and one;"))
    assert content(folder_on(disk)) == content(folder) == b"base and one;two;"
    assert disk.listdir("appendonlydir") == [
        "appendonly.aof.2.base.rdb",
        "appendonly.aof.2.incr.aof",
        "appendonly.aof.manifest",
    ]
    assert disk.listdir(".") == ["appendonlydir"]


def test_a_waiting_increment_becomes_part_of_the_log_with_its_base(disk):
    folder = folder_on(disk)
    append(folder.open_waiting(), b"one;")
    assert not folder_on(disk).exists
    folder.commit(write_aside(disk, b"base;"), waiting=True)
    assert content(folder_on(disk)) == b"base;one;"


def test_a_waiting_increment_without_base_is_removed_at_the_next_start(disk):
    append(folder_on(disk).open_waiting(), b"one;")
    folder_on(disk).clean()
    assert disk.listdir("appendonlydir") == []


def test_the_log_of_an_older_redis_becomes_the_base(disk):
    append(disk.open("appendonly.aof", "w"), b"old;")
    folder = folder_on(disk)
    folder.upgrade()
    append(folder.open_last(), b"one;")
    assert content(folder_on(disk)) == b"old;one;"
    assert disk.listdir(".") == ["appendonlydir"]
    folder = folder_on(disk)
    assert folder.manifest.text() == ("file appendonly.aof seq 1 type b\nfile appendonly.aof.1.incr.aof seq 1 type i\n")


def test_a_file_of_that_name_beside_a_log_is_left_alone(disk):
    append(folder_on(disk).begin([b"base;"]), b"one;")
    append(disk.open("appendonly.aof", "w"), b"something else")
    folder = folder_on(disk)
    folder.upgrade()
    assert content(folder) == b"base;one;"
    assert disk.exists("appendonly.aof")


def test_a_file_that_is_named_but_missing_is_told(disk):
    folder = folder_on(disk)
    append(folder.begin([b"base;"]), b"one;")
    disk.unlink(folder.path_of(folder.manifest.increments[0]))
    with pytest.raises(ManifestError, match=r"appendonly\.aof\.1\.incr\.aof"):
        folder_on(disk).check()


def test_what_a_killed_process_left_in_the_page_cache_is_durable_once_the_log_is_open_again():
    simulated = SimulatedDisk(Random(1), DiskOptions(fsync_s=(0, 0), stall=0))
    append(folder_on(simulated).begin([b"base;"]), b"")
    folder_on(simulated).open_last().append(b"read and shown;")
    simulated.crash()
    folder_on(simulated).open_last()
    simulated.power_loss()
    assert content(folder_on(simulated)) == b"base;read and shown;"


@pytest.mark.parametrize("seed", range(10))
def test_an_increment_is_not_used_whose_manifest_may_be_lost(seed):
    simulated = SimulatedDisk(Random(seed), DiskOptions(fsync_s=(0, 0), stall=0))
    folder = folder_on(simulated)
    current = folder.begin([b"base;"])
    fail_at_last_fsync_of_folder(simulated)
    with pytest.raises(OSError, match="not sure that the new manifest is durable"):
        folder.open_next()
    append(current, b"one;")
    simulated.power_loss()
    assert content(folder_on(simulated)) == b"base;one;"


def fail_at_last_fsync_of_folder(simulated):
    """Of the two that an exchange of the manifest needs, let the one after the rename fail."""
    rename = simulated.rename

    def then_fail(old, new):
        rename(old, new)
        simulated.fail_next("fsync_dir")

    simulated.rename = then_fail


# -- the power fails -----------------------------------------------------------------------------------


class PowerFailure(Exception):
    pass


class FailingDisk:
    """Hands on to a simulated disk and cuts its power before a change of number `last`."""

    CHANGES = ("open", "rename", "unlink", "mkdir", "fsync_dir")

    def __init__(self, disk, last):
        self.disk, self.left = disk, last

    def __getattr__(self, name):
        found = getattr(self.disk, name)
        if name not in self.CHANGES:
            return found

        def change(*arguments):
            if self.left == 0:
                self.disk.power_loss()
                raise PowerFailure
            self.left -= 1
            return found(*arguments)

        return change


def new_log(folder):
    append(folder.begin([b"base;"]), b"")


def rewrite(folder):
    append(folder.open_next(), b"")
    folder.commit(write_aside(folder.disk, b"base;one;"))


def switch_on(folder):
    append(folder.open_waiting(), b"")
    folder.commit(write_aside(folder.disk, b"base;"), waiting=True)


def upgrade(folder):
    folder.upgrade()
    append(folder.open_last(), b"")


def with_log(disk):
    append(folder_on(disk).begin([b"base;"]), b"one;")


def with_old_log(disk):
    append(disk.open("appendonly.aof", "w"), b"old;")
    disk.fsync_dir(".")


STORIES = {
    "new log": (lambda disk: None, new_log, {b"", b"base;"}),
    "rewrite": (with_log, rewrite, {b"base;one;"}),
    "switch on": (lambda disk: None, switch_on, {b"", b"base;"}),
    "upgrade": (with_old_log, upgrade, {b"old;"}),
}


@pytest.mark.parametrize("story", STORIES)
@pytest.mark.parametrize("seed", range(30))
def test_wherever_the_power_fails_the_log_is_the_old_one_or_the_new_one(story, seed):
    """Of names that were not synced, the disk keeps some and not others: each seed tosses anew."""
    before, change, whole = STORIES[story]
    for last in range(100):
        simulated = SimulatedDisk(Random(f"{seed}/{last}"), DiskOptions(fsync_s=(0, 0), stall=0))
        before(simulated)
        disk = FailingDisk(simulated, last)
        with suppress(PowerFailure):
            change(folder_on(disk))
        if disk.left:
            break
        folder = folder_on(simulated)
        folder.upgrade()
        log = content(folder)
        assert log in whole
        folder.clean()
        append(folder.open_last() if folder.exists else folder.begin([]), b"two;")
        assert content(folder_on(simulated)) == log + b"two;"
    assert last > 5
