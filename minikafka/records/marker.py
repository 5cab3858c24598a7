"""The marker that ends a transaction in a partition: a control batch of one record, which consumers skip.

    key    int16 version 0 | int16 kind: 0 abort, 1 commit
    value  int16 version 0 | int32 epoch of the transaction coordinator that wrote it

Source: KIP-98, "Control Messages"; Kafka's `EndTransactionMarker.java`.
"""

from struct import Struct
from struct import error as StructError
from typing import NamedTuple

from minikafka.records.batch import Buffer, build_batch, read_records
from minikafka.records.record import Record

ABORT, COMMIT = 0, 1
KEY = Struct(">hh")
VALUE = Struct(">hi")


class Marker(NamedTuple):
    kind: int  # ABORT or COMMIT
    coordinator_epoch: int


def build_marker(marker: Marker, *, producer_id: int, producer_epoch: int, timestamp_ms: int) -> bytearray:
    """The control batch that says so."""
    record = Record(KEY.pack(0, marker.kind), VALUE.pack(0, marker.coordinator_epoch))
    return build_batch(
        [record],
        producer_id=producer_id,
        producer_epoch=producer_epoch,
        timestamp_ms=timestamp_ms,
        control=True,
        transactional=True,
    )


def read_marker(data: Buffer, position: int = 0) -> Marker | None:
    """What the control batch at `position` says; None when it is another kind of control record, or damaged."""
    for record in read_records(data, position):
        try:
            _, kind = KEY.unpack_from(record.key or b"")
            if kind in (ABORT, COMMIT):
                return Marker(kind, VALUE.unpack_from(record.value or b"")[1])
        except StructError:
            pass
    return None
