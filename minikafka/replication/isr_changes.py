"""Asking the controller for in-sync sets: one request at a time, with every partition that wants a change.

A proposal is asked for until it is answered or overtaken; a partition has at most one.  What the controller takes comes
back with the answer, and again through the metadata log; whichever is first counts, the partition epoch tells them apart.

    answer                      the controller knows        then
    none                        the same                    the set is the one asked for
    INELIGIBLE_REPLICA          a member to be out          the set is what it was
    in `OVERTAKEN`              something newer             the metadata log will tell us, too
    NOT_CONTROLLER, others      less than we do             ask again: it was replaced, and stood still meanwhile

Source: KIP-497; Kafka `AlterPartitionManager`.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from minikafka.controller_channel import ControllerChannel, ControllerUnavailable
from minikafka.replication.partition import Partition, Proposal
from minikafka.wire.errors import ErrorCode, error_named
from minikafka.wire.messages.controller import AlterPartitionRequest, AlterPartitionResponse

logger = logging.getLogger("minikafka.isr")

Key = tuple[bytes, int]
OVERTAKEN = frozenset(
    {
        ErrorCode.FENCED_LEADER_EPOCH,
        ErrorCode.INVALID_UPDATE_VERSION,
        ErrorCode.INVALID_REQUEST,
        ErrorCode.NEW_LEADER_ELECTED,
    }
)
ANSWER_S = 1.0
RETRY_S = 0.05


class IsrChanges:
    """The proposals of broker `me`'s leaders."""

    def __init__(
        self, me: int, channel: ControllerChannel, broker_epoch: Callable[[], int], now_ms: Callable[[], int]
    ) -> None:
        self.me = me
        self.channel = channel
        self.broker_epoch = broker_epoch
        self.now_ms = now_ms
        self._wanted: dict[Key, Partition] = {}
        self._some = asyncio.Event()

    def want(self, partition: Partition) -> None:
        """`partition.proposal` is new."""
        self._wanted[partition.topic_id, partition.index] = partition
        self._some.set()

    async def run(self) -> None:
        """For ever."""
        while True:
            await self._some.wait()
            self._some.clear()
            wanted, self._wanted = self._wanted, {}
            asked = {key: (each, each.proposal) for key, each in wanted.items() if each.leading and each.proposal}
            if asked and (again := await self._ask(asked)):
                self._wanted = {**{key: wanted[key] for key in again}, **self._wanted}
                self._some.set()
                await asyncio.sleep(RETRY_S)

    async def _ask(self, asked: dict[Key, tuple[Partition, Proposal]]) -> list[Key]:
        """What is to be asked for again."""
        topics: dict[bytes, list[AlterPartitionRequest.Topic.Partition]] = {}
        for (topic_id, index), (partition, proposal) in asked.items():
            members = [
                AlterPartitionRequest.Topic.Partition.BrokerState(broker_id=broker, broker_epoch=epoch)
                for broker, epoch in partition.isr_member_epochs()
            ]
            topics.setdefault(topic_id, []).append(
                AlterPartitionRequest.Topic.Partition(
                    partition_index=index,
                    leader_epoch=proposal.leader_epoch,
                    new_isr_with_epochs=members,
                    partition_epoch=proposal.partition_epoch,
                )
            )
        request = AlterPartitionRequest(
            broker_id=self.me,
            broker_epoch=self.broker_epoch(),
            topics=[AlterPartitionRequest.Topic(topic_id=each, partitions=parts) for each, parts in topics.items()],
        )
        try:
            answer = await self.channel.call(request, 2 * ANSWER_S, try_s=ANSWER_S)
        except ControllerUnavailable:
            return list(asked)
        if answer.error_code:
            logger.info("The controller refuses our ISR changes: %s", error_named(answer.error_code).name)
            return list(asked)
        again = []
        for topic in answer.topics:
            for decided in topic.partitions:
                key = topic.topic_id, decided.partition_index
                if key in asked and not self._decided(*asked[key], decided):
                    again.append(key)
        return again

    def _decided(
        self, partition: Partition, proposal: Proposal, decided: AlterPartitionResponse.Topic.Partition
    ) -> bool:
        """Whether that is an end of it.  While it is not, the larger of the two sets counts, since the proposal may have
        been taken by an earlier try."""
        error = error_named(decided.error_code)
        if error is ErrorCode.NONE:
            partition.isr_decided(decided.leader_epoch, decided.partition_epoch, decided.isr, self.now_ms())
        elif error is ErrorCode.INELIGIBLE_REPLICA:  # one of them is fenced, stopping, or was restarted
            logger.info("%r: %s refused: %s", partition, proposal.isr, error.name)
            partition.isr_refused(proposal, self.now_ms())
        else:
            return error in OVERTAKEN
        return True
