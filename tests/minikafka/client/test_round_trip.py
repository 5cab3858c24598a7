"""Producer and consumer of ours against a broker of ours: what goes in comes out."""

import asyncio

import pytest

from minikafka.client import admin
from minikafka.client.consumer import Consumer, ConsumerSettings
from minikafka.client.offsets import EARLIEST, LATEST, MAX_TIMESTAMP, Found, find_offsets
from minikafka.client.partitioner import partition_of_key
from minikafka.client.producer import Delivered, Producer, ProducerSettings
from minikafka.records.compression import Codec
from minikafka.wire.errors import ErrorCode, KafkaError
from serving.clock import SystemClock
from tests.minikafka.live_broker import client

CLOCK = SystemClock()


async def read(cluster, starts, count, **settings):
    """`count` records from there, within a deadline."""
    found = []
    async with Consumer(cluster, ConsumerSettings(**settings)) as consumer:
        await consumer.assign(starts)
        deadline = asyncio.get_running_loop().time() + 10
        while len(found) < count and asyncio.get_running_loop().time() < deadline:
            found += await consumer.poll(1.0)
    return found


@pytest.mark.parametrize("codec", Codec)
async def test_records_come_back_as_they_were_sent(kafka, codec):
    topic = f"whole-{codec.name.lower()}"
    sent = [
        (b"key", b"value" * 100, [("header", b"1"), ("header", None)], 1_700_000_000_000),
        (None, b"", [], 1_700_000_000_001),
        (b"gone", None, [("", b"")], 1_700_000_000_002),
    ]
    async with client(kafka) as cluster:
        await admin.create_topic(cluster, topic, partitions=1)
        async with Producer(cluster, CLOCK, ProducerSettings(codec=codec)) as producer:
            promises = [
                await producer.send(topic, value, key=key, headers=headers, timestamp_ms=at)
                for key, value, headers, at in sent
            ]
        assert [await promise for promise in promises] == [
            Delivered(topic, 0, offset, at) for offset, (*_, at) in enumerate(sent)
        ]
        found = await read(cluster, {(topic, 0): EARLIEST}, len(sent))
        assert found == [
            (topic, 0, offset, at, "CreateTime", key, value, tuple(headers))
            for offset, (key, value, headers, at) in enumerate(sent)
        ]


@pytest.mark.parametrize("settings", [{}, {"idempotent": False, "acks": 1}, {"idempotent": False, "acks": 0}])
async def test_thousands_of_records_keep_their_order_within_each_partition(kafka, settings):
    topic = f"many-{settings.get('acks', -1)}"
    keys = [b"%d" % number for number in range(20)]
    sent = [(keys[number % 20], b"%d" % number) for number in range(5000)]
    async with client(kafka) as cluster:
        await admin.create_topic(cluster, topic, partitions=3)
        async with Producer(cluster, CLOCK, ProducerSettings(batch_bytes=2000, **settings)) as producer:
            for key, value in sent:
                await producer.send(topic, value, key=key)
        found = await read(cluster, {(topic, index): EARLIEST for index in range(3)}, len(sent))
    for index in range(3):
        wanted = [value for key, value in sent if partition_of_key(key, 3) == index]
        assert [record.value for record in found if record.partition == index] == wanted


async def test_reading_begins_where_it_is_told_to(kafka):
    async with client(kafka) as cluster:
        await admin.create_topic(cluster, "places", partitions=1)
        place = ("places", 0)
        async with Producer(cluster, CLOCK) as producer:
            for number in range(10):
                await producer.send("places", b"%d" % number, timestamp_ms=1_700_000_000_000 + number)
                await producer.flush()
        assert await find_offsets(cluster, {place: EARLIEST}) == {place: Found(0, -1)}
        assert await find_offsets(cluster, {place: LATEST}) == {place: Found(10, -1)}
        assert await find_offsets(cluster, {place: MAX_TIMESTAMP}) == {place: Found(9, 1_700_000_000_009)}
        assert await find_offsets(cluster, {place: 1_700_000_000_004}) == {place: Found(4, 1_700_000_000_004)}
        async with Consumer(cluster) as consumer:
            await consumer.assign({place: 7})
            assert [record.value for record in await consumer.poll(5.0)] == [b"7", b"8", b"9"]
            consumer.seek(place, 2)
            assert [record.offset for record in await consumer.poll(5.0, max_records=1)] == [2]
            await consumer.assign({place: LATEST})
            assert (await consumer.poll(0.1), consumer.positions) == ([], {place: 10})


async def test_an_offset_beyond_the_log_follows_the_reset_rule(kafka):
    async with client(kafka) as cluster:
        await admin.create_topic(cluster, "short", partitions=1)
        async with Producer(cluster, CLOCK) as producer:
            await producer.send("short", b"only")
        assert [each.value for each in await read(cluster, {("short", 0): 50}, 1, reset=EARLIEST)] == [b"only"]
        with pytest.raises(KafkaError) as refused:
            await read(cluster, {("short", 0): 50}, 1, reset=None)
        assert refused.value.code == ErrorCode.OFFSET_OUT_OF_RANGE


async def test_a_producer_learns_why_a_record_is_refused_and_goes_on(kafka):
    async with client(kafka) as cluster:
        await admin.create_topic(cluster, "small", partitions=1, configs={"max.message.bytes": "500"})
        async with Producer(cluster, CLOCK) as producer:
            large = await producer.send("small", b"x" * 1000)
            await producer.flush()
            small = await producer.send("small", b"y")
            with pytest.raises(KafkaError) as refused:
                await large
            assert refused.value.code == ErrorCode.MESSAGE_TOO_LARGE
            assert (await small).offset == 0


async def test_a_topic_that_is_not_there_is_an_error_or_is_made(kafka):
    async with client(kafka, auto_create=False) as cluster:
        with pytest.raises(KafkaError) as refused:
            await cluster.topic("absent", patience_s=0.3)
        assert refused.value.code == ErrorCode.UNKNOWN_TOPIC_OR_PARTITION
    async with client(kafka) as cluster, Producer(cluster, CLOCK) as producer:
        promise = await producer.send("made-by-asking", b"x", partition=2)
        assert (await promise)[:3] == ("made-by-asking", 2, 0)
        with pytest.raises(KafkaError, match="made-by-asking has no partition 3"):
            await producer.send("made-by-asking", b"x", partition=3)


async def test_nobody_there_is_said_with_the_address():
    from random import Random

    from minikafka.client.cluster import Cluster

    with pytest.raises(KafkaError, match=r"no broker answers \(127.0.0.1:1: Connection refused\)"):
        await Cluster([("127.0.0.1", 1)], Random(1)).start()
