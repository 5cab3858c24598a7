"""One node of many that share limits: `python -m tests.ratelimit.one_of_many URL HITS`; prints what it admitted.

All begin together, when the key `go` exists; a line of JSON tells how many hits of each algorithm it let through.
"""

import asyncio
import json
import sys

from ratelimit import Ask, Limit
from ratelimit.algorithms import ALGORITHMS
from ratelimit.limit import DAY_MS
from ratelimit.redis_link import RedisLink
from ratelimit.redis_store import RedisStore

RATE = 100
WINDOWS = ("fixed_window", "sliding_window_counter")
LIMITS = {name: Limit(RATE, DAY_MS, algorithm=name, aligned=name not in WINDOWS) for name in ALGORITHMS}
"""Nothing comes back within the test: a token takes 14 minutes, and windows open with the first hit."""
AT_ONCE = 10


async def main(url: str, hits: int) -> None:
    link = RedisLink(url, timeout_ms=20_000)
    store = RedisStore(link)
    await link.call("INCR", "ready")
    while not await link.call("EXISTS", "go"):  # noqa: ASYNC110  others set it
        await asyncio.sleep(0.01)
    admitted = {}
    for name, limit in LIMITS.items():
        decisions = []
        for _ in range(hits // AT_ONCE):
            decisions += await asyncio.gather(*[store.hit([Ask(limit, "everybody")]) for _ in range(AT_ONCE)])
        admitted[name] = sum(decision.allowed for [decision] in decisions)
    await link.close()
    print(json.dumps(admitted))


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], int(sys.argv[2])))
