"""The life of one key, step by step: `record.py` is a pure function of record, claim and time."""

import pytest

from ratelimit.idempotency.record import (
    ABANDONED,
    KEPT,
    LOST,
    MISMATCH,
    Claim,
    Outcome,
    Record,
    State,
    Verdict,
    begin,
    complete,
    release,
    renew,
)

NOON = 1_000_000
LEASE = 10_000
FIRST = Claim(b"first", b"order of a book", LEASE)
SECOND = Claim(b"second", b"order of a book", LEASE)
OTHER = Claim(b"second", b"order of a car", LEASE)


def acquired(claim=FIRST, now_ms=NOON):
    record, outcome = begin(None, claim, True, now_ms)
    return record, claim._replace(fence=outcome.fence, attempt=outcome.attempt)


def test_the_first_to_begin_holds_the_key():
    record, outcome = begin(None, FIRST, True, NOON)
    assert outcome == Outcome(Verdict.ACQUIRED, fence=NOON, attempt=1)
    assert record == Record(State.ACQUIRED, b"first", NOON, 1, b"order of a book", LEASE, NOON + LEASE)


def test_a_duplicate_waits_for_the_rest_of_the_lease():
    record, _ = acquired()
    assert begin(record, SECOND, True, NOON + 4000) == (record, Outcome(Verdict.IN_PROGRESS, wait_ms=6000))


def test_the_answer_is_given_to_every_duplicate():
    record, claim = acquired()
    record, outcome = complete(record, claim, b"201", NOON + 5)
    assert outcome == KEPT
    assert begin(record, SECOND, True, NOON + 10**9) == (record, Outcome(Verdict.CONSUMED, answer=b"201"))


@pytest.mark.parametrize("settle", [None, complete, release])
def test_another_request_under_the_same_key_is_refused_in_every_state(settle):
    """draft-ietf-httpapi-idempotency-key-header-07 §2.7: 422."""
    record, claim = acquired()
    if settle is complete:
        record, _ = complete(record, claim, b"201", NOON)
    elif settle is release:
        record, _ = release(record, claim)
    assert begin(record, OTHER, True, NOON + 2 * LEASE) == (record, MISMATCH)


@pytest.mark.parametrize(
    ("after_ms", "verdict"),
    [(LEASE - 1, Verdict.IN_PROGRESS), (LEASE, Verdict.ACQUIRED), (LEASE + 1, Verdict.ACQUIRED)],
)
def test_a_lease_ends_at_its_end(after_ms, verdict):
    record, _ = acquired()
    assert begin(record, SECOND, True, NOON + after_ms)[1].verdict == verdict


def test_a_successor_has_a_larger_fence_and_knows_that_it_is_the_second():
    record, _ = acquired()
    _, outcome = begin(record, SECOND, True, NOON + LEASE)
    assert outcome == Outcome(Verdict.ACQUIRED, fence=NOON + LEASE, attempt=2)


def test_the_fence_grows_though_the_clock_stands_still():
    record, claim = acquired()
    record, _ = release(record, claim)
    assert begin(record, SECOND, True, NOON)[1] == Outcome(Verdict.ACQUIRED, fence=NOON + 1, attempt=2)


def test_the_fence_grows_though_the_store_forgot_the_key():
    _, before = acquired()
    assert begin(None, SECOND, True, NOON + 1)[1].fence > before.fence


def test_without_takeover_nobody_succeeds_a_holder_that_is_gone():
    record, _ = acquired()
    assert begin(record, SECOND, False, NOON + LEASE) == (record, ABANDONED)


def test_a_holder_that_comes_back_late_still_completes_when_nobody_has_succeeded_it():
    record, claim = acquired()
    assert complete(record, claim, b"201", NOON + 10 * LEASE)[1] == KEPT


def test_a_renewed_lease_begins_anew():
    record, claim = acquired()
    record, outcome = renew(record, claim, NOON + 9000)
    assert outcome == KEPT
    assert begin(record, SECOND, True, NOON + 12_000)[1] == Outcome(Verdict.IN_PROGRESS, wait_ms=7000)


def test_a_holder_that_was_succeeded_can_neither_renew_nor_release_nor_complete():
    record, late = acquired()
    record, _ = begin(record, SECOND, True, NOON + LEASE)
    now_ms = NOON + LEASE + 1
    assert renew(record, late, now_ms) == (record, LOST)
    assert release(record, late) == (record, LOST)
    assert complete(record, late, b"late", now_ms) == (record, Outcome(Verdict.IN_PROGRESS, wait_ms=LEASE - 1))


def test_a_holder_that_was_succeeded_is_given_its_successors_answer():
    record, late = acquired()
    record, outcome = begin(record, SECOND, True, NOON + LEASE)
    record, _ = complete(record, SECOND._replace(fence=outcome.fence), b"in time", NOON + LEASE)
    assert complete(record, late, b"late", NOON + LEASE) == (record, Outcome(Verdict.CONSUMED, answer=b"in time"))


def test_a_holder_whose_successor_failed_is_told_to_try_again():
    record, late = acquired()
    record, _ = begin(record, SECOND, True, NOON + LEASE)
    record, _ = release(record, SECOND)
    assert complete(record, late, b"late", NOON + LEASE) == (record, LOST)


def test_completing_twice_is_completing_once():
    record, claim = acquired()
    record, _ = complete(record, claim, b"201", NOON)
    assert complete(record, claim, b"201", NOON + 500) == (record, KEPT)


def test_an_answer_is_kept_though_the_store_forgot_who_was_to_give_it():
    _, claim = acquired()
    record, outcome = complete(None, claim, b"201", NOON)
    assert (outcome, record.fence, record.answer) == (KEPT, NOON, b"201")


def test_what_was_never_acquired_can_be_neither_renewed_nor_released():
    assert renew(None, FIRST, NOON) == (None, LOST)
    assert release(None, FIRST) == (None, LOST)


def test_a_clock_that_goes_back_makes_no_lease_longer_than_itself():
    record, _ = acquired()
    record, outcome = begin(record, SECOND, True, NOON - 3_600_000)
    assert outcome == Outcome(Verdict.IN_PROGRESS, wait_ms=LEASE)
    assert begin(record, SECOND, True, NOON - 3_600_000 + LEASE)[1].verdict == Verdict.ACQUIRED
