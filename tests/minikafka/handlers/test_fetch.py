"""What a consumer is told, when, and by which session."""

import asyncio
from random import Random
from types import SimpleNamespace

from minikafka.handlers.fetch import fetch as handler
from minikafka.replication.sessions import Sessions
from minikafka.wire.errors import ErrorCode
from minikafka.wire.messages.fetch import FetchRequest, FetchResponse
from tests.minikafka.handlers.test_quick_produce import lone_broker
from tests.minikafka.replication.replicas import TOPIC_ID, append
from tests.minikafka.simulated_nodes import Client, Nodes, in_world

Topic = FetchRequest.Topic


def fetch(*places: tuple[str, int, int], **settings: int) -> FetchRequest:
    """Of (topic, partition, offset)."""
    topics = [
        Topic(topic=topic, partitions=[Topic.Partition(partition=index, fetch_offset=at, partition_max_bytes=1 << 20)])
        for topic, index, at in places
    ]
    return FetchRequest(**{"min_bytes": 1, "max_bytes": 1 << 20} | settings, topics=topics)


def codes(response: FetchResponse) -> dict[tuple[str, int], tuple[int, bool]]:
    """(error, whether there are records) of each partition."""
    return {
        (topic.topic, answer.partition_index): (answer.error_code, bool(answer.records))
        for topic in response.responses
        for answer in topic.partitions
    }


async def timed(client: Client, request: FetchRequest, version: int) -> tuple[int, FetchResponse]:
    """(tenths of a second, answer)."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    answer = await client.ask(request, version)
    return round((loop.time() - began) * 10), answer


def test_a_partition_that_there_is_not_does_not_cut_the_wait_for_others_short():
    async def story(nodes: Nodes) -> None:
        client, producer = await nodes.connect(), await nodes.connect()
        await client.create("orders")
        both = fetch(("orders", 0, 0), ("orders", 7, 0), ("bills", 0, 0), max_wait_ms=5000)
        nobody = (ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, False)
        tenths, answer = await timed(client, both, 12)
        assert (tenths, codes(answer)) == (50, {("orders", 0): (0, False), ("orders", 7): nobody, ("bills", 0): nobody})
        tenths, answer = await timed(client, fetch(("bills", 0, 0), max_wait_ms=5000), 12)
        assert (tenths, codes(answer)) == (0, {("bills", 0): nobody})
        tenths, answer = await timed(client, fetch(("bills", 0, 0), max_wait_ms=5000, min_bytes=100), 12)
        assert (tenths, codes(answer)) == (0, {("bills", 0): nobody})
        asked = asyncio.ensure_future(timed(client, both, 12))
        await asyncio.sleep(1)
        await producer.produce("orders", b"x")
        tenths, answer = await asked
        assert (tenths, codes(answer)[("orders", 0)]) == (10, (0, True))

    in_world(story)


def test_a_partition_that_cannot_be_read_from_there_is_told_at_once():
    async def story(nodes: Nodes) -> None:
        client = await nodes.connect()
        await client.create("orders", partitions=2)
        for least in (1, 100):
            request = fetch(("orders", 0, 0), ("orders", 1, 9), max_wait_ms=5000, min_bytes=least)
            tenths, answer = await timed(client, request, 12)
            assert (tenths, codes(answer)[("orders", 1)]) == (0, (ErrorCode.OFFSET_OUT_OF_RANGE, False))

    in_world(story)


def test_a_consumer_with_a_session_waits_for_partitions_it_named_once():
    async def story(nodes: Nodes) -> None:
        client, producer = await nodes.connect(), await nodes.connect()
        await client.create("orders", partitions=2)
        opened = await client.ask(fetch(("orders", 0, 0), ("orders", 1, 0), session_id=0, session_epoch=0), 12)
        session = opened.session_id
        assert session > 0 and len(codes(opened)) == 2
        tenths, answer = await timed(client, fetch(session_id=session, session_epoch=1, max_wait_ms=2000), 12)
        assert (tenths, answer.session_id, answer.responses) == (20, session, [])
        asked = asyncio.ensure_future(timed(client, fetch(session_id=session, session_epoch=2, max_wait_ms=5000), 12))
        await asyncio.sleep(1)
        await producer.produce("orders", b"x", index=1)
        tenths, answer = await asked
        assert (tenths, codes(answer)) == (10, {("orders", 1): (0, True)})
        assert len(nodes.node[1].broker.sessions) == 1
        closing = await client.ask(fetch(("orders", 1, 1), session_id=session, session_epoch=-1), 12)
        assert (closing.session_id, codes(closing)) == (0, {("orders", 1): (0, False)})
        assert len(nodes.node[1].broker.sessions) == 0

    in_world(story)


def test_a_session_in_which_everything_is_forgotten_is_over():
    async def story(nodes: Nodes) -> None:
        client = await nodes.connect()
        await client.create("orders")
        session = (await client.ask(fetch(("orders", 0, 0), session_id=0, session_epoch=0), 12)).session_id
        forget = fetch(session_id=session, session_epoch=1)
        forget.forgotten_topics_data = [FetchRequest.ForgottenTopic(topic="orders", partitions=[0])]
        assert await client.ask(forget, 12) == FetchResponse(session_id=0)
        again = await client.ask(fetch(session_id=session, session_epoch=2), 12)
        assert again == FetchResponse(error_code=ErrorCode.FETCH_SESSION_ID_NOT_FOUND)

    in_world(story)


def test_with_little_room_each_partition_of_a_session_has_its_turn():
    async def story(nodes: Nodes) -> None:
        client = await nodes.connect()
        await client.create("orders", partitions=3)
        for index in range(3):
            await client.produce("orders", b"x", index=index)
        places = [("orders", index, 0) for index in range(3)]
        answer = await client.ask(fetch(*places, session_id=0, session_epoch=0, max_bytes=1), 12)
        turns = []
        for epoch in range(1, 5):
            turns += [index for (_, index), (_, records) in codes(answer).items() if records]
            answer = await client.ask(fetch(session_id=answer.session_id, session_epoch=epoch, max_bytes=1), 12)
        assert turns == [0, 0, 1, 2], "the first answer moves none to the end of the line"

    in_world(story)


def test_a_replica_without_a_session_is_given_what_is_not_committed_and_acknowledges_by_its_offset():
    broker = lone_broker(isr=(1, 2), replicas=(1, 2))
    broker.find = lambda topic_id, index: broker.partitions.get((topic_id, index))
    broker.sessions, broker.settings, broker.bytes_out = Sessions(Random(1)), SimpleNamespace(fetch_max_bytes=1000), 0
    partition = broker.partitions[TOPIC_ID, 0]
    append(partition, "a", acks=1)
    seen = []
    for offset in (0, 1):
        answers: list[FetchResponse] = []
        request = fetch(("orders", 0, offset), max_wait_ms=5000, replica_id=2)
        handler(broker, request, SimpleNamespace(api_version=11, listener="PLAINTEXT"), answers.append)
        seen.append((*codes(answers[0])["orders", 0], partition.log.high_watermark))
    assert seen == [(0, True, 0), (0, False, 1)]
