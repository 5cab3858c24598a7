"""JoinGroup: who gets in, who waits for whom, what each is told."""

import pytest

from minikafka.groups.group import State
from minikafka.groups.settings import GroupSettings
from minikafka.wire.errors import ErrorCode
from minikafka.wire.messages.groups import JoinGroupResponse
from tests.minikafka.groups.desk import Desk, subscription

Member = JoinGroupResponse.Member
META = subscription("t")


def test_a_new_consumer_gets_an_id_and_has_to_come_again():
    """KIP-394."""
    desk = Desk()
    ticket = desk.join("app")
    assert ticket.error is ErrorCode.MEMBER_ID_REQUIRED
    assert ticket.answer.member_id.startswith("app-")
    assert desk.group().state is State.EMPTY


def test_before_version_4_it_gets_in_at_once():
    desk = Desk()
    ticket = desk.join("app", version=3)
    assert ticket.answer is None
    desk.run(3000)
    assert ticket.answer.generation_id == 1
    assert ticket.answer.member_id.startswith("app-")


def test_the_first_generation_waits_for_the_initial_delay():
    desk = Desk()
    member, ticket = desk.joined()
    desk.run(2999)
    assert ticket.answer is None
    desk.run(1)
    assert ticket.answer == JoinGroupResponse(
        generation_id=1,
        protocol_type="consumer",
        protocol_name="range",
        leader=member,
        member_id=member,
        members=[Member(member_id=member, metadata=META)],
    )


def test_the_initial_delay_is_extended_while_members_come():
    """KIP-134."""
    desk = Desk()
    _, first = desk.joined()
    desk.run(2000)
    _, second = desk.joined()
    desk.run(1000)
    assert first.answer is None
    desk.run(3000)
    assert (first.answer.generation_id, second.answer.generation_id) == (1, 1)


def test_the_initial_delay_ends_with_the_rebalance_timeout():
    desk = Desk()
    _, first = desk.joined(rebalance_ms=7000)
    while first.answer is None:
        desk.run(500)
        desk.join(version=3, rebalance_ms=7000)
    assert first.answered_ms == 1000 + 7000


def test_only_the_leader_is_told_the_members():
    desk = Desk()
    (leader, first), (follower, second) = desk.joined("a"), desk.joined("b")
    desk.run(6000)
    assert [each.member_id for each in first.answer.members] == [leader, follower]
    assert (second.answer.members, second.answer.leader, second.answer.member_id) == ([], leader, follower)


def test_the_protocol_that_all_know_and_most_prefer_is_used():
    desk = Desk()
    range_, robin, mine = ("range", b""), ("roundrobin", b""), ("mine", b"")
    desk.joined(protocols=(mine, range_, robin))
    desk.joined(protocols=(robin, range_))
    _, last = desk.joined(protocols=(robin, range_))
    desk.run(6000)
    assert last.answer.protocol_name == "roundrobin"


@pytest.mark.parametrize(
    ("change", "error"),
    [
        ({"group_id": ""}, ErrorCode.INVALID_GROUP_ID),
        ({"session_ms": 5999}, ErrorCode.INVALID_SESSION_TIMEOUT),
        ({"session_ms": 1_800_001}, ErrorCode.INVALID_SESSION_TIMEOUT),
        ({"member_id": "nobody"}, ErrorCode.UNKNOWN_MEMBER_ID),
        ({"protocols": ()}, ErrorCode.INCONSISTENT_GROUP_PROTOCOL),
        ({"protocol_type": ""}, ErrorCode.INCONSISTENT_GROUP_PROTOCOL),
    ],
)
def test_what_nobody_may_ask_for(change, error):
    ticket = Desk().join(**change)
    assert ticket.answer == JoinGroupResponse(error_code=error, member_id=change.get("member_id", ""))


@pytest.mark.parametrize(
    "change", [{"protocol_type": "connect"}, {"protocols": (("unheard", b""),)}, {"member_id": "", "protocols": ()}]
)
def test_a_member_must_share_type_and_protocol_with_the_group(change):
    desk = Desk()
    desk.stable(1)
    assert desk.join(**change).error is ErrorCode.INCONSISTENT_GROUP_PROTOCOL


def test_one_that_was_given_an_id_gets_in_though_all_the_others_have_left_meanwhile():
    desk = Desk()
    members, _ = desk.stable(1)
    awaited = desk.join().answer.member_id
    desk.leave((members[0], None))
    assert desk.group().state is State.PREPARING_REBALANCE
    assert desk.join(member_id=awaited).error is ErrorCode.NONE


def test_an_unknown_member_of_a_known_group_has_to_begin_anew():
    desk = Desk()
    desk.stable(1)
    assert desk.join(member_id="nobody").error is ErrorCode.UNKNOWN_MEMBER_ID


def test_a_full_group_takes_nobody():
    desk = Desk(GroupSettings(group_size_max=2))
    members, generation = desk.stable(2)
    assert desk.join().answer == JoinGroupResponse(error_code=ErrorCode.GROUP_MAX_SIZE_REACHED, member_id="")
    assert desk.heartbeat(members[0], generation) is ErrorCode.NONE


def test_in_a_rebalance_those_count_who_wait():
    desk = Desk(GroupSettings(group_size_max=2))
    desk.joined(), desk.joined()
    third = desk.join()
    assert third.error is ErrorCode.GROUP_MAX_SIZE_REACHED


def test_a_member_that_never_comes_back_with_its_id_is_not_waited_for_longer_than_its_session():
    desk = Desk()
    members, generation = desk.stable(1)
    desk.join("ghost", session_ms=10_000)
    _, join = desk.joined("late")
    leader_join = desk.join(member_id=members[0])
    desk.run(9_000)
    assert join.answer is None
    desk.run(1_000)
    assert join.answer.generation_id == leader_join.answer.generation_id == generation + 1


def test_a_new_member_brings_a_rebalance():
    desk = Desk()
    (leader, *_), generation = desk.stable(2)
    desk.joined("third")
    assert desk.group().state is State.PREPARING_REBALANCE
    assert desk.heartbeat(leader, generation) is ErrorCode.REBALANCE_IN_PROGRESS


def test_members_that_do_not_rejoin_in_time_are_out():
    desk = Desk()
    (leader, lost), generation = desk.stable(2, rebalance_ms=8_000)
    _, third = desk.joined("third", rebalance_ms=8_000)
    again = desk.join(member_id=leader, rebalance_ms=8_000)
    desk.run(8_000)
    assert [ticket.answer.generation_id for ticket in (third, again)] == [generation + 1] * 2
    assert desk.heartbeat(lost, generation) is ErrorCode.UNKNOWN_MEMBER_ID


def test_a_leader_that_does_not_rejoin_is_followed_by_one_that_has():
    desk = Desk()
    (_, follower), _ = desk.stable(2, rebalance_ms=8_000)
    desk.joined("third", rebalance_ms=8_000)
    again = desk.join(member_id=follower, rebalance_ms=8_000)
    desk.run(8_000)
    assert again.answer.leader == follower


def test_a_follower_that_joins_again_unchanged_is_told_the_generation():
    desk = Desk()
    (leader, follower), generation = desk.stable(2)
    ticket = desk.join(member_id=follower)
    assert (ticket.answer.generation_id, ticket.answer.leader, ticket.answer.members) == (generation, leader, [])
    assert desk.group().state is State.STABLE


def test_a_leader_that_joins_again_brings_a_rebalance():
    desk = Desk()
    (leader, _), _ = desk.stable(2)
    assert desk.join(member_id=leader).answer is None
    assert desk.group().state is State.PREPARING_REBALANCE


def test_a_follower_that_joins_with_other_metadata_brings_a_rebalance():
    desk = Desk()
    (_, follower), _ = desk.stable(2)
    desk.join(member_id=follower, protocols=(("range", subscription("other")),))
    assert desk.group().state is State.PREPARING_REBALANCE


def test_before_the_shares_are_there_a_member_that_joins_again_unchanged_is_told_the_same():
    desk = Desk()
    leader, first = desk.joined()
    desk.joined()
    desk.run(6000)
    assert desk.join(member_id=leader).answer == first.answer
    assert desk.group().state is State.COMPLETING_REBALANCE


def test_before_the_shares_are_there_other_metadata_bring_a_rebalance_and_end_the_waiting():
    desk = Desk()
    (leader, first), (follower, _) = desk.joined("a"), desk.joined("b")
    desk.run(6000)
    waiting = desk.sync(follower, first.answer.generation_id)
    desk.join(member_id=leader, protocols=(("range", subscription("other")),))
    assert waiting.error is ErrorCode.REBALANCE_IN_PROGRESS
    assert desk.group().state is State.PREPARING_REBALANCE


def test_joining_twice_leaves_one_answer_for_each():
    desk = Desk()
    member, first = desk.joined()
    second = desk.join(member_id=member)
    assert first.error is ErrorCode.REBALANCE_IN_PROGRESS
    desk.run(6000)
    assert second.answer.generation_id == 1


def test_a_client_that_waits_for_its_first_answer_is_given_up_after_five_minutes():
    desk = Desk()
    _, ticket = desk.joined(rebalance_ms=1_000_000)
    for _ in range(200):
        desk.run(2000)
        desk.join(version=3, rebalance_ms=1_000_000)  # so that the initial delay goes on
        if ticket.answer is not None:
            break
    assert (ticket.error, ticket.answered_ms) == (ErrorCode.UNKNOWN_MEMBER_ID, 1000 + 300_000)


def test_an_empty_group_does_not_know_its_old_members():
    desk = Desk()
    (member,), _ = desk.stable(1)
    desk.leave((member, None))
    assert desk.join(member_id=member).error is ErrorCode.UNKNOWN_MEMBER_ID
