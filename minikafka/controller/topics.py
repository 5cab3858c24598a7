"""Topics are created, grow, and are deleted: each answered for itself, in the order and the words of Kafka.

    CreateTopics       name, collision (17) → exists (36) → settings (40) → replicas (38), partitions (37), assignment (39)
    CreatePartitions   unknown (3) → not more than now (37) → assignment (39) or placement (38)
    DeleteTopics       by name (3) or by id (100)

All of a request is one entry of the log, so a topic comes with all its partitions and settings or not at all.
`validate_only` goes the whole way and writes nothing.  A deleted topic's name may be taken again at once; its id may
not, and brokers keep folders by id.

Kafka: `ReplicationControlManager`, `ControllerApis`.
"""

from collections import Counter
from random import Random

from minikafka.controller.assignments import assigned, placed
from minikafka.controller.configs import Change, Operation, checked_changes
from minikafka.controller.image import MetadataImage, Partition, ResourceType, partition_record
from minikafka.controller.state import ControllerSettings, ControllerState, Decision, decided
from minikafka.effective import broker_layers, holding
from minikafka.records.metadata import ConfigRecord, MetadataRecord, RemoveTopicRecord, TopicRecord
from minikafka.topic_names import check_name
from minikafka.topic_options import TOPIC_OPTIONS
from minikafka.wire.errors import ErrorCode, KafkaError
from minikafka.wire.messages.topics import (
    CreatePartitionsRequest,
    CreatePartitionsResponse,
    CreateTopicsRequest,
    CreateTopicsResponse,
    DeleteTopicsRequest,
    DeleteTopicsResponse,
)
from minikafka.wire.types import ZERO_UUID, uuid_text

METADATA_TOPIC = "__cluster_metadata"
PARTITIONS_IN_A_REQUEST_MAX = 10_000
REPLICATION_FACTOR_MAX = 32_767

TopicRequest = CreateTopicsRequest.Topic
TopicResponse = CreateTopicsResponse.Topic


def check_collision(image: MetadataImage, name: str) -> None:
    """Metrics write `_` for `.`, so a.b and a_b would be one there.  Raises KafkaError (17)."""
    if "." not in name and "_" not in name:
        return
    unified = name.replace(".", "_")
    for existing in image.topic_ids:
        if existing != name and len(existing) == len(name) and existing.replace(".", "_") == unified:
            raise KafkaError(
                ErrorCode.INVALID_TOPIC_EXCEPTION, f"Topic '{name}' collides with existing topic: {existing}"
            )


def new_topic_id(random: Random) -> bytes:
    """A random id whose text does not begin with a dash: tools would take it for an option."""
    while uuid_text(topic_id := random.randbytes(16)).startswith("-") or topic_id[:8] == bytes(8):
        pass
    return topic_id


def create_topics(state: ControllerState, request: CreateTopicsRequest, now_ms: int) -> Decision:
    asked = Counter(topic.name for topic in request.topics)
    records: list[MetadataRecord] = []
    answers = []
    partitions = 0
    for topic in request.topics:
        if asked[topic.name] > 1:
            continue
        try:
            created, parts = create_topic(state, topic)
        except KafkaError as error:
            answers.append(
                TopicResponse(
                    name=topic.name, topic_id=ZERO_UUID, error_code=error.code, error_message=str(error), configs=[]
                )
            )
            continue
        records += parts
        partitions += created.num_partitions
        answers.append(created)
    if partitions > PARTITIONS_IN_A_REQUEST_MAX:
        return too_many_partitions(request)
    for name, times in asked.items():
        if times > 1:
            invalid = ErrorCode.INVALID_REQUEST
            answers.append(
                TopicResponse(name=name, error_code=invalid, error_message="Duplicate topic name.", configs=[])
            )
    return decided([] if request.validate_only else records, CreateTopicsResponse(topics=answers))


def too_many_partitions(request: CreateTopicsRequest) -> Decision:
    """One entry of the log has its limits."""
    answers = [
        TopicResponse(
            name=topic.name,
            error_code=ErrorCode.POLICY_VIOLATION,
            error_message="Excessively large number of partitions per request.",
            configs=[],
        )
        for topic in request.topics
    ]
    return decided([], CreateTopicsResponse(topics=answers))


def create_topic(state: ControllerState, topic: TopicRequest) -> tuple[TopicResponse, list[MetadataRecord]]:
    """Raises KafkaError."""
    if topic.name == METADATA_TOPIC:
        raise KafkaError(ErrorCode.INVALID_REQUEST, f"Creation of internal topic {METADATA_TOPIC} is prohibited.")
    check_name(topic.name)
    check_collision(state.image, topic.name)
    if topic.name in state.image.topic_ids:
        raise KafkaError(ErrorCode.TOPIC_ALREADY_EXISTS, f"Topic '{topic.name}' already exists.")
    config_records = initial_settings(state, topic)
    partitions = initial_partitions(state, topic)
    topic_id = new_topic_id(state.random)
    records: list[MetadataRecord] = [TopicRecord(name=topic.name, topic_id=topic_id), *config_records]
    records += [partition_record(topic_id, index, partition) for index, partition in enumerate(partitions)]
    response = TopicResponse(
        name=topic.name,
        topic_id=topic_id,
        num_partitions=len(partitions),
        replication_factor=len(partitions[0].replicas),
        configs=effective_settings(state.image, state.settings, config_records),
    )
    return response, records


def initial_settings(state: ControllerState, topic: TopicRequest) -> list[ConfigRecord]:
    without_value = [config.name for config in topic.configs if config.value is None]
    if without_value:
        raise KafkaError(
            ErrorCode.INVALID_CONFIG, f"Null value not supported for topic configs: {','.join(without_value)}"
        )
    changes = [Change(config.name, Operation.SET, config.value) for config in topic.configs]
    return checked_changes(state, ResourceType.TOPIC, topic.name, changes, new=True)


def initial_partitions(state: ControllerState, topic: TopicRequest) -> list[Partition]:
    """Raises KafkaError (37, 38, 39, 42)."""
    if topic.assignments:
        return assigned_partitions(state, topic)
    settings = state.settings
    if topic.replication_factor < -1 or topic.replication_factor == 0:
        raise KafkaError(
            ErrorCode.INVALID_REPLICATION_FACTOR,
            "Replication factor must be larger than 0, or -1 to use the default value.",
        )
    if topic.num_partitions < -1 or topic.num_partitions == 0:
        raise KafkaError(ErrorCode.INVALID_PARTITIONS, "Number of partitions was set to an invalid non-positive value.")
    count = settings.num_partitions if topic.num_partitions == -1 else topic.num_partitions
    if count > PARTITIONS_IN_A_REQUEST_MAX:
        raise KafkaError(ErrorCode.POLICY_VIOLATION, "Excessively large number of partitions per request.")
    replicas = settings.default_replication_factor if topic.replication_factor == -1 else topic.replication_factor
    return placed(state, 0, count, replicas)


def assigned_partitions(state: ControllerState, topic: TopicRequest) -> list[Partition]:
    if topic.replication_factor != -1:
        raise KafkaError(
            ErrorCode.INVALID_REQUEST,
            "A manual partition assignment was specified, but replication factor was not set to -1.",
        )
    if topic.num_partitions != -1:
        raise KafkaError(
            ErrorCode.INVALID_REQUEST,
            "A manual partition assignment was specified, but numPartitions was not set to -1.",
        )
    partitions: dict[int, Partition] = {}
    replication_factor = None
    for assignment in topic.assignments:
        index = assignment.partition_index
        if index in partitions:
            raise KafkaError(
                ErrorCode.INVALID_REPLICA_ASSIGNMENT,
                f"Found multiple manual partition assignments for partition {index}",
            )
        partitions[index] = assigned(state, index, assignment.broker_ids, replication_factor)
        replication_factor = len(assignment.broker_ids)
    if sorted(partitions) != list(range(len(partitions))):
        raise KafkaError(
            ErrorCode.INVALID_REPLICA_ASSIGNMENT, "partitions should be a consecutive 0-based integer sequence"
        )
    return [partitions[index] for index in range(len(partitions))]


def effective_settings(
    image: MetadataImage, settings: ControllerSettings, own: list[ConfigRecord]
) -> list[TopicResponse.Config]:
    """Every setting of a topic with these of its own, and where each comes from."""
    given = {record.name: record.value for record in own if record.value is not None}
    layers = broker_layers(image, settings.node_id, settings.broker_values)
    holds = {name: holding(option, given, layers) for name, option in sorted(TOPIC_OPTIONS.options.items())}
    return [TopicResponse.Config(name=name, value=it.value, config_source=it.source) for name, it in holds.items()]


def create_partitions(state: ControllerState, request: CreatePartitionsRequest, now_ms: int) -> Decision:
    asked = Counter(topic.name for topic in request.topics)
    records: list[MetadataRecord] = []
    results = []
    for name, times in asked.items():
        if times > 1:
            invalid = ErrorCode.INVALID_REQUEST
            results.append(
                CreatePartitionsResponse.Topic(name=name, error_code=invalid, error_message="Duplicate topic name.")
            )
    for topic in request.topics:
        if asked[topic.name] > 1:
            continue
        code, message = ErrorCode.NONE, None
        try:
            records += grow_topic(state, topic)
        except KafkaError as error:
            code, message = error.code, str(error)
        if code is ErrorCode.UNKNOWN_TOPIC_OR_PARTITION:
            message = None  # as Kafka has it, in this one answer
        results.append(CreatePartitionsResponse.Topic(name=topic.name, error_code=code, error_message=message))
    return decided([] if request.validate_only else records, CreatePartitionsResponse(results=results))


def grow_topic(state: ControllerState, topic: CreatePartitionsRequest.Topic) -> list[MetadataRecord]:
    """Partitions are only ever added: keys would land elsewhere, offsets would vanish.  Raises KafkaError."""
    existing = state.image.topic(topic.name)
    if existing is None:
        raise KafkaError(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION)
    have = len(existing.partitions)
    if topic.count == have:
        raise KafkaError(ErrorCode.INVALID_PARTITIONS, f"Topic already has {have} partition(s).")
    if topic.count < have:
        raise KafkaError(
            ErrorCode.INVALID_PARTITIONS,
            f"The topic {topic.name} currently has {have} partition(s); {topic.count} would not be an increase.",
        )
    additional = topic.count - have
    if additional > PARTITIONS_IN_A_REQUEST_MAX:
        raise KafkaError(ErrorCode.POLICY_VIOLATION, "Excessively large number of partitions per request.")
    replication_factor = len(existing.partitions[0].replicas)
    if topic.assignments is None:
        partitions = placed(state, have, additional, replication_factor)
    elif len(topic.assignments) != additional:
        raise KafkaError(
            ErrorCode.INVALID_REPLICA_ASSIGNMENT,
            f"Attempted to add {additional} additional partition(s), but only {len(topic.assignments)} "
            "assignment(s) were specified.",
        )
    else:
        partitions = [
            assigned(state, number, assignment.broker_ids, replication_factor)
            for number, assignment in enumerate(topic.assignments, have)
        ]
    return [partition_record(existing.id, number, partition) for number, partition in enumerate(partitions, have)]


def delete_topics(state: ControllerState, request: DeleteTopicsRequest, now_ms: int) -> Decision:
    """By name up to version 5, by name or id from 6 on.  A topic that is named both ways in one request stays."""
    asked = [(topic.name, topic.topic_id) for topic in request.topics]
    asked += [(name, ZERO_UUID) for name in request.topic_names]
    responses = []
    found: dict[bytes, str] = {}
    supplied_again: set[bytes] = set()
    for (name, topic_id), count in Counter(asked).items():
        try:
            if count > 1:
                what = "id" if name is None else "name"
                raise KafkaError(ErrorCode.INVALID_REQUEST, f"Duplicate topic {what}.")
            name, topic_id = found_topic(state, name, topic_id)
        except KafkaError as error:
            responses.append(deletion(name, topic_id, error))
            continue
        if topic_id in found:
            supplied_again.add(topic_id)
        found[topic_id] = name
    records: list[MetadataRecord] = []
    twice = KafkaError(ErrorCode.INVALID_REQUEST, "The provided topic name maps to an ID that was already supplied.")
    for topic_id, name in found.items():
        if topic_id in supplied_again:
            responses.append(deletion(name, topic_id, twice))
        else:
            responses.append(deletion(name, topic_id))
            records.append(RemoveTopicRecord(topic_id=topic_id))
    return decided(records, DeleteTopicsResponse(responses=responses))


def deletion(name: str | None, topic_id: bytes, error: KafkaError | None = None) -> DeleteTopicsResponse.Topic:
    """How it went with one topic."""
    if error is None:
        return DeleteTopicsResponse.Topic(name=name, topic_id=topic_id)
    return DeleteTopicsResponse.Topic(name=name, topic_id=topic_id, error_code=error.code, error_message=str(error))


def found_topic(state: ControllerState, name: str | None, topic_id: bytes) -> tuple[str, bytes]:
    """Name and id of the topic meant.  Raises KafkaError."""
    if not state.settings.delete_topic_enable:
        raise KafkaError(ErrorCode.TOPIC_DELETION_DISABLED)
    if name is not None and topic_id != ZERO_UUID:
        raise KafkaError(ErrorCode.INVALID_REQUEST, "You may not specify both topic name and topic id.")
    if name is None and topic_id == ZERO_UUID:
        raise KafkaError(ErrorCode.INVALID_REQUEST, "Neither topic name nor id were specified.")
    if name is not None:
        found = state.image.topic(name)
        if found is None:
            raise KafkaError(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION)
    else:
        found = state.image.topics.get(topic_id)
        if found is None:
            raise KafkaError(ErrorCode.UNKNOWN_TOPIC_ID)
    return found.name, found.id
