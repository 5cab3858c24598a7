"""`mini simulate ratelimit`: eight limiters and one miniredis under virtual time, and never more let through than allowed.

    World ─┬─ limiter-0 .. limiter-7   a GuardedStore on a RedisStore behind a socket
           ├─ store                    miniredis
           └─ callers, nemesis         scenarios/ratelimit.py

A seed draws the limits and their algorithms, what happens without a store, the faults, the weather, and how far clocks
drift: limiters leave the time to the store, so that they differ does not matter.
"""

import asyncio
import sys
from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from random import Random
from typing import Any, Literal, cast

import click

from cli import campaign
from cli.campaign import seed_options
from ratelimit import Ask, Decision, Limit
from ratelimit.circuit_breaker import CircuitBreaker
from ratelimit.failing import Blind, GuardedStore
from ratelimit.redis_link import RedisLink
from ratelimit.redis_store import RedisStore
from scenarios import ratelimit as scenario
from scenarios.ratelimit import Streams
from simulation.world import Host, Software, World

STORE, PORT, STORE_PORT = "store", 80, 6379
UNTIL_S = 1800.0


class SimulatedStage:
    """The hosts of a world as `scenarios.ratelimit.Stage` wants them."""

    def __init__(self, world: World, store: Software, limiter: Software) -> None:
        self._world, self._store, self._limiter = world, store, limiter

    async def connect(self, limiter: int) -> Streams:
        return await asyncio.open_connection(name_of(limiter), PORT)

    async def start(self, limiter: int | None) -> None:
        self._world.start(name_of(limiter), self._store if limiter is None else self._limiter)

    async def kill(self, limiter: int | None) -> None:
        self._world.kill(name_of(limiter))

    async def power_failure(self) -> None:
        self._world.power_loss(STORE)

    async def pause(self, limiter: int | None) -> None:
        self._world.pause(name_of(limiter))

    async def resume(self, limiter: int | None) -> None:
        self._world.resume(name_of(limiter))

    async def cut(self, limiter: int) -> None:
        self._world.network.partition([name_of(limiter)], [STORE])

    async def heal(self) -> None:
        self._world.network.heal()


def name_of(limiter: int | None) -> str:
    return STORE if limiter is None else f"limiter-{limiter}"


class FromRedis(Decision):
    """A decision that Redis made: to be told from one that was made here."""

    __slots__ = ()


class Witness(RedisStore):
    """Marks what Redis decided."""

    async def hit(self, asks: Sequence[Ask], now_ms: int | None = None) -> list[Decision]:
        return [FromRedis(*decision) for decision in await super().hit(asks, now_ms)]


async def limiter(host: Host, plan: scenario.Plan) -> None:
    """A node; nothing in it knows that it is simulated."""
    link = RedisLink(f"redis://{STORE}:{STORE_PORT}", timeout_ms=round(plan.timeout_s * 1000), random=host.random)
    guard = GuardedStore(
        Witness(link),
        timeout_ms=round(plan.timeout_s * 1000),
        on_failure=cast(Literal["open", "closed", "local"], plan.on_failure),
        nodes=plan.limiters,
        breaker=CircuitBreaker(failures=5, open_ms=200, open_ms_max=1000),
        now_ms=host.clock.now_ms,
    )
    limits = [limit_of(each) for each in plan.limits]
    now = asyncio.get_running_loop().time

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, EOFError):
            while True:
                _, key, count = (await reader.readuntil(b"\n")).decode().split()
                asked = now()
                asks = [Ask(limit, key) for limit in limits]
                for decisions in await asyncio.gather(*[guard.hit(asks) for _ in range(int(count))]):
                    by = {FromRedis: "store", Blind: "blind"}.get(type(decisions[0]), "local")
                    allowed = all(decision.allowed for decision in decisions)
                    writer.write(f"{allowed:d} {by} {host.lives} {now() - asked:.6f}\n".encode())
        writer.close()

    async with await asyncio.start_server(answer, None, PORT) as server:
        await server.serve_forever()


def limit_of(limit: scenario.Limit) -> Limit:
    burst = limit.burst if limit.algorithm in scenario.BUCKETS else None
    return Limit(limit.rate, round(limit.per_s * 1000), burst, limit.algorithm)


def drawn_limit(random: Random) -> scenario.Limit:
    algorithm = random.choice((*scenario.BUCKETS, "fixed_window", "sliding_window_log", "sliding_window_counter"))
    rate = random.choice((1, 3, 10, 20))
    burst = random.choice((1, rate, 2 * rate)) if algorithm in scenario.BUCKETS else rate
    return scenario.Limit(algorithm, rate, random.choice((0.2, 1.0, 3.7, 10.0)), burst)


def drawn_plan(random: Random, appendfsync: str) -> scenario.Plan:
    """How hard this seed pushes."""
    faults: tuple[str, ...] = random.choice(
        (
            (),
            scenario.LIMITER_FAULTS,
            scenario.STORE_FAULTS,
            ("kill store", "power failure"),
            scenario.LIMITER_FAULTS + scenario.STORE_FAULTS,
            (random.choice(scenario.LIMITER_FAULTS + scenario.STORE_FAULTS),),
        )
    )
    return scenario.Plan(
        limits=tuple({drawn_limit(random) for _ in range(random.choice((1, 1, 2, 3)))}),
        appendfsync=appendfsync,
        on_failure=random.choice(("open", "closed", "closed", "local")),
        timeout_s=random.choice((0.1, 0.3, 1.0)),
        clock_rate=random.choice((1.0, 1.01, 1.02)),
        callers=random.randint(3, 6),
        keys=random.randint(1, 3),
        faults=faults,
        rounds=random.randint(2, 5),
        calm_s=random.choice(((0.05, 0.5), (0.2, 2.0))),
        fault_s=random.choice(((0.01, 0.3), (0.1, 3.0))),
        think_s=random.choice((0.02, 0.1)),
    )


async def ratelimit_run(world: World, store: Software, plan: scenario.Plan) -> scenario.Report:
    """One seed.  Raises scenarios.ratelimit.Violated when a promise was broken."""
    world.note(f"plan {plan}")
    dice = world.random("clocks")
    stage = SimulatedStage(world, store, partial(limiter, plan=plan))
    for each in (None, *range(plan.limiters)):
        await stage.start(each)
        world.clock_rate(name_of(each), dice.uniform(2 - plan.clock_rate, plan.clock_rate))
    report = await scenario.run(stage, plan, world.random("scenario"), world.note)
    world.note(f"{report}")
    return report.verify()


async def judge_ratelimit(world: World, appendfsync: str = "always") -> object:
    """What the runner runs: at the top of a module, as it goes to other processes."""
    from cli.simulate import miniredis

    plan = drawn_plan(world.random("plan"), appendfsync)
    return await ratelimit_run(world, partial(miniredis, appendfsync=appendfsync), plan)


@click.command()
@seed_options(200)
@click.option("--appendfsync", type=click.Choice(["always", "everysec"]), default="always", show_default=True)
def ratelimit(appendfsync: str, **seeds: Any) -> None:
    """Limiters and their store crash, stand still and lose each other: never more is let through than allowed."""
    judge = partial(judge_ratelimit, appendfsync=appendfsync)
    sys.exit(campaign.run(f"ratelimit --appendfsync {appendfsync}", judge, until=UNTIL_S, **seeds))
