"""The header fields of a response, read back by http-sf, the parser of the author of RFC 9651."""

import http_sf
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ratelimit.decision import Decision
from ratelimit.headers import HeaderWriter, Spoken, added, limit_prefix, policy_item, retry_after, string
from ratelimit.limit import Limit

names = st.text(st.characters(min_codepoint=0x20, max_codepoint=0x7E), min_size=1)
numbers = st.integers(0, 2**53)
limits = st.builds(Limit, st.integers(0, 10**6), st.integers(1, 10**8), st.none() | st.integers(1, 10**6))
denials = st.builds(Decision, st.just(False), numbers, numbers, numbers)
admissions = st.builds(Decision, st.just(True), numbers, st.just(0), numbers)


def spoken(name, limit, decision):
    return Spoken(policy_item(name, limit), limit_prefix(name), limit, decision)


BURST = spoken("burst", Limit(10, 1000), Decision(True, 4, 0, 600))
DAILY = spoken("daily", Limit(5000, 86_400_000), Decision(True, 4711, 0, 83_020_001))
DENIED = spoken("burst", Limit(10, 1000), Decision(False, 0, 1, 1000))


@given(names, limits)
def test_a_policy_is_read_back_by_another_parser(name, limit):
    ((read, parameters),) = http_sf.parse(policy_item(name, limit).encode(), tltype="list")
    expected = {"q": limit.rate}
    if limit.per_ms % 1000 == 0:
        expected["w"] = limit.per_ms // 1000
    if limit.burst not in (None, limit.rate):
        expected["mini-burst"] = limit.burst
    assert (read, parameters) == (name, expected)


@given(st.lists(st.tuples(names, limits, admissions | denials), min_size=1, max_size=4))
def test_what_is_left_is_read_back_by_another_parser(rows):
    rows = [spoken(*row) for row in rows]
    fields = dict(HeaderWriter().fields(rows, rows[0]))
    read = http_sf.parse(fields[b"ratelimit"], tltype="list")
    most = 999_999_999_999_999
    assert [(parameters["r"], parameters["t"]) for _, parameters in read] == [
        (
            min(row.decision.remaining, most),
            -(-(row.decision.reset_ms if row.decision.allowed else row.decision.retry_after_ms) // 1000),
        )
        for row in rows
    ]


def test_the_draft_s_own_example():
    assert HeaderWriter().fields([BURST, DAILY], BURST) == [
        (b"ratelimit-policy", b'"burst";q=10;w=1, "daily";q=5000;w=86400'),
        (b"ratelimit", b'"burst";r=4;t=1, "daily";r=4711;t=83021'),
    ]


def test_a_denial_says_when_to_come_back_and_never_zero():
    assert HeaderWriter().fields([DENIED], DENIED)[1:] == [(b"ratelimit", b'"burst";r=0;t=1'), (b"retry-after", b"1")]
    assert [retry_after(Decision(False, 0, ms, 0)) for ms in (0, 1, 1000, 1001)] == [1, 1, 1, 2]


def test_when_no_rule_spoke_nothing_is_said():
    assert HeaderWriter().fields([], None) == []


def test_fields_on_denials_alone_or_never():
    denied, never = HeaderWriter("denied"), HeaderWriter("never")
    assert denied.fields([BURST], BURST) == []
    assert [name for name, _ in denied.fields([DENIED], DENIED)] == [b"ratelimit-policy", b"ratelimit", b"retry-after"]
    assert never.fields([DENIED], DENIED) == [(b"retry-after", b"1")]


def test_the_fields_of_older_drafts_and_those_of_github():
    assert HeaderWriter(legacy="ratelimit").fields([BURST], BURST)[2:] == [
        (b"ratelimit-limit", b"10"),
        (b"ratelimit-remaining", b"4"),
        (b"ratelimit-reset", b"1"),
    ]
    assert HeaderWriter(legacy="x-ratelimit").fields([BURST], BURST, epoch_ms=1_700_000_000_000)[2:] == [
        (b"x-ratelimit-limit", b"10"),
        (b"x-ratelimit-remaining", b"4"),
        (b"x-ratelimit-reset", b"1700000001"),
    ]


def test_the_application_s_own_fields_stand():
    own = [(b"Retry-After", b"7"), (b"content-type", b"text/plain")]
    assert added(own, [(b"ratelimit", b"x"), (b"retry-after", b"1")]) == [*own, (b"ratelimit", b"x")]


@pytest.mark.parametrize("name", ["größer", "a\nb", "\x7f"])
def test_a_name_that_no_field_can_carry_is_an_error(name):
    with pytest.raises(ValueError, match="printable ASCII"):
        string(name)
