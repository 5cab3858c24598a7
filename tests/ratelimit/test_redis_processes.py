"""Eight processes, one Redis: together they admit what one would, to the hit."""

import asyncio
import json
import sys
from contextlib import asynccontextmanager

import pytest

from ratelimit.redis_link import RedisLink
from tests.miniredis.live_server import live_server
from tests.oracles.real_redis import real_redis
from tests.ratelimit.one_of_many import LIMITS, RATE

PROCESSES, HITS = 8, 40
DEADLINE_S = 300.0


@asynccontextmanager
async def serving(server):
    if server == "miniredis":
        async with live_server() as live:
            yield f"redis://127.0.0.1:{live.port}"
    else:
        with real_redis() as real:
            yield f"redis://127.0.0.1:{real.port}"


@pytest.mark.parametrize("server", ["miniredis", "redis"])
async def test_eight_processes_admit_what_one_would(server):
    async with serving(server) as url, asyncio.timeout(DEADLINE_S):
        command = (sys.executable, "-m", "tests.ratelimit.one_of_many", url, str(HITS))
        nodes = [
            await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE) for _ in range(PROCESSES)
        ]
        link = RedisLink(url, timeout_ms=20_000)
        while int(await link.call("GET", "ready") or 0) < PROCESSES:  # noqa: ASYNC110  they are other processes
            await asyncio.sleep(0.02)
        await link.call("SET", "go", "1")
        told = [json.loads((await node.communicate())[0]) for node in nodes]
        await link.close()
        assert {name: sum(node[name] for node in told) for name in LIMITS} == dict.fromkeys(LIMITS, RATE)
        assert sum(any(node.values()) for node in told) > 1
