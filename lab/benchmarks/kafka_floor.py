"""The floor: as little broker as Python can be and still answer right, so that ours has something to be measured by.

One process, one file per partition, no replicas, no groups, no time index, no recovery.  What is done for a produced
batch is what nobody can leave out: cut the frame, find the batch, check its CRC32C, give it an offset, write it.

    frame -> header -> topic, partition, batch -> CRC32C -> offset stamped in place -> one write -> 60 bytes of answer

No record is touched.  A frame is read into one buffer (BufferedProtocol) and written to its file from there, so a batch
of 250 KB passes through Python as four numbers.  Everything that a single recv brought in is answered in a single send.

A fetch finds its batch in a list of offsets by bisection and reads the file with pread; one that finds nothing waits
for its partition, or until its time is over.

What it speaks: Produce 3-9, Fetch 4-12, ListOffsets 1-2, Metadata 1-4, ApiVersions 0-3, CreateTopics 2-4, DeleteTopics
1, InitProducerId 0-1 (sequences are not looked at): kcat, librdkafka and the driver ask for no more.

    python -m lab.benchmarks.kafka_floor PORT FOLDER
"""

import asyncio
import os
import resource
import sys
from bisect import bisect_right
from collections.abc import Callable
from pathlib import Path
from struct import Struct
from typing import cast

import uvloop
from crc32c import crc32c

SMALLEST_BUFFER = 256 * 1024
FRAME_MAX = 100 * 1024 * 1024
JOINED_MAX = 64 * 1024  # an answer below it costs less copied than sent in pieces
EARLIEST, LATEST = -2, -1
CORRUPT_MESSAGE, OFFSET_OUT_OF_RANGE, UNKNOWN_TOPIC_OR_PARTITION, TOPIC_ALREADY_EXISTS = 2, 1, 3, 36

REQUEST_HEAD = Struct(">hhih")  # api key, version, correlation id, length of the client id
BATCH_HEAD = Struct(">qiiBIhi")  # base offset, length, leader epoch, magic, CRC, attributes, last offset delta
CRC_START = 21
PRODUCED = Struct(">ihqqq")  # partition, error, base offset, log append time, log start offset
FETCH_HEAD = Struct(">iiiibii")  # replica, wait, bytes at least, bytes at most, isolation, session, its epoch
ASKED = Struct(">iiqiqi")  # partition, leader epoch, offset, last fetched epoch, log start offset, bytes at most
FETCHED = Struct(">ihqqq")  # partition, error, high watermark, last stable offset, log start offset
INT16, INT32, INT64 = Struct(">h"), Struct(">i"), Struct(">q")

VERSIONS = {0: (3, 9), 1: (4, 12), 2: (1, 2), 3: (1, 4), 18: (0, 3), 19: (2, 4), 20: (1, 1), 22: (0, 1)}


class Partition:
    """A file of batches, and where each of them begins."""

    __slots__ = ("bases", "end", "file", "places", "size", "waiting")

    def __init__(self, path: Path) -> None:
        self.file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND)
        self.end = 0  # the next offset
        self.size = 0  # of the file, in bytes
        self.bases: list[int] = []  # of each batch, its base offset and
        self.places: list[int] = []  # where in the file it lies
        self.waiting: set[WaitingFetch] = set()

    def append(self, batches: memoryview) -> tuple[int, int]:
        """Stamp the batches with offsets and write them.  Returns (error, base offset of the first)."""
        first, end, at = self.end, self.end, 0
        bases, places = [], []
        while at < len(batches):
            _, length, _, magic, crc, _, last_delta = BATCH_HEAD.unpack_from(batches, at)
            after = at + 12 + length
            if magic != 2 or after > len(batches) or crc32c(batches[at + CRC_START : after]) != crc:
                return CORRUPT_MESSAGE, -1
            INT64.pack_into(batches, at, end)
            bases.append(end)
            places.append(self.size + at)
            end += last_delta + 1
            at = after
        os.write(self.file, batches)
        self.bases += bases
        self.places += places
        self.end = end
        self.size += at
        if self.waiting:
            for fetch in list(self.waiting):
                fetch.finish()
        return 0, first

    def read(self, offset: int, size: int) -> bytes:
        """Bytes from the batch that holds `offset` on, at least that batch."""
        number = bisect_right(self.bases, offset) - 1
        place = self.places[number]
        after = self.places[number + 1] if number + 1 < len(self.places) else self.size
        return os.pread(self.file, max(min(size, self.size - place), after - place), place)


class WaitingFetch:
    """A fetch that found nothing.  It answers once: when a partition grows, or when its time is over."""

    def __init__(self, partitions: list[Partition], answer: Callable[[], None], wait_ms: int) -> None:
        self.partitions, self.answer = partitions, answer
        for partition in partitions:
            partition.waiting.add(self)
        self.timer = asyncio.get_running_loop().call_later(wait_ms / 1000, self.finish)

    def finish(self) -> None:
        self.timer.cancel()
        for partition in self.partitions:
            partition.waiting.discard(self)
        self.answer()


class Broker:
    """The topics, and an answer for each request."""

    def __init__(self, port: int, folder: Path) -> None:
        self.port, self.folder = port, folder
        self.topics: dict[str, list[Partition]] = {}
        self.producers = 0

    def partition(self, topic: str, index: int) -> Partition | None:
        partitions = self.topics.get(topic, ())
        return partitions[index] if 0 <= index < len(partitions) else None

    def create(self, topic: str, count: int) -> int:
        if topic in self.topics:
            return TOPIC_ALREADY_EXISTS
        self.topics[topic] = [Partition(self.folder / f"{topic}-{index}") for index in range(max(count, 1))]
        return 0

    def delete(self, topic: str) -> int:
        for index, partition in enumerate(self.topics.get(topic, ())):
            os.close(partition.file)
            (self.folder / f"{topic}-{index}").unlink()
        return 0 if self.topics.pop(topic, None) else UNKNOWN_TOPIC_OR_PARTITION


class Reader:
    """Takes fields off a request, one after the other; `flexible` decides how lengths are written."""

    __slots__ = ("at", "data", "flexible")

    def __init__(self, data: memoryview, at: int, flexible: bool) -> None:
        self.data, self.at, self.flexible = data, at, flexible

    def take(self, layout: Struct) -> tuple[int, ...]:
        at = self.at
        self.at = at + layout.size
        return layout.unpack_from(self.data, at)

    def uvarint(self) -> int:
        data, at = self.data, self.at
        byte = data[at]
        value, shift = byte & 127, 7
        while byte > 127:
            at += 1
            byte = data[at]
            value |= (byte & 127) << shift
            shift += 7
        self.at = at + 1
        return value

    def length(self, layout: Struct) -> int:
        return self.uvarint() - 1 if self.flexible else self.take(layout)[0]

    def view(self, length: int) -> memoryview:
        at = self.at
        self.at = at + max(length, 0)
        return self.data[at : self.at]

    def string(self) -> str:
        return str(self.view(self.length(INT16)), "utf-8")

    def count(self) -> int:
        return self.length(INT32)

    def end_of_structure(self) -> None:
        if self.flexible:
            for _ in range(self.uvarint()):
                self.uvarint()
                self.view(self.uvarint())


def uvarint(value: int) -> bytes:
    if value < 128:
        return b"%c" % value
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    out.append(value)
    return bytes(out)


def text(value: str) -> bytes:
    return INT16.pack(len(value)) + value.encode()


def compact(value: str) -> bytes:
    return uvarint(len(value) + 1) + value.encode()


class Connection(asyncio.BufferedProtocol):
    """One client.  Requests are answered in order; while a fetch waits, those behind it wait too."""

    def __init__(self, broker: Broker) -> None:
        self.broker = broker
        self.handlers = {
            0: self.produce,
            1: self.fetch,
            2: self.list_offsets,
            3: self.metadata,
            18: self.api_versions,
            19: self.create_topics,
            20: self.delete_topics,
            22: self.init_producer_id,
        }
        self.memory = memoryview(bytearray(SMALLEST_BUFFER))
        self.filled = 0
        self.replies: list[bytes] = []
        self.waiting: WaitingFetch | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)

    def connection_lost(self, error: Exception | None) -> None:
        if self.waiting:
            self.waiting.answer = lambda: None
            self.waiting.finish()

    def get_buffer(self, size_hint: int) -> memoryview:
        return self.memory[self.filled :]

    def buffer_updated(self, count: int) -> None:
        self.filled += count
        if self.waiting is None:
            self.answer_frames()

    def answer_frames(self) -> None:
        """Answer every whole frame in the buffer, move what is left to its beginning, and make room for its rest."""
        memory, start, filled = self.memory, 0, self.filled
        while filled - start >= 4:
            size = INT32.unpack_from(memory, start)[0]
            if not 0 < size <= FRAME_MAX:
                self.transport.close()
                return
            end = start + 4 + size
            if end > filled or self.waiting:
                break
            key, version, correlation, client = REQUEST_HEAD.unpack_from(memory, start + 4)
            oldest, newest = VERSIONS.get(key, (1, 0))
            if not oldest <= version <= newest:
                self.transport.close()
                return
            self.handlers[key](memory[:end], start + 14 + max(client, 0), version, INT32.pack(correlation))
            start = end
        if self.replies:
            if len(self.replies) == 1:
                self.transport.write(self.replies[0])
            else:
                self.transport.writelines(self.replies)
            self.replies = []
        left = filled - start
        room = SMALLEST_BUFFER
        if left >= 4:
            room = max(room, INT32.unpack_from(memory, start)[0] + 4)
        if start or room > len(memory):
            rest = bytes(memory[start:filled])
            if room > len(memory):
                self.memory = memory = memoryview(bytearray(room))
            memory[:left] = rest
            self.filled = left
        if self.filled == len(memory):  # full of pipelined requests behind a fetch that waits
            self.memory = memoryview(bytearray(2 * len(memory)))
            self.memory[: self.filled] = memory

    def produce(self, frame: memoryview, at: int, version: int, correlation: bytes) -> None:
        flexible = version >= 9
        reader = Reader(frame, at, flexible)
        reader.end_of_structure()
        reader.view(reader.length(INT16))  # transactional id
        acks, _ = reader.take(PRODUCE_HEAD)
        count = reader.count()
        reply = [correlation, b"\0" + uvarint(count + 1) if flexible else INT32.pack(count)]
        for _ in range(count):
            topic = reader.string()
            count = reader.count()
            reply.append(compact(topic) + uvarint(count + 1) if flexible else text(topic) + INT32.pack(count))
            for _ in range(count):
                index = reader.take(INT32)[0]
                batches = reader.view(reader.length(INT32))
                reader.end_of_structure()
                partition = self.broker.partition(topic, index)
                error, base = partition.append(batches) if partition else (UNKNOWN_TOPIC_OR_PARTITION, -1)
                answer = PRODUCED.pack(index, error, base, -1, 0)
                if flexible:
                    answer += b"\1\0\0"  # no record errors, no message, no tags
                elif version == 8:
                    answer += b"\0\0\0\0\xff\xff"
                elif version < 5:
                    answer = answer[:-8]
                reply.append(answer)
            reader.end_of_structure()
            if flexible:
                reply.append(b"\0")
        reply.append(b"\0\0\0\0\0" if flexible else b"\0\0\0\0")  # throttle time, tags
        if acks:
            self.reply(reply)

    def fetch(self, frame: memoryview, at: int, version: int, correlation: bytes) -> None:
        flexible = version >= 12
        reader = Reader(frame, at, flexible)
        reader.end_of_structure()
        wait_ms, _, bytes_max = reader.take(FETCH_HEAD)[1:4]
        if version < 7:
            reader.at -= 8  # no session yet
        layout = ASKED_BEFORE[version] if version < 12 else ASKED
        asked: list[tuple[str, list[tuple[int, int, int]]]] = []
        for _ in range(reader.count()):
            topic, partitions = reader.string(), []
            for _ in range(reader.count()):
                fields = reader.take(layout)
                reader.end_of_structure()
                partitions.append((fields[0], fields[OFFSET_FIELD[version]], fields[-1]))
            reader.end_of_structure()
            asked.append((topic, partitions))

        def answer() -> None:
            self.waiting = None
            self.send_fetched(asked, bytes_max, version, correlation)
            self.answer_frames()

        empty: list[Partition] = []
        for topic, partitions in asked:
            for index, offset, _ in partitions:
                partition = self.broker.partition(topic, index)
                if partition is None or partition.end != offset:
                    self.send_fetched(asked, bytes_max, version, correlation)
                    return
                empty.append(partition)
        self.waiting = WaitingFetch(empty, answer, wait_ms)

    def send_fetched(
        self, asked: list[tuple[str, list[tuple[int, int, int]]]], bytes_max: int, version: int, correlation: bytes
    ) -> None:
        flexible = version >= 12
        count = uvarint(len(asked) + 1) if flexible else INT32.pack(len(asked))
        head = b"\0" if flexible else b""
        session = b"\0\0\0\0\0\0" if version >= 7 else b""  # error, session id
        reply: list[bytes] = [correlation + head + b"\0\0\0\0" + session + count]
        for topic, partitions in asked:
            count = uvarint(len(partitions) + 1) if flexible else INT32.pack(len(partitions))
            reply.append((compact(topic) if flexible else text(topic)) + count)
            for index, offset, size in partitions:
                error, end, records = self.read(topic, index, offset, min(size, bytes_max))
                bytes_max -= len(records)
                fixed = FETCHED.pack(index, error, end, end, 0)
                if flexible:  # no aborted transactions, no preferred replica, the records, no tags
                    reply += (fixed + b"\1\xff\xff\xff\xff" + uvarint(len(records) + 1), records, b"\0")
                else:
                    replica = b"\xff\xff\xff\xff" if version >= 11 else b""
                    start = fixed if version >= 5 else fixed[:-8]
                    reply += (start + b"\0\0\0\0" + replica + INT32.pack(len(records)), records)
            if flexible:
                reply.append(b"\0")
        if flexible:
            reply.append(b"\0")
        self.reply(reply)

    def read(self, topic: str, index: int, offset: int, size: int) -> tuple[int, int, bytes]:
        """(error, end, records) of one partition."""
        partition = self.broker.partition(topic, index)
        if partition is None:
            return UNKNOWN_TOPIC_OR_PARTITION, -1, b""
        if not 0 <= offset <= partition.end:
            return OFFSET_OUT_OF_RANGE, partition.end, b""
        if offset == partition.end or size <= 0:
            return 0, partition.end, b""
        return 0, partition.end, partition.read(offset, size)

    def list_offsets(self, frame: memoryview, at: int, version: int, correlation: bytes) -> None:
        reader = Reader(frame, at + (5 if version >= 2 else 4), flexible=False)  # replica id, isolation
        count = reader.count()
        reply = [correlation, b"\0\0\0\0" if version >= 2 else b"", INT32.pack(count)]
        for _ in range(count):
            topic, count = reader.string(), reader.count()
            reply.append(text(topic) + INT32.pack(count))
            for _ in range(count):
                index, timestamp = reader.take(LIST_OFFSET)
                partition = self.broker.partition(topic, index)
                offset = partition.end if partition and timestamp == LATEST else 0
                error = 0 if partition else UNKNOWN_TOPIC_OR_PARTITION
                reply.append(LISTED_OFFSET.pack(index, error, -1, offset))
        self.reply(reply)

    def metadata(self, frame: memoryview, at: int, version: int, correlation: bytes) -> None:
        reader = Reader(frame, at, flexible=False)
        count = reader.count()
        names = list(self.broker.topics) if count < 0 else [reader.string() for _ in range(count)]
        if version < 4 or frame[reader.at]:  # create what is asked for
            for name in names:
                self.broker.create(name, 1)
        throttle = b"\0\0\0\0" if version >= 3 else b""
        broker = INT32.pack(1) + INT32.pack(1) + text("127.0.0.1") + INT32.pack(self.broker.port) + b"\xff\xff"
        reply = [correlation, throttle, broker, text("floor") if version >= 2 else b""]
        reply.append(INT32.pack(1) + INT32.pack(len(names)))
        for name in names:
            partitions = self.broker.topics.get(name, [])
            error = 0 if partitions else UNKNOWN_TOPIC_OR_PARTITION
            reply.append(INT16.pack(error) + text(name) + b"\0" + INT32.pack(len(partitions)))
            for index in range(len(partitions)):
                reply.append(LED_PARTITION.pack(0, index, 1, 1, 1, 1, 1))
        self.reply(reply)

    def api_versions(self, frame: memoryview, at: int, version: int, correlation: bytes) -> None:
        flexible = version >= 3
        reply = [correlation, b"\0\0", uvarint(len(VERSIONS) + 1) if flexible else INT32.pack(len(VERSIONS))]
        for key, (oldest, newest) in VERSIONS.items():
            reply.append(API.pack(key, oldest, newest) + (b"\0" if flexible else b""))
        reply.append(b"\0\0\0\0" if version else b"")  # throttle time
        self.reply([*reply, b"\0" if flexible else b""])

    def create_topics(self, frame: memoryview, at: int, version: int, correlation: bytes) -> None:
        reader = Reader(frame, at, flexible=False)
        count = reader.count()
        reply = [correlation, b"\0\0\0\0", INT32.pack(count)]
        for _ in range(count):
            name = reader.string()
            partitions, _ = reader.take(NEW_TOPIC)
            for _ in range(reader.count()):  # assignments are not for one broker
                reader.take(INT32)
                reader.view(4 * reader.count())
            for _ in range(reader.count()):  # nor are there settings to set
                reader.string()
                reader.view(reader.length(INT16))
            reply.append(text(name) + INT16.pack(self.broker.create(name, partitions)) + b"\xff\xff")
        self.reply(reply)

    def delete_topics(self, frame: memoryview, at: int, version: int, correlation: bytes) -> None:
        reader = Reader(frame, at, flexible=False)
        count = reader.count()
        reply = [correlation, b"\0\0\0\0", INT32.pack(count)]
        for _ in range(count):
            name = reader.string()
            reply.append(text(name) + INT16.pack(self.broker.delete(name)))
        self.reply(reply)

    def init_producer_id(self, frame: memoryview, at: int, version: int, correlation: bytes) -> None:
        self.broker.producers += 1
        self.reply([correlation, b"\0\0\0\0\0\0", INT64.pack(self.broker.producers), b"\0\0"])

    def reply(self, pieces: list[bytes]) -> None:
        """Put an answer behind those that wait to be sent: big pieces as they are, small ones joined."""
        size = sum(map(len, pieces))
        if size < JOINED_MAX:
            self.replies.append(b"".join([INT32.pack(size), *pieces]))
        else:
            self.replies += (INT32.pack(size), *pieces)


PRODUCE_HEAD = Struct(">hi")  # acks, timeout
LIST_OFFSET = Struct(">iq")  # partition, timestamp
LISTED_OFFSET = Struct(">ihqq")  # partition, error, timestamp, offset
LED_PARTITION = Struct(">hiiiiii")  # error, partition, leader, one replica: broker 1, one in sync: broker 1
API = Struct(">hhh")
NEW_TOPIC = Struct(">ih")  # partitions, replicas
ASKED_4, ASKED_5, ASKED_9 = Struct(">iqi"), Struct(">iqqi"), Struct(">iiqqi")
ASKED_BEFORE = {4: ASKED_4, **dict.fromkeys(range(5, 9), ASKED_5), **dict.fromkeys(range(9, 12), ASKED_9)}
OFFSET_FIELD = {version: 1 if version < 9 else 2 for version in range(4, 13)}


async def serve(port: int, folder: Path) -> None:
    """Listen on the loopback until the process is told to end."""
    resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)
    broker = Broker(port, folder)
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Connection(broker), "127.0.0.1", port, backlog=2048)
    await server.serve_forever()


if __name__ == "__main__":
    uvloop.run(serve(int(sys.argv[1]), Path(sys.argv[2])))
