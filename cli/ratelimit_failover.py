"""How many hits does a Redis forget when its master fails and a replica takes over?  `python -m cli.ratelimit_failover`

Redis answers a caller before the replica has the write, so whatever was on its way when the master died was admitted and
is not known to the new master: it can be admitted once more.  This is measured here with two redis-servers, a relay
between them, and 64 callers who count what they were granted:

    process dies        SIGKILL; what the kernel had been handed still arrives
    machine dies        SIGKILL, and the link is cut in the same moment; it delays by so much
    replica was behind  the link stood still for a second before
    split               the link is cut, the replica promoted, and the callers stay with the old master for a second

The first three are: granted before the failure, minus counted by the new master after it.  The last is what the old
master granted after the promotion.  Over-admission in a period is never more than this, and never more than the limit
itself once more, for each failover.
"""

import asyncio
import statistics
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import click

from lab.peers import Peer, redis_server
from lab.relays import Relay
from ratelimit import Ask, Limit
from ratelimit.redis_link import RedisLink, StoreUnavailable
from ratelimit.redis_store import RedisStore

LIMIT = Limit(10_000_000, 3_600_000, algorithm="fixed_window", aligned=False)
ASKS = [Ask(LIMIT, "everybody")]
CALLERS = 64
WARM_S, SPLIT_S, BEHIND_S = 0.5, 1.0, 1.0
DEADLINE_S = 20.0


@dataclass(frozen=True)
class Failure:
    """A way to lose a master."""

    name: str
    delay_ms: int = 0
    cut: bool = False  # what is on the wire is lost with the master
    behind_s: float = 0.0
    split: bool = False


FAILURES = (
    Failure("process dies"),
    Failure("machine dies, link of 1 ms", delay_ms=1, cut=True),
    Failure("machine dies, link of 10 ms", delay_ms=10, cut=True),
    Failure("machine dies, link of 100 ms", delay_ms=100, cut=True),
    Failure("replica was 1 s behind", behind_s=BEHIND_S, cut=True),
    Failure("split for 1 s", split=True),
)


class Crowd:
    """Callers of one server, and how many hits they were granted."""

    def __init__(self, port: int) -> None:
        self.granted = 0
        self.link = RedisLink(f"redis://127.0.0.1:{port}", timeout_ms=2000)
        self._store = RedisStore(self.link)
        self._callers = [asyncio.create_task(self._call()) for _ in range(CALLERS)]

    async def _call(self) -> None:
        while True:
            try:
                [decision] = await self._store.hit(ASKS)
            except StoreUnavailable:
                return
            self.granted += decision.allowed

    async def leave(self) -> None:
        for caller in self._callers:
            caller.cancel()
        await asyncio.gather(*self._callers, return_exceptions=True)
        await self.link.close()


async def failover(failure: Failure, master: Peer, replica: Peer, relay: Relay) -> tuple[int, float]:
    """(hits forgotten or granted twice, hits a second before)."""
    now = asyncio.get_running_loop().time
    admin = RedisLink(f"redis://127.0.0.1:{replica.port}", timeout_ms=10_000)
    await admin.call("REPLICAOF", "127.0.0.1", relay.port)
    await until(lambda: replicates(admin))
    relay.delay_s = failure.delay_ms / 1000
    crowd, began = Crowd(master.port), now()
    await asyncio.sleep(WARM_S)
    if failure.behind_s:
        relay.hold()
        await asyncio.sleep(failure.behind_s)
    if failure.cut or failure.split:
        relay.cut()
    if not failure.split:
        master.child.kill()
    rate = crowd.granted / (now() - began)
    if failure.split:
        await admin.call("REPLICAOF", "NO", "ONE")
        before = crowd.granted
        await asyncio.sleep(SPLIT_S)
        forgotten = crowd.granted - before
    else:
        await asyncio.sleep(0.2)  # what the kernel still holds reaches the replica, and the callers
        await admin.call("REPLICAOF", "NO", "ONE")
        [decision] = await RedisStore(admin).peek(ASKS)
        forgotten = crowd.granted - (LIMIT.rate - decision.remaining)
    await crowd.leave()
    await admin.close()
    return forgotten, rate


async def replicates(replica: RedisLink) -> bool:
    return b"master_link_status:up" in await replica.call("INFO", "replication")


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    async with asyncio.timeout(DEADLINE_S):
        while not await condition():  # noqa: ASYNC110  another process tells nobody
            await asyncio.sleep(0.02)


async def measured(failure: Failure, trials: int) -> tuple[list[int], float]:
    lost, rates = [], []
    for _ in range(trials):
        with redis_server("--repl-diskless-sync-delay", "0") as master, redis_server() as replica:
            async with Relay(master.port) as relay:
                forgotten, rate = await failover(failure, master, replica, relay)
                lost.append(forgotten)
                rates.append(rate)
    return lost, statistics.median(rates)


@click.command()
@click.option("--trials", default=5, show_default=True, type=click.IntRange(min=1), help="Of each failure.")
def main(trials: int) -> None:
    """Measure what a failed-over Redis forgets."""
    click.echo(f"{'failure':32}{'hits/s':>10}{'lost: median':>14}{'most':>10}{'as traffic':>12}")
    for failure in FAILURES:
        lost, rate = asyncio.run(measured(failure, trials))
        median = statistics.median(lost)
        click.echo(f"{failure.name:32}{rate:>10,.0f}{median:>14,.0f}{max(lost):>10,}{median / rate * 1000:>9,.0f} ms")


if __name__ == "__main__":
    main()
