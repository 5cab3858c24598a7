"""The sockets of a node: what is no request, what is too much of it, and in which order it is answered."""

import struct

import pytest

from minikafka.wire.errors import ErrorCode
from minikafka.wire.messages.cluster import ApiVersionsRequest
from minikafka.wire.messages.fetch import FetchRequest
from minikafka.wire.messages.metadata import MetadataRequest
from tests.minikafka.simulated_nodes import Client, Nodes, in_world


def frame(*parts: bytes) -> bytes:
    body = b"".join(parts)
    return struct.pack(">i", len(body)) + body


def header(key: int, version: int, client: bytes = b"\0\1x") -> bytes:
    return struct.pack(">hhi", key, version, 1) + client


NO_REQUESTS = {
    "HTTP": b"GET / HTTP/1.1\r\nHost: n1\r\n\r\n",
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + bytes(500),
    "a negative length": struct.pack(">i", -1),
    "no length": struct.pack(">i", 0),
    "a length above socket.request.max.bytes": struct.pack(">i", 100 * 1024 * 1024 + 1),
    "an unknown key": frame(header(999, 0)),
    "a negative key": frame(header(-1, 0)),
    "a version that is not served": frame(header(3, 99)),
    "a negative version": frame(header(3, -1)),
    "an API of controllers": frame(header(56, 3), b"\0"),
    "a header cut short": frame(header(3, 1)[:8]),
    "a client id longer than its frame": frame(header(3, 1, struct.pack(">h", 30_000)), b"x"),
    "a body cut short": frame(header(3, 1), struct.pack(">i", 7)),
    "more topics than bytes": frame(header(3, 1), struct.pack(">i", 2**31 - 1)),
    "tags without end": frame(header(18, 3), b"\xff\xff\xff\xff\xff\xff\xff"),
}


@pytest.mark.parametrize("sent", NO_REQUESTS.values(), ids=NO_REQUESTS)
def test_what_is_no_request_ends_its_connection_without_a_word_and_nobody_elses(sent):
    async def story(nodes: Nodes) -> None:
        other, bad = await nodes.connect(), await nodes.connect()
        bad.writer.write(sent)
        assert await bad.is_closed()
        assert (await other.ask(MetadataRequest(topics=[]), 1)).controller_id == 1

    in_world(story)


def test_a_client_id_that_is_no_text_is_served():
    async def story(nodes: Nodes) -> None:
        client = await nodes.connect()
        client.writer.write(frame(header(18, 0, b"\0\2\xff\xfe")))
        assert (await client.frame())[:6] == b"\0\0\0\1\0\0"

    in_world(story)


def test_no_client_id_is_served():
    async def story(nodes: Nodes) -> None:
        client = await nodes.connect()
        client.writer.write(frame(header(18, 0, b"\xff\xff")))
        assert (await client.frame())[:6] == b"\0\0\0\1\0\0"

    in_world(story)


def test_a_client_newer_than_the_broker_is_told_what_it_may_ask():
    async def story(nodes: Nodes) -> None:
        client = await nodes.connect()
        client.writer.write(frame(header(18, 99), b"\0"))
        answer = await client.frame()
        assert int.from_bytes(answer[4:6], "big") == ErrorCode.UNSUPPORTED_VERSION
        assert (await client.ask(ApiVersionsRequest(), 0)).error_code == 0

    in_world(story)


def test_a_size_that_is_announced_and_never_sent_costs_no_memory():
    async def story(nodes: Nodes) -> int:
        client = await nodes.connect()
        client.writer.write(struct.pack(">i", 100_000_000) + header(0, 9))
        await nodes.until(lambda: any(each._filled == 0 for each in nodes.node[1].server.connections))
        return max(len(each._large or b"") for each in nodes.node[1].server.connections)

    assert in_world(story) <= 256 * 1024


def test_a_request_that_comes_byte_by_byte_is_answered():
    async def story(nodes: Nodes) -> None:
        client = await nodes.connect()
        for byte in frame(header(18, 0)):
            client.writer.write(bytes([byte]))
            await client.writer.drain()
        assert (await client.frame())[:6] == b"\0\0\0\1\0\0"

    in_world(story)


def fetch(topic: str, wait_ms: int) -> FetchRequest:
    partition = FetchRequest.Topic.Partition(partition=0, fetch_offset=0, partition_max_bytes=1_000_000)
    return FetchRequest(
        max_wait_ms=wait_ms,
        min_bytes=1,
        max_bytes=2_000_000,
        topics=[FetchRequest.Topic(topic=topic, partitions=[partition])],
    )


def test_what_is_asked_behind_a_fetch_that_waits_is_answered_after_it():
    async def story(nodes: Nodes) -> list[int]:
        client = await nodes.connect()
        await client.create("orders")
        began = nodes.world.loop.now
        asked = [client.send(fetch("orders", 500), 4), client.send(MetadataRequest(topics=[]), 1)]
        answered = [int.from_bytes((await client.frame())[:4], "big") for _ in asked]
        assert answered == asked
        assert nodes.world.loop.now - began >= 0.5

    in_world(story)


def test_a_produce_behind_a_fetch_of_the_same_connection_ends_its_waiting():
    async def story(nodes: Nodes) -> None:
        client = await nodes.connect()
        await client.create("orders")
        began = nodes.world.loop.now
        client.send(fetch("orders", 30_000), 4)
        producer = await nodes.connect()
        assert (await producer.produce("orders", b"x")).error_code == 0
        assert b"x" in await client.frame()
        assert nodes.world.loop.now - began < 5

    in_world(story)


def test_a_client_that_goes_away_while_its_fetch_waits_leaves_nothing_behind():
    async def story(nodes: Nodes) -> None:
        client, other = await nodes.connect(), await nodes.connect()
        await client.create("orders")
        broker = nodes.node[1].broker
        client.send(fetch("orders", 3_000), 4)
        partition = await waited_for(nodes, broker)
        client.writer.close()
        await nodes.until(lambda: not partition.watchers)
        assert (await other.produce("orders", b"x")).error_code == 0

    in_world(story)


async def waited_for(nodes: Nodes, broker):
    await nodes.until(lambda: any(each.watchers for each in broker.partitions.values()))
    return next(each for each in broker.partitions.values() if each.watchers)


def test_a_thousand_connections_are_served():
    async def story(nodes: Nodes) -> None:
        clients = [await nodes.connect() for _ in range(1000)]
        for client in clients:
            client.send(MetadataRequest(topics=[]), 1)
        for client in clients:
            assert await client.frame()

    in_world(story)


def test_one_connection_more_than_max_connections_is_closed():
    async def story(nodes: Nodes) -> None:
        clients = [await nodes.connect() for _ in range(3)]
        assert (await clients[0].ask(MetadataRequest(topics=[]), 1)).controller_id == 1
        over = await nodes.connect()
        assert await over.is_closed()

    in_world(story, max_connections=3)


def test_a_client_that_does_not_read_its_answers_is_read_no_further():
    async def story(nodes: Nodes) -> None:
        slow, other = await nodes.connect(), await nodes.connect()
        await slow.create("orders")
        for _ in range(20):
            await other.produce("orders", bytes(100_000))
        for _ in range(200):
            slow.send(fetch("orders", 0), 4)
        await nodes.until(lambda: any(each._stopped for each in nodes.node[1].server.connections))
        written = max(each.transport.get_write_buffer_size() for each in nodes.node[1].server.connections)
        assert written < 24 * 1024 * 1024
        assert (await other.ask(MetadataRequest(topics=[]), 1)).controller_id == 1
        slow.writer.transport.abort()

    in_world(story)


def test_of_large_requests_only_as_many_are_read_at_once_as_there_is_memory_for():
    async def story(nodes: Nodes) -> None:
        memory = nodes.node[1].server.memory
        halves: list[tuple[Client, bytes]] = []
        for number in range(4):
            client = await nodes.connect()
            whole = frame(header(18, 0), bytes(99_985))
            client.writer.write(whole[:70_000])
            halves.append((client, whole[70_000:]))
            await nodes.until(lambda n=number: memory.used + sum(memory.waiting.values()) == (n + 1) * 100_000)
        assert (memory.used, len(memory.waiting)) == (200_000, 2)
        for client, rest in halves:
            client.writer.write(rest)
            assert await client.frame()  # as Kafka, bytes behind the body are not looked at
        await nodes.until(lambda: (memory.used, len(memory.waiting)) == (0, 0))

    in_world(story, queued_max_request_bytes=150_000)


def test_a_client_that_goes_away_in_the_middle_of_a_large_request_gives_its_memory_back():
    async def story(nodes: Nodes) -> None:
        memory = nodes.node[1].server.memory
        client = await nodes.connect()
        client.writer.write(struct.pack(">i", 1_000_000) + bytes(100))
        await nodes.until(lambda: memory.used == 1_000_004)
        client.writer.close()
        await nodes.until(lambda: memory.used == 0)

    in_world(story)
