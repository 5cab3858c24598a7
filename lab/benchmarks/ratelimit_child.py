"""One measurement of `mini bench ratelimit`, in a process of its own: a job as JSON in, figures as JSON out.

The clock starts after a warm-up, and after the garbage of the set-up is gone.
"""

import asyncio
import gc
import inspect
import json
import sys
import time
from collections.abc import Callable, Iterable
from itertools import repeat
from pathlib import Path
from random import Random
from typing import Any

WARM_UP = 2_000
BATCH = 64


def private_bytes() -> int:
    """Memory that is this process's alone."""
    lines = Path("/proc/self/smaps_rollup").read_text().splitlines()
    return sum(int(line.split()[1]) * 1024 for line in lines if line.startswith("Private_"))


def seconds(call: Callable[[str], object], keys: Iterable[str]) -> float:
    began = time.perf_counter()
    for key in keys:
        call(key)
    return time.perf_counter() - began


def one_key(hit: Callable[[str], object], job: dict[str, Any]) -> dict[str, float]:
    seconds(hit, repeat("user:1", WARM_UP))
    gc.collect()
    return {"rate": job["hits"] / seconds(hit, repeat("user:1", job["hits"]))}


def many_keys(hit: Callable[[str], object], job: dict[str, Any]) -> dict[str, float]:
    """The first time round fills the tables, the second is timed."""
    seconds(hit, repeat("user:x", WARM_UP))
    order = list(range(job["keys"]))
    Random(1).shuffle(order)
    gc.collect()
    before = private_bytes()
    for number in order:
        hit(f"user:{number:07d}")  # the key's text is part of what a key costs
    gc.collect()
    grown = private_bytes() - before
    keys = [f"user:{number:07d}" for number in order]
    return {"rate": len(keys) / seconds(hit, keys), "bytes_a_key": grown / len(keys)}


def in_turn(hit: Callable[[str], object], job: dict[str, Any]) -> dict[str, float]:
    keys = [f"{job['who']}:{number % 100}" for number in range(job["hits"])]
    seconds(hit, keys[:WARM_UP])
    return {"rate": len(keys) / seconds(hit, keys)}


def callers(hit: Callable[[str], Any], job: dict[str, Any]) -> dict[str, float]:
    async def caller(number: int, hits: int) -> None:
        for turn in range(hits):
            await hit(f"{job['who']}:{(number + turn) % 100}")

    async def all_of_them(hits: int) -> float:
        began = time.perf_counter()
        await asyncio.gather(*(caller(number, hits // job["callers"]) for number in range(job["callers"])))
        return time.perf_counter() - began

    async def measured() -> float:
        await all_of_them(min(WARM_UP, job["hits"]))
        return await all_of_them(job["hits"])

    return {"rate": job["hits"] / run(measured())}


def batches(hit_each: Callable[[list[str]], Any], job: dict[str, Any]) -> dict[str, float]:
    async def all_of_them(batches: int) -> float:
        began = time.perf_counter()
        for _ in range(batches):
            await hit_each([f"{job['who']}:{number}" for number in range(BATCH)])
        return time.perf_counter() - began

    async def measured() -> float:
        await all_of_them(WARM_UP // BATCH)
        return await all_of_them(job["hits"] // BATCH)

    return {"rate": job["hits"] // BATCH * BATCH / run(measured())}


def attack(hit: Callable[[str], Any], job: dict[str, Any]) -> dict[str, float]:
    """Debtors first; then keys that nobody has seen."""
    debtors = [f"debtor:{number}" for number in range(100)]
    for debtor in debtors:
        while hit(debtor).allowed:
            pass
    before = private_bytes()
    began = time.perf_counter()
    slowest = 0.0
    for number in range(job["keys"]):
        hit(f"attacker:{number}")
        if number % 1000 == 0:
            at = time.perf_counter()
            hit(f"sample:{number}")
            slowest = max(slowest, time.perf_counter() - at)
    rate = job["keys"] / (time.perf_counter() - began)
    return {
        "rate": rate, "keys": job["keys"], "grown_bytes": private_bytes() - before, "slowest_us": slowest * 1e6,
        "debtors_still_denied": sum(not hit(debtor).allowed for debtor in debtors), "debtors": len(debtors),
    }  # fmt: skip


def requests(app: Callable[..., Any], job: dict[str, Any]) -> dict[str, float]:
    """Requests a second through an ASGI application, without a server around it."""
    scope = {
        "type": "http", "method": "GET", "path": "/orders/7", "raw_path": b"/orders/7", "query_string": b"",
        "headers": [(b"host", b"example.test"), (b"accept", b"*/*"), (b"user-agent", b"bench")],
        "client": ("127.0.0.1", 40000), "server": ("127.0.0.1", 80), "scheme": "http", "http_version": "1.1",
    }  # fmt: skip

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: dict[str, Any]) -> None:
        pass

    async def ask(hits: int) -> float:
        began = time.perf_counter()
        for _ in range(hits):
            await app(dict(scope), receive, send)
        return time.perf_counter() - began

    async def measured() -> float:
        await ask(WARM_UP)
        return min([await ask(job["hits"] // 5) for _ in range(5)]) * 5

    return {"rate": job["hits"] / run(measured())}


def run(coroutine: Any) -> Any:
    """On uvloop, where it is installed, for everybody."""
    try:
        import uvloop
    except ImportError:
        return asyncio.run(coroutine)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(coroutine)


JOBS: dict[str, Callable[..., dict[str, float]]] = {
    "one_key": one_key, "many_keys": many_keys, "in_turn": in_turn, "callers": callers, "batches": batches,
    "attack": attack, "requests": requests,
}  # fmt: skip
ON_A_LOOP = {"callers": "hit", "batches": "hit_each"}
"""What the set-up of such a job defines."""


def main() -> None:
    job = json.load(sys.stdin)
    names: dict[str, Any] = {"LIMIT": job["limit"][0], "SECONDS": job["limit"][1], "REDIS": job.get("redis")}
    if job["job"] in ON_A_LOOP:
        made: dict[str, Any] = {}

        async def hit(argument: object) -> object:
            """Set up on the loop: connections belong to the one they are made on."""
            if not made:
                exec(job["setup"], names)
                made["hit"] = names[ON_A_LOOP[job["job"]]]
            answer = made["hit"](argument)
            return await answer if inspect.isawaitable(answer) else answer

        figures = JOBS[job["job"]](hit, job)
    else:
        exec(job["setup"], names)
        figures = JOBS[job["job"]](names["app"] if job["job"] == "requests" else names["hit"], job)
    json.dump(figures, sys.stdout)


if __name__ == "__main__":
    main()
