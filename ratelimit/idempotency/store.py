"""What a store of idempotency keys does: four acts of record.py, each of them atomic."""

from typing import Protocol

from ratelimit.idempotency.record import Claim, Outcome


class StoreUnavailable(Exception):
    """The store gave no answer, and may have done the act or not."""


class Store(Protocol):
    """Keeps each record for a time after its last change.  Every act raises StoreUnavailable."""

    async def begin(self, name: str, claim: Claim, takeover: bool) -> Outcome: ...
    async def renew(self, name: str, claim: Claim) -> Outcome: ...
    async def complete(self, name: str, claim: Claim, answer: bytes) -> Outcome: ...
    async def release(self, name: str, claim: Claim) -> Outcome: ...
