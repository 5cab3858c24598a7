"""A coordinator reads the log of the one before."""

import time
from random import Random

from minikafka.groups.coordinator import GroupCoordinator
from minikafka.groups.loading import SLICE
from minikafka.groups.settings import GroupSettings
from minikafka.groups.timers import Moment
from minikafka.records.batch import build_batch
from minikafka.records.coordinator import OffsetCommitKey, OffsetCommitValue, encode_key, encode_versioned
from minikafka.records.record import Record
from tests.minikafka.groups.desk import Desk


def value(offset: int, version: int = 3) -> bytes:
    return encode_versioned(OffsetCommitValue(offset=offset, metadata="", commit_timestamp=1), version)


def key(group: str, partition: int = 0) -> bytes:
    return encode_key(OffsetCommitKey(group=group, topic="t", partition=partition))


def loaded(*batches: bytearray) -> Desk:
    desk = Desk()
    desk.coordinator = GroupCoordinator(0, GroupSettings(), Random(1))
    for batch in batches:
        for _ in desk.coordinator.load(batch):
            pass
    desk.finish_loading()
    return desk


def test_the_last_value_of_a_key_holds_and_a_tombstone_ends_it():
    records = [
        Record(key("a"), value(1)), Record(key("b"), value(2)), Record(key("c"), value(3)),
        Record(key("a"), value(4)), Record(key("b"), None),
    ]  # fmt: skip
    desk = loaded(build_batch(records[:3], timestamp_ms=1), build_batch(records[3:], timestamp_ms=1))
    assert [desk.offsets(group) for group in "abc"] == [{("t", 0): 4}, {}, {("t", 0): 3}]
    assert sorted(desk.coordinator.groups) == ["a", "c"]


def test_every_version_of_a_value_is_read():
    desk = loaded(
        *(build_batch([Record(key("g", version), value(version, version))], timestamp_ms=1) for version in range(5))
    )
    assert desk.offsets() == {("t", version): version for version in range(5)}


def test_the_older_kind_of_key_is_the_same_key():
    older = b"\0\0" + key("g")[2:]
    desk = loaded(build_batch([Record(key("g"), value(1)), Record(older, value(2))], timestamp_ms=1))
    assert desk.offsets() == {("t", 0): 2}


def test_kinds_that_are_not_known_and_broken_ones_are_passed_over():
    records = [
        Record(b"\0\3\0\1g", b"\0\0"),
        Record(b"\0\x63", b"x"),
        Record(b"\0", b""),
        Record(None, b"x"),
        Record(b"\0\1\0\x05g", b"x"),
        Record(b"\0\2\0\1h", b"\0\3junk"),
        Record(key("g"), value(7)),
    ]
    desk = loaded(build_batch(records, timestamp_ms=1))
    assert (desk.offsets(), sorted(desk.coordinator.groups)) == ({("t", 0): 7}, ["g"])


def test_control_batches_say_nothing():
    marker = build_batch([Record(key("g"), value(7))], timestamp_ms=1, control=True)
    assert loaded(marker).offsets() == {}


def test_it_reads_in_slices():
    batch = build_batch([Record(key("g", number % 8), value(number)) for number in range(10 * SLICE)], timestamp_ms=1)
    coordinator = GroupCoordinator(0, GroupSettings(), Random(1))
    assert sum(1 for _ in coordinator.load(batch)) == 10


def test_a_topic_deleted_meanwhile_is_forgotten_in_the_end():
    desk = Desk()
    desk.coordinator = coordinator = GroupCoordinator(0, GroupSettings(), Random(1))
    for _ in coordinator.load(build_batch([Record(key("g"), value(7))], timestamp_ms=1)):
        pass
    coordinator.topic_deleted("t")
    desk.finish_loading()
    desk.flush()
    desk.run(50)
    assert desk.offsets() == {}


def test_one_that_resigned_while_it_read_does_not_begin():
    coordinator = GroupCoordinator(0, GroupSettings(), Random(1))
    coordinator.resign(Moment(0, 0))
    assert list(coordinator.finish_loading(Moment(0, 0))) == [None]
    assert coordinator.next_deadline_ms is None


def test_a_hundred_thousand_commits_are_read_in_a_second():
    """A million took some 3 s on two shared cores; a tenth of that, with room for a busy machine."""
    batches = []
    for start in range(0, 100_000, 1000):
        records = [
            Record(key(f"group-{number % 1000}", number // 1000), value(number))
            for number in range(start, start + 1000)
        ]
        batches.append(build_batch(records, timestamp_ms=1))
    began = time.process_time()
    desk = loaded(*batches)
    assert time.process_time() - began < 3
    assert sum(map(len, desk.coordinator.offsets.by_group.values())) == 100_000
