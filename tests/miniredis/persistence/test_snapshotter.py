"""Snapshots by a real fork and over ticks: what the child sees, what it leaves behind, what the parent hears."""

import asyncio
import errno
import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import suppress

import pytest
import uvloop

from durable.real_disk import RealDisk
from miniredis.persistence.fork_snapshotter import ForkSnapshotter
from miniredis.persistence.snapshotter import StepSnapshotter

SNAPSHOTTERS = {
    "fork": ForkSnapshotter,
    "steps": lambda disk=None: StepSnapshotter(disk or RealDisk(), asyncio.get_running_loop().call_later, tick=0.0),
}


@pytest.fixture(params=[asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"])
def run(request):
    def run_on_loop(coroutine):
        with asyncio.Runner(loop_factory=request.param) as runner:
            return runner.run(asyncio.wait_for(coroutine, 20))

    return run_on_loop


async def snapshot(kind, path, chunks, meanwhile=lambda: None, disk=None):
    """(error, keys, bytes) of one snapshot; `meanwhile` runs right after it was begun."""
    ended = asyncio.get_running_loop().create_future()
    copying = SNAPSHOTTERS[kind](disk).begin(str(path), chunks, ended.set_result)
    meanwhile()
    error = await ended
    return error, copying.progress.keys, copying.progress.bytes


@pytest.mark.parametrize("kind", SNAPSHOTTERS)
def test_the_file_holds_the_keyspace_of_the_instant_it_was_begun(run, tmp_path, kind):
    keyspace = {b"key:%d" % number: b"old" for number in range(1000)}

    def chunks(progress):
        for key, value in keyspace.items():
            progress.keys += 1
            yield key + b"=" + value + b"\n"

    def change():
        for key in keyspace:
            keyspace[key] = b"new"

    expected = b"".join(b"key:%d=old\n" % number for number in range(1000))
    outcome = run(snapshot(kind, tmp_path / "temp", chunks, change))
    assert outcome == (None, 1000, len(expected))
    assert (tmp_path / "temp").read_bytes() == expected


@pytest.mark.parametrize("kind", SNAPSHOTTERS)
def test_a_full_disk_is_reported_and_the_part_that_was_written_is_removed(run, tmp_path, kind):
    class FullDisk(RealDisk):
        def open(self, path, mode="r"):
            file = super().open(path, mode)
            file.append = fill
            return file

    def fill(data):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    outcome = run(snapshot(kind, tmp_path / "temp", lambda progress: [b"data"], disk=FullDisk()))
    assert "No space left on device" in outcome[0]
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("kind", SNAPSHOTTERS)
def test_a_cancelled_snapshot_leaves_no_file_and_is_not_heard_of_again(run, tmp_path, kind):
    def endless(progress):
        while True:
            yield b"x" * 1000

    heard = []

    async def cancel():
        chunks = endless if kind == "fork" else lambda progress: [b"x"] * 100
        running = SNAPSHOTTERS[kind]().begin(str(tmp_path / "temp"), chunks, heard.append)
        await until(lambda: (tmp_path / "temp").exists())
        running.cancel()
        running.cancel()
        await asyncio.sleep(0)
        return running

    running = run(cancel())
    assert (os.listdir(tmp_path), heard) == ([], [])
    if kind == "fork":
        with pytest.raises(ProcessLookupError):
            os.kill(running.child, 0)


async def until(true, seconds=10.0):
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.002)


# -- the child -----------------------------------------------------------------------------------


def test_progress_is_told_while_the_child_writes(run, tmp_path):
    def chunks(progress):
        for _ in range(3):
            progress.keys += 10
            yield bytes(5 << 20)

    told = set()

    async def main():
        ended = asyncio.get_running_loop().create_future()
        copying = ForkSnapshotter().begin(str(tmp_path / "temp"), chunks, ended.set_result)
        await until(lambda: told.add((copying.progress.keys, copying.progress.bytes)) or ended.done())
        return await ended

    assert run(main()) is None
    assert told >= {(0, 0), (30, 15 << 20)}
    assert told <= {(0, 0), (10, 5 << 20), (20, 10 << 20), (30, 15 << 20)}


def test_a_child_that_fails_says_why(run, tmp_path):
    def chunks(progress):
        yield b"first"
        raise ValueError("a fault of ours\nin two lines")

    outcome = run(snapshot("fork", tmp_path / "temp", chunks))
    assert outcome[0] == "a fault of ours in two lines"
    assert os.listdir(tmp_path) == []


def test_a_child_that_is_killed_is_a_failed_snapshot(run, tmp_path):
    def chunks(progress):
        yield b"first"
        os.kill(os.getpid(), signal.SIGKILL)

    outcome = run(snapshot("fork", tmp_path / "temp", chunks))
    assert outcome[0] == "the child was killed by signal 9"
    assert os.listdir(tmp_path) == []


def test_a_child_that_leaves_without_a_word_is_a_failed_snapshot(run, tmp_path):
    def chunks(progress):
        os._exit(0)

    outcome = run(snapshot("fork", tmp_path / "temp", chunks))
    assert outcome[0] == "the child ended with 0"


def test_the_child_holds_no_descriptor_but_its_pipe_and_its_file(run, tmp_path):
    listener = socket.create_server(("127.0.0.1", 0))

    def chunks(progress):
        yield " ".join(sorted(os.listdir("/proc/self/fd"), key=int)).encode()

    with listener:
        run(snapshot("fork", tmp_path / "temp", chunks))
    descriptors = (tmp_path / "temp").read_text().split()
    assert descriptors[:3] == ["0", "1", "2"]
    assert len(descriptors) == 6  # the pipe, the file, and the folder that is being listed


def test_the_parents_signal_handlers_do_not_run_in_the_child(run, tmp_path):
    handled = tmp_path / "handled"

    def chunks(progress):
        os.kill(os.getpid(), signal.SIGINT)  # ignored
        yield b"still here"
        os.kill(os.getpid(), signal.SIGTERM)  # ends it
        yield b"never"

    async def main():
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, handled.touch)
        return await snapshot("fork", tmp_path / "temp", chunks)

    assert run(main())[0] == "the child was killed by signal 15"
    assert not handled.exists()


PARENT = """
import asyncio, os, sys, time
from miniredis.persistence.fork_snapshotter import ForkSnapshotter

def chunks(progress):
    while True:
        time.sleep(0.01)
        yield b"x"

async def main(path):
    server = await asyncio.start_server(lambda reader, writer: None, "127.0.0.1", 0)
    copying = ForkSnapshotter().begin(path, chunks, print)
    while not os.path.exists(path):
        await asyncio.sleep(0.01)
    print(copying.child, server.sockets[0].getsockname()[1], flush=True)
    await asyncio.sleep(60)

asyncio.run(main(sys.argv[1]))
"""


def test_a_parent_killed_during_a_snapshot_leaves_no_child_and_a_free_port(tmp_path):
    parent = subprocess.Popen([sys.executable, "-c", PARENT, str(tmp_path / "temp")], stdout=subprocess.PIPE)
    try:
        child, port = map(int, parent.stdout.readline().split())
    finally:
        parent.kill()
        parent.wait()
        parent.stdout.close()
    with socket.create_server(("127.0.0.1", port)):
        pass
    deadline = time.monotonic() + 10
    while is_alive(child):
        assert time.monotonic() < deadline
        time.sleep(0.005)


def is_alive(process_id):
    with suppress(FileNotFoundError, ProcessLookupError), open(f"/proc/{process_id}/stat", "rb") as file:
        return file.read().rpartition(b")")[2].split()[0] not in (b"Z", b"X")
    return False


# -- over ticks -----------------------------------------------------------------------------------


def test_the_steps_leave_room_for_others_in_between(run, tmp_path):
    async def main():
        others = 0

        def another():
            nonlocal others
            others += 1
            if not ended.done():
                asyncio.get_running_loop().call_soon(another)

        ended = asyncio.get_running_loop().create_future()
        SNAPSHOTTERS["steps"]().begin(str(tmp_path / "temp"), lambda progress: [b"x"] * 50, ended.set_result)
        another()
        assert await ended is None
        return others

    assert run(main()) >= 50
