"""A broker: what it holds, and how the metadata log moves it.

    metadata log -> image -> for every partition that changed and is ours:
                                lead it     epoch written down, followers forgotten, produces taken
                                follow it   copy from the leader
                                drop it     waiting requests told, files renamed and deleted late
                    then the coordinators whose partitions moved, then settings

Nothing else moves a broker: it leads when the log says so, though its own controller may have decided it a moment ago,
and it goes on leading, cut off from everyone, until it reads otherwise.  That costs nothing: a leader without its
followers cannot raise the high watermark, so what it takes with acks=all is not acknowledged.

What the handlers ask of a broker is here too: find a partition, read the clock, make a request wait.

Source: Kafka `BrokerServer`, `BrokerMetadataPublisher`, `ReplicaManager`.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Iterable
from random import Random
from typing import TYPE_CHECKING, Any, NamedTuple

from minikafka.controller.image import Delta, MetadataImage, ResourceType, Topic
from minikafka.controller.image import Partition as Registration
from minikafka.controller_channel import ControllerChannel, ControllerUnavailable
from minikafka.effective import Effective
from minikafka.handlers.internal_topics import is_internal
from minikafka.handlers.producer_ids import ProducerIds
from minikafka.lifecycle import Lifecycle
from minikafka.log.data_folders import DataFolders
from minikafka.log_settings import TopicSettings
from minikafka.replication.fetcher import FetchSettings
from minikafka.replication.fetchers import Address, Fetchers
from minikafka.replication.isr_changes import IsrChanges
from minikafka.replication.partition import Partition
from minikafka.replication.sessions import Sessions
from minikafka.replication.waiting import Deadlines
from minikafka.turns import Turns
from minikafka.wire.errors import ErrorCode, KafkaError
from minikafka.wire.messages.metadata_log import MetadataFetchRequest
from minikafka.wire.messages.topics import CreateTopicsRequest
from serving.background import Background
from serving.clock import Clock

if TYPE_CHECKING:
    from minikafka.coordination import Coordination

logger = logging.getLogger("minikafka.broker")

LONG_MAX = 2**63 - 1

Key = tuple[bytes, int]


class NodeAddress(NamedTuple):
    """Where one broker is, for a client."""

    node_id: int
    host: str
    port: int
    rack: str | None


class Broker:
    """Broker `me` of a cluster.

    folders      its data on disk
    admin        questions to the controller on behalf of clients
    inter_broker name of the listener that brokers use among themselves
    dial         id -> address to dial instead of the one advertised
    """

    def __init__(
        self,
        settings: Any,
        *,
        me: int,
        clock: Clock,
        random: Random,
        folders: DataFolders,
        channel: Callable[[], ControllerChannel],
        lifecycle: Lifecycle,
        inter_broker: str,
        dial: dict[int, Address],
        background: Background,
    ) -> None:
        self.settings = settings
        self.me = me
        self.clock = clock
        self.random = random
        self.folders = folders
        self.lifecycle = lifecycle
        self.inter_broker = inter_broker
        self.dial = dial
        self.background = background
        self.loop = asyncio.get_running_loop()
        self.image = MetadataImage()
        self.partitions: dict[Key, Partition] = {}
        self.offline: dict[Key, None] = {}
        """Replicas of ours in a folder that could not be read; the others of a folder that failed since are partitions."""
        self.admin = channel()
        self.flush_counts = settings.log_flush_interval_messages == 1
        self.sessions = Sessions(random, settings.max_incremental_fetch_session_cache_slots)
        self.deadlines = Deadlines(self._wake_at)
        self._wake: asyncio.TimerHandle | None = None
        self._wake_ms = 0
        self.isr_changes = IsrChanges(me, channel(), lambda: lifecycle.epoch, self.now_ms)
        self.fetchers = Fetchers(
            me,
            FetchSettings(
                settings.replica_fetch_wait_max_ms,
                settings.replica_fetch_min_bytes,
                settings.replica_fetch_response_max_bytes,
                settings.replica_fetch_max_bytes,
                settings.replica_fetch_backoff_ms,
            ),
            background=background,
            random=random,
            now_ms=self.now_ms,
            wall_ms=self.wall_ms,
            broker_epoch=lambda: lifecycle.epoch,
            address_of=self.address_of,
            failed=self.log_failed,
            truncated=lambda partition: folders.truncated(partition.log),
            flush=self.flush_then,
            flush_counts=self.flush_counts,
        )
        self.coordination: Coordination | None = None
        self._moved = asyncio.Event()  # metadata was applied
        self._flushing: dict[Key, None] = {}
        self.producer_ids = ProducerIds(self)
        self.bytes_out = self.records_in = 0
        self._creating: dict[str, None] = {}

    # -- time -------------------------------------------------------------------------------------------------------

    def now_ms(self) -> int:
        """Milliseconds that never go back: for waiting and lagging, never for records."""
        return int(self.loop.time() * 1000)

    def wall_ms(self) -> int:
        """Milliseconds since 1970: what records carry."""
        return self.clock.now_ms()

    def _wake_at(self, at_ms: int) -> None:
        if self._wake is not None:
            if self._wake_ms <= at_ms:
                return
            self._wake.cancel()
        self._wake_ms = at_ms
        self._wake = self.loop.call_at(at_ms / 1000 + 0.001, self._expire)

    def _expire(self) -> None:
        self._wake = None
        self.deadlines.expire(self.now_ms())

    # -- what there is ------------------------------------------------------------------------------------------------

    def partition_named(self, topic: str, index: int) -> Partition:
        """Raises 3 for one that is not in the cluster, 6 for one that is not on this broker."""
        topic_id = self.image.topic_ids.get(topic)
        if topic_id is None:
            raise KafkaError(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION)
        return self.partition(topic_id, index)

    def partition(self, topic_id: bytes, index: int) -> Partition:
        """Raises 3 and 6 as above, 56 for one in a folder that cannot be read, 100 for an id that no topic has."""
        found = self.partitions.get((topic_id, index))
        if found is not None:
            return found
        topic = self.image.topics.get(topic_id)
        if topic is None:
            raise KafkaError(ErrorCode.UNKNOWN_TOPIC_ID)
        if not 0 <= index < len(topic.partitions):
            raise KafkaError(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION)
        if (topic_id, index) in self.offline:
            raise KafkaError(ErrorCode.KAFKA_STORAGE_ERROR)
        raise KafkaError(ErrorCode.NOT_LEADER_OR_FOLLOWER)

    def registration_named(self, topic: str, index: int) -> Registration | None:
        """What the metadata says of a partition, wherever it is."""
        topic_id = self.image.topic_ids.get(topic)
        return None if topic_id is None else self.image.partition(topic_id, index)

    def find(self, topic_id: bytes, index: int) -> Partition | None:
        return self.partitions.get((topic_id, index))

    def address_of(self, broker: int) -> Address | None:
        """Where to dial another broker; None while it is not registered."""
        if broker in self.dial:
            return self.dial[broker]
        registered = self.image.brokers.get(broker)
        endpoint = registered.endpoint(self.inter_broker) if registered is not None else None
        return (endpoint.host, endpoint.port) if endpoint is not None else None

    def endpoints(self, brokers: Iterable[int], listener: str) -> list[NodeAddress]:
        """Where clients of `listener` find these brokers; those that are fenced or not on it are left out."""
        found = []
        for broker in brokers:
            known = self.image.brokers.get(broker)
            endpoint = known.endpoint(listener) if known is not None and not known.fenced else None
            if known is not None and endpoint is not None:
                found.append(NodeAddress(broker, endpoint.host, endpoint.port, known.rack))
        return found

    def may_join_isr(self, broker: int, broker_epoch: int) -> bool:
        """See `replication.partition.Brokers`."""
        registered = self.image.brokers.get(broker)
        return registered is not None and registered.active and registered.epoch == broker_epoch

    def epoch_of(self, broker: int) -> int:
        registered = self.image.brokers.get(broker)
        return registered.epoch if registered is not None else -1

    def any_live_broker(self) -> int:
        """Whom clients may take for the controller: any broker passes admin calls on."""
        live = [broker for broker, registered in self.image.brokers.items() if not registered.fenced]
        return self.random.choice(live) if live else -1

    async def caught_up(self, timeout_s: float) -> None:
        """Until the metadata applied here is at least what the controller had committed a moment ago."""
        request = MetadataFetchRequest(broker_id=self.me, offset=LONG_MAX, max_wait_ms=0)
        with contextlib.suppress(ControllerUnavailable, TimeoutError):
            async with asyncio.timeout(timeout_s):
                answer = await self.admin.call(request, timeout_s)
                while self.image.offset < answer.end_offset:
                    self._moved.clear()
                    await self._moved.wait()

    def create_topics_soon(self, names: Iterable[str]) -> None:
        """Somebody asked for topics that are not there: have them made, with the defaults."""
        wanted = [name for name in dict.fromkeys(names) if name not in self._creating]
        if wanted:
            self._creating.update(dict.fromkeys(wanted))
            self.background.start(self._create(wanted), "topics made by asking for them")

    async def _create(self, names: list[str]) -> None:
        settings = self.settings
        request = CreateTopicsRequest(
            timeout_ms=settings.request_timeout_ms, topics=[self._new_topic(name) for name in names]
        )
        try:
            response = await self.admin.call(request, settings.request_timeout_ms / 1000)
            for made in response.topics:
                if made.error_code not in (ErrorCode.NONE, ErrorCode.TOPIC_ALREADY_EXISTS):
                    logger.warning("Topic %s cannot be made: %s", made.name, made.error_message)
        except ControllerUnavailable as error:
            logger.warning("Topics %s cannot be made: %s", ", ".join(names), error)
        finally:
            for name in names:
                self._creating.pop(name, None)

    def _new_topic(self, name: str) -> CreateTopicsRequest.Topic:
        settings = self.settings
        if not is_internal(name):
            return CreateTopicsRequest.Topic(name=name, num_partitions=-1, replication_factor=-1)
        configs = {
            "cleanup.policy": "compact",
            "segment.bytes": str(settings.offsets_topic_segment_bytes),
            "compression.type": "producer",
        }
        return CreateTopicsRequest.Topic(
            name=name,
            num_partitions=settings.offsets_topic_num_partitions,
            replication_factor=self.offsets_replication_factor(),
            configs=[CreateTopicsRequest.Topic.Config(name=key, value=value) for key, value in configs.items()],
        )

    def offsets_replication_factor(self) -> int:
        """3, or 1 where this broker is all there ever will be; never less because others are still starting."""
        settings = self.settings
        nobody_says = "offsets.topic.replication.factor" not in settings.where
        alone = settings.default_replication_factor == 1 and len(self.image.brokers) == 1
        return 1 if nobody_says and alone else int(settings.offsets_topic_replication_factor)

    # -- the metadata log moves us -------------------------------------------------------------------------------------

    async def metadata_changed(self, image: MetadataImage, delta: Delta) -> None:
        """Follow a committed batch: deletions, for a topic of the same name may have come after; roles, then coordinators,
        then settings."""
        self.image = image
        for broker, before in delta.brokers.items():
            now = image.brokers.get(broker)
            if before is not None and now is not None and before.epoch != now.epoch:
                self.fetchers.redial(broker)
        turns, settings = Turns(), TopicSettings(self.effective())
        for gone in delta.deleted.values():
            for index in range(len(gone.partitions)):
                self._drop((gone.id, index), ErrorCode.UNKNOWN_TOPIC_OR_PARTITION)
                await turns.give()
        moved: list[Partition] = []
        for (topic_id, index), _ in list(delta.partitions.items()):
            topic = image.topics.get(topic_id)
            if topic is None or index >= len(topic.partitions):
                continue
            partition = self._take_role(topic, index, topic.partitions[index], settings)
            if partition is not None:
                moved.append(partition)
            await turns.give()
        if delta.brokers:
            for partition in list(self.partitions.values()):
                partition.expand_isr()
                await turns.give()
        if self.coordination is not None:
            self.coordination.partitions_moved(moved)
            for gone in delta.deleted.values():
                self.coordination.topic_deleted(gone.name)
        if delta.configs:
            await self._settings_changed(delta, settings, turns)
        self._moved.set()

    def _take_role(
        self, topic: Topic, index: int, registration: Registration, settings: TopicSettings
    ) -> Partition | None:
        """Lead, follow or leave one partition; returns it while it is ours."""
        key = topic.id, index
        if self.me not in registration.replicas:
            self._drop(key, ErrorCode.NOT_LEADER_OR_FOLLOWER)
            return None
        partition = self.partitions.get(key)
        if partition is None:
            try:
                directory = registration.directory_of(self.me)
                log = self.folders.open_or_create(topic.name, index, topic.id, settings.of_log(topic.name), directory)
            except KafkaError as error:
                if key not in self.offline:
                    logger.error("%s-%d cannot be held here: %s", topic.name, index, error)
                self.offline[key] = None
                return None
            self.offline.pop(key, None)
            partition = self.partitions[key] = Partition(
                topic.name,
                topic.id,
                index,
                me=self.me,
                log=log,
                brokers=self,
                isr_wanted=self.isr_changes.want,
                lag_time_ms=self.settings.replica_lag_time_max_ms,
                settings=settings.of_partition(topic.name),
                flush_counts=self.flush_counts,
            )
        epoch_before = partition.leader_epoch
        partition.update(registration, self.now_ms())
        if partition.leading or partition.leader < 0 or partition.log.offline is not None:
            self.fetchers.leave(key)
        elif partition.leader_epoch != epoch_before:
            self.fetchers.follow(partition)
        if partition.leading and partition.leader_epoch != epoch_before and partition.awaits_flush:
            self.flush_soon(partition)  # or our own end would hold the watermark down until the next record
        return partition

    def _drop(self, key: Key, error: ErrorCode) -> None:
        self.fetchers.leave(key)
        self.offline.pop(key, None)
        partition = self.partitions.pop(key, None)
        if partition is not None:
            partition.stop(error)
            if self.coordination is not None:
                self.coordination.partition_dropped(partition)
            self.folders.delete(partition.log)

    def effective(self) -> Effective:
        """Settings as they hold now: a topic's own over the brokers' over this broker's file."""
        return Effective(self.image, self.me, self.settings)

    async def _settings_changed(self, delta: Delta, settings: TopicSettings, turns: Turns) -> None:
        topics = {name for kind, name in delta.configs if kind == ResourceType.TOPIC}
        of_brokers = any(kind == ResourceType.BROKER for kind, _ in delta.configs)
        for partition in list(self.partitions.values()):
            if of_brokers or partition.topic in topics:
                partition.log.configure(settings.of_log(partition.topic))
                partition.configure(settings.of_partition(partition.topic))
                if partition.leading:
                    partition.advance_high_watermark(self.now_ms())
                await turns.give()

    # -- disk ---------------------------------------------------------------------------------------------------------

    def flush_then(self, partitions: Iterable[Partition], then: Callable[[], None]) -> None:
        """fsync the logs of `partitions`, let the leaders among them count it, and call `then`."""
        partitions = list(partitions)

        async def flush() -> None:
            for partition in partitions:
                partition.flushed_ms = self.now_ms()
                try:
                    await partition.log.flush()
                except KafkaError as error:
                    self.log_failed(partition, error)
                    continue
                if partition.leading:
                    partition.advance_high_watermark(self.now_ms())
            then()

        self.background.start(flush(), "flush")

    def flush_soon(self, partition: Partition) -> None:
        """fsync its log; what comes meanwhile shares the next one."""
        key = partition.topic_id, partition.index
        if key in self._flushing:
            return
        self._flushing[key] = None

        def flushed() -> None:
            del self._flushing[key]
            if partition.flush_asked and partition.log.offline is None:
                self.flush_soon(partition)

        self.flush_then([partition], flushed)

    def folder_failed(self) -> None:
        """Whoever waits for what lay there is told.  Nor is it copied any more: a leader takes a follower that asks for the
        newest records to have all before, and would wait for it."""
        for key, partition in self.partitions.items():
            if partition.log.offline is not None:
                self.fetchers.leave(key)
                partition.storage_failed()

    def log_failed(self, partition: Partition, error: KafkaError) -> None:
        """Its folder is offline: the controller moves what we lead there."""
        if error.code is ErrorCode.KAFKA_STORAGE_ERROR:
            logger.error("%s-%d: %s", partition.topic, partition.index, error)
            self.folders.went_offline(partition.log)
            self.lifecycle.hurry()
