"""The few Kafka requests that a client under fire needs, read from the protocol guide and written out by hand.

Nothing here is shared with the broker, so that a mistake in its declarations cannot hide behind the same mistake in ours.
Old versions are spoken, from before the compact layout: four-byte counts, two-byte lengths.

    request    size i32, key i16, version i16, correlation i32, client id string, body
    response   size i32, correlation i32, body

    key  version   what for
      0  7         Produce: one partition, one batch
      1  11        Fetch: one partition, sessionless
      2  5         ListOffsets: where a partition ends
      3  7         Metadata: who leads
      8  7         OffsetCommit, of one partition, by a member of a group or by nobody in particular
      9  5         OffsetFetch
     10  2         FindCoordinator
     11  5         JoinGroup                      11 to 14 are in kafka_group_wire.py
     12  3         Heartbeat
     13  3         LeaveGroup
     14  3         SyncGroup
     19  4         CreateTopics
     22  1         InitProducerId

Source: kafka.apache.org/protocol; KIP-98 for the batch.  Next: kafka_clients.py decides what to ask and what an answer means.
"""

from __future__ import annotations

import asyncio
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from crc32c import crc32c

Streams = tuple[asyncio.StreamReader, asyncio.StreamWriter]
LOST = (OSError, EOFError, TimeoutError)  # IncompleteReadError is an EOFError
PRODUCE, FETCH, LIST_OFFSETS, METADATA, OFFSET_COMMIT, OFFSET_FETCH = 0, 1, 2, 3, 8, 9
FIND_COORDINATOR, CREATE_TOPICS, INIT_PRODUCER_ID = 10, 19, 22
JOIN_GROUP, HEARTBEAT, LEAVE_GROUP, SYNC_GROUP = 11, 12, 13, 14
VERSIONS = {
    PRODUCE: 7, FETCH: 11, LIST_OFFSETS: 5, METADATA: 7, OFFSET_COMMIT: 7, OFFSET_FETCH: 5, FIND_COORDINATOR: 2,
    JOIN_GROUP: 5, HEARTBEAT: 3, LEAVE_GROUP: 3, SYNC_GROUP: 3, CREATE_TOPICS: 4, INIT_PRODUCER_ID: 1,
}  # fmt: skip
LATEST = -1
BATCH = struct.Struct(">qiibIhiqqqhii")
BATCH_HEAD = 12  # base offset and length: what the length does not count
CRC_END = 21  # what lies behind the checksum is what it covers


class Closed(EOFError):
    """The connection ended before the answer."""


class Reader:
    """Takes fields off a response, from left to right."""

    def __init__(self, data: bytes) -> None:
        self.data, self.position = data, 0

    def take(self, form: str) -> Any:
        """One number: b h i q, signed."""
        (value,) = struct.unpack_from(">" + form, self.data, self.position)
        self.position += struct.calcsize(">" + form)
        return value

    def raw(self, size: int) -> bytes:
        self.position += size
        return self.data[self.position - size : self.position]

    def string(self) -> str | None:
        size = self.take("h")
        return None if size < 0 else self.raw(size).decode()

    def records(self) -> bytes:
        return self.raw(max(0, self.take("i")))

    def times(self) -> range:
        """As many as the count says; a null array is empty."""
        return range(max(0, self.take("i")))

    def numbers(self) -> list[int]:
        return [self.take("i") for _ in self.times()]


def string(text: str | None) -> bytes:
    return struct.pack(">h", -1) if text is None else struct.pack(">h", len(text.encode())) + text.encode()


class Connection:
    """One connection; answers come in the order of the questions, which may be several."""

    def __init__(self, streams: Streams, client: str) -> None:
        self.reader, self.writer = streams
        self.client = client
        self.number = 0

    def send(self, key: int, body: bytes) -> None:
        self.number += 1
        header = struct.pack(">hhi", key, VERSIONS[key], self.number) + string(self.client)
        self.writer.write(struct.pack(">i", len(header) + len(body)) + header + body)

    async def receive(self) -> Reader:
        """The answer to the oldest question that has none.  Raises OSError, EOFError."""
        size = int.from_bytes(await self.reader.readexactly(4), "big")
        answer = Reader(await self.reader.readexactly(size))
        answer.take("i")
        return answer

    async def ask(self, key: int, body: bytes, answer_s: float) -> Reader:
        """Raises OSError, EOFError, TimeoutError."""
        async with asyncio.timeout(answer_s):
            self.send(key, body)
            return await self.receive()

    def close(self) -> None:
        self.writer.transport.abort()


# Metadata


@dataclass(frozen=True)
class Led:
    """Who leads a partition."""

    leader: int
    epoch: int
    isr: tuple[int, ...] = ()


def metadata_request(topic: str) -> bytes:
    return struct.pack(">i", 1) + string(topic) + b"\0"


def metadata(answer: Reader) -> tuple[dict[int, str], dict[int, Led]]:
    """Brokers that live, with the hosts they advertise; and the leaders of the topic's partitions."""
    answer.take("i")
    brokers = {}
    for _ in answer.times():
        number, host = answer.take("i"), answer.string()
        answer.take("i"), answer.string()
        brokers[number] = host or ""
    answer.string(), answer.take("i")
    leaders = {}
    for _ in answer.times():
        answer.take("h"), answer.string(), answer.take("b")
        for _ in answer.times():
            error, index, leader, epoch = (answer.take(form) for form in "hiii")
            answer.numbers()
            isr = tuple(answer.numbers())
            answer.numbers()
            leaders[index] = Led(leader, epoch, isr)
            del error
    return brokers, leaders


def create_topics_request(
    topic: str, partitions: int, replicas: int, configs: dict[str, str], timeout_ms: int
) -> bytes:
    body = struct.pack(">i", 1) + string(topic) + struct.pack(">ihii", partitions, replicas, 0, len(configs))
    body += b"".join(string(name) + string(value) for name, value in configs.items())
    return body + struct.pack(">ib", timeout_ms, 0)


def create_topics(answer: Reader) -> tuple[int, str | None]:
    answer.take("i"), answer.take("i"), answer.string()
    return answer.take("h"), answer.string()


# Producing


def init_producer_id_request() -> bytes:
    return string(None) + struct.pack(">i", 60_000)


def init_producer_id(answer: Reader) -> tuple[int, int, int]:
    """Error, id, epoch."""
    answer.take("i")
    return answer.take("h"), answer.take("q"), answer.take("h")


def produce_request(topic: str, partition: int, batch: bytes, timeout_ms: int) -> bytes:
    head = string(None) + struct.pack(">hii", -1, timeout_ms, 1) + string(topic)
    return head + struct.pack(">iii", 1, partition, len(batch)) + batch


def produce(answer: Reader) -> tuple[int, int]:
    """Error, base offset."""
    answer.take("i"), answer.string(), answer.take("i"), answer.take("i")
    return answer.take("h"), answer.take("q")


def batch_of(values: list[bytes], timestamp_ms: int, producer: tuple[int, int, int] = (-1, -1, -1)) -> bytes:
    """A batch of records without keys; `producer` is id, epoch, first sequence number."""
    records = b""
    for offset, value in enumerate(values):
        body = b"\0\0" + varint(offset) + varint(-1) + varint(len(value)) + value + varint(0)
        records += varint(len(body)) + body
    last = len(values) - 1
    covered = struct.pack(">hiqqqhii", 0, last, timestamp_ms, timestamp_ms, *producer, len(values)) + records
    return struct.pack(">qiibI", 0, 9 + len(covered), -1, 2, crc32c(covered)) + covered


def varint(value: int) -> bytes:
    """Zigzag, seven bits a byte."""
    value = (value << 1) ^ (value >> 63)
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


# Fetching


def fetch_request(topic: str, partition: int, epoch: int, offset: int, wait_ms: int, max_bytes: int) -> bytes:
    head = struct.pack(">iiiibii", -1, wait_ms, 1, max_bytes, 0, 0, -1)
    asked = struct.pack(">iiiqqi", 1, partition, epoch, offset, -1, max_bytes)
    return head + struct.pack(">i", 1) + string(topic) + asked + struct.pack(">i", 0) + string("")


@dataclass(frozen=True)
class Fetched:
    error: int
    high_watermark: int
    records: bytes


def fetch(answer: Reader) -> Fetched:
    answer.take("i")
    error = answer.take("h")
    answer.take("i")
    if error or not answer.take("i"):
        return Fetched(error or -1, -1, b"")
    answer.string(), answer.take("i"), answer.take("i")
    error, watermark = answer.take("h"), answer.take("q")
    answer.take("q"), answer.take("q")
    for _ in answer.times():
        answer.take("q"), answer.take("q")
    answer.take("i")
    return Fetched(error, watermark, answer.records())


@dataclass(frozen=True)
class Stored:
    """One record as a log holds it; `producer` is the id of an idempotent one, else -1."""

    offset: int
    value: bytes
    producer: int = -1
    sequence: int = -1
    epoch: int = -1


def records_of(data: bytes) -> Iterator[Stored]:
    """Every record of whole batches; a torn last one is left out.  Raises ValueError for a wrong checksum."""
    position = 0
    while position + BATCH_HEAD <= len(data):
        base, length = struct.unpack_from(">qi", data, position)
        end = position + BATCH_HEAD + length
        if end > len(data):
            return
        yield from _records_of_batch(data, position, end, base)
        position = end


def _records_of_batch(data: bytes, position: int, end: int, base: int) -> Iterator[Stored]:
    _, _, epoch, _, checksum, _, _, _, _, producer, _, sequence, count = BATCH.unpack_from(data, position)
    if crc32c(data[position + CRC_END : end]) != checksum:
        raise ValueError(f"the batch at offset {base} has a wrong checksum")
    position += BATCH.size
    for _ in range(count):
        size, position = unvarint(data, position)
        after = position + size
        position += 1
        _, position = unvarint(data, position)
        delta, position = unvarint(data, position)
        key_size, position = unvarint(data, position)
        position += max(0, key_size)
        value_size, position = unvarint(data, position)
        own_sequence = sequence + delta if producer >= 0 else -1
        yield Stored(base + delta, data[position : position + value_size], producer, own_sequence, epoch)
        position = after


def unvarint(data: bytes, position: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        byte = data[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return (value >> 1) ^ -(value & 1), position
        shift += 7


def list_offsets_request(topic: str, partition: int, epoch: int, timestamp: int = LATEST) -> bytes:
    return struct.pack(">ibi", -1, 0, 1) + string(topic) + struct.pack(">iiiq", 1, partition, epoch, timestamp)


def list_offsets(answer: Reader) -> tuple[int, int, int]:
    """Error, offset, leader epoch."""
    answer.take("i"), answer.take("i"), answer.string(), answer.take("i"), answer.take("i")
    error = answer.take("h")
    answer.take("q")
    return error, answer.take("q"), answer.take("i")


# Offsets of a group


def find_coordinator_request(group: str) -> bytes:
    return string(group) + b"\0"


def find_coordinator(answer: Reader) -> tuple[int, int]:
    """Error, broker."""
    answer.take("i")
    error = answer.take("h")
    answer.string()
    return error, answer.take("i")


@dataclass(frozen=True)
class Membership:
    """As whom a request of a group is made; without anything: as nobody in particular."""

    generation: int = -1
    member: str = ""
    instance: str | None = None

    @property
    def fields(self) -> bytes:
        return struct.pack(">i", self.generation) + string(self.member) + string(self.instance)


NOBODY = Membership()


def offset_commit_request(group: str, topic: str, partition: int, offset: int, by: Membership = NOBODY) -> bytes:
    head = string(group) + by.fields + struct.pack(">i", 1) + string(topic)
    return head + struct.pack(">iiqi", 1, partition, offset, -1) + string("")


def offset_commit(answer: Reader) -> int:
    """Error."""
    answer.take("i"), answer.take("i"), answer.string(), answer.take("i"), answer.take("i")
    return int(answer.take("h"))


def offset_fetch_request(group: str, topic: str, partition: int) -> bytes:
    return string(group) + struct.pack(">i", 1) + string(topic) + struct.pack(">ii", 1, partition)


def offset_fetch(answer: Reader) -> tuple[int, int]:
    """Error, committed offset (-1: none)."""
    answer.take("i")
    offset, error = -1, 0
    for _ in answer.times():
        answer.string()
        for _ in answer.times():
            answer.take("i")
            offset = answer.take("q")
            answer.take("i"), answer.string()
            error = answer.take("h")
    return answer.take("h") or error, offset
