"""The records in which coordinators remember: offsets, groups and transactions, as keys and values of compacted topics.

    __consumer_offsets    key    int16 type, body            the type says what kind of thing the key names,
                          value  int16 version, body         the version how the value is laid out; no value: it is gone
    __transaction_state   the same, with one type

A group's coordinator is the leader of a partition of __consumer_offsets: what it answered for is in that log, and whoever
leads it next reads it all and goes on.  Beside them what consumers send each other through the coordinator, which it
passes on unread: int16 version, body.

Source: KIP-32 and KIP-211 (offsets), KIP-345 and KIP-848 (groups), KIP-890 (transactions), KIP-429 and KIP-792
(subscriptions), and the definitions in Apache Kafka 4.1.1.
"""

import builtins
import struct
from collections.abc import Callable

from minikafka.wire.compile import decode, encode
from minikafka.wire.types import (
    Bytes,
    Int8,
    Int16,
    Int32,
    Int64,
    String,
    Struct,
    StructType,
    Uuid,
    WireError,
    message,
    since,
    tagged,
)

KEYS: dict[int, type[Struct]] = {}
"""Kinds of keys in __consumer_offsets, by type."""

VALUES: dict[int, type[Struct]] = {}
"""What stands under them."""


def key(*, type: int) -> Callable[[builtins.type[StructType]], builtins.type[StructType]]:
    """Declares a key of __consumer_offsets."""

    def declare(cls: builtins.type[StructType]) -> builtins.type[StructType]:
        KEYS[type] = cls
        return message(api_key=type, versions="0")(cls)

    return declare


def value(
    *, type: int, versions: str, flexible: str = "none"
) -> Callable[[builtins.type[StructType]], builtins.type[StructType]]:
    """Declares what stands under the key of the same type."""

    def declare(cls: builtins.type[StructType]) -> builtins.type[StructType]:
        VALUES[type] = cls
        return message(api_key=type, versions=versions, flexible=flexible)(cls)

    return declare


def encode_key(key: Struct) -> bytes:
    """The bytes of a record's key."""
    return key.__api_key__.to_bytes(2, "big") + encode(key, 0)


def decode_key(data: bytes | bytearray) -> Struct:
    """The key in a record of __consumer_offsets.  Raises WireError, also for a type we do not know."""
    cls = KEYS.get(_int16(data))
    if cls is None:
        raise WireError(f"a group record of the unknown type {_int16(data)}")
    return decode(cls, 0, data, 2)[0]


def decode_value(key: Struct, data: bytes | bytearray) -> Struct:
    """The value that stands under `key`.  Raises WireError."""
    return decode_versioned(VALUES[key.__api_key__], data)


def encode_versioned(value: Struct, version: int | None = None) -> bytes:
    """A value, or a payload of consumers, behind its version; by default the newest."""
    if version is None:
        version = value.__versions__.last or 0
    return version.to_bytes(2, "big") + encode(value, version)


def decode_versioned(cls: type[StructType], data: bytes | bytearray) -> StructType:
    """What `encode_versioned` wrote.  Raises WireError, also for a version we do not know."""
    return decode(cls, _int16(data), data, 2)[0]


def decode_of_consumer(cls: type[StructType], data: bytes | bytearray) -> StructType:
    """A ConsumerProtocolSubscription or -Assignment.  A version newer than ours is read as ours: later ones only append.

    Raises WireError.
    """
    version, newest = _int16(data), cls.__versions__.last or 0
    return decode(cls, min(version, newest), data, 2)[0]


def encode_transaction_key(key: "TransactionLogKey") -> bytes:
    """The key of a record in __transaction_state."""
    return bytes(2) + encode(key, 0)


def decode_transaction_key(data: bytes | bytearray) -> "TransactionLogKey":
    """The key of a record in __transaction_state; its value is read by `decode_versioned`.  Raises WireError."""
    if _int16(data) != 0:
        raise WireError(f"a transaction record of the unknown type {_int16(data)}")
    return decode(TransactionLogKey, 0, data, 2)[0]


def _int16(data: bytes | bytearray) -> int:
    try:
        (number,) = struct.unpack_from(">h", data)
    except struct.error as error:
        raise WireError("no version in front") from error
    assert isinstance(number, int)
    return number


@key(type=1)
class OffsetCommitKey(Struct):
    """An offset of a group."""

    group: String
    topic: String
    partition: Int32


@value(type=1, versions="0-4", flexible="4+")
class OffsetCommitValue(Struct):
    """The offset, as committed.  No value at all (a tombstone) says that it is gone."""

    offset: Int64
    leader_epoch: Int32 = since(3, default=-1)
    metadata: String
    commit_timestamp: Int64  # ms, when it was committed
    expire_timestamp: Int64 = since(1, 1, default=-1)  # ms, of requests that asked for a retention; -1: none
    topic_id: Uuid = tagged(0, since=4)


@key(type=2)
class GroupMetadataKey(Struct):
    """A group of the older protocol."""

    group: String


@value(type=2, versions="0-4", flexible="4+")
class GroupMetadataValue(Struct):
    """A generation: written when its leader has shared the work, so that another coordinator can go on."""

    protocol_type: String
    generation: Int32
    protocol: String | None
    leader: String | None
    current_state_timestamp: Int64 = since(2, default=-1)  # ms; -1: unknown
    members: list["Member"]

    class Member(Struct):
        member_id: String
        group_instance_id: String | None = since(3)
        client_id: String
        client_host: String
        rebalance_timeout: Int32 = since(1, default=-1)
        session_timeout: Int32
        subscription: Bytes  # what the member sent of the chosen protocol when joining
        assignment: Bytes


@key(type=0)
class LegacyOffsetCommitKey(Struct):
    """The same as OffsetCommitKey, as the first brokers wrote it."""

    group: String
    topic: String
    partition: Int32


VALUES[0] = OffsetCommitValue


@message(versions="0-3")
class ConsumerProtocolSubscription(Struct):
    """What a consumer sends when it joins: topics it wants and, since version 1, partitions it has."""

    topics: list[String]
    user_data: Bytes | None
    owned_partitions: list["Topic"] = since(1)  # so that a cooperative assignor lets it keep them
    generation_id: Int32 = since(2, default=-1)  # in which it got them
    rack_id: String | None = since(3)

    class Topic(Struct):
        topic: String
        partitions: list[Int32]


@message(versions="0-3")
class ConsumerProtocolAssignment(Struct):
    """What a consumer gets: the partitions it shall read."""

    assigned_partitions: list["Topic"]
    user_data: Bytes | None

    class Topic(Struct):
        topic: String
        partitions: list[Int32]


@message(versions="0")
class TransactionLogKey(Struct):
    """A transactional id."""

    transactional_id: String


@message(versions="0-1", flexible="1+")
class TransactionLogValue(Struct):
    """The state of its transaction."""

    producer_id: Int64
    previous_producer_id: Int64 = tagged(0, since=1, default=-1)
    next_producer_id: Int64 = tagged(1, since=1, default=-1)
    producer_epoch: Int16
    next_producer_epoch: Int16 = tagged(3, since=1, default=-1)
    transaction_timeout_ms: Int32
    # 0 empty, 1 ongoing, 2 prepare commit, 3 prepare abort, 4 committed, 5 aborted, 6 dead
    transaction_status: Int8
    transaction_partitions: list["Topic"] | None
    transaction_last_update_timestamp_ms: Int64
    transaction_start_timestamp_ms: Int64
    client_transaction_version: Int16 = tagged(2, since=1)

    class Topic(Struct):
        topic: String
        partition_ids: list[Int32]


@message(versions="0")
class EndTxnMarker(Struct):
    """The value of a control record that ends a transaction."""

    coordinator_epoch: Int32
