"""What the sharing writers do: one short exchange on keys that all of them use.

    count   INCR                       look     read the newest of what `count` and `push` wrote
    push    MULTI SADD RPUSH EXEC      lease    SET with a deadline that comes while the run lasts
    queue   RPUSH                      put      SADD a bag, RPUSH a stack: what others take out of
    take    BLMOVE to a list of one's own       draw   SPOP from the bag;  consume   BLPOP from the stack

Each writes down what it is about to do before it sends, and the reply when that has come: between the two the outcome
is unknown.  Next: redis_checker.py compares the notes with what the server holds.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from random import Random
from typing import cast

from scenarios.redis_checker import Claim, History, Lease, Pool
from scenarios.resp import Client, as_bytes

LEASE_MS = (50, 4000)


@dataclass
class Errands:
    """One sharing writer's connection: its notes go to `history`, its moved jobs to the list `done`."""

    client: Client
    history: History
    random: Random
    now: Callable[[], float]
    done: bytes

    async def count(self, claim: Claim) -> None:
        self.history.counts.append(claim)
        value = cast(int, await self.client.call("INCR", "shared:counter"))
        claim.acknowledged_at = self.now()
        self.history.counted.append((value, claim.acknowledged_at))

    async def push(self, claim: Claim) -> None:
        self.history.pushed.append(claim)
        commands = [
            ("MULTI",),
            ("SADD", "shared:set", claim.value),
            ("RPUSH", "shared:list", claim.value),
            ("EXEC",),
        ]
        replies = await self.client.pipeline(map(as_bytes, commands))
        if isinstance(replies[-1], Exception):
            raise replies[-1]
        claim.acknowledged_at = self.now()

    async def look(self, claim: Claim) -> None:
        """A reply may only show what will stand, whoever wrote it."""
        count = cast(bytes | None, await self.client.call("GET", "shared:counter"))
        self.history.seen_counts.append((int(count or b"0"), self.now()))
        newest = cast(list[bytes], await self.client.call("LRANGE", "shared:list", -1, -1))
        self.history.seen += [(value, self.now()) for value in newest]

    async def queue(self, claim: Claim) -> None:
        self.history.jobs.append(claim)
        await self.client.call("RPUSH", "shared:queue", claim.value)
        claim.acknowledged_at = self.now()

    async def take(self, claim: Claim) -> None:
        job = await self.client.call("BLMOVE", "shared:queue", self.done, "LEFT", "RIGHT", "0.05")
        if job is not None:
            self.history.taken.append((Claim(cast(bytes, job), claim.writer, self.now()), self.done))

    async def lease(self, claim: Claim) -> None:
        lease = Lease(claim, self.random.randint(*LEASE_MS) / 1000, self.now())
        self.history.leases.append(lease)
        await self.client.call("SET", lease.key, claim.value, "PX", round(lease.seconds * 1000))
        claim.acknowledged_at = self.now()

    async def put(self, claim: Claim) -> None:
        pool, verb = self.random.choice(((self.history.bag, "SADD"), (self.history.stack, "RPUSH")))
        pool.added.append(claim)
        await self.client.call(verb, pool.key, claim.value)
        claim.acknowledged_at = self.now()

    async def draw(self, claim: Claim) -> None:
        await self._remove(self.history.bag, claim, "SPOP")

    async def consume(self, claim: Claim) -> None:
        await self._remove(self.history.stack, claim, "BLPOP", "0.05")

    async def _remove(self, pool: Pool, claim: Claim, verb: str, *timeout: str) -> None:
        pool.unknown += 1
        reply = await self.client.call(verb, pool.key, *timeout)
        pool.unknown -= 1
        if reply is not None:
            value = cast(bytes, reply[1] if isinstance(reply, list) else reply)
            pool.removed.append(Claim(value, claim.writer, self.now()))

    @property
    def all(self) -> tuple[Callable[[Claim], Awaitable[None]], ...]:
        """Those that write and take twice: they meet each other more often."""
        often = (self.count, self.push, self.queue, self.take, self.look)
        return (*often, *often, self.lease, self.put, self.put, self.draw, self.consume)
