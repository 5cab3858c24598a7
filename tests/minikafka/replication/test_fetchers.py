"""When a follower's link to its leader asks for more: with `flush_counts` not before all it claims is on the platter."""

from dataclasses import dataclass, field
from typing import Any

import pytest

from minikafka.replication.fetcher import FetchSettings
from minikafka.replication.fetchers import LeaderLink
from minikafka.wire.messages.fetch import FetchRequest, FetchResponse
from tests.minikafka.replication.replicas import TOPIC_ID, append, batch, registration, replica


@dataclass
class Owner:
    """What a link is told by the broker it copies for; flushes end when the test says so."""

    me: int = 2
    settings: FetchSettings = field(default_factory=FetchSettings)
    flush_counts: bool = True
    flushing: list[Any] = field(default_factory=list)

    def now_ms(self) -> int:
        return 0

    wall_ms = now_ms

    def broker_epoch(self) -> int:
        return 12

    def failed(self, *failure: object) -> None:
        raise AssertionError(failure)

    def truncated(self, partition: object) -> None:
        pass

    def flush(self, partitions: list[Any], then: Any) -> None:
        self.flushing.append((partitions, then))

    async def flushed(self) -> None:
        partitions, then = self.flushing.pop(0)
        for partition in partitions:
            await partition.log.flush()
        then()


@dataclass
class Wire:
    """The connection: what was asked, and who waits for the answer."""

    asked: list[FetchRequest] = field(default_factory=list)
    answered: Any = None

    def call(self, request: FetchRequest, answered: Any) -> None:
        self.asked.append(request)
        self.answered = answered

    def abort(self, reason: str) -> None:
        pass

    def offsets(self) -> list[list[int]]:
        """From where each fetch asked."""
        return [[part.fetch_offset for topic in fetch.topics for part in topic.partitions] for fetch in self.asked]


@pytest.fixture
def owner():
    return Owner()


async def following(owner, partition):
    """A link over which `partition` is to be copied from broker 1."""
    partition.update(registration(leader=1, leader_epoch=2, partition_epoch=2), now_ms=0)
    link = LeaderLink(owner, 1)
    link.link = Wire()
    link.fetcher.add(partition)
    link.fetch()
    return link


def answer(records, session_id=0):
    part = FetchResponse.Topic.Partition(partition_index=0, high_watermark=0, records=records)
    return FetchResponse(session_id=session_id, responses=[FetchResponse.Topic(topic_id=TOPIC_ID, partitions=[part])])


async def test_what_was_copied_is_flushed_before_it_is_claimed(owner):
    link = await following(owner, replica(me=2, flush_counts=True))
    link.link.answered(answer(batch("a", "b")))
    assert link.link.offsets() == [[0]]
    await owner.flushed()
    assert link.link.offsets() == [[0], [2]]
    link.stop()


async def test_what_an_earlier_life_left_unflushed_is_flushed_before_it_is_claimed(owner):
    partition = replica(me=2, flush_counts=True)
    partition.log.append_as_follower(batch("a"), 0)  # and killed before its fsync: the page cache outlives a process
    link = await following(owner, partition)
    assert link.link.offsets() == []
    await owner.flushed()
    assert link.link.offsets() == [[1]]
    link.stop()


async def test_what_was_taken_while_leading_is_flushed_before_it_is_claimed(owner):
    partition = replica(me=2, flush_counts=True)
    partition.update(registration(leader=2, leader_epoch=1, partition_epoch=1), now_ms=0)
    append(partition, "a", acks=1)
    link = await following(owner, partition)
    link.fetch()  # whoever else asks for it meanwhile
    assert (link.link.offsets(), len(owner.flushing)) == ([], 1)
    await owner.flushed()
    assert link.link.offsets() == [[1]]
    link.stop()


async def test_without_flush_counts_nothing_waits_for_the_platter(owner):
    owner.flush_counts = False
    link = await following(owner, replica(me=2))
    link.link.answered(answer(batch("a")))
    assert (link.link.offsets(), owner.flushing) == ([[0], [1]], [])
    link.stop()
