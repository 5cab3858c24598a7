"""What the members of a consumer group say to its coordinator, written out by hand as in kafka_wire.py.

    JoinGroup    I am (still) here, I read this topic     -> the generation, who leads it, and to the leader: all members
    SyncGroup    from the leader: who gets what           -> my share
    Heartbeat    still here                               -> fine, or: join again
    LeaveGroup   no longer here

A coordinator hands subscriptions and shares on as bytes; only clients read them.

    subscription   version i16, topics, user data         share   version i16, topics each with partitions, user data

Source: kafka.apache.org/protocol; `ConsumerProtocolSubscription.json`, `ConsumerProtocolAssignment.json`.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from scenarios.kafka_wire import Membership, Reader, string

CONSUMER, PROTOCOL = "consumer", "any"
"""The type of group, and the one way to share that its members know."""


def sized(data: bytes) -> bytes:
    return struct.pack(">i", len(data)) + data


def subscription(topic: str) -> bytes:
    return struct.pack(">hi", 0, 1) + string(topic) + struct.pack(">i", -1)


def share(topic: str, partitions: list[int]) -> bytes:
    return (
        struct.pack(">hi", 0, 1)
        + string(topic)
        + struct.pack(f">i{len(partitions)}ii", len(partitions), *partitions, -1)
    )


def partitions_of(data: bytes) -> list[int]:
    """Of a share; there is none for whom the leader did not know."""
    if not data:
        return []
    reader = Reader(data)
    reader.take("h"), reader.take("i"), reader.string()
    return reader.numbers()


@dataclass(frozen=True)
class Timeouts:
    """What a member asks of its coordinator, in milliseconds."""

    session_ms: int
    rebalance_ms: int


def join_group_request(group: str, topic: str, by: Membership, timeouts: Timeouts) -> bytes:
    head = string(group) + struct.pack(">ii", timeouts.session_ms, timeouts.rebalance_ms)
    me = string(by.member) + string(by.instance) + string(CONSUMER)
    return head + me + struct.pack(">i", 1) + string(PROTOCOL) + sized(subscription(topic))


@dataclass(frozen=True)
class Joined:
    """A generation, or an error; `members` is empty for all but the leader."""

    error: int
    generation: int
    leader: str
    member: str
    members: tuple[str, ...]


def join_group(answer: Reader) -> Joined:
    answer.take("i")
    error, generation = answer.take("h"), answer.take("i")
    answer.string()
    leader, member = answer.string(), answer.string()
    members = []
    for _ in answer.times():
        members.append(answer.string() or "")
        answer.string(), answer.records()
    return Joined(error, generation, leader or "", member or "", tuple(members))


def sync_group_request(group: str, by: Membership, shares: dict[str, bytes]) -> bytes:
    given = b"".join(string(member) + sized(each) for member, each in shares.items())
    return string(group) + by.fields + struct.pack(">i", len(shares)) + given


def sync_group(answer: Reader) -> tuple[int, bytes]:
    """Error, share."""
    answer.take("i")
    return answer.take("h"), answer.records()


def heartbeat_request(group: str, by: Membership) -> bytes:
    return string(group) + by.fields


def leave_group_request(group: str, by: Membership) -> bytes:
    return string(group) + struct.pack(">i", 1) + string(by.member) + string(by.instance)


def error_of(answer: Reader) -> int:
    """Of a heartbeat, and of leaving."""
    answer.take("i")
    return int(answer.take("h"))
