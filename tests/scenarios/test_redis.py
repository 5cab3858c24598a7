"""The scenario keeps quiet about an honest server and speaks up about a dishonest one."""

import asyncio
import shutil
from dataclasses import replace
from random import Random

import pytest

from lab import peers
from lab.chaos import RealServer
from lab.child import free_port
from scenarios import redis
from scenarios.redis import Plan, Violated

PLAN = Plan(
    rounds=2, private_writers=2, sharing_writers=2, load_s=(0.05, 0.1), double_kill_chance=0.5, idle_crash_chance=0.0
)


class Redis(RealServer):
    """Debian's redis-server on files in `folder`, with a hand for mischief between death and restart."""

    def __init__(self, folder, *directives):
        port = free_port()
        aof = ("--save", "", "--appendonly", "yes", "--appendfsync", "always")
        binary = peers.redis_server_binary()
        command = [binary, "--port", str(port), "--dir", str(folder), *aof, *directives]
        super().__init__(command, port, folder / "server.log")
        self.folder = folder


async def outcome(server, plan=PLAN, seed=1):
    await server.start()
    try:
        return await redis.run(server, plan, Random(seed))
    finally:
        await server.child.stopped()


async def test_redis_with_an_aof_keeps_its_promises(tmp_path):
    report = await outcome(Redis(tmp_path))
    assert report.violations == []
    assert (report.restarts, report.checks, report.lost) == (2, 3, 0)
    assert report.acknowledged > 100


async def test_a_server_without_an_aof_is_caught(tmp_path):
    report = await outcome(Redis(tmp_path, "--appendonly", "no"))
    assert any("must stand" in text for text in report.violations)
    with pytest.raises(Violated):
        report.verify()


async def test_a_tail_cut_off_by_mischief_is_caught(tmp_path):
    class Forgetful(Redis):
        async def start(self):
            for log in (self.folder / "appendonlydir").glob("*.incr.aof"):
                with log.open("r+b") as file:
                    file.truncate(log.stat().st_size // 2)  # more than what was under way
            await super().start()

    report = await outcome(Forgetful(tmp_path), replace(PLAN, rewrite_chance=0.0))
    assert report.violations


async def test_an_older_copy_of_the_files_is_caught(tmp_path):
    """What was once read after a crash must be read again after the next."""

    class Backwards(Redis):
        copy = None

        async def start(self):
            files = self.folder / "appendonlydir"
            if self.copy:
                shutil.rmtree(files)
                shutil.copytree(self.copy, files)
            elif files.exists():
                self.copy = self.folder / "copy"
                shutil.copytree(files, self.copy)
            await super().start()

    report = await outcome(Backwards(tmp_path), replace(PLAN, double_kill_chance=0.0))
    assert report.violations


async def test_a_server_that_ended_by_itself_is_a_violation(tmp_path):
    server = Redis(tmp_path)

    async def deadly_start():
        await RealServer.start(server)
        asyncio.get_running_loop().call_later(0.3, server.child.kill)

    server.start = deadly_start
    report = await outcome(server, Plan(rounds=1, load_s=(0.5, 0.5)))
    assert any("ended by itself" in text for text in report.violations)
