"""One replica of one partition: the leader's book-keeping of its followers, or a follower's of its leader.

    leader                                    LEO 10
       log     0 1 2 3 4 5 6 7 8 9               |      log end offset (LEO): where the next record goes
       broker 2  fetched up to ............... 8 |      in the in-sync set (ISR)
       broker 3  fetched up to ....... 5         |      in the ISR as well, for now
                                       ^ high watermark: the least of them; consumers read below it,
                                         acks=all answers when it passes

What a follower has is learned from its fetches alone: a fetch from offset 8 says that everything below 8 is there.  The
leader never changes the ISR by itself.  It *proposes* (AlterPartition), the controller decides, and until the answer
comes the high watermark is taken over the larger of the old set and the proposed one: whichever holds in the end, no
record counts as committed that a member of it lacks.

A leader epoch numbers each reign.  A new leader writes (epoch, LEO) down before it takes a record, which is how a
returning replica finds where its log departs from the leader's: by epochs, never by its high watermark, which lags and
would cut off acknowledged records (KIP-101).

Pure: time comes as `now_ms`, and whoever waits for news here is a `Watcher`.

Source: Kafka `core/.../cluster/Partition.scala`; KIP-101, KIP-279, KIP-497 (AlterPartition), KIP-841, KIP-903, KIP-966.
Next: waiting.py holds who waits for a watermark, sessions.py what followers are sent, fetcher.py the other end.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from minikafka.log.partition_log import Appended, Origin, PartitionLog
from minikafka.wire.errors import ErrorCode, KafkaError

if TYPE_CHECKING:
    from minikafka.controller.image import Partition as Registration
    from minikafka.log_settings import PartitionSettings

NO_LEADER = -1
NOT_KNOWN = -1


class Follower:
    """A follower as its leader sees it.

    log_end_offset   its last fetch asked from there; NOT_KNOWN before the first one of this reign
    caught_up_ms     when it last had everything that the leader had
    broker_epoch     of the broker that fetches: a restarted one is another
    """

    __slots__ = (
        "broker_epoch",
        "caught_up_ms",
        "fetched_ms",
        "leader_end_at_fetch",
        "log_end_offset",
        "log_start_offset",
    )

    def __init__(self, caught_up_ms: int) -> None:
        self.log_end_offset = NOT_KNOWN
        self.log_start_offset = NOT_KNOWN
        self.caught_up_ms = caught_up_ms
        self.fetched_ms = 0
        self.leader_end_at_fetch = 0
        self.broker_epoch = NOT_KNOWN

    def fetched(self, offset: int, log_start: int, leader_end: int, broker_epoch: int, now_ms: int) -> None:
        """It asked from `offset` while the leader's log ended at `leader_end`.

        A follower of a busy leader is never quite at its end; it counts as caught up at the time of its fetch before, if
        it has by now all that the leader had then.
        """
        if offset >= leader_end:
            self.caught_up_ms = now_ms
        elif offset >= self.leader_end_at_fetch:
            self.caught_up_ms = max(self.caught_up_ms, self.fetched_ms)
        self.log_end_offset = offset
        self.log_start_offset = log_start
        self.leader_end_at_fetch = leader_end
        self.fetched_ms = now_ms
        self.broker_epoch = broker_epoch


@dataclass(frozen=True)
class Proposal:
    """An in-sync set that the controller has been asked for; at most one at a time."""

    isr: tuple[int, ...]
    leader_epoch: int
    partition_epoch: int


class Brokers(Protocol):
    """What a leader asks the metadata image about other brokers."""

    def may_join_isr(self, broker_id: int, broker_epoch: int) -> bool:
        """Unfenced, not stopping, and the epoch is the one that it is registered with."""

    def epoch_of(self, broker_id: int) -> int:
        """-1 for one that is not registered."""


class Watcher(Protocol):
    """A fetch that waits, or the session of a follower: who looks at a partition again when it has news."""

    def appended(self, partition: Partition) -> None:
        """The leader's log has grown."""

    def committed(self, partition: Partition) -> None:
        """Its high watermark has risen."""

    def moved(self, partition: Partition) -> None:
        """Another leads now, or it is gone."""


class Partition:
    """One replica on broker `me`.

    isr, leader, leader_epoch, partition_epoch   as the controller committed them
    proposal         the in-sync set being asked for
    followers        the other replicas, while leading
    settings         of the topic; of min.insync.replicas at most the number of replicas counts
    under_min_isr    too few are in sync for acks=all, and for the watermark to move
    """

    def __init__(
        self,
        topic: str,
        topic_id: bytes,
        index: int,
        *,
        me: int,
        log: PartitionLog,
        brokers: Brokers,
        isr_wanted: Callable[[Partition], None],
        lag_time_ms: int = 30_000,
        settings: PartitionSettings,
        flush_counts: bool = False,
    ) -> None:
        self.topic, self.topic_id, self.index = topic, topic_id, index
        self.me = me
        self.log = log
        self.brokers = brokers
        self.isr_wanted = isr_wanted
        self.on_commit: Callable[[Partition], None] | None = None
        """Of the coordinator whose log this is: its answers wait for the watermark."""
        self.lag_time_ms = lag_time_ms
        self.settings = settings
        self.flush_counts = flush_counts
        self.leader = NO_LEADER
        self.leader_epoch = NOT_KNOWN
        self.partition_epoch = NOT_KNOWN
        self.replicas: tuple[int, ...] = ()
        self.isr: tuple[int, ...] = ()
        self.proposal: Proposal | None = None
        self.leading = False
        self.followers: dict[int, Follower] = {}
        self.waiting_produces: deque[tuple[int, Callable[[ErrorCode], None]]] = deque()
        """(high watermark wanted, whom to tell), in the order of their offsets."""
        self.watchers: dict[Watcher, None] = {}
        """Who reads here, in the order they came."""
        self.flushed_ms = 0  # when an fsync was last begun
        self.reign_start = 0  # LEO when this leadership began
        self.isr_shrinks = self.isr_expands = 0
        self.under_min_isr = False

    def __repr__(self) -> str:
        role = "leader" if self.leading else f"follower of {self.leader}"
        return (
            f"<{self.topic}-{self.index} {role} epoch {self.leader_epoch} isr {self.isr} hw {self.log.high_watermark}>"
        )

    # -- roles ----------------------------------------------------------------------------------------------------

    def update(self, registration: Registration, now_ms: int) -> None:
        """Take over what the controller committed.  Older news than ours changes nothing."""
        if registration.partition_epoch < self.partition_epoch:
            return
        new_reign = registration.leader_epoch > self.leader_epoch
        self.leader, self.leader_epoch = registration.leader, registration.leader_epoch
        self.replicas = tuple(registration.replicas)
        self._set_isr(registration.isr)
        moved_on = registration.partition_epoch > self.partition_epoch
        self.partition_epoch = registration.partition_epoch
        if moved_on:
            self.proposal = None  # answered or overtaken
        if self.leader != self.me:
            self.leading = False
            self.followers.clear()
        elif new_reign or not self.leading:
            self._begin_reign(now_ms)
        else:
            self._keep_followers(now_ms)
        if new_reign:
            self._fail_waiting(ErrorCode.NOT_LEADER_OR_FOLLOWER)
        if self.leading:
            self.advance_high_watermark(now_ms)
            self.expand_isr()

    def _begin_reign(self, now_ms: int) -> None:
        self.leading = True
        self.log.epochs.assign(self.leader_epoch, self.log.log_end_offset)
        self.reign_start = self.log.log_end_offset
        self.followers = {broker: Follower(now_ms) for broker in self.replicas if broker != self.me}

    def _keep_followers(self, now_ms: int) -> None:
        """The replicas may have changed while leading; what is known of those that stay is kept."""
        self.followers = {
            broker: self.followers.get(broker) or Follower(now_ms) for broker in self.replicas if broker != self.me
        }

    def stop(self, error: ErrorCode = ErrorCode.NOT_LEADER_OR_FOLLOWER) -> None:
        """Deleted, moved away, or its disk is gone: whoever waits here is told."""
        self.leading = False
        self.leader = NO_LEADER
        self.followers.clear()
        self.proposal = None
        self._fail_waiting(error)

    def storage_failed(self) -> None:
        """Its disk is gone: whoever waits here is told.  To the rest the log itself says so."""
        self._fail_waiting(ErrorCode.KAFKA_STORAGE_ERROR)

    def _fail_waiting(self, error: ErrorCode) -> None:
        waiting, self.waiting_produces = self.waiting_produces, deque()
        for _, tell in waiting:
            tell(error)
        for watcher in list(self.watchers):
            watcher.moved(self)

    def check_leader(self, current_leader_epoch: int = -1, *, or_follower: bool = False) -> None:
        """That this replica leads, unless it may as well follow, and that the client knows the same epoch.

        Raises 6, 74, 75.
        """
        if current_leader_epoch >= 0 and current_leader_epoch != self.leader_epoch:
            if current_leader_epoch < self.leader_epoch:
                raise KafkaError(ErrorCode.FENCED_LEADER_EPOCH)
            raise KafkaError(ErrorCode.UNKNOWN_LEADER_EPOCH)
        if not self.leading and not or_follower:
            raise KafkaError(ErrorCode.NOT_LEADER_OR_FOLLOWER)

    # -- the leader: records ----------------------------------------------------------------------------------------

    @property
    def min_isr_in_effect(self) -> int:
        return min(self.settings.min_isr, len(self.replicas))

    def configure(self, settings: PartitionSettings) -> None:
        """Other settings from now on."""
        self.settings = settings
        self.under_min_isr = len(self.isr) < self.min_isr_in_effect

    def _set_isr(self, isr: Iterable[int]) -> None:
        """The committed set, and whether it is too small for acks=all: asked with every produce."""
        before, self.isr = self.isr, tuple(isr)
        self.under_min_isr = len(self.isr) < self.min_isr_in_effect
        if self.leading:
            self.isr_shrinks += len(self.isr) < len(before)
            self.isr_expands += len(self.isr) > len(before)

    def append(
        self,
        records: bytes | bytearray | memoryview,
        acks: int,
        now_ms: int,
        wall_ms: int,
        origin: Origin = Origin.CLIENT,
    ) -> Appended:
        """Append as leader, at `wall_ms` since 1970.  Raises KafkaError: 6 not leading, 19 too few in-sync replicas for
        acks=all, and the log's own refusals."""
        if not self.leading:
            raise KafkaError(ErrorCode.NOT_LEADER_OR_FOLLOWER)
        if acks == -1 and self.under_min_isr:
            raise KafkaError(
                ErrorCode.NOT_ENOUGH_REPLICAS,
                f"The size of the current ISR {sorted(self.isr)} is insufficient to satisfy the min.isr requirement of "
                f"{self.min_isr_in_effect} for partition {self.topic}-{self.index}",
            )
        log = self.log
        appended = log.append_as_leader(records, self.leader_epoch, wall_ms, origin)
        if not self.followers:
            if self.watchers or self.flush_counts or self.on_commit is not None:
                self.advance_high_watermark(now_ms)
            elif not self.under_min_isr:  # alone, and nobody waits: what most appends to a single broker are
                log.high_watermark = log.log_end_offset
        if self.watchers:
            for watcher in list(self.watchers):
                watcher.appended(self)
        return appended

    def when_committed(self, end_offset: int, tell: Callable[[ErrorCode], None]) -> bool:
        """Call `tell(error)` when the high watermark reaches `end_offset`.  False: it has already, and nobody is
        called.  20: it has, with too few in sync.  6: another leads now."""
        if self.log.high_watermark >= end_offset:
            return False
        self.waiting_produces.append((end_offset, tell))
        return True

    def end_of_own_log(self) -> int:
        """Up to where the leader counts itself."""
        return self.log.recovery_point if self.flush_counts else self.log.log_end_offset

    @property
    def awaits_flush(self) -> bool:
        """Whether the end of our log does not count yet: neither for us who lead, nor to be told to who leads.

        Not only what has just come may be missing from the platter: also what an earlier life had written and not flushed
        when it was killed, and what a follower took while it led.
        """
        return self.flush_counts and self.log.unflushed > 0 and self.log.offline is None

    @property
    def flush_asked(self) -> bool:
        """Whether `flush.messages` records have come since the last fsync."""
        return self.log.unflushed >= self.settings.flush_messages

    def flush_due(self, now_ms: int) -> bool:
        """Whether something has not been flushed for `flush.ms`."""
        return now_ms - self.flushed_ms >= self.settings.flush_ms and self.log.unflushed > 0

    def advance_high_watermark(self, now_ms: int) -> bool:
        """Raise it to the least log end of the in-sync set, proposed members included; whether it rose.

        A follower that is about to join (caught up, and allowed to) is waited for as well, or it would never get in under
        a steady stream.
        """
        if not self.leading or self.under_min_isr:
            return False
        end = self.end_of_own_log()
        if self.followers:
            in_sync = self.isr if self.proposal is None else {*self.isr, *self.proposal.isr}
            for broker, follower in self.followers.items():
                if follower.log_end_offset < end and (broker in in_sync or self._joins_soon(broker, follower, now_ms)):
                    end = follower.log_end_offset
        log = self.log
        if end <= log.high_watermark:
            return False
        log.high_watermark = end
        waiting = self.waiting_produces
        while waiting and waiting[0][0] <= end:
            waiting.popleft()[1](ErrorCode.NONE)
        self._tell_committed()
        return True

    def _tell_committed(self) -> None:
        if self.watchers:
            for watcher in list(self.watchers):
                watcher.committed(self)
        if self.on_commit is not None:
            self.on_commit(self)

    def _joins_soon(self, broker: int, follower: Follower, now_ms: int) -> bool:
        return (
            follower.log_end_offset != NOT_KNOWN
            and now_ms - follower.caught_up_ms <= self.lag_time_ms
            and follower.log_end_offset >= self.log.high_watermark
            and self.brokers.may_join_isr(broker, follower.broker_epoch)
        )

    # -- the leader: the in-sync set -----------------------------------------------------------------------------------

    def follower_fetched(self, broker: int, broker_epoch: int, offset: int, log_start: int, now_ms: int) -> None:
        """A fetch of `broker` from `offset`: it has everything below.  Raises 6 for one that holds no replica, or whose
        broker has been restarted since."""
        follower = self.followers.get(broker)
        registered = self.brokers.epoch_of(broker)
        if follower is None or NOT_KNOWN < broker_epoch < max(follower.broker_epoch, registered):
            raise KafkaError(ErrorCode.NOT_LEADER_OR_FOLLOWER)
        follower.fetched(offset, log_start, self.log.log_end_offset, broker_epoch, now_ms)
        if broker not in self.isr:
            self._expand(broker, follower)
        if self.log.high_watermark < offset:
            self.advance_high_watermark(now_ms)

    def _expand(self, broker: int, follower: Follower) -> None:
        """Propose it once it has all that is committed, of this reign's start at least."""
        if (
            self.proposal is None
            and follower.log_end_offset >= self.log.high_watermark
            and follower.log_end_offset >= self.reign_start
            and self.brokers.may_join_isr(broker, follower.broker_epoch)
        ):
            self._propose((*self.isr, broker))

    def expand_isr(self) -> None:
        """Propose who has caught up and could not be proposed then: another proposal was under way, or the metadata did
        not call its broker active yet.  An idle follower does not repeat its offset (KIP-227), so nothing else would."""
        if self.leading and self.proposal is None and len(self.isr) <= len(self.followers):
            for broker, follower in self.followers.items():
                if broker not in self.isr and follower.log_end_offset != NOT_KNOWN:
                    self._expand(broker, follower)

    def shrink_isr(self, now_ms: int) -> bool:
        """Propose to go on without those that lag; to be called twice within lag_time_ms.  Whether it did."""
        if not self.leading or self.proposal is not None:
            return False
        end = self.log.log_end_offset
        lagging = [
            broker
            for broker, follower in self.followers.items()
            if broker in self.isr
            and follower.log_end_offset != end
            and now_ms - follower.caught_up_ms > self.lag_time_ms
        ]
        if lagging:
            self._propose(tuple(broker for broker in self.isr if broker not in lagging))
        return bool(lagging)

    def _propose(self, isr: Iterable[int]) -> None:
        self.proposal = Proposal(tuple(sorted(isr)), self.leader_epoch, self.partition_epoch)
        self.isr_wanted(self)

    def isr_member_epochs(self) -> list[tuple[int, int]]:
        """(broker, its epoch) of the proposed set: the controller refuses one that has been restarted meanwhile."""
        assert self.proposal is not None
        members = []
        for broker in self.proposal.isr:
            follower = self.followers.get(broker)
            known = follower.broker_epoch if follower is not None else NOT_KNOWN
            members.append((broker, known if known != NOT_KNOWN else self.brokers.epoch_of(broker)))
        return members

    def isr_decided(self, leader_epoch: int, partition_epoch: int, isr: Iterable[int], now_ms: int) -> None:
        """The controller took the proposal: this is the set now."""
        if leader_epoch != self.leader_epoch or partition_epoch < self.partition_epoch:
            return
        self.proposal = None
        self.partition_epoch = partition_epoch
        self._set_isr(isr)
        self.advance_high_watermark(now_ms)
        self.expand_isr()

    def isr_refused(self, proposal: Proposal, now_ms: int) -> None:
        """The controller did not take it, and will not: the set is what it was."""
        if self.proposal is proposal:
            self.proposal = None
            self.advance_high_watermark(now_ms)

    # -- the follower ------------------------------------------------------------------------------------------------

    def append_from_leader(self, records: bytes | bytearray | memoryview, wall_ms: int) -> None:
        """What the leader sent, as it stands in its log."""
        self.log.append_as_follower(records, wall_ms)

    def hear_of_watermark(self, high_watermark: int, log_start_offset: int) -> None:
        """The leader's, with each answer: ours never passes our own end."""
        log = self.log
        known = min(high_watermark, log.log_end_offset)
        if known > log.high_watermark:
            log.high_watermark = known
            self._tell_committed()
        if log_start_offset > log.log_start_offset:
            log.advance_log_start(min(log_start_offset, log.log_end_offset))

    def diverged(self, epoch: int, end_offset: int) -> int:
        """The leader says that its log left `epoch` at `end_offset`: cut what we have beyond; returns our new end.

        Where we do not know that epoch either, the last one before it that both know is tried with the next fetch.
        """
        log = self.log
        own_epoch, own_end = log.epochs.end_offset_for(epoch, log.log_end_offset)
        target = min(end_offset, own_end) if own_epoch == epoch else own_end
        if own_epoch < 0:
            target = min(end_offset, log.log_end_offset)
        self.truncate(max(target, log.log_start_offset))
        return log.log_end_offset

    def truncate(self, offset: int) -> None:
        """Cut the log.  Below the high watermark only after an unclean election, which chose to lose records."""
        if offset < self.log.log_end_offset:
            self.log.truncate_to(offset)
        else:  # we led once, wrote that down, and took no record before another was elected: nobody else knows that epoch
            self.log.epochs.truncate_from_end(self.log.log_end_offset)
        self.log.high_watermark = min(self.log.high_watermark, self.log.log_end_offset)
