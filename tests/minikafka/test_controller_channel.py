"""A broker's questions find the active controller, wherever it is by then (KIP-590)."""

import asyncio
from typing import Any

import pytest

from minikafka.controller_channel import (
    ControllerUnavailable,
    unwrap,
    wrap,
    wrap_answer,
)
from minikafka.wire.errors import ErrorCode
from minikafka.wire.messages.controller import (
    AllocateProducerIdsRequest,
    AllocateProducerIdsResponse,
    EnvelopeResponse,
)
from tests.minikafka.voters import Voters, silence, with_voters

QUESTION = AllocateProducerIdsRequest(broker_id=9, broker_epoch=3)


def block(start: int):
    """Who answers with the producer ids from `start` on."""
    return lambda request: AllocateProducerIdsResponse(producer_id_start=start, producer_id_len=1000)


class Own:
    """A controller in the same process, without a mind."""

    def __init__(self, active: bool = True) -> None:
        self.active = active
        self.asked: list[tuple[Any, Any]] = []

    def is_active(self) -> bool:
        return self.active

    def request(self, request, respond) -> None:
        self.asked.append((request, respond))


def now() -> float:
    return asyncio.get_running_loop().time()


# -- the envelope -------------------------------------------------------------------------------------------------------


def test_what_is_wrapped_is_what_is_unwrapped():
    assert unwrap(wrap(QUESTION)) == QUESTION


def test_an_answer_of_nobody_says_not_controller_outside_of_what_it_holds():
    assert wrap_answer(None) == EnvelopeResponse(error_code=ErrorCode.NOT_CONTROLLER, response_data=None)


# -- who is asked -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("active", [1, 2, 3])
def test_the_active_controller_is_found_among_the_voters(active):
    async def story(voters: Voters) -> int:
        voters.lead(active, block(active))
        return (await voters.channel().call(QUESTION, 5.0)).producer_id_start

    assert with_voters(story) == active


def test_whoever_answered_last_is_asked_first():
    async def story(voters: Voters) -> dict[int, int]:
        voters.lead(3, block(0))
        channel = voters.channel()
        await channel.call(QUESTION, 5.0)
        before = voters.asked()
        for _ in range(5):
            await channel.call(QUESTION, 5.0)
        return {id: count - before[id] for id, count in voters.asked().items()}

    assert with_voters(story) == {1: 0, 2: 0, 3: 5}


def test_a_controller_that_has_been_replaced_is_left_for_the_new_one():
    async def story(voters: Voters) -> tuple[int, int | None]:
        voters.lead(1, block(1))
        channel = voters.channel()
        await channel.call(QUESTION, 5.0)
        voters.lead(2, block(2))
        return (await channel.call(QUESTION, 5.0)).producer_id_start, channel.active

    assert with_voters(story) == (2, 2)


def test_while_there_is_none_it_asks_on_until_one_is_elected():
    async def story(voters: Voters) -> int:
        asking = asyncio.get_running_loop().create_task(voters.channel().call(QUESTION, 5.0))
        await voters.until(lambda: sum(voters.asked().values()) >= 6)
        voters.lead(2, block(2))
        return (await asking).producer_id_start

    assert with_voters(story) == 2


def test_voters_that_are_not_there_are_passed_over():
    async def story(voters: Voters) -> int:
        voters.lead(3, block(3))
        voters[1].kill()
        voters[2].kill()
        return (await voters.channel().call(QUESTION, 5.0)).producer_id_start

    assert with_voters(story) == 3


def test_when_nobody_answers_in_time_it_says_so():
    async def story(voters: Voters) -> tuple[str, float]:
        began = now()
        with pytest.raises(ControllerUnavailable) as unavailable:
            await voters.channel().call(QUESTION, 2.5)
        return str(unavailable.value), now() - began

    said, seconds = with_voters(story)
    assert said == "no controller answered within 2.5 s"
    assert seconds == pytest.approx(2.5, abs=0.01)


# -- its own controller -------------------------------------------------------------------------------------------------


def test_its_own_active_controller_is_asked_without_a_socket():
    async def story(voters: Voters) -> tuple[Any, dict[int, int]]:
        own = Own()
        asking = asyncio.get_running_loop().create_task(voters.channel(1, own).call(QUESTION, 5.0))
        await voters.until(lambda: bool(own.asked))
        asked, respond = own.asked[0]
        respond(block(7)(asked))
        return (await asking).producer_id_start, voters.asked()

    assert with_voters(story) == (7, {1: 0, 2: 0, 3: 0})


def test_its_own_controller_that_has_become_active_goes_before_the_one_that_answered_last():
    async def story(voters: Voters) -> int:
        voters.lead(2, block(2))
        own = Own(active=False)
        channel = voters.channel(1, own)
        await channel.call(QUESTION, 5.0)
        own.active = True
        asking = asyncio.get_running_loop().create_task(channel.call(QUESTION, 5.0))
        await voters.until(lambda: bool(own.asked))
        own.asked[0][1](block(1)(QUESTION))
        return (await asking).producer_id_start

    assert with_voters(story) == 1


def test_its_own_controller_is_not_asked_while_it_is_idle():
    async def story(voters: Voters) -> tuple[int, list[Any]]:
        voters.lead(1, block(1))
        own = Own(active=False)
        return (await voters.channel(2, own).call(QUESTION, 5.0)).producer_id_start, own.asked

    assert with_voters(story) == (1, [])


def test_when_its_own_controller_resigns_before_it_answers_the_others_are_asked():
    async def story(voters: Voters) -> int:
        voters.lead(3, block(3))
        own = Own()
        asking = asyncio.get_running_loop().create_task(voters.channel(1, own).call(QUESTION, 5.0))
        await voters.until(lambda: bool(own.asked))
        own.active = False
        own.asked[0][1](None)
        return (await asking).producer_id_start

    assert with_voters(story) == 3


# -- connections --------------------------------------------------------------------------------------------------------


def test_questions_at_once_share_one_connection_and_each_gets_its_own_answer():
    async def story(voters: Voters) -> tuple[list[int], int]:
        numbers = iter(range(100))
        voters.lead(1, lambda request: block(next(numbers))(request))
        channel = voters.channel()
        channel.active = 1
        answers = await asyncio.gather(*(channel.call(QUESTION, 5.0) for _ in range(8)))
        return [answer.producer_id_start for answer in answers], voters[1].connections

    assert with_voters(story) == (list(range(8)), 1)


def test_a_question_whose_connection_is_lost_is_asked_elsewhere():
    async def story(voters: Voters) -> int:
        voters.lead(1, silence)
        channel = voters.channel()
        channel.active = 1
        asking = asyncio.get_running_loop().create_task(channel.call(QUESTION, 5.0))
        await voters.until(lambda: len(voters[1].asked) == 1)
        voters.lead(2, block(2))
        voters[1].kill()
        return (await asking).producer_id_start

    assert with_voters(story) == 2


def test_a_controller_that_comes_back_is_dialled_anew():
    async def story(voters: Voters) -> tuple[int, int]:
        voters.lead(1, block(1))
        channel = voters.channel()
        await channel.call(QUESTION, 5.0)
        voters[1].kill()
        await voters.until(lambda: channel.active is None)
        voters[1].start()
        return (await channel.call(QUESTION, 5.0)).producer_id_start, voters[1].connections

    assert with_voters(story) == (1, 2)


# -- controllers that hang ----------------------------------------------------------------------------------------------


def test_one_that_hangs_is_left_after_a_try_for_one_that_answers():
    async def story(voters: Voters) -> tuple[int, bool]:
        voters.lead(1, silence)
        voters[2].answer = block(2)
        channel = voters.channel()
        channel.active = 1
        began = now()
        answer = await channel.call(QUESTION, 30.0, try_s=0.5)
        return answer.producer_id_start, 0.5 <= now() - began < 1.0

    assert with_voters(story) == (2, True)


def test_a_question_that_must_not_be_asked_twice_waits_for_its_answer():
    async def story(voters: Voters) -> tuple[int, dict[int, int]]:
        voters.lead(1, silence)
        channel = voters.channel()
        channel.active = 1
        asking = asyncio.get_running_loop().create_task(channel.call(QUESTION, 60.0))
        await asyncio.sleep(20)
        voters[1].unanswered[0](block(1)(QUESTION))
        return (await asking).producer_id_start, voters.asked()

    assert with_voters(story) == (1, {1: 1, 2: 0, 3: 0})


def test_an_answer_that_comes_after_the_try_answers_nothing():
    """It stands on a connection that was given up: the next question is not mistaken for it."""

    async def story(voters: Voters) -> tuple[list[int], int]:
        voters.lead(1, silence)
        channel = voters.channel()
        channel.active = 1
        with pytest.raises(ControllerUnavailable):
            await channel.call(QUESTION, 0.4, try_s=0.3)
        voters.lead(1, block(2))
        voters[1].unanswered[0](block(1)(QUESTION))
        return [(await channel.call(QUESTION, 5.0)).producer_id_start for _ in range(3)], voters[1].connections

    assert with_voters(story) == ([2, 2, 2], 2)


def test_an_answer_to_a_question_that_was_given_up_for_good_answers_nothing():
    """No try was set, so the connection lives on, and its answers still come in the order of their questions."""

    async def story(voters: Voters) -> tuple[list[int], int]:
        voters.lead(1, silence)
        channel = voters.channel()
        channel.active = 1
        with pytest.raises(ControllerUnavailable):
            await channel.call(QUESTION, 0.3)
        asking = asyncio.get_running_loop().create_task(channel.call(QUESTION, 5.0))
        await voters.until(lambda: len(voters[1].asked) == 2)
        for number, say in enumerate(voters[1].unanswered, 1):
            say(block(number)(QUESTION))
        return [(await asking).producer_id_start], voters[1].connections

    assert with_voters(story) == ([2], 1)


def test_one_that_is_cut_off_does_not_hold_the_question_up():
    """Nothing closes: the bytes only stop to arrive."""

    async def story(voters: Voters) -> int:
        voters.lead(1, block(1))
        channel = voters.channel()
        await channel.call(QUESTION, 5.0)
        voters.world.network.isolate("c1")
        voters[2].answer = block(2)
        return (await channel.call(QUESTION, 10.0, try_s=1.0)).producer_id_start

    assert with_voters(story) == 2


# -- who is told besides ------------------------------------------------------------------------------------------------


def test_standbys_are_told_what_the_active_controller_is_asked():
    async def story(voters: Voters) -> dict[int, int]:
        voters.lead(2, block(2))
        channel = voters.channel()
        await channel.call(QUESTION, 5.0)
        before = voters.asked()
        channel.tell_standbys(QUESTION)  # of those that are not connected yet this begins to be
        await asyncio.sleep(0.1)
        for _ in range(3):
            channel.tell_standbys(QUESTION)
        await asyncio.sleep(0.1)
        return {id: count - before[id] for id, count in voters.asked().items() if id != 2 and count > before[id] + 2}

    assert with_voters(story).keys() == {1, 3}


def test_its_own_controller_is_told_without_a_socket_while_it_is_a_standby():
    async def story(voters: Voters) -> list[Any]:
        voters.lead(2, block(2))
        own = Own(active=False)
        channel = voters.channel(1, own)
        await channel.call(QUESTION, 5.0)
        channel.tell_standbys(QUESTION)
        return [asked for asked, _ in own.asked]

    assert with_voters(story) == [QUESTION]


def test_a_standby_that_is_gone_or_hangs_is_told_in_vain_and_dialled_again():
    async def story(voters: Voters) -> tuple[int, int]:
        voters.lead(2, block(2))
        voters[1].kill()
        voters[3].answer = silence
        channel = voters.channel()
        await channel.call(QUESTION, 5.0)
        for _ in range(60):
            channel.tell_standbys(QUESTION)
            await asyncio.sleep(0.1)
        hung = voters[3].connections
        voters[1].start()
        await asyncio.sleep(0.1)
        for _ in range(3):
            channel.tell_standbys(QUESTION)
            await asyncio.sleep(0.1)
        return hung, voters[1].connections

    hung, back = with_voters(story)
    assert (hung > 1, back) == (True, 1)


def test_closing_ends_every_connection():
    async def story(voters: Voters) -> None:
        voters.lead(1, silence)
        channel = voters.channel()
        channel.active = 1
        asking = asyncio.get_running_loop().create_task(channel.call(QUESTION, 0.5))
        await voters.until(lambda: len(voters[1].asked) == 1)
        channel.close()
        await voters.until(lambda: not channel._links)
        with pytest.raises(ControllerUnavailable):
            await asking

    with_voters(story)
