"""JoinGroup: who comes, and what that means for the group.

    no member id, no instance id      new: gets an id and shall come again with it (since version 4, KIP-394: a client that
                                      gives up and retries would else leave a row of ghosts that everybody waits for)
    no member id, an instance id      a static member: new, or back after a restart: then it takes over from itself, and in
                                      a stable group nobody notices
    a member id                       a member, once more:   in a rebalance     it is awaited
                                                             shares awaited     same metadata: told again, else a rebalance
                                                             stable             the leader, or new metadata: a rebalance,
                                                                                else told again

Source: Kafka `GroupMetadataManager.classicGroupJoin`; KIP-345, KIP-394, KIP-814 (skip_assignment).
"""

from __future__ import annotations

from typing import NamedTuple

from minikafka.groups.group import COMPLETING, EMPTY, PREPARING, STABLE, Group, JoinReply, Member, Protocols
from minikafka.groups.group_records import new_group_record
from minikafka.groups.membership import NEW_MEMBER_JOIN_TIMEOUT_MS, Membership, answer_for
from minikafka.wire.errors import ErrorCode, KafkaError
from minikafka.wire.messages.groups import JoinGroupRequest, JoinGroupResponse

MEMBER_ID_FIRST_SINCE = 4
SKIP_ASSIGNMENT_SINCE = 9


class Caller(NamedTuple):
    """Who sent a request, and in which version of it."""

    client_id: str
    client_host: str
    version: int


class Joining(NamedTuple):
    """A JoinGroup, its sender, and where the answer goes."""

    request: JoinGroupRequest
    caller: Caller
    reply: JoinReply

    @property
    def protocols(self) -> Protocols:
        """Of two of a name, the first."""
        by_name: dict[str, bytes] = {}
        for each in self.request.protocols:
            by_name.setdefault(each.name, bytes(each.metadata))
        return tuple(by_name.items())

    @property
    def rebalance_timeout_ms(self) -> int:
        """Version 0 knows one timeout for everything."""
        return self.request.rebalance_timeout_ms if self.caller.version >= 1 else self.request.session_timeout_ms


def join(membership: Membership, joining: Joining) -> None:
    """Answers now, or when the rebalance is complete.  Raises KafkaError."""
    request, settings = joining.request, membership.settings
    if not request.group_id:
        raise KafkaError(ErrorCode.INVALID_GROUP_ID)
    if not settings.session_timeout_ms_min <= request.session_timeout_ms <= settings.session_timeout_ms_max:
        raise KafkaError(ErrorCode.INVALID_SESSION_TIMEOUT)
    member_id = request.member_id
    group = membership.groups.get(request.group_id)
    is_new = group is None
    if group is None:
        if member_id:
            raise KafkaError(ErrorCode.UNKNOWN_MEMBER_ID)
        group = membership.groups[request.group_id] = Group(request.group_id, membership.now.wall_ms)
    try:
        if not has_room(group, member_id, settings.group_size_max):
            group.remove(member_id)
            joining.reply(JoinGroupResponse(error_code=ErrorCode.GROUP_MAX_SIZE_REACHED))
        elif not group.supports(request.protocol_type, [each.name for each in request.protocols]):
            raise KafkaError(ErrorCode.INCONSISTENT_GROUP_PROTOCOL)
        elif not member_id:
            join_as_new(membership, group, joining)
        else:
            join_again(membership, group, joining)
    finally:
        if is_new:
            remember(membership, group)


def remember(membership: Membership, group: Group) -> None:
    """Write down that there is such a group; without that, forget it, unless somebody is in it by then."""

    def settled(error: ErrorCode) -> None:
        unused = not group.members and not group.pending_members
        if error is not ErrorCode.NONE and unused and membership.groups.get(group.group_id) is group:
            del membership.groups[group.group_id]

    membership.writes.add([new_group_record(group)], membership.now.now_ms, settled)


def has_room(group: Group, member_id: str, size_max: int) -> bool:
    """In a rebalance those count who have come, so that the last ones stay outside; else all members do."""
    if group.state is EMPTY:
        return True
    member = group.members.get(member_id)
    if group.state is PREPARING:
        return (member is not None and member.join_reply is not None) or group.awaiting_join < size_max
    return member is not None or len(group.members) < size_max


def join_as_new(membership: Membership, group: Group, joining: Joining) -> None:
    """Without a member id."""
    request, caller = joining.request, joining.caller
    instance_id = request.group_instance_id
    member_id = membership.fresh_member_id(caller.client_id if instance_id is None else instance_id)
    if instance_id is not None:
        before = group.static_members.get(instance_id)
        if before is None:
            add_member(membership, group, joining, member_id)
        else:
            take_over(membership, group, joining, before, member_id)
    elif caller.version >= MEMBER_ID_FIRST_SINCE:
        membership.expect_join(group, member_id, request.session_timeout_ms)
        joining.reply(JoinGroupResponse(error_code=ErrorCode.MEMBER_ID_REQUIRED, member_id=member_id))
    else:
        add_member(membership, group, joining, member_id)


def add_member(membership: Membership, group: Group, joining: Joining, member_id: str) -> None:
    request, caller = joining.request, joining.caller
    member = Member(
        member_id,
        request.group_instance_id,
        caller.client_id,
        caller.client_host,
        joining.rebalance_timeout_ms,
        request.session_timeout_ms,
        joining.protocols,
    )
    member.is_new = True
    if group.state is PREPARING and group.previous_state is EMPTY:
        group.new_member_added = True
    group.add(member, request.protocol_type)
    group.hold_join(member, joining.reply)
    membership.keep_alive(group, member, NEW_MEMBER_JOIN_TIMEOUT_MS)
    membership.rebalance(group)


def join_again(membership: Membership, group: Group, joining: Joining) -> None:
    """With a member id."""
    request = joining.request
    member_id = request.member_id
    if member_id in group.pending_members:
        if request.group_instance_id is not None:  # such an id is never given to a static member
            raise KafkaError(ErrorCode.UNKNOWN_SERVER_ERROR)
        add_member(membership, group, joining, member_id)
        return
    member = group.validated(member_id, request.group_instance_id)
    same = member.protocols == joining.protocols
    if group.state is EMPTY:
        raise KafkaError(ErrorCode.UNKNOWN_MEMBER_ID)
    if same and (group.state is COMPLETING or (group.state is STABLE and group.leader != member_id)):
        joining.reply(membership.joined(group, member))
        return
    update_member(group, member, joining)
    membership.rebalance(group)


def update_member(group: Group, member: Member, joining: Joining) -> None:
    """What it says of itself now; its JoinGroup waits."""
    group.change_protocols(member, joining.protocols)
    member.rebalance_timeout_ms = joining.rebalance_timeout_ms
    member.session_timeout_ms = joining.request.session_timeout_ms
    group.hold_join(member, joining.reply)


def take_over(membership: Membership, group: Group, joining: Joining, old_id: str, new_id: str) -> None:
    """A static member is back: its old id is fenced, the share is still its own.

    In a stable group nothing else changes, if only the vote for the protocol comes out the same: the new id is written
    down, and the member is told the generation.  If it is the leader it is told so since version 9 alone, with the word to
    skip the assignment: older clients would share anew what a stable group does not take.  Those see the old id as leader.
    """
    leader_before = group.leader
    member = group.members[old_id]
    group.answer_join(member, JoinGroupResponse(error_code=ErrorCode.FENCED_INSTANCE_ID, member_id=old_id))
    membership.fence_sync(member)
    before = member.protocols, member.rebalance_timeout_ms, member.session_timeout_ms
    group.rename(old_id, new_id)
    membership.timers.cancel(("member", group.group_id, old_id))
    membership.keep_alive(group, member)
    update_member(group, member, joining)
    if group.state is COMPLETING:
        membership.prepare(group)  # the leader may have shared among the old ids already
        return
    if group.state is PREPARING or group.select_protocol() != group.protocol_name:
        membership.rebalance(group)
        return

    def settled(error: ErrorCode) -> None:
        if member.join_reply is not joining.reply:
            return  # answered by a rebalance, or given up
        if error is not ErrorCode.NONE:
            group.answer_join(member, JoinGroupResponse(error_code=answer_for(error)))
            if group.state is STABLE and group.members.get(new_id) is member:
                take_back()
            return
        skips = joining.caller.version >= SKIP_ASSIGNMENT_SINCE
        response = membership.joined(group, member, with_members=skips)
        if skips:
            response.skip_assignment = group.leader == new_id
        else:
            response.leader = leader_before or ""
        group.answer_join(member, response)

    def take_back() -> None:
        """The old id is the one in the log."""
        protocols, member.rebalance_timeout_ms, member.session_timeout_ms = before
        group.change_protocols(member, protocols)
        group.rename(new_id, old_id)
        membership.timers.cancel(("member", group.group_id, new_id))
        membership.keep_alive(group, member)

    assignments = {each.member_id: each.assignment for each in group.members.values()}
    membership.write_group(group, assignments, settled)
