"""One partition's log: segments in order, and what must stay true of them.

    log start         recovery point        high watermark        log end
        |-------------------|----------------------|------------------|
        |     durable       |  in the page cache   | not replicated   | the next offset
        |     consumers read up to here            |

A produce takes one look at the header, one checksum, and one write: the leader stamps base offset and epoch into the bytes
as they came (neither lies under the checksum), and the records inside stay packed from producer to consumer.  A fetch is a
lookup and one read, or a view of the page cache.  Nothing is awaited but `flush`.

What goes wrong with the disk goes wrong for good: the log is `offline`, answers KAFKA_STORAGE_ERROR, and another replica
leads.  Nobody can tell what a failed write or fsync has left.

Offsets need not be dense: compaction leaves holes, and a follower takes what its leader has.

Source: Kafka's `UnifiedLog.java`, `LocalLog.java`.  Next: recovery.py opens one; lookup.py finds offsets by time.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from posixpath import join
from random import Random
from typing import NamedTuple

from crc32c import crc32c

from durable.disk import Disk
from minikafka.log import lookup, recovery, validation
from minikafka.log.epochs import LeaderEpochs
from minikafka.log.open_files import OpenFiles
from minikafka.log.producer_snapshot import encode as encode_snapshot
from minikafka.log.producer_state import ProducerState, SeenBatch
from minikafka.log.retention import deletable
from minikafka.log.segment import Segment
from minikafka.log.segmented_log import NOTHING, PLACES_MAX, SegmentedLog, Slice
from minikafka.log.settings import LogSettings
from minikafka.log.transaction_index import AbortedTransaction
from minikafka.log.validation import FEW, RECORD_MIN, Origin, RecordsRefused
from minikafka.records.batch import (
    CODEC_MASK,
    CONTROL,
    CRC_START,
    HEADER,
    HEADER_SIZE,
    LENGTH_MIN,
    LOG_APPEND_TIME,
    MAGIC,
    PREFIX_SIZE,
    STAMP,
    BadBatch,
    Batch,
    Buffer,
    checksum_holds,
    read_header,
    recompress,
    stamp_newest,
    stamp_time,
    walk,
)
from minikafka.records.marker import read_marker
from minikafka.wire.errors import ErrorCode, KafkaError

__all__ = ["Appended", "LogSettings", "Origin", "PartitionLog", "RecordsRefused", "Slice", "TimedOffset"]

TimedOffset = lookup.TimedOffset
CODECS = 5
NO_BATCH = Batch(0, LENGTH_MIN - 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)  # what too few bytes are taken for


class Appended(NamedTuple):
    """What became of an append."""

    base_offset: int
    last_offset: int
    log_append_time_ms: int  # -1 unless the topic stamps its records itself; of a duplicate, the stored one
    log_start_offset: int
    duplicate: bool  # nothing was written: these are the offsets of the first time
    record_count: int


class PartitionLog(SegmentedLog):
    """The log of one partition in one folder.  Its owner says what is replicated, and when to flush and to forget.

    high_watermark   set by the owner; reading does not look at it, retention and the last stable offset do
    offline          why the disk has failed; every call raises KAFKA_STORAGE_ERROR from then on
    """

    def __init__(self, files: OpenFiles, folder: str, settings: LogSettings, random: Random | None) -> None:
        """Not for use: `open` is."""
        super().__init__(files, folder, settings, random)
        self.configure(settings)
        self.log_start_offset = self.high_watermark = 0
        self.epochs = LeaderEpochs(files.disk, join(folder, "leader-epoch-checkpoint"))
        self.producers = ProducerState(self.name)
        self.offline: OSError | None = None
        self.snapshot_offset = 0  # of the newest `.snapshot`; 0 needs none
        self.recovered: set[int] = set()  # base offsets of the segments that `open` has checked

    @classmethod
    def open(
        cls,
        disk: Disk,
        folder: str,
        *,
        topic_id: bytes | None,
        settings: LogSettings,
        now_ms: int,
        clean: bool = True,
        recovery_point: int = 0,
        log_start_offset: int = 0,
        files: OpenFiles | None = None,
        random: Random | None = None,
    ) -> PartitionLog:
        """The log in `folder`, which is made when it is not there.

        clean           the broker was stopped in good order: what the files say is believed
        recovery_point  else, what stands above is checked, and cut off from the first bad batch on
        files           shared by all logs of a broker, so that together they hold no more than its limit
        random          for `segment.jitter.ms`

        Raises OSError; KafkaError with INCONSISTENT_TOPIC_ID when the folder is of another topic of that name.
        """
        log = cls(files if files is not None else OpenFiles(disk), folder, settings, random)
        recovery.open_log(log, topic_id, now_ms, clean, recovery_point, log_start_offset)
        return log

    @property
    def last_stable_offset(self) -> int:
        """The high watermark, or where the first transaction begins whose outcome is not replicated yet."""
        producers = self.producers
        if not producers.open and not producers.ended:
            return self.high_watermark
        unstable = producers.first_unstable_offset(self.high_watermark)
        return self.high_watermark if unstable is None else min(unstable, self.high_watermark)

    # -- appending ----------------------------------------------------------------------------------------------

    def append_as_leader(
        self, records: Buffer, leader_epoch: int, now_ms: int, origin: Origin = Origin.CLIENT
    ) -> Appended:
        """Check one batch, give it the next offsets and write it.  Raises KafkaError, and nothing is written then.

        records  written into when it may be: offset and epoch are stamped in place
        """
        self._check_online()
        settings = self.settings
        size = len(records)
        batch = Batch._make(HEADER.unpack_from(records)) if size >= HEADER_SIZE else NO_BATCH
        if (
            batch.length + PREFIX_SIZE != size
            or batch.base_offset
            or batch.magic != MAGIC
            or size > settings.max_message_bytes
            or batch.record_count != batch.last_offset_delta + 1
            or batch.record_count < 1
            or batch.attributes & CONTROL
            or batch.attributes & CODEC_MASK >= CODECS
            or batch.base_sequence < 0 <= batch.producer_id
        ):
            batch = validation.examine(records, self.name, settings, origin)
            if size > batch.size:
                size = batch.size
                records = memoryview(records)[:size]
        elif crc32c(memoryview(records)[CRC_START:]) != batch.crc:
            raise validation.corrupt(batch, self.name)

        client = origin is Origin.CLIENT
        if client:
            if batch.attributes & CODEC_MASK:
                validation.check_packed(records, batch, self.name)
            elif batch.record_count <= FEW:
                newest = validation.newest_of_few(records, batch, self.name)
                if newest != batch.max_timestamp:
                    records = bytearray(records)
                    batch = stamp_newest(records, batch, newest)
            elif batch.record_count * RECORD_MIN > size - HEADER_SIZE:
                raise validation.ill_structured(self.name)
        if client and (self._by_record or batch.max_timestamp > now_ms + settings.timestamp_after_max_ms):
            validation.check_records(records, batch, self.name, settings, now_ms)
        if settings.codec is not None and settings.codec != batch.codec:
            records, batch, size = self._recompress(records, batch)
        elif isinstance(records, bytes) or (isinstance(records, memoryview) and records.readonly):
            records = bytearray(records)
        if settings.log_append_time:
            batch = stamp_time(records, batch, now_ms)
        elif batch.attributes & LOG_APPEND_TIME:
            batch = stamp_time(records, batch, None)
        if size > settings.segment_bytes:
            raise validation.too_large_for_segment(size, self.name, settings)

        base_offset = self.log_end_offset
        if client and batch.producer_id >= 0:
            earlier = self.producers.check(batch, base_offset)
            if earlier is not None:
                return self._duplicate(earlier)

        STAMP.pack_into(records, 0, base_offset, batch.length, leader_epoch)
        last_offset = base_offset + batch.last_offset_delta
        try:
            if leader_epoch != self.epochs.latest:
                self.epochs.assign(leader_epoch, base_offset)
            segment = self.segment_for(size, base_offset, last_offset, batch.max_timestamp, now_ms)
            position = segment.size
            segment.append(records)
        except OSError as error:
            raise self._failed(error) from error
        self._appended(segment, position, size, base_offset, batch, records)
        time_ms = now_ms if settings.log_append_time else -1
        return Appended(base_offset, last_offset, time_ms, self.log_start_offset, False, batch.record_count)

    def append_as_follower(self, records: Buffer, now_ms: int, leader_epoch: int | None = None) -> Appended:
        """Write what the leader sent, one or several batches, as they are; a cut one at the end is left out.

        leader_epoch  that this follower knows: batches of later ones are left for the next fetch, which is refused or
                      makes it look for the new leader

        Raises KafkaError: CORRUPT_MESSAGE; UNKNOWN_SERVER_ERROR for offsets that the log has already.
        """
        self._check_online()
        batches, next_offset = [], self.log_end_offset
        try:
            for position, batch in walk(records):
                if leader_epoch is not None and batch.leader_epoch > leader_epoch:
                    break
                if not checksum_holds(records, position, batch):
                    raise validation.corrupt(batch, self.name)
                if batch.base_offset < next_offset or batch.last_offset_delta < 0:
                    raise KafkaError(
                        ErrorCode.UNKNOWN_SERVER_ERROR,
                        f"Unexpected offset in append to {self.name}. First offset {batch.base_offset} is less than the "
                        f"next offset {next_offset}.",
                    )
                next_offset = batch.last_offset + 1
                batches.append((position, batch))
        except BadBatch as error:
            raise KafkaError(ErrorCode.CORRUPT_MESSAGE, f"{error} in topic partition {self.name}.") from None
        base_offset = batches[0][1].base_offset if batches else self.log_end_offset
        count = 0
        try:
            for run in self._runs(batches):
                count += self._append_run(memoryview(records), run, now_ms)
        except OSError as error:
            raise self._failed(error) from error
        return Appended(base_offset, self.log_end_offset - 1, -1, self.log_start_offset, False, count)

    def _runs(self, batches: Sequence[tuple[int, Batch]]) -> Iterator[Sequence[tuple[int, Batch]]]:
        """`batches` cut where a segment would become too large: each run is one write.  Usually there is one."""
        room = self.settings.segment_bytes - self.active.size
        start = used = 0
        for place, (_, batch) in enumerate(batches):
            if used + batch.size > room and place > start:
                yield batches[start:place]
                room, start, used = self.settings.segment_bytes, place, 0
            used += batch.size
        if batches:
            yield batches[start:]

    def _append_run(self, records: memoryview, run: Sequence[tuple[int, Batch]], now_ms: int) -> int:
        start, (last_position, last) = run[0][0], run[-1]
        end = last_position + last.size
        newest = max(batch.max_timestamp for _, batch in run)
        segment = self.segment_for(end - start, run[0][1].base_offset, last.last_offset, newest, now_ms)
        shift = segment.size - start
        latest = self.epochs.latest
        for _, batch in run:
            if batch.leader_epoch > latest:
                self.epochs.assign(batch.leader_epoch, batch.base_offset)
                latest = batch.leader_epoch
        segment.append(records[start:end])
        count = 0
        for position, batch in run:
            self._appended(segment, position + shift, batch.size, batch.base_offset, batch, records[position:])
            count += batch.record_count
        return count

    def _appended(
        self, segment: Segment, position: int, size: int, base_offset: int, batch: Batch, records: Buffer
    ) -> None:
        """A batch of `size` bytes has been written at `position`; `records` begins with it."""
        places = self.places
        if len(places) >= PLACES_MAX:
            places.clear()
        places[base_offset] = position
        last_offset = base_offset + batch.last_offset_delta
        segment.note(position, size, last_offset, batch.max_timestamp)
        self.log_end_offset = last_offset + 1
        if batch.producer_id >= 0:
            self.take_producer(segment, batch, base_offset, records)

    def take_producer(
        self, segment: Segment, batch: Batch, base_offset: int, records: Buffer, indexed: bool = False
    ) -> None:
        """Remember what the batch says of its producer, and of a transaction that it ends.

        indexed  the transaction index has it already
        """
        marker = read_marker(records) if batch.attributes & CONTROL else None
        ended = self.producers.take(batch, base_offset, marker)
        if ended is not None and ended.aborted and not indexed:
            stable = min(self.producers.open.values(), default=ended.last_offset + 1)
            segment.transactions.append(
                AbortedTransaction(ended.producer_id, ended.first_offset, ended.last_offset, stable)
            )

    def _duplicate(self, earlier: SeenBatch) -> Appended:
        """The answer of the first time, but with the stored timestamp, whoever set it: as in Kafka."""
        count = earlier.offset_delta + 1
        start = self.log_start_offset
        return Appended(earlier.first_offset, earlier.last_offset, earlier.timestamp, start, True, count)

    def _recompress(self, records: Buffer, batch: Batch) -> tuple[bytearray, Batch, int]:
        assert self.settings.codec is not None
        try:
            again = recompress(records, batch, self.settings.codec)
        except BadBatch as error:
            raise KafkaError(ErrorCode.UNKNOWN_SERVER_ERROR, str(error)) from None
        return again, read_header(again), len(again)

    def _check_online(self) -> None:
        if self.offline is not None:
            raise KafkaError(ErrorCode.KAFKA_STORAGE_ERROR, f"The log of {self.name} is offline: {self.offline}")

    def _failed(self, error: OSError) -> KafkaError:
        """The disk said no: from now on this log says so too."""
        self.offline = self.offline or error
        return KafkaError(ErrorCode.KAFKA_STORAGE_ERROR, f"The log of {self.name} is offline: {error}")

    # -- segments -----------------------------------------------------------------------------------------------

    def configure(self, settings: LogSettings) -> None:
        """The topic's settings have changed."""
        self.settings = settings
        self._by_record = validation.looks_at_records(settings)

    def roll_if_due(self, now_ms: int) -> bool:
        """Roll when the active segment is older than `segment.ms` though nothing is appended.  Raises KafkaError."""
        self._check_online()
        if not self.is_due(now_ms):
            return False
        try:
            self.roll(now_ms)
        except OSError as error:
            raise self._failed(error) from error
        return True

    def take_snapshot(self, offset: int) -> None:
        """Write down what is known of producers at `offset`, which the log has just reached.  Raises OSError."""
        file = self.disk.open(self.snapshot_path(offset), "w")
        try:
            file.append(encode_snapshot(self.producers.producers))
        finally:
            file.close()
        self.snapshot_offset = offset

    # -- reading ------------------------------------------------------------------------------------------------

    def read(self, offset: int, max_bytes: int, up_to: int, at_least_one: bool = True) -> Slice:
        """Batches from the one that contains `offset` on, below `up_to`: one run of bytes of one segment.

        max_bytes     what is read stays below, unless the first batch is larger and `at_least_one` holds

        Raises KafkaError: OFFSET_OUT_OF_RANGE below the log's start or above its end, KAFKA_STORAGE_ERROR.
        """
        self._check_online()
        log_end_offset = self.log_end_offset
        if not self.log_start_offset <= offset <= log_end_offset:
            raise self._out_of_range(offset)
        end = min(up_to, log_end_offset)
        if offset >= end:
            return NOTHING
        try:
            return self.slice(offset, end, max_bytes, at_least_one)
        except OSError as error:
            raise self._failed(error) from error

    def aborted_transactions(self, first_offset: int, end_offset: int) -> list[AbortedTransaction]:
        """Those that overlap [first_offset, end_offset): what a reader of committed records must skip."""
        found: list[AbortedTransaction] = []
        for segment, _ in self.segments_from(first_offset):
            more, complete = segment.transactions.overlapping(first_offset, end_offset)
            found += more
            if complete:
                break
        return found

    def offset_for_time(self, timestamp_ms: int, up_to: int) -> TimedOffset | None:
        """The first record below `up_to` that is not older than `timestamp_ms`."""
        self._check_online()
        return lookup.offset_for_time(self.segments, timestamp_ms, self.log_start_offset, up_to)

    def offset_of_max_timestamp(self) -> TimedOffset | None:
        """The first record with the largest timestamp; None in an empty log."""
        self._check_online()
        return lookup.offset_of_max_timestamp(self.segments, self.log_start_offset)

    def _out_of_range(self, offset: int) -> KafkaError:
        return KafkaError(
            ErrorCode.OFFSET_OUT_OF_RANGE,
            f"Received request for offset {offset} for partition {self.name}, but we only have log segments starting "
            f"from offset: {self.log_start_offset}.",
        )

    # -- forgetting ---------------------------------------------------------------------------------------------

    def truncate_to(self, offset: int) -> None:
        """Cut off everything from `offset` on, and what was remembered of it.  The log ends there then, or earlier where
        `offset` lies inside a batch.  Raises KafkaError.

        The recovery point may go down: its owner is told, whose checkpoint may say more.
        """
        self._check_online()
        if offset >= self.log_end_offset:
            return
        try:
            if offset <= self.segments[0].base_offset:
                self._start_over(offset)
                return
            self.cut(offset)
            self._stay_within()
            self.epochs.truncate_from_end(self.log_end_offset)
            recovery.load_producers(self)
        except OSError as error:
            raise self._failed(error) from error

    def truncate_fully_and_start_at(self, offset: int) -> None:
        """Forget everything; the log begins and ends at `offset`: a follower whose leader begins there."""
        self._check_online()
        try:
            self._start_over(offset)
        except OSError as error:
            raise self._failed(error) from error

    def _start_over(self, offset: int) -> None:
        self.cut_all(offset)
        recovery.drop_snapshots(self)
        self._stay_within()
        self.log_start_offset = offset
        self.epochs.clear()
        recovery.load_producers(self)

    def _stay_within(self) -> None:
        """The log ends earlier than it did: nothing that is said of it may lie beyond."""
        self.high_watermark = min(self.high_watermark, self.log_end_offset)
        self.log_start_offset = min(self.log_start_offset, self.log_end_offset)

    def advance_log_start(self, offset: int) -> bool:
        """Records below `offset` are no longer readable; whole segments go at the next cleaning.  Whether it rose.

        Raises KafkaError with OFFSET_OUT_OF_RANGE above the high watermark.
        """
        self._check_online()
        if offset > self.high_watermark:
            raise KafkaError(
                ErrorCode.OFFSET_OUT_OF_RANGE,
                f"Cannot increment the log start offset to {offset} of partition {self.name} since it is larger than "
                f"the high watermark {self.high_watermark}",
            )
        if offset <= self.log_start_offset:
            return False
        self.log_start_offset = offset
        try:
            self.epochs.truncate_from_start(offset)
        except OSError as error:
            raise self._failed(error) from error
        return True

    def delete_old_segments(self, now_ms: int) -> int:
        """Forget what `retention.ms`, `retention.bytes` and the log's start allow to; returns how many segments.

        Their files are renamed, and removed by a call `file.delete.delay.ms` later.  Raises KafkaError.
        """
        self._check_online()
        try:
            self.remove_doomed(now_ms)
            count = deletable(self.facts(), self.settings, self.log_start_offset, self.high_watermark, now_ms)
            if count == len(self.segments):
                self.roll(now_ms)
            self.delete_oldest(count, now_ms + self.settings.file_delete_delay_ms)
            if count:
                self.advance_log_start(self.segments[0].base_offset)
        except OSError as error:
            raise self._failed(error) from error
        return count

    # -- durability ---------------------------------------------------------------------------------------------

    async def flush(self) -> None:
        """Make durable what is there now, and move the recovery point behind it.  Raises KafkaError.

        An fsync that failed is never tried again: the kernel has dropped the pages, and the next would succeed.
        """
        self._check_online()
        here = self.mark()
        try:
            if self.epochs.dirty:
                await self.epochs.flush()
                self.names_changed = True
            await self.sync(here)
        except OSError as error:
            raise self._failed(error) from error

    def close(self, now_ms: int) -> None:
        """A stop in good order: all is durable when this returns, and the next `open` may believe it."""
        if self.offline is not None:
            return
        try:
            self.remove_doomed(now_ms)
            if self.log_end_offset > self.snapshot_offset:
                self.take_snapshot(self.log_end_offset)
            if self.epochs.dirty:
                self.epochs.make_durable()
            self.sync_now()
        except OSError as error:
            raise self._failed(error) from error
