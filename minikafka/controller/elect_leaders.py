"""ElectLeaders: an operator wants the preferred leaders back, or any leader at all.

    PREFERRED   the first replica leads already                      ELECTION_NOT_NEEDED
                it cannot: fenced, or not in the ISR                 PREFERRED_LEADER_NOT_AVAILABLE
    UNCLEAN     there is a leader                                    ELECTION_NOT_NEEDED
                no replica is alive                                  ELIGIBLE_LEADERS_NOT_AVAILABLE

An unclean election asked for by hand goes ahead whatever the topic's settings say; it is how an operator accepts a loss.

Source: KIP-183, KIP-460; Kafka `ReplicationControlManager.electLeaders`.
"""

from minikafka.controller.elections import Election
from minikafka.controller.image import NO_LEADER
from minikafka.controller.partitions import change_partition
from minikafka.controller.state import ControllerState, Decision, decided
from minikafka.records.metadata import MetadataRecord, PartitionChangeRecord
from minikafka.wire.errors import ErrorCode, KafkaError
from minikafka.wire.messages.topics import ElectLeadersRequest, ElectLeadersResponse

TopicResult = ElectLeadersResponse.Topic
PartitionResult = ElectLeadersResponse.Topic.Partition


def elect_leaders(state: ControllerState, request: ElectLeadersRequest, now_ms: int) -> Decision:
    """Of the partitions named; of all with null, and then without those where there was nothing to do."""
    if request.election_type not in (Election.PREFERRED, Election.UNCLEAN):
        return unknown_election(request)
    election = Election(request.election_type)
    everything = request.topic_partitions is None
    if request.topic_partitions is None:
        asked = {topic.name: list(range(len(topic.partitions))) for topic in state.image.topics.values()}
    else:
        asked = {}
        for named in request.topic_partitions:
            asked.setdefault(named.topic, []).extend(named.partitions)
    records: list[MetadataRecord] = []
    results = []
    for name, indexes in asked.items():
        outcomes: list[PartitionResult] = []
        seen: set[int] = set()
        for index in indexes:
            code, message = ErrorCode.NONE, None
            try:
                if index in seen:  # elected a moment ago
                    raise KafkaError(ErrorCode.ELECTION_NOT_NEEDED)
                seen.add(index)
                records.append(elect_one(state, name, index, election))
            except KafkaError as error:
                code, message = error.code, str(error)
            if not (everything and code is ErrorCode.ELECTION_NOT_NEEDED):
                outcomes.append(PartitionResult(partition_id=index, error_code=code, error_message=message))
        results.append(TopicResult(topic=name, partition_result=outcomes))
    return decided(records, ElectLeadersResponse(replica_election_results=results))


def unknown_election(request: ElectLeadersRequest) -> Decision:
    """Everything asked for is refused, as a whole and one by one."""
    invalid, message = ErrorCode.INVALID_REQUEST, f"Unknown election type {request.election_type}"
    results = [
        TopicResult(
            topic=topic.topic,
            partition_result=[
                PartitionResult(partition_id=index, error_code=invalid, error_message=message)
                for index in topic.partitions
            ],
        )
        for topic in request.topic_partitions or ()
    ]
    return decided([], ElectLeadersResponse(error_code=invalid, replica_election_results=results))


def elect_one(state: ControllerState, name: str, index: int, election: Election) -> PartitionChangeRecord:
    """Raises KafkaError."""
    topic = state.image.topic(name)
    if topic is None:
        raise KafkaError(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, f"No such topic as {name}")
    partition = state.image.partition(topic.id, index)
    if partition is None:
        raise KafkaError(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, f"No such partition as {name}-{index}")
    wanted = partition.preferred_leader if election is Election.PREFERRED else partition.leader
    if wanted != NO_LEADER and partition.leader == wanted:
        raise KafkaError(ErrorCode.ELECTION_NOT_NEEDED)
    record = change_partition(state, topic, index, election=election)
    if record is None:
        if election is Election.PREFERRED:
            raise KafkaError(ErrorCode.PREFERRED_LEADER_NOT_AVAILABLE)
        raise KafkaError(ErrorCode.ELIGIBLE_LEADERS_NOT_AVAILABLE)
    return record
