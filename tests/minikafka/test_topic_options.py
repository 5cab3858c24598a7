"""Topic settings: rows, ranges and complaints, as Apache Kafka 4.1.1's `LogConfig.validate` was asked one by one."""

import pytest

from minikafka.group_options import GROUP_OPTIONS
from minikafka.topic_options import TOPIC_OPTIONS
from minikafka.wire.errors import ErrorCode, KafkaError

COMPLAINTS = """
retention.ms=abc            Not a number of type LONG
retention.ms=-2             Value must be at least -1
retention.ms=9223372036854775808  Not a number of type LONG
retention.ms=0x10           Not a number of type LONG
segment.bytes=100           Value must be at least 1048576
segment.bytes=99999999999   Not a number of type INT
segment.bytes=1.5           Not a number of type INT
compression.type=brotli     String must be one of: uncompressed, zstd, lz4, snappy, gzip, producer
compression.type=           String must be one of: uncompressed, zstd, lz4, snappy, gzip, producer
compression.gzip.level=0    Value must be between 1 and 9 or equal to -1
compression.gzip.level=10   Value must be between 1 and 9 or equal to -1
compression.lz4.level=18    Value must be no more than 17
compression.zstd.level=23   Value must be no more than 22
preallocate=maybe           Expected value to be either true or false
preallocate=                Expected value to be either true or false
min.cleanable.dirty.ratio=1.5   Value must be no more than 1
min.cleanable.dirty.ratio=-0.1  Value must be at least 0
min.cleanable.dirty.ratio=x     Not a number of type DOUBLE
message.timestamp.type=foo  String must be one of: CreateTime, LogAppendTime
min.insync.replicas=0       Value must be at least 1
min.insync.replicas=        Not a number of type INT
max.message.bytes=-1        Value must be at least 0
segment.index.bytes=3       Value must be at least 4
local.retention.ms=-3       Value must be at least -2
unclean.leader.election.enable=yes  Expected value to be either true or false
"""


def recorded():
    for line in COMPLAINTS.strip().splitlines():
        assignment, _, reason = line.partition("  ")
        name, _, value = assignment.strip().partition("=")
        yield name, value, reason.strip()


@pytest.mark.parametrize("name, value, reason", list(recorded()))
def test_complaints_are_kafkas_word_for_word(name, value, reason):
    with pytest.raises(KafkaError) as refusal:
        TOPIC_OPTIONS.validate({name: value})
    assert refusal.value.code is ErrorCode.INVALID_CONFIG
    assert str(refusal.value) == f"Invalid value {value} for configuration {name}: {reason}"


@pytest.mark.parametrize(
    "values, complaint",
    [
        ({"nope": "1"}, "Unknown topic config name: nope"),
        (
            {"cleanup.policy": "delete,foo"},
            "Invalid value foo for configuration cleanup.policy: String must be one of: compact, delete",
        ),
        (
            {"cleanup.policy": "compact,"},
            "Invalid value  for configuration cleanup.policy: String must be one of: compact, delete",
        ),
        (
            {"leader.replication.throttled.replicas": "foo"},
            "Invalid value [foo] for configuration leader.replication.throttled.replicas: "
            "leader.replication.throttled.replicas must be the literal '*' or a list of replicas in the following "
            "format: [partitionId]:[brokerId],[partitionId]:[brokerId],...",
        ),
        (
            {"min.compaction.lag.ms": "10", "max.compaction.lag.ms": "5"},
            "conflict topic config setting min.compaction.lag.ms (10) > max.compaction.lag.ms (5)",
        ),
        (
            {"remote.storage.enable": "true"},
            "Tiered Storage functionality is disabled in the broker. "
            "Topic cannot be configured with remote log storage.",
        ),
    ],
)
def test_complaints_about_lists_and_pairs(values, complaint):
    with pytest.raises(KafkaError) as refusal:
        TOPIC_OPTIONS.validate(values)
    assert (refusal.value.code, str(refusal.value)) == (ErrorCode.INVALID_CONFIG, complaint)


@pytest.mark.parametrize(
    "name, text, value",
    [
        ("retention.ms", " 5 ", 5),
        ("retention.ms", "+5", 5),
        ("retention.bytes", "-5", -5),
        ("cleanup.policy", "", []),
        ("cleanup.policy", " compact , delete ", ["compact", "delete"]),
        ("preallocate", "TRUE", True),
        ("min.cleanable.dirty.ratio", "1e-1", 0.1),
        ("leader.replication.throttled.replicas", "*", ["*"]),
        ("leader.replication.throttled.replicas", "0:1,1:2", ["0:1", "1:2"]),
        ("leader.replication.throttled.replicas", "", []),
    ],
)
def test_values_have_types(name, text, value):
    TOPIC_OPTIONS.validate({name: text})
    assert TOPIC_OPTIONS.parse(name, text) == value


@pytest.mark.parametrize("table, count", [(TOPIC_OPTIONS, 33), (GROUP_OPTIONS, 10)])
def test_every_default_is_valid(table, count):
    assert len(table.options) == count
    table.validate({option.name: option.default for option in table.options.values()})
    assert list(table.options) == sorted(table.options)
