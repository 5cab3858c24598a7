"""Several metadata records as one run of bytes: what one decision of the controller writes into the log.

+-----------------+---------+-----------------+---------+---
| varint length   | record  | varint length   | record  | ...       a record as Kafka frames it: see metadata.py
+-----------------+---------+-----------------+---------+---
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from minikafka.records.metadata import MetadataRecord, decode_record, encode_record
from minikafka.wire.varint import read_unsigned_varint, unsigned_varint


def encode_records(records: Iterable[MetadataRecord]) -> bytes:
    """Records back to back, each after its length."""
    return b"".join(map(encode_entry, records))


def encode_entry(record: MetadataRecord) -> bytes:
    """One record, after its length."""
    data = encode_record(record)
    return unsigned_varint(len(data)) + data


def decode_records(data: bytes) -> list[MetadataRecord]:
    """The records of `encode_records`.  Raises WireError."""
    return list(each_record(data))


def each_record(data: bytes) -> Iterator[MetadataRecord]:
    """The same, one after the other: those of a snapshot are many."""
    position = 0
    while position < len(data):
        length, position = read_unsigned_varint(data, position)
        yield decode_record(data[position : position + length])
        position += length
