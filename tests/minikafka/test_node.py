"""A node from start to stop on a machine that is not always kind."""

import asyncio
import errno

import pytest

from minikafka.controller.image import Partition
from minikafka.node import Node
from minikafka.wire.errors import ErrorCode
from minikafka.wire.messages.metadata import MetadataRequest
from minikafka.wire.messages.topics import CreateTopicsRequest, DeleteTopicsRequest
from simulation.disk import SimulatedDisk
from tests.minikafka.simulated_nodes import Nodes, in_world

TWO_FOLDERS = {"log_dirs": "one,two", "metadata_log_dir": "quorum"}


def ends(node: Node) -> dict[str, int]:
    """Log end offsets, by name."""
    return {f"{each.topic}-{each.index}": each.log.log_end_offset for each in node.broker.partitions.values()}


# -- wrong use ----------------------------------------------------------------------------------------------------------


def refusal(prepare, **settings) -> str:
    """Why a node does not start on a disk that `prepare(disk)` has had before it; it ends with exit code 1."""

    async def story(nodes: Nodes) -> str:
        prepare(nodes.disk())
        nodes.start()
        assert await nodes.ended() == 1
        return nodes.refused[1]

    return in_world(story, started=False, **settings)


def write(path: str, content: bytes):
    def prepare(disk) -> None:
        if "/" in path:
            disk.mkdir(path.rpartition("/")[0])
        file = disk.open(path, "w")
        file.append(content)
        file.fsync_now()
        file.close()

    return prepare


def test_the_folder_of_another_node_is_refused():
    meta = b"version=1\nnode.id=7\ndirectory.id=0000000000000000000001\n"
    assert refusal(write("data/meta.properties", meta)) == "data holds the data of node 7, not of node 1"


def test_the_folder_of_another_cluster_is_refused():
    meta = b"version=1\nnode.id=1\ndirectory.id=AAAAAAAAAAAAAAAAAAAAAA\ncluster.id=another\n"
    said = refusal(write("data/meta.properties", meta), cluster_id="ours")
    assert said == "data belongs to cluster another, the controllers are of ours"


def test_a_folder_in_use_is_refused():
    def prepare(disk) -> None:
        disk.mkdir("data")
        disk.lock("data/.lock")

    assert refusal(prepare) == "data is in use by another process"


def test_a_log_directory_that_is_a_file_is_refused():
    assert refusal(write("data", b"hello")) == "data cannot be used: File exists"


@pytest.mark.parametrize(
    "meta", [b"", b"\xff\xfe\x00", b"version=1\nnode.id=1\n", b"node.id=1\ndirectory.id=no uuid\n"]
)
def test_meta_properties_that_cannot_be_read_are_refused_in_one_line(meta):
    assert refusal(write("data/meta.properties", meta)).startswith("data/meta.properties ")


def test_a_damaged_metadata_log_is_refused():
    async def story(nodes: Nodes) -> str:
        client = await nodes.connect()
        await client.create("orders")
        await nodes.stop()
        disk = nodes.disk()
        (journal,) = (path for path in disk._names if "metadata-quorum" in path and path.endswith(".journal"))
        written = disk._names[journal].written
        written[len(written) // 2] ^= 1
        nodes.start()
        assert await nodes.ended() == 1
        return nodes.refused[1]

    assert "does not match its checksum" in in_world(story)


# -- life ---------------------------------------------------------------------------------------------------------------


def test_a_node_that_was_asked_to_stop_leaves_the_clean_marker_last_and_ends_with_exit_code_0():
    async def story(nodes: Nodes) -> None:
        assert await nodes.stop() == 0
        assert nodes.disk().exists("data/.kafka_cleanshutdown")

    in_world(story)


def test_the_clean_marker_is_gone_while_a_node_runs():
    async def story(nodes: Nodes) -> None:
        await nodes.stop()
        nodes.start()
        await nodes.up()
        assert not nodes.disk().exists("data/.kafka_cleanshutdown")

    in_world(story)


@pytest.mark.parametrize("end", [Nodes.stop, Nodes.kill])
def test_what_was_acknowledged_is_there_after_a_restart(end):
    async def story(nodes: Nodes) -> None:
        client = await nodes.connect()
        await client.create("orders", partitions=3)
        for index in range(3):
            for count in range(index + 1):
                assert (await client.produce("orders", b"x" * 100, b"y", index=index)).base_offset == 2 * count
        await end(nodes)
        del nodes.node[1]
        nodes.start()
        assert ends(await nodes.up()) == {"orders-0": 2, "orders-1": 4, "orders-2": 6}
        assert (await (await nodes.connect()).produce("orders", b"more")).base_offset == 2

    in_world(story)


def test_what_was_flushed_is_there_after_a_power_failure():
    async def story(nodes: Nodes) -> None:
        client = await nodes.connect()
        await client.create("orders")
        for offset in range(20):
            assert (await client.produce("orders", b"x" * 100)).base_offset == offset
        nodes.world.power_loss("n1")
        del nodes.node[1]
        nodes.start()
        assert ends(await nodes.up()) == {"orders-0": 20}

    in_world(story, log_flush_interval_messages=1)


def test_the_files_of_a_deleted_topic_go_when_their_delay_is_over():
    async def story(nodes: Nodes) -> None:
        client = await nodes.connect()
        await client.create("orders", file_delete_delay_ms="5000")
        await client.produce("orders", b"x")
        await client.ask(DeleteTopicsRequest(topic_names=["orders"], timeout_ms=5000), 5)
        node, began = nodes.node[1], nodes.world.loop.now

        def folders() -> list[str]:
            return [name for name in nodes.disk().listdir("data") if name.startswith("orders")]

        await nodes.until(lambda: not node.broker.partitions)
        assert [name.rpartition("-")[2] for name in folders()] == ["delete"]
        await nodes.until(lambda: not folders())
        assert 5 <= nodes.world.loop.now - began < 7

    in_world(story)


def test_a_topic_of_hundreds_of_partitions_is_made_and_stopped_while_others_are_answered():
    async def story(nodes: Nodes) -> None:
        client = await nodes.connect()
        await client.create("many", partitions=300)
        await nodes.until(lambda: len(nodes.node[1].broker.partitions) == 300)
        assert await nodes.stop() == 0
        nodes.start()
        del nodes.node[1]
        assert len((await nodes.up()).broker.partitions) == 300

    in_world(story)


# -- disks that fail ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", [errno.EIO, errno.ENOSPC])
def test_a_write_that_fails_is_answered_with_storage_error_and_takes_its_folder_offline(number):
    async def story(nodes: Nodes) -> None:
        client = await nodes.connect()
        await client.create("orders")
        nodes.disk().fail_next("append", number, "orders")
        assert (await client.produce("orders", b"x")).error_code == ErrorCode.KAFKA_STORAGE_ERROR
        assert [folder.online for folder in nodes.node[1].folders.folders] == [False, True]
        assert nodes.running()

    in_world(story, **TWO_FOLDERS)


def test_the_controller_hears_of_a_failed_folder_and_takes_its_partitions_offline():
    async def story(nodes: Nodes) -> None:
        client = await nodes.connect()
        await client.create("orders", partitions=2)
        nodes.disk().fail_next("append", path="orders")
        assert (await client.produce("orders", b"x")).error_code == ErrorCode.KAFKA_STORAGE_ERROR
        image = nodes.node[1].quorum.image
        topic = image.topic("orders")
        await nodes.until(lambda: [each.leader for each in topic.partitions] == [-1, 1])
        assert (await client.produce("orders", b"x", index=1)).error_code == 0

    in_world(story, **TWO_FOLDERS)


def test_a_partition_that_cannot_be_made_in_one_folder_is_made_in_another():
    async def story(nodes: Nodes) -> None:
        client = await nodes.connect()
        nodes.disk().fail_next("append", path="one/orders")
        await client.create("orders")
        await nodes.until(lambda: nodes.disk().exists("two/orders-0/partition.metadata"))
        assert (await client.produce("orders", b"x")).error_code == 0

    in_world(story, **TWO_FOLDERS)


def cannot_be_read(disk: SimulatedDisk, folder: str) -> None:
    """From now on."""
    listdir = disk.listdir

    def failing(path: str) -> list[str]:
        if path == folder:
            raise OSError(errno.EIO, "Input/output error", path)
        return listdir(path)

    disk.listdir = failing


def test_a_replica_in_a_folder_that_cannot_be_read_is_offline_and_not_made_anew_in_another():
    """An empty log would pass for the one that the controller knows (KIP-858)."""

    async def story(nodes: Nodes) -> None:
        client = await nodes.connect()
        await client.create("orders", partitions=2, replicas=3)

        def registered() -> Partition:
            return nodes.node[1].broker.image.topic("orders").partitions[0]

        await nodes.until(lambda: registered().directory_of(3) != bytes(16))
        folders = nodes.node[3].folders.folders
        paths = [each.path for each in sorted(folders, key=lambda each: each.id != registered().directory_of(3))]
        assert await nodes.stop(3) == 0
        cannot_be_read(nodes.disk(3), f"{paths[0]}/orders-0")
        nodes.start(3)
        del nodes.node[3]
        await nodes.up(3)
        client = await nodes.connect(3)
        assert (await client.produce("orders", b"x")).error_code == ErrorCode.KAFKA_STORAGE_ERROR
        assert not nodes.disk(3).exists(f"{paths[1]}/orders-0")
        asked = MetadataRequest(topics=[MetadataRequest.Topic(name="orders")])
        told = (await client.ask(asked, 12)).topics[0].partitions
        assert {each.partition_index: each.offline_replicas for each in told} == {0: [3], 1: []}
        assert 3 not in registered().isr

    in_world(story, nodes=3, **TWO_FOLDERS)


def test_a_flush_that_fails_takes_its_folder_offline():
    async def story(nodes: Nodes) -> None:
        client = await nodes.connect()
        await client.create("orders")
        nodes.disk().fail_next("fsync", path="orders")
        assert (await client.produce("orders", b"x")).error_code == ErrorCode.KAFKA_STORAGE_ERROR
        assert [folder.online for folder in nodes.node[1].folders.folders] == [False, True]

    in_world(story, log_flush_interval_messages=1, **TWO_FOLDERS)


def test_a_log_whose_folder_failed_is_not_flushed_again():
    """What should have been flushed by count never will be: to try on and on would hold everything else up."""

    async def story(nodes: Nodes) -> tuple[int, list[bool]]:
        client = await nodes.connect()
        await client.create("orders", flush_messages="1")
        (partition,) = nodes.node[1].broker.partitions.values()
        flush, flushes = partition.log.flush, 0

        async def counted() -> None:
            nonlocal flushes
            flushes += 1
            assert flushes < 10, "again and again"
            await flush()

        partition.log.flush = counted  # type: ignore[method-assign]
        nodes.disk().fail_next("fsync", path="orders")
        await client.produce("orders", b"x", acks=1)
        await asyncio.sleep(1)
        return flushes, [folder.online for folder in nodes.node[1].folders.folders]

    assert in_world(story, **TWO_FOLDERS) == (1, [False, True])


def test_a_broker_without_any_folder_left_ends_with_exit_code_1():
    async def story(nodes: Nodes) -> None:
        client = await nodes.connect()
        await client.create("orders")
        nodes.disk().fail_next("append", path="orders")
        assert (await client.produce("orders", b"x")).error_code == ErrorCode.KAFKA_STORAGE_ERROR
        assert await nodes.ended() == 1
        assert not nodes.disk().exists("data/.kafka_cleanshutdown")

    in_world(story)


def test_a_controller_whose_log_cannot_be_written_ends_with_exit_code_1():
    async def story(nodes: Nodes) -> None:
        client = await nodes.connect()
        nodes.disk().fail_next("fsync", path="metadata-quorum")
        client.send(CreateTopicsRequest(timeout_ms=1000, topics=[CreateTopicsRequest.Topic(name="orders")]), 5)
        assert await nodes.ended() == 1

    in_world(story)


def test_the_only_controller_without_its_log_waits_for_no_controlled_shutdown():
    async def story(nodes: Nodes) -> float:
        client = await nodes.connect()
        nodes.disk().fail_next("fsync", path="metadata-quorum")
        began = asyncio.get_running_loop().time()
        client.send(CreateTopicsRequest(timeout_ms=1000, topics=[CreateTopicsRequest.Topic(name="orders")]), 5)
        assert await nodes.ended() == 1
        return asyncio.get_running_loop().time() - began

    assert in_world(story, broker_session_timeout_ms=9000, broker_heartbeat_interval_ms=500) < 0.5


def test_a_controller_without_its_log_has_the_next_one_move_what_it_leads():
    """In the time of an election, not of a session."""

    async def story(nodes: Nodes) -> float:
        client = await nodes.connect()
        await client.create("orders", partitions=3, replicas=3)
        await nodes.until(lambda: all(len(node.broker.partitions) == 3 for node in nodes.node.values()))
        active = next(id for id, node in nodes.node.items() if node.quorum.is_active())
        other = nodes.node[active % 3 + 1]
        nodes.disk(active).fail_next("fsync", path="metadata-quorum")
        began = asyncio.get_running_loop().time()
        more = CreateTopicsRequest.Topic(name="more", num_partitions=1, replication_factor=3)
        client.send(CreateTopicsRequest(timeout_ms=1000, topics=[more]), 5)
        await nodes.until(
            lambda: all(each.leader not in (-1, active) for each in other.broker.image.topic("orders").partitions)
        )
        took = asyncio.get_running_loop().time() - began
        assert await nodes.ended(active) == 1
        return took

    assert in_world(story, nodes=3, broker_session_timeout_ms=9000) < 2.0


def test_leaders_move_away_from_a_folder_that_failed():
    async def story(nodes: Nodes) -> None:
        client = await nodes.connect()
        await client.create("orders", replicas=3)
        topic = nodes.node[1].broker.image.topic("orders")
        leader = topic.partitions[0].leader
        await nodes.until(lambda: all(len(node.broker.partitions) == 1 for node in nodes.node.values()))
        nodes.disk(leader).fail_next("append", path="orders")
        at_leader = await nodes.connect(leader)
        assert (await at_leader.produce("orders", b"x")).error_code == ErrorCode.KAFKA_STORAGE_ERROR
        other = nodes.node[leader % 3 + 1]

        def moved() -> int:
            return other.broker.image.topic("orders").partitions[0].leader

        await nodes.until(lambda: moved() not in (-1, leader))
        at_new = await nodes.connect(moved())
        assert (await at_new.produce("orders", b"x")).error_code == 0

    in_world(story, nodes=3, **TWO_FOLDERS)


# -- a leader, a controller, both -----------------------------------------------------------------------------------------


async def outage_s(nodes: Nodes, victims: set[int]) -> float:
    """Seconds from a kill of `victims`, all at once, until each partition of a topic is led by another."""
    began = asyncio.get_running_loop().time()
    for id in victims:
        await nodes.kill(id)
    others = [node for id, node in nodes.node.items() if id not in victims]

    def led() -> bool:
        partitions = others[0].broker.image.topic("orders").partitions
        return all(each.leader >= 0 and each.leader not in victims for each in partitions)

    await nodes.until(led, seconds=10)
    return asyncio.get_running_loop().time() - began


@pytest.mark.parametrize("seed", range(1, 5))
def test_a_leader_that_is_killed_with_the_controller_is_missed_no_longer_than_alone(seed):
    """Its last heartbeat came at most an interval before, and every controller has heard it."""

    async def story(nodes: Nodes) -> float:
        client = await nodes.connect()
        await client.create("orders", partitions=3, replicas=3)
        await nodes.until(lambda: all(len(node.broker.partitions) == 3 for node in nodes.node.values()))
        await asyncio.sleep(2)
        active = next(id for id, node in nodes.node.items() if node.quorum.is_active())
        return await outage_s(nodes, {active})

    took = in_world(story, nodes=3, seed=seed, broker_session_timeout_ms=2500, broker_heartbeat_interval_ms=500)
    assert 1.9 < took < 2.6


def test_nobody_is_fenced_where_everyone_stands_still_for_a_second():
    """A busy machine: all processes of it are late alike."""

    async def story(nodes: Nodes) -> int:
        client = await nodes.connect()
        await client.create("orders", replicas=3)
        await asyncio.sleep(2)
        fenced = 0
        for _ in range(10):
            for id in nodes.ids:
                nodes.world.pause(f"n{id}")
            await asyncio.sleep(1)
            for id in nodes.ids:
                nodes.world.resume(f"n{id}")
            for _ in range(20):
                await asyncio.sleep(0.1)
                fenced += sum(each.fenced for each in nodes.node[1].quorum.image.brokers.values())
        return fenced

    defaults = {"broker_session_timeout_ms": 2500, "broker_heartbeat_interval_ms": 500}
    assert in_world(story, nodes=3, controller_quorum_election_timeout_ms=500, **defaults) == 0
