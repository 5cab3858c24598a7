"""Virtual time for tests of leases, and a store that can be broken."""

import asyncio
from functools import wraps

from ratelimit.idempotency.memory_store import MemoryStore
from ratelimit.idempotency.store import StoreUnavailable
from simulation.world import World

EPOCH_MS = 1_700_000_000_000


def in_virtual_time(test):
    """Run an async test in a simulated world, where a sleep of an hour takes no time."""

    @wraps(test)
    def run() -> None:
        World(1).run(lambda _: test(), until=100_000)

    return run


class BreakableStore:
    """A MemoryStore on the loop's time.

    down     every act fails, and is not done
    deaf     every act is done, and its reply is lost
    acts     what was asked, in order
    """

    def __init__(self, **options):
        now = asyncio.get_running_loop().time
        self.inner = MemoryStore(lambda: EPOCH_MS + int(now() * 1000), **options)
        self.down = self.deaf = False
        self.acts = []

    def __getattr__(self, act):
        async def asked(*arguments):
            self.acts.append(act)
            if self.down:
                raise StoreUnavailable("down")
            outcome = await getattr(self.inner, act)(*arguments)
            if self.deaf:
                raise StoreUnavailable("deaf")
            return outcome

        return asked
