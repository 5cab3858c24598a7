"""Limiters that are wrong in one place: to show that the simulation would have noticed.

Most bugs are other lines in what Redis is sent; the rest replace one function while a seed runs.
"""

import asyncio
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha1
from typing import Any
from unittest.mock import patch

from cli.simulate_ratelimit import judge_ratelimit
from ratelimit import redis_store
from ratelimit.algorithms import ALGORITHMS
from ratelimit.decision import Decision
from ratelimit.failing import Substitute
from ratelimit.redis_link import RedisLink
from ratelimit.redis_store import RedisStore, Script


@dataclass(frozen=True)
class Bug:
    """`owner.name` is replaced by `wrong`; or lines of the scripts, by others.

    seeds   among which one at least catches it
    told    what the failure says: the reason is the bug, not a slip in planting it
    """

    seeds: range
    told: str
    owner: Any = None
    name: str = ""
    wrong: Callable[..., object] | None = None
    lines: tuple[tuple[str, str], ...] = ()


TOO_MANY, LOCKED_OUT = "admitted within", "when all is well again"

BUGS: dict[str, Bug] = {
    "a_key_expires_too_early": Bug(
        range(2, 5),
        TOO_MANY,
        lines=(("return expires - asked_at + TTL_SLACK_MS", "return max(1, floor((expires - asked_at) / 8))"),),
    ),
    "a_window_never_ends_and_its_key_never_expires": Bug(
        range(1, 5),
        LOCKED_OUT,
        lines=(
            (", 'PX', time_to_live(expires)", ""),
            ("if elapsed < -per or elapsed >= per then began = nil end", ""),
            ("elapsed >= 2 * per then", "elapsed >= 1e12 then"),
        ),
    ),
    "a_full_window_admits": Bug(
        30, TOO_MANY, lines=(("if left < 0 then return 0, capacity", "if false then return 0, capacity"),)
    ),
    "a_bucket_is_full_after_half_a_period": Bug(
        range(8, 16), TOO_MANY, lines=(("elapsed > ceil(full / rate) and full", "elapsed > per / 2 and full"),)
    ),
    "gcra_forgets_what_lies_ahead": Bug(
        30, TOO_MANY, lines=(("if beyond <= horizon and", "if beyond <= -per / 2 and"),)
    ),
}


def bug(owner, name, *, seeds, told):
    """The decorated function takes the place of `owner.name`; its own name is the name of the bug."""

    def plant(wrong):
        BUGS[wrong.__name__] = Bug(seeds, told, owner, name, wrong)
        return wrong

    return plant


honest_decide = RedisStore._decide
honest_hit = Substitute.hit
links: dict[RedisLink, int] = {}


@bug(RedisStore, "_decide", seeds=range(2, 6), told=TOO_MANY)
async def each_limiter_has_its_own_clock(self, asks, now_ms, *, peek):
    """A clock that is wrong by minutes, and by other minutes on another node."""
    off_by_ms = links.setdefault(self.link, len(links)) % 8 * 60_000
    now_ms = 1_700_000_000_000 + round(asyncio.get_running_loop().time() * 1000) + off_by_ms
    return await honest_decide(self, asks, now_ms, peek=peek)


@bug(RedisStore, "hit", seeds=range(2, 6), told=TOO_MANY)
async def look_first_and_take_then(self, asks, now_ms=None):
    """The race of the textbook: between the two steps others look as well."""
    decisions = await self.peek(asks, now_ms)
    if all(decision.allowed for decision in decisions):
        await honest_decide(self, asks, now_ms, peek=False)
    return decisions


@bug(Substitute, "hit", seeds=range(6, 12), told="and yet Hit")
def whoever_cannot_ask_lets_pass(self, asks, now_ms, policies, retry_after_ms):
    return honest_hit(self, asks, now_ms, ["open"] * len(asks), retry_after_ms)


@bug(redis_store, "decisions_of", seeds=range(2, 6), told=TOO_MANY)
def everything_is_allowed(reply):
    return [Decision(True, 0, 0, 0) for _ in range(0, len(reply), 5)]


honest_script = redis_store.script


def with_lines(lines):
    """`script`, with wrong lines wherever the right ones stand."""

    def script(algorithms, peek, client_time):
        text = honest_script(algorithms, peek, client_time).text
        for right, wrong in lines:
            text = text.replace(right, wrong)
        return Script(sha1(text.encode()).hexdigest(), text)

    return script


@contextmanager
def planted(name):
    """The limiter with this bug, until the end of the block."""
    entry = BUGS[name]
    links.clear()
    if entry.owner is not None:
        with patch.object(entry.owner, entry.name, entry.wrong):
            yield
        return
    everything = honest_script(frozenset(ALGORITHMS), False, False).text
    assert all(right in everything for right, _ in entry.lines), name
    with patch.object(redis_store, "script", with_lines(entry.lines)):
        yield


async def judge_planted(world, name):
    """`judge_ratelimit` with one bug."""
    with planted(name):
        return await judge_ratelimit(world)
