"""What is known of one idempotency key: pure states, time as an argument.

                      begin               complete
     no record ──────────────▶ ACQUIRED ───────────▶ CONSUMED ── ttl ──▶ no record
                              ▲  │   ▲ │ renew
                        begin │  │   └─┘             begin, while the lease runs      in progress
                              │  ▼ release           begin, after it has run out      acquired, by a successor
                             RELEASED                begin, when consumed             the answer, once more

A *lease* bounds how long a dead worker blocks its key.  It cannot tell a dead worker from a slow one, so a successor may
begin while its predecessor still runs.  Three things are done about that, and the third is left to the application:

    the lease is renewed      while the worker lives and reaches the store, nobody else begins
    the holder is checked     a worker that has been succeeded can no longer store its answer: `complete` tells it what
                              became of the key instead
    the fence is handed on    a number that only grows from holder to holder; a database that remembers the highest it
                              has seen can refuse the writes of a predecessor.  It is one more than the last, and at
                              least the store's clock, so that it grows even across a store that lost its memory.

Or nobody succeeds: with `takeover` off a lease that ran out is an outcome that nobody knows, and is answered as such
until the holder comes back after all, or the record expires.  Executes at most once, where the other executes at least
once.

Source: draft-ietf-httpapi-idempotency-key-header-07 §2; Gray and Cheriton 1989, "Leases"; fencing as in Chubby (Burrows
2006, §2.4, "sequencers").  Next: record.lua is this chapter inside Redis, memory_store.py keeps records in a process.
"""

from enum import IntEnum
from typing import NamedTuple


class State(IntEnum):
    """Where a key stands.  The numbers are those in Redis."""

    ACQUIRED = 1  # somebody executes, or died doing so
    CONSUMED = 2  # executed, and here is the answer
    RELEASED = 3  # executed in vain: may be tried again; stays for its fence


class Verdict(IntEnum):
    """What the store says.  The numbers are those that record.lua replies."""

    ACQUIRED = 1  # execute; the claim is yours
    IN_PROGRESS = 2  # another holds it, for `wait_ms` more unless it renews
    ABANDONED = 3  # its holder's lease ran out and nobody may take over
    CONSUMED = 4  # `answer` is what was answered
    MISMATCH = 5  # the key belongs to another request
    KEPT = 6  # renewed, completed, or released, as was asked
    LOST = 7  # not the holder any more


class Outcome(NamedTuple):
    """The store's reply: a verdict and what belongs to it."""

    verdict: Verdict
    fence: int = 0
    attempt: int = 0  # 1 for the first that executes; higher: a predecessor failed, or may have got half way
    wait_ms: int = 0
    answer: bytes = b""


class Record(NamedTuple):
    """All that is stored of a key.  Beside its answer it takes some 560 bytes in a process, 800 in Redis."""

    state: State
    holder: bytes  # who acquired it last
    fence: int
    attempt: int
    fingerprint: bytes  # of the request: method, target, body
    lease_ms: int
    until_ms: int  # end of the lease
    answer: bytes = b""


class Claim(NamedTuple):
    """A worker's hold on a key, as `begin` granted it; fence and attempt are 0 while that is not known."""

    holder: bytes
    fingerprint: bytes
    lease_ms: int
    fence: int = 0
    attempt: int = 0


KEPT = Outcome(Verdict.KEPT)
LOST = Outcome(Verdict.LOST)
MISMATCH = Outcome(Verdict.MISMATCH)
ABANDONED = Outcome(Verdict.ABANDONED)


def begin(record: Record | None, claim: Claim, takeover: bool, now_ms: int) -> tuple[Record | None, Outcome]:
    """Acquire the key for `claim`, or say why not."""
    if record is None:
        return _acquired(claim, 0, 0, now_ms)
    if record.fingerprint != claim.fingerprint:
        return record, MISMATCH
    if record.state == State.CONSUMED:
        return record, Outcome(Verdict.CONSUMED, answer=record.answer)
    if record.state == State.ACQUIRED:
        if record.until_ms > now_ms + record.lease_ms:  # the clock went back: no lease is longer than itself
            record = record._replace(until_ms=now_ms + record.lease_ms)
        if record.until_ms > now_ms:
            return record, Outcome(Verdict.IN_PROGRESS, wait_ms=record.until_ms - now_ms)
        if not takeover:
            return record, ABANDONED
    return _acquired(claim, record.fence, record.attempt, now_ms)


def _acquired(claim: Claim, last_fence: int, last_attempt: int, now_ms: int) -> tuple[Record, Outcome]:
    fence, attempt = max(last_fence + 1, now_ms), last_attempt + 1
    until_ms = now_ms + claim.lease_ms
    record = Record(State.ACQUIRED, claim.holder, fence, attempt, claim.fingerprint, claim.lease_ms, until_ms)
    return record, Outcome(Verdict.ACQUIRED, fence, attempt)


def renew(record: Record | None, claim: Claim, now_ms: int) -> tuple[Record | None, Outcome]:
    """Begin the lease anew.  Also one that has run out, when nobody has succeeded meanwhile."""
    if not _holds(record, claim):
        return record, LOST
    assert record is not None
    return record._replace(until_ms=now_ms + record.lease_ms), KEPT


def complete(record: Record | None, claim: Claim, answer: bytes, now_ms: int) -> tuple[Record | None, Outcome]:
    """Store the answer, or learn what became of the key.

    KEPT         stored: also where the store has forgotten the key, since nobody else holds it then
    CONSUMED     a successor was faster, and this is its answer
    IN_PROGRESS  a successor executes
    LOST         a successor has failed and released the key: it may be tried again
    """
    if record is None or _holds(record, claim):
        consumed = Record(
            State.CONSUMED, claim.holder, claim.fence, claim.attempt, claim.fingerprint, claim.lease_ms, now_ms, answer
        )
        return consumed, KEPT
    if record.fingerprint != claim.fingerprint:
        return record, MISMATCH
    if record.state == State.CONSUMED:
        own = record.holder == claim.holder  # said twice, as the reply to the first was lost
        return record, KEPT if own else Outcome(Verdict.CONSUMED, answer=record.answer)
    if record.state == State.ACQUIRED:
        return record, Outcome(Verdict.IN_PROGRESS, wait_ms=max(0, record.until_ms - now_ms))
    return record, LOST


def release(record: Record | None, claim: Claim) -> tuple[Record | None, Outcome]:
    """Let go without an answer; whoever comes next executes.  The fence stays."""
    if not _holds(record, claim):
        return record, LOST
    assert record is not None
    return record._replace(state=State.RELEASED), KEPT


def _holds(record: Record | None, claim: Claim) -> bool:
    return record is not None and record.state == State.ACQUIRED and record.holder == claim.holder
