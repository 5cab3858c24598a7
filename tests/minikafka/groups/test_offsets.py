"""Offsets: committed by whom, seen when, forgotten when."""

import pytest

from minikafka.groups.group import State
from minikafka.groups.settings import GroupSettings
from minikafka.records.coordinator import OffsetCommitValue, decode_versioned
from minikafka.wire.errors import ErrorCode
from minikafka.wire.messages.offsets import OffsetDeleteResponse, OffsetFetchResponse
from tests.minikafka.groups.desk import WALL_MS, Desk

NONE = ErrorCode.NONE
PARTITION = ("t", 0)
WEEK_MS = 7 * 24 * 3_600_000
Deleted = OffsetDeleteResponse.Topic.Partition


def only_error(desk: Desk, ticket) -> ErrorCode:
    (error,) = desk.committed_errors(ticket).values()
    return error


# -- committing ---------------------------------------------------------------------------------------------------------


def test_offsets_are_committed_and_fetched():
    desk = Desk()
    ticket = desk.commit({("t", 1): 5, ("t", 0): 7, ("u", 0): 1}, metadata="here")
    assert desk.committed_errors(ticket) == {("t", 1): NONE, ("t", 0): NONE, ("u", 0): NONE}
    answer = desk.fetch([("t", 0), ("t", 2), ("x", 0)]).answer
    Topic = OffsetFetchResponse.Group.Topic
    assert answer == OffsetFetchResponse.Group(
        group_id="g",
        topics=[
            Topic(
                name="t",
                partitions=[
                    Topic.Partition(partition_index=0, committed_offset=7, metadata="here"),
                    Topic.Partition(partition_index=2, committed_offset=-1, metadata=""),
                ],
            ),
            Topic(name="x", partitions=[Topic.Partition(partition_index=0, committed_offset=-1, metadata="")]),
        ],
    )


def test_without_topics_all_of_the_group_are_fetched():
    desk = Desk()
    desk.commit({("t", 1): 5, ("t", 0): 7})
    assert desk.offsets() == {("t", 1): 5, ("t", 0): 7}
    assert desk.offsets("other") == {}


def test_an_offset_is_seen_and_answered_when_it_is_committed():
    desk = Desk(auto_commit=False)
    ticket = desk.commit({PARTITION: 5})
    assert (ticket.answer, desk.offsets()) == (None, {})
    desk.commit_log()
    assert (only_error(desk, ticket), desk.offsets()) == (NONE, {PARTITION: 5})


def test_a_stable_fetch_waits_for_what_was_committed_before():
    desk = Desk(auto_commit=False)
    desk.commit({PARTITION: 5})
    ticket = desk.fetch([PARTITION], require_stable=True)
    assert ticket.answer is None
    desk.commit_log()
    assert ticket.answer.topics[0].partitions[0].committed_offset == 5
    assert desk.fetch([PARTITION], require_stable=True).answer is not None


def test_the_record_says_when_and_what():
    desk = Desk()
    desk.commit({PARTITION: 5}, metadata=None)
    value = desk.coordinator.offsets.by_group["g"][PARTITION]
    assert (value[:2], decode_versioned(OffsetCommitValue, value)) == (
        b"\0\4",
        OffsetCommitValue(offset=5, leader_epoch=-1, metadata="", commit_timestamp=WALL_MS + 1000),
    )


@pytest.mark.parametrize(
    ("commit", "error"),
    [
        ({}, ErrorCode.UNKNOWN_MEMBER_ID),
        ({"generation": 1, "member_id": "nobody"}, ErrorCode.UNKNOWN_MEMBER_ID),
        ({"generation": 0, "member_id": "leader"}, ErrorCode.ILLEGAL_GENERATION),
        ({"generation": 2, "member_id": "leader"}, ErrorCode.ILLEGAL_GENERATION),
        ({"generation": -1, "member_id": "leader"}, ErrorCode.ILLEGAL_GENERATION),
        ({"generation": 1, "member_id": "leader", "instance": "x"}, ErrorCode.UNKNOWN_MEMBER_ID),
        ({"generation": 1, "member_id": "leader"}, NONE),
    ],
)
def test_who_may_commit_to_a_group_with_members(commit, error):
    desk = Desk()
    (leader, _), _ = desk.stable(2)
    if commit.get("member_id") == "leader":
        commit = {**commit, "member_id": leader}
    assert only_error(desk, desk.commit({PARTITION: 5}, **commit)) is error
    assert desk.offsets() == ({PARTITION: 5} if error is NONE else {})


def test_a_fenced_static_member_may_not_commit():
    desk = Desk()
    old = desk.join(instance="one")
    desk.run(6000)
    desk.sync(old.answer.member_id, 1, {})
    desk.join(instance="one")
    assert only_error(desk, desk.commit({PARTITION: 5}, old.answer.member_id, 1, instance="one")) is (
        ErrorCode.FENCED_INSTANCE_ID
    )


def test_members_may_commit_while_the_next_generation_prepares_but_not_while_it_shares():
    desk = Desk()
    (leader, follower), generation = desk.stable(2)
    joining = desk.join(member_id=leader)
    assert only_error(desk, desk.commit({PARTITION: 5}, follower, generation)) is NONE
    desk.join(member_id=follower)
    assert only_error(desk, desk.commit({PARTITION: 6}, follower, generation)) is ErrorCode.ILLEGAL_GENERATION
    new = joining.answer.generation_id
    assert only_error(desk, desk.commit({PARTITION: 6}, follower, new)) is ErrorCode.REBALANCE_IN_PROGRESS


def test_a_commit_is_a_sign_of_life():
    desk = Desk()
    (leader, follower), generation = desk.stable(2)
    for _ in range(3):
        desk.run(9_000)
        desk.commit({PARTITION: 5}, leader, generation)
        desk.commit({PARTITION: 5}, follower, generation)
    assert desk.group().state is State.STABLE


@pytest.mark.parametrize(
    ("version", "generation", "error"),
    [(8, -1, NONE), (8, 3, ErrorCode.ILLEGAL_GENERATION), (9, 3, ErrorCode.GROUP_ID_NOT_FOUND)],
)
def test_commits_to_a_group_that_is_not_there(version, generation, error):
    desk = Desk()
    assert (
        only_error(desk, desk.commit({PARTITION: 5}, "m" if generation >= 0 else "", generation, version=version))
        is error
    )


def test_a_group_of_offsets_alone_is_listed_as_empty():
    desk = Desk()
    desk.commit({PARTITION: 5})
    (listed,) = desk.coordinator.list_groups([], [])
    assert (listed.group_id, listed.protocol_type, listed.group_state, listed.group_type) == (
        "g",
        "",
        "Empty",
        "classic",
    )


def test_unknown_partitions_and_long_texts_are_refused_and_the_others_kept():
    desk = Desk()
    ticket = desk.commit({("t", 0): 5, ("missing", 0): 1, ("t", 77): 1})
    assert desk.committed_errors(ticket) == {
        ("missing", 0): ErrorCode.UNKNOWN_TOPIC_OR_PARTITION,
        ("t", 77): ErrorCode.UNKNOWN_TOPIC_OR_PARTITION,
        ("t", 0): NONE,
    }
    assert only_error(desk, desk.commit({PARTITION: 6}, metadata="x" * 4097)) is ErrorCode.OFFSET_METADATA_TOO_LARGE
    assert only_error(desk, desk.commit({PARTITION: 6}, metadata="😀" * 2049)) is ErrorCode.OFFSET_METADATA_TOO_LARGE
    assert desk.offsets() == {("t", 0): 5}
    assert only_error(desk, desk.commit({PARTITION: 6}, metadata="ä" * 4096)) is NONE


@pytest.mark.parametrize(
    ("refusal", "error"),
    [
        (ErrorCode.NOT_ENOUGH_REPLICAS, ErrorCode.COORDINATOR_NOT_AVAILABLE),
        (ErrorCode.NOT_LEADER_OR_FOLLOWER, ErrorCode.NOT_COORDINATOR),
        (ErrorCode.KAFKA_STORAGE_ERROR, ErrorCode.NOT_COORDINATOR),
        (ErrorCode.MESSAGE_TOO_LARGE, ErrorCode.UNKNOWN_SERVER_ERROR),
    ],
)
def test_what_the_log_refuses_is_not_kept(refusal, error):
    desk = Desk()
    desk.refuse_with = refusal
    assert only_error(desk, desk.commit({PARTITION: 5})) is error
    assert desk.offsets() == {}


def test_a_commit_that_takes_too_long_is_answered_and_kept_if_it_is_committed_after_all():
    desk = Desk(auto_commit=False)
    ticket = desk.commit({PARTITION: 5})
    desk.run(5_000)
    assert only_error(desk, ticket) is ErrorCode.COORDINATOR_NOT_AVAILABLE
    desk.commit_log()
    assert desk.offsets() == {PARTITION: 5}


def test_the_last_of_two_commits_holds():
    desk = Desk(auto_commit=False)
    desk.commit({PARTITION: 5})
    desk.commit({PARTITION: 6})
    desk.commit_log(1)
    assert desk.offsets() == {PARTITION: 5}
    desk.commit_log()
    assert desk.offsets() == {PARTITION: 6}


# -- failing over ---------------------------------------------------------------------------------------------------------


def test_the_next_coordinator_knows_what_was_committed_and_nothing_else():
    desk = Desk(auto_commit=False)
    desk.commit({PARTITION: 5})
    desk.commit_log()
    lost = desk.commit({("t", 1): 1})
    desk.fail_over()
    assert only_error(desk, lost) is ErrorCode.NOT_COORDINATOR
    assert desk.offsets() == {PARTITION: 5}


def test_while_the_log_is_read_nobody_is_answered():
    desk = Desk()
    coordinator = type(desk.coordinator)(0, desk.settings, desk.random)
    desk.coordinator = coordinator
    assert only_error(desk, desk.commit({PARTITION: 5})) is ErrorCode.COORDINATOR_LOAD_IN_PROGRESS
    assert desk.fetch().error is desk.join().error is ErrorCode.COORDINATOR_LOAD_IN_PROGRESS
    assert desk.heartbeat("anyone", 7) is NONE


# -- forgetting -----------------------------------------------------------------------------------------------------------


def test_offsets_of_a_group_without_members_can_be_deleted():
    desk = Desk()
    desk.commit({("t", 0): 5, ("t", 1): 6})
    answer = desk.delete_offsets(("t", 0), ("t", 3), ("t", 99)).answer
    assert answer.topics[0].partitions == [
        Deleted(partition_index=99, error_code=ErrorCode.UNKNOWN_TOPIC_OR_PARTITION),
        Deleted(partition_index=0),
        Deleted(partition_index=3),
    ]
    assert desk.offsets() == {("t", 1): 6}
    desk.fail_over()
    assert desk.offsets() == {("t", 1): 6}


def test_offsets_of_topics_that_are_read_cannot_be_deleted():
    desk = Desk()
    (leader, _), generation = desk.stable(2)
    desk.commit({("t", 0): 5, ("other", 0): 6}, leader, generation)
    answer = desk.delete_offsets(("t", 0), ("other", 0)).answer
    assert [topic.partitions[0].error_code for topic in answer.topics] == [ErrorCode.GROUP_SUBSCRIBED_TO_TOPIC, NONE]
    assert desk.offsets() == {("t", 0): 5}


def test_a_group_whose_members_are_no_consumers_keeps_its_offsets():
    desk = Desk()
    desk.join(version=3, protocol_type="connect", protocols=(("x", b""),))
    desk.run(3000)
    assert desk.delete_offsets(PARTITION).error is ErrorCode.NON_EMPTY_GROUP
    assert desk.delete_offsets(PARTITION, group_id="unknown").error is ErrorCode.GROUP_ID_NOT_FOUND


def test_a_group_without_members_can_be_deleted_with_its_offsets():
    desk = Desk(auto_commit=False)
    desk.commit({PARTITION: 5})
    desk.commit_log()
    ticket = desk.delete_group()
    assert (ticket.answer, desk.offsets()) == (None, {PARTITION: 5})
    desk.commit_log()
    assert (ticket.error, desk.offsets(), desk.coordinator.list_groups([], [])) == (NONE, {}, [])
    desk.fail_over()
    assert (desk.offsets(), desk.coordinator.list_groups([], [])) == ({}, [])


def test_what_cannot_be_deleted():
    desk = Desk()
    desk.stable(1)
    assert desk.delete_group().error is ErrorCode.NON_EMPTY_GROUP
    assert desk.delete_group("unknown").error is ErrorCode.GROUP_ID_NOT_FOUND


def test_a_group_lives_on_when_somebody_joins_before_its_deletion_is_committed():
    desk = Desk(auto_commit=False)
    desk.commit({PARTITION: 5})
    desk.commit_log()
    desk.delete_group()
    _, joining = desk.joined()
    desk.commit_log()
    desk.run(3000)
    assert (joining.error, desk.offsets()) == (NONE, {})


def test_offsets_of_a_deleted_topic_are_forgotten():
    desk = Desk()
    desk.commit({("t", 0): 5, ("u", 0): 6})
    desk.commit({("t", 1): 5}, group_id="h")
    desk.coordinator.topic_deleted("t")
    desk.run(100)
    assert (desk.offsets(), desk.offsets("h")) == ({("u", 0): 6}, {})


def test_offsets_expire_a_week_after_the_last_member_has_left():
    """KIP-211: not after the commit."""
    desk = Desk()
    (member,), generation = desk.stable(1)
    desk.commit({PARTITION: 5}, member, generation)
    for _ in range(20):
        desk.run(8_000)
        desk.heartbeat(member, generation)
    desk.leave((member, None))
    desk.run(WEEK_MS - 1_000)
    assert desk.offsets() == {PARTITION: 5}
    desk.run(600_000)
    assert (desk.offsets(), desk.coordinator.groups) == ({}, {})
    desk.fail_over()
    assert desk.coordinator.groups == {}


def test_offsets_of_a_consumer_that_is_no_member_expire_a_week_after_its_last_commit():
    desk = Desk()
    desk.commit({PARTITION: 5})
    desk.run(WEEK_MS // 2)
    desk.commit({("t", 1): 6})
    desk.run(WEEK_MS // 2 + 600_000)
    assert desk.offsets() == {("t", 1): 6}
    desk.run(WEEK_MS // 2 + 600_000)
    assert desk.coordinator.groups == {}


def test_members_keep_what_they_read_and_lose_what_they_do_not():
    desk = Desk(GroupSettings(offsets_retention_ms=60_000, retention_check_ms=10_000))
    (member,), generation = desk.stable(1)
    desk.commit({PARTITION: 5, ("left", 0): 6}, member, generation)
    for _ in range(10):
        desk.run(9_000)
        desk.heartbeat(member, generation)
    assert desk.offsets() == {PARTITION: 5}


def test_a_commit_may_bring_its_own_retention():
    desk = Desk()
    desk.commit({PARTITION: 5}, version=4, retention_ms=700_000)
    value = desk.coordinator.offsets.by_group["g"][PARTITION]
    assert (value[:2], decode_versioned(OffsetCommitValue, value).expire_timestamp) == (b"\0\1", WALL_MS + 701_000)
    desk.run(650_000)
    assert desk.offsets() == {PARTITION: 5}
    desk.run(600_000)
    assert desk.offsets() == {}


def test_an_empty_group_without_offsets_is_forgotten_at_the_next_look():
    desk = Desk()
    desk.join("ghost")
    desk.run(600_100)
    assert desk.coordinator.groups == {}


def test_many_offsets_expire_a_slice_at_a_time():
    desk = Desk()
    for number in range(30):
        desk.commit({("t", partition): 1 for partition in range(10)}, group_id=f"g{number}")
    desk.run(WEEK_MS + 600_000)
    assert (desk.coordinator.groups, desk.coordinator.offsets.by_group) == ({}, {})
