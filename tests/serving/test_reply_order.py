import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.reply_order import ReplyOrder


@given(st.permutations(range(6)))
def test_answers_leave_in_the_order_of_their_questions(filling):
    sent = []
    order = ReplyOrder(sent.append)
    slots = [order.reserve() for _ in range(6)]
    for i in filling:
        slots[i].fill(b"%d" % i)
    assert b"".join(sent) == b"012345"
    assert (len(order), order.waiting_bytes) == (0, 0)


def test_what_waited_for_an_answer_leaves_with_it():
    sent = []
    order = ReplyOrder(sent.append)
    first, second, third = order.reserve(), order.reserve(), order.reserve()
    third.fill(b"ccc")
    second.fill(b"bb")
    assert (sent, len(order), order.waiting_bytes) == ([], 3, 5)
    first.fill(b"a")
    assert (sent, len(order), order.waiting_bytes) == ([b"a", b"bb", b"ccc"], 0, 0)


def test_an_answer_may_come_in_pieces():
    sent = []
    order = ReplyOrder(sent.append)
    first, second = order.reserve(), order.reserve()
    second.fill([b"head", memoryview(b"records")])
    assert order.waiting_bytes == 11
    first.fill(b"a")
    assert (sent, order.waiting_bytes) == ([b"a", b"head", b"records"], 0)


def test_an_empty_answer_keeps_its_place_and_sends_nothing():
    sent = []
    order = ReplyOrder(sent.append)
    silent, loud = order.reserve(), order.reserve()
    loud.fill(b"x")
    silent.fill(b"")
    order.reserve().fill(b"")
    assert sent == [b"x"]


def test_after_discard_answers_go_nowhere():
    sent = []
    order = ReplyOrder(sent.append)
    first, second = order.reserve(), order.reserve()
    second.fill(b"b")
    order.discard()
    first.fill(b"a")
    assert (sent, len(order), order.waiting_bytes) == ([], 0, 0)


def test_a_slot_is_filled_once():
    slot = ReplyOrder(bytes).reserve()
    slot.fill(b"")
    with pytest.raises(AssertionError):
        slot.fill(b"")
