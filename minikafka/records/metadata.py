"""The records of the metadata log: what the controller decided, one fact after the other.

A cluster's state is the sum of these.  Whoever applies them in order, from a snapshot or from the beginning, arrives at the
same image; a decision is a list of them that counts as a whole.

    frame    +-------------------+-----------+--------------+------------------------------+
             | frame version 1   | type      | version      | body, in the compact layout  |
             | varint            | varint    | varint       |                              |
             +-------------------+-----------+--------------+------------------------------+

Kafka wraps each in a record of a batch in __cluster_metadata; ours travel as entries of our own Raft, with the same
frames inside.  Delegation tokens, which Kafka has records for, do not exist here.

Source: KIP-631 (the quorum's controller), KIP-746 (versions), KIP-858 (directories), KIP-966 (eligible leader replicas),
and the records' definitions in Apache Kafka 4.1.1.
"""

import builtins
from collections.abc import Callable

from minikafka.wire.compile import decode, encode
from minikafka.wire.types import (
    Boolean,
    Bytes,
    Float64,
    Int8,
    Int16,
    Int32,
    Int64,
    String,
    Struct,
    StructType,
    UInt16,
    Uuid,
    WireError,
    message,
    since,
    tagged,
)
from minikafka.wire.varint import read_unsigned_varint, unsigned_varint

FRAME_VERSION = 1

METADATA_RECORDS: dict[int, type[Struct]] = {}
"""By type."""


def record(*, type: int, versions: str) -> Callable[[builtins.type[StructType]], builtins.type[StructType]]:
    """Declares a metadata record: all versions of all of them are in the compact layout."""

    def declare(cls: builtins.type[StructType]) -> builtins.type[StructType]:
        METADATA_RECORDS[type] = cls
        return message(api_key=type, versions=versions, flexible="0+")(cls)

    return declare


def encode_record(value: Struct, version: int | None = None) -> bytes:
    """A record in its frame, by default in its newest version."""
    cls = value.__class__
    if version is None:
        version = cls.__versions__.last or 0
    prefix = unsigned_varint(FRAME_VERSION) + unsigned_varint(cls.__api_key__) + unsigned_varint(version)
    return prefix + encode(value, version)


def decode_record(data: bytes | bytearray) -> Struct:
    """The record of a frame.  Raises WireError for bytes that are none, or for one of a type we do not know."""
    try:
        frame_version, position = read_unsigned_varint(data, 0)
        record_type, position = read_unsigned_varint(data, position)
        version, position = read_unsigned_varint(data, position)
    except IndexError as error:
        raise WireError("a metadata record cut short") from error
    if frame_version != FRAME_VERSION:
        raise WireError(f"a metadata record of frame version {frame_version}")
    if record_type not in METADATA_RECORDS:
        raise WireError(f"a metadata record of the unknown type {record_type}")
    value, end = decode(METADATA_RECORDS[record_type], version, data, position)
    if end != len(data):
        raise WireError(f"{len(data) - end} bytes after a metadata record")
    return value


@record(type=0, versions="0-3")
class RegisterBrokerRecord(Struct):
    """A broker has registered; the offset of this record is its epoch."""

    broker_id: Int32
    is_migrating_zk_broker: Boolean = since(2)
    incarnation_id: Uuid  # new each time the process starts
    broker_epoch: Int64
    end_points: list["EndPoint"]
    features: list["Feature"]
    rack: String | None
    fenced: Boolean = True
    in_controlled_shutdown: Boolean = since(1)
    log_dirs: list[Uuid] = tagged(0, since=3)

    class EndPoint(Struct):
        name: String
        host: String
        port: UInt16
        security_protocol: Int16  # 0: PLAINTEXT, 1: SSL, 2: SASL_PLAINTEXT, 3: SASL_SSL

    class Feature(Struct):
        name: String
        min_supported_version: Int16
        max_supported_version: Int16


@record(type=1, versions="0")
class UnregisterBrokerRecord(Struct):
    """A broker is gone for good."""

    broker_id: Int32
    broker_epoch: Int64


@record(type=17, versions="0-2")
class BrokerRegistrationChangeRecord(Struct):
    """What changed of a registration."""

    broker_id: Int32
    broker_epoch: Int64
    fenced: Int8 = tagged(0)  # -1: alive now, 1: fenced now, 0: as before
    in_controlled_shutdown: Int8 = tagged(1, since=1)  # 1: it is about to go
    log_dirs: list[Uuid] = tagged(2, since=2)


@record(type=7, versions="0")
class FenceBrokerRecord(Struct):
    """A broker is to be considered dead."""

    id: Int32
    epoch: Int64


@record(type=8, versions="0")
class UnfenceBrokerRecord(Struct):
    """A broker is to be considered alive."""

    id: Int32
    epoch: Int64


@record(type=2, versions="0")
class TopicRecord(Struct):
    """A topic exists; its partitions follow."""

    name: String
    topic_id: Uuid


@record(type=3, versions="0-2")
class PartitionRecord(Struct):
    """A partition exists, in this state."""

    partition_id: Int32 = -1
    topic_id: Uuid
    replicas: list[Int32]  # the first is the preferred leader
    isr: list[Int32]  # in sync with the leader
    removing_replicas: list[Int32]
    adding_replicas: list[Int32]
    leader: Int32 = -1  # -1: none now
    leader_recovery_state: Int8 = tagged(0)  # 1: elected uncleanly, still recovering
    leader_epoch: Int32 = -1  # rises with each new leader
    partition_epoch: Int32 = -1  # rises with each change
    directories: list[Uuid] = since(1)  # the log folder of each replica
    # not in sync, but known to have all that is committed
    eligible_leader_replicas: list[Int32] | None = tagged(1, since=2)
    last_known_elr: list[Int32] | None = tagged(2, since=2)


@record(type=5, versions="0-2")
class PartitionChangeRecord(Struct):
    """What changed of a partition; None, -2 and -1 say "as before".  Its partition epoch rises by one."""

    partition_id: Int32 = -1
    topic_id: Uuid
    isr: list[Int32] | None = tagged(0)
    leader: Int32 = tagged(1, default=-2)  # -2: as before, and the leader epoch too; -1: none now
    replicas: list[Int32] | None = tagged(2)
    removing_replicas: list[Int32] | None = tagged(3)
    adding_replicas: list[Int32] | None = tagged(4)
    leader_recovery_state: Int8 = tagged(5, default=-1)
    directories: list[Uuid] | None = tagged(8, since=1)
    eligible_leader_replicas: list[Int32] | None = tagged(6, since=2)
    last_known_elr: list[Int32] | None = tagged(7, since=2)


@record(type=9, versions="0")
class RemoveTopicRecord(Struct):
    """A topic is deleted, and all its partitions."""

    topic_id: Uuid


@record(type=28, versions="0")
class ClearElrRecord(Struct):
    """Forget who else may lead; of all topics if the name is empty."""

    topic_name: String


@record(type=4, versions="0")
class ConfigRecord(Struct):
    """A setting has this value now; None: it is gone."""

    resource_type: Int8
    resource_name: String
    name: String
    value: String | None


@record(type=15, versions="0")
class ProducerIdsRecord(Struct):
    """All producer ids below this one are given away."""

    broker_id: Int32
    broker_epoch: Int64 = -1
    next_producer_id: Int64


@record(type=12, versions="0")
class FeatureLevelRecord(Struct):
    """A feature of the cluster has this level now; 0: it is off."""

    name: String
    feature_level: Int16


@record(type=27, versions="0")
class RegisterControllerRecord(Struct):
    """A controller has registered."""

    controller_id: Int32
    incarnation_id: Uuid
    zk_migration_ready: Boolean
    end_points: list["EndPoint"]
    features: list["Feature"]

    class EndPoint(Struct):
        name: String
        host: String
        port: UInt16
        security_protocol: Int16

    class Feature(Struct):
        name: String
        min_supported_version: Int16
        max_supported_version: Int16


@record(type=14, versions="0")
class ClientQuotaRecord(Struct):
    """What clients may use; of a user, a client id, or both."""

    entity: list["Entity"]
    key: String
    value: Float64
    remove: Boolean

    class Entity(Struct):
        entity_type: String
        entity_name: String | None  # None: the default of its type


@record(type=11, versions="0")
class UserScramCredentialRecord(Struct):
    """How a user proves its password."""

    name: String
    mechanism: Int8
    salt: Bytes
    stored_key: Bytes
    server_key: Bytes
    iterations: Int32


@record(type=22, versions="0")
class RemoveUserScramCredentialRecord(Struct):
    """A credential is gone."""

    name: String
    mechanism: Int8


@record(type=18, versions="0")
class AccessControlEntryRecord(Struct):
    """A rule of access exists."""

    id: Uuid
    resource_type: Int8
    resource_name: String
    pattern_type: Int8
    principal: String
    host: String
    operation: Int8
    permission_type: Int8


@record(type=19, versions="0")
class RemoveAccessControlEntryRecord(Struct):
    """A rule of access is gone."""

    id: Uuid


@record(type=23, versions="0")
class BeginTransactionRecord(Struct):
    """What follows counts only once the transaction ends: a decision larger than a batch."""

    name: String | None = tagged(0)


@record(type=24, versions="0")
class EndTransactionRecord(Struct):
    """The transaction counts."""


@record(type=25, versions="0")
class AbortTransactionRecord(Struct):
    """The transaction never was."""

    reason: String | None = tagged(0)


@record(type=20, versions="0")
class NoOpRecord(Struct):
    """Nothing; it shows that the log moves on."""


@record(type=21, versions="0")
class ZkMigrationStateRecord(Struct):
    """How far the move away from ZooKeeper is; of older clusters."""

    zk_migration_state: Int8


@record(type=200, versions="0")
class ClusterIdRecord(Struct):
    """The cluster's id, the first record of all.  Ours alone: Kafka's stands in meta.properties from the formatting on."""

    cluster_id: String


MetadataRecord = Struct
"""What is declared above."""
