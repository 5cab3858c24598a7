"""`mini simulate idempotency`: four workers and one miniredis under virtual time, and nobody may be sold a book twice.

    World ─┬─ worker-0 .. worker-3   the ASGI middleware around a shop, on a RedisStore
           ├─ store                  miniredis, appendfsync always
           └─ shoppers, nemesis      scenarios/idempotency.py

A seed draws whether workers succeed each other, whether the shop is fenced, how long leases last (often shorter than the
shop thinks), the faults and the weather.
"""

import asyncio
import sys
from dataclasses import replace
from functools import partial
from random import Random
from typing import Any

import click

from cli import campaign
from cli.campaign import seed_options
from cli.idempotency_stage import Ledger, Shop, serve
from ratelimit.idempotency import IdempotencyMiddleware, Policy, RedisStore, header
from ratelimit.redis_link import RedisLink
from scenarios import idempotency as scenario
from scenarios.idempotency import Deed, Streams
from simulation.world import Host, Software, World

STORE, PORT, STORE_PORT, CLIENTS = "store", 80, 6379, "world"
UNTIL_S = 1800.0


class SimulatedStage:
    """The hosts of a world as `scenarios.idempotency.Stage` wants them."""

    def __init__(self, world: World, software: dict[int | None, Software], ledger: Ledger) -> None:
        self._world, self._software, self._ledger = world, software, ledger

    @property
    def ledger(self) -> list[Deed]:
        return self._ledger.deeds

    async def connect(self, worker: int) -> Streams:
        return await asyncio.open_connection(name_of(worker), PORT)

    async def start(self, worker: int | None) -> None:
        self._world.start(name_of(worker), self._software[worker])

    async def kill(self, worker: int | None) -> None:
        self._world.kill(name_of(worker))

    async def power_failure(self, worker: int | None) -> None:
        self._world.power_loss(name_of(worker))

    async def pause(self, worker: int | None) -> None:
        self._world.pause(name_of(worker))

    async def resume(self, worker: int | None) -> None:
        self._world.resume(name_of(worker))

    async def cut(self, worker: int) -> None:
        self._world.network.partition([name_of(worker)], [STORE])

    async def heal(self) -> None:
        self._world.network.heal()


def name_of(worker: int | None) -> str:
    return STORE if worker is None else f"worker-{worker}"


def drawn_plan(random: Random) -> scenario.Plan:
    """How hard this seed pushes."""
    faults: tuple[str, ...] = random.choice(
        (
            (),
            (),
            ("kill",),
            ("pause",),
            ("cut",),
            scenario.STORE_FAULTS,
            scenario.WORKER_FAULTS,
            scenario.WORKER_FAULTS + scenario.STORE_FAULTS,
        )
    )
    return scenario.Plan(
        takeover=random.random() < 0.6,
        fenced=random.random() < 0.4,
        lease_s=random.choice((0.5, 2.0, 5.0)),
        shoppers=random.randint(2, 6),
        orders=random.randint(2, 6),
        faults=faults,
        rounds=random.randint(3, 12),
        calm_s=random.choice(((0.01, 0.3), (0.1, 1.5))),
        fault_s=random.choice(((0.1, 2.0), (1.0, 10.0))),
    )


async def worker(number: int, host: Host, plan: scenario.Plan, ledger: Ledger, dice: Random) -> None:
    """A node of the shop; nothing in it knows that it is simulated.  All draw the same from `dice`."""
    link = RedisLink(f"redis://{STORE}:{STORE_PORT}", timeout_ms=dice.choice((500, 2000)), random=host.random)
    policy = Policy(lease_ms=round(plan.lease_s * 1000), hold_ms=round(plan.lease_s * 20_000), takeover=plan.takeover)
    shop = Shop(
        ledger,
        number,
        host.random,
        think_s=plan.lease_s * dice.choice((0.01, 0.5, 2.0, 2.0)),
        failing=dice.choice((0.0, 0.0, 0.1)),
        looks=dice.random() < 0.3,
    )
    app = IdempotencyMiddleware(shop, RedisStore(link), header("authorization"), policy, host.random)
    async with await serve(app, None, PORT) as server:
        await server.serve_forever()


async def idempotency_run(world: World, store: Software, plan: scenario.Plan, verify: bool = True) -> scenario.Report:
    """One seed.  Raises scenarios.idempotency.Violated when a promise was broken, if it is to `verify`."""
    world.note(f"plan {plan}")
    ledger = Ledger(plan.fenced, lambda: world.loop.now)
    dice = world.random("shop").getrandbits(64)

    async def node(number: int, host: Host) -> None:
        await worker(number, host, plan, ledger, Random(dice))

    software: dict[int | None, Software] = {None: store}
    software |= {number: partial(node, number) for number in range(plan.workers)}
    stage = SimulatedStage(world, software, ledger)
    for each in software:
        await stage.start(each)
    report = await scenario.run(stage, plan, world.random("scenario"), world.note)
    world.note(f"{report}")
    return report.verify() if verify else report


async def judge_idempotency(world: World, **pushed: Any) -> object:
    """What the runner runs: at the top of a module, as it goes to other processes.  `pushed` is of the plan, not drawn."""
    from cli.simulate import miniredis

    plan = replace(drawn_plan(world.random("plan")), **pushed)
    return await idempotency_run(world, partial(miniredis, appendfsync="always"), plan)


@click.command()
@seed_options(200)
def idempotency(**seeds: Any) -> None:
    """Requests sent again and again to workers that die: each is executed once."""
    sys.exit(campaign.run("idempotency", judge_idempotency, until=UNTIL_S, **seeds))
