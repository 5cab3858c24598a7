"""A leader's proposals and the answers of controllers, of those that were replaced too."""

import asyncio
from typing import Any

import pytest

from minikafka.controller_channel import ControllerUnavailable
from minikafka.replication.isr_changes import IsrChanges
from minikafka.replication.partition import Partition
from minikafka.wire.errors import ErrorCode
from minikafka.wire.messages.controller import AlterPartitionResponse
from simulation.world import World
from tests.minikafka.replication.replicas import TOPIC_ID, fetched, leader, registration

Topic = AlterPartitionResponse.Topic


class Controller:
    """Answers, one after the other: an error of the partition, or of the request, or nobody; then what was asked for."""

    def __init__(self, *answers: AlterPartitionResponse | None) -> None:
        self.answers = list(answers)
        self.asked: list[list[int]] = []

    async def call(self, request: Any, timeout_s: float, *, try_s: float | None = None) -> AlterPartitionResponse:
        proposed = request.topics[0].partitions[0]
        isr = [member.broker_id for member in proposed.new_isr_with_epochs]
        self.asked.append(isr)
        answer = self.answers.pop(0) if self.answers else about(isr=isr, partition_epoch=proposed.partition_epoch + 1)
        if answer is None:
            raise ControllerUnavailable("nobody")
        return answer


def about(error: ErrorCode = ErrorCode.NONE, **fields: Any) -> AlterPartitionResponse:
    """An answer about the one partition."""
    outcome = Topic.Partition(partition_index=0, error_code=error, leader_id=1, leader_epoch=0, **fields)
    return AlterPartitionResponse(topics=[Topic(topic_id=TOPIC_ID, partitions=[outcome])])


def after(controller: Controller, seconds: float = 1.0) -> Partition:
    """The leader of an ISR of 1 and 2 some time after broker 3 has caught up."""

    async def story(world: World) -> Partition:
        changes = IsrChanges(1, controller, lambda: 11, lambda: 0)  # type: ignore[arg-type]
        partition = leader()
        partition.isr_wanted = changes.want
        partition.update(registration(isr=(1, 2), partition_epoch=1), now_ms=0)
        running = asyncio.create_task(changes.run())
        fetched(partition, 3, 0)
        await asyncio.sleep(seconds)
        running.cancel()
        return partition

    return World(1).run(story, until=60)


def test_a_proposal_that_is_taken_is_the_set_from_then_on():
    controller = Controller()
    partition = after(controller)
    assert (partition.isr, partition.proposal, partition.partition_epoch) == ((1, 2, 3), None, 2)
    assert controller.asked == [[1, 2, 3]]


@pytest.mark.parametrize(
    "answer",
    [
        None,
        AlterPartitionResponse(error_code=ErrorCode.STALE_BROKER_EPOCH),
        about(ErrorCode.NOT_CONTROLLER),
        about(ErrorCode.UNKNOWN_TOPIC_ID),
    ],
)
def test_a_controller_that_knows_less_than_we_do_is_asked_again(answer):
    """It was replaced while it stood still, and nothing will come of its answer through the metadata log."""
    controller = Controller(answer, answer)
    partition = after(controller)
    assert (partition.isr, partition.proposal) == ((1, 2, 3), None)
    assert controller.asked == [[1, 2, 3]] * 3


@pytest.mark.parametrize(
    "error", [ErrorCode.FENCED_LEADER_EPOCH, ErrorCode.INVALID_UPDATE_VERSION, ErrorCode.NEW_LEADER_ELECTED]
)
def test_a_controller_that_knows_more_is_not_asked_again_and_both_sets_count_until_its_news_come(error):
    controller = Controller(about(error))
    partition = after(controller)
    assert (partition.isr, partition.proposal.isr) == ((1, 2), (1, 2, 3))
    assert controller.asked == [[1, 2, 3]]


def test_a_member_that_may_not_join_leaves_the_set_as_it_was():
    controller = Controller(about(ErrorCode.INELIGIBLE_REPLICA))
    partition = after(controller)
    assert (partition.isr, partition.proposal) == ((1, 2), None)
    assert controller.asked == [[1, 2, 3]]
