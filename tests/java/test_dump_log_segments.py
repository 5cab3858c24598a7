"""kafka-dump-log.sh over our folders: Kafka reads every record, index and snapshot of ours and finds no fault."""

from pathlib import Path

import pytest

from lab.kafka_peers import Kafka
from tests.java import programs

pytestmark = pytest.mark.java

FAULTS = ("mismatch", "fault", "corrupt", "invalid", "exception", "isvalid: false", "found timestamp", "Non-consecutive")


def faults(lines: list[str]) -> list[str]:
    return [line for line in lines if any(word.lower() in line.lower() for word in FAULTS)]


def files(folder: Path) -> str:
    return ",".join(sorted(str(path) for path in folder.iterdir() if path.suffix in (".log", ".index", ".timeindex")))


@pytest.mark.parametrize("codec", ["none", "gzip", "zstd"])
def test_rolled_segments_and_their_indexes(kafka: Kafka, topic: str, codec: str):
    programs.topics(kafka, "--create", "--topic", topic, "--partitions", "1")
    programs.producer_performance(kafka, topic, 6000, f"compression.type={codec}")
    folder = kafka.nodes[0].data / f"{topic}-0"
    lines = programs.dump_log("--deep-iteration", "--files", files(folder))
    assert faults(lines) == []
    assert sum(line.startswith("| offset:") for line in lines) == 6000
    assert sum(line.startswith("Dumping ") and line.endswith(".log") for line in lines) > 1
