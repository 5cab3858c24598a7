"""The cluster as a client sees it: who leads what, one connection to each broker, and whom to ask what.

    bootstrap addresses ── Metadata ──> brokers, topics ──> ask(node)             the leader of a partition
                                                            ask_any               what every broker knows
                                                            ask_controller        topics and settings
                                                            ask_coordinator       a group

A client's picture of the cluster is always a little old.  It is not kept fresh by asking often, but corrected by errors:
NOT_LEADER_OR_FOLLOWER says that the picture is wrong, and the next attempt begins with a new one.  So nothing here is
done once: `retrying` repeats what the error table says may be repeated, with pauses that grow.

The controller is not dialled.  Since KRaft any broker passes requests on to it (KIP-590), and Metadata names one.

Source: Kafka's `Metadata`, `NetworkClient`; KIP-580 for the pauses.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, field
from random import Random
from types import TracebackType
from typing import Any, TypeVar

from minikafka.client.connection import ClientConnection, connect
from minikafka.peer_link import PeerLink
from minikafka.wire.errors import ErrorCode, KafkaError, error_named
from minikafka.wire.messages.groups import FindCoordinatorRequest, FindCoordinatorResponse
from minikafka.wire.messages.metadata import MetadataRequest, MetadataResponse

T = TypeVar("T")
Address = tuple[str, int]

PAUSE_S, PAUSE_MAX_S = 0.1, 1.0
GROUP = 0

DATA, COORDINATION = "data", "coordination"
"""Lanes: answers come in order, so a heartbeat would wait behind a fetch.  Groups have a connection of their own."""


@dataclass(frozen=True)
class Broker:
    """Where a node is reached."""

    node_id: int
    host: str
    port: int
    rack: str | None = None


@dataclass(frozen=True)
class Partition:
    """A partition as the last Metadata had it.  leader: -1 while there is none."""

    index: int
    leader: int
    leader_epoch: int
    replicas: list[int]
    isr: list[int]
    offline: list[int]


@dataclass(frozen=True)
class Topic:
    """A topic, its partitions in order of their numbers."""

    name: str
    topic_id: bytes
    internal: bool
    partitions: list[Partition]

    @property
    def led(self) -> list[int]:
        """The partitions that can be written and read now."""
        return [each.index for each in self.partitions if each.leader >= 0]


@dataclass(frozen=True)
class Timeouts:
    """Seconds.  dial: to connect; request: until an answer; total: of all attempts at one thing."""

    dial: float = 5.0
    request: float = 30.0
    total: float = 60.0


@dataclass
class Cluster:
    """One client's view.  Use it as `async with Cluster(...) as cluster`, on one event loop.

    bootstrap  addresses to ask first; one that answers is enough
    random     for the pauses, and for whom to ask
    """

    bootstrap: Sequence[Address]
    random: Random
    client_id: str = "mini"
    timeouts: Timeouts = field(default_factory=Timeouts)
    auto_create: bool = True  # whether asking for a topic may create it, if the broker allows that

    def __post_init__(self) -> None:
        self.brokers: dict[int, Broker] = {}
        self.topics: dict[str, Topic] = {}
        self.cluster_id: str | None = None
        self.controller_id = -1
        self._connections: dict[tuple[int, str], ClientConnection] = {}
        self._dialling: dict[tuple[int, str], asyncio.Lock] = {}
        self._coordinators: dict[str, int] = {}

    async def __aenter__(self) -> Cluster:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    async def start(self) -> None:
        """Learn the brokers.  Raises KafkaError(BROKER_NOT_AVAILABLE) when no bootstrap address answers."""
        await self.retrying(lambda: self.refresh([]))

    def close(self) -> None:
        """Leave all connections."""
        connections, self._connections = self._connections, {}
        for connection in connections.values():
            connection.close()

    # -- whom to ask --------------------------------------------------------------------------------------------------

    async def ask(self, node_id: int, request: Any, timeout_s: float | None = None, lane: str = DATA) -> Any:
        """The answer of one broker.  Raises KafkaError: NETWORK_EXCEPTION when it is not reached, REQUEST_TIMED_OUT."""
        connection = await self.connection(node_id, lane)
        return await connection.ask(request, self.timeouts.request if timeout_s is None else timeout_s)

    async def ask_any(self, request: Any) -> Any:
        """The answer of some broker: of those in the picture, then of the bootstrap addresses.

        Raises KafkaError(BROKER_NOT_AVAILABLE) when none can be reached.
        """
        nodes = sorted(self.brokers, key=lambda node: ((node, DATA) not in self._connections, self.random.random()))
        for node in nodes:
            try:
                return await self.ask(node, request)
            except KafkaError as error:
                if error.code != ErrorCode.NETWORK_EXCEPTION:
                    raise
        failures = []
        for host, port in self.bootstrap:
            try:
                connection = await connect(host, port, self.client_id, _forget, self.timeouts.dial)
            except (OSError, TimeoutError, KafkaError) as error:
                failures.append(f"{host}:{port}: {_reason(error)}")
                continue
            try:
                return await connection.ask(request, self.timeouts.request)
            except KafkaError as error:
                failures.append(f"{host}:{port}: {error}")
            finally:
                connection.close()
        raise KafkaError(ErrorCode.BROKER_NOT_AVAILABLE, f"no broker answers ({'; '.join(failures)})")

    async def ask_controller(self, request: Any) -> Any:
        """The controller's answer, which a broker passes on."""
        if self.controller_id in self.brokers:
            return await self.ask(self.controller_id, request)
        return await self.ask_any(request)

    async def ask_coordinator(self, group: str, request: Any, timeout_s: float | None = None) -> Any:
        """The answer of the group's coordinator.  One that turns out to be another's: `forget_coordinator`."""
        node = await self.coordinator(group)
        try:
            return await self.ask(node, request, timeout_s, COORDINATION)
        except asyncio.CancelledError:
            # the answer to JoinGroup may take minutes, and the answers behind it as long: LeaveGroup shall not wait
            if connection := self._connections.get((node, COORDINATION)):
                connection.abort("nobody waits for the answer any more")
            raise
        except KafkaError:
            self.forget_coordinator(group)  # it may be dead, and another one the coordinator by now
            raise

    async def coordinator(self, group: str) -> int:
        """The broker that coordinates `group`.  Raises KafkaError, COORDINATOR_NOT_AVAILABLE among others."""
        node = self._coordinators.get(group)
        if node is None:
            request = FindCoordinatorRequest(key=group, key_type=GROUP, coordinator_keys=[group])
            answer: FindCoordinatorResponse = await self.ask_any(request)
            found: Any = answer.coordinators[0] if answer.coordinators else answer
            raise_for(found.error_code, found.error_message)
            node = self._coordinators[group] = found.node_id
            self.brokers.setdefault(node, Broker(node, found.host, found.port))
        return node

    def forget_coordinator(self, group: str) -> None:
        """An answer said that it is another: ask again next time."""
        self._coordinators.pop(group, None)

    async def connection(self, node_id: int, lane: str = DATA) -> ClientConnection:
        """The one connection to a broker, made when it is first needed.  Raises KafkaError(NETWORK_EXCEPTION)."""
        key = node_id, lane
        async with self._dialling.setdefault(key, asyncio.Lock()):
            connection = self._connections.get(key)
            if connection is not None:
                return connection
            broker = self.brokers.get(node_id)
            if broker is None:
                raise KafkaError(ErrorCode.NETWORK_EXCEPTION, f"nobody has said where broker {node_id} is")

            def lost(link: PeerLink) -> None:
                if self._connections.get(key) is link:
                    del self._connections[key]
                for group in [group for group, node in self._coordinators.items() if node == node_id]:
                    del self._coordinators[group]

            try:
                connection = await connect(broker.host, broker.port, self.client_id, lost, self.timeouts.dial)
            except (OSError, TimeoutError) as error:
                where = f"broker {node_id} at {broker.host}:{broker.port}"
                raise KafkaError(ErrorCode.NETWORK_EXCEPTION, f"{where}: {_reason(error)}") from None
            self._connections[key] = connection
            return connection

    # -- the picture --------------------------------------------------------------------------------------------------

    async def refresh(self, topics: Iterable[str] | None = None) -> dict[str, KafkaError]:
        """Ask for Metadata of the brokers and of `topics`, None: of all there are.  Returns the topics' errors.

        Raises KafkaError: BROKER_NOT_AVAILABLE; LEADER_NOT_AVAILABLE when the answer comes from a broker that has just
        started and knows of none, not even itself: then the picture stays as it was.
        """
        names = None if topics is None else [MetadataRequest.Topic(name=name) for name in topics]
        answer: MetadataResponse = await self.ask_any(
            MetadataRequest(topics=names, allow_auto_topic_creation=self.auto_create)
        )
        if not answer.brokers:
            raise KafkaError(ErrorCode.LEADER_NOT_AVAILABLE, "the broker knows of no brokers yet")
        self.brokers = {each.node_id: Broker(each.node_id, each.host, each.port, each.rack) for each in answer.brokers}
        self.cluster_id, self.controller_id = answer.cluster_id, answer.controller_id
        if names is None:
            self.topics = {}
        errors = {}
        for each in answer.topics:
            name = each.name or ""
            if each.error_code:
                errors[name] = KafkaError(error_named(each.error_code), _about(each.error_code, name))
                self.topics.pop(name, None)
            else:
                self.topics[name] = _topic(each)
        return errors

    async def topic(self, name: str, patience_s: float | None = None) -> Topic:
        """A topic, known or asked for, and created by the asking where that is on.

        Raises KafkaError: UNKNOWN_TOPIC_OR_PARTITION when it is not there after `patience_s`, INVALID_TOPIC_EXCEPTION.
        """
        if name in self.topics:
            return self.topics[name]

        async def look() -> Topic:
            errors = await self.refresh([name])
            if name in errors:
                raise errors[name]
            return self.topics[name]

        return await self.retrying(look, patience_s)

    def leader(self, topic: str, partition: int) -> int:
        """The broker that leads a partition, by the picture.

        Raises KafkaError, UNKNOWN_TOPIC_OR_PARTITION or LEADER_NOT_AVAILABLE, after which a `refresh` may help.
        """
        partitions = self.topics[topic].partitions if topic in self.topics else []
        if not 0 <= partition < len(partitions):
            raise KafkaError(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, f"there is no partition {topic}-{partition}")
        leader = partitions[partition].leader
        if leader not in self.brokers:
            raise KafkaError(ErrorCode.LEADER_NOT_AVAILABLE, f"{topic}-{partition} has no leader now")
        return leader

    # -- trying again -------------------------------------------------------------------------------------------------

    async def retrying(self, attempt: Callable[[], Awaitable[T]], total_s: float | None = None) -> T:
        """What `attempt` returns, once it does.

        Raises its KafkaError when that is none that another attempt may cure, or when `total_s` have passed.
        """
        loop = asyncio.get_running_loop()
        deadline = loop.time() + (self.timeouts.total if total_s is None else total_s)
        pauses = Pauses(self.random)
        while True:
            try:
                return await attempt()
            except KafkaError as error:
                pause = pauses.next_s()
                if not error.code.retriable or loop.time() + pause > deadline:
                    raise
            await asyncio.sleep(pause)


class Pauses:
    """Between attempts: doubled each time up to a second, a fifth of it left to chance, lest all come back at once."""

    def __init__(self, random: Random) -> None:
        self._random, self._pause_s = random, PAUSE_S

    def next_s(self) -> float:
        pause_s, self._pause_s = self._pause_s, min(2 * self._pause_s, PAUSE_MAX_S)
        return pause_s * self._random.uniform(0.8, 1.2)


def raise_for(code: int, message: str | None = None) -> None:
    """Raises KafkaError for an error code that is one."""
    if code:
        raise KafkaError(error_named(code), message)


def parse_bootstrap(text: str) -> list[Address]:
    """`host:port,host:port` as addresses; without a port 9092.  Raises ValueError."""
    found = []
    for each in text.split(","):
        host, _, port = each.strip().rpartition(":") if ":" in each else (each.strip(), "", "9092")
        if not host or not port.isdecimal() or not 0 < int(port) < 65536:
            raise ValueError(f"{each.strip()!r} is not host:port")
        found.append((host.strip("[]"), int(port)))
    return found


def _topic(each: MetadataResponse.Topic) -> Topic:
    partitions = [
        Partition(
            one.partition_index, one.leader_id, one.leader_epoch, one.replica_nodes, one.isr_nodes, one.offline_replicas
        )
        for one in sorted(each.partitions, key=lambda one: one.partition_index)
    ]
    return Topic(each.name or "", each.topic_id, each.is_internal, partitions)


def _about(code: int, topic: str) -> str:
    return f"topic {topic!r}: {error_named(code).message}"


def _reason(error: BaseException) -> str:
    if isinstance(error, TimeoutError):
        return "no answer in time"
    if isinstance(error, OSError) and error.errno is not None and error.errno > 0:
        return os.strerror(error.errno)  # asyncio's text names the address, which we have said
    return str(error)


def _forget(link: PeerLink) -> None:
    """Nobody counts on a bootstrap connection."""
