"""The simulated disk: what survives what."""

import asyncio
import errno
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from durable.disk import Disk, File
from simulation.disk import PENDING_MAX, DiskOptions, SimulatedDisk, Struck
from simulation.world import World


def disk_with(options=None, seed=1):
    return SimulatedDisk(Random(seed), options)


def durable_file(disk, path, content):
    file = disk.open(path, "a")
    file.append(content)
    file.fsync_now()
    disk.fsync_dir(".")
    return file


def outcomes(break_it, read, seeds=200, options=None):
    """All that `read(disk)` may answer after `break_it(disk)` and a power loss."""
    found = set()
    for seed in range(seeds):
        disk = disk_with(options, seed)
        break_it(disk)
        disk.power_loss()
        found.add(read(disk))
    return found


def content_or_none(disk, path="f"):
    return disk.read(path) if disk.exists(path) else None


def test_it_is_a_disk_with_files():
    disk = disk_with()
    assert isinstance(disk, Disk)
    assert isinstance(disk.open("f", "x"), File)


def test_what_is_appended_can_be_read_at_once():
    disk = disk_with()
    file = disk.open("f", "a")
    assert [file.append(b"abc"), file.append(memoryview(b"defg")), file.append(bytearray(b""))] == [3, 4, 0]
    assert (file.size(), disk.size("f"), disk.read("f")) == (7, 7, b"abcdefg")
    assert (file.pread(3, 2), file.pread(100, 5), file.pread(1, 7)) == (b"cde", b"fg", b"")
    assert bytes(disk.view("f", 1, 3)) == b"bcd"
    file.truncate(2)
    assert disk.open("f").pread(10, 0) == b"ab"


def test_modes_are_those_of_open():
    disk = disk_with()
    with pytest.raises(FileNotFoundError):
        disk.open("f", "r")
    with pytest.raises(FileNotFoundError):
        disk.open("no/such/folder", "a")
    disk.open("f", "x").append(b"old")
    with pytest.raises(FileExistsError):
        disk.open("f", "x")
    assert disk.open("f", "a").size() == 3
    assert disk.open("f", "w").size() == 0
    with pytest.raises(IsADirectoryError):
        disk.open(".", "a")
    with pytest.raises(OSError) as raised:
        disk.open("f", "r").append(b"x")
    assert raised.value.errno == errno.EBADF


def test_folders_list_their_names_in_order():
    disk = disk_with()
    disk.mkdir("data/log")
    disk.mkdir("data/log")
    for name in ("data/b", "data/a", "data/log/1", "top"):
        disk.open(name, "a")
    assert (disk.listdir("."), disk.listdir("data"), disk.listdir("data/log/")) == (
        ["data", "top"],
        ["a", "b", "log"],
        ["1"],
    )
    assert (disk.exists("data"), disk.exists("data/a"), disk.exists("data/c")) == (True, True, False)
    with pytest.raises(FileNotFoundError):
        disk.listdir("nowhere")
    with pytest.raises(FileExistsError):
        disk.mkdir("top/below")


def test_absolute_paths_are_paths_too():
    disk = disk_with()
    disk.mkdir("/var/lib")
    disk.open("/var/lib/f", "a").append(b"x")
    assert (disk.listdir("/"), disk.listdir("/var/lib"), disk.read("/var//lib/f")) == (["var"], ["f"], b"x")
    disk.open("/var/lib/f").close()
    disk.fsync_dir("/var/lib")
    disk.power_loss()
    assert disk.listdir("/var/lib") == ["f"]


def test_rename_replaces_and_open_files_follow_their_bytes():
    disk = disk_with()
    file = disk.open("new", "a")
    disk.open("old", "a").append(b"old")
    file.append(b"1")
    disk.rename("new", "old")
    file.append(b"2")
    assert (disk.listdir("."), disk.read("old")) == (["old"], b"12")
    disk.unlink("old")
    file.append(b"3")
    assert (disk.listdir("."), file.pread(9, 0)) == ([], b"123")
    for missing in (disk.unlink, disk.read, disk.size):
        with pytest.raises(FileNotFoundError):
            missing("old")
    with pytest.raises(FileNotFoundError):
        disk.rename("old", "new")


def test_a_killed_process_loses_nothing_it_has_written():
    disk = disk_with()
    file = disk.open("f", "a")
    file.append(b"abc")
    disk.crash()
    assert disk.read("f") == b"abc"
    with pytest.raises(OSError) as raised:
        file.append(b"from beyond the grave")
    assert raised.value.errno == errno.EBADF


def test_power_loss_keeps_a_prefix_of_what_was_not_fsynced():
    def break_it(disk):
        file = durable_file(disk, "f", b"safe")
        file.append(b"abc")
        file.append(b"de")

    expected = {b"safe" + b"abcde"[:length] for length in range(6)}
    assert outcomes(break_it, content_or_none) == expected


def test_power_loss_takes_a_file_whose_folder_was_not_fsynced_or_leaves_it():
    def break_it(disk):
        file = disk.open("f", "a")
        file.append(b"abc")
        file.fsync_now()

    assert outcomes(break_it, content_or_none) == {None, b"abc"}


def test_an_fsynced_file_in_an_fsynced_folder_survives():
    assert outcomes(lambda disk: durable_file(disk, "f", b"abc"), content_or_none) == {b"abc"}


def test_a_rename_is_the_old_or_the_new_until_the_folder_is_fsynced():
    def break_it(disk):
        durable_file(disk, "f", b"old")
        durable_file(disk, "temporary", b"new")
        disk.rename("temporary", "f")

    assert outcomes(break_it, content_or_none) == {b"old", b"new"}
    assert outcomes(break_it, lambda disk: tuple(disk.listdir("."))) == {("f",), ("f", "temporary")}

    def and_fsync(disk):
        break_it(disk)
        disk.fsync_dir(".")

    assert outcomes(and_fsync, content_or_none) == {b"new"}


def test_a_rename_before_the_fsync_of_its_file_can_leave_it_empty():
    def break_it(disk):
        durable_file(disk, "f", b"old")
        disk.open("temporary", "a").append(b"new")
        disk.rename("temporary", "f")
        disk.fsync_dir(".")

    assert outcomes(break_it, content_or_none) == {b"new"[:length] for length in range(4)}


def test_an_unlink_may_outlive_the_rename_before_it():
    def break_it(disk):
        for name in ("base.1", "base.2", "manifest", "manifest.temporary"):
            durable_file(disk, name, b"")
        disk.rename("manifest.temporary", "manifest")
        disk.unlink("base.1")

    found = outcomes(break_it, lambda disk: tuple(disk.listdir(".")))
    assert ("base.2", "manifest", "manifest.temporary") in found
    assert len(found) == 4


def test_names_of_other_folders_are_not_fsynced_along():
    def break_it(disk):
        disk.mkdir("a")
        disk.mkdir("b")
        for name in ("a/f", "b/f"):
            disk.open(name, "a")
        disk.fsync_dir("a")

    assert outcomes(break_it, lambda disk: (disk.exists("a/f"), disk.exists("b/f"))) == {(True, True), (True, False)}


def test_a_truncation_is_not_durable_before_fsync_either():
    def break_it(disk):
        durable_file(disk, "f", b"abcd").truncate(2)

    assert outcomes(break_it, content_or_none) == {b"abcd", b"ab"}

    def emptied(disk):
        durable_file(disk, "f", b"abcd")
        disk.open("f", "w").append(b"xy")

    assert outcomes(emptied, content_or_none) == {b"abcd", b"", b"x", b"xy"}


def test_behind_a_torn_append_may_stand_garbage():
    def break_it(disk):
        durable_file(disk, "f", b"safe").append(b"abcdefgh")

    found = outcomes(break_it, content_or_none, options=DiskOptions(garbage=1.0))
    assert {len(content) for content in found} == {12}
    assert all(content[:4] == b"safe" for content in found)
    assert b"safe" + bytes(8) in found
    assert any(0 < content.count(0) < 8 and content.startswith(b"safeabc") for content in found)


def test_a_full_disk_takes_what_fits_and_then_nothing():
    disk = disk_with(DiskOptions(capacity=10))
    file = disk.open("f", "a")
    assert [file.append(b"1234567"), file.append(b"890abc")] == [7, 3]
    with pytest.raises(OSError) as raised:
        file.append(b"x")
    assert (raised.value.errno, raised.value.filename) == (errno.ENOSPC, "f")
    file.truncate(9)
    assert file.append(b"x") == 1
    disk.open("g", "a")
    disk.unlink("f")
    assert disk.open("g", "a").append(bytes(11)) == 10


def test_errors_can_be_planned():
    disk = disk_with()
    file = disk.open("f", "a")
    disk.fail_next("append")
    disk.fail_next("fsync", errno.ENOSPC)
    disk.fail_next("fsync_dir")
    errors = []
    for attempt in (lambda: file.append(b"x"), file.fsync_now, lambda: disk.fsync_dir(".")):
        with pytest.raises(OSError) as raised:
            attempt()
        errors.append(raised.value.errno)
        attempt()
    assert errors == [errno.EIO, errno.ENOSPC, errno.EIO]
    assert disk.read("f") == b"x"


def test_errors_can_be_left_to_chance():
    disk = disk_with(DiskOptions(append_error=0.5))
    file, refused = disk.open("f", "a"), 0
    for _ in range(100):
        try:
            file.append(b"x")
        except OSError:
            refused += 1
    assert 30 < refused < 70
    assert file.size() == 100 - refused


def test_after_a_failed_fsync_bytes_can_be_read_and_yet_be_lost():
    """Rebello et al. 2020: pages are marked clean, and the next fsync succeeds without them."""

    def break_it(disk):
        file = durable_file(disk, "f", b"safe")
        file.append(b"abc")
        disk.fail_next("fsync")
        with pytest.raises(OSError):
            file.fsync_now()
        file.append(b"de")
        file.fsync_now()
        assert file.pread(99, 0) == b"safeabcde"

    assert outcomes(break_it, content_or_none) == {b"safeabcde", b"safe\0\0\0de"}


def test_locks_exclude_and_die_with_the_process():
    disk = disk_with()
    lock = disk.lock("pid")
    with pytest.raises(BlockingIOError):
        disk.lock("pid")
    lock.close()
    abandoned = disk.lock("pid")
    disk.crash()
    held = disk.lock("pid")
    abandoned.close()
    with pytest.raises(BlockingIOError):
        disk.lock("pid")
    held.close()
    assert disk.listdir(".") == ["pid"]


def test_the_kernel_writes_back_what_waits_too_long():
    disk = disk_with()
    file = durable_file(disk, "f", b"")
    for _ in range(PENDING_MAX + 1):
        file.append(b"x")
    disk.power_loss()
    assert disk.size("f") >= PENDING_MAX // 2


def test_fsync_takes_virtual_time_and_covers_what_came_before_it():
    world = World(1, disk=DiskOptions(fsync_s=(0.01, 0.01), stall=0.0))

    async def software(host):
        file = host.disk.open("f", "a")
        host.disk.fsync_dir(".")
        file.append(b"before")
        fsync = file.fsync()
        file.append(b"after")
        await fsync
        world.note(f"durable at {world.loop.time():.2f}")
        await asyncio.Event().wait()

    async def scenario(world):
        world.start("a", software)
        await asyncio.sleep(1)
        world.power_loss("a")
        return world.host("a").disk.read("f"), [line.split(" ", 2)[2] for line in world.trace.lines]

    content, trace = world.run(scenario)
    assert content.startswith(b"before")
    assert trace == ["start a", "durable at 0.01", "power loss a"]


def test_an_fsync_under_way_when_the_host_dies_never_ends():
    world, ended = World(1, disk=DiskOptions(fsync_s=(1.0, 1.0), stall=0.0)), []

    async def software(host):
        file = host.disk.open("f", "a")
        file.append(b"x" * 1000)
        try:
            await file.fsync()
        finally:
            ended.append(host.lives)

    async def scenario(world):
        lengths = set()
        for _ in range(20):
            world.start("a", software)
            await asyncio.sleep(0.5)
            world.power_loss("a")
            lengths.add(world.host("a").disk.exists("f") and world.host("a").disk.size("f") % 1000)
            await asyncio.sleep(5)
        return len(lengths), list(ended)

    lengths, ended_within = world.run(scenario)
    assert lengths > 5
    assert ended_within == []


def test_a_failed_fsync_raises_when_awaited():
    world = World(1)

    async def software(host):
        host.disk.fail_next("fsync")
        await host.disk.open("f", "a").fsync()

    async def scenario(world):
        world.expect(OSError, host="a")
        world.start("a", software)
        await asyncio.sleep(5)
        return [error.exception.errno for error in world.loop.errors]

    assert world.run(scenario) == [errno.EIO]


COMMANDS = st.lists(
    st.one_of(
        st.tuples(st.just("append"), st.binary(min_size=1, max_size=8)),
        st.tuples(st.just("truncate"), st.integers(0, 20)),
        st.tuples(st.just("fsync"), st.none()),
    ),
    max_size=30,
)


@settings(max_examples=200, deadline=None)
@given(COMMANDS, st.integers(0, 2**32))
def test_after_power_loss_a_file_is_as_it_was_at_some_moment_since_its_last_fsync(commands, seed):
    """Or as an append cut short would have left it: against a model that remembers every state."""
    disk = disk_with(seed=seed)
    file = disk.open("f", "a")
    disk.fsync_dir(".")
    content, possible = b"", {b""}
    for name, argument in commands:
        match name:
            case "append":
                file.append(argument)
                possible |= {content + argument[:length] for length in range(len(argument) + 1)}
                content += argument
            case "truncate":
                file.truncate(argument)
                content = content[:argument].ljust(argument, b"\0")
                possible.add(content)
            case "fsync":
                file.fsync_now()
                possible = {content}
        assert file.pread(1000, 0) == content
    disk.power_loss()
    assert disk.read("f") in possible
    disk.power_loss()
    assert disk.read("f") in possible


def test_a_process_can_be_struck_between_two_system_calls_of_one_turn():
    disk = SimulatedDisk(Random(1))
    disk.mkdir("logs")
    other, log, struck = disk.open("other", "a"), disk.open("logs/log", "a"), []
    disk.strike_before(2, lambda: struck.append("dead"), "logs/")
    log.append(b"one")
    other.append(b"not counted")
    with pytest.raises(Struck):
        log.append(b"two")
    assert (struck, disk.read("logs/log"), disk.read("other")) == (["dead"], b"one", b"not counted")
