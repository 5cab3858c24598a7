"""Groups for tools: DescribeGroups, ListGroups."""

from __future__ import annotations

from collections.abc import Iterable

from minikafka.groups.group import DEAD, STABLE, Group
from minikafka.wire.errors import ErrorCode
from minikafka.wire.messages.groups import DescribeGroupsResponse, ListGroupsResponse

NOT_FOUND_SINCE = 6
Described = DescribeGroupsResponse.Group


def described(group_id: str, group: Group | None, version: int) -> Described:
    """A group that does not exist is "Dead", an error only to those who know that one.

    Protocol and metadata are told of a stable group alone: in a rebalance they are about to change.
    """
    if group is None:
        answer = Described(group_id=group_id, group_state=DEAD)
        if version >= NOT_FOUND_SINCE:
            answer.error_code = ErrorCode.GROUP_ID_NOT_FOUND
            answer.error_message = f"Group {group_id} not found."
        return answer
    stable = group.state is STABLE
    return Described(
        error_code=ErrorCode.NONE,
        group_id=group_id,
        group_state=group.state,
        protocol_type=group.protocol_type or "",
        protocol_data=(group.protocol_name or "") if stable else "",
        members=[
            Described.Member(
                member_id=member.member_id,
                group_instance_id=member.group_instance_id,
                client_id=member.client_id,
                client_host=member.client_host,
                member_metadata=member.metadata(group.protocol_name) if stable else b"",
                member_assignment=member.assignment,
            )
            for member in group.members.values()
        ],
    )


def listed(groups: Iterable[Group], states: Iterable[str], types: Iterable[str]) -> list[ListGroupsResponse.Group]:
    """Those in one of `states` and of one of `types`; none given: all."""
    wanted_states = {state.lower() for state in states}
    wanted_types = {kind.lower() for kind in types}
    return [
        ListGroupsResponse.Group(
            group_id=group.group_id,
            protocol_type=group.protocol_type or "",
            group_state=group.state,
            group_type=group.type,
        )
        for group in groups
        if (not wanted_states or group.state.lower() in wanted_states)
        and (not wanted_types or group.type in wanted_types)
    ]
