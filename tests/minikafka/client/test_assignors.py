"""How a group's leader shares: as the leaders of other clients would."""

from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kafka.coordinator.assignors.range import RangePartitionAssignor
from kafka.coordinator.assignors.roundrobin import RoundRobinPartitionAssignor

from minikafka.client.assignors import share_by_range, share_by_turns
from minikafka.client.group_member import decode_share, encode_share, turn_of
from minikafka.wire.messages.groups import JoinGroupResponse

TOPICS = ["a", "b", "c"]


def test_the_example_of_the_docstring():
    wanted = {"x": ["a", "b"], "y": ["a", "b"]}
    partitions = {"a": 3, "b": 3}
    assert share_by_range(wanted, partitions) == {
        "x": [("a", 0), ("a", 1), ("b", 0), ("b", 1)],
        "y": [("a", 2), ("b", 2)],
    }
    assert share_by_turns(wanted, partitions) == {
        "x": [("a", 0), ("a", 2), ("b", 1)],
        "y": [("a", 1), ("b", 0), ("b", 2)],
    }


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [(share_by_range, RangePartitionAssignor), (share_by_turns, RoundRobinPartitionAssignor)],
    ids=["range", "roundrobin"],
)
@given(
    wanted=st.dictionaries(
        st.text("xyz", min_size=1, max_size=3), st.lists(st.sampled_from(TOPICS), min_size=1, unique=True), min_size=1
    ),
    partitions=st.fixed_dictionaries({topic: st.integers(1, 7) for topic in TOPICS}),
)
def test_shares_are_those_of_kafka_python(ours, theirs, wanted, partitions):
    alike = ours is share_by_turns  # in what differs kafka-python follows older rules there
    wanted = {member: TOPICS if alike else wanted[member] for member in sorted(wanted)}
    members = [
        SimpleNamespace(member_id=member, group_instance_id=None, metadata=SimpleNamespace(topics=topics))
        for member, topics in wanted.items()
    ]
    cluster = SimpleNamespace(
        partitions_for_topic=lambda topic: set(range(partitions[topic])),
        topics=lambda: set(partitions),
    )
    assigned = theirs.assign(cluster, members)
    expected = {
        member: sorted((topic, index) for topic, indexes in share.assigned_partitions for index in indexes)
        for member, share in assigned.items()
    }
    assert {member: sorted(share) for member, share in ours(wanted, partitions).items()} == expected


def test_a_share_survives_the_wire():
    share = [("a", 0), ("a", 2), ("b", 1)]
    assert decode_share(encode_share(share)) == share
    assert decode_share(b"") == []


def test_members_with_a_name_of_their_own_are_served_first():
    Member = JoinGroupResponse.Member
    members = [Member(member_id="a"), Member(member_id="z", group_instance_id="n"), Member(member_id="b")]
    assert [member.member_id for member in sorted(members, key=turn_of)] == ["z", "a", "b"]
