"""PartitionLog against an obvious twin: a list of batches.  Whatever is done to both, both can be read alike."""

from typing import NamedTuple

from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from minikafka.records.batch import walk
from tests.minikafka.log import fixtures
from tests.minikafka.log.fixtures import NOW, batch

PRODUCERS = st.sampled_from([-1, -1, 7, 8])


class Stored(NamedTuple):
    base_offset: int
    last_offset: int
    epoch: int
    timestamp: int
    producer_id: int
    sequence: int
    body: bytes  # from the checksum on


class Twin(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.disk = fixtures.disk()
        self.log = fixtures.open_log(self.disk)
        self.stored: list[Stored] = []
        self.start = self.end = self.epoch = 0
        self.time = NOW
        self.sequences: dict[int, int] = {}
        self.views: list[tuple[memoryview, bytes]] = []

    # what is done to both

    @rule(
        count=st.integers(1, 4),
        producer_id=st.sampled_from([-1, -1, 7, 8]),
        older=st.integers(0, 500),
        new_epoch=st.booleans(),
    )
    def append(self, count: int, producer_id: int, older: int, new_epoch: bool) -> None:
        self.time += 10
        self.epoch += new_epoch
        data = self.build(count, producer_id, self.time - older)
        appended = self.log.append_as_leader(data, self.epoch, self.time)
        assert (appended.base_offset, appended.last_offset) == (self.end, self.end + count - 1)
        self.keep(data, self.end, count, producer_id, self.time - older)

    @rule(
        count=st.integers(1, 3), batches=st.integers(1, 5), hole=st.sampled_from([0, 0, 1, 5]), cut=st.integers(0, 30)
    )
    def copy_from_a_leader(self, count: int, batches: int, hole: int, cut: int) -> None:
        self.time += 10
        data = bytearray()
        for _ in range(batches):
            base = self.end + hole
            built = bytearray(self.build(count, -1, self.time))
            built[:8] = base.to_bytes(8)
            built[12:16] = self.epoch.to_bytes(4)
            data += built
            self.keep(bytes(built), base, count, -1, self.time)
        self.log.append_as_follower(bytes(data) + data[:cut], self.time)

    def build(self, count: int, producer_id: int, timestamp: int) -> bytes:
        sequence = -1 if producer_id < 0 else self.sequences.get(producer_id, 0)
        return batch(
            *["x" * 20] * count,
            timestamp_ms=timestamp,
            producer_id=producer_id,
            producer_epoch=0 if producer_id >= 0 else -1,
            base_sequence=sequence,
        )

    def keep(self, data: bytes, base: int, count: int, producer_id: int, timestamp: int) -> None:
        sequence = self.sequences.get(producer_id, 0) + count - 1 if producer_id >= 0 else -1
        if producer_id >= 0:
            self.sequences[producer_id] = sequence + 1
        self.stored.append(Stored(base, base + count - 1, self.epoch, timestamp, producer_id, sequence, data[17:]))
        self.end = base + count

    @rule(back=st.integers(0, 12))
    def truncate(self, back: int) -> None:
        offset = max(self.start, self.end - back)
        self.log.truncate_to(offset)
        inside = [stored.base_offset for stored in self.stored if stored.base_offset < offset <= stored.last_offset]
        self.stored = [stored for stored in self.stored if stored.last_offset < offset]
        self.end = self.log.log_end_offset
        assert self.end == min([offset, *inside])
        self.start = min(self.start, self.end)
        self.sequences = {}
        for stored in self.stored:
            if stored.producer_id >= 0:
                self.sequences[stored.producer_id] = stored.sequence + 1

    @rule(ahead=st.integers(0, 10))
    def start_again(self, ahead: int) -> None:
        if ahead >= 9:
            self.start = self.end = self.end + ahead
            self.log.truncate_fully_and_start_at(self.end)
            self.stored, self.sequences = [], {}

    @rule(share=st.floats(0, 1))
    def move_the_start(self, share: float) -> None:
        offset = self.start + int((self.end - self.start) * share)
        self.log.high_watermark = self.end
        self.log.advance_log_start(offset)
        self.start = max(self.start, offset)
        self.log.delete_old_segments(self.time)

    @rule(clean=st.booleans())
    def reopen(self, clean: bool) -> None:
        if clean:
            self.log.close(self.time)
        self.disk.crash()
        self.log = fixtures.open_log(
            self.disk,
            clean=clean,
            recovery_point=self.log.recovery_point,
            log_start_offset=self.start,
            now_ms=self.time,
        )
        assert self.log.log_end_offset == self.end or not self.stored or self.stored[-1].last_offset + 1 < self.end
        self.end = self.log.log_end_offset

    @rule()
    def roll(self) -> None:
        if self.log.active.size:
            self.log.roll(self.time)

    @rule(offset=st.integers(0, 30))
    def hold_a_view(self, offset: int) -> None:
        if self.start <= offset < self.end:
            records = memoryview(self.log.read(offset, 10_000, self.end).records)
            self.views.append((records, bytes(records)))

    # what is seen of both

    @invariant()
    def ends_and_starts_are_the_same(self) -> None:
        assert (self.log.log_start_offset, self.log.log_end_offset) == (self.start, self.end)

    @invariant()
    def every_offset_reads_the_same(self) -> None:
        for offset in range(self.start, self.end):
            for up_to in (self.end, offset + 1, offset + 3):
                expected = [s for s in self.stored if s.last_offset >= offset and s.last_offset < min(up_to, self.end)]
                data = bytes(self.log.read(offset, 400, up_to).records)
                found = [(h.base_offset, h.last_offset, data[at + 17 : at + h.size]) for at, h in walk(data)]
                wanted = [(s.base_offset, s.last_offset, s.body) for s in expected]
                assert found == wanted[: len(found)]
                assert bool(found) == bool(wanted)

    @invariant()
    def times_lead_to_the_first_that_is_not_older(self) -> None:
        for timestamp in {stored.timestamp for stored in self.stored[-5:]} | {0, self.time + 1}:
            expected = next(
                (
                    max(s.base_offset, self.start)
                    for s in self.stored
                    if s.timestamp >= timestamp and s.last_offset >= self.start
                ),
                None,
            )
            found = self.log.offset_for_time(timestamp, self.end)
            assert (found and found.offset) == expected

    @invariant()
    def epochs_are_those_of_the_batches(self) -> None:
        for stored in self.stored:
            if stored.base_offset >= self.start:
                assert self.log.epochs.epoch_of(stored.base_offset) == stored.epoch

    @invariant()
    def the_last_sequences_are_remembered(self) -> None:
        known = {key: producer.last_sequence + 1 for key, producer in self.log.producers.producers.items()}
        visible = {s.producer_id for s in self.stored if s.base_offset >= self.start and s.producer_id >= 0}
        for producer_id in visible:
            assert known[producer_id] == self.sequences[producer_id]

    @invariant()
    def views_stay_what_they_were(self) -> None:
        for view, content in self.views:
            assert view == content


TestTwin = Twin.TestCase
TestTwin.settings = hypothesis_settings(max_examples=40, stateful_step_count=20, deadline=None)
