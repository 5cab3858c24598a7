"""Every algorithm against the oracle, at the edges, and over long times."""

from random import Random

import pytest

from ratelimit import CostTooHigh, Decision, Limit
from ratelimit.algorithms import ALGORITHMS, algorithm
from tests.ratelimit.oracle import ORACLES
from tests.ratelimit.traces import START_MS, random_limit, random_trace

NOW = START_MS


def every(*, rate: int = 3, per_ms: int = 1000) -> list[Limit]:
    return [Limit(rate, per_ms, algorithm=name) for name in ALGORITHMS]


def drive(limit, trace):
    """The decisions over a trace of (now_ms, cost), as tuples."""
    decides, state, answers = algorithm(limit), None, []
    for now, cost in trace:
        state, decision = decides.take(state, now, cost)
        answers.append(tuple(decision))
    return answers


@pytest.mark.parametrize("name", ALGORITHMS)
def test_decisions_are_the_oracles_on_a_thousand_random_traces(name):
    for seed in range(1000):
        dice = Random(seed)
        limit = random_limit(name, dice)
        trace = list(random_trace(limit, dice))
        oracle = ORACLES[name](limit)
        assert drive(limit, trace) == [oracle.take(now, cost) for now, cost in trace], (seed, limit)


@pytest.mark.parametrize("name", ALGORITHMS)
def test_retry_after_is_the_first_moment_at_which_the_same_hit_passes(name):
    for seed in range(100):
        dice = Random(seed)
        limit = random_limit(name, dice)
        decides, state = algorithm(limit), None
        for now, cost in random_trace(limit, dice, hits=40):
            state, decision = decides.take(state, now, cost)
            if not decision.allowed:
                assert decision.retry_after_ms > 0
                assert decides.peek(state, now + decision.retry_after_ms, cost).allowed
                assert not decides.peek(state, now + decision.retry_after_ms - 1, cost).allowed


@pytest.mark.parametrize("name", ALGORITHMS)
def test_a_state_that_has_expired_says_no_more_than_none(name):
    for seed in range(100):
        dice = Random(seed)
        limit = random_limit(name, dice)
        decides, state = algorithm(limit), None
        for now, cost in random_trace(limit, dice, hits=20):
            state, _ = decides.take(state, now, cost)
            expires = decides.expires_ms(state)
            assert expires <= now + decides.horizon_ms + limit.per_ms
            if limit.start_full:
                for later in (expires, expires + 1, expires + limit.per_ms):
                    assert decides.peek(state, later, cost) == decides.peek(None, later, cost)


@pytest.mark.parametrize("name", ALGORITHMS)
def test_peek_says_how_things_stand_and_changes_nothing(name):
    for seed in range(50):
        dice = Random(seed)
        limit = random_limit(name, dice)
        decides, state = algorithm(limit), None
        for now, cost in random_trace(limit, dice):
            peeked = decides.peek(state, now, cost)
            assert decides.peek(state, now, cost) == peeked
            state, decision = decides.take(state, now, cost)
            assert peeked.allowed == decision.allowed
            if decision.allowed:
                assert peeked.remaining == decision.remaining + cost
            elif not limit.log_denied:
                assert peeked == decision


@pytest.mark.parametrize("limit", every(), ids=lambda limit: limit.algorithm)
def test_of_a_new_key_everything_remains(limit):
    assert algorithm(limit).peek(None, NOW) == Decision(True, 3, 0, 0, 0)


def test_three_views_of_one_bucket_admit_the_same_hits():
    for seed in range(300):
        dice = Random(seed)
        first = random_limit("gcra", dice)
        trace = list(random_trace(first, dice))
        limits = [
            Limit(first.rate, first.per_ms, first.burst, name, start_full=first.start_full)
            for name in ("gcra", "token_bucket", "leaking_bucket")
        ]
        gcra, tokens, leaking = (drive(limit, trace) for limit in limits)
        assert gcra == tokens == leaking


@pytest.mark.parametrize("name", ["gcra", "token_bucket", "leaking_bucket"])
def test_a_steady_caller_at_exactly_the_rate_is_never_denied_however_long(name):
    """R hits at T apart leave the state as it was, P later: by induction so do a billion."""
    limit = Limit(3, 1000, 2, algorithm=name)
    decides, state = algorithm(limit), None
    states = []
    for hit in range(30):
        state, decision = decides.take(state, NOW + -(-hit * 1000 // 3), 1)
        assert decision.allowed
        states.append(decides.expires_ms(state) - NOW)
    assert [after - before for before, after in zip(states, states[3:], strict=False)] == [1000] * 27
    jumped = NOW + 1000 * 10**9
    assert drive(limit, [(jumped + now, 1) for now in range(0, 3000, 100)]) == drive(
        limit, [(NOW + now, 1) for now in range(0, 3000, 100)]
    )


def test_the_log_admits_exactly_r_in_any_window_and_the_others_their_documented_bound():
    bounds = {"fixed_window": 2, "sliding_window_counter": 2, "sliding_window_log": 1}
    for name in ALGORITHMS:
        worst = 0
        for seed in range(200):
            dice = Random(seed)
            limit = Limit(10, 100, algorithm=name)
            times = sorted(NOW + dice.randrange(400) for _ in range(300))
            passed = [
                now for now, answer in zip(times, drive(limit, [(t, 1) for t in times]), strict=True) if answer[0]
            ]
            for start in passed:
                worst = max(worst, sum(1 for now in passed if start <= now < start + 100))
        assert worst <= 10 * bounds.get(name, 2), name
        if name == "sliding_window_log":
            assert worst == 10


def test_the_fixed_window_lets_a_double_burst_through_at_its_edge():
    limit = Limit(5, 1000, algorithm="fixed_window")
    edge = NOW // 1000 * 1000 + 1000
    answers = drive(limit, [(edge - 1, 1)] * 6 + [(edge, 1)] * 6)
    assert [answer[0] for answer in answers] == ([True] * 5 + [False]) * 2


def test_a_burst_at_the_end_of_a_window_and_a_trickle_fool_the_sliding_counter():
    limit = Limit(10, 1000, algorithm="sliding_window_counter")
    edge = NOW // 1000 * 1000 + 1000
    answers = drive(limit, [(edge - 1, 1)] * 10 + [(edge + 100 * step, 1) for step in range(1, 10)])
    assert sum(answer[0] for answer in answers) == 19  # 2·R − 1 in less than P


def test_a_queue_sends_its_hits_out_one_by_one():
    limit = Limit(10, 1000, 4, algorithm="leaking_bucket", queue=True)
    assert drive(limit, [(NOW, 1)] * 5) == [
        (True, 3, 0, 100, 0),
        (True, 2, 0, 200, 100),
        (True, 1, 0, 300, 200),
        (True, 0, 0, 400, 300),
        (False, 0, 100, 400, 0),
    ]


def test_who_keeps_hammering_a_log_of_denied_hits_stays_out():
    limit = Limit(3, 1000, algorithm="sliding_window_log", log_denied=True)
    hammering = [(NOW + step * 100, 1) for step in range(40)]
    assert [answer[0] for answer in drive(limit, hammering)] == [True] * 3 + [False] * 37
    unlogged = Limit(3, 1000, algorithm="sliding_window_log")
    assert sum(answer[0] for answer in drive(unlogged, hammering)) == 12


@pytest.mark.parametrize("log_denied", [False, True])
def test_a_log_never_holds_more_than_twice_its_rate(log_denied):
    limit = Limit(50, 1000, algorithm="sliding_window_log", log_denied=log_denied)
    decides, state = algorithm(limit), None
    for step in range(5000):
        state, _ = decides.take(state, NOW + step * 3, 1)
        assert len(state) <= 100


@pytest.mark.parametrize("limit", every(rate=0), ids=lambda limit: limit.algorithm)
def test_a_rate_of_zero_lets_nothing_pass_and_remembers_nothing(limit):
    assert algorithm(limit).take(None, NOW, 5) == (None, Decision(False, 0, 1000, 1000))


@pytest.mark.parametrize("limit", every(), ids=lambda limit: limit.algorithm)
@pytest.mark.parametrize("cost", [4, 0, -1])
def test_a_cost_that_can_never_pass_is_an_error(limit, cost):
    with pytest.raises(CostTooHigh):
        algorithm(limit).take(None, NOW, cost)


@pytest.mark.parametrize("limit", every(), ids=lambda limit: limit.algorithm)
def test_a_clock_that_goes_back_less_than_a_period_gives_nothing_away(limit):
    decides, state = algorithm(limit), None
    for _ in range(3):
        state, _ = decides.take(state, NOW, 1)
    for back in (1, 500, 999):
        state, decision = decides.take(state, NOW - back, 1)
        assert not decision.allowed
    assert decides.take(state, NOW + 2000, 1)[1].allowed


@pytest.mark.parametrize("limit", every(), ids=lambda limit: limit.algorithm)
def test_a_clock_that_was_a_year_ahead_locks_nobody_out(limit):
    decides, state = algorithm(limit), None
    year_ms = 365 * 86_400_000
    for _ in range(3):
        state, _ = decides.take(state, NOW + year_ms, 1)
    state, decision = decides.take(state, NOW, 1)
    assert decision.allowed
    assert not drive(limit, [(NOW, 1)] * 4)[3][0]


@pytest.mark.parametrize("limit", every(), ids=lambda limit: limit.algorithm)
def test_after_a_huge_gap_a_key_is_new(limit):
    decides, state = algorithm(limit), None
    for _ in range(3):
        state, _ = decides.take(state, NOW, 1)
    later = NOW + 10**15
    assert decides.take(state, later, 1)[1] == decides.take(None, later, 1)[1]
