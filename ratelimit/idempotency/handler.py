"""The idempotency handler without a protocol around it: a request in; execute, answer or pass by, out.

    handler.begin(request) ──┬─ None         not guarded: pass it on
                             ├─ Answer       say this, and do not execute
                             └─ Execution    execute, then one of:
                                   .complete(answer) ─▶ what to tell the client, now that it is stored
                                   .fail()           ─▶ the next one may execute

The answer is stored *before* the client sees its first byte: what one client has been told, all its duplicates will be
told.  While the application runs the lease is renewed by a timer, which costs a short request nothing.  A store that
fails just when the answer is to be kept is asked again later (backlog.py), under a lease that is still renewed.

A lease is measured by the holder's own clock too, from before it was asked for, so a worker that was paused or cut off
knows that it may have been succeeded without asking anybody: `Execution.lost`.  The application should look before a
deed that cannot be undone, best by `await execution.still_holds()`; and hand `execution.fence` to a database that
remembers the highest it has seen.

Next: asgi.py puts this around an application.
"""

import asyncio
from collections import Counter
from functools import partial
from random import Random, SystemRandom
from urllib.parse import unquote

from ratelimit.idempotency import answer as answers
from ratelimit.idempotency import field
from ratelimit.idempotency.answer import Answer, Problem, problem
from ratelimit.idempotency.backlog import Backlog
from ratelimit.idempotency.field import KeyMalformed, KeyMissing, Request, Who
from ratelimit.idempotency.policy import Policy
from ratelimit.idempotency.record import Claim, Outcome, Verdict
from ratelimit.idempotency.store import Store, StoreUnavailable

RENEWALS_PER_LEASE = 3


class Handler:
    """One for an application.

    who      whose key it is.  There is no default, since either guess does harm: too wide, and users read each other's
             answers; too narrow, and a retry counts as another's
    random   makes the holders' names; forked workers must not share its state, which SystemRandom has none of
    counts   what was decided, by name
    """

    def __init__(self, store: Store, who: Who, policy: Policy | None = None, random: Random | None = None) -> None:
        self.store, self.who, self.policy = store, who, policy or Policy()
        self.counts: Counter[str] = Counter()
        self.backlog = Backlog()
        self._random = random or SystemRandom()

    def guards(self, method: str) -> bool:
        """Whether requests of this method are looked at at all: if not, `begin` need not be asked."""
        return method in self.policy.methods

    def key(self, request: Request) -> bytes | Answer | None:
        """The key; None for a request that passes by without one; or what is wrong with it.  Needs no body yet."""
        try:
            return field.key_of(request.headers)
        except KeyMissing:
            path = unquote(request.target.partition(b"?")[0])
            return self.problem(answers.MISSING) if self.policy.requires(path) else None
        except KeyMalformed as error:
            return self.problem(answers.MALFORMED, detail=answers.MALFORMED.detail.format(why=error))

    def too_large(self) -> Answer:
        """For a request that has a key and more than `request_bytes`."""
        size = self.policy.request_bytes
        return self.problem(answers.TOO_LARGE, detail=answers.TOO_LARGE.detail.format(size=size))

    async def begin(self, request: Request) -> "Execution | Answer | None":
        """What to do with a request."""
        if not self.guards(request.method):
            return None
        key = self.key(request)
        if not isinstance(key, bytes):
            return key
        if len(request.body) > self.policy.request_bytes:
            return self.too_large()
        return await self.acquire(request, key)

    async def acquire(self, request: Request, key: bytes) -> "Execution | Answer | None":
        """The second half of `begin`, for one who looked at the key before reading the body."""
        claim = Claim(
            holder=b"%016x" % self._random.getrandbits(64),
            fingerprint=field.fingerprint_of(request),
            lease_ms=self.policy.lease_ms,
        )
        execution = Execution(self, field.name_of(self.who(request), key), key, claim)
        try:
            outcome = await self.store.begin(execution.name, claim, self.policy.takeover)
        except StoreUnavailable:
            if self.policy.fail_open:
                self.counts["unguarded"] += 1
                return None
            execution.release_later()  # it may have been granted all the same
            return self.problem(answers.UNAVAILABLE, retry_after_s=1)
        except asyncio.CancelledError:
            execution.release_later()
            raise
        if outcome.verdict == Verdict.ACQUIRED and execution.lost:  # the reply took as long as the lease
            await execution.fail()
            return self.problem(answers.UNAVAILABLE, retry_after_s=1)
        if outcome.verdict != Verdict.ACQUIRED:
            return self.duplicate(outcome)
        self.counts["executed" if outcome.attempt == 1 else "executed again"] += 1
        execution.acquired(outcome)
        return execution

    def duplicate(self, outcome: Outcome) -> Answer:
        """What one is told who does not hold the key."""
        if outcome.verdict == Verdict.CONSUMED:
            return self.replay(outcome.answer)
        if outcome.verdict == Verdict.MISMATCH:
            return self.problem(answers.MISMATCH)
        if outcome.verdict == Verdict.ABANDONED:
            return self.problem(answers.ABANDONED)
        wait_ms = min(max(outcome.wait_ms, 1), self.policy.poll_ms)
        return self.problem(answers.IN_PROGRESS, retry_after_s=-(-wait_ms // 1000))

    def replay(self, stored: bytes) -> Answer:
        """What was answered to the first, or why that cannot be said."""
        try:
            answer = Answer.decode(stored)
        except ValueError:
            return self.problem(answers.UNREADABLE)
        if answer.body is None:
            return self.problem(answers.NOT_KEPT, detail=answers.NOT_KEPT.detail.format(status=answer.status))
        self.counts["replayed"] += 1
        return answer.replayed(self.policy.replay_status)

    def problem(self, kind: Problem, retry_after_s: int = 0, detail: str = "") -> Answer:
        self.counts[kind.title] += 1
        return problem(kind, self.policy.documentation, retry_after_s, detail)


class Execution:
    """A key that is held.  The application finds it in the scope, under asgi.SCOPE_KEY.

    key      as the client sent it
    fence    larger than that of everybody who held the key before
    attempt  1, or more: then a predecessor failed, or died and may have got half way
    """

    def __init__(self, handler: Handler, name: str, key: bytes, claim: Claim) -> None:
        self.name, self.key, self.fence, self.attempt = name, key, 0, 0
        self._handler, self._claim = handler, claim
        self._loop = asyncio.get_running_loop()
        self._asked = self._loop.time()
        self._held_until = self._asked + handler.policy.hold_ms / 1000
        self._lease_s = claim.lease_ms / 1000
        self._owed_until = max(self._held_until, self._asked + self._lease_s)
        self._timer: asyncio.TimerHandle | None = None
        self._renewal: asyncio.Task[None] | None = None
        self._succeeded = False

    @property
    def lost(self) -> bool:
        """Whether somebody else may be executing: the lease has run out, or was taken over.  Asks nobody."""
        return self._succeeded or self._loop.time() >= self._asked + self._lease_s

    async def still_holds(self) -> bool:
        """Renew, and say whether that was granted; False as well when the store does not answer."""
        asked = self._loop.time()
        try:
            outcome = await self._handler.store.renew(self.name, self._claim)
        except StoreUnavailable:
            return False
        if outcome.verdict == Verdict.KEPT:
            self._asked = asked
            return not self.lost  # a reply may be read long after it came: the process stood still
        self._succeeded = True
        return False

    async def complete(self, answer: Answer) -> Answer:
        """Store the answer, and return what the client is to be told: it, or what became of the key meanwhile.

        An answer that is of `policy.release` is not stored but releases the key.  When the store does not answer, the
        client is told what was done all the same, since it would only try again.
        """
        if answer.status in self._handler.policy.released:
            await self.fail()
            return answer
        encoded = answer.encode()
        if len(encoded) > self._handler.policy.answer_bytes:
            encoded = answer._replace(body=None).encode()
        try:
            outcome = await self._completed(encoded)
        except StoreUnavailable:
            self._handler.backlog.add(partial(self._completed, encoded), self._owed_until)
            return answer
        return answer if outcome.verdict == Verdict.KEPT else self._handler.duplicate(outcome)

    async def _completed(self, encoded: bytes) -> Outcome:
        outcome = await self._handler.store.complete(self.name, self._claim, encoded)
        self._stop_renewing()
        if outcome.verdict != Verdict.KEPT:
            self._succeeded = True
            self._handler.counts["lost"] += 1
        return outcome

    async def fail(self) -> None:
        """Executed in vain: whoever asks next executes."""
        self._stop_renewing()
        try:
            await self._release()
        except StoreUnavailable:
            self.release_later()

    def release_later(self) -> None:
        """Let go as soon as the store listens."""
        self._handler.backlog.add(self._release, self._owed_until)

    async def _release(self) -> Outcome:
        return await self._handler.store.release(self.name, self._claim)

    def abandon(self) -> None:
        """Stopped half way: nobody knows how far it got, so the lease runs out, as when the process dies."""
        self._stop_renewing()

    # Renewal

    def acquired(self, outcome: Outcome) -> None:
        """The store has granted the claim."""
        self.fence, self.attempt = outcome.fence, outcome.attempt
        self._claim = self._claim._replace(fence=outcome.fence, attempt=outcome.attempt)
        self._renew_later()

    def _renew_later(self) -> None:
        if self._loop.time() < self._held_until:
            self._timer = self._loop.call_later(self._lease_s / RENEWALS_PER_LEASE, self._renew)

    def _renew(self) -> None:
        self._renewal = self._loop.create_task(self._renewed())

    async def _renewed(self) -> None:
        await self.still_holds()
        if not self._succeeded:
            self._renew_later()

    def _stop_renewing(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._renewal is not None:
            self._renewal.cancel()
            self._renewal = None
