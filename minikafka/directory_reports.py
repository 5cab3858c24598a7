"""In which of its log directories each replica of this broker lies: the controller must know it before one fails.

Then "directory d is gone" in a heartbeat is enough, and what is led from d moves at once.  So a directory's failure is
told only when the controller knows all that lies in it.  A broker with one directory has nothing to say: without it the
broker is gone as a whole.

Source: KIP-858; Kafka `AssignmentsManager`.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from typing import TYPE_CHECKING

from minikafka.controller_channel import ControllerChannel, ControllerUnavailable
from minikafka.wire.errors import error_named
from minikafka.wire.messages.controller import AssignReplicasToDirsRequest

if TYPE_CHECKING:
    from minikafka.broker import Broker

logger = logging.getLogger("minikafka.broker")

Directory = AssignReplicasToDirsRequest.Directory
ANSWER_S = 2.0
RETRY_S = 0.2
REPLICAS_MAX = 2000
"""In one request, as in Kafka's."""


class DirectoryReports:
    """Tells where the replicas of `broker` lie, whenever the metadata does not know it."""

    def __init__(self, broker: Broker, channel: ControllerChannel) -> None:
        self.broker = broker
        self.channel = channel
        self.changed = asyncio.Event()

    def unknown(self) -> Iterator[tuple[bytes, bytes, int]]:
        """(directory id, topic id, partition) of what the metadata has elsewhere, or nowhere."""
        broker = self.broker
        if len(broker.folders.folders) == 1:
            return
        for topic_id, index in broker.partitions:
            registered = broker.image.partition(topic_id, index)
            directory = broker.folders.directory_of(broker.partitions[topic_id, index].log)
            if registered is None or directory is None or broker.me not in registered.replicas:
                continue
            if registered.directory_of(broker.me) != directory:
                yield directory, topic_id, index

    def offline_ids(self) -> list[bytes]:
        """The directories that failed and of which everything is known."""
        offline = self.broker.folders.offline_ids()
        if not offline:
            return offline
        unknown = {directory for directory, _, _ in self.unknown()}
        return [each for each in offline if each not in unknown]

    async def run(self) -> None:
        """For ever."""
        while True:
            await self.changed.wait()
            self.changed.clear()
            if (request := self._request()) is not None:
                await self._tell(request)
                await asyncio.sleep(RETRY_S)  # the metadata log brings it back; what it does not is told again
                self.changed.set()

    def _request(self) -> AssignReplicasToDirsRequest | None:
        directories: dict[bytes, dict[bytes, list[int]]] = {}
        for number, (directory, topic_id, index) in enumerate(self.unknown()):
            if number == REPLICAS_MAX:
                break
            directories.setdefault(directory, {}).setdefault(topic_id, []).append(index)
        if not directories:
            return None
        Topic = Directory.Topic
        return AssignReplicasToDirsRequest(
            broker_id=self.broker.me,
            broker_epoch=self.broker.lifecycle.epoch,
            directories=[
                Directory(
                    id=directory,
                    topics=[
                        Topic(topic_id=id, partitions=[Topic.Partition(partition_index=index) for index in indexes])
                        for id, indexes in topics.items()
                    ],
                )
                for directory, topics in directories.items()
            ],
        )

    async def _tell(self, request: AssignReplicasToDirsRequest) -> None:
        try:
            answer = await self.channel.call(request, 2 * ANSWER_S, try_s=ANSWER_S)
        except ControllerUnavailable:
            return
        if answer.error_code:
            logger.info("The controller does not take our directories: %s", error_named(answer.error_code).name)
