"""What one order of calls explains, and what none does."""

from itertools import permutations
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from simulation.history import (
    NOT_AN_INTEGER,
    Call,
    History,
    NotLinearizable,
    Verdict,
    check,
    linearizable,
    redis_string,
    register,
    verify,
)


def calls(*rows):
    """(client, begin, end or None, operation, result)"""
    return [Call(client, b"k", operation, begin, end, result) for client, begin, end, operation, result in rows]


def verdict(*rows, apply=register):
    return linearizable(calls(*rows), apply, None)


def test_one_call_after_another_is_explained():
    assert verdict(("a", 1, 2, ("write", 1), None), ("b", 3, 4, ("read",), 1)) is Verdict.OK


def test_a_stale_read_is_not():
    assert verdict(("a", 1, 2, ("write", 1), None), ("b", 3, 4, ("read",), None)) is Verdict.VIOLATION


def test_a_value_from_nowhere_is_not():
    assert verdict(("a", 1, 2, ("read",), 7)) is Verdict.VIOLATION


def test_calls_that_overlap_may_take_effect_in_either_order():
    writes = ("a", 1, 4, ("write", 1), None), ("b", 2, 3, ("write", 2), None)
    for value, expected in ((1, Verdict.OK), (2, Verdict.OK), (None, Verdict.VIOLATION)):
        assert verdict(*writes, ("c", 5, 6, ("read",), value)) is expected


def test_two_readers_may_not_see_two_orders():
    writes = ("a", 1, 2, ("write", 1), None), ("b", 3, 10, ("write", 2), None)
    there = ("c", 4, 5, ("read",), 2)
    and_back = ("d", 6, 7, ("read",), 1)
    assert verdict(*writes, there) is Verdict.OK
    assert verdict(*writes, and_back) is Verdict.OK
    assert verdict(*writes, there, and_back) is Verdict.VIOLATION


def test_a_call_without_an_answer_may_have_happened_late_or_never():
    unknown = ("a", 1, None, ("write", 1), None)
    assert verdict(unknown, ("b", 2, 3, ("read",), None)) is Verdict.OK
    assert verdict(unknown, ("b", 2, 3, ("read",), 1)) is Verdict.OK
    assert verdict(unknown, ("b", 2, 3, ("read",), None), ("b", 4, 5, ("read",), 1)) is Verdict.OK
    back_again = ("b", 2, 3, ("read",), 1), ("b", 4, 5, ("read",), None)
    assert verdict(unknown, *back_again) is Verdict.VIOLATION


def test_a_call_cannot_happen_before_it_begins():
    assert verdict(("a", 1, 2, ("read",), 1), ("b", 3, None, ("write", 1), None)) is Verdict.VIOLATION


def test_a_lost_increment_is_found():
    one = ("a", 1, 4, ("INCR",), 1), ("b", 2, 3, ("INCR",), 1)
    assert verdict(*one, apply=redis_string) is Verdict.VIOLATION
    both = ("a", 1, 4, ("INCR",), 2), ("b", 2, 3, ("INCR",), 1)
    assert verdict(*both, apply=redis_string) is Verdict.OK


def test_too_many_steps_are_unknown_and_not_fine():
    rows = [(f"c{number}", number, 100 + number, ("write", number), None) for number in range(20)]
    impossible = calls(*rows, ("r", 200, 201, ("read",), 99))
    assert linearizable(impossible, register, None, step_limit=1000) is Verdict.UNKNOWN


def test_a_history_is_checked_key_by_key():
    history = History()
    for key in ("x", "y"):
        history.complete(history.invoke("a", key, ("SET", b"1")), b"OK")
    history.invoke("b", "x", ("APPEND", b"2"))
    refused = history.invoke("c", "y", ("SET", b"3"))
    history.refuse(refused)
    history.complete(history.invoke("a", "x", ("GET",)), b"12")
    history.complete(history.invoke("a", "y", ("GET",)), b"1")
    assert check(history, redis_string) is Verdict.OK
    assert verify(history, redis_string) == []
    history.complete(history.invoke("a", "y", ("GET",)), b"3")
    assert check(history, redis_string) is Verdict.VIOLATION
    with pytest.raises(NotLinearizable, match=r"key 'y':\na \[3, 4\] 'y': 'SET' b'1' → b'OK'"):
        verify(history, redis_string)


def test_undecided_keys_are_named():
    history = History()
    begun = [history.invoke(f"c{number}", "x", ("write", number)) for number in range(12)]
    for call in begun:
        history.complete(call, None)
    history.complete(history.invoke("r", "x", ("read",)), 99)
    assert verify(history, register, step_limit=100) == ["x"]
    assert check(history, register, step_limit=100) is Verdict.UNKNOWN


@pytest.mark.parametrize(
    ("state", "operation", "after", "result"),
    [
        (None, ("GET",), None, None),
        (None, ("SET", b"1"), b"1", b"OK"),
        (b"1", ("SETNX", b"2"), b"1", 0),
        (None, ("SETNX", b"2"), b"2", 1),
        (b"1", ("GETSET", b"2"), b"2", b"1"),
        (b"1", ("GETDEL",), None, b"1"),
        (b"1", ("DEL",), None, 1),
        (None, ("DEL",), None, 0),
        (b"", ("EXISTS",), b"", 1),
        (None, ("APPEND", b""), b"", 0),
        (b"a", ("APPEND", b"b"), b"ab", 2),
        (b"abc", ("STRLEN",), b"abc", 3),
        (None, ("INCR",), b"1", 1),
        (b"41", ("INCR",), b"42", 42),
        (b"-1", ("INCRBY", -9), b"-10", -10),
        (b"007", ("INCR",), b"007", NOT_AN_INTEGER),
        (b"", ("INCR",), b"", NOT_AN_INTEGER),
        (b"x", ("INCR",), b"x", NOT_AN_INTEGER),
        (b"9223372036854775807", ("INCR",), b"9223372036854775807", NOT_AN_INTEGER),
    ],
)
def test_the_string_model_answers_as_redis_does(state, operation, after, result):
    assert redis_string(state, operation) == (after, result)


def explained_by_force(history, apply):
    """Every order of every choice of unknown calls, tried."""
    completed = [call for call in history if call.completed is not None]
    unknown = [call for call in history if call.completed is None]
    for chosen in range(1 << len(unknown)):
        present = completed + [call for bit, call in enumerate(unknown) if chosen >> bit & 1]
        for order in permutations(present):
            if follows(order, apply) and not any(
                later.completed is not None and later.completed < earlier.invoked
                for place, earlier in enumerate(order)
                for later in order[place + 1 :]
            ):
                return True
    return False


def follows(order, apply):
    state = None
    for call in order:
        state, result = apply(state, call.operation)
        if call.completed is not None and result != call.result:
            return False
    return True


OPERATIONS = st.sampled_from([("write", 1), ("write", 2), ("read",), ("compare_and_set", 1, 2)])
RESULTS = {"write": [None], "read": [None, 1, 2], "compare_and_set": [True, False]}


@settings(max_examples=300, deadline=None)
@given(st.lists(OPERATIONS, min_size=1, max_size=5), st.randoms(use_true_random=False))
def test_the_search_agrees_with_trying_every_order(operations, dice):
    moments = list(range(2 * len(operations)))
    dice.shuffle(moments)
    history = []
    for number, operation in enumerate(operations):
        begin, end = sorted(moments[2 * number : 2 * number + 2])
        result = dice.choice(RESULTS[operation[0]])
        history.append(Call(f"c{number}", "k", operation, begin, None if dice.random() < 0.2 else end, result))
    expected = Verdict.OK if explained_by_force(history, register) else Verdict.VIOLATION
    assert linearizable(history, register, None) is expected


def test_hundreds_of_calls_by_many_clients_are_searched_quickly():
    """A history made by a real register: each call takes effect at a random point between begin and end."""
    dice, events = Random(1), []
    for number in range(400):
        start = number + dice.random() * 10
        events.append((start, start + dice.random() * 8, number))
    points = sorted((dice.uniform(begin, end), begin, end, number) for begin, end, number in events)
    state, history = None, []
    for _, begin, end, number in points:
        operation = dice.choice([("write", number), ("read",)])
        state, result = register(state, operation)
        history.append(Call(f"c{number}", "k", operation, begin, end, result))
    assert linearizable(history, register, None, step_limit=200_000) is Verdict.OK
