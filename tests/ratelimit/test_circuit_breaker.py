"""The breaker as a table of moments: who may ask when, and what becomes of it."""

import pytest

from ratelimit.circuit_breaker import CircuitBreaker, State


def outcome(breaker, succeeded, now_ms):
    ticket = breaker.begin(now_ms)
    assert ticket is not None
    breaker.end(ticket, succeeded, now_ms)


def opened(failures=3, open_ms=1000, now_ms=0, **options):
    breaker = CircuitBreaker(failures, open_ms, **options)
    for _ in range(failures):
        outcome(breaker, False, now_ms)
    assert breaker.state is State.OPEN
    return breaker


def test_failures_in_a_row_open_it():
    breaker = CircuitBreaker(failures=3)
    for succeeded in (False, False, True, False, False):
        outcome(breaker, succeeded, 0)
    assert breaker.state is State.CLOSED
    outcome(breaker, False, 0)
    assert breaker.state is State.OPEN


def test_while_open_nobody_asks():
    breaker = opened(open_ms=1000, now_ms=500)
    assert [breaker.begin(now) for now in (500, 1000, 1499)] == [None] * 3
    assert [breaker.retry_after_ms(now) for now in (500, 1499, 1500)] == [1000, 1, 0]


def test_then_one_probe_asks_and_closes_it():
    breaker = opened(open_ms=1000)
    probe = breaker.begin(1000)
    assert (probe is not None, breaker.begin(1000), breaker.state) == (True, None, State.HALF_OPEN)
    breaker.end(probe, True, 1010)
    assert (breaker.state, breaker.retry_after_ms(1010)) == (State.CLOSED, 0)


def test_as_many_probes_as_were_wanted_must_succeed():
    breaker = opened(probes=2)
    first, second = breaker.begin(1000), breaker.begin(1000)
    assert breaker.begin(1000) is None
    breaker.end(first, True, 1000)
    assert breaker.state is State.HALF_OPEN
    breaker.end(second, True, 1000)
    assert breaker.state is State.CLOSED


def test_each_failed_probe_doubles_the_wait_up_to_a_bound():
    breaker, now, waits = opened(open_ms=1000, open_ms_max=5000), 0, []
    for _ in range(4):
        waits.append(breaker.retry_after_ms(now))
        now += waits[-1]
        outcome(breaker, False, now)
    assert waits == [1000, 2000, 4000, 5000]


def test_after_it_closed_the_wait_is_short_again():
    breaker = opened(failures=1, open_ms=1000)
    outcome(breaker, False, 1000)
    outcome(breaker, True, 3000)
    outcome(breaker, False, 3000)
    assert breaker.retry_after_ms(3000) == 1000


@pytest.mark.parametrize("succeeded", [True, False])
def test_what_was_asked_before_the_circuit_changed_is_not_counted(succeeded):
    breaker = CircuitBreaker(failures=1)
    early = breaker.begin(0)
    outcome(breaker, False, 0)
    probe = breaker.begin(1000)
    breaker.end(early, succeeded, 1000)
    assert breaker.state is State.HALF_OPEN
    breaker.end(probe, True, 1000)
    assert breaker.state is State.CLOSED


def test_a_probe_that_never_reports_is_replaced():
    breaker = opened(open_ms=1000)
    assert breaker.begin(1000) is not None
    assert breaker.begin(1999) is None
    replacement = breaker.begin(2000)
    assert replacement is not None
    breaker.end(replacement, True, 2000)
    assert breaker.state is State.CLOSED


def test_impossible_settings_are_refused():
    for settings in ({"failures": 0}, {"open_ms": 0}, {"probes": 0}, {"open_ms": 9, "open_ms_max": 8}):
        with pytest.raises(ValueError, match="a breaker needs"):
            CircuitBreaker(**settings)
