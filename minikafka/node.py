"""A node of the cluster: a broker, a controller, or both in one process, put together and taken apart in order.

    start   folders and their logs -> the controller's quorum -> listeners, held -> registered -> metadata caught up
            -> unfenced -> clients are served
    stop    leaderships moved away (controlled shutdown) -> clients drained -> logs flushed, checkpoints, the clean
            marker last -> the controller hands over and ends

Everything a node touches is handed to it: the settings, a clock, dice, a disk; the network is the running loop's.  So a
whole cluster runs in one process under virtual time.

Source: Kafka `KafkaRaftServer`, `SharedServer`, `BrokerServer.startup`.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from random import Random
from typing import Any

from durable.disk import Disk
from durable.journal import CorruptJournal
from minikafka.addresses import Listener, listeners_of, voters_of
from minikafka.broker import Broker
from minikafka.controller.quorum import Quorum
from minikafka.controller_channel import ControllerChannel, ControllerUnavailable
from minikafka.coordination import Coordination
from minikafka.directory_reports import DirectoryReports
from minikafka.lifecycle import Lifecycle, RegistrationRefused
from minikafka.log.data_folders import DataFolder, DataFolders, FolderError
from minikafka.metadata_follower import MetadataFollower
from minikafka.registration import registration_request
from minikafka.replication.partition import Partition
from minikafka.server import Server
from raft.storage import Unreadable
from serving.background import Background
from serving.clock import Clock
from serving.listener import Tcp
from serving.program import StartError

logger = logging.getLogger("minikafka")

CONTROLLED_SHUTDOWN_S = 10.0
CLUSTER_ID_LOOK_S = 0.02
LAG_LOOK_S = 0.1
LAG_CHECKS = 2
"""How often the in-sync sets are looked at within replica.lag.time.max.ms."""


class Node:
    """One process of the cluster, on the running event loop.

    dial    id -> address at which to dial a broker instead of where it says it is (`mini.dial.<id>`); controllers are
            dialled where this node's own controller.quorum.voters says
    """

    def __init__(
        self,
        settings: Any,
        *,
        clock: Clock,
        random: Random,
        disk: Disk,
        background: Background | None = None,
        dial: dict[int, tuple[str, int]] | None = None,
    ) -> None:
        self.settings = settings
        self.me: int = settings.node_id
        self.clock = clock
        self.random = random
        self.disk = disk
        self.dial = dial or {}
        self.background = background or Background()
        self.loop = asyncio.get_running_loop()
        self.listeners: list[Listener] = listeners_of(settings)
        self.voters = voters_of(settings)
        self.is_broker = "broker" in settings.process_roles
        self.is_controller = "controller" in settings.process_roles
        self.server = Server(self)
        self.folders = DataFolders(settings, disk, clock, random, self._folder_failed)
        self.quorum: Quorum | None = None
        self.broker: Broker | None = None
        self.coordination: Coordination | None = None
        self.follower: MetadataFollower | None = None
        self.lifecycle: Lifecycle | None = None
        self.directory_reports: DirectoryReports | None = None
        self.incarnation = random.randbytes(16)
        self._ports: dict[str, int] = {}
        self.request_stop: Any = lambda exit_code=0: None  # the program's: end the process in good order
        self.on_ready: Callable[[], None] = lambda: None
        self.make_admin: Callable[[Node], Any] | None = None  # /metrics and /health, where asked for
        self.admin: Any = None
        self.ready = False
        self.loop_lag_s = 0.0
        self._channels: list[ControllerChannel] = []

    def addresses(self) -> Sequence[tuple[str, int] | str]:
        return self.server.addresses

    # -- start ------------------------------------------------------------------------------------------------------

    async def start(self) -> None:
        """Returns when clients are served.  Raises StartError, ListenError."""
        try:
            await self.folders.open()
            if self.is_controller:
                await self._start_controller()
            if self.is_broker:
                await self._start_broker()
        except (FolderError, CorruptJournal, Unreadable) as error:
            raise StartError(str(error)) from None
        if self.make_admin is not None:
            self.admin = self.make_admin(self)
            await self.admin.start(self.settings.admin_bind, self.settings.admin_port)
        self.ready = True
        self.on_ready()
        self._watch_lag(self.loop.time())
        logger.info("%s %d of cluster %s is up", " and ".join(self.settings.process_roles), self.me, self._cluster_id())

    def _cluster_id(self) -> str:
        for holder in (self.broker, self.quorum):
            if holder is not None and holder.image.cluster_id:
                return holder.image.cluster_id
        return "(not known yet)"

    async def _start_controller(self) -> None:
        self.quorum = Quorum(
            self.settings,
            me=self.me,
            voters=self.voters,
            random=self.random,
            disk=self.disk,
            folder=self.folders.metadata_folder,
            background=self.background,
            on_failed=self._metadata_log_failed,
        )
        for listener in self.listeners:
            if listener.role == "controller":
                tcp = Tcp(listener.host, listener.port)
                self._ports[listener.name] = await self.server.listen(
                    listener.name, tcp, self.quorum, "controller", peers=self.quorum.host.transport.accept
                )
        self.quorum.start()

    def _metadata_log_failed(self, error: BaseException) -> None:
        """Without its log a controller would be a liar: the node ends."""
        logger.critical("The metadata log cannot be written: %s", error)
        self.request_stop(1)

    def _folder_failed(self, folder: DataFolder) -> None:
        """The controller hears of it, and moves what is led there; a node without any folder ends."""
        if self.broker is not None:
            self.broker.folder_failed()
        if self.directory_reports is not None:
            self.directory_reports.changed.set()
        if self.lifecycle is not None:
            self.lifecycle.hurry()
        if self.folders.none_left:
            logger.critical("Stopping: every log directory has failed")
            self.request_stop(1)

    def _channel(self) -> ControllerChannel:
        channel = ControllerChannel(self.voters, self.me, self.quorum)
        self._channels.append(channel)
        return channel

    async def _start_broker(self) -> None:
        settings = self.settings
        inter_broker = settings.inter_broker_listener_name or next(
            listener.name for listener in self.listeners if listener.role == "broker"
        )
        self.follower = MetadataFollower(self.me, self._channel(), self._metadata_changed)
        self.lifecycle = Lifecycle(
            self.me,
            self._channel(),
            lambda: registration_request(self),
            lambda: self.follower.image.offset if self.follower is not None else -1,
            lambda: self.directory_reports.offline_ids() if self.directory_reports is not None else [],
            settings.broker_heartbeat_interval_ms,
        )
        self.broker = Broker(
            settings,
            me=self.me,
            clock=self.clock,
            random=self.random,
            folders=self.folders,
            channel=self._channel,
            lifecycle=self.lifecycle,
            inter_broker=inter_broker,
            dial=self.dial,
            background=self.background,
        )
        self.broker.coordination = self.coordination = Coordination(self.broker)
        self.directory_reports = DirectoryReports(self.broker, self._channel())
        for listener in self.listeners:
            if listener.role == "broker":
                tcp = Tcp(listener.host, listener.port)
                self._ports[listener.name] = await self.server.listen(
                    listener.name, tcp, self.broker, "broker", held=True
                )
        await self.folders.load()
        await self._join()
        self._start_ticks()
        self.broker.producer_ids.prefetch()
        self.server.open_gates()

    async def _join(self) -> None:
        """Register, catch up with the metadata, be unfenced."""
        assert self.lifecycle is not None and self.follower is not None and self.broker is not None
        timeout_s = self.settings.initial_broker_registration_timeout_ms / 1000
        try:
            async with asyncio.timeout(timeout_s):
                while not (cluster_id := await self.follower.learn_cluster_id()):  # noqa: ASYNC110 — asked over the network
                    await asyncio.sleep(CLUSTER_ID_LOOK_S)
            if wrong := self.folders.belongs_to(cluster_id):
                raise StartError(wrong)
            await self.lifecycle.register(timeout_s)
        except RegistrationRefused as error:
            raise StartError(str(error)) from None
        except (TimeoutError, ControllerUnavailable):
            raise StartError(f"no controller took this broker within {timeout_s:g} s") from None
        self.folders.begin(self.lifecycle.epoch)
        self.background.start(self.broker.isr_changes.run(), "ISR changes", vital=True)
        if self.directory_reports is not None:
            self.background.start(self.directory_reports.run(), "directories", vital=True)
        self.follower.epoch = self.lifecycle.epoch
        await self.follower.catch_up(self.lifecycle.epoch)
        self.background.start(self.follower.follow(), "metadata", vital=True)
        self.background.start(self.lifecycle.keep_alive(), "heartbeats", vital=True)
        if not await self.lifecycle.until(lambda standing: not standing.fenced, timeout_s):
            raise StartError("the controller keeps this broker fenced")
        self.folders.delete_strays(self.follower.image)

    async def _metadata_changed(self, image: Any, delta: Any) -> None:
        assert self.broker is not None and self.follower is not None and self.lifecycle is not None
        self.follower.epoch = self.lifecycle.epoch
        await self.broker.metadata_changed(image, delta)
        if delta.partitions and self.directory_reports is not None:
            self.directory_reports.changed.set()
        if not self.lifecycle.wants_fence:
            own = image.brokers.get(self.me)
            if own is not None and own.fenced:
                self.lifecycle.hurry()  # the sooner the controller hears that we have caught up

    def port_of(self, listener: str) -> int:
        """Where a listener listens, once it does; the kernel may have chosen."""
        return self._ports[listener]

    # -- regular work -------------------------------------------------------------------------------------------------

    def _start_ticks(self) -> None:
        settings, every = self.settings, self.background.every
        every(lambda: settings.replica_lag_time_max_ms / 1000 / LAG_CHECKS, self._check_isrs, "ISR check")
        every(
            lambda: settings.replica_high_watermark_checkpoint_interval_ms / 1000,
            self._checkpoint_watermarks,
            "high watermark checkpoint",
        )
        every(
            lambda: settings.log_flush_offset_checkpoint_interval_ms / 1000,
            self._checkpoint_recovery_points,
            "recovery point checkpoint",
        )
        every(lambda: settings.log_retention_check_interval_ms / 1000, self._start_retention, "retention")
        every(lambda: 1.0, self.folders.sweep, "deleted logs")
        every(lambda: 1.0, self._flush_by_time, "flush")

    def _partitions(self) -> list[Partition]:
        return list(self.broker.partitions.values()) if self.broker is not None else []

    def _check_isrs(self) -> None:
        assert self.broker is not None
        now_ms = self.broker.now_ms()
        for partition in self._partitions():
            if not partition.shrink_isr(now_ms):
                partition.expand_isr()

    def _checkpoint_watermarks(self) -> None:
        self.background.start(self.folders.checkpoint_high_watermarks(), "high watermark checkpoint")

    def _checkpoint_recovery_points(self) -> None:
        self.background.start(self.folders.checkpoint_recovery_points(), "recovery point checkpoint")

    def _start_retention(self) -> None:
        self.background.start(self.folders.retention(self._partitions()), "retention")

    def _flush_by_time(self) -> None:
        assert self.broker is not None
        now_ms = self.broker.now_ms()
        due = [each for each in self._partitions() if each.flush_due(now_ms)]
        if due:
            self.broker.flush_then(due, lambda: None)

    def _watch_lag(self, expected: float) -> None:
        """How late the loop comes back from what it does in between: the worst of late, forgotten slowly."""
        now = self.loop.time()
        self.loop_lag_s = max(now - expected, self.loop_lag_s * 0.9)
        if self.ready:
            self.loop.call_later(LAG_LOOK_S, self._watch_lag, now + LAG_LOOK_S)

    # -- stop -------------------------------------------------------------------------------------------------------

    def _leaves_in_order(self) -> bool:
        """Whether there may be a controller to move our leaderships."""
        if self.lifecycle is None or self.lifecycle.epoch < 0 or not self.settings.controlled_shutdown_enable:
            return False
        return self.quorum is None or not self.quorum.failed or any(voter != self.me for voter in self.voters)

    async def stop(self) -> None:
        """Move leaderships away, answer what can be answered, leave the disk clean."""
        if self._leaves_in_order():
            assert self.lifecycle is not None
            self.lifecycle.wants_shut_down = True
            silence_s = self.settings.broker_session_timeout_ms / 1000
            if not await self.lifecycle.until(
                lambda standing: standing.may_stop, CONTROLLED_SHUTDOWN_S, silence_s
            ):  # the others may be stopping, too
                logger.warning("The controller has not moved our leaderships in time: stopping all the same")
        self.server.stop_accepting()
        if self.coordination is not None:
            self.coordination.stop()
        if self.broker is not None:
            self.broker.fetchers.stop()
        await self.server.stop(self.settings.drain_seconds)
        if self.quorum is not None:
            await self.quorum.stop()
        for channel in self._channels:
            channel.close()
        self.ready = False
        await self.background.stop()
        await self.folders.close()
        if self.admin is not None:
            await self.admin.stop()
