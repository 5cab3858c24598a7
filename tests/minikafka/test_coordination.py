"""Coordinators come and go with the leadership of their partitions, and speak through their partition's log."""

import asyncio
from collections.abc import Callable
from dataclasses import replace
from random import Random
from typing import Any

import pytest

from minikafka.controller.image import MetadataImage, Topic
from minikafka.coordination import Coordination
from minikafka.groups.loading import SLICE
from minikafka.groups.placement import partition_for
from minikafka.handlers.internal_topics import GROUP_OFFSETS
from minikafka.options import OPTIONS
from minikafka.records.batch import build_batch, read_records, walk
from minikafka.records.coordinator import OffsetCommitKey, OffsetCommitValue, encode_key, encode_versioned
from minikafka.records.record import Record
from minikafka.replication.partition import Partition
from minikafka.replication.waiting import Deadlines
from minikafka.wire.errors import ErrorCode, KafkaError
from minikafka.wire.messages.groups import HeartbeatRequest
from minikafka.wire.messages.offsets import OffsetCommitRequest, OffsetFetchRequest
from serving.background import Background
from serving.readers import read_arguments
from simulation.world import World
from tests.minikafka.replication.replicas import WALL, fetched, registration, replica

TOPIC_ID = b"offsets topic id"
PARTITIONS = 4
ALONE = {"isr": (1,), "replicas": (1,)}


class Broker:
    """As much of a broker as coordination looks at."""

    def __init__(self) -> None:
        self.loop = asyncio.get_running_loop()
        self.settings = OPTIONS.load(read_arguments(["--node.id", "1"]).given)
        self.random = Random(1)
        self.background = Background()
        self.deadlines = Deadlines(lambda at_ms: self.loop.call_at(at_ms / 1000 + 0.001, self.expire))
        self.image = MetadataImage()
        self.failed: list[ErrorCode] = []
        self.flushed = 0

    def expire(self) -> None:
        self.deadlines.expire(self.now_ms())

    def now_ms(self) -> int:
        return int(self.loop.time() * 1000)

    def wall_ms(self) -> int:
        return WALL + self.now_ms()

    def log_failed(self, partition: Partition, error: KafkaError) -> None:
        self.failed.append(error.code)

    def flush_soon(self, partition: Partition) -> None:
        self.flushed += 1

    def know_topic(self) -> None:
        topic = Topic(GROUP_OFFSETS, TOPIC_ID)
        topic.partitions = [registration(partition_epoch=0)] * PARTITIONS
        self.image.topics[TOPIC_ID], self.image.topic_ids[GROUP_OFFSETS] = topic, TOPIC_ID


class Shop:
    """Broker 1 and its coordination; `group` is one whose partition is at hand."""

    def __init__(self) -> None:
        self.broker = Broker()
        self.broker.know_topic()
        self.coordination = Coordination(self.broker)  # type: ignore[arg-type]
        self.partition = offsets_partition(partition_for("g", PARTITIONS))
        self.epoch = 0

    async def lead(self, **more: Any) -> None:
        """The next reign of this broker, and the coordinator has read the log."""
        self.begin(**more)
        await self.rest()

    def begin(self, **more: Any) -> None:
        self.move(1, **more)

    def move(self, leader: int, **more: Any) -> None:
        self.epoch += 1
        self.partition.update(
            registration(leader, leader_epoch=self.epoch, partition_epoch=self.epoch, **more), self.broker.now_ms()
        )
        self.coordination.partitions_moved([self.partition])

    async def rest(self) -> None:
        await asyncio.sleep(0.001)

    # -- what clients ask ------------------------------------------------------------------------------------------------

    def commit(self, offset: int, topic: str = "orders", group: str = "g") -> list[ErrorCode]:
        """The answers to come: none yet, or one."""
        answers: list[ErrorCode] = []
        try:
            held = self.coordination.find(group)
        except KafkaError as error:
            return [error.code]
        part = OffsetCommitRequest.Topic.Partition(partition_index=0, committed_offset=offset, committed_metadata="")
        request = OffsetCommitRequest(
            group_id=group,
            generation_id_or_member_epoch=-1,
            member_id="",
            topics=[OffsetCommitRequest.Topic(name=topic, partitions=[part])],
        )
        held.coordinator.commit_offsets(
            request,
            8,
            lambda topic, index: True,
            held.moment(),
            lambda answer: answers.append(ErrorCode(answer.topics[0].partitions[0].error_code)),
        )
        held.settle()
        return answers

    def offsets(self, group: str = "g") -> dict[str, int] | ErrorCode:
        """What OffsetFetch tells of the group."""
        try:
            held = self.coordination.find(group)
        except KafkaError as error:
            return error.code
        answers: list[Any] = []
        asked = OffsetFetchRequest.Group(group_id=group, topics=None)
        held.coordinator.fetch_offsets(asked, False, held.moment(), answers.append)
        (answer,) = answers
        if answer.error_code:
            return ErrorCode(answer.error_code)
        return {topic.name: part.committed_offset for topic in answer.topics for part in topic.partitions}

    def keys(self) -> list[tuple[str, bool]]:
        """What the log says, in order: (topic of a commit or "the group", whether it has a value)."""
        log, records = self.partition.log, []
        while len(records) < log.log_end_offset:  # a read ends with its segment
            data = memoryview(log.read(len(records), 1 << 20, log.log_end_offset).records)
            records += [record for position, _ in walk(data) for record in read_records(data, position)]

        def name(key: bytes) -> str:
            return next((topic for topic in ("orders", "payments") if topic.encode() in key), "the group")

        return [(name(record.key or b""), record.value is not None) for record in records]


def offsets_partition(index: int) -> Partition:
    partition = replica(1, min_isr=1)
    partition.topic, partition.topic_id, partition.index = GROUP_OFFSETS, TOPIC_ID, index
    return partition


def in_time(story: Callable[[Shop], Any]) -> Any:
    """`story(shop)` in virtual time."""

    async def scenario(world: World) -> Any:
        return await world.spawn("n1", told())

    async def told() -> Any:
        return await story(Shop())

    return World(1).run(scenario, until=1_000_000.0)


# -- who coordinates ----------------------------------------------------------------------------------------------------


def test_a_leader_of_the_offsets_coordinates_their_groups():
    async def story(shop: Shop) -> Any:
        await shop.lead(**ALONE)
        return shop.commit(5), shop.offsets()

    assert in_time(story) == ([ErrorCode.NONE], {"orders": 5})


def test_while_the_topic_is_not_there_nobody_is_available():
    async def story(shop: Shop) -> Any:
        shop.broker.image = MetadataImage()
        return shop.commit(5)

    assert in_time(story) == [ErrorCode.COORDINATOR_NOT_AVAILABLE]


def test_a_broker_that_does_not_lead_the_groups_partition_sends_it_elsewhere():
    async def story(shop: Shop) -> Any:
        before = shop.commit(5)
        shop.move(2)
        following = shop.commit(5)
        await shop.lead(**ALONE)
        other = next(
            f"g{number}" for number in range(9) if partition_for(f"g{number}", PARTITIONS) != shop.partition.index
        )
        return before, following, shop.commit(5, group=other)

    assert in_time(story) == ([ErrorCode.NOT_COORDINATOR],) * 3


def test_partitions_of_other_topics_have_no_coordinator():
    async def story(shop: Shop) -> Any:
        shop.partition.topic = "orders"
        await shop.lead(**ALONE)
        return shop.coordination.led

    assert in_time(story) == {}


def test_before_the_log_is_read_it_says_that_it_loads():
    async def story(shop: Shop) -> Any:
        shop.begin(**ALONE)
        early = shop.commit(5), shop.offsets()
        await shop.rest()
        return early, shop.commit(5)

    loading = ErrorCode.COORDINATOR_LOAD_IN_PROGRESS
    assert in_time(story) == (([loading], loading), [ErrorCode.NONE])


# -- answers wait for the replicas --------------------------------------------------------------------------------------


def test_a_commit_is_answered_when_every_replica_in_sync_has_it():
    async def story(shop: Shop) -> Any:
        await shop.lead()
        answers = shop.commit(5)
        seen = [list(answers)]
        for follower in (2, 3):
            fetched(shop.partition, follower, shop.partition.log.log_end_offset)
            seen.append(list(answers))
        return seen

    assert in_time(story) == [[], [], [ErrorCode.NONE]]


def test_a_commit_that_no_replica_confirms_in_time_is_to_be_tried_again():
    async def story(shop: Shop) -> Any:
        await shop.lead()
        answers = shop.commit(5)
        await asyncio.sleep(shop.broker.settings.offsets_commit_timeout_ms / 1000 + 0.1)
        return answers

    assert in_time(story) == [ErrorCode.COORDINATOR_NOT_AVAILABLE]


def test_a_commit_that_too_few_replicas_could_take_is_refused():
    async def story(shop: Shop) -> Any:
        shop.partition.configure(replace(shop.partition.settings, min_isr=2))
        await shop.lead(isr=(1,))
        return shop.commit(5), shop.offsets(), shop.keys()

    assert in_time(story) == ([ErrorCode.COORDINATOR_NOT_AVAILABLE], {}, [])


def test_a_disk_that_fails_under_it_is_told_to_the_broker():
    async def story(shop: Shop) -> Any:
        await shop.lead(**ALONE)
        shop.partition.log.disk.fail_next("append")
        return shop.commit(5), shop.broker.failed

    assert in_time(story) == ([ErrorCode.NOT_COORDINATOR], [ErrorCode.KAFKA_STORAGE_ERROR])


def test_what_is_to_be_flushed_by_count_is_flushed():
    async def story(shop: Shop) -> Any:
        shop.partition.configure(replace(shop.partition.settings, flush_messages=2))
        await shop.lead(**ALONE)
        seen = []
        for offset in range(2):
            shop.commit(offset)
            seen.append(shop.broker.flushed)
        return seen

    assert in_time(story) == [0, 1]


# -- another reign ------------------------------------------------------------------------------------------------------


def test_whoever_waits_when_another_leads_is_sent_there():
    async def story(shop: Shop) -> Any:
        await shop.lead()
        answers = shop.commit(5)
        shop.move(2)
        return answers, shop.coordination.led, shop.partition.on_commit

    assert in_time(story) == ([ErrorCode.NOT_COORDINATOR], {}, None)


def test_the_next_reign_reads_what_the_one_before_had_written():
    async def story(shop: Shop) -> Any:
        await shop.lead(**ALONE)
        shop.commit(5)
        shop.commit(6)
        shop.commit(1, "payments")
        shop.move(2)
        away = shop.offsets()
        await shop.lead(**ALONE)
        return away, shop.offsets()

    assert in_time(story) == (ErrorCode.NOT_COORDINATOR, {"orders": 6, "payments": 1})


def test_what_was_written_by_another_broker_meanwhile_is_read_too():
    async def story(shop: Shop) -> Any:
        await shop.lead(**ALONE)
        shop.commit(5)
        shop.move(2)
        shop.partition.append_from_leader(theirs(offset=1, committed=9), WALL)
        await shop.lead(**ALONE)
        return shop.offsets()

    assert in_time(story) == {"orders": 9}


def test_what_is_not_committed_yet_is_not_coordinated_from():
    """The next leader may not have it: a member told its share from there would meet another who holds it too."""

    async def story(shop: Shop) -> Any:
        shop.move(2)
        shop.partition.append_from_leader(theirs(offset=0, committed=9), WALL)
        await shop.lead(isr=(1, 2, 3))
        seen = [shop.offsets()]
        for follower in (2, 3):
            fetched(shop.partition, follower, 1)
            await shop.rest()
            seen.append(shop.offsets())
        return seen

    loading = ErrorCode.COORDINATOR_LOAD_IN_PROGRESS
    assert in_time(story) == [loading, loading, {"orders": 9}]


def theirs(offset: int, committed: int) -> bytes:
    """A commit of group g by the leader of epoch 2."""
    batch = build_batch([Record(*commit_of("g", committed))], base_offset=offset, timestamp_ms=WALL)
    batch[12:16] = (2).to_bytes(4, "big")
    return bytes(batch)


def test_led_again_without_a_break_it_is_a_new_coordinator():
    """An election that came back to the same broker: between the two another may have led."""

    async def story(shop: Shop) -> Any:
        await shop.lead()
        first = shop.coordination.find("g")
        answers = shop.commit(5)
        await shop.lead()
        second = shop.coordination.find("g")
        return answers, first is second, shop.partition.on_commit == second._committed

    assert in_time(story) == ([ErrorCode.NOT_COORDINATOR], False, True)


def test_between_a_new_reign_and_its_coordinator_nobody_answers():
    """The metadata has made this replica the leader of another epoch; coordination has yet to hear of it."""

    async def story(shop: Shop) -> Any:
        await shop.lead(**ALONE)
        epoch = shop.epoch + 1
        shop.partition.update(registration(1, leader_epoch=epoch, partition_epoch=epoch, **ALONE), 0)
        return shop.commit(5)

    assert in_time(story) == [ErrorCode.NOT_COORDINATOR]


def test_what_the_next_reign_commits_answers_nobody_of_the_one_before():
    """Here the watermark passes the offset as soon as the next reign begins, with nobody else in sync."""

    async def story(shop: Shop) -> Any:
        await shop.lead()
        answers = shop.commit(5)
        end = shop.partition.log.log_end_offset
        shop.move(1, isr=(1,))
        return shop.partition.log.high_watermark == end, answers

    assert in_time(story) == (True, [ErrorCode.NOT_COORDINATOR])


def test_a_coordinator_of_an_earlier_reign_writes_nothing_into_the_next():
    """What it wants by the clock is of what it knew, and others may have led since."""

    async def story(shop: Shop) -> Any:
        await shop.lead(**ALONE)
        shop.commit(5)
        held = shop.coordination.find("g")
        epoch = shop.epoch + 2
        shop.partition.update(registration(1, leader_epoch=epoch, partition_epoch=epoch, **ALONE), 0)
        held.coordinator.topic_deleted("orders")
        held.settle()
        await asyncio.sleep(1)
        return shop.keys()

    assert in_time(story) == [("orders", True)]


def test_a_partition_that_was_stopped_is_coordinated_no_more():
    async def story(shop: Shop) -> Any:
        await shop.lead(**ALONE)
        shop.partition.stop()
        return shop.offsets()

    assert in_time(story) is ErrorCode.NOT_COORDINATOR


def test_the_same_reign_with_another_in_sync_set_is_the_same_coordinator():
    async def story(shop: Shop) -> Any:
        await shop.lead()
        held = shop.coordination.find("g")
        shop.partition.update(registration(isr=(1, 2), leader_epoch=shop.epoch, partition_epoch=shop.epoch + 1), 0)
        shop.coordination.partitions_moved([shop.partition])
        return shop.coordination.find("g") is held

    assert in_time(story)


def test_one_that_is_deposed_while_it_reads_never_begins():
    async def story(shop: Shop) -> Any:
        await shop.lead(**ALONE)
        shop.commit(5)
        shop.move(2)
        shop.begin(**ALONE)
        held = shop.coordination.find("g")
        shop.move(2)
        await shop.rest()
        return shop.offsets(), held.coordinator.next_deadline_ms, shop.partition.log.log_end_offset

    assert in_time(story) == (ErrorCode.NOT_COORDINATOR, None, 1)


def test_when_the_broker_stops_everyone_is_sent_elsewhere():
    async def story(shop: Shop) -> Any:
        await shop.lead()
        answers = shop.commit(5)
        shop.coordination.stop()
        return answers, shop.commit(6), len(shop.broker.deadlines)

    assert in_time(story) == ([ErrorCode.NOT_COORDINATOR], [ErrorCode.NOT_COORDINATOR], 0)


def test_a_partition_that_is_held_no_more_has_no_coordinator():
    async def story(shop: Shop) -> Any:
        await shop.lead()
        answers = shop.commit(5)
        shop.coordination.partition_dropped(offsets_partition(shop.partition.index))  # an earlier one of that number
        before = list(answers)
        shop.coordination.partition_dropped(shop.partition)
        return before, answers, shop.commit(6)

    assert in_time(story) == ([], [ErrorCode.NOT_COORDINATOR], [ErrorCode.NOT_COORDINATOR])


# -- reading the log ----------------------------------------------------------------------------------------------------


def test_a_log_that_cannot_be_read_is_coordinated_by_nobody(caplog):
    """As Kafka's, which then says NOT_COORDINATOR: a client may as well ask again, and an operator can see it."""

    async def story(shop: Shop) -> Any:
        await shop.lead(**ALONE)
        shop.commit(5)
        shop.move(2)
        damage(shop.partition)
        await shop.lead(**ALONE)
        return shop.offsets()

    assert in_time(story) is ErrorCode.NOT_COORDINATOR
    assert "cannot be read" in caplog.text


def damage(partition: Partition) -> None:
    """The first batch says of itself that it is compressed, which it is not."""
    log = partition.log
    written = log.disk._names[log.active.path].written  # type: ignore[attr-defined]
    written[22] |= 1


def test_others_have_their_turn_while_it_reads(monkeypatch):
    """One slice of the log after another, each as long as TURN_S at most; here every one counts as too long."""
    monkeypatch.setattr("minikafka.turns.TURN_S", -1.0)

    async def story(shop: Shop) -> Any:
        await shop.lead(**ALONE)
        for start in range(0, 5000, 500):
            records = [Record(*commit_of(f"g{number}", number)) for number in range(start, start + 500)]
            shop.partition.append(bytes(build_batch(records, timestamp_ms=WALL)), -1, 0, WALL)
        shop.move(2)
        shop.begin(**ALONE)
        turns = 0
        while shop.offsets() is ErrorCode.COORDINATOR_LOAD_IN_PROGRESS:
            turns += 1
            await asyncio.sleep(0)
        return turns

    assert in_time(story) >= 2 * 5000 / SLICE  # reading records, and making groups of them


def commit_of(group: str, offset: int) -> tuple[bytes, bytes]:
    value = OffsetCommitValue(offset=offset, metadata="", commit_timestamp=WALL)
    return encode_key(OffsetCommitKey(group=group, topic="orders", partition=0)), encode_versioned(value, 3)


# -- topics and time ----------------------------------------------------------------------------------------------------


def test_offsets_of_a_deleted_topic_are_taken_back_in_the_log():
    async def story(shop: Shop) -> Any:
        await shop.lead(**ALONE)
        shop.commit(5)
        shop.commit(1, "payments")
        shop.coordination.topic_deleted("orders")
        await asyncio.sleep(1)
        return shop.keys(), shop.offsets()

    assert in_time(story) == ([("orders", True), ("payments", True), ("orders", False)], {"payments": 1})


def test_a_topic_deleted_while_the_log_is_read_is_forgotten_in_the_end():
    async def story(shop: Shop) -> Any:
        await shop.lead(**ALONE)
        shop.commit(5)
        shop.move(2)
        shop.begin(**ALONE)
        shop.coordination.topic_deleted("orders")
        await asyncio.sleep(1)
        return shop.offsets()

    assert in_time(story) == {}


def test_offsets_that_are_too_old_are_taken_back_when_their_time_comes():
    """offsets.retention.minutes, looked at every offsets.retention.check.interval.ms."""

    async def story(shop: Shop) -> Any:
        minutes = shop.broker.settings.offsets_retention_minutes
        shop.broker.wall_ms = lambda: WALL + shop.broker.now_ms() * (minutes // 10)  # type: ignore[method-assign]
        await shop.lead(**ALONE)
        shop.commit(5)
        await asyncio.sleep(300)
        before = shop.offsets()
        await asyncio.sleep(1000)
        return before, shop.offsets(), shop.keys()

    assert in_time(story) == ({"orders": 5}, {}, [("orders", True), ("orders", False), ("the group", False)])


def test_a_resigned_coordinator_wakes_no_more():
    async def story(shop: Shop) -> Any:
        await shop.lead()
        shop.commit(5)
        shop.move(2)
        await asyncio.sleep(1000)
        return len(shop.broker.deadlines), shop.partition.log.log_end_offset

    assert in_time(story) == (0, 1)


def test_heartbeats_find_a_group_that_was_reloaded_without_members_unknown():
    async def story(shop: Shop) -> Any:
        await shop.lead(**ALONE)
        shop.commit(5)
        shop.move(2)
        await shop.lead(**ALONE)
        held = shop.coordination.find("g")
        answer = held.coordinator.heartbeat(
            HeartbeatRequest(group_id="g", generation_id=1, member_id="m"), held.moment()
        )
        return ErrorCode(answer.error_code)

    assert in_time(story) is ErrorCode.UNKNOWN_MEMBER_ID


@pytest.mark.parametrize("followers", [(2,), (2, 3)])
def test_what_a_group_was_told_is_there_after_a_failover_that_kept_what_was_committed(followers):
    """An answer means that the in-sync replicas have it; the new leader is one of them."""

    async def story(shop: Shop) -> Any:
        await shop.lead(isr=(1, *followers))
        answers = shop.commit(5)
        end = shop.partition.log.log_end_offset
        for follower in followers:
            fetched(shop.partition, follower, end)
        late = shop.commit(6)
        shop.move(2)
        shop.partition.truncate(end)  # the new leader did not have the second
        await shop.lead(**ALONE)
        return answers, late, shop.offsets()

    assert in_time(story) == ([ErrorCode.NONE], [ErrorCode.NOT_COORDINATOR], {"orders": 5})
