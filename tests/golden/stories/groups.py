"""Groups: members come, share, stay alive and go; static members; and every way to be told that one does not belong."""

import struct

from minikafka.wire.messages.groups import (
    DeleteGroupsRequest,
    DescribeGroupsRequest,
    FindCoordinatorRequest,
    HeartbeatRequest,
    JoinGroupRequest,
    LeaveGroupRequest,
    ListGroupsRequest,
    SyncGroupRequest,
)
from minikafka.wire.messages.offsets import OffsetCommitRequest
from tests.golden.play import Connection, Stage, Theme

theme = Theme(
    "groups",
    "FindCoordinator, JoinGroup, SyncGroup, Heartbeat, LeaveGroup, DescribeGroups, ListGroups, DeleteGroups",
    (
        "group.initial.rebalance.delay.ms=0",
        "group.min.session.timeout.ms=100",
        "group.max.session.timeout.ms=60000",
        "group.max.size=3",
    ),
)

SESSION_MS = 30000


def subscription(topic: bytes, more: bytes) -> bytes:
    """What a consumer says it wants, version 0: topics, and data of its own.

    The coordinator passes it on, but Apache Kafka also looks into it for the topics' names: bytes that begin with a good
    version and go on badly leave it with a join that it never answers.
    """
    return struct.pack(">hih", 0, 1, len(topic)) + topic + struct.pack(">i", len(more)) + more


RANGE = JoinGroupRequest.Protocol(name="range", metadata=subscription(b"news", b"near"))
ROBIN = JoinGroupRequest.Protocol(name="roundrobin", metadata=subscription(b"news", b"any"))


def join(
    group: str,
    member_id: str = "",
    *protocols: JoinGroupRequest.Protocol,
    instance: str | None = None,
    session_ms: int = SESSION_MS,
    rebalance_ms: int = 20000,
    protocol_type: str = "consumer",
) -> JoinGroupRequest:
    return JoinGroupRequest(
        group_id=group,
        session_timeout_ms=session_ms,
        rebalance_timeout_ms=rebalance_ms,
        member_id=member_id,
        group_instance_id=instance,
        protocol_type=protocol_type,
        protocols=list(protocols) or [RANGE, ROBIN],
    )


def sync(
    group: str,
    generation: int,
    member_id: str,
    shares: dict[str, bytes] | None = None,
    instance: str | None = None,
    protocol_type: str | None = "consumer",
    protocol_name: str | None = "range",
) -> SyncGroupRequest:
    Assignment = SyncGroupRequest.Assignment
    return SyncGroupRequest(
        group_id=group,
        generation_id=generation,
        member_id=member_id,
        group_instance_id=instance,
        protocol_type=protocol_type,
        protocol_name=protocol_name,
        assignments=[Assignment(member_id=who, assignment=share) for who, share in (shares or {}).items()],
    )


def beat(group: str, generation: int, member_id: str, instance: str | None = None) -> HeartbeatRequest:
    return HeartbeatRequest(group_id=group, generation_id=generation, member_id=member_id, group_instance_id=instance)


def leave(group: str, *members: str | tuple[str, str]) -> LeaveGroupRequest:
    """Members by id, or by (id, instance id); the first one alone before version 3."""
    Member = LeaveGroupRequest.Member
    pairs = [(each, None) if isinstance(each, str) else each for each in members]
    rows = [Member(member_id=member_id, group_instance_id=instance) for member_id, instance in pairs]
    return LeaveGroupRequest(group_id=group, member_id=pairs[0][0] if pairs else "", members=rows)


def describe(*groups: str) -> DescribeGroupsRequest:
    return DescribeGroupsRequest(groups=list(groups))


def entered(connection: Connection, group: str, version: int = 9, *protocols: JoinGroupRequest.Protocol) -> str:
    """A first JoinGroup; the member id that came back."""
    member_id: str = connection.ask(join(group, "", *protocols), version).member_id
    return member_id


def alone(stage: Stage, connection: Connection, group: str) -> str:
    """The only member of a stable group at generation 1; its id."""
    stage.coordinator(group)
    member_id = entered(connection, group)
    connection.ask(join(group, member_id), 9)
    connection.ask(sync(group, 1, member_id, {member_id: b"everything"}), 5)
    return member_id


def until_rebalance(connection: Connection, group: str, generation: int, member_id: str) -> None:
    """Beat until the coordinator says that others have come."""
    connection.until(lambda answer: answer.error_code == 27, beat(group, generation, member_id), 4)


def two(stage: Stage, a: Connection, b: Connection, group: str) -> tuple[str, str]:
    """Two members in a stable group at generation 2, the first one leads; their ids."""
    first = alone(stage, a, group)
    second = entered(b, group)
    waiting = b.send(join(group, second), 9)
    until_rebalance(a, group, 1, first)
    a.ask(join(group, first), 9)
    waiting.answer()
    both = b.send(sync(group, 2, second), 5)
    a.ask(sync(group, 2, first, {first: b"left half", second: b"right half"}), 5)
    both.answer()
    return first, second


# -------------------------------------------------------------------------------------------------- FindCoordinator


@theme.story_by_version("FindCoordinator")
def find_coordinator(stage: Stage, version: int) -> None:
    """Of groups, from version 4 of several at once; an empty key is one like others; of an unknown kind there is none."""
    a = stage.connect()
    stage.coordinator("warm-up")
    if version < 4:
        a.ask(FindCoordinatorRequest(key="my-group"), version)
        a.ask(FindCoordinatorRequest(key=""), version)
    else:
        a.ask(FindCoordinatorRequest(coordinator_keys=["my-group", "another"]), version)
        a.ask(FindCoordinatorRequest(coordinator_keys=[""]), version)
        a.ask(FindCoordinatorRequest(coordinator_keys=[]), version)
        a.ask(FindCoordinatorRequest(coordinator_keys=["x", "x"]), version)
    if version:
        keys = {"key": "x"} if version < 4 else {"coordinator_keys": ["x"]}
        a.send(FindCoordinatorRequest(key_type=7, **keys), version).either()


# ------------------------------------------------------------------------------------------------- a life in a group


@theme.story_by_version("JoinGroup")
def joining_alone(stage: Stage, version: int) -> None:
    """From version 4 the first answer is MEMBER_ID_REQUIRED and an id to come again with; before, the member is in."""
    a = stage.connect()
    group = stage.name
    stage.coordinator(group)
    answer = a.ask(join(group), version)
    if version >= 4:
        answer = a.ask(join(group, answer.member_id), version)
    a.ask(sync(group, 1, answer.member_id, {answer.member_id: b"everything"}), min(version, 5))
    a.ask(join(group, answer.member_id), version)
    a.ask(leave(group, answer.member_id), min(version, 5))


@theme.story_by_version("SyncGroup")
def syncing(stage: Stage, version: int) -> None:
    """The leader's share, again for who asks again; wrong generations and members; from version 5 wrong protocols."""
    a = stage.connect()
    group = stage.name
    member = alone(stage, a, group)
    a.ask(sync(group, 1, member), version)
    a.ask(sync(group, 2, member), version)
    a.ask(sync(group, 0, member), version)
    a.ask(sync(group, 1, "nobody"), version)
    a.ask(sync(group, 1, ""), version)
    a.ask(sync("no-such-group", 1, member), version)
    a.ask(sync("", 1, member), version)
    a.ask(sync(group, 1, member, protocol_name="roundrobin"), version)
    a.ask(sync(group, 1, member, protocol_type="connect"), version)
    a.ask(sync(group, 1, member, protocol_type=None, protocol_name=None), version)


@theme.story_by_version("Heartbeat")
def beating(stage: Stage, version: int) -> None:
    """Only the right member of the right generation in the right group is heard."""
    a = stage.connect()
    group = stage.name
    member = alone(stage, a, group)
    a.ask(beat(group, 1, member), version)
    a.ask(beat(group, 2, member), version)
    a.ask(beat(group, 0, member), version)
    a.ask(beat(group, -1, member), version)
    a.ask(beat(group, 1, "nobody"), version)
    a.ask(beat(group, 1, ""), version)
    a.ask(beat("no-such-group", 1, member), version)
    a.ask(beat("", 1, member), version)
    if version >= 3:
        a.ask(beat(group, 1, member, "no-such-instance"), version)


@theme.story_by_version("LeaveGroup")
def leaving(stage: Stage, version: int) -> None:
    """The last member leaves an empty group behind; who is not there cannot leave."""
    a = stage.connect()
    group = stage.name
    member = alone(stage, a, group)
    a.ask(leave(group, "nobody"), version)
    a.ask(leave("no-such-group", member), version)
    a.ask(leave("", member), version)
    a.ask(leave(group, member), version)
    a.ask(leave(group, member), version)
    a.ask(describe(group), 5)
    a.ask(beat(group, 1, member), 4)


@theme.story
def several_leave(stage: Stage) -> None:
    """From version 3 on several at once, each with an answer of its own."""
    a, b = stage.connect("a"), stage.connect("b")
    group = stage.name
    first, second = two(stage, a, b, group)
    a.ask(leave(group), 4)
    a.ask(leave(group, second, "nobody", (first, "no-such-instance"), ("", "no-such-instance")), 5)
    a.ask(leave(group, first, first), 5)


@theme.story
def two_members_share(stage: Stage) -> None:
    """The second one's coming makes a rebalance; the leader hears of both, and gives each its share."""
    a, b = stage.connect("a"), stage.connect("b")
    group = stage.name
    first, second = two(stage, a, b, group)
    a.ask(beat(group, 2, first), 4)
    b.ask(beat(group, 2, second), 4)
    a.ask(describe(group), 5)
    b.ask(leave(group, second), 5)
    until_rebalance(a, group, 2, first)
    a.ask(beat(group, 1, first), 4)
    a.ask(sync(group, 2, first), 5)
    a.ask(describe(group), 5)
    a.ask(join(group, first), 9)
    a.ask(beat(group, 3, first), 4)
    a.ask(describe(group), 5)
    a.ask(sync(group, 3, first, {first: b"everything"}), 5)


@theme.story
def shares_from_a_follower(stage: Stage) -> None:
    """Only the leader's assignments count; who gets none has an empty one."""
    a, b = stage.connect("a"), stage.connect("b")
    group = stage.name
    first = alone(stage, a, group)
    second = entered(b, group)
    waiting = b.send(join(group, second), 9)
    until_rebalance(a, group, 1, first)
    a.ask(join(group, first), 9)
    waiting.answer()
    both = b.send(sync(group, 2, second, {first: b"stolen", second: b"stolen"}), 5)
    a.ask(sync(group, 2, first, {first: b"left", "nobody": b"lost"}), 5)
    both.answer()


@theme.story
def rejoining(stage: Stage) -> None:
    """Unchanged, a follower gets the generation there is; the leader's coming again, or other metadata, makes a new one."""
    a, b = stage.connect("a"), stage.connect("b")
    group = stage.name
    first, second = two(stage, a, b, group)
    b.ask(join(group, second), 9)
    again = b.send(join(group, second, RANGE), 9)
    until_rebalance(a, group, 2, first)
    a.ask(join(group, first), 9)
    again.answer()
    both = b.send(sync(group, 3, second), 5)
    a.ask(sync(group, 3, first, {first: b"1", second: b"2"}), 5)
    both.answer()
    leading = a.send(join(group, first), 9)
    b.until(lambda answer: answer.error_code == 27, beat(group, 3, second), 4)
    b.ask(join(group, second, RANGE), 9)
    leading.answer()


@theme.story
def votes(stage: Stage) -> None:
    """Each member votes for its first protocol that all support; here both can do roundrobin only."""
    a, b = stage.connect("a"), stage.connect("b")
    group = stage.name
    first = alone(stage, a, group)
    second = b.ask(join(group, "", ROBIN), 9).member_id
    waiting = b.send(join(group, second, ROBIN), 9)
    until_rebalance(a, group, 1, first)
    a.ask(join(group, first), 9)
    waiting.answer()
    a.ask(describe(group), 5)


@theme.story
def not_let_in(stage: Stage) -> None:
    """Each reason to refuse a JoinGroup."""
    a, b = stage.connect("a"), stage.connect("b")
    group = stage.name
    alone(stage, a, group)
    sticky = JoinGroupRequest.Protocol(name="sticky", metadata=subscription(b"news", b""))
    for version in (3, 9):
        b.ask(join(group, "nobody"), version)
        b.ask(join("", ""), version)
        b.ask(join(group, "", session_ms=99), version)
        b.ask(join(group, "", session_ms=60001), version)
        b.ask(join(group, "", sticky), version)
        b.ask(join(group, "", protocol_type="connect"), version)
        b.ask(join(group, "", protocol_type=""), version)
        b.ask(join("no-such-group", "nobody"), version)
        empty = join("a-group-without-protocols")
        empty.protocols = []
        b.ask(empty, version)
        b.ask(join("a-group-without-type", "", protocol_type=""), version)


@theme.story
def instance_ids_that_cannot_be(stage: Stage) -> None:
    """What may be the id of an instance, and what becomes of a request that has another."""
    stage.coordinator(stage.name)
    for number, instance in enumerate(["", "a b", ".", "x" * 249, "x" * 250]):
        a = stage.connect()
        a.send(join(f"{stage.name}-{number}", "", instance=instance), 9).either()


@theme.story
def full(stage: Stage) -> None:
    """group.max.size is 3 here: a fourth is refused, whether it is new or has been given an id."""
    group = stage.name
    a, b, c, d = (stage.connect(who) for who in "abcd")
    first = alone(stage, a, group)
    second, third = entered(b, group), entered(c, group)
    waiting = [b.send(join(group, second), 9), c.send(join(group, third), 9)]
    d.until(lambda answer: len(answer.groups[0].members) == 3, describe(group), 5)
    a.ask(join(group, first), 9)
    for held in waiting:
        held.answer()
    fourth = entered(d, group)
    d.ask(join(group, fourth), 9)
    d.ask(join(group), 3)


@theme.story
def waited_for(stage: Stage) -> None:
    """A member that has been given an id is waited for in a rebalance as if it had joined, until its session timeout."""
    a, b, c = stage.connect("a"), stage.connect("b"), stage.connect("c")
    group = stage.name
    first = alone(stage, a, group)
    second = entered(b, group)
    c.ask(join(group, session_ms=300), 9)
    waiting = b.send(join(group, second), 9)
    until_rebalance(a, group, 1, first)
    a.ask(join(group, first), 9)
    waiting.answer()


@theme.story
def silent(stage: Stage) -> None:
    """No sign of life within the session timeout: the member is out, and must come as a new one."""
    a, b = stage.connect("a"), stage.connect("b")
    group = stage.name
    stage.coordinator(group)
    first = a.ask(join(group, session_ms=200), 9).member_id
    a.ask(join(group, first, session_ms=200), 9)
    a.ask(sync(group, 1, first, {first: b"everything"}), 5)
    b.until(lambda answer: answer.groups[0].group_state == "Empty", describe(group), 5)
    a.ask(beat(group, 1, first), 4)
    a.ask(join(group, first), 9)
    a.ask(sync(group, 1, first), 5)


@theme.story
def late(stage: Stage) -> None:
    """A member that does not come to a rebalance within its timeout is left out of the next generation."""
    a, b = stage.connect("a"), stage.connect("b")
    group = stage.name
    stage.coordinator(group)
    first = a.ask(join(group, rebalance_ms=300), 9).member_id
    a.ask(join(group, first, rebalance_ms=300), 9)
    a.ask(sync(group, 1, first, {first: b"everything"}), 5)
    second = b.ask(join(group, rebalance_ms=300), 9).member_id
    b.ask(join(group, second, rebalance_ms=300), 9)
    a.ask(beat(group, 1, first), 4)
    b.ask(sync(group, 2, second, {second: b"everything"}), 5)


@theme.story
def never_syncing(stage: Stage) -> None:
    """A leader that brings no assignment: another rebalance after the timeout, without it."""
    a, b = stage.connect("a"), stage.connect("b")
    group = stage.name
    first, second = two(stage, a, b, group)
    waiting = a.send(join(group, first), 9)
    b.until(lambda answer: answer.error_code == 27, beat(group, 2, second), 4)
    b.ask(join(group, second), 9)
    waiting.answer()
    b.ask(beat(group, 3, second), 4)
    a.ask(beat(group, 3, first), 4)
    a.ask(leave(group, first), 5)
    b.ask(beat(group, 3, second), 4)


@theme.story
def gone_while_waiting(stage: Stage) -> None:
    """A rebalance under way: who waits in SyncGroup is told to join again."""
    a, b, c = stage.connect("a"), stage.connect("b"), stage.connect("c")
    group = stage.name
    first = alone(stage, a, group)
    second = entered(b, group)
    waiting = b.send(join(group, second), 9)
    until_rebalance(a, group, 1, first)
    a.ask(join(group, first), 9)
    waiting.answer()
    syncing = b.send(sync(group, 2, second), 5)
    third = entered(c, group)
    coming = c.send(join(group, third), 9)
    syncing.answer()
    back = b.send(join(group, second), 9)
    until_rebalance(a, group, 2, first)
    a.ask(join(group, first), 9)
    back.answer()
    coming.answer()


# --------------------------------------------------------------------------------------------------- static members


@theme.story
def a_static_member_returns(stage: Stage) -> None:
    """Known by its instance id it needs no first round, and after a restart takes its place back without a rebalance;
    its old self is FENCED_INSTANCE_ID."""
    a, b = stage.connect("a"), stage.connect("b")
    group = stage.name
    stage.coordinator(group)
    first = a.ask(join(group, instance="one"), 9).member_id
    a.ask(sync(group, 1, first, {first: b"everything"}, instance="one"), 5)
    second = b.ask(join(group, instance="one"), 9).member_id
    b.ask(sync(group, 1, second, instance="one"), 5)
    b.ask(beat(group, 1, second, "one"), 4)
    a.ask(beat(group, 1, first, "one"), 4)
    a.ask(sync(group, 1, first, instance="one"), 5)
    a.ask(join(group, first, instance="one"), 9)
    a.ask(beat(group, 1, first), 4)
    commit = OffsetCommitRequest(
        group_id=group, generation_id_or_member_epoch=1, member_id=first, group_instance_id="one"
    )
    Topic = OffsetCommitRequest.Topic
    commit.topics = [Topic(name=stage.topic(), partitions=[Topic.Partition(partition_index=0, committed_offset=1)])]
    a.ask(commit, 8)
    a.ask(leave(group, (first, "one")), 5)
    b.ask(describe(group), 5)
    b.ask(leave(group, ("", "one")), 5)
    b.ask(describe(group), 5)


@theme.story
def a_static_member_returns_changed(stage: Stage) -> None:
    """With other protocols than before a static member's return is a rebalance."""
    a, b = stage.connect("a"), stage.connect("b")
    group = stage.name
    stage.coordinator(group)
    first = a.ask(join(group, instance="one"), 9).member_id
    a.ask(sync(group, 1, first, {first: b"everything"}, instance="one"), 5)
    b.ask(join(group, "", ROBIN, instance="one"), 9)


@theme.story
def a_static_follower_returns(stage: Stage) -> None:
    """Before version 9 the leader would be named wrongly: two static members, the follower comes back."""
    a, b, c = stage.connect("a"), stage.connect("b"), stage.connect("c")
    group = stage.name
    stage.coordinator(group)
    first = a.ask(join(group, instance="one"), 9).member_id
    a.ask(sync(group, 1, first, {first: b"everything"}, instance="one"), 5)
    waiting = b.send(join(group, instance="two"), 9)
    until_rebalance(a, group, 1, first)
    a.ask(join(group, first, instance="one"), 9)
    second = waiting.answer().member_id
    both = b.send(sync(group, 2, second, instance="two"), 5)
    a.ask(sync(group, 2, first, {first: b"1", second: b"2"}, instance="one"), 5)
    both.answer()
    returned = c.ask(join(group, instance="two"), 9).member_id
    c.ask(sync(group, 2, returned, instance="two"), 5)
    leader = c.ask(join(group, instance="one"), 9).member_id
    c.ask(beat(group, 2, leader, "one"), 4)


@theme.story
def unknown_instances(stage: Stage) -> None:
    """An instance id that the group does not know, with a member id that it does, or does not."""
    a = stage.connect()
    group = stage.name
    member = alone(stage, a, group)
    a.ask(join(group, member, instance="other"), 9)
    a.ask(join(group, "nobody", instance="other"), 9)
    a.ask(sync(group, 1, member, instance="other"), 5)
    a.ask(leave(group, (member, "other"), ("", "other"), ("", "")), 5)


# ------------------------------------------------------------------------------------------------ seen from outside


@theme.story_by_version("DescribeGroups")
def described(stage: Stage, version: int) -> None:
    """A stable group with its member's data; an unknown one is "Dead", from version 6 an error."""
    a = stage.connect()
    group = stage.name
    alone(stage, a, group)
    a.ask(describe(group, "no-such-group"), version)
    a.ask(describe(group, group), version)
    a.ask(describe(""), version)
    a.ask(describe(), version)
    if version >= 3:
        a.ask(DescribeGroupsRequest(groups=[group], include_authorized_operations=True), version)


@theme.story
def states_in_turn(stage: Stage) -> None:
    """PreparingRebalance, CompletingRebalance, Stable, Empty, and Dead once deleted."""
    a, b = stage.connect("a"), stage.connect("b")
    group = stage.name
    first = alone(stage, a, group)
    second = entered(b, group)
    a.ask(describe(group), 5)
    waiting = b.send(join(group, second), 9)
    until_rebalance(a, group, 1, first)
    a.ask(describe(group), 5)
    a.ask(join(group, first), 9)
    waiting.answer()
    a.ask(describe(group), 5)
    a.ask(sync(group, 2, first, {first: b"1", second: b"2"}), 5)
    a.ask(describe(group), 5)
    a.ask(DeleteGroupsRequest(groups_names=[group]), 2)
    a.ask(leave(group, first, second), 5)
    a.ask(describe(group), 5)
    a.ask(DeleteGroupsRequest(groups_names=[group]), 2)
    a.ask(describe(group), 5)


@theme.story_by_version("DeleteGroups")
def deleted(stage: Stage, version: int) -> None:
    """NON_EMPTY_GROUP while it has members, GROUP_ID_NOT_FOUND once it is gone."""
    a = stage.connect()
    group = stage.name
    member = alone(stage, a, group)
    a.ask(DeleteGroupsRequest(groups_names=[group, "no-such-group"]), version)
    a.ask(leave(group, member), 5)
    a.ask(DeleteGroupsRequest(groups_names=[group]), version)
    a.ask(DeleteGroupsRequest(groups_names=[group]), version)
    a.ask(DeleteGroupsRequest(groups_names=["", group, group]), version)
    a.ask(DeleteGroupsRequest(groups_names=[]), version)
    a.ask(join(group, member), 9)


@theme.story_by_version("ListGroups")
def listed(stage: Stage, version: int) -> None:
    """From version 4 by state, from version 5 by kind; other stories' groups are removed first."""
    a = stage.connect()
    everyone = stage.backstage().ask(ListGroupsRequest(), 4).groups
    for group in everyone:
        members = stage.backstage().ask(describe(group.group_id), 5).groups[0].members
        if members:
            stage.backstage().ask(leave(group.group_id, *(member.member_id for member in members)), 5)
    stage.backstage().ask(DeleteGroupsRequest(groups_names=[group.group_id for group in everyone]), 2)
    a.ask(ListGroupsRequest(), version)
    name = stage.name
    alone(stage, a, name)
    empty = alone(stage, a, f"{name}-empty")
    a.ask(leave(f"{name}-empty", empty), 5)
    a.ask(ListGroupsRequest(), version)
    if version >= 4:
        for states in (["Stable"], ["Empty"], ["stable"], ["Dead"], ["Empty", "Stable"], ["No such state"]):
            a.ask(ListGroupsRequest(states_filter=states), version)
    if version >= 5:
        for kinds in (["classic"], ["Classic"], ["consumer"], ["share"], ["no such kind"], ["consumer", "classic"]):
            a.ask(ListGroupsRequest(types_filter=kinds), version)
