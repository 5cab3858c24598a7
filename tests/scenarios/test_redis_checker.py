"""The checker, without a server: what may be missing, and what may not."""

import pytest

from scenarios.redis_checker import Claim, History, Session, Unit


def appended(*acknowledged_at):
    """A session that appended 1, 2, 3, ... to its string, each acknowledged at the given time or not at all."""
    units = [
        Unit(((b"APPEND", b"p:string", b"%d" % number),), [number], at) for number, at in enumerate(acknowledged_at, 1)
    ]
    return Session(b"p:", 0, units)


def reading(string):
    return [string, None, [], [], [], [], *([-1 if string else -2] + [-2] * 5)]


@pytest.mark.parametrize("string, broken", [(b"1", 1), (b"12", 0), (b"123", 0), (b"13", 1), (b"1234", 1), (None, 1)])
def test_between_acknowledged_and_sent_any_cut_will_do_and_no_other(string, broken):
    judge = History(window_s=0.0, pin=True)
    judge.check_session(appended(1.0, 2.0, None), reading(string), nothing_in_flight=True)
    assert len(judge.violations) == broken


@pytest.mark.parametrize("string, lost, broken", [(b"1", 2, 0), (None, 0, 1), (b"123", 0, 0)])
def test_a_power_failure_may_take_what_the_window_covers_and_no_more(string, lost, broken):
    """appendfsync everysec: the two seconds before the failure."""
    judge = History(window_s=2.0, pin=False)
    judge.power_failures = [(4.0, 4.1)]
    judge.check_session(appended(1.0, 2.5, 3.0), reading(string), nothing_in_flight=True)
    assert (judge.lost, len(judge.violations)) == (lost, broken)


def test_a_refused_write_must_not_be_there():
    judge = History(window_s=0.0, pin=True)
    session = appended(1.0, None)
    session.units[1].refused = True
    judge.check_session(session, reading(b"12"), nothing_in_flight=True)
    assert len(judge.violations) == 1


def test_missing_invented_and_doubled_values_are_told_apart():
    judge = History(window_s=0.0, pin=True)
    judge.check_claims("here", [Claim(b"a", 0, 1.0), Claim(b"b", 0, None)], [b"c", b"c"])
    assert judge.violations == [
        "here: 1 acknowledged values are missing, b'a'",
        "here: 1 values that nobody wrote, b'c'",
        "here: 1 values stand twice",
    ]


def test_a_reply_that_was_on_its_way_when_the_power_failed_promises_no_more_than_those_before():
    judge = History(window_s=2.0, pin=False)
    judge.power_failures = [(4.0, 4.1)]
    assert [judge.must_stand(at) for at in (None, 2.0, 2.1, 4.05, 4.2)] == [False, True, False, False, True]


def test_what_was_read_once_after_a_crash_must_be_read_again():
    judge = History(window_s=0.0, pin=True)
    session = appended(1.0, None)
    judge.check_session(session, reading(b"12"), nothing_in_flight=True)
    judge.check_session(session, reading(b"1"), nothing_in_flight=True)
    assert len(judge.violations) == 1
