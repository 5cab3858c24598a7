"""The metadata quorum: the controllers' Raft log, the image it makes, and who of them decides.

    broker -> Envelope -> active controller: Controller.decide -> records -> Raft -> committed on a majority
                                                                                        |
            answer  <--------------------------------------------------- applied: image, then who waits
    broker <- MetadataFetch (long poll) <- the same committed records, or a snapshot

One decision is one entry of the log, all or nothing.  The active controller is the leader of the log once it has applied
everything before its reign; its mind (`Controller`) works on a copy of the image that runs ahead of what is committed, and
is thrown away when leadership is lost: whatever was not committed never was.

An answer that needed no record may still rest on one that is not committed yet, so it waits for those before it.

ZooKeeper did all this for Kafka until 2025: a tree of small files behind a quorum of its own, watched by a controller that
had to read it whole after each failover.  A log needs no reading whole: a new controller has it already (KIP-500).

Source: KIP-500, KIP-595, KIP-630, KIP-631; Kafka `QuorumController`.  Next: raft/README.md.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from random import Random
from typing import Any

from durable.disk import Disk
from minikafka.broker_options import BrokerOptions
from minikafka.controller.controller import Controller
from minikafka.controller.image import MetadataImage, ResourceType
from minikafka.controller.sessions import Overheard
from minikafka.controller.state import ControllerSettings, Decision
from minikafka.group_options import GROUP_OPTIONS
from minikafka.options import given
from minikafka.records.metadata_entries import decode_records, encode_entry, encode_records
from minikafka.topic_options import TOPIC_OPTIONS
from minikafka.turns import Turns
from minikafka.wire.messages.controller import BrokerHeartbeatRequest
from minikafka.wire.messages.metadata_log import MetadataFetchRequest, MetadataFetchResponse
from raft.driver import OutcomeUnknown
from raft.host import Host
from raft.membership import Membership
from raft.node import Refused
from raft.ready import Settings as RaftSettings
from serving.background import Background

logger = logging.getLogger("minikafka.controller")

TICK_S = 0.05
STOOD_STILL_MS = 200
"""A tick that is so late: the process was stopped, or the loop held, and what came meanwhile is not read yet."""
ELECTION_TICKS = 10
"""controller.quorum.election.timeout.ms in ticks of Raft, which draws from one to two of it."""
SNAPSHOT_ENTRIES = 10_000
METADATA_GROUP = 0
HAND_OVER_S = 1.0
EPOCH_BYTES = 4
Respond = Callable[[Any], None]


@dataclass(frozen=True)
class Written:
    """A committed entry as brokers are given it."""

    offset: int
    epoch: int
    records: bytes


class Quorum:
    """One voter of the metadata quorum, on the running loop: Raft's state machine, and the way to the mind.

    image     what is committed, and applied here
    mind      while this controller is the active one
    """

    def __init__(
        self,
        settings: Any,
        *,
        me: int,
        voters: dict[int, tuple[str, int]],
        random: Random,
        disk: Disk,
        folder: str,
        background: Background,
        on_failed: Callable[[BaseException], None],
    ) -> None:
        """
        voters     id -> where to dial it
        folder     of the log, ours alone
        on_failed  the disk failed: this node must not go on

        Raises CorruptJournal, Unreadable, OSError when what is on disk cannot be trusted.
        """
        self.settings = settings
        self.me = me
        self.voters = voters
        self.random = random
        self.background = background
        self.loop = asyncio.get_running_loop()
        self.controller_settings = controller_settings(settings)
        self.failed = False  # the disk under its log
        self._on_failed = on_failed
        self.image = MetadataImage()
        self.mind: Controller | None = None
        self.leader: int | None = None
        self.term = 0
        self.recent: deque[Written] = deque()
        """Committed entries that brokers can still be given one by one."""
        self.recent_bytes = 0
        self.begins_after = -1
        """The offset before the first of them: a broker that is behind it gets a snapshot."""
        self._overheard: dict[int, Overheard] = {}
        """Each broker's last heartbeat: they send it to every controller, as any may be the active one next."""
        self._ticked_ms = 0
        self._answers: dict[int, list[tuple[Decision, Respond]]] = {}  # by the offset that must be committed
        self._last_proposed = -1
        self._fetching: dict[MetadataFetch, None] = {}
        self.elections = 0
        self._resigned = asyncio.Event()
        self.host = Host(
            me,
            disk,
            folder,
            cluster=settings.cluster_id or "metadata",
            random=random,
            settings=RaftSettings(election_ticks=ELECTION_TICKS),
            tick_s=settings.controller_quorum_election_timeout_ms / 1000 / ELECTION_TICKS,
            on_failed=self._failed,
        )

    def start(self) -> None:
        """Take part in the quorum; the listener is open by now, so that the others can speak to us."""
        self.host.dial({voter: address for voter, address in self.voters.items() if voter != self.me})
        self.driver = self.host.join(
            METADATA_GROUP, self, founders=Membership.of(*sorted(self.voters)), snapshot_entries=SNAPSHOT_ENTRIES
        )
        self._ticked_ms = self.now_ms()
        self.background.every(lambda: TICK_S, self._tick, "controller")

    async def stop(self) -> None:
        """Hand leadership over, if we have it and there is somebody to take it; then leave."""
        successor = next((voter for voter in sorted(self.voters) if voter != self.me), None)
        if self.mind is not None and successor is not None:
            try:
                self.driver.transfer_leadership(successor)
                async with asyncio.timeout(HAND_OVER_S):
                    self._resigned.clear()
                    await self._resigned.wait()
            except (Refused, OutcomeUnknown, TimeoutError):
                logger.info("Nobody takes over from this controller: the others will elect")
        self._resign()
        self.host.close()

    def _failed(self, error: BaseException) -> None:
        """It can promise nothing any more: others are to be asked from now on."""
        self.failed = True
        self._resign()
        self._on_failed(error)

    def is_active(self) -> bool:
        """Whether this controller decides."""
        return self.mind is not None

    def now_ms(self) -> int:
        return int(self.loop.time() * 1000)

    # -- Raft's state machine -----------------------------------------------------------------------------------------

    def apply(self, index: int, data: bytes) -> None:
        """A committed entry: into the image, to the brokers that wait, to those who asked for it."""
        epoch = int.from_bytes(data[:EPOCH_BYTES], "big")
        records, waiting = data[EPOCH_BYTES:], self._answers.pop(index, [])
        own = waiting[0][0].records if waiting else ()  # a decision of ours need not be read again
        self.image.apply(own or decode_records(records), index, epoch)
        self.recent.append(Written(index, epoch, records))
        self.recent_bytes += len(records)
        while self.recent_bytes > self.settings.metadata_log_max_record_bytes_between_snapshots:
            oldest = self.recent.popleft()
            self.recent_bytes -= len(oldest.records)
            self.begins_after = oldest.offset
        for decision, respond in waiting:
            respond(decision.answer(index))
        for fetch in list(self._fetching):
            fetch.attempt()

    def snapshot(self) -> Coroutine[Any, Any, bytes]:
        """The image as the shortest log that leads to it."""
        return self._encoded_snapshot(self.image.copy())

    async def _encoded_snapshot(self, image: MetadataImage) -> bytes:
        head = image.offset.to_bytes(8, "big", signed=True) + image.epoch.to_bytes(EPOCH_BYTES, "big")
        return head + await encoded(image)

    def restore(self, snapshot: bytes) -> None:
        """Begin from a snapshot, our own at start, or the leader's when we had fallen behind its log."""
        offset = int.from_bytes(snapshot[:8], "big", signed=True)
        epoch = int.from_bytes(snapshot[8 : 8 + EPOCH_BYTES], "big")
        self.image = MetadataImage()
        self.image.apply(decode_records(snapshot[8 + EPOCH_BYTES :]), offset, epoch)
        self.recent.clear()
        self.recent_bytes = 0
        self.begins_after = offset

    def leadership(self, term: int, leader: int | None) -> None:
        """Another term, or another leader of it.  When it is this node, everything before its reign is applied."""
        self.term, self.leader = term, leader
        self._resign()
        if leader != self.me:
            return
        self.elections += 1
        self._last_proposed = self.image.offset
        self.mind = Controller(self.image, self.controller_settings, self.random)
        logger.info("Active controller of term %d, at offset %d", term, self.image.offset)
        for decision in self.mind.activate(self.now_ms(), self.settings.cluster_id, self._overheard):
            self._carry_out(decision)

    def _resign(self) -> None:
        if self.mind is not None:
            logger.info("No longer the active controller")
        self.mind = None
        self._resigned.set()
        answers, self._answers = self._answers, {}
        for waiting in answers.values():
            for _, respond in waiting:
                respond(None)
        for fetch in list(self._fetching):
            fetch.refuse()

    # -- what is asked of the active controller -------------------------------------------------------------------------

    def request(self, request: Any, respond: Respond) -> None:
        """Decide; `respond(response)` when it is committed, `respond(None)` when another controller must be asked."""
        if isinstance(request, BrokerHeartbeatRequest):
            self._overhear(request)
        if self.mind is None:
            respond(None)
        elif isinstance(request, MetadataFetchRequest):
            MetadataFetch(self, request, respond).attempt()
        else:
            self._carry_out(self.mind.decide(request, self.now_ms()), respond)

    def _overhear(self, heartbeat: BrokerHeartbeatRequest) -> None:
        broker = self.image.brokers.get(heartbeat.broker_id)
        if broker is not None and broker.epoch == heartbeat.broker_epoch:
            self._overheard[broker.id] = Overheard(broker.epoch, self.now_ms())

    def _carry_out(self, decision: Decision, respond: Respond = lambda _: None) -> None:
        """Propose what it wrote, and answer when that is committed."""
        if decision.records:
            data = self.term.to_bytes(EPOCH_BYTES, "big") + encode_records(decision.records)
            try:
                index = self.driver.append(data)
            except (Refused, OutcomeUnknown):
                respond(None)
                self._resign()
                return
            assert self.mind is not None
            self.mind.appended(decision.records, index, self.term, self.now_ms())
            self._last_proposed = index
            self._answers.setdefault(index, []).append((decision, respond))
        elif self._last_proposed > self.image.offset:
            self._answers.setdefault(self._last_proposed, []).append((decision, respond))
        else:
            respond(decision.answer(self.image.offset))

    def _tick(self) -> None:
        now_ms = self.now_ms()
        late_ms, self._ticked_ms = now_ms - self._ticked_ms - int(TICK_S * 1000), now_ms
        if self.mind is not None and late_ms > STOOD_STILL_MS:
            self.mind.stood_still(late_ms, now_ms)
        while self.mind is not None and (due := self.mind.tick(self.now_ms())):
            for decision in due:
                self._carry_out(decision)


async def encoded(image: MetadataImage) -> bytes:
    """A snapshot of an image that nobody changes, written in turns."""
    turns, entries = Turns(), []
    for record in image.records():
        entries.append(encode_entry(record))
        await turns.give()
    return b"".join(entries)


def controller_settings(settings: Any) -> ControllerSettings:
    """What a controller needs of server.properties."""
    return ControllerSettings(
        node_id=settings.node_id,
        broker_session_timeout_ms=settings.broker_session_timeout_ms,
        num_partitions=settings.num_partitions,
        default_replication_factor=settings.default_replication_factor,
        min_insync_replicas=settings.min_insync_replicas,
        unclean_leader_election_enable=settings.unclean_leader_election_enable,
        auto_leader_rebalance_enable=settings.auto_leader_rebalance_enable,
        leader_imbalance_check_interval_ms=settings.leader_imbalance_check_interval_seconds * 1000,
        delete_topic_enable=settings.delete_topic_enable,
        broker_values=given(settings),
        options={
            ResourceType.TOPIC: TOPIC_OPTIONS,
            ResourceType.BROKER: BrokerOptions(settings.table),
            ResourceType.GROUP: GROUP_OPTIONS,
        },
    )


class MetadataFetch:
    """A broker that waits for what comes after `request.offset`."""

    def __init__(self, quorum: Quorum, request: MetadataFetchRequest, respond: Respond) -> None:
        self.quorum = quorum
        self.request = request
        self.respond = respond
        self._timer: asyncio.TimerHandle | None = None
        self._preparing = False

    def attempt(self, last: bool = False) -> None:
        """Answer if there is something to give, or if it is the last chance."""
        quorum, request = self.quorum, self.request
        if self._preparing:
            return
        if request.offset < quorum.begins_after:
            self._preparing = True
            quorum._fetching[self] = None
            quorum.background.start(self._give_snapshot(quorum.image.copy()), "snapshot for a broker")
            return
        response = MetadataFetchResponse(cluster_id=quorum.image.cluster_id, end_offset=quorum.image.offset)
        if request.offset < quorum.image.offset:
            self._give(response)
        elif not last:
            if self._timer is None:
                quorum._fetching[self] = None
                self._timer = quorum.loop.call_later(request.max_wait_ms / 1000, self.attempt, True)
            return
        self._end(response)

    async def _give_snapshot(self, image: MetadataImage) -> None:
        response = MetadataFetchResponse(
            cluster_id=image.cluster_id,
            end_offset=image.offset,
            snapshot=await encoded(image),
            snapshot_offset=image.offset,
            snapshot_epoch=image.epoch,
        )
        if self in self.quorum._fetching:  # else it was told to ask elsewhere
            self._end(response)

    def _give(self, response: MetadataFetchResponse) -> None:
        quorum, request = self.quorum, self.request
        size = 0
        for written in quorum.recent:
            if written.offset > request.offset:
                response.entries.append(
                    MetadataFetchResponse.Entry(offset=written.offset, epoch=written.epoch, records=written.records)
                )
                size += len(written.records)
                if size >= request.max_bytes:
                    return

    def refuse(self) -> None:
        """Another controller is to be asked."""
        self._end(None)

    def _end(self, response: MetadataFetchResponse | None) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self.quorum._fetching.pop(self, None)
        self.respond(response)
