"""A member of a consumer group: join, share or be given a share, stay alive, leave.

    JoinGroup ──> all members are in ──> the leader shares ──> SyncGroup ──> the own share ──┐
        ^                                                                                    v
        └──── REBALANCE_IN_PROGRESS, or the coordinator knows us no more ──── Heartbeat, every few seconds

The coordinator answers a JoinGroup only when it has heard of all the others, or waited long enough: so it may take as
long as `rebalance_timeout_ms`.  In between nobody reads: this is the eager protocol, in which all shares are given back
before new ones are made.  (Cooperative groups, KIP-429, keep most of theirs; our member does not.)

What a member holds of the group is a generation number.  Whoever acts with an old one is refused, which is how a member
that slept through its session cannot commit over its successor.

Source: KIP-62, KIP-345 (static members), KIP-394 (member id first); Kafka's `AbstractCoordinator`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from minikafka.client.assignors import ASSIGNORS
from minikafka.client.cluster import Cluster, raise_for
from minikafka.client.offsets import Place
from minikafka.records.coordinator import (
    ConsumerProtocolAssignment,
    ConsumerProtocolSubscription,
    decode_of_consumer,
    encode_versioned,
)
from minikafka.wire.errors import ErrorCode, KafkaError
from minikafka.wire.messages.groups import (
    HeartbeatRequest,
    HeartbeatResponse,
    JoinGroupRequest,
    JoinGroupResponse,
    LeaveGroupRequest,
    SyncGroupRequest,
    SyncGroupResponse,
)
from minikafka.wire.types import WireError

PROTOCOL_TYPE = "consumer"
SUBSCRIPTION_VERSION = 1
GRACE_S = 5.0

AGAIN = {ErrorCode.REBALANCE_IN_PROGRESS, ErrorCode.ILLEGAL_GENERATION, ErrorCode.UNKNOWN_MEMBER_ID}
"""Not failures of the member: it shall join again, after the last two as somebody new to the coordinator."""
ELSEWHERE = {ErrorCode.NOT_COORDINATOR, ErrorCode.COORDINATOR_NOT_AVAILABLE}


@dataclass(frozen=True)
class MemberSettings:
    """assignors: names of `ASSIGNORS`, the best first.  instance_id: of a static member, which may restart unnoticed."""

    assignors: Sequence[str] = ("range",)
    session_timeout_ms: int = 45_000
    rebalance_timeout_ms: int = 300_000
    heartbeat_ms: int = 3_000
    instance_id: str | None = None


class GroupMember:
    """Membership in one group.  `must_join` says that the share it has is no longer its own."""

    def __init__(
        self, cluster: Cluster, group: str, topics: Sequence[str], settings: MemberSettings | None = None
    ) -> None:
        self.cluster, self.group, self.topics = cluster, group, sorted(topics)
        self.settings = settings or MemberSettings()
        self.member_id = ""
        self.generation = -1
        self.must_join = True
        self.failure: KafkaError | None = None  # for which no joining again will do: the member was fenced, say

    async def join(self) -> list[Place]:
        """Our share of the next generation.  Raises KafkaError."""
        while True:
            try:
                return await self.cluster.retrying(self._join_once, self.settings.rebalance_timeout_ms / 1000)
            except KafkaError as error:
                if error.code not in AGAIN:
                    raise
                if error.code != ErrorCode.REBALANCE_IN_PROGRESS:
                    self._forget()

    async def _join_once(self) -> list[Place]:
        joined = await self._ask_to_join()
        self.member_id, self.generation = joined.member_id, joined.generation_id
        shares: dict[str, list[Place]] = {}
        if joined.leader == joined.member_id and not joined.skip_assignment:
            shares = await self._share(joined)
        synced: SyncGroupResponse = await self._ask(
            SyncGroupRequest(
                group_id=self.group,
                generation_id=self.generation,
                member_id=self.member_id,
                group_instance_id=self.settings.instance_id,
                protocol_type=PROTOCOL_TYPE,
                protocol_name=joined.protocol_name,
                assignments=[
                    SyncGroupRequest.Assignment(member_id=member, assignment=encode_share(share))
                    for member, share in shares.items()
                ],
            ),
            self.settings.rebalance_timeout_ms / 1000 + GRACE_S,
        )
        self.must_join = False
        return decode_share(synced.assignment)

    async def _ask_to_join(self) -> JoinGroupResponse:
        settings = self.settings
        subscription = ConsumerProtocolSubscription(topics=self.topics, user_data=None)
        metadata = encode_versioned(subscription, SUBSCRIPTION_VERSION)
        while True:
            request = JoinGroupRequest(
                group_id=self.group,
                session_timeout_ms=settings.session_timeout_ms,
                rebalance_timeout_ms=settings.rebalance_timeout_ms,
                member_id=self.member_id,
                group_instance_id=settings.instance_id,
                protocol_type=PROTOCOL_TYPE,
                protocols=[JoinGroupRequest.Protocol(name=name, metadata=metadata) for name in settings.assignors],
            )
            timeout_s = settings.rebalance_timeout_ms / 1000 + GRACE_S
            joined: JoinGroupResponse = await self.cluster.ask_coordinator(self.group, request, timeout_s)
            if joined.error_code != ErrorCode.MEMBER_ID_REQUIRED:
                self._check(joined.error_code)
                return joined
            self.member_id = joined.member_id  # now the coordinator knows whom it waits for, should we not come back

    async def _share(self, joined: JoinGroupResponse) -> dict[str, list[Place]]:
        """We are the leader: everybody's share."""
        wanted = {
            member.member_id: decode_of_consumer(ConsumerProtocolSubscription, member.metadata).topics
            for member in sorted(joined.members, key=turn_of)
        }
        await self.cluster.refresh(sorted({topic for topics in wanted.values() for topic in topics}))
        partitions = {
            topic: len(self.cluster.topics[topic].partitions)
            for topics in wanted.values()
            for topic in topics
            if topic in self.cluster.topics
        }
        return ASSIGNORS[joined.protocol_name or ""](wanted, partitions)

    async def beat_for_ever(self) -> None:
        """Heartbeats, while there is a generation to be alive in.  Sets `must_join` or `failure`."""
        while self.failure is None:
            await asyncio.sleep(self.settings.heartbeat_ms / 1000)
            if self.must_join:
                continue
            try:
                await self._beat()
            except KafkaError as error:
                if error.code in AGAIN:
                    self.must_join = True
                    if error.code != ErrorCode.REBALANCE_IN_PROGRESS:
                        self._forget()
                elif not error.code.retriable:
                    self.failure = error

    async def _beat(self) -> None:
        generation = self.generation
        try:
            answer: HeartbeatResponse = await self.cluster.ask_coordinator(
                self.group,
                HeartbeatRequest(
                    group_id=self.group,
                    generation_id=generation,
                    member_id=self.member_id,
                    group_instance_id=self.settings.instance_id,
                ),
            )
            self._check(answer.error_code)
        except KafkaError:
            if generation == self.generation and not self.must_join:
                raise  # else the answer is about a generation that is over

    async def leave(self) -> None:
        """Tell the coordinator, so that the others need not wait for our session to end.  A static member stays in."""
        if not self.member_id or self.settings.instance_id is not None:
            return
        member = LeaveGroupRequest.Member(
            member_id=self.member_id, group_instance_id=None, reason="the consumer closes"
        )
        request = LeaveGroupRequest(group_id=self.group, member_id=self.member_id, members=[member])
        self._forget()
        await self._ask(request)

    async def _ask(self, request: Any, timeout_s: float | None = None) -> Any:
        answer = await self.cluster.ask_coordinator(self.group, request, timeout_s)
        self._check(answer.error_code)
        return answer

    def _check(self, code: int) -> None:
        if code in ELSEWHERE:
            self.cluster.forget_coordinator(self.group)
        raise_for(code)

    def _forget(self) -> None:
        self.member_id, self.generation, self.must_join = "", -1, True


def encode_share(share: Sequence[Place]) -> bytes:
    """Partitions as a ConsumerProtocolAssignment."""
    topics: dict[str, list[int]] = {}
    for topic, partition in share:
        topics.setdefault(topic, []).append(partition)
    Topic = ConsumerProtocolAssignment.Topic
    assignment = ConsumerProtocolAssignment(
        assigned_partitions=[Topic(topic=topic, partitions=partitions) for topic, partitions in topics.items()],
        user_data=None,
    )
    return encode_versioned(assignment, SUBSCRIPTION_VERSION)


def decode_share(data: bytes) -> list[Place]:
    """And back; nothing at all is an empty share, as a leader's that forgot us.  Raises KafkaError(CORRUPT_MESSAGE)."""
    if not data:
        return []
    try:
        assignment = decode_of_consumer(ConsumerProtocolAssignment, data)
    except WireError as error:
        raise KafkaError(ErrorCode.UNKNOWN_SERVER_ERROR, f"a share that cannot be read: {error}") from None
    return [(each.topic, partition) for each in assignment.assigned_partitions for partition in each.partitions]


def turn_of(member: JoinGroupResponse.Member) -> tuple[bool, str]:
    """The order in which members are served: those with a name of their own first, so that theirs is the same each time."""
    return member.group_instance_id is None, member.group_instance_id or member.member_id
