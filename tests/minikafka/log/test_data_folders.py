"""The folders of a broker: which logs lie where, what is written down about them, and when."""

import asyncio
from types import SimpleNamespace

import pytest

from minikafka.log.checkpoints import HIGH_WATERMARK, RECOVERY_POINT, read_offsets
from minikafka.log.data_folders import DataFolder, DataFolders, partition_of
from minikafka.log.partition_log import LogSettings
from minikafka.records.batch import build_batch
from minikafka.records.record import Record
from minikafka.wire.errors import ErrorCode, KafkaError
from simulation.disk import DiskOptions
from simulation.world import Host, World

TOPIC = bytes(15) + b"\1"


def in_process(story, *, folders: str = "data", runs: int = 1) -> list:
    """`story(host, folders)` in a process of its own on one machine, `runs` times; what it returned."""
    world = World(3, disk=DiskOptions(stall=0.0))
    results = []

    async def software(host: Host) -> None:
        settings = SimpleNamespace(log_dirs=tuple(folders.split(",")), log_dir="", metadata_log_dir="", node_id=1)
        held = DataFolders(settings, host.disk, host.clock, host.random)
        await held.open()
        await held.load()
        held.begin(7)
        results.append(await story(host, held))

    async def scenario(world: World) -> None:
        for _ in range(runs):
            world.start("n1", software)
            while world.host("n1").running:  # noqa: ASYNC110 — nobody would set an event
                await asyncio.sleep(0.01)

    world.run(scenario)
    return results


def append(log, count: int) -> None:
    for _ in range(count):
        log.append_as_leader(build_batch([Record(None, b"x")], timestamp_ms=1), 0, 1)


def opened(folders: DataFolders, index: int = 0, **settings):
    return folders.open_or_create("orders", index, TOPIC, LogSettings(**settings))


@pytest.mark.parametrize(
    ("name", "partition"),
    [
        ("orders-0", ("orders", 0)),
        ("my-orders-12", ("my-orders", 12)),
        ("orders", None),
        ("-1", None),
        ("orders-x", None),
        ("orders-0.1f-delete", None),
        ("orders-\u0663", None),
    ],
)
def test_the_folder_of_a_partition_is_known_by_its_name(name, partition):
    assert partition_of(name) == partition


def test_partitions_go_to_the_folder_with_the_fewest():
    async def story(host: Host, folders: DataFolders) -> list[int]:
        for index in range(6):
            opened(folders, index)
        return [len(folder.logs) for folder in folders.folders]

    assert in_process(story, folders="one,two,three") == [[2, 2, 2]]


def test_a_clean_stop_is_known_at_the_next_start_and_once():
    epochs = []

    async def story(host: Host, folders: DataFolders) -> None:
        epochs.append(folders.previous_epoch)
        if len(epochs) == 2:
            await folders.close()

    in_process(story, runs=4)
    assert epochs == [-1, -1, 7, -1]


def test_one_folder_that_was_not_left_clean_makes_all_count_as_unclean():
    epochs = []

    async def story(host: Host, folders: DataFolders) -> None:
        epochs.append(folders.previous_epoch)
        await folders.close()
        if len(epochs) == 1:
            host.disk.unlink("two/.kafka_cleanshutdown")

    in_process(story, folders="one,two", runs=3)
    assert epochs == [-1, -1, 7]


def test_a_log_cut_below_its_recovery_point_is_written_down_before_anything_is_appended():
    async def story(host: Host, folders: DataFolders) -> list[int]:
        log = opened(folders)
        append(log, 10)
        await log.flush()
        await folders.checkpoint_recovery_points()
        before = read_offsets(host.disk, f"data/{RECOVERY_POINT}")[("orders", 0)]
        log.truncate_to(4)
        folders.truncated(log)
        return [before, read_offsets(host.disk, f"data/{RECOVERY_POINT}")[("orders", 0)]]

    assert in_process(story) == [[10, 4]]


def test_a_log_cut_while_the_checkpoint_is_written_is_written_down_again():
    async def story(host: Host, folders: DataFolders) -> int:
        log = opened(folders)
        append(log, 10)
        await log.flush()
        writing = asyncio.get_running_loop().create_task(folders.checkpoint_recovery_points())
        await asyncio.sleep(0)
        log.truncate_to(4)
        folders.truncated(log)
        await writing
        return read_offsets(host.disk, f"data/{RECOVERY_POINT}")[("orders", 0)]

    assert in_process(story) == [4]


@pytest.mark.parametrize("checkpoint", [DataFolders.checkpoint_high_watermarks, DataFolders.checkpoint_recovery_points])
def test_checkpoints_at_once_do_not_take_each_others_file(checkpoint):
    """The regular one and the one of the stop, on a slow disk: each writes aside under the same name."""

    async def story(host: Host, folders: DataFolders) -> tuple[list[str], dict, list[str]]:
        log = opened(folders)
        append(log, 10)
        await log.flush()
        log.high_watermark = 4
        first = asyncio.get_running_loop().create_task(checkpoint(folders))
        await asyncio.sleep(0)
        log.high_watermark = 10
        await asyncio.gather(first, checkpoint(folders), checkpoint(folders))
        offline = [folder.path for folder in folders.folders if not folder.online]
        name = HIGH_WATERMARK if checkpoint is DataFolders.checkpoint_high_watermarks else RECOVERY_POINT
        left = [name for name in host.disk.listdir("data") if name.endswith(".new")]
        return offline, read_offsets(host.disk, f"data/{name}"), left

    assert in_process(story) == [([], {("orders", 0): 10}, [])]


def test_many_logs_are_flushed_side_by_side_when_the_broker_stops():
    async def story(host: Host, folders: DataFolders) -> float:
        for index in range(64):
            append(opened(folders, index), 1)
        host.disk.options.fsync_s = (0.01, 0.01)
        began = asyncio.get_running_loop().time()
        await folders.close()
        return asyncio.get_running_loop().time() - began

    (seconds,) = in_process(story)
    assert seconds < 64 * 0.01 / 2


def test_a_deleted_log_is_renamed_at_once_and_swept_when_its_delay_is_over():
    async def story(host: Host, folders: DataFolders) -> list[list[str]]:
        log = opened(folders, file_delete_delay_ms=1000)
        append(log, 1)
        folders.delete(log)
        seen = []
        for _ in range(3):
            folders.sweep()
            seen.append(
                [name.rpartition(".")[0] + "…" + name[-7:] for name in host.disk.listdir("data") if "orders" in name]
            )
            await asyncio.sleep(0.6)
        return seen

    assert in_process(story) == [[["orders-0…-delete"], ["orders-0…-delete"], []]]


def test_what_was_deleted_before_a_crash_is_swept_after_it():
    async def story(host: Host, folders: DataFolders) -> list[str]:
        folders.sweep()
        left = [name for name in host.disk.listdir("data") if "orders" in name]
        folders.delete(opened(folders))
        return left

    assert in_process(story, runs=2) == [[], []]


def test_a_failed_folder_is_told_once_and_refuses_every_log_in_it():
    async def story(host: Host, folders: DataFolders) -> list[DataFolder]:
        told: list[DataFolder] = []
        folders.on_failed = told.append
        logs = [opened(folders, index) for index in range(2)]
        host.disk.fail_next("append")
        for log in logs:
            with pytest.raises(KafkaError) as refused:
                append(log, 1)
            assert refused.value.code is ErrorCode.KAFKA_STORAGE_ERROR
            folders.went_offline(log)
        assert (folders.none_left, folders.online_ids()) == (True, [])
        assert folders.offline_ids() == [folders.folders[0].id]
        return [each.path for each in told]

    assert in_process(story) == [["data"]]


def test_a_damaged_checkpoint_is_gone_on_without():
    async def story(host: Host, folders: DataFolders) -> int:
        log = opened(folders)
        if log.log_end_offset == 0:
            append(log, 3)
            await folders.close()
            file = host.disk.open(f"data/{RECOVERY_POINT}", "w")
            file.append(b"nonsense")
            file.close()
        return log.log_end_offset

    assert in_process(story, runs=2) == [3, 3]
