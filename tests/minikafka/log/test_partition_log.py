"""A partition's log from outside: what it takes, what it gives back, when it rolls, what it does about a broken disk."""

import asyncio
import errno
from dataclasses import replace
from random import Random

import pytest

from durable.real_disk import RealDisk
from minikafka.log.open_files import OpenFiles
from minikafka.log.partition_log import Appended, LogSettings, Origin, PartitionLog
from minikafka.records.batch import build_batch, read_records, walk
from minikafka.records.marker import ABORT, COMMIT, Marker, build_marker
from minikafka.records.record import Record
from minikafka.wire.errors import ErrorCode, KafkaError
from simulation.disk import SimulatedDisk
from simulation.loop import SimulatedLoop
from tests.minikafka.log.fixtures import FOLDER, NOW, SMALL, TOPIC_ID, append, batch, disk, open_log

LARGE = replace(SMALL, segment_bytes=1 << 20, max_message_bytes=1 << 20)
DAY = 24 * 3600 * 1000


def offsets(log: PartitionLog, offset: int = 0, up_to: int | None = None, max_bytes: int = 10_000) -> list[int]:
    """Of the records in one read."""
    data = log.read(offset, max_bytes, log.log_end_offset if up_to is None else up_to).records
    return [record.offset for position, _ in walk(data) for record in read_records(data, position)]


def code_of(call, *arguments, **named) -> ErrorCode:
    with pytest.raises(KafkaError) as refused:
        call(*arguments, **named)
    return refused.value.code


def bases(log: PartitionLog) -> list[int]:
    return [segment.base_offset for segment in log.segments]


# -- appending ---------------------------------------------------------------------------------------------------------


def test_the_leader_gives_offsets_and_stamps_its_epoch():
    log = open_log(disk(), LARGE)
    assert log.append_as_leader(batch("a", "b"), 4, NOW) == Appended(0, 1, -1, 0, False, 2)
    assert log.append_as_leader(batch("c"), 4, NOW) == Appended(2, 2, -1, 0, False, 1)
    found = [(header.base_offset, header.leader_epoch) for _, header in walk(log.read(0, 1000, 3).records)]
    assert found == [(0, 4), (2, 4)]


def test_the_bytes_that_came_are_stamped_in_place():
    log = open_log(disk(), LARGE)
    append(log, "first")
    data = bytearray(batch("second"))
    log.append_as_leader(memoryview(data), 0, NOW)
    assert data[:8] == (1).to_bytes(8)
    assert log.read(1, 1000, 2).records == data


def test_a_duplicate_is_answered_with_its_first_offset_and_not_written():
    log = open_log(disk(), LARGE)
    mine = {"producer_id": 7, "producer_epoch": 0}
    append(log, "a", "b", base_sequence=0, **mine)
    append(log, "c", base_sequence=2, **mine)
    again = log.append_as_leader(batch("a", "b", base_sequence=0, **mine), 0, NOW)
    assert again == Appended(0, 1, NOW, 0, True, 2)
    assert log.log_end_offset == 3


def test_a_refused_batch_leaves_nothing():
    log = open_log(disk(), LARGE)
    append(log, "a", producer_id=7, producer_epoch=0, base_sequence=0)
    size = log.size
    gap = batch("b", producer_id=7, producer_epoch=0, base_sequence=5)
    assert code_of(log.append_as_leader, gap, 3, NOW) == ErrorCode.OUT_OF_ORDER_SEQUENCE_NUMBER
    assert (log.log_end_offset, log.size, log.epochs.entries) == (1, size, [(0, 0)])


def test_coordinators_may_write_control_batches():
    log = open_log(disk(), LARGE)
    marker = build_marker(Marker(COMMIT, 0), producer_id=7, producer_epoch=0, timestamp_ms=NOW)
    assert code_of(log.append_as_leader, bytes(marker), 0, NOW) == ErrorCode.INVALID_RECORD
    assert log.append_as_leader(marker, 0, NOW, Origin.COORDINATOR).base_offset == 0


def test_a_follower_keeps_offsets_and_epochs_and_leaves_out_a_cut_batch():
    leader, follower = open_log(disk(), LARGE), open_log(disk(), LARGE)
    for number in range(5):
        append(leader, f"value-{number}", epoch=number // 2, producer_id=7, producer_epoch=0, base_sequence=number)
    data = bytes(leader.read(0, 10_000, 5).records)
    assert follower.append_as_follower(data[:-1], NOW) == Appended(0, 3, -1, 0, False, 4)
    assert follower.append_as_follower(leader.read(4, 10_000, 5).records, NOW).last_offset == 4
    assert follower.read(0, 10_000, 5).records == data
    assert follower.epochs.entries == leader.epochs.entries == [(0, 0), (1, 2), (2, 4)]
    assert follower.producers.producers[7].batches == leader.producers.producers[7].batches


def test_several_batches_of_a_follower_are_one_write(monkeypatch):
    leader, on = open_log(disk(), LARGE), disk()
    for number in range(20):
        append(leader, str(number))
    follower = open_log(on, LARGE)
    file = follower.files.get(follower.active.path)
    writes = []
    monkeypatch.setattr(file, "append", lambda data: writes.append(bytes(data)) or len(data))
    data = bytes(leader.read(0, 10_000, 20).records)
    follower.append_as_follower(data, NOW)
    assert writes == [data]


def test_a_follower_refuses_damage_and_what_it_has():
    leader, follower = open_log(disk(), LARGE), open_log(disk(), LARGE)
    append(leader, "a")
    data = bytearray(leader.read(0, 1000, 1).records)
    data[-1] ^= 1
    assert code_of(follower.append_as_follower, data, NOW) == ErrorCode.CORRUPT_MESSAGE
    data[-1] ^= 1
    follower.append_as_follower(data, NOW)
    assert code_of(follower.append_as_follower, data, NOW) == ErrorCode.UNKNOWN_SERVER_ERROR
    assert follower.log_end_offset == 1


def test_a_follower_leaves_batches_of_an_epoch_it_has_not_heard_of():
    leader, follower = open_log(disk(), LARGE), open_log(disk(), LARGE)
    append(leader, "a", epoch=1)
    append(leader, "b", epoch=2)
    follower.append_as_follower(leader.read(0, 1000, 2).records, NOW, leader_epoch=1)
    assert follower.log_end_offset == 1


# -- rolling -----------------------------------------------------------------------------------------------------------


def test_a_segment_that_would_become_too_large_is_full():
    log = open_log(disk(), replace(SMALL, segment_bytes=3 * len(batch("abc"))))
    for _ in range(7):
        append(log, "abc")
    assert bases(log) == [0, 3, 6]
    assert log.rolled


def test_a_segment_is_full_after_some_time_of_its_records():
    log = open_log(disk(), replace(LARGE, segment_ms=100))
    for time in (0, 100, 101, 150, 202):
        append(log, "x", now_ms=NOW + time)
    assert bases(log) == [0, 2, 4]


def test_a_segment_is_full_when_its_index_is():
    log = open_log(disk(), replace(LARGE, segment_index_bytes=48, index_interval_bytes=0))
    for time in range(12):
        append(log, "x", now_ms=NOW + time)
    assert bases(log) == [0, 4, 8]


def test_offsets_in_a_segment_stay_within_32_bits():
    log = open_log(disk(), LARGE)
    for base in (0, 1 << 31, (1 << 32) + 5):
        log.append_as_follower(build_batch([Record(b"k", b"v")], base_offset=base, timestamp_ms=NOW), NOW)
    assert bases(log) == [0, 1, (1 << 32) + 5]
    assert offsets(log, 1, max_bytes=1) == [1 << 31]
    assert offsets(log, 1 << 32) == [(1 << 32) + 5]


def test_jitter_spreads_rolls():
    ages = set()
    for seed in range(20):
        log = open_log(disk(), replace(LARGE, segment_ms=100, segment_jitter_ms=50), random=Random(seed))
        append(log, "x")
        age = next(age for age in range(200) if append(log, "x", now_ms=NOW + age) and len(log.segments) > 1)
        assert 51 <= age <= 101
        ages.add(age)
    assert len(ages) > 5


def test_an_idle_segment_rolls_when_asked():
    log = open_log(disk(), replace(LARGE, segment_ms=100))
    assert not log.roll_if_due(NOW + 1000)
    append(log, "x")
    assert not log.roll_if_due(NOW + 100)
    assert log.roll_if_due(NOW + 101)
    assert bases(log) == [0, 1]


# -- reading -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("offset", [-1, 6])
def test_offsets_outside_the_log_are_out_of_range(offset):
    log = open_log(disk(), LARGE)
    append(log, "a", "b", "c", "d", "e")
    assert code_of(log.read, offset, 1000, 5) == ErrorCode.OFFSET_OUT_OF_RANGE


def test_between_the_bound_and_the_end_there_is_nothing_to_read():
    """A new leader's high watermark lags: consumers wait then, and do not start over."""
    log = open_log(disk(), LARGE)
    append(log, "a")
    append(log, "b")
    assert [offsets(log, offset, up_to=1) for offset in (0, 1, 2)] == [[0], [], []]


def test_a_batch_that_contains_the_offset_is_given_whole():
    log = open_log(disk(), LARGE)
    append(log, "a", "b", "c")
    assert offsets(log, 2) == [0, 1, 2]


def test_a_batch_that_contains_the_bound_is_not_given():
    log = open_log(disk(), LARGE)
    append(log, "a")
    append(log, "b", "c")
    assert offsets(log, 0, up_to=2) == [0]


def test_one_batch_is_given_even_if_it_is_too_large():
    """KIP-74."""
    log = open_log(disk(), LARGE)
    append(log, "a")
    append(log, "b")
    size = len(batch("a"))
    for max_bytes in (0, 1, 12, size - 1, size):
        assert len(log.read(0, max_bytes, 2).records) == size
    assert len(log.read(0, size + 10, 2).records) == size + 10
    assert len(log.read(0, size - 1, 2, at_least_one=False).records) == 0


def test_the_bytes_between_two_offsets_span_segments():
    log = open_log(disk())
    for _ in range(12):
        append(log, "value")
    size = len(batch("value"))
    assert len(log.segments) == 3
    for start in range(13):
        for end in range(start, 14):
            assert log.bytes_between(start, end) == (min(end, 12) - start) * size


def test_readers_of_committed_records_stop_at_an_open_transaction():
    log = open_log(disk(), LARGE)
    append(log, "a")
    append(log, "b", producer_id=7, producer_epoch=0, base_sequence=0, transactional=True)
    log.high_watermark = 2
    assert log.last_stable_offset == 1
    marker = build_marker(Marker(ABORT, 0), producer_id=7, producer_epoch=0, timestamp_ms=NOW)
    log.append_as_leader(marker, 0, NOW, Origin.COORDINATOR)
    assert log.last_stable_offset == 1
    log.high_watermark = 3
    assert log.last_stable_offset == 3
    assert [tuple(entry) for entry in log.aborted_transactions(0, 3)] == [(7, 1, 2, 3)]
    assert log.aborted_transactions(0, 1) == []


# -- times -------------------------------------------------------------------------------------------------------------


def test_a_time_leads_to_a_record_inside_a_batch():
    log = open_log(disk(), LARGE)
    records = [Record(b"k", b"v", (), NOW + time) for time in (10, 30, 20)]
    log.append_as_leader(build_batch(records, timestamp_ms=NOW, codec=1), 3, NOW)
    found = [log.offset_for_time(NOW + time, 3) for time in (0, 10, 11, 30, 31)]
    assert [entry and (entry.timestamp_ms - NOW, entry.offset, entry.leader_epoch) for entry in found] == [
        (10, 0, 3), (10, 0, 3), (30, 1, 3), (30, 1, 3), None,
    ]  # fmt: skip


def test_the_largest_timestamp_may_lie_anywhere():
    log = open_log(disk())
    assert log.offset_of_max_timestamp() is None
    for time in (1, 9, 3, 2, 9, 1, 4, 5, 6, 1, 1):
        append(log, "value", now_ms=NOW + time)
    assert log.offset_of_max_timestamp() == (NOW + 9, 1, 0)


def test_a_time_beyond_the_bound_is_not_found():
    log = open_log(disk(), LARGE)
    append(log, "a", now_ms=NOW)
    append(log, "b", now_ms=NOW + 10)
    assert log.offset_for_time(NOW + 5, up_to=1) is None


# -- forgetting --------------------------------------------------------------------------------------------------------


def test_old_segments_are_renamed_and_removed_later():
    on = disk()
    log = open_log(on, replace(SMALL, retention_ms=100, file_delete_delay_ms=1000))
    for number in range(9):
        append(log, f"value-{number}", now_ms=NOW + number)
    log.high_watermark = 9
    first_of_second = bases(log)[1]
    assert log.delete_old_segments(NOW + 104) == 1
    assert (log.log_start_offset, bases(log)[0]) == (first_of_second, first_of_second)
    assert sum(name.endswith(".deleted") for name in on.listdir(FOLDER)) >= 3
    log.remove_doomed(NOW + 1104)
    assert [name for name in on.listdir(FOLDER) if name.endswith(".deleted")] == []


def test_by_time_even_the_active_segment_goes():
    log = open_log(disk(), replace(LARGE, retention_ms=100))
    append(log, "old")
    log.high_watermark = 1
    assert log.delete_old_segments(NOW + 101) == 1
    assert (log.log_start_offset, log.log_end_offset, bases(log)) == (1, 1, [1])


def test_records_above_the_high_watermark_cannot_be_deleted():
    log = open_log(disk(), LARGE)
    append(log, "a", "b")
    log.high_watermark = 1
    assert code_of(log.advance_log_start, 2) == ErrorCode.OFFSET_OUT_OF_RANGE
    assert log.advance_log_start(1)
    assert not log.advance_log_start(1)
    assert code_of(log.read, 0, 1000, 2) == ErrorCode.OFFSET_OUT_OF_RANGE


def test_a_truncation_rolls_back_what_was_remembered():
    """A sequence left behind would make the retry a duplicate of a record that is gone."""
    log = open_log(disk(), LARGE)
    mine = {"producer_id": 7, "producer_epoch": 0}
    append(log, "a", epoch=1, now_ms=NOW, base_sequence=0, **mine)
    append(log, "b", epoch=2, now_ms=NOW + 50, base_sequence=1, **mine)
    log.high_watermark = 2
    log.truncate_to(1)
    assert (log.log_end_offset, log.high_watermark, log.epochs.entries) == (1, 1, [(1, 0)])
    assert log.offset_of_max_timestamp() == (NOW, 0, 1)
    assert not log.append_as_leader(batch("b", base_sequence=1, **mine), 3, NOW).duplicate


def test_what_was_read_stays_whole_when_the_log_is_cut(tmp_path):
    """A mapping read past its file's end kills the process: on a real disk."""
    log = PartitionLog.open(RealDisk(), str(tmp_path / "topic-0"), topic_id=TOPIC_ID, settings=SMALL, now_ms=NOW)
    for number in range(9):
        append(log, f"value-{number}")
    view = log.read(0, 10_000, log.log_end_offset).records
    content = bytes(view)
    log.truncate_to(1)
    append(log, "another")
    assert bytes(view) == content
    assert offsets(log) == [0, 1]
    log.close(NOW)


# -- disks that fail ---------------------------------------------------------------------------------------------------


def test_a_full_disk_takes_the_log_offline_and_leaves_whole_batches():
    on = disk()
    log = open_log(on, LARGE)
    append(log, "a")
    size = log.size
    on.options.capacity = on.used() + 20
    assert code_of(log.append_as_leader, batch("b"), 0, NOW) == ErrorCode.KAFKA_STORAGE_ERROR
    assert log.offline is not None and log.offline.errno == errno.ENOSPC
    assert on.size(log.active.path) == size
    assert log.log_end_offset == 1
    on.options.capacity = None
    assert code_of(log.append_as_leader, batch("b"), 0, NOW) == ErrorCode.KAFKA_STORAGE_ERROR
    assert code_of(log.read, 0, 1000, 1) == ErrorCode.KAFKA_STORAGE_ERROR


def test_a_failed_fsync_is_never_tried_again():
    on, loop = disk(), SimulatedLoop(Random(1))
    log = open_log(on, LARGE)
    append(log, "a")
    on.fail_next("fsync")
    assert code_of(loop.run_until_complete, log.flush()) == ErrorCode.KAFKA_STORAGE_ERROR
    assert code_of(loop.run_until_complete, log.flush()) == ErrorCode.KAFKA_STORAGE_ERROR
    assert log.recovery_point == 0
    log.close(NOW)
    loop.close()


def test_a_flush_moves_the_recovery_point_to_where_it_began():
    on, loop = disk(), SimulatedLoop(Random(1))
    log = open_log(on)
    for _ in range(9):
        append(log, "value")

    async def flush_and_append() -> None:
        flush = asyncio.ensure_future(log.flush())
        await asyncio.sleep(0)
        append(log, "meanwhile")
        await flush

    assert (log.rolled, log.unflushed) == (True, 9)
    loop.run_until_complete(flush_and_append())
    assert (log.rolled, log.recovery_point, log.unflushed) == (False, 9, 1)
    loop.close()


@pytest.mark.parametrize("operation", range(1, 200, 3))
def test_a_kill_between_any_two_system_calls_leaves_a_log_that_opens(operation):
    on = disk()
    log = open_log(on)

    def strike() -> None:
        on.crash()

    on.strike_before(operation, strike)
    try:
        for number in range(30):
            append(log, f"value-{number}", epoch=number // 7, producer_id=7, producer_epoch=0, base_sequence=number)
            if number % 11 == 10:
                log.truncate_to(log.log_end_offset)
        log.close(NOW)
    except SystemExit:
        pass
    known = log.log_end_offset
    on.crash()
    again = open_log(on, clean=False)
    assert known <= again.log_end_offset <= known + 1
    end = again.log_end_offset
    append(again, "next", epoch=9, producer_id=7, producer_epoch=0, base_sequence=end)
    assert offsets(again, end) == [end]


# -- many --------------------------------------------------------------------------------------------------------------


def test_a_thousand_logs_need_few_open_files():
    on: SimulatedDisk = disk()
    files = OpenFiles(on, limit=10)
    logs = [
        PartitionLog.open(on, f"data/t-{number}", topic_id=TOPIC_ID, settings=LogSettings(), now_ms=NOW, files=files)
        for number in range(1000)
    ]
    assert len(files) == 0
    for round_ in range(2):
        for log in logs[:50]:
            append(log, f"round-{round_}")
    assert len(files) == 10
    assert all(offsets(log) == [0, 1] for log in logs[:50])
