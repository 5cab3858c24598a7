"""What a client of ours does when the broker dies under it, and when a group changes."""

import asyncio

import pytest

from lab.kafka_peers import mini_kafka_cluster
from minikafka.client import admin
from minikafka.client.consumer import Consumer, ConsumerSettings
from minikafka.client.group_consumer import GroupConsumer
from minikafka.client.group_member import MemberSettings
from minikafka.client.offsets import EARLIEST
from minikafka.client.producer import Producer, ProducerSettings
from serving.clock import SystemClock
from tests.minikafka.live_broker import QUICK, client

RECORDS = 2000


@pytest.fixture
def own():
    """A broker that this test may kill."""
    with mini_kafka_cluster(1, *QUICK) as running:
        yield running


@pytest.mark.parametrize("idempotent", [True, False])
async def test_a_broker_killed_while_we_write_costs_neither_a_record_nor_the_order(own, idempotent):
    """Records that nobody acknowledged are sent again; the idempotent ones lie there once."""
    settings = ProducerSettings(idempotent=idempotent, batch_bytes=1000, linger_ms=1)
    async with client(own) as cluster:
        await admin.create_topic(cluster, "kept", partitions=1)
        async with Producer(cluster, SystemClock(), settings) as producer:
            promises = []
            for number in range(RECORDS):
                promises.append(await producer.send("kept", b"%d" % number))
                if number == RECORDS // 2:
                    await promises[number // 2]
                    own.nodes[0].child.kill()
                    restarting = asyncio.create_task(asyncio.to_thread(own.nodes[0].start))
            await restarting
            offsets = [(await promise).offset for promise in promises]
        found = []
        async with Consumer(cluster) as consumer:
            await consumer.assign({("kept", 0): EARLIEST})
            while not consumer.at_end():
                found += await consumer.poll(1.0)
    values = [int(record.value) for record in found]
    first_seen = list(dict.fromkeys(values))
    assert first_seen == list(range(RECORDS))
    if idempotent:
        assert values == first_seen
        assert offsets == list(range(RECORDS))


async def test_a_consumer_goes_on_after_its_broker_came_back(own):
    async with client(own) as cluster, Consumer(cluster) as consumer, Producer(cluster, SystemClock()) as producer:
        await admin.create_topic(cluster, "again", partitions=1)
        await (await producer.send("again", b"before"))
        await consumer.assign({("again", 0): EARLIEST})
        assert [record.value for record in await consumer.poll(5.0)] == [b"before"]
        own.nodes[0].child.kill()
        await asyncio.to_thread(own.nodes[0].start)
        await (await producer.send("again", b"after"))
        assert [record.value for record in await consumer.poll(10.0)] == [b"after"]


async def read_all(consumer, seen, end):
    while not end.is_set():
        seen += await consumer.poll(0.1)


async def test_members_share_hand_over_and_continue_at_what_was_committed(kafka):
    topic, group = "parted", "hand-over"
    settings, quick = ConsumerSettings(reset=EARLIEST), MemberSettings(heartbeat_ms=100)
    async with client(kafka) as cluster, client(kafka) as other, Producer(cluster, SystemClock()) as producer:
        await admin.create_topic(cluster, topic, partitions=4)

        async def write(count):
            for partition in range(4):
                for number in range(count):
                    await producer.send(topic, b"%d" % number, partition=partition)
            await producer.flush()

        seen, late, end = [], [], asyncio.Event()
        async with GroupConsumer(cluster, group, [topic], settings, quick) as first:
            await write(5)
            reading = asyncio.create_task(read_all(first, seen, end))
            await eventually(lambda: len(seen) == 20)
            async with GroupConsumer(other, group, [topic], settings, quick) as second:
                late += await second.poll(1.0)
                await eventually(lambda: len(first.positions) == 2)
                assert sorted([*first.positions, *second.positions]) == [(topic, index) for index in range(4)]
                await write(5)
                reading_too = asyncio.create_task(read_all(second, late, end))
                await eventually(lambda: len(seen) + len(late) == 40)
                end.set()
                await asyncio.gather(reading, reading_too)
        taken = {partition for _, partition in second.positions}
        assert {(record.partition, record.offset) for record in late} == {
            (partition, offset) for partition in taken for offset in range(5, 10)
        }
        assert len({(record.partition, record.offset) for record in seen + late}) == 40
        committed = await admin.committed_offsets(cluster, group)
        assert {place[1]: each.offset for place, each in committed.items()} == dict.fromkeys(range(4), 10)
        assert (await admin.describe_group(cluster, group)).group_state == "Empty"


async def test_who_is_tired_of_waiting_for_the_group_leaves_at_once():
    """JoinGroup is answered when all are in; LeaveGroup must not stand in line behind it."""
    with mini_kafka_cluster(1, "group.initial.rebalance.delay.ms=60000", "offsets.topic.num.partitions=1") as slow:
        async with client(slow) as cluster, client(slow) as witness:
            await admin.create_topic(cluster, "slow", partitions=1)

            async def join():
                async with GroupConsumer(cluster, "slow", ["slow"]) as consumer:
                    await consumer.poll(1.0)

            joining = asyncio.create_task(join())
            async with asyncio.timeout(20):
                while not (await admin.describe_group(witness, "slow")).members:  # noqa: ASYNC110
                    await asyncio.sleep(0.01)
                joining.cancel()
                await asyncio.wait([joining])
            assert (await admin.describe_group(witness, "slow")).members == []


async def test_leaders_that_die_are_followed_by_producer_and_group():
    """Three brokers, three replicas: one after the other dies, everything acknowledged is read."""
    settings, quick = ConsumerSettings(reset=EARLIEST), MemberSettings(heartbeat_ms=100)
    with mini_kafka_cluster(3, *QUICK, "default.replication.factor=3", "min.insync.replicas=2") as three:
        async with (
            client(three) as cluster,
            Producer(cluster, SystemClock(), ProducerSettings(linger_ms=1)) as producer,
            GroupConsumer(cluster, "followers", ["led"], settings, quick) as consumer,
        ):
            await admin.create_topic(cluster, "led", partitions=3)
            seen, end = [], asyncio.Event()
            reading = asyncio.create_task(read_all(consumer, seen, end))
            promises = []
            for node in three.nodes[:2]:
                for number in range(30):
                    promises.append(await producer.send("led", b"%d" % len(promises), partition=number % 3))
                node.child.kill()
                for number in range(30):
                    promises.append(await producer.send("led", b"%d" % len(promises), partition=number % 3))
                await asyncio.wait(promises)
                await asyncio.to_thread(node.start)
            delivered = [await promise for promise in promises]
            everything = {(each.partition, each.offset) for each in delivered}
            await eventually(lambda: reading.done() or everything <= {(each.partition, each.offset) for each in seen})
            end.set()
            await reading
    assert {(each.partition, each.offset, int(each.value)) for each in seen} == {
        (each.partition, each.offset, number) for number, each in enumerate(delivered)
    }


async def eventually(condition):
    async with asyncio.timeout(20):
        while not condition():  # noqa: ASYNC110  what is awaited is another process
            await asyncio.sleep(0.01)
