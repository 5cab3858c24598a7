"""The coordinator of all groups that one partition of __consumer_offsets keeps.

    requests, ticks --> | joining, membership, offsets | --> records to append       (take_records)
                        |   groups   timers   writes   | <-- where the log ends now  (appended, refused)
    answers         <-- |                              | <-- the high watermark      (committed)

Whoever leads the partition is the coordinator: it has read the whole log (`load`), and when another leads it stops
(`resign`).  Nothing here knows a clock, a socket or a log; each call is told the moment, and after each call the owner
appends what there is to append, and sets one timer to `next_deadline_ms`.

Answers that rest on records wait for their commit: shares of a generation, commits, deletions.  Those that do not are
given at once.

Source: Kafka `GroupCoordinatorShard`, `CoordinatorRuntime`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from enum import Enum, auto
from random import Random

from minikafka.groups.describe import described, listed
from minikafka.groups.group import Group, JoinReply, SyncReply
from minikafka.groups.joining import Caller, Joining, join
from minikafka.groups.loading import Loading
from minikafka.groups.membership import Membership, answer_for
from minikafka.groups.offsets import FetchedGroup, Offsets
from minikafka.groups.settings import GroupSettings
from minikafka.groups.timers import Moment
from minikafka.records.batch import Buffer
from minikafka.records.record import Record
from minikafka.wire.errors import ErrorCode, KafkaError
from minikafka.wire.messages.groups import (
    DeleteGroupsResponse,
    DescribeGroupsResponse,
    HeartbeatRequest,
    HeartbeatResponse,
    JoinGroupRequest,
    JoinGroupResponse,
    LeaveGroupRequest,
    LeaveGroupResponse,
    ListGroupsResponse,
    SyncGroupRequest,
    SyncGroupResponse,
)
from minikafka.wire.messages.offsets import (
    OffsetCommitRequest,
    OffsetCommitResponse,
    OffsetDeleteRequest,
    OffsetDeleteResponse,
    OffsetFetchRequest,
)

HOUSEKEEPING_PAUSE_MS = 5
"""Between two slices of work that nobody waits for."""


class Phase(Enum):
    """Of a coordinator's life."""

    LOADING = auto()
    ACTIVE = auto()
    RESIGNED = auto()


REFUSALS = {
    Phase.LOADING: ErrorCode.COORDINATOR_LOAD_IN_PROGRESS,
    Phase.RESIGNED: ErrorCode.NOT_COORDINATOR,
}


class GroupCoordinator:
    """Of partition `index`.

    random   makes member ids
    """

    def __init__(self, index: int, settings: GroupSettings, random: Random) -> None:
        self.index = index
        self.settings = settings
        self.phase = Phase.LOADING
        self.membership = Membership(settings, random)
        self.offsets = Offsets(self.membership)
        self.loading = Loading()
        self._housekeeping: deque[Iterator[None]] = deque()

    def __repr__(self) -> str:
        return f"<coordinator {self.index} {self.phase.name} groups={len(self.membership.groups)}>"

    @property
    def groups(self) -> dict[str, Group]:
        return self.membership.groups

    def check(self) -> None:
        """Raises KafkaError: 14 while it loads, 16 when another coordinates."""
        if self.phase is not Phase.ACTIVE:
            raise KafkaError(REFUSALS[self.phase])

    # -- members ------------------------------------------------------------------------------------------------------

    def join(self, request: JoinGroupRequest, caller: Caller, now: Moment, reply: JoinReply) -> None:
        """Answered when the next generation begins, or at once where there is nothing to wait for."""
        self.membership.now = now
        try:
            self.check()
            join(self.membership, Joining(request, caller, reply))
        except KafkaError as error:
            reply(join_failed(error.code, request.member_id))

    def sync(self, request: SyncGroupRequest, now: Moment, reply: SyncReply) -> None:
        """Answered when the leader's shares are committed."""
        self.membership.now = now
        try:
            self.check()
            if not request.group_id:
                raise KafkaError(ErrorCode.INVALID_GROUP_ID)
            self.membership.sync(request, reply)
        except KafkaError as error:
            reply(sync_failed(error.code))

    def heartbeat(self, request: HeartbeatRequest, now: Moment) -> HeartbeatResponse:
        """While the log is read every heartbeat is fine: nothing better is known."""
        self.membership.now = now
        try:
            if not request.group_id:
                raise KafkaError(ErrorCode.INVALID_GROUP_ID)
            if self.phase is not Phase.LOADING:
                self.check()
                self.membership.heartbeat(request)
        except KafkaError as error:
            return HeartbeatResponse(error_code=error.code)
        return HeartbeatResponse(error_code=ErrorCode.NONE)

    def leave(self, request: LeaveGroupRequest, now: Moment, reply: Callable[[LeaveGroupResponse], None]) -> None:
        """Of one member or several, as versions from 3 on have them."""
        self.membership.now = now
        try:
            self.check()
            if not request.group_id:
                raise KafkaError(ErrorCode.INVALID_GROUP_ID)
        except KafkaError as error:
            reply(LeaveGroupResponse(error_code=error.code))
            return
        self.membership.leave(request, reply)

    # -- offsets ------------------------------------------------------------------------------------------------------

    def commit_offsets(
        self,
        request: OffsetCommitRequest,
        version: int,
        exists: Callable[[str, int], bool],
        now: Moment,
        reply: Callable[[OffsetCommitResponse], None],
    ) -> None:
        """Answered when they are committed.  exists(topic, partition): whether the cluster has it."""
        self.membership.now = now
        try:
            self.check()
        except KafkaError as error:
            reply(commit_failed(request, error.code))
            return
        self.offsets.commit(request, version, exists, reply)

    def fetch_offsets(
        self, asked: OffsetFetchRequest.Group, require_stable: bool, now: Moment, reply: Callable[[FetchedGroup], None]
    ) -> None:
        """Of one group; `topics` None: all that it has."""
        self.membership.now = now
        try:
            self.check()
        except KafkaError as error:
            reply(FetchedGroup(group_id=asked.group_id, error_code=error.code))
            return
        self.offsets.fetch(asked, require_stable, reply)

    def delete_offsets(
        self,
        request: OffsetDeleteRequest,
        exists: Callable[[str, int], bool],
        now: Moment,
        reply: Callable[[OffsetDeleteResponse], None],
    ) -> None:
        """Answered when it is committed."""
        self.membership.now = now
        try:
            self.check()
        except KafkaError as error:
            reply(OffsetDeleteResponse(error_code=error.code))
            return
        self.offsets.delete(request, exists, reply)

    def topic_deleted(self, topic: str) -> None:
        """Its offsets are forgotten, soon; those that are still being read as well."""
        if self.phase is not Phase.RESIGNED:
            self._later(self.offsets.topic_deleted(topic))

    # -- groups -------------------------------------------------------------------------------------------------------

    def delete_group(self, group_id: str, now: Moment, reply: Callable[[DeleteGroupsResponse.Group], None]) -> None:
        """Of a group without members.  Answered when it is committed: 68, 69."""
        self.membership.now = now

        def settled(error: ErrorCode) -> None:
            reply(DeleteGroupsResponse.Group(group_id=group_id, error_code=answer_for(error)))

        try:
            self.check()
            group = self.membership.group(group_id, ErrorCode.GROUP_ID_NOT_FOUND)
            group.check_delete()
        except KafkaError as error:
            settled(error.code)
            return
        self.offsets.delete_group(group, settled)

    def describe(self, group_id: str, version: int) -> DescribeGroupsResponse.Group:
        """The group and its members, as the versions of DescribeGroups tell it."""
        try:
            self.check()
        except KafkaError as error:
            return DescribeGroupsResponse.Group(error_code=error.code, group_id=group_id)
        return described(group_id, self.membership.groups.get(group_id), version)

    def list_groups(self, states: Iterable[str], types: Iterable[str]) -> list[ListGroupsResponse.Group]:
        """Those in one of `states` and of one of `types`, whatever their case; empty: of any.  Raises 14, 16."""
        self.check()
        return listed(self.membership.groups.values(), states, types)

    # -- the log ------------------------------------------------------------------------------------------------------

    @property
    def has_records(self) -> bool:
        return self.membership.writes.to_append

    def take_records(self) -> list[Record]:
        """What to append now, as one batch; to be followed by `appended` or `refused`, and asked again until empty."""
        return self.membership.writes.take(self.settings.batch_bytes_max)

    def appended(self, end_offset: int, now: Moment) -> None:
        """The records taken are in the log, which ends at `end_offset`."""
        self.membership.now = now
        self.membership.writes.appended(end_offset)

    def refused(self, error: ErrorCode, now: Moment) -> None:
        """They are not."""
        self.membership.now = now
        self.membership.writes.refused(error)

    def committed(self, high_watermark: int, now: Moment) -> None:
        """Everything below is: answer who waits for it."""
        self.membership.now = now
        self.membership.writes.committed(high_watermark)

    # -- time ---------------------------------------------------------------------------------------------------------

    @property
    def next_deadline_ms(self) -> int | None:
        """When `tick` shall be called, of `Moment.now_ms`; None: there is nothing to wait for."""
        times = [time for time in (self.membership.timers.next_ms, self.membership.writes.next_ms) if time is not None]
        return min(times) if times else None

    def tick(self, now: Moment) -> None:
        """Sessions, rebalances and writes that are over, and a slice of housekeeping."""
        self.membership.now = now
        if self.phase is Phase.ACTIVE:
            self.membership.writes.expire(now.now_ms)
            self.membership.timers.tick(now.now_ms)

    def _schedule_retention(self) -> None:
        def check() -> None:
            self._later(self.offsets.expire())
            self._schedule_retention()

        at_ms = self.membership.now.now_ms + self.settings.retention_check_ms
        self.membership.timers.set("retention", at_ms, check)

    def _later(self, work: Iterator[None]) -> None:
        self._housekeeping.append(work)
        if self.phase is Phase.ACTIVE and "housekeeping" not in self.membership.timers:
            self._work()

    def _work(self) -> None:
        """One slice of what is to be done."""
        if next(self._housekeeping[0], self) is self:
            self._housekeeping.popleft()
        if self._housekeeping:
            at_ms = self.membership.now.now_ms + HOUSEKEEPING_PAUSE_MS
            self.membership.timers.set("housekeeping", at_ms, self._work)

    # -- life ---------------------------------------------------------------------------------------------------------

    def load(self, data: Buffer) -> Iterator[None]:
        """Read some whole batches of the partition's log, in order; yields now and then, to let others run."""
        return self.loading.feed(data)

    def finish_loading(self, now: Moment) -> Iterator[None]:
        """Everything up to the log's end has been read: begin.  Every member has a fresh session.

        A group with more members than there may be now has to rebalance.
        """
        membership, self.membership.now = self.membership, now
        for group in self.loading.finish(now.wall_ms):
            if group is None:
                yield
            else:
                membership.groups[group.group_id] = group
        self.offsets.by_group = self.loading.offsets
        self.loading = Loading()
        if self.phase is Phase.RESIGNED:
            return
        self.phase = Phase.ACTIVE
        for group in list(membership.groups.values()):
            for member in group.members.values():
                membership.keep_alive(group, member)
            if len(group.members) > self.settings.group_size_max:
                membership.prepare(group)
        self._schedule_retention()
        if self._housekeeping:
            self._work()

    def resign(self, now: Moment) -> None:
        """Another leads the partition: whoever waits shall look for it (NOT_COORDINATOR)."""
        self.membership.now = now
        self.phase = Phase.RESIGNED
        for group in self.membership.groups.values():
            for member in group.members.values():
                group.answer_join(member, join_failed(ErrorCode.NOT_COORDINATOR, member.member_id))
                member.answer_sync(sync_failed(ErrorCode.NOT_COORDINATOR))
        self.membership.timers.clear()
        self._housekeeping.clear()
        self.membership.writes.fail(ErrorCode.NOT_COORDINATOR)
        self.membership.timers.clear()


def join_failed(error: ErrorCode, member_id: str) -> JoinGroupResponse:
    return JoinGroupResponse(error_code=error, member_id=member_id)


def sync_failed(error: ErrorCode) -> SyncGroupResponse:
    return SyncGroupResponse(error_code=error, assignment=b"")


def commit_failed(request: OffsetCommitRequest, error: ErrorCode) -> OffsetCommitResponse:
    """The same error for each partition."""
    return OffsetCommitResponse(
        topics=[
            OffsetCommitResponse.Topic(
                name=topic.name,
                topic_id=topic.topic_id,
                partitions=[
                    OffsetCommitResponse.Topic.Partition(partition_index=each.partition_index, error_code=error)
                    for each in topic.partitions
                ],
            )
            for topic in request.topics
        ]
    )
