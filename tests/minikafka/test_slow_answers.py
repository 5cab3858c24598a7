"""Answers of controllers that come slowly, or not at all: `controller_channel.unless_silent`."""

import asyncio
from dataclasses import dataclass

import pytest

from minikafka.controller_channel import unless_silent
from simulation.world import World


@dataclass
class Line:
    """A connection on which an answer comes in."""

    partly_received: int = 0


def received(pieces: int, of: int) -> str:
    """An answer in `of` pieces, one a second, of which so many come; a second and a half of silence is borne."""

    async def story(world: World) -> str:
        line, answer = Line(), asyncio.get_running_loop().create_future()

        async def receive() -> None:
            for _ in range(pieces):
                await asyncio.sleep(1)
                line.partly_received += 1
            if pieces == of:
                answer.set_result("whole")

        receiving = asyncio.create_task(receive())
        try:
            return await unless_silent(line, answer, 1.5)
        finally:
            receiving.cancel()

    return World(1).run(story, until=60)


def test_an_answer_that_keeps_coming_in_is_waited_for():
    assert received(20, of=20) == "whole"


@pytest.mark.parametrize("pieces", (0, 7))
def test_an_answer_that_stops_coming_in_is_given_up(pieces):
    with pytest.raises(TimeoutError):
        received(pieces, of=20)
