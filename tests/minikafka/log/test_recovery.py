"""Whatever a crash leaves, a log opens with a prefix of what it held, and with all of it that was flushed."""

import asyncio
from dataclasses import replace
from random import Random

import pytest

from minikafka.log.partition_log import PartitionLog
from minikafka.log.segment import INDEX, LOG, SNAPSHOT, TIME_INDEX, file_name
from minikafka.records.batch import walk
from minikafka.records.marker import ABORT, Marker, build_marker
from minikafka.wire.errors import ErrorCode, KafkaError
from simulation.disk import SimulatedDisk
from simulation.loop import SimulatedLoop
from tests.minikafka.log.fixtures import FOLDER, NOW, SMALL, append, batch, disk, open_log


def contents(log: PartitionLog) -> list[tuple[int, bytes]]:
    """(base offset, what the leader did not stamp) of each batch."""
    found = []
    offset = log.log_start_offset
    while data := bytes(log.read(offset, 100_000, log.log_end_offset).records):
        for position, header in walk(data):
            found.append((header.base_offset, data[position + 17 : position + header.size]))
            offset = header.last_offset + 1
    return found


def epochs_in(log: PartitionLog) -> dict[int, int]:
    """The leader epoch of each batch, by its base offset."""
    headers = (header for segment in log.segments for _, header in segment.batches())
    return {header.base_offset: header.leader_epoch for header in headers}


def fill(log: PartitionLog, count: int = 12) -> None:
    for number in range(count):
        append(log, f"value-{number}", epoch=number // 5, producer_id=9, producer_epoch=0, base_sequence=number)


def overwrite(on: SimulatedDisk, path: str, content: bytes) -> None:
    file = on.open(path, "w")
    file.append(content)
    file.close()


def state(log: PartitionLog) -> tuple[object, ...]:
    producers = {key: (p.epoch, p.last_sequence) for key, p in log.producers.producers.items()}
    return contents(log), log.log_end_offset, log.epochs.entries, producers


def test_a_clean_stop_is_believed_and_everything_is_there():
    on = disk()
    log = open_log(on)
    fill(log)
    before = state(log)
    log.close(NOW)
    on.power_loss()
    again = open_log(on)
    assert state(again) == before
    assert again.unflushed == 0


def test_a_killed_broker_loses_nothing_that_it_wrote():
    on = disk()
    log = open_log(on)
    fill(log)
    before = state(log)
    on.crash()
    assert state(open_log(on, clean=False)) == before


def last_segment(log: PartitionLog) -> tuple[str, bytes]:
    return log.active.path, log.disk.read(log.active.path)


def test_a_tail_torn_at_any_byte_leaves_the_whole_batches_before_it():
    on = disk()
    log = open_log(on)
    fill(log, 7)
    held = contents(log)
    path, data = last_segment(log)
    starts = [position for position, _ in walk(data)]
    earlier = len(held) - len(starts)
    assert len(starts) > 1 and earlier > 0
    for cut in range(len(data)):
        overwrite(on, path, data[:cut])
        whole = sum(position <= cut for position in [*starts[1:], len(data)])
        assert contents(open_log(on, clean=False)) == held[: earlier + whole]


def test_a_flipped_bit_ends_the_log_before_its_batch():
    on = disk()
    log = open_log(on)
    fill(log, 7)
    held = contents(log)
    path = log.segments[1].path
    data = on.read(path)
    positions = [position for position, _ in walk(data)]
    earlier = sum(offset < log.segments[1].base_offset for offset, _ in held)
    for number, position in enumerate(positions):
        damaged = bytearray(data)
        damaged[position + 70] ^= 1
        overwrite(on, path, bytes(damaged))
        again = open_log(on, clean=False)
        assert contents(again) == held[: earlier + number]
        assert again.active.base_offset == again.segments[1].base_offset == int(path[-24:-4])
        again.disk.unlink(again.active.path)
        for segment in log.segments[2:]:
            overwrite(on, segment.path, b"")


def test_batches_below_the_recovery_point_are_not_read_again():
    on = disk()
    log = open_log(on)
    fill(log)
    second = log.segments[1]
    damaged = bytearray(on.read(second.path))
    damaged[70] ^= 1
    overwrite(on, second.path, bytes(damaged))
    assert open_log(on, clean=False, recovery_point=log.log_end_offset).log_end_offset == 12
    assert open_log(on, clean=False, recovery_point=second.base_offset).log_end_offset == second.base_offset


@pytest.mark.parametrize("suffix", [INDEX, TIME_INDEX])
@pytest.mark.parametrize("content", [None, b"\0" * 48, b"\xff" * 48])
def test_an_index_that_is_missing_or_absurd_is_built_anew(suffix, content):
    on = disk()
    log = open_log(on, replace(SMALL, segment_bytes=2000))
    fill(log, 30)
    assert len(log.segments) == 2
    log.close(NOW)
    path = f"{FOLDER}/{file_name(0, suffix)}"
    good = on.read(path)
    if content is None:
        on.unlink(path)
    else:
        overwrite(on, path, content)
    again = open_log(on)
    assert on.read(path) == good
    assert contents(again) == contents(log.open(on, FOLDER, topic_id=None, settings=SMALL, now_ms=NOW))


def test_a_segment_behind_a_hole_goes():
    """The power may fail when the end of one segment is lost, exactly between two batches, and the next one stands."""
    on = disk()
    log = open_log(on)
    fill(log, 9)
    held = contents(log)
    assert len(log.segments) >= 3
    first = log.segments[0]
    data = on.read(first.path)
    last_position = [position for position, _ in walk(data)][-1]
    overwrite(on, first.path, data[:last_position])
    again = open_log(on, clean=False)
    kept = [entry for entry in held if entry[0] < log.segments[1].base_offset][:-1]
    assert contents(again) == kept
    assert [name for name in on.listdir(FOLDER) if name.endswith(LOG)] == [file_name(0, LOG)]


def test_a_damaged_snapshot_falls_back_to_an_earlier_one_and_the_batches():
    on = disk()
    log = open_log(on)
    fill(log)
    before = state(log)
    log.close(NOW)
    for name in on.listdir(FOLDER):
        if name.endswith(SNAPSHOT):
            overwrite(on, f"{FOLDER}/{name}", on.read(f"{FOLDER}/{name}")[:-1])
    assert state(open_log(on)) == before


def test_damaged_leader_epochs_come_again_from_the_batches():
    on = disk()
    log = open_log(on)
    fill(log)
    expected = log.epochs.entries
    log.close(NOW)
    overwrite(on, log.epochs.path, b"0\n3\n0 0\n")
    assert open_log(on).epochs.entries == expected == [(0, 0), (1, 5), (2, 10)]


def test_aborted_transactions_are_indexed_again():
    on = disk()
    log = open_log(on)
    append(log, "x", producer_id=5, producer_epoch=0, base_sequence=0, transactional=True)
    marker = build_marker(Marker(ABORT, 0), producer_id=5, producer_epoch=0, timestamp_ms=NOW)
    marker[:16] = (1).to_bytes(8) + marker[8:12] + (0).to_bytes(4)
    log.append_as_follower(marker, NOW)
    expected = log.aborted_transactions(0, 10)
    assert [(entry.producer_id, entry.first_offset, entry.last_offset) for entry in expected] == [(5, 0, 1)]
    on.crash()
    assert open_log(on, clean=False).aborted_transactions(0, 10) == expected


def test_a_folder_of_another_topic_is_refused():
    on = disk()
    open_log(on).close(NOW)
    with pytest.raises(KafkaError) as refused:
        PartitionLog.open(on, FOLDER, topic_id=bytes(16), settings=SMALL, now_ms=NOW)
    assert refused.value.code == ErrorCode.INCONSISTENT_TOPIC_ID


def test_what_was_half_deleted_is_removed():
    on = disk()
    log = open_log(on)
    fill(log, 3)
    for name in ("00000000000000000007.log.deleted", "00000000000000000007.log.cut", "leader-epoch-checkpoint.new"):
        overwrite(on, f"{FOLDER}/{name}", b"x")
    on.crash()
    open_log(on, clean=False)
    assert [name for name in on.listdir(FOLDER) if name.endswith((".deleted", ".cut", ".new"))] == []


class Life:
    """A log and what it should hold, from one power failure to the next."""

    def __init__(self, seed: int) -> None:
        self.random = Random(seed)
        self.disk = disk(seed, garbage=0.5)
        self.loop = SimulatedLoop(self.random)
        self.log = open_log(self.disk, clean=False)
        self.epoch = 0
        self.written: list[tuple[int, bytes]] = []
        self.flushes: list[asyncio.Task[None]] = []
        self.recovery_point = 0  # as in the owner's checkpoint, which is never ahead of the log

    def append(self) -> None:
        number = len(self.written)
        data = batch(
            f"epoch-{self.epoch}-{number}" * self.random.randrange(1, 6),
            timestamp_ms=NOW + number,
            producer_id=9,
            producer_epoch=0,
            base_sequence=number,
        )
        base = self.log.append_as_leader(data, self.epoch, NOW + number).base_offset
        self.written.append((base, data[17:]))

    def another_leader(self) -> None:
        self.epoch += 1

    def begin_flush(self) -> None:
        self.flushes.append(self.loop.create_task(self.log.flush()))

    def wait(self) -> None:
        self.loop.run_until_complete(asyncio.sleep(self.random.random() * 0.02))
        self.recovery_point = self.log.recovery_point

    def truncate(self) -> None:
        offset = self.random.randrange(max(0, self.log.log_end_offset - 3), self.log.log_end_offset + 1)
        self.log.truncate_to(offset)
        self.written = [entry for entry in self.written if entry[0] < offset]
        self.recovery_point = self.log.recovery_point

    def power_loss(self) -> None:
        for flush in self.flushes:
            flush.cancel()
        self.loop.run_until_complete(asyncio.sleep(0))
        assert all(flush.cancelled() or flush.exception() is None for flush in self.flushes)
        self.flushes.clear()
        self.disk.power_loss()
        self.log = open_log(self.disk, clean=False, recovery_point=self.recovery_point)
        self.epoch += 1

    def check(self) -> None:
        log, found = self.log, contents(self.log)
        durable = [entry for entry in self.written if entry[0] < self.recovery_point]
        assert found[: len(durable)] == durable
        for offset, body in found:
            assert log.read(offset, 1, log.log_end_offset).records[17:] == body
        assert {offset: log.epochs.epoch_of(offset) for offset, _ in found} == epochs_in(log)
        last_sequences = {key: producer.last_sequence for key, producer in log.producers.producers.items()}
        assert last_sequences == ({9: len(found) - 1} if found else {})
        self.written = found


@pytest.mark.parametrize("seed", range(100))
def test_power_loss_takes_only_what_was_not_flushed(seed):
    """A thousand cuts: appends, flushes, truncations at once, then the power fails: any tail of any file may be gone."""
    life = Life(seed)
    steps = [life.append] * 10 + [
        life.another_leader,
        life.begin_flush,
        life.begin_flush,
        life.wait,
        life.wait,
        life.truncate,
    ]
    for _ in range(4):
        for _ in range(life.random.randrange(1, 40)):
            life.random.choice(steps)()
        life.power_loss()
        life.check()
    life.loop.close()
