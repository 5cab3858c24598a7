"""What stands in the files of a log, as text, and what is wrong with it: `mini kafka dump-log`.

    .log         a line for each batch; with `deep` or `print_data` one for each record
    .index       offset and position; each is looked up in the .log beside it
    .timeindex   timestamp and offset; the same
    .txnindex    aborted transactions
    .snapshot    producers

The lines are those of Kafka's DumpLogSegments, so that either tool's output can be compared with the other's; it reads our
files and this reads Kafka's.  Different: a bad checksum, or a record that cannot be read, counts as a fault and does not
end the dump; an index that Kafka preallocated is read up to its zeros.

Source: Kafka's `DumpLogSegments.scala`.
"""

import json
from base64 import b64encode
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from posixpath import basename, splitext

from durable.disk import Disk
from minikafka.log import producer_snapshot, transaction_index
from minikafka.log.index import OFFSET_ENTRY, TIME_ENTRY
from minikafka.log.producer_snapshot import BadSnapshot
from minikafka.log.segment import INDEX, LOG, SNAPSHOT, TIME_INDEX, TRANSACTIONS
from minikafka.records.batch import HEADER_SIZE, BadBatch, Batch, checksum_holds, read_header, read_records
from minikafka.records.compression import Codec
from minikafka.records.coordinator import decode_key, decode_value
from minikafka.records.marker import read_marker
from minikafka.records.record import Record
from minikafka.wire.types import Struct, WireError

Write = Callable[[str], None]


@dataclass(frozen=True)
class DumpOptions:
    """The flags of the tool."""

    deep: bool = False  # --deep-iteration: every record
    print_data: bool = False  # --print-data-log: keys and values too
    offsets: bool = False  # --offsets-decoder: they are records of __consumer_offsets
    quiet: bool = False  # --verify-index-only: only what is wrong


def dump_file(disk: Disk, path: str, write: Write, options: DumpOptions | None = None) -> int:
    """Write what stands in the file at `path`, line by line; returns how many faults were found.

    Raises OSError; ValueError for a file of another kind.
    """
    kind = splitext(path)[1]
    if kind not in DUMPS:
        raise ValueError(f"{path} is none of {' '.join(DUMPS)}")
    write(f"Dumping {path}")
    return DUMPS[kind](disk, path, write, options or DumpOptions())


# -- .log -------------------------------------------------------------------------------------------------------------


def _dump_log(disk: Disk, path: str, write: Write, options: DumpOptions) -> int:
    base_offset = int(splitext(basename(path))[0])
    write(f"Log starting offset: {base_offset}")
    data = disk.view(path, 0, disk.size(path))
    faults, position, last_offset = 0, 0, base_offset - 1
    holes = []
    for position, batch in _batches(data, 0):
        sound = checksum_holds(data, position, batch)
        faults += not sound
        if not options.quiet:
            write(_batch_line(batch, position, sound))
        if batch.base_offset <= last_offset:
            holes.append(f"  {last_offset} is followed by {batch.base_offset}")
        last_offset = batch.last_offset
        if (options.deep or options.print_data or options.offsets) and not options.quiet:
            faults += _dump_records(data, position, batch, write, options)
        position += batch.size
    if position < len(data):
        write(f"Found {len(data) - position} invalid bytes at the end of {basename(path)}")
        faults += 1
    if holes:
        write(f"Non-consecutive offsets in {path}")
        for line in holes:
            write(line)
    return faults + len(holes)


def _batches(data: memoryview, position: int) -> Iterator[tuple[int, Batch]]:
    """Whole batches, as long as what stands there can be one."""
    while position + HEADER_SIZE <= len(data):
        try:
            batch = read_header(data, position)
        except BadBatch:
            return
        if position + batch.size > len(data):
            return
        yield position, batch
        position += batch.size


def _batch_line(batch: Batch, position: int, sound: bool) -> str:
    horizon = f"OptionalLong[{batch.base_timestamp}]" if batch.attributes & 0x40 else "OptionalLong.empty"
    return (
        f"baseOffset: {batch.base_offset} lastOffset: {batch.last_offset} count: {batch.record_count} "
        f"baseSequence: {batch.base_sequence} lastSequence: {batch.last_sequence} producerId: {batch.producer_id} "
        f"producerEpoch: {batch.producer_epoch} partitionLeaderEpoch: {batch.leader_epoch} "
        f"isTransactional: {_yes(batch.is_transactional)} isControl: {_yes(batch.is_control)} "
        f"deleteHorizonMs: {horizon} position: {position} {_time_type(batch)}: {batch.max_timestamp} size: {batch.size} "
        f"magic: {batch.magic} compresscodec: {_codec(batch)} crc: {batch.crc} isvalid: {_yes(sound)}"
    )


def _dump_records(data: memoryview, position: int, batch: Batch, write: Write, options: DumpOptions) -> int:
    try:
        for record in read_records(data, position):
            sequence = -1
            if batch.base_sequence >= 0:
                sequence = (batch.base_sequence + record.offset - batch.base_offset) & 0x7FFFFFFF
            line = (
                f"| offset: {record.offset} {_time_type(batch)}: {record.timestamp_ms} keySize: {_size(record.key)} "
                f"valueSize: {_size(record.value)} sequence: {sequence} "
                f"headerKeys: [{','.join(name for name, _ in record.headers)}]"
            )
            marker = read_marker(data, position) if batch.is_control else None
            if marker is not None:
                line += f" endTxnMarker: {'COMMIT' if marker.kind else 'ABORT'} coordinatorEpoch: {marker.coordinator_epoch}"
            elif batch.is_control:
                line += " unknown control type"
            elif options.offsets:
                line += _offsets(record)
            elif options.print_data:
                line += f" key: {_text(record.key)} payload: {_text(record.value)}"
            write(line)
    except BadBatch as error:
        write(f"Could not read the records at position {position}: {error}")
        return 1
    return 0


def _offsets(record: Record) -> str:
    """A record of __consumer_offsets as JSON, as Kafka's tool writes it."""
    try:
        key = decode_key(record.key or b"")
        shown_key = {"type": str(key.__api_key__), "data": _fields(key, 0)}
        shown_value = None
        if record.value is not None:
            version = int.from_bytes(record.value[:2], "big")
            shown_value = {"version": str(version), "data": _fields(decode_value(key, record.value), version)}
    except WireError:
        return f" key: {_text(record.key)} payload: {_text(record.value)}"
    return f" key: {_json(shown_key)} payload: {_json(shown_value)}"


def _fields(value: object, version: int) -> object:
    """A struct as what JSON knows, with field names as Kafka spells them; tagged fields only where they say something."""
    if isinstance(value, Struct):
        shown = {
            field.name: getattr(value, field.name)
            for field in value.__fields__
            if version in field.versions and (field.tag is None or getattr(value, field.name) != field.default)
        }
        return {_camel(name): _fields(content, version) for name, content in shown.items()}
    if isinstance(value, list):
        return [_fields(item, version) for item in value]
    return b64encode(value).decode() if isinstance(value, bytes | memoryview) else value


def _camel(name: str) -> str:
    first, *others = name.split("_")
    return first + "".join(word.capitalize() for word in others)


def _json(value: object) -> str:
    return json.dumps(value, separators=(",", ":"))


def _time_type(batch: Batch) -> str:
    return "LogAppendTime" if batch.is_log_append_time else "CreateTime"


def _codec(batch: Batch) -> str:
    return Codec(batch.codec).name.lower() if batch.codec <= Codec.ZSTD else str(batch.codec)


def _size(part: bytes | None) -> int:
    return -1 if part is None else len(part)


def _text(part: bytes | None) -> str:
    return "null" if part is None else part.decode(errors="replace")


def _yes(fact: bool) -> str:
    return "true" if fact else "false"


# -- .index and .timeindex --------------------------------------------------------------------------------------------


def _log_beside(disk: Disk, path: str) -> memoryview:
    log = splitext(path)[0] + LOG
    return disk.view(log, 0, disk.size(log))


def _dump_index(disk: Disk, path: str, write: Write, options: DumpOptions) -> int:
    base_offset = int(splitext(basename(path))[0])
    log = _log_beside(disk, path)
    content = disk.read(path)
    if not content:
        write(f"{path} is empty.")
    faults = []
    for number, (relative, position) in enumerate(OFFSET_ENTRY.iter_unpack(_whole(content, OFFSET_ENTRY.size))):
        if number and not relative:
            break  # what Kafka preallocated begins here
        offset = base_offset + relative
        if not options.quiet:
            write(f"offset: {offset} position: {position}")
        batch = next((batch for _, batch in _batches(log, position)), None) if position >= 0 else None
        found = batch.last_offset if batch else -1
        if found != offset and (number or position or relative):
            faults.append(f"  Index offset: {offset}, log offset: {found}")
    return _report(faults, f"Mismatches in :{path}", write) + _remainder(content, OFFSET_ENTRY.size, path, write)


def _dump_time_index(disk: Disk, path: str, write: Write, options: DumpOptions) -> int:
    base_offset = int(splitext(basename(path))[0])
    log = _log_beside(disk, path)
    by_last_offset = {batch.last_offset: batch for _, batch in _batches(log, 0)}
    content = disk.read(path)
    if not content:
        write(f"{path} is empty.")
    wrong, missing, disordered = [], [], []
    previous = -1
    for number, (timestamp, relative) in enumerate(TIME_ENTRY.iter_unpack(_whole(content, TIME_ENTRY.size))):
        if not timestamp and not relative:
            if number == 0 and log:
                continue
            break
        offset = base_offset + relative
        if not options.quiet:
            write(f"timestamp: {timestamp} offset: {offset}")
        batch = by_last_offset.get(offset)
        if batch is None:
            missing.append(f"  Indexed offset: {offset}, found log offset: -1")
        elif batch.max_timestamp != timestamp:
            wrong.append(f"  Index timestamp: {timestamp}, log timestamp: {batch.max_timestamp}")
        if timestamp <= previous:
            disordered.append(f"  Index timestamp: {timestamp}, Previously indexed timestamp: {previous}")
        previous = timestamp
    return (
        _report(wrong, f"Found timestamp mismatch in :{path}", write)
        + _report(disordered, f"Found out of order timestamp in :{path}", write)
        + _report(missing, f"The following indexed offsets are not found in the log in :{path}", write)
        + _remainder(content, TIME_ENTRY.size, path, write)
    )


def _whole(content: bytes, size: int) -> bytes:
    return content[: len(content) - len(content) % size]


def _remainder(content: bytes, size: int, path: str, write: Write) -> int:
    if len(content) % size == 0:
        return 0
    write(f"Found {len(content) % size} bytes of an entry at the end of {basename(path)}")
    return 1


def _report(faults: list[str], title: str, write: Write) -> int:
    if faults:
        write(title)
        for line in faults:
            write(line)
    return len(faults)


# -- .txnindex and .snapshot ------------------------------------------------------------------------------------------


def _dump_transactions(disk: Disk, path: str, write: Write, options: DumpOptions) -> int:
    content = disk.read(path)
    try:
        for aborted in transaction_index.decode(content):
            write(
                f"version: {transaction_index.VERSION} producerId: {aborted.producer_id} "
                f"firstOffset: {aborted.first_offset} lastOffset: {aborted.last_offset} "
                f"lastStableOffset: {aborted.last_stable_offset}"
            )
    except ValueError as error:
        write(f"{path}: {error}")
        return 1
    return _remainder(content, transaction_index.ENTRY.size, path, write)


def _dump_snapshot(disk: Disk, path: str, write: Write, options: DumpOptions) -> int:
    try:
        producers = producer_snapshot.decode(disk.read(path))
    except BadSnapshot as error:
        write(f"Snapshot is corrupt: {error}")
        return 1
    for producer_id, producer in producers.items():
        since = f"OptionalLong[{producer.open_since}]" if producer.open_since >= 0 else "OptionalLong.empty"
        line = (
            f"producerId: {producer_id} producerEpoch: {producer.epoch} coordinatorEpoch: {producer.coordinator_epoch} "
            f"currentTxnFirstOffset: {since} lastTimestamp: {producer.last_timestamp} "
        )
        for seen in producer.batches:
            line += (
                f"firstSequence: {seen.first_sequence} lastSequence: {seen.last_sequence} lastOffset: {seen.last_offset} "
                f"offsetDelta: {seen.offset_delta} timestamp: {seen.timestamp}"
            )
        write(line)
    return 0


DUMPS: dict[str, Callable[[Disk, str, Write, DumpOptions], int]] = {
    LOG: _dump_log,
    INDEX: _dump_index,
    TIME_INDEX: _dump_time_index,
    TRANSACTIONS: _dump_transactions,
    SNAPSHOT: _dump_snapshot,
}
