"""AssignReplicasToDirs: a broker with several log directories says in which of them a replica lives.

The controller must know before a directory is lost: then it is told of the directory alone, and moves what was in
it.  A broker with one directory has nothing to say, its replicas were assigned as they were created.

Source: KIP-858; Kafka `ReplicationControlManager.handleAssignReplicasToDirs`.
"""

from minikafka.controller.brokers import check_broker_epoch
from minikafka.controller.image import LOST_DIRECTORY, Partition
from minikafka.controller.state import ControllerState, Decision, decided
from minikafka.records.metadata import MetadataRecord, PartitionChangeRecord
from minikafka.wire.errors import ErrorCode, KafkaError
from minikafka.wire.messages.controller import AssignReplicasToDirsRequest, AssignReplicasToDirsResponse

DirectoryResult = AssignReplicasToDirsResponse.Directory
TopicResult = DirectoryResult.Topic
PartitionResult = TopicResult.Partition


def assign_replicas(state: ControllerState, request: AssignReplicasToDirsRequest, now_ms: int) -> Decision:
    """Each replica is answered for itself."""
    try:
        check_broker_epoch(state, request.broker_id, request.broker_epoch)
    except KafkaError as error:
        return decided([], AssignReplicasToDirsResponse(error_code=error.code))
    records: list[MetadataRecord] = []
    seen: set[tuple[bytes, int]] = set()
    results = []
    for directory in request.directories:
        topics = []
        for topic in directory.topics:
            outcomes = []
            for asked in topic.partitions:
                key = (topic.topic_id, asked.partition_index)
                code = ErrorCode.NONE
                try:
                    if key in seen:
                        raise KafkaError(ErrorCode.INVALID_REQUEST)
                    seen.add(key)
                    records += assign_one(state, request.broker_id, directory.id, *key)
                except KafkaError as error:
                    code = error.code
                outcomes.append(PartitionResult(partition_index=asked.partition_index, error_code=code))
            topics.append(TopicResult(topic_id=topic.topic_id, partitions=outcomes))
        results.append(DirectoryResult(id=directory.id, topics=topics))
    return decided(records, AssignReplicasToDirsResponse(directories=results))


def assign_one(
    state: ControllerState, broker_id: int, directory: bytes, topic_id: bytes, index: int
) -> list[PartitionChangeRecord]:
    """Raises KafkaError."""
    if topic_id not in state.image.topics:
        raise KafkaError(ErrorCode.UNKNOWN_TOPIC_ID)
    partition = state.image.partition(topic_id, index)
    if partition is None:
        raise KafkaError(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION)
    if broker_id not in partition.replicas:
        raise KafkaError(ErrorCode.NOT_LEADER_OR_FOLLOWER)
    if directory == LOST_DIRECTORY or not state.image.brokers[broker_id].has_online(directory):
        raise KafkaError(ErrorCode.LOG_DIR_NOT_FOUND)
    directories = with_directory(partition, broker_id, directory)
    if directories == partition.directories:
        return []
    return [PartitionChangeRecord(partition_id=index, topic_id=topic_id, directories=list(directories))]


def with_directory(partition: Partition, broker_id: int, directory: bytes) -> tuple[bytes, ...]:
    return tuple(
        directory if replica == broker_id else present
        for replica, present in zip(partition.replicas, partition.directories, strict=True)
    )
