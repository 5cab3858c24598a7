"""A folder that a running Kafka left behind (tests/golden/record_log.py): read, continued, and built again byte for byte."""

from pathlib import Path

import pytest

from durable.real_disk import RealDisk
from minikafka.log import checkpoints, transaction_index
from minikafka.log.dump import DumpOptions, dump_file
from minikafka.log.partition_log import LogSettings, PartitionLog
from minikafka.records.batch import read_records, walk
from simulation.disk import SimulatedDisk
from tests.golden.files import FOLDER
from tests.minikafka.log.fixtures import append, disk

RECORDED = FOLDER / "log"
TOPIC = RECORDED / "golden-0"
AS_KAFKA_HAD_IT = LogSettings(segment_bytes=2000, index_interval_bytes=300, retention_ms=-1)
FIRST_MS = 1_700_000_000_000


def copied(*left_out: str) -> SimulatedDisk:
    """The recorded folder on a simulated disk, without the files of some kinds."""
    on = disk()
    for path in sorted(TOPIC.iterdir()):
        if path.suffix not in left_out and path.name not in left_out:
            on.mkdir("golden-0")
            file = on.open(f"golden-0/{path.name}", "w")
            file.append(path.read_bytes())
            file.close()
    return on


def contents(on: SimulatedDisk) -> dict[str, bytes]:
    return {name: on.read(f"golden-0/{name}") for name in on.listdir("golden-0")}


def opened(on: SimulatedDisk, **arguments: object) -> PartitionLog:
    return PartitionLog.open(on, "golden-0", topic_id=None, settings=AS_KAFKA_HAD_IT, now_ms=0, **arguments)  # type: ignore[arg-type]


def test_its_records_are_read():
    log = opened(copied())
    values, offset = [], 0
    while data := log.read(offset, 1000, log.log_end_offset).records:
        for position, batch in walk(data):
            values += [record.value for record in read_records(data, position) if not batch.is_control]
            offset = batch.last_offset + 1
    codecs = ("none", "gzip", "snappy", "lz4", "zstd")
    plain = [
        f"{codec} {number} {record} ".encode() * 8 for codec in codecs for number in range(3) for record in range(4)
    ]
    assert values == [*plain, b"in a transaction", b"in a transaction"]
    assert (log.log_end_offset, log.epochs.entries) == (64, [(0, 0)])


def test_what_kafka_knew_of_producers_and_transactions_is_known():
    log = opened(copied())
    assert [len(producer.batches) for producer in log.producers.producers.values()] == [3, 3, 3, 3, 3, 2]
    assert log.aborted_transactions(0, 64) == [transaction_index.AbortedTransaction(5, 62, 63, 64)]
    assert log.offset_for_time(FIRST_MS + 1010, 64) == (FIRST_MS + 1010, 16, 0)


def test_opening_and_closing_changes_no_byte():
    on = copied()
    before = contents(on)
    opened(on).close(0)
    assert contents(on) == before


def test_everything_but_the_log_is_built_again_byte_for_byte():
    on = copied(".index", ".timeindex", ".txnindex", ".snapshot", "leader-epoch-checkpoint")
    opened(on, clean=False).close(0)
    assert contents(on) == contents(copied())


def test_it_goes_on_where_kafka_ended():
    log = opened(copied())
    assert append(log, "more", epoch=1) == 64


@pytest.mark.parametrize("name", sorted(path.name for path in TOPIC.iterdir() if path.suffix not in ("", ".metadata")))
def test_the_dump_finds_no_fault(name):
    lines: list[str] = []
    assert dump_file(RealDisk(), str(TOPIC / name), lines.append, DumpOptions(deep=True)) == 0
    assert lines[0] == f"Dumping {TOPIC / name}"


def test_a_committed_offset_is_shown_as_kafkas_tool_shows_it():
    lines: list[str] = []
    path = RECORDED / "__consumer_offsets-0" / "00000000000000000000.log"
    assert dump_file(RealDisk(), str(path), lines.append, DumpOptions(offsets=True)) == 0
    assert 'key: {"type":"1","data":{"group":"golden-group","topic":"golden","partition":0}}' in lines[-1]
    assert '"data":{"offset":7,"leaderEpoch":-1,"metadata":"seven' in lines[-1]


FLIPS = [
    ("00000000000000000024.log", 100, "isvalid: false"),
    ("00000000000000000024.index", 3, "Mismatches in :"),
    ("00000000000000000024.timeindex", 7, "Found timestamp mismatch in :"),
    ("00000000000000000024.snapshot", 20, "Snapshot is corrupt"),
    ("00000000000000000061.txnindex", 1, "version 1 of an aborted transaction"),
]


@pytest.mark.parametrize(("name", "place", "said"), FLIPS)
def test_the_dump_tells_what_is_damaged(name, place, said):
    on = copied(name)
    damaged = bytearray((TOPIC / name).read_bytes())
    damaged[place] ^= 1
    on.open(f"golden-0/{name}", "w").append(damaged)
    lines: list[str] = []
    assert dump_file(on, f"golden-0/{name}", lines.append) == 1
    assert any(said in line for line in lines)


def test_the_checkpoints_are_read():
    recorded = RealDisk()
    path = str(Path(RECORDED) / checkpoints.HIGH_WATERMARK)
    assert checkpoints.read_offsets(recorded, path)["golden", 0] == 64
    assert checkpoints.read_offsets(recorded, str(RECORDED / checkpoints.CLEANER)) == {}
    meta = checkpoints.read_meta_properties(recorded, str(RECORDED))
    assert meta is not None and (meta["node.id"], meta["version"]) == ("1", "1")
    assert len(checkpoints.read_partition_metadata(recorded, str(TOPIC / "partition.metadata"))) == 16
