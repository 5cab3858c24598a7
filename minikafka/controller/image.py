"""The cluster as the metadata log tells it: topics, partitions, brokers, settings.  Records in, state out.

    log of records ──apply──> MetadataImage ──records──> the same state as a shorter log: a snapshot

Every node holds one.  Brokers apply what is committed and act on the `Delta`; the active controller applies what it has
just appended, so that its next decision stands on its last one.  Equal logs give equal images: `apply` asks nobody the
time, throws no dice and refuses nothing; what may be written was decided before (see controller.py).

Two rules that every reader of this file needs:

* A **broker epoch** is the offset of the broker's registration.  The controller does not know that offset when it decides, so
  a RegisterBrokerRecord says -1 and means "where I stand".  (Kafka's controller knows its next offset and writes it.)
* Any PartitionChangeRecord raises the **partition epoch**; one that names a leader, be it the same, raises the **leader
  epoch** too.  That is how a leader tells which of two answers is newer, and how everyone else tells two leaders apart.

Values inside are immutable and may be kept: a `Partition` seen yesterday is still what it was.

Source: KIP-500, KIP-631; Kafka 4.1 `PartitionRegistration.merge`, `*Delta.replay`.  Next: elections.py.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from enum import IntEnum
from typing import Any, NamedTuple

from minikafka.records.metadata import (
    BrokerRegistrationChangeRecord,
    ClearElrRecord,
    ClusterIdRecord,
    ConfigRecord,
    FeatureLevelRecord,
    FenceBrokerRecord,
    MetadataRecord,
    PartitionChangeRecord,
    PartitionRecord,
    ProducerIdsRecord,
    RegisterBrokerRecord,
    RemoveTopicRecord,
    TopicRecord,
    UnfenceBrokerRecord,
    UnregisterBrokerRecord,
)

NO_LEADER = -1
NO_LEADER_CHANGE, NO_RECOVERY_CHANGE = -2, -1  # in a PartitionChangeRecord
EPOCH_OF_THIS_RECORD = -1  # in a RegisterBrokerRecord

UNASSIGNED_DIRECTORY = bytes(16)  # Kafka's DirectoryId: the broker has not said which
LOST_DIRECTORY = bytes(15) + b"\x01"

RECOVERED, RECOVERING = 0, 1  # leader_recovery_state: RECOVERING after an election that may have lost records


class ResourceType(IntEnum):
    """What a setting belongs to, as the Config APIs number it."""

    TOPIC = 2
    BROKER = 4  # named "": of every broker
    BROKER_LOGGER = 8
    CLIENT_METRICS = 16
    GROUP = 32


class Endpoint(NamedTuple):
    """Where a broker listens; `name` is the listener's."""

    name: str
    host: str
    port: int
    security_protocol: int


class Feature(NamedTuple):
    """Levels of a feature that a broker can run with."""

    name: str
    minimum: int
    maximum: int


@dataclass(frozen=True, slots=True)
class Broker:
    """A registration.  `directories`: the log directories that work; empty when the broker never said."""

    id: int
    epoch: int
    incarnation_id: bytes
    endpoints: tuple[Endpoint, ...] = ()
    features: tuple[Feature, ...] = ()
    rack: str | None = None
    fenced: bool = True
    in_controlled_shutdown: bool = False
    directories: tuple[bytes, ...] = ()

    @property
    def active(self) -> bool:
        """May lead, and may stand in an ISR."""
        return not (self.fenced or self.in_controlled_shutdown)

    def endpoint(self, listener_name: str) -> Endpoint | None:
        return next((endpoint for endpoint in self.endpoints if endpoint.name == listener_name), None)

    def has_online(self, directory: bytes) -> bool:
        """Whether a replica in `directory` can be served; unassigned ones can."""
        if directory == LOST_DIRECTORY:
            return False
        return directory == UNASSIGNED_DIRECTORY or not self.directories or directory in self.directories


class Partition(NamedTuple):
    """Who holds a partition, and who leads it.  A tuple, since they are made by the thousand: a third of a dataclass's time.

    replicas        in order of preference: the first is the preferred leader
    directories     beside `replicas`: the log directory of each
    isr             in sync: hold every acknowledged record, and acknowledgements wait for all of them
    elr             eligible leaders: left the ISR when it was too small to acknowledge, so they hold what was
    last_known_elr  the last leader, while there is none
    removing,adding replicas of a reassignment under way
    """

    replicas: tuple[int, ...]
    directories: tuple[bytes, ...]
    isr: tuple[int, ...]
    elr: tuple[int, ...] = ()
    last_known_elr: tuple[int, ...] = ()
    removing: tuple[int, ...] = ()
    adding: tuple[int, ...] = ()
    leader: int = NO_LEADER
    leader_epoch: int = 0
    partition_epoch: int = 0
    leader_recovery_state: int = RECOVERED

    @property
    def preferred_leader(self) -> int:
        return self.replicas[0]

    def directory_of(self, broker_id: int) -> bytes:
        if broker_id in self.replicas:
            return self.directories[self.replicas.index(broker_id)]
        return UNASSIGNED_DIRECTORY

    def merge(self, change: PartitionChangeRecord) -> "Partition":
        """This partition after `change`; fields that are null, or -2 and -1 for leader and recovery, stay."""

        def after(now: tuple[Any, ...], new: Sequence[Any] | None) -> tuple[Any, ...]:
            return now if new is None else tuple(new)

        same_leader = change.leader == NO_LEADER_CHANGE
        same_recovery = change.leader_recovery_state == NO_RECOVERY_CHANGE
        return Partition(
            replicas=after(self.replicas, change.replicas),
            directories=after(self.directories, change.directories),
            isr=after(self.isr, change.isr),
            elr=after(self.elr, change.eligible_leader_replicas),
            last_known_elr=after(self.last_known_elr, change.last_known_elr),
            removing=after(self.removing, change.removing_replicas),
            adding=after(self.adding, change.adding_replicas),
            leader=self.leader if same_leader else change.leader,
            leader_epoch=self.leader_epoch if same_leader else self.leader_epoch + 1,
            partition_epoch=self.partition_epoch + 1,
            leader_recovery_state=self.leader_recovery_state if same_recovery else change.leader_recovery_state,
        )


@dataclass(slots=True)
class Topic:
    name: str
    id: bytes
    partitions: list[Partition] = field(default_factory=list)


@dataclass(slots=True)
class Delta:
    """What a batch of records changed; each thing with what it was before, None if it is new.

    partitions  (topic id, partition) -> before; not those of deleted topics
    deleted     topic id -> the topic as it was
    brokers     id -> before
    configs     (resource type, name) of the resources with other settings
    """

    partitions: dict[tuple[bytes, int], Partition | None] = field(default_factory=dict)
    created: list[bytes] = field(default_factory=list)
    deleted: dict[bytes, Topic] = field(default_factory=dict)
    brokers: dict[int, Broker | None] = field(default_factory=dict)
    configs: set[tuple[int, str]] = field(default_factory=set)
    features: set[str] = field(default_factory=set)

    def __bool__(self) -> bool:
        return bool(self.partitions or self.created or self.deleted or self.brokers or self.configs or self.features)


@dataclass(slots=True)
class MetadataImage:
    """The cluster after the records up to `offset`, the last of them written in Raft term `epoch`."""

    offset: int = -1
    epoch: int = 0
    cluster_id: str = ""
    features: dict[str, int] = field(default_factory=dict)
    brokers: dict[int, Broker] = field(default_factory=dict)
    topics: dict[bytes, Topic] = field(default_factory=dict)
    topic_ids: dict[str, bytes] = field(default_factory=dict)
    configs: dict[tuple[int, str], dict[str, str]] = field(default_factory=dict)
    next_producer_id: int = 0

    def topic(self, name: str) -> Topic | None:
        topic_id = self.topic_ids.get(name)
        return None if topic_id is None else self.topics[topic_id]

    def partition(self, topic_id: bytes, index: int) -> Partition | None:
        topic = self.topics.get(topic_id)
        if topic is None or not 0 <= index < len(topic.partitions):
            return None
        return topic.partitions[index]

    def partitions(self) -> Iterator[tuple[Topic, int, Partition]]:
        for topic in self.topics.values():
            for index, partition in enumerate(topic.partitions):
                yield topic, index, partition

    def copy(self) -> "MetadataImage":
        """An image that may change without this one changing."""
        return MetadataImage(
            offset=self.offset,
            epoch=self.epoch,
            cluster_id=self.cluster_id,
            features=dict(self.features),
            brokers=dict(self.brokers),
            topics={id: Topic(topic.name, id, list(topic.partitions)) for id, topic in self.topics.items()},
            topic_ids=dict(self.topic_ids),
            configs={resource: dict(settings) for resource, settings in self.configs.items()},
            next_producer_id=self.next_producer_id,
        )

    def apply(self, records: Iterable[MetadataRecord], offset: int, epoch: int) -> Delta:
        """Follow `records`, one decision, written at `offset` in Raft term `epoch`."""
        delta = Delta()
        for record in records:
            follow = APPLY.get(type(record))
            if follow is not None:  # others of Kafka's records (quotas, credentials) are not acted on here
                follow(self, record, offset, delta)
        self.offset, self.epoch = offset, epoch
        return delta

    def records(self) -> Iterator[MetadataRecord]:
        """The shortest log that leads here: what a snapshot holds."""
        if self.cluster_id:
            yield ClusterIdRecord(cluster_id=self.cluster_id)
        for feature, level in self.features.items():
            yield FeatureLevelRecord(name=feature, feature_level=level)
        for broker in self.brokers.values():
            yield registration_record(broker)
        for topic in self.topics.values():
            yield TopicRecord(name=topic.name, topic_id=topic.id)
            for index, partition in enumerate(topic.partitions):
                yield partition_record(topic.id, index, partition)
        for (resource_type, resource_name), settings in self.configs.items():
            for name, value in settings.items():
                yield ConfigRecord(resource_type=resource_type, resource_name=resource_name, name=name, value=value)
        if self.next_producer_id:
            yield ProducerIdsRecord(broker_id=-1, broker_epoch=-1, next_producer_id=self.next_producer_id)


def registration_record(broker: Broker) -> RegisterBrokerRecord:
    """The record that registers `broker` as it is now."""
    return RegisterBrokerRecord(
        broker_id=broker.id,
        incarnation_id=broker.incarnation_id,
        broker_epoch=broker.epoch,
        end_points=[
            RegisterBrokerRecord.EndPoint(
                name=endpoint.name,
                host=endpoint.host,
                port=endpoint.port,
                security_protocol=endpoint.security_protocol,
            )
            for endpoint in broker.endpoints
        ],
        features=[
            RegisterBrokerRecord.Feature(
                name=feature.name,
                min_supported_version=feature.minimum,
                max_supported_version=feature.maximum,
            )
            for feature in broker.features
        ],
        rack=broker.rack,
        fenced=broker.fenced,
        in_controlled_shutdown=broker.in_controlled_shutdown,
        log_dirs=list(broker.directories),
    )


def partition_record(topic_id: bytes, index: int, partition: Partition) -> PartitionRecord:
    """The record that creates `partition` as it is now."""
    return PartitionRecord(
        partition_id=index,
        topic_id=topic_id,
        replicas=list(partition.replicas),
        isr=list(partition.isr),
        removing_replicas=list(partition.removing),
        adding_replicas=list(partition.adding),
        leader=partition.leader,
        leader_epoch=partition.leader_epoch,
        partition_epoch=partition.partition_epoch,
        directories=list(partition.directories),
        leader_recovery_state=partition.leader_recovery_state,
        eligible_leader_replicas=list(partition.elr) or None,
        last_known_elr=list(partition.last_known_elr) or None,
    )


# How each record changes the image.


def set_cluster_id(image: MetadataImage, record: ClusterIdRecord, offset: int, delta: Delta) -> None:
    image.cluster_id = record.cluster_id


def set_feature(image: MetadataImage, record: FeatureLevelRecord, offset: int, delta: Delta) -> None:
    delta.features.add(record.name)
    if record.feature_level:
        image.features[record.name] = record.feature_level
    else:
        image.features.pop(record.name, None)


def register_broker(image: MetadataImage, record: RegisterBrokerRecord, offset: int, delta: Delta) -> None:
    endpoints = (
        Endpoint(endpoint.name, endpoint.host, endpoint.port, endpoint.security_protocol)
        for endpoint in record.end_points
    )
    features = (
        Feature(feature.name, feature.min_supported_version, feature.max_supported_version)
        for feature in record.features
    )
    broker = Broker(
        id=record.broker_id,
        epoch=offset if record.broker_epoch == EPOCH_OF_THIS_RECORD else record.broker_epoch,
        incarnation_id=record.incarnation_id,
        endpoints=tuple(endpoints),
        features=tuple(features),
        rack=record.rack,
        fenced=record.fenced,
        in_controlled_shutdown=record.in_controlled_shutdown,
        directories=tuple(record.log_dirs),
    )
    _set_broker(image, broker, delta)


def change_registration(
    image: MetadataImage, record: BrokerRegistrationChangeRecord, offset: int, delta: Delta
) -> None:
    broker = image.brokers[record.broker_id]
    if record.fenced:  # 1 fence, -1 unfence, 0 as it is
        broker = replace(broker, fenced=record.fenced > 0)
    if record.in_controlled_shutdown:
        broker = replace(broker, in_controlled_shutdown=record.in_controlled_shutdown > 0)
    if record.log_dirs:
        broker = replace(broker, directories=tuple(record.log_dirs))
    _set_broker(image, broker, delta)


def fence_broker(image: MetadataImage, record: FenceBrokerRecord, offset: int, delta: Delta) -> None:
    _set_broker(image, replace(image.brokers[record.id], fenced=True), delta)


def unfence_broker(image: MetadataImage, record: UnfenceBrokerRecord, offset: int, delta: Delta) -> None:
    _set_broker(image, replace(image.brokers[record.id], fenced=False), delta)


def unregister_broker(image: MetadataImage, record: UnregisterBrokerRecord, offset: int, delta: Delta) -> None:
    delta.brokers.setdefault(record.broker_id, image.brokers.pop(record.broker_id))


def _set_broker(image: MetadataImage, broker: Broker, delta: Delta) -> None:
    delta.brokers.setdefault(broker.id, image.brokers.get(broker.id))
    image.brokers[broker.id] = broker


def create_topic(image: MetadataImage, record: TopicRecord, offset: int, delta: Delta) -> None:
    image.topics[record.topic_id] = Topic(record.name, record.topic_id)
    image.topic_ids[record.name] = record.topic_id
    delta.created.append(record.topic_id)


def create_partition(image: MetadataImage, record: PartitionRecord, offset: int, delta: Delta) -> None:
    partitions = image.topics[record.topic_id].partitions
    assert record.partition_id == len(partitions), "partitions are created in their order"
    partitions.append(
        Partition(
            replicas=tuple(record.replicas),
            directories=tuple(record.directories) or (UNASSIGNED_DIRECTORY,) * len(record.replicas),
            isr=tuple(record.isr),
            elr=tuple(record.eligible_leader_replicas or ()),
            last_known_elr=tuple(record.last_known_elr or ()),
            removing=tuple(record.removing_replicas),
            adding=tuple(record.adding_replicas),
            leader=record.leader,
            leader_epoch=record.leader_epoch,
            partition_epoch=record.partition_epoch,
            leader_recovery_state=record.leader_recovery_state,
        )
    )
    delta.partitions.setdefault((record.topic_id, record.partition_id), None)


def change_partition(image: MetadataImage, record: PartitionChangeRecord, offset: int, delta: Delta) -> None:
    partitions = image.topics[record.topic_id].partitions
    before = partitions[record.partition_id]
    partitions[record.partition_id] = before.merge(record)
    delta.partitions.setdefault((record.topic_id, record.partition_id), before)


def clear_elr(image: MetadataImage, record: ClearElrRecord, offset: int, delta: Delta) -> None:
    """Another min.insync.replicas: who is eligible was decided by the old one.  An empty name: every topic."""
    names = [record.topic_name] if record.topic_name else list(image.topic_ids)
    for name in names:
        topic_id = image.topic_ids[name]
        for index, partition in enumerate(image.topics[topic_id].partitions):
            if partition.elr or partition.last_known_elr:
                cleared = PartitionChangeRecord(
                    partition_id=index, topic_id=topic_id, eligible_leader_replicas=[], last_known_elr=[]
                )
                change_partition(image, cleared, offset, delta)


def remove_topic(image: MetadataImage, record: RemoveTopicRecord, offset: int, delta: Delta) -> None:
    topic = image.topics.pop(record.topic_id)
    del image.topic_ids[topic.name]
    image.configs.pop((ResourceType.TOPIC, topic.name), None)
    for index in range(len(topic.partitions)):
        delta.partitions.pop((topic.id, index), None)
    if topic.id in delta.created:
        delta.created.remove(topic.id)
    else:
        delta.deleted[topic.id] = topic


def set_config(image: MetadataImage, record: ConfigRecord, offset: int, delta: Delta) -> None:
    resource = (record.resource_type, record.resource_name)
    delta.configs.add(resource)
    if record.value is not None:
        image.configs.setdefault(resource, {})[record.name] = record.value
        return
    settings = image.configs.get(resource, {})
    settings.pop(record.name, None)
    if not settings:
        image.configs.pop(resource, None)


def set_next_producer_id(image: MetadataImage, record: ProducerIdsRecord, offset: int, delta: Delta) -> None:
    image.next_producer_id = record.next_producer_id


APPLY: dict[type[MetadataRecord], Callable[[MetadataImage, Any, int, Delta], None]] = {
    ClusterIdRecord: set_cluster_id,
    FeatureLevelRecord: set_feature,
    RegisterBrokerRecord: register_broker,
    BrokerRegistrationChangeRecord: change_registration,
    FenceBrokerRecord: fence_broker,
    UnfenceBrokerRecord: unfence_broker,
    UnregisterBrokerRecord: unregister_broker,
    TopicRecord: create_topic,
    PartitionRecord: create_partition,
    PartitionChangeRecord: change_partition,
    ClearElrRecord: clear_elr,
    RemoveTopicRecord: remove_topic,
    ConfigRecord: set_config,
    ProducerIdsRecord: set_next_producer_id,
}
