"""What a running Kafka answered to each Produce of the golden file, asked of the log alone, text for text.

The file is tests/golden/kafka/produce.txt; the scenes left out are about the broker: topics, acks, versions.  Afterwards
the log holds the very bytes that Kafka then gave to a Fetch.
"""

import re
from dataclasses import replace
from typing import Any

import pytest

from minikafka.log.partition_log import LogSettings, PartitionLog, RecordsRefused
from minikafka.log.validation import refuse_zstd, tells_log_start, text_for_client
from minikafka.wire.errors import KafkaError
from minikafka.wire.messages.fetch import FetchResponse
from minikafka.wire.messages.produce import ProduceRequest, ProduceResponse
from tests.golden.files import FOLDER, question, read, reply
from tests.golden.play import Scene
from tests.minikafka.log.fixtures import disk

NOW = 1_795_000_000_000
KEEP = LogSettings(retention_ms=-1)
SETTINGS = {
    "a_batch_too_large": replace(KEEP, max_message_bytes=200),
    "a_batch_larger_than_a_segment": replace(KEEP, max_message_bytes=2_000_000, segment_bytes=1 << 20),
    "log_append_time": replace(KEEP, log_append_time=True),
    "timestamps_out_of_bounds": replace(KEEP, timestamp_before_max_ms=1000, timestamp_after_max_ms=1000),
    "timestamps_out_of_bounds-default": KEEP,
    "a_compacted_topic": replace(KEEP, compact=True),
    "recompressed": replace(KEEP, codec=1),
    "recompressed-plain": replace(KEEP, codec=0),
}
OF_THE_BROKER = re.compile(
    r"acks|unknown|internal|init_producer|malformed|topics_at_all|same_partition|transactional|_1[0-3]$"
)
SCENES = [scene for scene in read(FOLDER / "produce.txt") if not OF_THE_BROKER.search(scene.name)]


def without_times(text: str) -> str:
    return re.sub(r"within \[.*?\]", "within []", text)


def answer_of(log: PartitionLog, records: Any, version: int, now_ms: int) -> dict[str, Any]:
    """As Kafka's answer has it, as far as the version goes."""
    try:
        refuse_zstd(records, version)
        appended = log.append_as_leader(records, 0, now_ms)
    except KafkaError as error:
        errors = error.record_errors if isinstance(error, RecordsRefused) and version >= 8 else ()
        return {
            "code": error.code,
            "base_offset": -1,
            "log_start": log.log_start_offset if tells_log_start(error) and version >= 5 else -1,
            "errors": [(index, without_times(text)) for index, text in errors],
            "message": text_for_client(error) if version >= 8 else None,
        }
    return {
        "code": 0,
        "base_offset": appended.base_offset,
        "log_start": appended.log_start_offset if version >= 5 else -1,
        "errors": [],
        "message": None,
    }


@pytest.mark.parametrize("scene", SCENES, ids=lambda scene: scene.name)
def test_the_log_answers_as_kafka_did(scene: Scene) -> None:
    on, logs = disk(), {}
    for step in scene.steps:
        asked, answered = question(step), reply(step)
        if asked is None or answered is None:
            continue
        request, version = asked
        if isinstance(request, ProduceRequest):
            assert isinstance(answered[0], ProduceResponse)
            topic, got = request.topic_data[0], answered[0].responses[0].partition_responses
            settings = SETTINGS.get(scene.name + topic.name.removeprefix(scene.name.replace("_", "-")), KEEP)
            for part, theirs in zip(topic.partition_data, got, strict=True):
                folder = f"data/{topic.name}-{part.index}"
                if folder not in logs:
                    logs[folder] = PartitionLog.open(on, folder, topic_id=None, settings=settings, now_ms=NOW)
                now_ms = theirs.log_append_time_ms if theirs.log_append_time_ms >= 0 else NOW
                ours = answer_of(logs[folder], bytes(part.records or b""), version, now_ms)
                errors = [(e.batch_index, without_times(e.batch_index_error_message)) for e in theirs.record_errors]
                expected = {
                    "code": theirs.error_code,
                    "base_offset": theirs.base_offset,
                    "log_start": theirs.log_start_offset,
                    "errors": errors,
                    "message": theirs.error_message,
                }
                assert ours == expected
        elif isinstance(answered[0], FetchResponse) and len(logs) == 1:
            (log,) = logs.values()
            stored = answered[0].responses[0].partitions[0].records
            assert log.read(0, 1 << 20, log.log_end_offset).records == bytes(stored or b"")
