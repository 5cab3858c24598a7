"""Offsets: committed, fetched, deleted, by members and by those who are none."""

from minikafka.wire.messages.groups import DeleteGroupsRequest, DescribeGroupsRequest, ListGroupsRequest
from minikafka.wire.messages.offsets import OffsetCommitRequest, OffsetDeleteRequest, OffsetFetchRequest
from tests.golden.play import Stage, Theme
from tests.golden.stories.groups import alone, describe, entered, join, leave, sync, until_rebalance

theme = Theme(
    "offsets",
    "OffsetCommit, OffsetFetch, OffsetDelete",
    ("group.initial.rebalance.delay.ms=0", "offset.metadata.max.bytes=100"),
)

Row = tuple[str, int, int]


def commit(
    group: str,
    *rows: Row,
    generation: int = -1,
    member_id: str = "",
    instance: str | None = None,
    epoch: int = -1,
    metadata: str | None = "",
) -> OffsetCommitRequest:
    """Rows of topic, partition, offset."""
    Topic = OffsetCommitRequest.Topic
    topics: dict[str, list[OffsetCommitRequest.Topic.Partition]] = {}
    for topic, partition, offset in rows:
        topics.setdefault(topic, []).append(
            Topic.Partition(
                partition_index=partition,
                committed_offset=offset,
                committed_leader_epoch=epoch,
                committed_metadata=metadata,
            )
        )
    return OffsetCommitRequest(
        group_id=group,
        generation_id_or_member_epoch=generation,
        member_id=member_id,
        group_instance_id=instance,
        topics=[Topic(name=name, partitions=partitions) for name, partitions in topics.items()],
    )


def fetch(group: str, *topics: tuple[str, list[int]], version: int, everything: bool = False) -> OffsetFetchRequest:
    """Of one group; `everything`: whatever it has committed."""
    if version < 8:
        old = [OffsetFetchRequest.Topic(name=name, partition_indexes=indexes) for name, indexes in topics]
        return OffsetFetchRequest(group_id=group, topics=None if everything else old)
    Group = OffsetFetchRequest.Group
    rows = [Group.Topic(name=name, partition_indexes=indexes) for name, indexes in topics]
    return OffsetFetchRequest(groups=[Group(group_id=group, topics=None if everything else rows)])


@theme.story_by_version("OffsetCommit")
def committed_by_nobody(stage: Stage, version: int) -> None:
    """Without a member, to a group that has none: it is made by that.  Unknown topics and partitions are told apart from
    known ones; metadata may be null, but not too long."""
    a = stage.connect()
    group, topic = stage.name, stage.topic(partitions=2)
    stage.coordinator(group)
    a.ask(commit(group, (topic, 0, 5), (topic, 1, 7), epoch=0, metadata="as far as this"), version)
    a.ask(commit(group, (topic, 0, 6), metadata=None), version)
    a.ask(commit(group, (topic, 0, 8), (topic, 2, 9), ("nobody-made-it", 0, 1)), version)
    a.ask(commit(group, (topic, 0, 9), metadata="x" * 100), version)
    a.ask(commit(group, (topic, 0, 10), metadata="x" * 101), version)
    a.ask(commit(group, (topic, 1, -1)), version)
    a.ask(commit(group, (topic, 1, -5)), version)
    a.ask(commit(group), version)
    a.ask(commit("", (topic, 0, 1)), version)
    a.ask(commit(f"{group}-other", (topic, 0, 1), generation=1, member_id="nobody"), version)
    a.ask(commit(f"{group}-other", (topic, 0, 1), member_id="nobody"), version)
    a.ask(commit(f"{group}-other", (topic, 0, 1), generation=1), version)
    a.ask(fetch(group, version=8, everything=True), 8)
    a.ask(fetch(f"{group}-other", version=8, everything=True), 8)


@theme.story_by_version("OffsetCommit")
def committed_by_a_member(stage: Stage, version: int) -> None:
    """The right member of the right generation, and all others; a group that has members takes nothing from outside."""
    a = stage.connect()
    group, topic = stage.name, stage.topic()
    member = alone(stage, a, group)
    a.ask(commit(group, (topic, 0, 1), generation=1, member_id=member), version)
    a.ask(commit(group, (topic, 0, 2), generation=2, member_id=member), version)
    a.ask(commit(group, (topic, 0, 2), generation=0, member_id=member), version)
    a.ask(commit(group, (topic, 0, 2), generation=1, member_id="nobody"), version)
    a.ask(commit(group, (topic, 0, 2), generation=1, member_id=""), version)
    a.ask(commit(group, (topic, 0, 2), generation=-1, member_id=member), version)
    a.ask(commit(group, (topic, 0, 2)), version)
    if version >= 7:
        a.ask(commit(group, (topic, 0, 2), generation=1, member_id=member, instance="other"), version)
    a.ask(fetch(group, (topic, [0]), version=8), 8)
    a.ask(leave(group, member), 5)
    a.ask(commit(group, (topic, 0, 3), generation=1, member_id=member), version)
    a.ask(commit(group, (topic, 0, 4)), version)
    a.ask(fetch(group, (topic, [0]), version=8), 8)


@theme.story
def committed_in_a_rebalance(stage: Stage) -> None:
    """While members are called together one may still commit; while the leader shares, one may not."""
    a, b = stage.connect("a"), stage.connect("b")
    group, topic = stage.name, stage.topic()
    first = alone(stage, a, group)
    second = entered(b, group)
    waiting = b.send(join(group, second), 9)
    until_rebalance(a, group, 1, first)
    a.ask(commit(group, (topic, 0, 1), generation=1, member_id=first), 8)
    a.ask(join(group, first), 9)
    waiting.answer()
    a.ask(commit(group, (topic, 0, 2), generation=2, member_id=first), 8)
    a.ask(commit(group, (topic, 0, 2), generation=1, member_id=first), 8)
    a.ask(fetch(group, (topic, [0]), version=8), 8)


@theme.story_by_version("OffsetFetch")
def fetched(stage: Stage, version: int) -> None:
    """What is kept, and -1 for what is not, whether or not there is such a topic; from version 2 everything at once."""
    a = stage.connect()
    group, topic = stage.name, stage.topic(partitions=2)
    stage.coordinator(group)
    a.ask(commit(group, (topic, 0, 5), epoch=0, metadata="here"), 8)
    a.ask(fetch(group, (topic, [0, 1, 7]), ("nobody-made-it", [0]), version=version), version)
    a.ask(fetch("no-such-group", (topic, [0]), version=version), version)
    a.ask(fetch(group, version=version), version)
    a.ask(fetch(group, (topic, []), version=version), version)
    a.ask(fetch(group, (topic, [0, 0]), version=version), version)
    a.ask(fetch("", (topic, [0]), version=version), version)
    if version >= 2:
        a.ask(fetch(group, version=version, everything=True), version)
        a.ask(fetch("no-such-group", version=version, everything=True), version)
    if version >= 7:
        stable = fetch(group, (topic, [0]), version=version)
        stable.require_stable = True
        a.ask(stable, version)


@theme.story
def several_groups(stage: Stage) -> None:
    """From version 8 on of several groups at once; in version 9 who asks may say which member it is."""
    a = stage.connect()
    group, topic = stage.name, stage.topic()
    stage.coordinator(group)
    a.ask(commit(group, (topic, 0, 5)), 8)
    a.ask(commit(f"{group}-2", (topic, 0, 6)), 8)
    Group = OffsetFetchRequest.Group
    wanted = [Group.Topic(name=topic, partition_indexes=[0])]
    both = [
        Group(group_id=group, topics=wanted),
        Group(group_id=f"{group}-2", topics=None),
        Group(group_id="", topics=None),
    ]
    a.ask(OffsetFetchRequest(groups=both), 8)
    a.ask(OffsetFetchRequest(groups=[]), 8)
    a.ask(OffsetFetchRequest(groups=[Group(group_id=group, topics=wanted)] * 2), 8)
    a.ask(OffsetFetchRequest(groups=[Group(group_id=group, topics=wanted, member_id="nobody", member_epoch=3)]), 9)
    a.ask(OffsetFetchRequest(groups=[Group(group_id=group, topics=wanted, member_id="", member_epoch=-1)]), 9)


@theme.story
def a_group_of_offsets_alone(stage: Stage) -> None:
    """It is listed and described as Empty, without a protocol type, and can be deleted, offsets and all."""
    a = stage.connect()
    group, topic = stage.name, stage.topic()
    stage.coordinator(group)
    a.ask(commit(group, (topic, 0, 5)), 8)
    a.ask(DescribeGroupsRequest(groups=[group]), 5)
    listed = stage.backstage().ask(ListGroupsRequest(), 5).groups
    assert [(each.protocol_type, each.group_state, each.group_type) for each in listed if each.group_id == group] == [
        ("", "Empty", "classic")
    ]
    a.ask(DeleteGroupsRequest(groups_names=[group]), 2)
    a.ask(fetch(group, (topic, [0]), version=8), 8)
    a.ask(DescribeGroupsRequest(groups=[group]), 5)


def forget(group: str, *rows: tuple[str, list[int]]) -> OffsetDeleteRequest:
    Topic = OffsetDeleteRequest.Topic
    return OffsetDeleteRequest(
        group_id=group,
        topics=[
            Topic(name=name, partitions=[Topic.Partition(partition_index=index) for index in indexes])
            for name, indexes in rows
        ],
    )


@theme.story
def deleted(stage: Stage) -> None:
    """One by one; of a topic that members subscribe to none, of another any."""
    a = stage.connect()
    group, topic = stage.name, stage.topic(partitions=2)
    stage.coordinator(group)
    a.ask(forget(group, (topic, [0])), 0)
    a.ask(forget("", (topic, [0])), 0)
    a.ask(commit(group, (topic, 0, 5), (topic, 1, 6)), 8)
    a.ask(forget(group, (topic, [0, 7]), ("nobody-made-it", [0])), 0)
    a.ask(forget(group), 0)
    a.ask(fetch(group, version=8, everything=True), 8)
    a.ask(forget(group, (topic, [1])), 0)
    a.ask(describe(group), 5)


@theme.story
def deleted_under_members(stage: Stage) -> None:
    """The group here subscribes to "news" (groups.py): its offsets of that topic stay, those of another may go."""
    a = stage.connect()
    group, topic = stage.name, stage.topic()
    news = stage.topic_named("news")
    member = alone(stage, a, group)
    a.ask(commit(group, (topic, 0, 5), (news, 0, 5), generation=1, member_id=member), 8)
    a.ask(forget(group, (news, [0]), (topic, [0])), 0)
    a.ask(fetch(group, version=8, everything=True), 8)
    a.ask(leave(group, member), 5)
    a.ask(forget(group, (news, [0])), 0)
    a.ask(describe(group), 5)


@theme.story
def of_other_kinds_of_groups(stage: Stage) -> None:
    """A group whose protocol type is not "consumer": its topics are not known, so while it has members nothing is deleted.

    In sync, because Apache Kafka 4.1.1 forgets a group that it has not yet written down when such a request is refused.
    """
    a = stage.connect()
    group, topic = stage.name, stage.topic()
    stage.coordinator(group)
    member = a.ask(join(group, protocol_type="connect"), 9).member_id
    a.ask(join(group, member, protocol_type="connect"), 9)
    a.ask(sync(group, 1, member, {member: b"all"}, protocol_type="connect"), 5)
    a.ask(forget(group, (topic, [0])), 0)
    a.ask(describe(group), 5)
