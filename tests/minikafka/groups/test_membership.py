"""Sharing, heartbeats, silence, leaving."""

import pytest

from minikafka.groups.group import State
from minikafka.groups.settings import GroupSettings
from minikafka.wire.errors import ErrorCode
from minikafka.wire.messages.groups import LeaveGroupResponse, SyncGroupResponse
from tests.minikafka.groups.desk import Desk, subscription

Left = LeaveGroupResponse.Member


def completing(desk: Desk) -> tuple[str, str, int]:
    """Two members of a generation whose shares are not there yet: leader, follower, generation."""
    (leader, first), (follower, _) = desk.joined("a"), desk.joined("b")
    desk.run(6000)
    return leader, follower, first.answer.generation_id


def test_followers_wait_for_the_leaders_shares():
    desk = Desk()
    leader, follower, generation = completing(desk)
    waiting = desk.sync(follower, generation)
    assert waiting.answer is None
    leaders = desk.sync(leader, generation, {leader: b"L", follower: b"F"})
    assert [ticket.answer for ticket in (leaders, waiting)] == [
        SyncGroupResponse(protocol_type="consumer", protocol_name="range", assignment=share) for share in (b"L", b"F")
    ]
    assert desk.group().state is State.STABLE


def test_shares_are_given_out_when_they_are_committed():
    desk = Desk(auto_commit=False)
    leader, follower, generation = completing(desk)
    waiting, leaders = desk.sync(follower, generation), desk.sync(leader, generation, {leader: b"L"})
    assert (waiting.answer, leaders.answer, desk.group().state) == (None, None, State.COMPLETING_REBALANCE)
    desk.commit_log()
    assert (leaders.answer.assignment, waiting.answer.assignment) == (b"L", b"")


def test_what_a_leader_says_again_while_its_shares_are_on_their_way_changes_nothing():
    desk = Desk(auto_commit=False)
    leader, _, generation = completing(desk)
    first = desk.sync(leader, generation, {leader: b"one"})
    again = desk.sync(leader, generation, {leader: b"two"})
    desk.commit_log()
    assert (first.error, again.answer.assignment) == (ErrorCode.REBALANCE_IN_PROGRESS, b"one")


def test_later_comers_get_their_share_at_once():
    desk = Desk()
    leader, follower, generation = completing(desk)
    desk.sync(leader, generation, {follower: b"F"})
    assert desk.sync(follower, generation).answer.assignment == b"F"


@pytest.mark.parametrize(
    ("refusal", "error"),
    [
        (ErrorCode.NOT_ENOUGH_REPLICAS, ErrorCode.COORDINATOR_NOT_AVAILABLE),
        (ErrorCode.NOT_LEADER_OR_FOLLOWER, ErrorCode.NOT_COORDINATOR),
        (ErrorCode.MESSAGE_TOO_LARGE, ErrorCode.UNKNOWN_SERVER_ERROR),
    ],
)
def test_shares_that_cannot_be_stored_are_not_given_out_and_the_group_rebalances(refusal, error):
    desk = Desk()
    leader, follower, generation = completing(desk)
    waiting = desk.sync(follower, generation)
    desk.refuse_with = refusal
    assert desk.sync(leader, generation, {leader: b"L"}).error is waiting.error is error
    assert desk.group().state is State.PREPARING_REBALANCE


def test_shares_that_are_not_committed_in_time_are_not_given_out():
    desk = Desk(auto_commit=False)
    leader, _, generation = completing(desk)
    ticket = desk.sync(leader, generation, {leader: b"L"})
    desk.run(5000)
    assert (ticket.error, desk.group().state) == (ErrorCode.COORDINATOR_NOT_AVAILABLE, State.PREPARING_REBALANCE)
    desk.commit_log()
    assert desk.group().state is State.PREPARING_REBALANCE


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"group_id": ""}, ErrorCode.INVALID_GROUP_ID),
        ({"group_id": "unknown"}, ErrorCode.UNKNOWN_MEMBER_ID),
        ({"member_id": "nobody"}, ErrorCode.UNKNOWN_MEMBER_ID),
        ({"generation": 7}, ErrorCode.ILLEGAL_GENERATION),
        ({"instance": "nobody"}, ErrorCode.UNKNOWN_MEMBER_ID),
        ({"protocol_type": "connect"}, ErrorCode.INCONSISTENT_GROUP_PROTOCOL),
        ({"protocol_name": "roundrobin"}, ErrorCode.INCONSISTENT_GROUP_PROTOCOL),
    ],
)
def test_sync_of_somebody_else(change, error):
    desk = Desk()
    leader, _, generation = completing(desk)
    ticket = desk.sync(**{"member_id": leader, "generation": generation, **change})
    assert ticket.answer == SyncGroupResponse(error_code=error)


def test_sync_during_a_rebalance():
    desk = Desk()
    (leader, _), generation = desk.stable(2)
    desk.joined("third")
    assert desk.sync(leader, generation).error is ErrorCode.REBALANCE_IN_PROGRESS


def test_who_never_comes_for_its_share_is_out_after_the_rebalance_timeout():
    desk = Desk()
    leader, follower, generation = completing(desk)
    desk.sync(leader, generation, {leader: b"L"})
    for _ in range(60):
        desk.run(999)
        assert desk.heartbeat(leader, generation) is desk.heartbeat(follower, generation) is ErrorCode.NONE
    desk.run(60)
    assert desk.heartbeat(follower, generation) is ErrorCode.UNKNOWN_MEMBER_ID
    assert desk.heartbeat(leader, generation) is ErrorCode.REBALANCE_IN_PROGRESS


# -- heartbeats ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({}, ErrorCode.NONE),
        ({"group_id": ""}, ErrorCode.INVALID_GROUP_ID),
        ({"group_id": "unknown"}, ErrorCode.UNKNOWN_MEMBER_ID),
        ({"member_id": "nobody"}, ErrorCode.UNKNOWN_MEMBER_ID),
        ({"generation": 0}, ErrorCode.ILLEGAL_GENERATION),
        ({"generation": 2}, ErrorCode.ILLEGAL_GENERATION),
        ({"instance": "nobody"}, ErrorCode.UNKNOWN_MEMBER_ID),
    ],
)
def test_heartbeat(change, error):
    desk = Desk()
    (leader, _), generation = desk.stable(2)
    assert desk.heartbeat(**{"member_id": leader, "generation": generation, **change}) is error


def test_heartbeats_count_before_the_shares_are_there():
    desk = Desk()
    leader, _, generation = completing(desk)
    assert desk.heartbeat(leader, generation) is ErrorCode.NONE


def test_a_silent_member_is_out_after_its_session_timeout_and_the_others_rebalance():
    desk = Desk()
    (leader, silent), generation = desk.stable(2)
    desk.run(9_999)
    assert desk.heartbeat(leader, generation) is ErrorCode.NONE
    desk.run(1)
    assert silent not in desk.group().members
    assert desk.heartbeat(leader, generation) is ErrorCode.REBALANCE_IN_PROGRESS


def test_members_that_wait_for_an_answer_do_not_expire():
    desk = Desk()
    (leader, slow), generation = desk.stable(2)
    waiting = desk.join(member_id=leader)
    for _ in range(5):
        desk.run(9_000)
        desk.heartbeat(slow, generation)
    assert (waiting.answer, leader in desk.group().members) == (None, True)
    desk.join(member_id=slow)
    assert waiting.answer.generation_id == generation + 1


def test_when_all_fall_silent_the_group_is_empty():
    desk = Desk()
    _, generation = desk.stable(2)
    desk.run(100_000)
    assert (desk.group().state, desk.group().generation) == (State.EMPTY, generation + 1)


# -- leaving ------------------------------------------------------------------------------------------------------------


def test_a_leaving_member_brings_a_rebalance_at_once():
    desk = Desk()
    (leader, follower), generation = desk.stable(2)
    assert desk.leave((follower, None)).answer == LeaveGroupResponse(members=[Left(member_id=follower)])
    assert desk.heartbeat(leader, generation) is ErrorCode.REBALANCE_IN_PROGRESS


def test_the_last_to_leave_is_answered_when_the_empty_group_is_committed():
    desk = Desk()
    (member,), _ = desk.stable(1)
    desk.auto_commit = False
    ticket = desk.leave((member, None))
    assert (ticket.answer, desk.group().state) == (None, State.EMPTY)
    desk.commit_log()
    assert ticket.answer == LeaveGroupResponse(members=[Left(member_id=member)])


def test_who_leaves_while_it_waits_is_answered():
    desk = Desk()
    member, waiting = desk.joined()
    desk.leave((member, None))
    assert waiting.error is ErrorCode.UNKNOWN_MEMBER_ID


def test_a_given_id_can_be_given_back():
    desk = Desk()
    (leader,), _ = desk.stable(1)
    ghost = desk.join("ghost").answer.member_id
    waiting = desk.join(member_id=leader)
    assert waiting.answer is None
    desk.leave((ghost, None))
    assert waiting.error is ErrorCode.NONE


@pytest.mark.parametrize("member", [("nobody", None), ("", None), ("", "nobody"), ("nobody", "nobody")])
def test_nobody_cannot_leave(member):
    desk = Desk()
    desk.stable(1)
    answer = Left(member_id=member[0], group_instance_id=member[1], error_code=ErrorCode.UNKNOWN_MEMBER_ID)
    assert desk.leave(member).answer == LeaveGroupResponse(members=[answer])
    assert desk.group().state is State.STABLE


def test_nobody_leaves_a_group_that_is_not_there():
    answer = Left(member_id="m", error_code=ErrorCode.UNKNOWN_MEMBER_ID)
    assert Desk().leave(("m", None)).answer == LeaveGroupResponse(members=[answer])
    assert Desk().leave(("m", None), group_id="").error is ErrorCode.INVALID_GROUP_ID


# -- static members -----------------------------------------------------------------------------------------------------


def static(desk: Desk, *instances: str) -> tuple[list[str], int]:
    """A stable group of static members, the leader first."""
    joins = [desk.join(instance, instance=instance) for instance in instances]
    desk.run(6000)
    members = [join.answer.member_id for join in joins]
    generation = joins[0].answer.generation_id
    desk.sync(
        members[0],
        generation,
        {member: b"of " + name.encode() for member, name in zip(members, instances, strict=True)},
    )
    for member in members[1:]:
        desk.sync(member, generation)
    return members, generation


def test_a_static_member_needs_no_second_round_and_its_id_shows_its_name():
    desk = Desk()
    ticket = desk.join("app", instance="one")
    desk.run(3000)
    assert ticket.answer.member_id.startswith("one-")


def test_a_static_member_comes_back_without_a_rebalance():
    """KIP-345."""
    desk = Desk()
    (leader, old), generation = static(desk, "one", "two")
    back = desk.join("two", instance="two")
    assert (back.answer.generation_id, back.answer.leader, back.answer.skip_assignment) == (generation, leader, False)
    assert desk.group().state is State.STABLE
    new = back.answer.member_id
    assert desk.sync(new, generation, instance="two").answer.assignment == b"of two"
    assert desk.heartbeat(old, generation, instance="two") is ErrorCode.FENCED_INSTANCE_ID
    assert desk.heartbeat(leader, generation) is ErrorCode.NONE


def test_it_is_told_so_when_its_new_id_is_committed():
    desk = Desk()
    static(desk, "one", "two")
    desk.auto_commit = False
    back = desk.join("two", instance="two")
    assert back.answer is None
    desk.commit_log()
    assert back.error is ErrorCode.NONE


def test_if_its_new_id_cannot_be_stored_the_old_one_holds():
    desk = Desk()
    (_, old), generation = static(desk, "one", "two")
    desk.refuse_with = ErrorCode.NOT_ENOUGH_REPLICAS
    assert desk.join("two", instance="two").error is ErrorCode.COORDINATOR_NOT_AVAILABLE
    assert desk.heartbeat(old, generation, instance="two") is ErrorCode.NONE


def test_a_static_leader_that_comes_back_is_told_to_skip_the_assignment():
    """KIP-814; before version 9 it is told that its old self leads, which has the same effect."""
    desk = Desk()
    _, generation = static(desk, "one", "two")
    newest = desk.join("one", instance="one", version=9)
    assert (newest.answer.skip_assignment, len(newest.answer.members)) == (True, 2)
    assert newest.answer.leader == newest.answer.member_id
    older = desk.join("one", instance="one", version=8)
    assert (older.answer.leader, older.answer.members) == (newest.answer.member_id, [])
    assert older.answer.generation_id == generation


def test_two_with_one_name_fence_each_other():
    desk = Desk()
    first = desk.join("a", instance="one")
    second = desk.join("b", instance="one")
    assert first.error is ErrorCode.FENCED_INSTANCE_ID
    desk.run(6000)
    assert second.error is ErrorCode.NONE
    assert list(desk.group().members) == [second.answer.member_id]


def test_a_static_member_back_with_other_wishes_that_change_the_vote_brings_a_rebalance():
    desk = Desk()
    range_, robin = ("range", subscription("t")), ("roundrobin", subscription("t"))
    first = desk.join("one", instance="one", protocols=(range_, robin))
    desk.run(6000)
    desk.sync(first.answer.member_id, 1, {})
    back = desk.join("one", instance="one", protocols=(robin,))
    assert (back.answer.generation_id, back.answer.protocol_name) == (2, "roundrobin")


def test_before_the_shares_are_there_a_static_member_that_comes_back_brings_a_rebalance():
    desk = Desk()
    first, _ = desk.join("one", instance="one"), desk.join("two", instance="two")
    desk.run(6000)
    assert first.answer.generation_id == 1
    desk.join("two", instance="two")
    assert desk.group().state is State.PREPARING_REBALANCE


def test_a_missing_static_member_stays_until_its_session_ends():
    desk = Desk()
    (leader, missing), _ = static(desk, "one", "two")
    desk.run(5_000)
    again = desk.join("one", leader, instance="one", rebalance_ms=2_000, session_ms=6_000)
    desk.group().members[missing].rebalance_timeout_ms = 2_000
    desk.run(4_000)
    assert missing in desk.group().members
    desk.run(1_000)
    assert missing not in desk.group().members
    assert again.error is ErrorCode.NONE


def test_a_tool_removes_a_static_member_by_its_name():
    desk = Desk()
    (_, gone), _ = static(desk, "one", "two")
    answer = desk.leave(("", "two")).answer
    assert answer == LeaveGroupResponse(members=[Left(member_id="", group_instance_id="two")])
    assert gone not in desk.group().members


def test_a_fenced_member_cannot_leave_for_the_other():
    desk = Desk()
    (_, old), _ = static(desk, "one", "two")
    desk.join("two", instance="two")
    assert desk.leave((old, "two")).answer.members[0].error_code == ErrorCode.FENCED_INSTANCE_ID


# -- life of a coordinator ------------------------------------------------------------------------------------------------


def test_who_waits_is_told_to_look_for_another_coordinator():
    desk = Desk(auto_commit=False)
    leader, follower, generation = completing(desk)
    joining = desk.joined("c", group_id="h")[1]
    waiting = [desk.sync(follower, generation), desk.sync(leader, generation, {}), joining]
    desk.coordinator.resign(desk.now)
    assert [ticket.error for ticket in waiting] == [ErrorCode.NOT_COORDINATOR] * 3
    assert desk.join().error is desk.heartbeat(leader, generation) is ErrorCode.NOT_COORDINATOR


def test_the_next_coordinator_goes_on_with_the_generation():
    desk = Desk()
    (leader, follower), generation = desk.stable(2)
    desk.fail_over()
    assert [desk.heartbeat(member, generation) for member in (leader, follower)] == [ErrorCode.NONE] * 2
    assert desk.sync(follower, generation).answer.assignment == follower.encode()


def test_sessions_begin_anew_with_the_next_coordinator():
    desk = Desk()
    (leader, follower), generation = desk.stable(2)
    desk.run(9_000)
    desk.fail_over()
    desk.run(9_000)
    assert desk.heartbeat(leader, generation) is ErrorCode.NONE
    desk.run(1_000)
    assert follower not in desk.group().members


def test_a_generation_that_was_not_committed_is_not_known_to_the_next_coordinator():
    desk = Desk(auto_commit=False)
    leader, _, generation = completing(desk)
    desk.sync(leader, generation, {})
    desk.high_watermark = 1  # the empty group, written when it was new
    desk.fail_over()
    assert desk.heartbeat(leader, generation) is ErrorCode.UNKNOWN_MEMBER_ID


def test_a_group_that_is_too_large_for_the_next_coordinator_rebalances():
    desk = Desk()
    (leader, *_), generation = desk.stable(3)
    desk.settings = GroupSettings(group_size_max=2)
    desk.fail_over()
    assert desk.heartbeat(leader, generation) is ErrorCode.REBALANCE_IN_PROGRESS
