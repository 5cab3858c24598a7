"""`mini bench ratelimit`: decisions a second and bytes a key, beside the limiters people install today.

In one process, over Redis, and around an ASGI application; ours, `limits`, `throttled-py` and `pyrate-limiter`, whose
versions are printed.  Each measurement is a fresh child (ratelimit_child.py), so that nobody inherits another's memory
or garbage; the contestants take turns for several rounds, and what counts is the median.

    one key        the state is in the CPU's cache: what the code itself costs
    many keys      a million keys in random order: what the memory costs too, and bytes a key
    over Redis     one at a time, 64 callers at once, and batches of 64; on redis-server and on ours
    attack         ten million keys nobody has seen, in a table that may hold a hundred thousand
    middleware     microseconds that our ASGI middleware adds to an empty application

What a contestant runs is a few lines of Python that define `hit(key)`, in a table below: they read as each library's
own documentation would have it.  Next: ratelimit_tables.py, which prints the figures beside the aims.
"""

import json
import statistics
import subprocess
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from importlib import metadata, util
from typing import Any

from lab import peers

ONE_KEY_LIMIT = (1000, 1)
"""Hits, and of how many seconds: most of them are denied."""
MANY_KEYS_LIMIT = (10, 3600)
"""None is denied, and no key expires while its neighbours are still asked about."""
CHILD_DEADLINE_S = 600


@dataclass(frozen=True)
class Contestant:
    """A library and one of its algorithms."""

    library: str
    algorithm: str
    setup: str
    """Python that defines `hit(key)`, a coroutine function where `callers` are counted; LIMIT, SECONDS, REDIS are there."""
    module: str = ""
    """What must be installed."""

    @property
    def there(self) -> bool:
        return not self.module or util.find_spec(self.module) is not None


def ours(algorithm: str) -> Contestant:
    setup = f"""
from ratelimit import Limit, Limiter, MemoryStore
hit = Limiter(Limit(LIMIT, 1000 * SECONDS, algorithm={algorithm!r}), MemoryStore(max_keys=2_000_000)).hit
"""
    return Contestant("mini", algorithm, setup)


def of_limits(algorithm: str, strategy: str) -> Contestant:
    setup = f"""
import functools, limits, limits.strategies
strategy = limits.strategies.{strategy}(limits.storage.MemoryStorage())
hit = functools.partial(strategy.hit, limits.RateLimitItemPerSecond(LIMIT, SECONDS))
"""
    return Contestant("limits", algorithm, setup, "limits")


def of_throttled(algorithm: str, using: str) -> Contestant:
    setup = f"""
import datetime, throttled
store = throttled.MemoryStore(options={{"MAX_SIZE": 2_000_000}})
quota = throttled.rate_limiter.per_duration(datetime.timedelta(seconds=SECONDS), LIMIT, burst=LIMIT)
hit = throttled.Throttled(using={using!r}, quota=quota, store=store).limit
"""
    return Contestant("throttled-py", algorithm, setup, "throttled")


PYRATE = """
from pyrate_limiter import {what}, Limiter, Rate
limiter = Limiter({bucket})
def hit(key): return limiter.try_acquire(key, blocking=False)
"""

IN_PROCESS = (
    *map(
        ours,
        ("gcra", "token_bucket", "leaking_bucket", "fixed_window", "sliding_window_log", "sliding_window_counter"),
    ),
    of_limits("fixed_window", "FixedWindowRateLimiter"),
    of_limits("sliding_window_log", "MovingWindowRateLimiter"),
    of_limits("sliding_window_counter", "SlidingWindowCounterRateLimiter"),
    of_throttled("gcra", "gcra"),
    of_throttled("token_bucket", "token_bucket"),
    of_throttled("leaking_bucket", "leaking_bucket"),
    of_throttled("fixed_window", "fixed_window"),
    of_throttled("sliding_window_counter", "sliding_window"),
    Contestant(
        "pyrate-limiter",
        "sliding_window_log",
        PYRATE.format(what="InMemoryBucket", bucket="InMemoryBucket([Rate(LIMIT, 1000)])"),
        "pyrate_limiter",
    ),
)
ONE_KEY_ONLY = ("pyrate-limiter",)
"""A bucket for each key is left to its users to write."""

OUR_LINK = """
from ratelimit import Ask, Limit
from ratelimit.redis_link import RedisLink
from ratelimit.redis_store import RedisStore
store, limit = RedisStore(RedisLink(REDIS)), Limit(LIMIT, 1000, algorithm={algorithm!r})
async def hit(key): return (await store.hit([Ask(limit, key)]))[0]
"""
OUR_BATCHES = """
from ratelimit import Ask, Limit
from ratelimit.redis_link import RedisLink
from ratelimit.redis_store import RedisStore
store, limit = RedisStore(RedisLink(REDIS)), Limit(LIMIT, 1000, algorithm={algorithm!r})
async def hit_each(keys): return await store.hit_each([[Ask(limit, key)] for key in keys])
"""
OUR_SYNC = """
from ratelimit import Limit, Limiter
from ratelimit.redis_store import SyncRedisStore
hit = Limiter(Limit(LIMIT, 1000, algorithm={algorithm!r}), SyncRedisStore.from_url(REDIS)).hit
"""
LIMITS_SYNC = """
import functools, limits, limits.strategies
storage = limits.storage.storage_from_string(REDIS)
hit = functools.partial(limits.strategies.{strategy}(storage).hit, limits.RateLimitItemPerSecond(LIMIT))
"""
LIMITS_ASYNC = """
import functools, limits, limits.aio.strategies
storage = limits.storage.storage_from_string("async+" + REDIS, implementation="redispy")
hit = functools.partial(limits.aio.strategies.{strategy}(storage).hit, limits.RateLimitItemPerSecond(LIMIT))
"""
THROTTLED_SYNC = """
import throttled
store = throttled.RedisStore(server=REDIS)
hit = throttled.Throttled(using={using!r}, quota=throttled.rate_limiter.per_sec(LIMIT, burst=LIMIT), store=store).limit
"""
THROTTLED_ASYNC = THROTTLED_SYNC.replace("import throttled\n", "import throttled.asyncio as throttled\n")

OVER_REDIS_SYNC = (
    Contestant("mini, redis-py", "gcra", OUR_SYNC.format(algorithm="gcra"), "redis"),
    Contestant("mini, redis-py", "fixed_window", OUR_SYNC.format(algorithm="fixed_window"), "redis"),
    Contestant("limits", "fixed_window", LIMITS_SYNC.format(strategy="FixedWindowRateLimiter"), "limits"),
    Contestant("limits", "sliding_window_log", LIMITS_SYNC.format(strategy="MovingWindowRateLimiter"), "limits"),
    Contestant("throttled-py", "gcra", THROTTLED_SYNC.format(using="gcra"), "throttled"),
    Contestant("throttled-py", "fixed_window", THROTTLED_SYNC.format(using="fixed_window"), "throttled"),
)
OVER_REDIS_ASYNC = (
    *(
        Contestant("mini", name, OUR_LINK.format(algorithm=name))
        for name in ("gcra", "fixed_window", "sliding_window_counter", "sliding_window_log")
    ),
    Contestant("limits", "fixed_window", LIMITS_ASYNC.format(strategy="FixedWindowRateLimiter"), "limits"),
    Contestant("limits", "sliding_window_log", LIMITS_ASYNC.format(strategy="MovingWindowRateLimiter"), "limits"),
    Contestant("throttled-py", "gcra", THROTTLED_ASYNC.format(using="gcra"), "throttled"),
)

IN_BATCHES = tuple(
    Contestant("mini", name, OUR_BATCHES.format(algorithm=name))
    for name in ("gcra", "fixed_window", "sliding_window_counter", "sliding_window_log")
)

ATTACKED = """
from ratelimit import Limit, Limiter, MemoryStore
limiter = Limiter(Limit(10, 3_600_000), MemoryStore(max_keys=100_000))
hit = limiter.hit
"""
BARE_APP = """
async def app(scope, receive, send):
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"ok"})
"""
LIMITED_APP = (
    BARE_APP
    + """
from ratelimit.asgi import RateLimitMiddleware
from ratelimit.memory_store import MemoryStore
from ratelimit.rules_file import read_rules
rules = read_rules('[[rules]]\\nname = "each"\\nwho = "ip"\\nlimit = "1000000 per second"\\n')
app = RateLimitMiddleware(app, rules, MemoryStore())
"""
)


@dataclass(frozen=True)
class Size:
    """How much of everything."""

    rounds: int
    one_key_hits: int
    keys: int
    redis_hits: int
    attackers: int
    requests: int


FULL = Size(rounds=3, one_key_hits=1_000_000, keys=1_000_000, redis_hits=20_000, attackers=10_000_000, requests=100_000)
QUICK = Size(rounds=1, one_key_hits=200_000, keys=200_000, redis_hits=5_000, attackers=1_000_000, requests=20_000)


@dataclass
class Results:
    """(section, library, algorithm) → a figure for each round."""

    size: Size
    rates: dict[tuple[str, str, str], list[float]] = field(default_factory=dict)
    bytes_a_key: dict[tuple[str, str], list[float]] = field(default_factory=dict)
    attack: dict[str, float] = field(default_factory=dict)
    versions: dict[str, str] = field(default_factory=dict)
    absent: dict[str, str] = field(default_factory=dict)

    def rate(self, section: str, library: str, algorithm: str) -> float | None:
        """Median decisions a second."""
        found = self.rates.get((section, library, algorithm))
        return statistics.median(found) if found else None


def measure(job: str, contestant: Contestant, **numbers: Any) -> dict[str, float]:
    """One child's figures.  Raises RuntimeError with its last words."""
    limit = MANY_KEYS_LIMIT if job == "many_keys" else ONE_KEY_LIMIT
    text = json.dumps({"job": job, "setup": contestant.setup, "limit": limit, "who": contestant.algorithm, **numbers})
    ended = subprocess.run(
        [sys.executable, "-m", "lab.benchmarks.ratelimit_child"],
        input=text, capture_output=True, text=True, timeout=CHILD_DEADLINE_S, check=False,
    )  # fmt: skip
    if ended.returncode:
        raise RuntimeError("\n".join(ended.stderr.splitlines()[-3:]))
    figures: dict[str, float] = json.loads(ended.stdout)
    return figures


def run(size: Size, note: Callable[[str], None], wanted: Sequence[str] = ()) -> Results:
    """Everything, or the sections that begin with one of `wanted`, round by round."""
    results = Results(size)
    for package in ("limits", "throttled-py", "pyrate-limiter", "redis", "hiredis"):
        try:
            results.versions[package] = metadata.version(package)
        except metadata.PackageNotFoundError:
            results.absent[package] = "not installed: pip install -e '.[bench]'"
    with ExitStack() as held:
        servers = {
            "redis-server": started(peers.redis_server, held, results),
            "miniredis": started(peers.mini_redis, held, results),
        }
        for number in range(size.rounds):
            for section, contestant, job in jobs(size, servers):
                if wanted and not section.startswith(tuple(wanted)):
                    continue
                note(f"round {number + 1} of {size.rounds}: {section}, {contestant.library} {contestant.algorithm}")
                try:
                    figures = measure(**job, contestant=contestant)
                except RuntimeError as error:
                    results.absent[f"{section}: {contestant.library} {contestant.algorithm}"] = str(error)
                    continue
                keep(results, section, contestant, figures)
    return results


def started(server: Callable[..., Any], held: ExitStack, results: Results) -> str | None:
    """The address of a server that runs until `held` ends; None, and the reason noted, if there is none."""
    try:
        peer = held.enter_context(server("--appendonly", "no"))
    except peers.PeerMissing as error:
        results.absent[server.__name__] = str(error)
        return None
    return f"redis://127.0.0.1:{peer.port}"


def jobs(size: Size, servers: dict[str, str | None]) -> Iterator[tuple[str, Contestant, dict[str, Any]]]:
    """(section, contestant, what its child is told), in the order of a round."""
    for contestant in IN_PROCESS:
        if contestant.there:
            yield "one key", contestant, {"job": "one_key", "hits": size.one_key_hits}
            if contestant.library not in ONE_KEY_ONLY:
                yield "many keys", contestant, {"job": "many_keys", "keys": size.keys}
    for name, address in servers.items():
        if address is None:
            continue
        for contestant in OVER_REDIS_SYNC:
            if contestant.there:
                yield (
                    f"{name}, one at a time",
                    contestant,
                    {"job": "in_turn", "redis": address, "hits": size.redis_hits},
                )
        for contestant in OVER_REDIS_ASYNC:
            if contestant.there:
                told = {"job": "callers", "redis": address, "hits": size.redis_hits}
                yield f"{name}, one at a time", contestant, {**told, "callers": 1}
                yield f"{name}, 64 callers", contestant, {**told, "callers": 64}
        for contestant in IN_BATCHES:
            yield f"{name}, batches of 64", contestant, {"job": "batches", "redis": address, "hits": size.redis_hits}
    yield "attack", Contestant("mini", "gcra", ATTACKED), {"job": "attack", "keys": size.attackers}
    yield "middleware", Contestant("bare", "", BARE_APP), {"job": "requests", "hits": size.requests}
    yield "middleware", Contestant("mini", "gcra", LIMITED_APP), {"job": "requests", "hits": size.requests}


def keep(results: Results, section: str, contestant: Contestant, figures: dict[str, float]) -> None:
    key = (section, contestant.library, contestant.algorithm)
    if section == "attack":
        results.attack.update(figures)
    else:
        results.rates.setdefault(key, []).append(figures["rate"])
    if "bytes_a_key" in figures:
        results.bytes_a_key.setdefault(key[1:], []).append(figures["bytes_a_key"])
