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
from collections.abc import Awaitable, Callable

from minikafka.controller.image import Delta, MetadataImage
from minikafka.controller_channel import ControllerChannel, ControllerUnavailable
from minikafka.records.metadata import decode_records
from minikafka.wire.errors import ErrorCode
from minikafka.wire.messages.metadata_log import MetadataFetchRequest

WAIT_MS, WAIT_MARGIN_S = 500, 1.0
MAX_BYTES = 8 * 1024 * 1024


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

    async def fetch_once(self, wait_ms: int = WAIT_MS) -> None:
        """One question and its answer.  Raises ControllerUnavailable."""
        image = self.image
        request = MetadataFetchRequest(
            broker_id=self.me,
            broker_epoch=self.epoch,
            offset=image.offset,
            epoch=image.epoch,
            max_wait_ms=wait_ms,
            max_bytes=MAX_BYTES,
        )
        answer = await self.channel.call(request, 30, try_s=wait_ms / 1000 + WAIT_MARGIN_S)
        if answer.error_code != ErrorCode.NONE:
            await asyncio.sleep(WAIT_MS / 1000)
            return
        if answer.snapshot:
            self.image, delta = replaced(image, answer.snapshot, answer.snapshot_offset, answer.snapshot_epoch)
            await self.changed(self.image, delta)
        for entry in answer.entries:
            delta = self.image.apply(decode_records(entry.records), entry.offset, entry.epoch)
            await self.changed(self.image, delta)


def replaced(before: MetadataImage, snapshot: bytes, offset: int, epoch: int) -> tuple[MetadataImage, Delta]:
    """The image that a snapshot holds, and how it differs from the one before: what is gone is deleted, all else may be new."""
    image = MetadataImage()
    delta = image.apply(decode_records(snapshot), offset, epoch)
    for topic_id, topic in before.topics.items():
        if topic_id not in image.topics:
            delta.deleted[topic_id] = topic
        else:
            for index, partition in enumerate(topic.partitions):
                delta.partitions[topic_id, index] = partition
    delta.created = [topic_id for topic_id in delta.created if topic_id not in before.topics]
    delta.configs |= set(before.configs)
    for broker_id, broker in before.brokers.items():
        delta.brokers[broker_id] = broker
    return image, delta
