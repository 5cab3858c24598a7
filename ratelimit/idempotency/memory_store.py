"""Records in this process: for one process, and for tests.

A record lives `ttl_ms` from its last change, so those that were changed first expire first, and one ordered dict knows
them all by age.  Memory is bounded by `keys` and `bytes`: beyond, the oldest answers go before their time (a duplicate
that comes later executes again), but never a key that somebody holds; when there are only such keys, begin fails.
"""

from collections import OrderedDict
from collections.abc import Callable

from ratelimit.idempotency import record as states
from ratelimit.idempotency.record import Claim, Outcome, Record, State
from ratelimit.idempotency.store import StoreUnavailable


class MemoryStore:
    """A Store for one event loop.  `now_ms` is the wall clock's: fences follow it."""

    def __init__(
        self,
        now_ms: Callable[[], int],
        ttl_ms: int = 86_400_000,
        keys: int = 100_000,
        bytes: int = 2**28,
    ) -> None:
        self.now_ms, self.ttl_ms, self.keys_max, self.bytes_max = now_ms, ttl_ms, keys, bytes
        self.bytes_held = 0  # by answers
        self._held: OrderedDict[str, tuple[Record, int]] = OrderedDict()  # acquired: record, when it expires
        self._settled: OrderedDict[str, tuple[Record, int]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._held) + len(self._settled)

    async def begin(self, name: str, claim: Claim, takeover: bool) -> Outcome:
        """record.begin.  Raises StoreUnavailable when all keys that fit are held."""
        now_ms = self.now_ms()
        record = self._load(name, now_ms)
        if record is None:
            self._refuse_when_full(takeover, now_ms)
        return self._save(name, record, *states.begin(record, claim, takeover, now_ms), now_ms)

    async def renew(self, name: str, claim: Claim) -> Outcome:
        """record.renew."""
        now_ms = self.now_ms()
        record = self._load(name, now_ms)
        return self._save(name, record, *states.renew(record, claim, now_ms), now_ms)

    async def complete(self, name: str, claim: Claim, answer: bytes) -> Outcome:
        """record.complete."""
        now_ms = self.now_ms()
        record = self._load(name, now_ms)
        return self._save(name, record, *states.complete(record, claim, answer, now_ms), now_ms)

    async def release(self, name: str, claim: Claim) -> Outcome:
        """record.release."""
        now_ms = self.now_ms()
        record = self._load(name, now_ms)
        return self._save(name, record, *states.release(record, claim), now_ms)

    async def forget(self, name: str) -> bool:
        """Drop a key, whatever its state: an operator who knows the outcome says so."""
        known = self._load(name, self.now_ms()) is not None
        self._drop(name)
        return known

    def _load(self, name: str, now_ms: int) -> Record | None:
        for records in (self._held, self._settled):
            entry = records.get(name)
            if entry is not None:
                if entry[1] > now_ms:
                    return entry[0]
                self._drop(name)
        return None

    def _save(self, name: str, before: Record | None, record: Record | None, outcome: Outcome, now_ms: int) -> Outcome:
        if record is not None and record is not before:
            self._drop(name)
            records = self._held if record.state == State.ACQUIRED else self._settled
            records[name] = record, now_ms + self.ttl_ms
            self.bytes_held += len(record.answer)
            self._make_room(now_ms)
        return outcome

    def _refuse_when_full(self, takeover: bool, now_ms: int) -> None:
        if len(self) < self.keys_max or self._settled:
            return
        oldest = next(iter(self._held))
        if not takeover or self._held[oldest][0].until_ms > now_ms:
            raise StoreUnavailable(f"{self.keys_max} keys are held, and no more fit")
        self._drop(oldest)  # its lease has run out: the next to ask would have taken it over anyway

    def _make_room(self, now_ms: int) -> None:
        for records in (self._held, self._settled):
            while records and next(iter(records.values()))[1] <= now_ms:
                self._drop(next(iter(records)))
        while self._settled and (len(self) > self.keys_max or self.bytes_held > self.bytes_max):
            self._drop(next(iter(self._settled)))

    def _drop(self, name: str) -> None:
        entry = self._held.pop(name, None) or self._settled.pop(name, None)
        if entry is not None:
            self.bytes_held -= len(entry[0].answer)
