"""A group and its offsets as records of __consumer_offsets, in the versions that Apache Kafka 4.1.1 writes."""

from __future__ import annotations

from collections.abc import Mapping

from minikafka.groups.group import EMPTY, STABLE, Group, Member
from minikafka.records.coordinator import (
    GroupMetadataKey,
    GroupMetadataValue,
    OffsetCommitKey,
    OffsetCommitValue,
    encode_key,
    encode_versioned,
)
from minikafka.records.record import Record

GROUP_VERSION = 3
OFFSET_VERSION = 4
OFFSET_WITH_EXPIRY_VERSION = 1
"""The only one that knows an expire timestamp: of commits which ask for a retention of their own (versions 2 to 4)."""


def group_record(group: Group, assignments: Mapping[str, bytes]) -> Record:
    """The group's generation, with a share for each member."""
    value = GroupMetadataValue(
        protocol_type=group.protocol_type or "",
        generation=group.generation,
        protocol=group.protocol_name,
        leader=group.leader,
        current_state_timestamp=group.state_since_ms,
        members=[
            GroupMetadataValue.Member(
                member_id=member.member_id,
                group_instance_id=member.group_instance_id,
                client_id=member.client_id,
                client_host=member.client_host,
                rebalance_timeout=member.rebalance_timeout_ms,
                session_timeout=member.session_timeout_ms,
                subscription=member.metadata(group.protocol_name),
                assignment=assignments.get(member.member_id, b""),
            )
            for member in group.members.values()
        ],
    )
    return Record(encode_key(GroupMetadataKey(group=group.group_id)), encode_versioned(value, GROUP_VERSION))


def new_group_record(group: Group) -> Record:
    """A group that has just been thought of: no generation, no type."""
    value = GroupMetadataValue(
        protocol_type="",
        generation=0,
        protocol=None,
        leader=None,
        current_state_timestamp=group.state_since_ms,
        members=[],
    )
    return Record(encode_key(GroupMetadataKey(group=group.group_id)), encode_versioned(value, GROUP_VERSION))


def group_tombstone(group_id: str) -> Record:
    return Record(encode_key(GroupMetadataKey(group=group_id)), None)


def group_from(group_id: str, value: GroupMetadataValue) -> Group:
    """The group that `group_record` wrote down: Stable, or Empty without members."""
    group = Group(group_id, value.current_state_timestamp)
    group.generation = value.generation
    group.protocol_name = value.protocol
    for stored in value.members:
        rebalance_timeout = stored.rebalance_timeout if stored.rebalance_timeout >= 0 else stored.session_timeout
        member = Member(
            stored.member_id,
            stored.group_instance_id,
            stored.client_id,
            stored.client_host,
            rebalance_timeout,
            stored.session_timeout,
            ((value.protocol or "", bytes(stored.subscription)),),
            bytes(stored.assignment),
        )
        group.add(member, value.protocol_type)
    group.protocol_type = value.protocol_type or None
    group.leader = value.leader
    group.state = STABLE if group.members else EMPTY
    group.previous_state = group.state
    group.learn_subscribed_topics()
    return group


def offset_record(group_id: str, topic: str, partition: int, value: OffsetCommitValue) -> Record:
    version = OFFSET_VERSION if value.expire_timestamp < 0 else OFFSET_WITH_EXPIRY_VERSION
    key = OffsetCommitKey(group=group_id, topic=topic, partition=partition)
    return Record(encode_key(key), encode_versioned(value, version))


def offset_tombstone(group_id: str, topic: str, partition: int) -> Record:
    return Record(encode_key(OffsetCommitKey(group=group_id, topic=topic, partition=partition)), None)
