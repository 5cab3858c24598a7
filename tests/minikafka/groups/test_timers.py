"""Timers by name."""

from random import Random

from minikafka.groups.timers import Timers


def test_what_is_due_is_called_once_and_in_order():
    timers, called = Timers(), []
    for at in (30, 10, 20):
        timers.set(at, at, lambda at=at: called.append(at))
    timers.tick(20)
    timers.tick(20)
    assert (called, timers.next_ms) == ([10, 20], 30)


def test_a_name_has_one_timer():
    timers, called = Timers(), []
    for at, what in ((10, "first"), (30, "later"), (20, "earlier")):
        timers.set("name", at, lambda what=what: called.append(what))
    timers.tick(19)
    assert called == []
    timers.tick(100)
    assert (called, timers.next_ms) == (["earlier"], None)


def test_what_is_cancelled_is_not_called():
    timers, called = Timers(), []
    timers.set("a", 10, lambda: called.append("a"))
    timers.cancel("a")
    assert timers.next_ms is None
    timers.tick(20)
    assert called == []


def test_one_that_is_due_may_cancel_or_extend_another():
    timers, called = Timers(), []
    timers.set("a", 10, lambda: (timers.cancel("b"), timers.set("c", 50, lambda: called.append("c"))))
    timers.set("b", 10, lambda: called.append("b"))
    timers.set("c", 10, lambda: called.append("too early"))
    timers.tick(10)
    assert called == []
    timers.tick(50)
    assert called == ["c"]


def test_one_set_by_a_timer_for_now_waits_for_the_next_tick():
    timers, called = Timers(), []

    def again() -> None:
        called.append(len(called))
        timers.set("a", 10, again)

    timers.set("a", 10, again)
    timers.tick(10)
    assert called == [0]


def test_extending_does_not_grow_the_heap():
    timers = Timers()
    for at in range(10_000):
        timers.set("a", at + 10_000, lambda: None)
    assert len(timers._heap) == 1


def test_cancelled_ones_are_forgotten():
    timers = Timers()
    for number in range(10_000):
        timers.set(number, 1_000_000 + number, lambda: None)
        timers.cancel(number)
    assert len(timers._heap) < 2_000


def test_as_a_plain_dictionary_would():
    """Against the obvious twin: look at every timer at every step."""
    random, timers, twin = Random(7), Timers(), {}
    called, expected = [], []
    for now in range(2_000):
        name = random.randrange(20)
        match random.randrange(3):
            case 0 | 1:
                at = now + random.randrange(1, 50)
                timers.set(name, at, lambda name=name: called.append(name))
                twin[name] = at
            case _:
                timers.cancel(name)
                twin.pop(name, None)
        timers.tick(now)
        due = sorted(name for name, at in twin.items() if at <= now)
        expected += due
        for name in due:
            del twin[name]
        assert sorted(called[-len(due) :] if due else []) == due
        assert timers.next_ms is None or timers.next_ms <= min(twin.values())
    assert len(called) == len(expected)
