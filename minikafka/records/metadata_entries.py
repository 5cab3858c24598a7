"""Several metadata records as one run of bytes: what one decision of the controller writes into the log.

+-----------------+---------+-----------------+---------+---
| varint length   | record  | varint length   | record  | ...       a record as Kafka frames it: see metadata.py
+-----------------+---------+-----------------+---------+---
"""

from __future__ import annotations

from collections.abc import Iterable

from minikafka.records.metadata import MetadataRecord, decode_record, encode_record
from minikafka.wire.varint import read_unsigned_varint, unsigned_varint


def encode_records(records: Iterable[MetadataRecord]) -> bytes:
    """Records back to back, each after its length."""
    pieces: list[bytes] = []
    for record in records:
        data = encode_record(record)
        pieces += unsigned_varint(len(data)), data
    return b"".join(pieces)


def decode_records(data: bytes) -> list[MetadataRecord]:
    """The records of `encode_records`.  Raises WireError."""
    records: list[MetadataRecord] = []
    position = 0
    while position < len(data):
        length, position = read_unsigned_varint(data, position)
        records.append(decode_record(data[position : position + length]))
        position += length
    return records
