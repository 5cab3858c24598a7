"""A coordinator with a log beside it, on virtual time: what tests of groups sit at.

desk = Desk()
first = desk.join("c1", member_id="")        a Ticket: `.answer` is None until it is answered
desk.run(3000)                               time passes, timers fire
desk.commit_log()                            the high watermark reaches the end (at once, with auto_commit)
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any

from minikafka.groups.coordinator import GroupCoordinator
from minikafka.groups.group import Group
from minikafka.groups.joining import Caller
from minikafka.groups.settings import GroupSettings
from minikafka.groups.timers import Moment
from minikafka.records.batch import build_batch
from minikafka.records.coordinator import ConsumerProtocolSubscription, encode_versioned
from minikafka.wire.errors import ErrorCode
from minikafka.wire.messages.groups import HeartbeatRequest, JoinGroupRequest, LeaveGroupRequest, SyncGroupRequest
from minikafka.wire.messages.offsets import OffsetCommitRequest, OffsetDeleteRequest, OffsetFetchRequest

WALL_MS = 1_700_000_000_000
SESSION_MS = 10_000
REBALANCE_MS = 60_000
TOPIC = "t"
NEWEST_JOIN = 9


def subscription(*topics: str) -> bytes:
    return encode_versioned(ConsumerProtocolSubscription(topics=list(topics), user_data=None), 0)


class Ticket:
    """A request that may be answered later, once."""

    def __init__(self) -> None:
        self.answer: Any = None
        self.answered_ms = -1
        self.now_ms = lambda: 0
        self.then: list[Callable[[Any], Any]] = []  # called with the answer

    def __call__(self, answer: Any) -> None:
        assert self.answer is None, f"answered twice: {self.answer} and {answer}"
        self.answer = answer
        self.answered_ms = self.now_ms()
        for then in self.then:
            then(answer)

    @property
    def error(self) -> ErrorCode:
        return ErrorCode(self.answer.error_code)


class Desk:
    """`auto_commit`: what is appended is committed at once."""

    def __init__(
        self, settings: GroupSettings | None = None, *, seed: int = 1, auto_commit: bool = True, now_ms: int = 1000
    ) -> None:
        self.settings = settings or GroupSettings()
        self.random = Random(seed)
        self.auto_commit = auto_commit
        self.now_ms = now_ms
        self.batches: list[tuple[int, bytearray]] = []  # (end offset, bytes)
        self.end_offset = self.high_watermark = 0
        self.refuse_with = ErrorCode.NONE
        self.coordinator = GroupCoordinator(0, self.settings, self.random)
        self.finish_loading()

    @property
    def now(self) -> Moment:
        return Moment(self.now_ms, WALL_MS + self.now_ms)

    def group(self, group_id: str = "g") -> Group:
        return self.coordinator.groups[group_id]

    # -- the log ------------------------------------------------------------------------------------------------------

    def flush(self) -> None:
        """Append what there is to append; commit it, where that is automatic."""
        while records := self.coordinator.take_records():
            if self.refuse_with is not ErrorCode.NONE:
                self.coordinator.refused(self.refuse_with, self.now)
                continue
            batch = build_batch(records, base_offset=self.end_offset, timestamp_ms=self.now.wall_ms)
            self.end_offset += len(records)
            self.batches.append((self.end_offset, batch))
            self.written(batch)
            self.coordinator.appended(self.end_offset, self.now)
            if self.auto_commit:
                self.high_watermark = self.end_offset
                self.coordinator.committed(self.high_watermark, self.now)

    def written(self, batch: bytearray) -> None:
        """For those who tell stories."""

    def commit_log(self, up_to: int | None = None) -> None:
        self.high_watermark = self.end_offset if up_to is None else up_to
        self.coordinator.committed(self.high_watermark, self.now)
        self.flush()

    def finish_loading(self) -> None:
        for _ in self.coordinator.finish_loading(self.now):
            pass

    def fail_over(self) -> None:
        """Another broker reads the committed log, and coordinates."""
        self.coordinator.resign(self.now)
        self.batches = [(end, batch) for end, batch in self.batches if end <= self.high_watermark]
        self.end_offset = self.batches[-1][0] if self.batches else 0
        self.coordinator = GroupCoordinator(0, self.settings, self.random)
        for _, batch in self.batches:
            for _ in self.coordinator.load(batch):
                pass
        self.finish_loading()

    # -- time ---------------------------------------------------------------------------------------------------------

    def run(self, ms: int) -> None:
        """Let `ms` pass, and all that falls due in between happen at its time."""
        until = self.now_ms + ms
        while (due := self.coordinator.next_deadline_ms) is not None and due <= until:
            self.now_ms = max(self.now_ms, due)
            self.coordinator.tick(self.now)
            self.flush()
        self.now_ms = until

    # -- requests -----------------------------------------------------------------------------------------------------

    def ticket(self) -> Ticket:
        ticket = Ticket()
        ticket.now_ms = lambda: self.now_ms
        return ticket

    def join(
        self,
        client_id: str = "c",
        member_id: str = "",
        *,
        group_id: str = "g",
        instance: str | None = None,
        version: int = NEWEST_JOIN,
        protocols: tuple[tuple[str, bytes], ...] = (("range", subscription(TOPIC)),),
        protocol_type: str = "consumer",
        session_ms: int = SESSION_MS,
        rebalance_ms: int = REBALANCE_MS,
    ) -> Ticket:
        ticket = self.ticket()
        request = JoinGroupRequest(
            group_id=group_id,
            session_timeout_ms=session_ms,
            rebalance_timeout_ms=rebalance_ms,
            member_id=member_id,
            group_instance_id=instance,
            protocol_type=protocol_type,
            protocols=[JoinGroupRequest.Protocol(name=name, metadata=metadata) for name, metadata in protocols],
        )
        self.coordinator.join(request, Caller(client_id, "/127.0.0.1", version), self.now, ticket)
        self.flush()
        return ticket

    def sync(
        self,
        member_id: str,
        generation: int,
        shares: dict[str, bytes] | None = None,
        *,
        group_id: str = "g",
        instance: str | None = None,
        protocol_type: str | None = None,
        protocol_name: str | None = None,
    ) -> Ticket:
        ticket = self.ticket()
        request = SyncGroupRequest(
            group_id=group_id,
            generation_id=generation,
            member_id=member_id,
            group_instance_id=instance,
            protocol_type=protocol_type,
            protocol_name=protocol_name,
            assignments=[
                SyncGroupRequest.Assignment(member_id=member, assignment=share)
                for member, share in (shares or {}).items()
            ],
        )
        self.coordinator.sync(request, self.now, ticket)
        self.flush()
        return ticket

    def heartbeat(
        self, member_id: str, generation: int, *, group_id: str = "g", instance: str | None = None
    ) -> ErrorCode:
        request = HeartbeatRequest(
            group_id=group_id, generation_id=generation, member_id=member_id, group_instance_id=instance
        )
        response = self.coordinator.heartbeat(request, self.now)
        self.flush()
        return ErrorCode(response.error_code)

    def leave(self, *members: tuple[str, str | None], group_id: str = "g") -> Ticket:
        """Each (member id, instance id)."""
        ticket = self.ticket()
        leaving = [
            LeaveGroupRequest.Member(member_id=member, group_instance_id=instance) for member, instance in members
        ]
        self.coordinator.leave(LeaveGroupRequest(group_id=group_id, members=leaving), self.now, ticket)
        self.flush()
        return ticket

    def commit(
        self,
        offsets: dict[tuple[str, int], int],
        member_id: str = "",
        generation: int = -1,
        *,
        group_id: str = "g",
        instance: str | None = None,
        version: int = 8,
        metadata: str | None = "",
        retention_ms: int = -1,
    ) -> Ticket:
        ticket = self.ticket()
        topics: dict[str, OffsetCommitRequest.Topic] = {}
        for (topic, partition), offset in offsets.items():
            topics.setdefault(topic, OffsetCommitRequest.Topic(name=topic, partitions=[])).partitions.append(
                OffsetCommitRequest.Topic.Partition(
                    partition_index=partition, committed_offset=offset, committed_metadata=metadata
                )
            )
        request = OffsetCommitRequest(
            group_id=group_id,
            generation_id_or_member_epoch=generation,
            member_id=member_id,
            group_instance_id=instance,
            retention_time_ms=retention_ms,
            topics=list(topics.values()),
        )
        self.coordinator.commit_offsets(request, version, self.exists, self.now, ticket)
        self.flush()
        return ticket

    def exists(self, topic: str, partition: int) -> bool:
        return topic != "missing" and partition < 10

    def committed_errors(self, ticket: Ticket) -> dict[tuple[str, int], ErrorCode]:
        return {
            (topic.name, partition.partition_index): ErrorCode(partition.error_code)
            for topic in ticket.answer.topics
            for partition in topic.partitions
        }

    def fetch(
        self, places: list[tuple[str, int]] | None = None, *, group_id: str = "g", require_stable: bool = False
    ) -> Ticket:
        ticket = self.ticket()
        topics: dict[str, OffsetFetchRequest.Group.Topic] | None = None
        if places is not None:
            topics = {}
            for topic, partition in places:
                topics.setdefault(
                    topic, OffsetFetchRequest.Group.Topic(name=topic, partition_indexes=[])
                ).partition_indexes.append(partition)
        asked = OffsetFetchRequest.Group(group_id=group_id, topics=None if topics is None else list(topics.values()))
        self.coordinator.fetch_offsets(asked, require_stable, self.now, ticket)
        self.flush()
        return ticket

    def offsets(self, group_id: str = "g") -> dict[tuple[str, int], int]:
        """All that are committed."""
        answer = self.fetch(group_id=group_id).answer
        return {
            (topic.name, partition.partition_index): partition.committed_offset
            for topic in answer.topics
            for partition in topic.partitions
        }

    def delete_offsets(self, *places: tuple[str, int], group_id: str = "g") -> Ticket:
        ticket = self.ticket()
        topics: dict[str, OffsetDeleteRequest.Topic] = {}
        for topic, partition in places:
            topics.setdefault(topic, OffsetDeleteRequest.Topic(name=topic, partitions=[])).partitions.append(
                OffsetDeleteRequest.Topic.Partition(partition_index=partition)
            )
        request = OffsetDeleteRequest(group_id=group_id, topics=list(topics.values()))
        self.coordinator.delete_offsets(request, self.exists, self.now, ticket)
        self.flush()
        return ticket

    def delete_group(self, group_id: str = "g") -> Ticket:
        ticket = self.ticket()
        self.coordinator.delete_group(group_id, self.now, ticket)
        self.flush()
        return ticket

    # -- where tests begin --------------------------------------------------------------------------------------------

    def joined(self, client_id: str = "c", **more: Any) -> tuple[str, Ticket]:
        """A consumer has its id and waits in JoinGroup: (member id, the ticket of that)."""
        first = self.join(client_id, **more)
        assert first.error is ErrorCode.MEMBER_ID_REQUIRED, first.answer
        member_id = first.answer.member_id
        return member_id, self.join(client_id, member_id, **more)

    def stable(self, size: int = 2, **more: Any) -> tuple[list[str], int]:
        """A stable group: its member ids, the leader first, and the generation."""
        joins = [self.joined(f"c{number}", **more) for number in range(1, size + 1)]
        self.run(self.settings.initial_rebalance_delay_ms * 2)
        return self.share([member_id for member_id, _ in joins], joins[0][1])

    def share(self, members: list[str], leader_join: Ticket, group_id: str = "g") -> tuple[list[str], int]:
        """All sync; the share of each is its own id."""
        generation, leader = leader_join.answer.generation_id, leader_join.answer.leader
        shares = {each.member_id: each.member_id.encode() for each in leader_join.answer.members}
        others = [self.sync(member, generation, group_id=group_id) for member in members if member != leader]
        leaders = self.sync(leader, generation, shares, group_id=group_id)
        assert all(ticket.error is ErrorCode.NONE for ticket in [leaders, *others])
        return [leader, *(member for member in members if member != leader)], generation
