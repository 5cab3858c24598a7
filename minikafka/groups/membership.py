"""A rebalance, step by step: who joins, who leads, who is waited for, who is gone.

    1  prepare      a reason to share anew: the members learn it from their heartbeats (REBALANCE_IN_PROGRESS) and send
                    JoinGroup; those wait here, until all have come or the slowest's rebalance timeout is over
    2  complete     whoever has not come is out; generation + 1; all are answered at once, the leader with everyone's
                    metadata
    3  share        all send SyncGroup and wait; the leader's carries the shares; they go into the log
    4  stable       once they are committed everybody gets its own

At each step somebody may fall silent, leave or join, and it begins again at 1.  A generation is one such round: its
number stands in every heartbeat and commit, so that whoever missed a round cannot speak for partitions it no longer has.

joining.py holds the rules of JoinGroup, where most decisions are.

Source: Kafka `GroupMetadataManager.java` (its "classic" half); KIP-62, KIP-134 (initial delay), KIP-345.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from random import Random
from uuid import UUID

from minikafka.groups.group import COMPLETING, DEAD, EMPTY, PREPARING, STABLE, Group, Member, SyncReply
from minikafka.groups.group_records import group_record
from minikafka.groups.settings import GroupSettings
from minikafka.groups.timers import Moment, Timers
from minikafka.groups.writes import Writes
from minikafka.wire.errors import ErrorCode, KafkaError
from minikafka.wire.messages.groups import (
    HeartbeatRequest,
    JoinGroupResponse,
    LeaveGroupRequest,
    LeaveGroupResponse,
    SyncGroupRequest,
    SyncGroupResponse,
)

NEW_MEMBER_JOIN_TIMEOUT_MS = 5 * 60_000
"""A member that waits for its first answer does not heartbeat: if its client is long gone, this is the end of it."""

ANSWER_FOR_FAILED_WRITE = {
    ErrorCode.UNKNOWN_TOPIC_OR_PARTITION: ErrorCode.COORDINATOR_NOT_AVAILABLE,
    ErrorCode.NOT_ENOUGH_REPLICAS: ErrorCode.COORDINATOR_NOT_AVAILABLE,
    ErrorCode.NOT_ENOUGH_REPLICAS_AFTER_APPEND: ErrorCode.COORDINATOR_NOT_AVAILABLE,
    ErrorCode.REQUEST_TIMED_OUT: ErrorCode.COORDINATOR_NOT_AVAILABLE,
    ErrorCode.NOT_LEADER_OR_FOLLOWER: ErrorCode.NOT_COORDINATOR,
    ErrorCode.KAFKA_STORAGE_ERROR: ErrorCode.NOT_COORDINATOR,
    ErrorCode.MESSAGE_TOO_LARGE: ErrorCode.UNKNOWN_SERVER_ERROR,
    ErrorCode.RECORD_LIST_TOO_LARGE: ErrorCode.UNKNOWN_SERVER_ERROR,
}
"""Clients of a group know nothing of the log behind it: what went wrong there, in their words."""


def answer_for(error: ErrorCode) -> ErrorCode:
    return ANSWER_FOR_FAILED_WRITE.get(error, error)


class Membership:
    """The members of all groups of one coordinator.

    now   the moment of the request, or of the tick, that is being worked on
    """

    def __init__(self, settings: GroupSettings, random: Random) -> None:
        self.settings = settings
        self.random = random
        self.now = Moment(0, 0)
        self.groups: dict[str, Group] = {}
        self.timers = Timers()
        self.writes = Writes(settings.commit_timeout_ms)

    def group(self, group_id: str, absent: ErrorCode) -> Group:
        """Raises KafkaError(absent) for one that does not exist."""
        group = self.groups.get(group_id)
        if group is None:
            raise KafkaError(absent)
        return group

    def fresh_member_id(self, prefix: str) -> str:
        return f"{prefix}-{UUID(int=self.random.getrandbits(128), version=4)}"

    def bury(self, group: Group) -> None:
        """It is gone for good."""
        group.become(DEAD, self.now.wall_ms)
        self.groups.pop(group.group_id, None)
        for what in ("join", "sync"):
            self.timers.cancel((what, group.group_id))

    def write_group(self, group: Group, assignments: Mapping[str, bytes], settled: Callable[[ErrorCode], None]) -> None:
        self.writes.add([group_record(group, assignments)], self.now.now_ms, settled)

    # -- 1 prepare ----------------------------------------------------------------------------------------------------

    def rebalance(self, group: Group) -> None:
        """Something has changed: begin a rebalance, or see whether the one that is under way can go on."""
        if group.state is PREPARING:
            self.complete_if_all_joined(group)
        else:
            self.prepare(group)

    def prepare(self, group: Group) -> None:
        """Wait for the members' JoinGroups."""
        if group.state is COMPLETING:
            self._answer_syncs(group, ErrorCode.REBALANCE_IN_PROGRESS)
        self.timers.cancel(("sync", group.group_id))
        initial = group.state is EMPTY
        group.become(PREPARING, self.now.wall_ms)
        if initial:  # consumers of an application start one by one: one rebalance for all rather than one for each
            delay = self.settings.initial_rebalance_delay_ms
            group.new_member_added = False
            self._wait_initially(group, delay, max(group.rebalance_timeout_ms - delay, 0))
        elif group.all_joined:
            self.complete(group)
        else:
            self._wait_for_joins(group)

    def _wait_for_joins(self, group: Group) -> None:
        self.timers.set(
            ("join", group.group_id), self.now.now_ms + group.rebalance_timeout_ms, lambda: self.complete(group)
        )

    def _wait_initially(self, group: Group, delay_ms: int, remaining_ms: int) -> None:
        """As long as new members come: another delay, up to the rebalance timeout."""

        def over() -> None:
            if group.new_member_added and remaining_ms:
                group.new_member_added = False
                delay = min(self.settings.initial_rebalance_delay_ms, remaining_ms)
                self._wait_initially(group, delay, max(remaining_ms - delay_ms, 0))
            else:
                self.complete(group)

        self.timers.set(("join", group.group_id), self.now.now_ms + delay_ms, over)

    def complete_if_all_joined(self, group: Group) -> None:
        if group.state is PREPARING and group.previous_state is not EMPTY and group.all_joined:
            self.complete(group)

    # -- 2 complete ---------------------------------------------------------------------------------------------------

    def complete(self, group: Group) -> None:
        """Everybody has joined, or had the time to: the next generation begins."""
        if group.state is DEAD:
            return
        self.timers.cancel(("join", group.group_id))
        for member in list(group.members.values()):
            if member.join_reply is None and member.group_instance_id is None:  # static ones may be restarting
                self._forget(group, member.member_id)
        if group.members and not group.elect_joined_leader():
            self._wait_for_joins(group)
            return
        group.begin_generation(self.now.wall_ms)
        if group.state is EMPTY:
            self.write_group(group, {}, lambda error: None)  # unwritten, the old generation returns and expires
            return
        for member in group.members.values():
            group.answer_join(member, self.joined(group, member))
            self.keep_alive(group, member)
            member.is_new = False
            group.pending_sync[member.member_id] = None
        generation = group.generation
        self.timers.set(
            ("sync", group.group_id),
            self.now.now_ms + group.rebalance_timeout_ms,
            lambda: self._sync_overdue(group, generation),
        )

    def joined(self, group: Group, member: Member, *, with_members: bool = True) -> JoinGroupResponse:
        """The current generation; to its leader with all the members."""
        members = []
        if with_members and group.leader == member.member_id:
            members = [
                JoinGroupResponse.Member(
                    member_id=each.member_id,
                    group_instance_id=each.group_instance_id,
                    metadata=each.metadata(group.protocol_name),
                )
                for each in group.members.values()
            ]
        return JoinGroupResponse(
            error_code=ErrorCode.NONE,
            generation_id=group.generation,
            protocol_type=group.protocol_type,
            protocol_name=group.protocol_name,
            leader=group.leader or "",
            member_id=member.member_id,
            members=members,
        )

    # -- 3 share, 4 stable --------------------------------------------------------------------------------------------

    def sync(self, request: SyncGroupRequest, reply: SyncReply) -> None:
        """SyncGroup.  Raises KafkaError."""
        group = self.group(request.group_id, ErrorCode.UNKNOWN_MEMBER_ID)
        member = group.validated(request.member_id, request.group_instance_id)
        if request.generation_id != group.generation:
            raise KafkaError(ErrorCode.ILLEGAL_GENERATION)
        told = request.protocol_type, request.protocol_name
        for said, known in zip(told, (group.protocol_type, group.protocol_name), strict=True):
            if said is not None and known is not None and said != known:
                raise KafkaError(ErrorCode.INCONSISTENT_GROUP_PROTOCOL)
        if group.state is PREPARING:
            raise KafkaError(ErrorCode.REBALANCE_IN_PROGRESS)
        group.pending_sync.pop(member.member_id, None)
        if not group.pending_sync:
            self.timers.cancel(("sync", group.group_id))
        if group.state is STABLE:
            reply(self.share(group, member))
            return
        member.answer_sync(SyncGroupResponse(error_code=ErrorCode.REBALANCE_IN_PROGRESS, assignment=b""))
        member.sync_reply = reply
        if group.leader == member.member_id and not group.storing:
            self._store_shares(group, {each.member_id: bytes(each.assignment) for each in request.assignments})

    def _store_shares(self, group: Group, shares: dict[str, bytes]) -> None:
        """The leader has spoken, once: what it repeats while this is on its way is the same, or too late."""
        generation = group.generation

        def stored(error: ErrorCode) -> None:
            if group.state is not COMPLETING or group.generation != generation:
                return  # the next rebalance has begun meanwhile
            if error is not ErrorCode.NONE:
                self._answer_syncs(group, answer_for(error))
                self.rebalance(group)
                return
            group.become(STABLE, self.now.wall_ms)
            for member in group.members.values():
                member.assignment = shares.get(member.member_id, b"")
                if member.sync_reply is not None:
                    member.answer_sync(self.share(group, member))
                    self.keep_alive(group, member)

        group.storing = True
        self.write_group(group, shares, stored)

    def share(self, group: Group, member: Member) -> SyncGroupResponse:
        return SyncGroupResponse(
            error_code=ErrorCode.NONE,
            protocol_type=group.protocol_type,
            protocol_name=group.protocol_name,
            assignment=member.assignment,
        )

    def _answer_syncs(self, group: Group, error: ErrorCode) -> None:
        """No shares for this generation."""
        for member in group.members.values():
            member.assignment = b""
            if member.sync_reply is not None:
                member.answer_sync(SyncGroupResponse(error_code=error, assignment=b""))
                self.keep_alive(group, member)

    def fence_sync(self, member: Member) -> None:
        """Another has taken over its instance id."""
        member.answer_sync(SyncGroupResponse(error_code=ErrorCode.FENCED_INSTANCE_ID, assignment=b""))

    def _sync_overdue(self, group: Group, generation: int) -> None:
        """Who joined and never came for its share is out."""
        if group.generation != generation or group.state not in (COMPLETING, STABLE) or not group.pending_sync:
            return
        for member_id in list(group.pending_sync):
            self._forget(group, member_id)
        self.prepare(group)

    # -- signs of life ------------------------------------------------------------------------------------------------

    def heartbeat(self, request: HeartbeatRequest) -> None:
        """Raises KafkaError: 22, 25, 82, and 27 when the member shall join again."""
        group = self.group(request.group_id, ErrorCode.UNKNOWN_MEMBER_ID)
        member = group.validated(request.member_id, request.group_instance_id)
        if request.generation_id != group.generation:
            raise KafkaError(ErrorCode.ILLEGAL_GENERATION)
        self.keep_alive(group, member)
        if group.state is PREPARING:
            raise KafkaError(ErrorCode.REBALANCE_IN_PROGRESS)

    def keep_alive(self, group: Group, member: Member, timeout_ms: int | None = None) -> None:
        """It has been heard, or told something: its session begins anew."""
        member_id = member.member_id
        at_ms = self.now.now_ms + (member.session_timeout_ms if timeout_ms is None else timeout_ms)
        self.timers.set(("member", group.group_id, member_id), at_ms, lambda: self._silent(group, member_id))

    def expect_join(self, group: Group, member_id: str, session_timeout_ms: int) -> None:
        """An id has been given out; whoever has it should be back soon."""
        group.pending_members[member_id] = None
        at_ms = self.now.now_ms + session_timeout_ms
        self.timers.set(("member", group.group_id, member_id), at_ms, lambda: self._silent(group, member_id))

    def _silent(self, group: Group, member_id: str) -> None:
        """Nothing was heard of it for its session timeout."""
        if group.state is DEAD:
            return
        member = group.members.get(member_id)
        if member is None:
            group.pending_members.pop(member_id, None)
            self.complete_if_all_joined(group)
        elif (
            member.is_new or not member.waits
        ):  # while it waits for us, silence is right; it counts again from the answer
            self._forget(group, member_id)
            self._after_removal(group)

    def _forget(self, group: Group, member_id: str) -> None:
        """Out of the group; what it waits for is answered, so that a client that is alive begins anew."""
        self.timers.cancel(("member", group.group_id, member_id))
        member = group.members.get(member_id)
        if member is not None:
            group.answer_join(member, JoinGroupResponse(error_code=ErrorCode.UNKNOWN_MEMBER_ID))
            member.answer_sync(SyncGroupResponse(error_code=ErrorCode.UNKNOWN_MEMBER_ID, assignment=b""))
        group.remove(member_id)

    def _after_removal(self, group: Group) -> None:
        if group.state in (STABLE, COMPLETING, PREPARING):
            self.rebalance(group)

    # -- leaving ------------------------------------------------------------------------------------------------------

    def leave(self, request: LeaveGroupRequest, reply: Callable[[LeaveGroupResponse], None]) -> None:
        """LeaveGroup, of one member or several; tools name static members by their instance id alone.

        Answered when what it wrote, if the group is empty now, is committed.
        """
        group = self.groups.get(request.group_id)
        answers = [
            LeaveGroupResponse.Member(
                member_id=leaving.member_id,
                group_instance_id=leaving.group_instance_id,
                error_code=self._leave(group, leaving),
            )
            for leaving in request.members
        ]
        if group is not None and any(answer.error_code == ErrorCode.NONE for answer in answers):
            writes_before = len(self.writes)
            self._after_removal(group)
            if len(self.writes) > writes_before:
                self.writes.add([], self.now.now_ms, lambda error: reply(left(answers, answer_for(error))))
                return
        reply(left(answers, ErrorCode.NONE))

    def _leave(self, group: Group | None, leaving: LeaveGroupRequest.Member) -> ErrorCode:
        if group is None:
            return ErrorCode.UNKNOWN_MEMBER_ID
        member_id = leaving.member_id
        if not member_id:
            holder = group.static_members.get(leaving.group_instance_id or "")
            if holder is None or leaving.group_instance_id is None:
                return ErrorCode.UNKNOWN_MEMBER_ID
            member_id = holder
        elif member_id not in group.pending_members:
            try:
                group.validated(member_id, leaving.group_instance_id)
            except KafkaError as error:
                return error.code
        self._forget(group, member_id)
        return ErrorCode.NONE


def left(members: list[LeaveGroupResponse.Member], error: ErrorCode) -> LeaveGroupResponse:
    if error is not ErrorCode.NONE:
        return LeaveGroupResponse(error_code=error)
    return LeaveGroupResponse(error_code=ErrorCode.NONE, members=members)
