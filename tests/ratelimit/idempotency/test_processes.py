"""Four processes, one miniredis, a hundred duplicates at once, and one of the four is killed while it executes."""

import asyncio
import sys
from collections import Counter
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest

from lab.peers import mini_redis
from ratelimit.redis_link import RedisLink
from scenarios.idempotency import LOST, ask

ROOT = Path(__file__).parents[3]
WORKERS, DUPLICATES, LEASE_MS, DEADLINE_S = 4, 100, 3000, 120


@asynccontextmanager
async def shop(redis_port, dies, takeover):
    """Four workers, as (process, port)."""
    program = [sys.executable, "-m", "tests.ratelimit.idempotency.worker"]
    arguments = [str(redis_port), dies, takeover, str(LEASE_MS)]
    pipe = asyncio.subprocess.PIPE
    async with AsyncExitStack() as stack:
        processes = [
            await asyncio.create_subprocess_exec(*program, *arguments, stdin=pipe, stdout=pipe, cwd=ROOT)
            for _ in range(WORKERS)
        ]
        for process in processes:
            stack.push_async_callback(ended, process)
        async with asyncio.timeout(DEADLINE_S):
            yield [(process, int(await process.stdout.readline())) for process in processes]


async def ended(process):
    process.stdin.close()
    try:
        async with asyncio.timeout(DEADLINE_S):
            await process.wait()
    except TimeoutError:
        process.kill()
        raise


async def until_answered(ports, number):
    """A client that asks one worker after the other until it is told something final."""
    async with asyncio.timeout(DEADLINE_S):
        while True:
            number += 1
            try:
                streams = await asyncio.open_connection("127.0.0.1", ports[number % len(ports)])
                answer = await ask(streams, "8e03978e", b"Bearer anna", b"a book")
            except LOST:
                answer = None
            if answer is not None and answer.final:
                return answer
            await asyncio.sleep(0.2)


async def bought(dies, takeover):
    """What a hundred clients were told, what was done (attempts), and how the workers ended."""
    with mini_redis() as redis:
        async with shop(redis.port, dies, takeover) as workers:
            ports = [port for _, port in workers]
            answers = await asyncio.gather(*(until_answered(ports, number) for number in range(DUPLICATES)))
            link = RedisLink(f"redis://127.0.0.1:{redis.port}", timeout_ms=5000)
            deeds = [tuple(map(int, deed.split())) for deed in await link.call("LRANGE", "deeds", 0, -1)]
            await link.close()
        return answers, deeds, sorted(process.returncode for process, _ in workers)


async def test_a_hundred_duplicates_and_a_killed_worker_execute_once():
    answers, deeds, exits = await bought("before", "takeover")
    assert exits == [-9, 0, 0, 0]
    ((worker, attempt, fence),) = deeds
    assert (attempt, fence > 0) == (2, True)
    assert Counter(answer.replayed for answer in answers) == {False: 1, True: DUPLICATES - 1}
    assert {(answer.status, answer.body) for answer in answers} == {(201, f"sold by {worker}".encode())}


@pytest.mark.parametrize(("takeover", "attempts", "status"), [("takeover", [1, 2], 201), ("refuse", [1], 409)])
async def test_a_worker_that_is_killed_after_its_deed_is_the_case_that_takeover_decides(takeover, attempts, status):
    """The answer died with it: either somebody executes again, and is told so, or nobody ever knows."""
    answers, deeds, exits = await bought("after", takeover)
    assert exits == [-9, 0, 0, 0]
    assert [attempt for _, attempt, _ in deeds] == attempts
    assert sorted(fence for _, _, fence in deeds) == [fence for _, _, fence in deeds]
    assert {answer.status for answer in answers} == {status}
    assert len({answer.body for answer in answers}) == 1
