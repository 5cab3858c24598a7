"""One record inside a batch: a key, a value, headers, and how far it lies from the batch's first.

    varint length | int8 attributes (0) | varlong timestamp delta | varint offset delta
    varint key length (-1 null) | key | varint value length (-1 null: a tombstone) | value
    varint header count | each header: varint key length | key | varint value length (-1 null) | value

A broker reads records only where a rule demands it; these functions serve the coordinators, which keep their state in
records, our own client and `dump-log`.

Source: KIP-98, "Message Format"; KIP-82 for headers.  Next: batch.py puts a header in front of them.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from minikafka.records.varint import append_varint, read_varint

Buffer = bytes | bytearray | memoryview
Header = tuple[str, bytes | None]


class Record(NamedTuple):
    """A record as producers make them and consumers see them."""

    key: bytes | None
    value: bytes | None
    headers: Sequence[Header] = ()
    timestamp_ms: int = -1  # -1 when written: as the batch says
    offset: int = -1  # known once it is read back


class BadRecord(ValueError):
    """Bytes that are no record."""


def append_record(out: bytearray, record: Record, offset_delta: int, timestamp_delta: int) -> None:
    """Append the encoded `record` to `out`."""
    body = bytearray(1)
    append_varint(body, timestamp_delta)
    append_varint(body, offset_delta)
    for part in (record.key, record.value):
        _append_bytes(body, part)
    append_varint(body, len(record.headers))
    for name, value in record.headers:
        _append_bytes(body, name.encode())
        _append_bytes(body, value)
    append_varint(out, len(body))
    out += body


def _append_bytes(out: bytearray, part: bytes | None) -> None:
    if part is None:
        append_varint(out, -1)
    else:
        append_varint(out, len(part))
        out += part


def decode_records(data: Buffer, count: int, base_offset: int, base_timestamp: int) -> Iterator[Record]:
    """The `count` records which stand in `data`, the unpacked payload of a batch.  Raises BadRecord.

    base_offset, base_timestamp  of the batch: what the deltas are added to
    """
    position = 0
    for _ in range(count):
        try:
            length, position = read_varint(data, position)
            end = position + length
            if length < 0 or end > len(data):
                raise BadRecord(f"a record of {length} bytes where {len(data) - position} are left")
            timestamp, position = read_varint(data, position + 1, 10)
            offset, position = read_varint(data, position)
            key, position = _read_bytes(data, position, end)
            value, position = _read_bytes(data, position, end)
            headers_count, position = read_varint(data, position)
            if headers_count < 0 or headers_count > end - position:
                raise BadRecord(f"{headers_count} headers")
            headers = []
            for _ in range(headers_count):
                name, position = _read_bytes(data, position, end)
                if name is None:
                    raise BadRecord("a header without a key")
                content, position = _read_bytes(data, position, end)
                headers.append((name.decode(), content))
        except IndexError:
            raise BadRecord("the records end in the middle of one") from None
        except BadRecord:
            raise
        except ValueError as error:
            raise BadRecord(str(error)) from None
        if position != end:
            raise BadRecord(f"a record said to end at {end} ends at {position}")
        yield Record(key, value, tuple(headers), base_timestamp + timestamp, base_offset + offset)


def _read_bytes(data: Buffer, position: int, end: int) -> tuple[bytes | None, int]:
    length, position = read_varint(data, position)
    if length < 0:
        if length != -1:
            raise BadRecord(f"a length of {length}")
        return None, position
    if length > end - position:
        raise BadRecord(f"{length} bytes where {end - position} are left")
    return bytes(data[position : position + length]), position + length
