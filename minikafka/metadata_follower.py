"""A broker's copy of the cluster's metadata: pulled from the active controller, record by committed record.

The controllers agree on the log among themselves; brokers only read it.  A broker asks for what follows the last record
it has applied and waits at the controller until there is more (long poll), as a consumer would; when the controller's
log no longer reaches back that far, it is given a snapshot instead.

What comes is committed, so there is nothing to undo; and nothing else moves a broker: not even a controller in the same
process tells it anything but through here.

Source: KIP-631, "Metadata records"; Kafka `BrokerMetadataListener`, `MetadataLoader`.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from itertools import islice

from minikafka.controller.image import Delta, MetadataImage
from minikafka.controller_channel import ControllerChannel, ControllerUnavailable
from minikafka.records.metadata_entries import each_record
from minikafka.turns import Turns
from minikafka.wire.errors import ErrorCode
from minikafka.wire.messages.metadata_log import MetadataFetchRequest, MetadataFetchResponse

WAIT_MS, WAIT_MARGIN_S = 500, 1.0
CATCH_UP_WAIT_MS = 100
ANSWER_S = 30
MAX_BYTES = 8 * 1024 * 1024
LONG_MAX = 2**63 - 1
RECORDS_IN_A_TURN = 100


class MetadataFollower:
    """Keeps `image` at the controller's heels; `changed(image, delta)` is called after each batch, in order."""

    def __init__(
        self, me: int, channel: ControllerChannel, changed: Callable[[MetadataImage, Delta], Awaitable[None]]
    ) -> None:
        self.me = me
        self.channel = channel
        self.changed = changed
        self.image = MetadataImage()
        self.epoch = -1
        """The broker epoch to say with each fetch; a controller notes who has applied what."""

    async def follow(self) -> None:
        """For ever."""
        while True:
            try:
                await self.fetch_once()
            except ControllerUnavailable:
                continue

    async def learn_cluster_id(self) -> str:
        """What the controllers call their cluster; "" while the first of them has not named it."""
        answer = await self._ask(LONG_MAX, 0)
        return str(answer.cluster_id)

    async def catch_up(self, offset: int) -> None:
        """Read up to `offset`, our registration, then act on all of it at once.

        What the log says of us before that is of an earlier life: a broker that led while it read would lead with a log
        that may have lost its end.  Raises ControllerUnavailable.
        """
        while self.image.offset < offset:
            async for _ in self._fetch(CATCH_UP_WAIT_MS):
                pass
        await self.changed(self.image, everything(self.image))

    async def fetch_once(self, wait_ms: int = WAIT_MS) -> None:
        """One question and its answer.  Raises ControllerUnavailable."""
        async for delta in self._fetch(wait_ms):
            await self.changed(self.image, delta)

    async def _fetch(self, wait_ms: int) -> AsyncIterator[Delta]:
        """What one answer changes, batch by batch: the image has moved when the next delta is taken."""
        answer = await self._ask(self.image.offset, wait_ms)
        if answer.error_code != ErrorCode.NONE:
            await asyncio.sleep(WAIT_MS / 1000)
            return
        turns = Turns()
        if answer.snapshot:
            image = await read_snapshot(answer.snapshot, answer.snapshot_offset, answer.snapshot_epoch, turns)
            before, self.image = self.image, image
            yield changes(before, image)
        for entry in answer.entries:
            records = []
            for record in each_record(entry.records):
                records.append(record)
                await turns.give()
            yield self.image.apply(records, entry.offset, entry.epoch)
            await turns.give()

    async def _ask(self, offset: int, wait_ms: int) -> MetadataFetchResponse:
        request = MetadataFetchRequest(
            broker_id=self.me,
            broker_epoch=self.epoch,
            offset=offset,
            epoch=self.image.epoch,
            max_wait_ms=wait_ms,
            max_bytes=MAX_BYTES,
        )
        answer: MetadataFetchResponse = await self.channel.call(request, ANSWER_S, try_s=wait_ms / 1000 + WAIT_MARGIN_S)
        return answer


def everything(image: MetadataImage) -> Delta:
    """As if all of it had just happened."""
    return Delta(
        partitions={(topic.id, index): None for topic, index, _ in image.partitions()},
        created=list(image.topics),
        brokers=dict.fromkeys(image.brokers),
        configs=set(image.configs),
        features=set(image.features),
    )


async def read_snapshot(snapshot: bytes, offset: int, epoch: int, turns: Turns) -> MetadataImage:
    """The image that a snapshot holds."""
    image = MetadataImage()
    records = each_record(snapshot)
    while some := list(islice(records, RECORDS_IN_A_TURN)):
        image.apply(some, offset, epoch)
        await turns.give()
    return image


def changes(before: MetadataImage, after: MetadataImage) -> Delta:
    """What a snapshot changes: what is gone is deleted, all else is new."""
    delta = everything(after)
    for topic_id, topic in before.topics.items():
        if topic_id not in after.topics:
            delta.deleted[topic_id] = topic
        else:
            for index, partition in enumerate(topic.partitions):
                delta.partitions[topic_id, index] = partition
    delta.created = [topic_id for topic_id in delta.created if topic_id not in before.topics]
    delta.configs |= set(before.configs)
    for broker_id, broker in before.brokers.items():
        delta.brokers[broker_id] = broker
    return delta
