"""How often a key is executed twice, by who may take over and by what the store forgets: the README's table.

    python -m tests.simulations.idempotency_table [SEEDS]

Each row runs the same seeds under all faults; the last two let the store forget up to a second of what it was told.
"""

import sys
from dataclasses import replace
from functools import partial

from cli.simulate import miniredis
from cli.simulate_idempotency import UNTIL_S, drawn_plan, idempotency_run
from scenarios.idempotency import STORE_FAULTS, WORKER_FAULTS, Report
from simulation.world import World

LOSES_POWER = "power failure of the store"
ROWS = {
    "takeover, a plain shop": ("always", {"takeover": True, "fenced": False}),
    "takeover, a fenced shop": ("always", {"takeover": True, "fenced": True}),
    "no takeover, a plain shop": ("always", {"takeover": False, "fenced": False}),
    "no takeover, a plain shop, appendfsync everysec": ("everysec", {"takeover": False, "fenced": False}),
    "takeover, a fenced shop, appendfsync everysec": ("everysec", {"takeover": True, "fenced": True}),
}


async def judge(world: World, appendfsync: str, pushed: dict[str, object]) -> Report:
    """One seed, whatever it leads to."""
    faults = WORKER_FAULTS + STORE_FAULTS if appendfsync == "always" else (*WORKER_FAULTS, LOSES_POWER, LOSES_POWER)
    plan = replace(drawn_plan(world.random("plan")), faults=faults, **pushed)
    return await idempotency_run(world, partial(miniredis, appendfsync=appendfsync), plan, verify=False)


def main(seeds: int = 60) -> None:
    print(f"| {'workers and store':47} | keys | executed twice | nobody knows | broken promises |")
    print(f"|{'-' * 49}|-----:|---------------:|-------------:|----------------:|")
    for title, (appendfsync, pushed) in ROWS.items():
        reports = [
            World(seed).run(partial(judge, appendfsync=appendfsync, pushed=pushed), until=UNTIL_S)
            for seed in range(1, seeds + 1)
        ]
        keys, twice, unknown, broken = (
            sum(column)
            for column in zip(
                *((r.keys, r.executed_twice, r.nobody_knows, len(r.violations)) for r in reports if r), strict=True
            )
        )
        print(f"| {title:47} | {keys:4} | {twice:14} | {unknown:12} | {broken:15} |", flush=True)


if __name__ == "__main__":
    main(*map(int, sys.argv[1:]))
