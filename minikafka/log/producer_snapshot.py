"""`00000000000000368769.snapshot`: the producers as they were known when the log ended at that offset.

    int16 version 1 | uint32 CRC-32C of all behind it | int32 count | per producer, 50 bytes:
    int64 id | int16 epoch | int32 last sequence | int64 last offset | int32 offset delta | int64 timestamp
    | int32 coordinator epoch | int64 first offset of its open transaction, -1 without

Of the five batches that a live broker remembers, only the last is kept.  A snapshot is taken at each roll and at a clean
stop; a broker that starts loads the newest and reads the batches behind it.

Source: Kafka's `ProducerSnapshot.json`, `ProducerStateManager.java`.
"""

from struct import Struct

from crc32c import crc32c

from minikafka.log.producer_state import Producer, ProducerState, SeenBatch

HEAD = Struct(">hIi")
ENTRY = Struct(">qhiqiqiq")
VERSION = 1
CRC_START = 6


class BadSnapshot(ValueError):
    """A file that is no snapshot: torn, damaged or of another version."""


def encode(producers: dict[int, Producer]) -> bytes:
    body = bytearray(HEAD.size)
    HEAD.pack_into(body, 0, VERSION, 0, len(producers))
    for producer_id, producer in producers.items():
        last = producer.batches[-1] if producer.batches else SeenBatch(-1, -1, 0, -1)
        body += ENTRY.pack(
            producer_id, producer.epoch, last.last_sequence, last.last_offset, last.offset_delta,
            producer.last_timestamp, producer.coordinator_epoch, producer.open_since,
        )  # fmt: skip
    HEAD.pack_into(body, 0, VERSION, crc32c(memoryview(body)[CRC_START:]), len(producers))
    return bytes(body)


def decode(content: bytes) -> dict[int, Producer]:
    """The producers in a file.  Raises BadSnapshot."""
    if len(content) < HEAD.size:
        raise BadSnapshot(f"{len(content)} bytes")
    version, crc, count = HEAD.unpack_from(content)
    if version != VERSION:
        raise BadSnapshot(f"version {version}, expected {VERSION}")
    if crc32c(content[CRC_START:]) != crc:
        raise BadSnapshot("the checksum does not hold")
    if len(content) != HEAD.size + count * ENTRY.size:
        raise BadSnapshot(f"{len(content)} bytes for {count} producers")
    producers = {}
    for fields in ENTRY.iter_unpack(content[HEAD.size :]):
        producer_id, epoch, sequence, offset, delta, timestamp, coordinator_epoch, open_since = fields
        producer = producers[producer_id] = Producer(epoch)
        producer.last_timestamp, producer.coordinator_epoch, producer.open_since = (
            timestamp,
            coordinator_epoch,
            open_since,
        )
        if offset >= 0:
            producer.batches.append(SeenBatch(sequence, offset, delta, timestamp))
    return producers


def restore(state: ProducerState, producers: dict[int, Producer], end_offset: int) -> None:
    """Make `state` what a snapshot at `end_offset` says."""
    state.clear(end_offset)
    state.producers.update(producers)
    state.open.update((key, producer.open_since) for key, producer in producers.items() if producer.open_since >= 0)
