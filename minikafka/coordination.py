"""The coordinators of a broker: one for each partition of __consumer_offsets that it leads.

    the metadata log says: lead it     -> read the partition's log from its start, a few milliseconds at a time -> active
    the metadata log says: no more     -> resign: whoever waits is told NOT_COORDINATOR

    a request or a timer -> coordinator -> records -> appended to the partition, as any produce with acks=all is
                                   ... the high watermark passes them ... -> coordinator -> answers

The coordinator itself (groups/coordinator.py) knows neither log nor clock; this is what carries out what it wants.

Source: Kafka `CoordinatorRuntime`, `CoordinatorLoaderImpl`.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from minikafka.groups.coordinator import GroupCoordinator
from minikafka.groups.placement import partition_for
from minikafka.groups.settings import GroupSettings
from minikafka.groups.timers import Moment
from minikafka.handlers.internal_topics import GROUP_OFFSETS
from minikafka.log.partition_log import Origin
from minikafka.records.batch import BadBatch, build_batch, walk
from minikafka.replication.waiting import Deadline
from minikafka.turns import Turns
from minikafka.wire.errors import ErrorCode, KafkaError

if TYPE_CHECKING:
    from minikafka.broker import Broker
    from minikafka.replication.partition import Partition

logger = logging.getLogger("minikafka.groups")

LOAD_BYTES = 1024 * 1024
MINUTE_MS = 60_000
ALL_REPLICAS = -1


class Coordinating:
    """One partition of __consumer_offsets that this broker leads, with the coordinator of its groups."""

    def __init__(self, broker: Broker, partition: Partition, settings: GroupSettings) -> None:
        self.broker = broker
        self.partition = partition
        self.epoch = partition.leader_epoch
        self.coordinator = GroupCoordinator(partition.index, settings, broker.random)
        self._deadline: Deadline | None = None
        self._moved = asyncio.Event()
        partition.on_commit = self._committed

    def moment(self) -> Moment:
        return Moment(self.broker.now_ms(), self.broker.wall_ms())

    @property
    def current(self) -> bool:
        """Whether this is still the reign that it was made for."""
        return self.partition.leading and self.partition.leader_epoch == self.epoch

    async def load(self) -> None:
        """Read the log up to its end as of now, in slices, then begin, once all of it is committed.

        What lies above the high watermark may be cut off by the next leader: a member that had been told its share from
        there would meet another who holds it too.
        """
        log, turns = self.partition.log, Turns()
        began_ms = self.broker.now_ms()
        offset, end = log.log_start_offset, log.log_end_offset
        try:
            while offset < end and self.current:
                data = memoryview(log.read(offset, LOAD_BYTES, end).records)
                whole = 0
                for position, batch in walk(data):
                    whole, offset = position + batch.size, batch.base_offset + batch.last_offset_delta + 1
                if not whole:
                    break
                for _ in self.coordinator.load(data[:whole]):
                    await turns.give()
            while self.current and log.high_watermark < end:
                self._moved.clear()
                await self._moved.wait()
            for _ in self.coordinator.finish_loading(self.moment()):
                await turns.give()
        except (KafkaError, BadBatch) as error:
            logger.error("The groups of %r cannot be read: %s", self.partition, error)
            self.coordinator.resign(self.moment())  # as Kafka: NOT_COORDINATOR, until another leads
            return
        if self.current:
            logger.debug("Coordinating %r, read in %d ms", self.partition, self.broker.now_ms() - began_ms)
            self.settle()

    def settle(self) -> None:
        """After every call: append what the coordinator wrote, and wake it when it wants to be woken."""
        coordinator, partition = self.coordinator, self.partition
        while coordinator.has_records and self.current:
            now = self.moment()
            records = coordinator.take_records()
            batch = build_batch(records, timestamp_ms=now.wall_ms)
            try:
                appended = partition.append(batch, ALL_REPLICAS, now.now_ms, now.wall_ms, Origin.COORDINATOR)
            except KafkaError as error:
                if error.code is ErrorCode.KAFKA_STORAGE_ERROR:
                    self.broker.log_failed(partition, error)
                coordinator.refused(error.code, now)
                continue
            coordinator.appended(appended.last_offset + 1, now)
            coordinator.committed(partition.log.high_watermark, now)
            if partition.flush_asked:
                self.broker.flush_soon(partition)
        self._wake_when_due()

    def _wake_when_due(self) -> None:
        at_ms = self.coordinator.next_deadline_ms
        deadline = self._deadline
        if deadline is not None and not deadline.done:
            if at_ms is not None and deadline.at_ms <= at_ms:
                return
            self.broker.deadlines.cancel(deadline)
        self._deadline = self.broker.deadlines.add(at_ms, self._tick) if at_ms is not None else None

    def _tick(self) -> None:
        self.coordinator.tick(self.moment())
        self.settle()

    def _committed(self, partition: Partition) -> None:
        self._moved.set()
        if self.current:
            self.coordinator.committed(partition.log.high_watermark, self.moment())
            self.settle()

    def resign(self) -> None:
        """Another leads, or this broker stops."""
        if self.partition.on_commit == self._committed:
            self.partition.on_commit = None
        if self._deadline is not None:
            self.broker.deadlines.cancel(self._deadline)
        self._moved.set()
        self.coordinator.resign(self.moment())


class Coordination:
    """All coordinators of `broker`."""

    def __init__(self, broker: Broker) -> None:
        self.broker = broker
        self.settings = group_settings(broker.settings)
        self.led: dict[int, Coordinating] = {}

    def partitions_moved(self, partitions: Iterable[Partition]) -> None:
        """Begin and end what these partitions' leadership asks for."""
        for partition in partitions:
            if partition.topic != GROUP_OFFSETS:
                continue
            held = self.led.get(partition.index)
            if held is not None and not held.current:
                self._end(held)
                held = None
            if held is None and partition.leading:
                began = self.led[partition.index] = Coordinating(self.broker, partition, self.settings)
                self.broker.background.start(began.load(), f"reading {GROUP_OFFSETS}-{partition.index}")

    def _end(self, held: Coordinating) -> None:
        del self.led[held.partition.index]
        held.resign()

    def partition_dropped(self, partition: Partition) -> None:
        """It is no longer held here at all."""
        held = self.led.get(partition.index)
        if held is not None and held.partition is partition:
            self._end(held)

    def find(self, group_id: str) -> Coordinating:
        """The coordinator of a group, here.  Raises KafkaError: 15 while there is no partition for it, 16 elsewhere."""
        topic = self.broker.image.topic(GROUP_OFFSETS)
        if topic is None or not topic.partitions:
            raise KafkaError(ErrorCode.COORDINATOR_NOT_AVAILABLE)
        held = self.led.get(partition_for(group_id, len(topic.partitions)))
        if held is None or not held.current:
            raise KafkaError(ErrorCode.NOT_COORDINATOR)
        return held

    def topic_deleted(self, topic: str) -> None:
        """Offsets committed for it are forgotten."""
        for held in self.led.values():
            held.coordinator.topic_deleted(topic)
            held.settle()

    def stop(self) -> None:
        """This broker stops: members look for another coordinator."""
        for held in list(self.led.values()):
            self._end(held)


def group_settings(settings: Any) -> GroupSettings:
    """What the coordinators need of server.properties."""
    return GroupSettings(
        initial_rebalance_delay_ms=settings.group_initial_rebalance_delay_ms,
        session_timeout_ms_min=settings.group_min_session_timeout_ms,
        session_timeout_ms_max=settings.group_max_session_timeout_ms,
        group_size_max=settings.group_max_size,
        offset_metadata_bytes_max=settings.offset_metadata_max_bytes,
        commit_timeout_ms=settings.offsets_commit_timeout_ms,
        offsets_retention_ms=settings.offsets_retention_minutes * MINUTE_MS,
        retention_check_ms=settings.offsets_retention_check_interval_ms,
    )
