"""Limiters that are wrong in one place: to show that the simulation would have noticed.

Most bugs are other lines in what Redis is sent; the rest replace one function while a seed runs.
"""

import asyncio
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from hashlib import sha1
from typing import Any
from unittest.mock import patch

from cli.simulate import miniredis
from cli.simulate_ratelimit import drawn_plan, ratelimit_run
from ratelimit import redis_store
from ratelimit.decision import Decision
from ratelimit.failing import Substitute
from ratelimit.redis_link import RedisLink
from ratelimit.redis_script import Script
from ratelimit.redis_store import RedisStore
from scenarios import ratelimit as scenario

SEEDS = range(1, 6)
"""One of these at least catches each bug."""
TOO_MANY, LOCKED_OUT = "admitted within", "when all is well again"


@dataclass(frozen=True)
class Bug:
    """`owner.name` is replaced by `wrong`; or lines of the scripts, by others.

    algorithm  of the only limit while it is sought
    told       what the failure says: the reason is the bug, not a slip in planting it
    """

    algorithm: str
    told: str
    lines: tuple[tuple[str, str], ...] = ()
    owner: Any = None
    name: str = ""
    wrong: Callable[..., object] | None = None


BUGS: dict[str, Bug] = {
    "a_key_expires_too_early": Bug(
        "leaking_bucket",
        TOO_MANY,
        (("return expires - asked_at + TTL_SLACK_MS", "return max(1, floor((expires - asked_at) / 8))"),),
    ),
    "a_window_never_ends_and_its_key_never_expires": Bug(
        "fixed_window",
        LOCKED_OUT,
        (
            (", 'PX', time_to_live(expires)", ""),
            ("if elapsed < -per or elapsed >= per then began = nil end", ""),
        ),
    ),
    "a_full_window_admits": Bug(
        "fixed_window", TOO_MANY, (("if left < 0 then return 0, capacity", "if false then return 0, capacity"),)
    ),
    "a_hit_counts_half": Bug(
        "sliding_window_counter", TOO_MANY, (("(capacity - current) * per", "(capacity - current / 2) * per"),)
    ),
    "the_log_remembers_half": Bug(
        "sliding_window_log", TOO_MANY, (("capacity - (length - old)", "capacity - length / 2"),)
    ),
    "tokens_come_in_twice": Bug(
        "token_bucket", TOO_MANY, (("stored + elapsed * rate", "stored + 2 * elapsed * rate"),)
    ),
    "gcra_forgets_what_lies_ahead": Bug("gcra", TOO_MANY, (("if beyond <= horizon and", "if beyond <= -per / 2 and"),)),
}


def bug(owner, name, *, told):
    """The decorated function takes the place of `owner.name`; its own name is the name of the bug."""

    def plant(wrong):
        BUGS[wrong.__name__] = Bug("gcra", told, (), owner, name, wrong)
        return wrong

    return plant


honest_hit = RedisStore.hit
honest_substitute = Substitute.hit
links: dict[RedisLink, int] = {}


@bug(RedisStore, "_at", told=TOO_MANY)
def each_limiter_has_its_own_clock(self, now_ms):
    """A clock that is wrong by minutes, and by other minutes on another node."""
    off_by_ms = links.setdefault(self.link, len(links)) % 8 * 60_000
    return 1_700_000_000_000 + round(asyncio.get_running_loop().time() * 1000) + off_by_ms


@bug(RedisStore, "hit", told=TOO_MANY)
async def look_first_and_take_then(self, asks, now_ms=None):
    """The race of the textbook: between the two steps others look as well."""
    decisions = await self.peek(asks, now_ms)
    if all(decision.allowed for decision in decisions):
        await honest_hit(self, asks, now_ms)
    return decisions


@bug(Substitute, "hit", told="and yet Hit")
def whoever_cannot_ask_lets_pass(self, asks, now_ms, policies, retry_after_ms):
    return honest_substitute(self, asks, now_ms, ["open"] * len(asks), retry_after_ms)


@bug(redis_store, "decisions_of", told=TOO_MANY)
def everything_is_allowed(reply):
    return [Decision(True, 0, 0, 0) for _ in range(0, len(reply), 5)]


honest_decision_of = redis_store.decision_of


@bug(redis_store, "decision_of", told=TOO_MANY)
def all_who_share_a_script_hear_the_first_answer(reply, first=0):
    return honest_decision_of(reply, 0)


honest_script = redis_store.script


def with_lines(lines):
    """`script`, with wrong lines wherever the right ones stand."""

    def script(algorithms, mode, client_time):
        text = honest_script(algorithms, mode, client_time).text
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
    everything = honest_script(frozenset([entry.algorithm]), "hit", False).text
    assert all(right in everything for right, _ in entry.lines), name
    with patch.object(redis_store, "script", with_lines(entry.lines)):
        yield


async def judge_planted(world, name):
    """`judge_ratelimit` with one bug, and one limit that is much asked for."""
    limit = scenario.Limit(BUGS[name].algorithm, 10, 1.0, 10)
    plan = replace(drawn_plan(world.random("plan"), "always"), limits=(limit,), on_failure="closed", think_s=0.02)
    with planted(name):
        return await ratelimit_run(world, partial(miniredis, appendfsync="always"), plan)
