"""kafka-dump-log.sh over our folders: Kafka reads every record, index and snapshot of ours and finds no fault.

Of a running Apache Kafka it can read the segments alone: the index of the one being written is a file of zeros.
"""

import re
import shutil
from pathlib import Path

import pytest

from lab.child import ChildError
from lab.kafka_peers import Kafka
from tests.java import programs

pytestmark = pytest.mark.java

RECORDS = 6_000  # of 1,000 bytes, in segments of a megabyte
FAULTS = re.compile(
    "mismatch|non-consecutive|corrupt|exception|error|isvalid: false|not an index|out of order", re.IGNORECASE
)


def dumped(folder: Path, *options: str) -> list[str]:
    """All that is said of a partition's segments, indexes and snapshots."""
    suffixes = (".log", ".index", ".timeindex", ".snapshot", ".txnindex")
    files = sorted(str(path) for path in folder.iterdir() if path.suffix in suffixes)
    return programs.dump_log(*options, "--files", ",".join(files))


def faults(lines: list[str]) -> list[str]:
    return [line for line in lines if FAULTS.search(line)]


def counted(lines: list[str]) -> tuple[int, int]:
    """How many segments there are, and records in them."""
    segments = sum(line.startswith("Dumping ") and line.endswith(".log") for line in lines)
    return segments, sum(line.startswith("| offset:") for line in lines)


@pytest.mark.parametrize("codec", ["none", "gzip", "snappy", "lz4", "zstd"])
def test_rolled_segments_and_their_indexes(kafka: Kafka, topic: str, codec: str):
    programs.topics(kafka, "--create", "--topic", topic, "--partitions", "1", "--config", "index.interval.bytes=0")
    programs.producer_performance(kafka, topic, RECORDS, f"compression.type={codec}")
    lines = dumped(kafka.nodes[0].data / f"{topic}-0", "--deep-iteration")
    segments, records = counted(lines)
    assert (faults(lines), segments > 1, records) == ([], True, RECORDS)


def test_a_spoiled_index_would_be_noticed(kafka: Kafka, topic: str, tmp_path: Path):
    programs.topics(kafka, "--create", "--topic", topic, "--partitions", "1", "--config", "index.interval.bytes=0")
    programs.producer_performance(kafka, topic, RECORDS)
    copy = tmp_path / f"{topic}-0"
    shutil.copytree(kafka.nodes[0].data / f"{topic}-0", copy)
    index = copy / "00000000000000000000.index"
    entries = bytearray(index.read_bytes())
    entries[-1] ^= 1  # the lowest bit of a position in the segment
    index.write_bytes(entries)
    with pytest.raises(ChildError):
        dumped(copy)


def test_what_every_follower_has_copied(three: Kafka, topic: str):
    programs.topics(three, "--create", "--topic", topic, "--partitions", "1")
    programs.producer_performance(three, topic, RECORDS, "acks=all")
    for node in three.nodes:
        lines = dumped(node.data / f"{topic}-0", "--deep-iteration")
        segments, records = counted(lines)
        assert (faults(lines), segments > 1, records) == ([], True, RECORDS)


def test_offsets_of_groups_are_read_by_kafkas_decoder(kafka: Kafka, topic: str, group: str):
    programs.topics(kafka, "--create", "--topic", topic, "--partitions", "1")
    named = ("--group", group, "--topic", topic)
    programs.consumer_groups(kafka, "--reset-offsets", *named, "--to-earliest", "--execute")
    folders = [path for path in kafka.nodes[0].data.iterdir() if path.name.startswith("__consumer_offsets-")]
    logs = ",".join(str(path) for folder in folders for path in sorted(folder.glob("*.log")))
    lines = programs.dump_log("--offsets-decoder", "--files", logs)
    key = f'"group":"{group}","topic":"{topic}","partition":0'
    assert faults(lines) == []
    assert sum(key in line and '"offset":0' in line for line in lines) == 1
