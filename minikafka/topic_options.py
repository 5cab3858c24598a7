"""Every setting a topic may have: name, type, default, range, what the broker calls it.

    TOPIC_OPTIONS.validate({"retention.ms": "abc"})    KafkaError 40: Invalid value abc for configuration retention.ms: ...
    TOPIC_OPTIONS.parse("cleanup.policy", "compact, delete")   ["compact", "delete"]

A topic's value is its own setting, else a broker's setting under another name (`follows`, with the factor between
their units), else the default.  All values travel as text; `parse` gives them their type.

This is a table apart from the server's (serving/config.py), because clients see its every word: types by number,
synonyms in order, and complaints that tools show to people.  Rows, ranges and texts are those of Apache Kafka 4.1.1,
asked one by one.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from enum import IntEnum
from typing import Any

from minikafka.wire.errors import ErrorCode, KafkaError

INT_MAX = 2**31 - 1
LONG_MAX = 2**63 - 1
NUMBER = re.compile(r"([+-]?)0*([0-9]{1,19})")
DECIMAL = re.compile(r"[+-]?(NaN|Infinity|([0-9]+\.?[0-9]*|\.[0-9]+)([eE][+-]?[0-9]+)?)[fFdD]?")


class Type(IntEnum):
    """Types of settings as DescribeConfigs numbers them."""

    BOOLEAN = 1
    STRING = 2
    INT = 3
    SHORT = 4
    LONG = 5
    DOUBLE = 6
    LIST = 7
    CLASS = 8
    PASSWORD = 9


BITS = {Type.SHORT: 16, Type.INT: 32, Type.LONG: 64}

Check = Callable[[str, Any], None]
"""Called with the option's name and the parsed value; raises KafkaError."""


def whole_number(text: str, type: Type) -> int:
    """The number `text` spells in Java.  Raises ValueError with the reason."""
    match, limit = NUMBER.fullmatch(text), 1 << (BITS[type] - 1)
    value = int(match[1] + match[2]) if match else limit
    if not -limit <= value < limit:
        raise ValueError(f"Not a number of type {type.name}")
    return value


def real_number(text: str) -> float:
    """The number with a fraction that `text` spells in Java.  Raises ValueError with the reason."""
    if not DECIMAL.fullmatch(text):
        raise ValueError("Not a number of type DOUBLE")
    return float(text.rstrip("fFdD"))


def invalid(name: str, value: object, reason: str) -> KafkaError:
    return KafkaError(ErrorCode.INVALID_CONFIG, f"Invalid value {value} for configuration {name}: {reason}")


def at_least(minimum: int) -> Check:
    return between(minimum, None)


def between(minimum: int, maximum: int | None) -> Check:
    def check(name: str, value: Any) -> None:
        if value < minimum:
            raise invalid(name, value, f"Value must be at least {minimum}")
        if maximum is not None and value > maximum:
            raise invalid(name, value, f"Value must be no more than {maximum}")

    return check


def one_of(*choices: str) -> Check:
    """For a list: each of its elements."""

    def check(name: str, value: Any) -> None:
        for word in value if isinstance(value, list) else [value]:
            if word not in choices:
                raise invalid(name, word, "String must be one of: " + ", ".join(choices))

    return check


def gzip_level(name: str, value: Any) -> None:
    if value != -1 and not 1 <= value <= 9:
        raise invalid(name, value, "Value must be between 1 and 9 or equal to -1")


def throttled_replicas(name: str, value: Any) -> None:
    if value != ["*"] and not all(re.fullmatch(r"[0-9]+:[0-9]+", word) for word in value):
        raise invalid(
            name,
            "[" + ", ".join(value) + "]",
            f"{name} must be the literal '*' or a list of replicas in the following format: "
            "[partitionId]:[brokerId],[partitionId]:[brokerId],...",
        )


def no_tiers(name: str, value: Any) -> None:
    if value:
        raise KafkaError(
            ErrorCode.INVALID_CONFIG,
            "Tiered Storage functionality is disabled in the broker. "
            "Topic cannot be configured with remote log storage.",
        )


@dataclass(frozen=True, slots=True)
class Follows:
    """A broker's setting that a topic's follows; a topic's value is the broker's times `factor`."""

    name: str
    factor: int = 1

    def converted(self, text: str) -> str:
        """The topic's value for the broker's; below zero means no limit in any unit."""
        return text if self.factor == 1 else str(max(-1, int(text) * self.factor))


@dataclass(frozen=True, slots=True)
class TopicOption:
    """One row.  `default` is text, as all values; `follows` in order of precedence."""

    name: str
    type: Type
    default: str
    check: Check | None
    follows: tuple[Follows, ...]
    doc: str

    def parse(self, text: str) -> Any:
        """The value `text` spells: bool, str, int, float or a list of str.  Raises KafkaError (40)."""
        value = self._typed(text.strip())
        if self.check is not None:
            self.check(self.name, value)
        return value

    def _typed(self, text: str) -> Any:
        match self.type:
            case Type.BOOLEAN:
                if text.lower() not in ("true", "false"):
                    raise invalid(self.name, text, "Expected value to be either true or false")
                return text.lower() == "true"
            case Type.SHORT | Type.INT | Type.LONG:
                try:
                    return whole_number(text, self.type)
                except ValueError as error:
                    raise invalid(self.name, text, str(error)) from None
            case Type.DOUBLE:
                try:
                    return real_number(text)
                except ValueError as error:
                    raise invalid(self.name, text, str(error)) from None
            case Type.LIST:
                return [word.strip() for word in text.split(",")] if text else []
            case _:
                return text


class OptionTable:
    """All settings of one kind of resource, by name."""

    def __init__(
        self, kind: str, options: Iterable[TopicOption], together: Callable[[Any], None] | None = None
    ) -> None:
        """`kind`: "topic" or "group", as complaints call it.  `together`: checks values against each other."""
        self.kind, self.together = kind, together
        self.options = {option.name: option for option in options}

    def parse(self, name: str, text: str) -> Any:
        """Raises KafkaError (40) for an unknown name too."""
        option = self.options.get(name)
        if option is None:
            raise KafkaError(ErrorCode.INVALID_CONFIG, f"Unknown {self.kind} config name: {name}")
        return option.parse(text)

    def validate(self, values: Mapping[str, str]) -> None:
        """Whether a resource may have these settings, all at once.  Raises KafkaError (40)."""
        for name in values:
            if name not in self.options:
                raise KafkaError(ErrorCode.INVALID_CONFIG, f"Unknown {self.kind} config name: {name}")
        parsed = {name: self.parse(name, text) for name, text in values.items()}
        if self.together is not None:
            self.together(parsed)

    def is_list(self, name: str) -> bool:
        return name in self.options and self.options[name].type is Type.LIST

    def default(self, name: str) -> str | None:
        return self.options[name].default if name in self.options else None


def row(
    name: str,
    type: Type,
    default: object,
    check: Check | None,
    follows: str | tuple[str | Follows, ...],
    doc: str,
) -> TopicOption:
    """A row as it stands in the tables: one broker setting, several, or "" for none."""
    names = (follows,) if isinstance(follows, str) else follows
    synonyms = tuple(Follows(synonym) if isinstance(synonym, str) else synonym for synonym in names if synonym)
    return TopicOption(name, type, str(default), check, synonyms, doc)


DAY_MS = 86_400_000
HOUR_MS, MINUTE_MS = 3_600_000, 60_000
ANY_COUNT = at_least(0)
CODECS = one_of("uncompressed", "zstd", "lz4", "snappy", "gzip", "producer")


def lag_bounds(values: Mapping[str, Any]) -> None:
    least = values.get("min.compaction.lag.ms", 0)
    most = values.get("max.compaction.lag.ms", LONG_MAX)
    if least > most:
        raise KafkaError(
            ErrorCode.INVALID_CONFIG,
            f"conflict topic config setting min.compaction.lag.ms ({least}) > max.compaction.lag.ms ({most})",
        )


# fmt: off
TOPIC_OPTIONS = OptionTable("topic", [
    row("cleanup.policy", Type.LIST, "delete", one_of("compact", "delete"), "log.cleanup.policy",
        "What is forgotten: whole segments by age and size (delete), all but the last record of a key (compact), or both."),
    row("compression.gzip.level", Type.INT, -1, gzip_level, "compression.gzip.level",
        "Effort of gzip when the broker compresses: 1 to 9, -1 for zlib's default."),
    row("compression.lz4.level", Type.INT, 9, between(1, 17), "compression.lz4.level",
        "Effort of lz4 when the broker compresses."),
    row("compression.type", Type.STRING, "producer", CODECS, "compression.type",
        "The codec batches are stored with; producer: as they came."),
    row("compression.zstd.level", Type.INT, 3, between(-131_072, 22), "compression.zstd.level",
        "Effort of zstd when the broker compresses."),
    row("delete.retention.ms", Type.LONG, DAY_MS, ANY_COUNT, "log.cleaner.delete.retention.ms",
        "How long tombstones stay in a compacted topic, so that readers from the start see what was deleted."),
    row("file.delete.delay.ms", Type.LONG, 60_000, ANY_COUNT, "log.segment.delete.delay.ms",
        "From when a segment is renamed to when its file goes."),
    row("flush.messages", Type.LONG, LONG_MAX, at_least(1), "log.flush.interval.messages",
        "Force the log to disk after so many records; 1 after each batch. Replication is the cheaper safety."),
    row("flush.ms", Type.LONG, LONG_MAX, ANY_COUNT, ("log.flush.interval.ms", "log.flush.scheduler.interval.ms"),
        "Force the log to disk when the oldest record not yet forced is this old."),
    row("follower.replication.throttled.replicas", Type.LIST, "", throttled_replicas, "",
        "Replicas whose copying is throttled at the follower: partition:broker pairs, or * for all."),
    row("index.interval.bytes", Type.INT, 4_096, ANY_COUNT, "log.index.interval.bytes",
        "Bytes of log between two entries of its index."),
    row("leader.replication.throttled.replicas", Type.LIST, "", throttled_replicas, "",
        "Replicas whose copying is throttled at the leader: partition:broker pairs, or * for all."),
    row("local.retention.bytes", Type.LONG, -2, at_least(-2), "log.local.retention.bytes",
        "With tiered storage: bytes kept on the broker; -2: as retention.bytes."),
    row("local.retention.ms", Type.LONG, -2, at_least(-2), "log.local.retention.ms",
        "With tiered storage: age kept on the broker; -2: as retention.ms."),
    row("max.compaction.lag.ms", Type.LONG, LONG_MAX, at_least(1), "log.cleaner.max.compaction.lag.ms",
        "The longest a record may wait for compaction."),
    row("max.message.bytes", Type.INT, 1_048_588, ANY_COUNT, "message.max.bytes",
        "The largest batch taken, as it is sent: compressed, with its header."),
    row("message.timestamp.after.max.ms", Type.LONG, HOUR_MS, ANY_COUNT, "log.message.timestamp.after.max.ms",
        "How far ahead of the broker's clock a record's timestamp may be; not with LogAppendTime."),
    row("message.timestamp.before.max.ms", Type.LONG, LONG_MAX, ANY_COUNT, "log.message.timestamp.before.max.ms",
        "How far behind the broker's clock a record's timestamp may be; not with LogAppendTime."),
    row("message.timestamp.type", Type.STRING, "CreateTime", one_of("CreateTime", "LogAppendTime"),
        "log.message.timestamp.type",
        "Whose clock stamps records: the producer's, or the broker's at the append."),
    row("min.cleanable.dirty.ratio", Type.DOUBLE, 0.5, between(0, 1), "log.cleaner.min.cleanable.ratio",
        "The part of a compacted log that must be new before it is compacted again."),
    row("min.compaction.lag.ms", Type.LONG, 0, ANY_COUNT, "log.cleaner.min.compaction.lag.ms",
        "The shortest a record stays before compaction may take it."),
    row("min.insync.replicas", Type.INT, 1, at_least(1), "min.insync.replicas",
        "Replicas in sync below which acks=all is refused and the high watermark stands still."),
    row("preallocate", Type.BOOLEAN, "false", None, "log.preallocate",
        "Reserve a segment's file at its full size when it is made."),
    row("remote.log.copy.disable", Type.BOOLEAN, "false", None, "",
        "With tiered storage: copy no further segments away."),
    row("remote.log.delete.on.disable", Type.BOOLEAN, "false", None, "",
        "With tiered storage: delete what was copied when it is turned off."),
    row("remote.storage.enable", Type.BOOLEAN, "false", no_tiers, "",
        "Tiered storage, which these brokers do not have."),
    row("retention.bytes", Type.LONG, -1, None, "log.retention.bytes",
        "The size of a partition beyond which its oldest segments go; -1: no limit."),
    row("retention.ms", Type.LONG, 7 * DAY_MS, at_least(-1),
        ("log.retention.ms", Follows("log.retention.minutes", MINUTE_MS), Follows("log.retention.hours", HOUR_MS)),
        "The age beyond which segments go, by their largest timestamp; -1: no limit."),
    row("segment.bytes", Type.INT, 1_073_741_824, at_least(1_048_576), "log.segment.bytes",
        "The size at which a new segment is begun; retention and compaction work by whole segments."),
    row("segment.index.bytes", Type.INT, 10_485_760, at_least(4), "log.index.size.max.bytes",
        "The largest index of a segment; a full one ends the segment."),
    row("segment.jitter.ms", Type.LONG, 0, ANY_COUNT,
        ("log.roll.jitter.ms", Follows("log.roll.jitter.hours", HOUR_MS)),
        "At most so much, at random, off segment.ms, lest all partitions begin new segments at once."),
    row("segment.ms", Type.LONG, 7 * DAY_MS, at_least(1), ("log.roll.ms", Follows("log.roll.hours", HOUR_MS)),
        "The age at which a new segment is begun, be the old one full or not."),
    row("unclean.leader.election.enable", Type.BOOLEAN, "false", None, "unclean.leader.election.enable",
        "Rather a leader that may lack acknowledged records than none."),
], together=lag_bounds)
# fmt: on


FOLLOWED: dict[str, TopicOption] = {
    follows.name: replace(option, name=follows.name)
    for option in TOPIC_OPTIONS.options.values()
    for follows in option.follows
    if follows.factor == 1
}
"""Brokers' settings that are a topic's under another name: of the same type, within the same bounds."""

TOGETHER: dict[str, tuple[str, ...]] = {
    follows.name: tuple(each.name for each in option.follows)
    for option in TOPIC_OPTIONS.options.values()
    for follows in option.follows
}
"""Brokers' settings that say the same in several units, the one that goes before first, by each of their names."""


def as_of_topics(name: str) -> Callable[[Any], None] | None:
    """A check of a broker's setting at start: one that topics follow may be only what a topic's may be."""
    row = FOLLOWED.get(name)
    if row is None or row.check is None:
        return None
    within = row.check

    def check(value: Any) -> None:
        try:
            if value is not None:
                within(name, list(value) if isinstance(value, tuple) else value)
        except KafkaError as error:
            raise ValueError(str(error)) from None

    return check


class Source(IntEnum):
    """Where a value comes from, as DescribeConfigs numbers it."""

    TOPIC = 1
    BROKER = 2  # set for one broker while it ran
    ALL_BROKERS = 3  # set for all brokers while they ran
    FILE = 4  # the broker's own file
    DEFAULT = 5
    GROUP = 8  # 6 and 7 are of loggers and of clients' metrics
