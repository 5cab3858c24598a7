"""Records in Redis or miniredis, where all nodes see them: record.lua, once for each act, atomic.

The script goes out by its digest; a server that does not know it (restarted, failed over, flushed) says NOSCRIPT and is
sent the text, once.  Every record has a TTL.  Leases run by the server's clock, the only one that all workers share; a
test may hand in another.

What Redis must be told: `appendfsync always`, or a crash forgets who executes and what was answered, and
`maxmemory-policy noeviction` (or `volatile-ttl`, which takes those that are nearest to their end).  Replication is
asynchronous: a failover within milliseconds of an acquisition may hand the key out twice, and the fence shows it.
"""

from collections.abc import Awaitable, Callable
from hashlib import sha1
from importlib.resources import files
from typing import Protocol, cast

from ratelimit.idempotency.record import Claim, Outcome, Verdict
from ratelimit.idempotency.store import StoreUnavailable

SCRIPT = files(__package__).joinpath("record.lua").read_bytes()
DIGEST = sha1(SCRIPT, usedforsecurity=False).hexdigest().encode()


class Link(Protocol):
    """A connection to Redis, as redis_link.RedisLink is: a call that has no reply in time raises, as an error reply does."""

    def call(self, *words: bytes) -> Awaitable[object]: ...


class RedisStore:
    """A Store on `link`.

    ttl_ms   how long a record outlives its last change; at least as long as a client may try again
    now_ms   None: the server's clock
    """

    def __init__(
        self,
        link: Link,
        ttl_ms: int = 86_400_000,
        prefix: str = "idempotency:",
        now_ms: Callable[[], int] | None = None,
    ) -> None:
        self._link, self._prefix, self._now_ms = link, prefix, now_ms
        self._ttl_ms = b"%d" % ttl_ms

    async def begin(self, name: str, claim: Claim, takeover: bool) -> Outcome:
        """record.begin, by record.lua as the others."""
        return await self._act(b"begin", name, claim, b"1" if takeover else b"0")

    async def renew(self, name: str, claim: Claim) -> Outcome:
        return await self._act(b"renew", name, claim)

    async def complete(self, name: str, claim: Claim, answer: bytes) -> Outcome:
        return await self._act(b"complete", name, claim, b"%d" % claim.fence, b"%d" % claim.attempt, answer)

    async def release(self, name: str, claim: Claim) -> Outcome:
        return await self._act(b"release", name, claim)

    async def forget(self, name: str) -> bool:
        """Drop a key, whatever its state: an operator who knows the outcome says so."""
        return await self._call(b"DEL", self._prefix.encode() + name.encode()) == 1

    async def _act(self, act: bytes, name: str, claim: Claim, *rest: bytes) -> Outcome:
        key, lease_ms = self._prefix.encode() + name.encode(), b"%d" % claim.lease_ms
        now_ms = b"" if self._now_ms is None else b"%d" % self._now_ms()
        words = (b"1", key, act, now_ms, self._ttl_ms, claim.holder, claim.fingerprint, lease_ms, *rest)
        try:
            reply = await self._call(b"EVALSHA", DIGEST, *words)
        except StoreUnavailable as error:
            if not str(error).startswith("NOSCRIPT"):
                raise
            reply = await self._call(b"EVAL", SCRIPT, *words)
        verdict, fence, attempt, wait_ms, answer = cast(tuple[int, int, int, int, bytes], reply)
        return Outcome(Verdict(verdict), fence, attempt, wait_ms, answer)

    async def _call(self, *words: bytes) -> object:
        """Raises StoreUnavailable, with the server's own words where it has answered."""
        try:
            return await self._link.call(*words)
        except Exception as error:
            raise StoreUnavailable(str(error) or type(error).__name__) from error
