"""AlterPartition: a leader proposes an in-sync set, the controller decides.

A leader must not shrink its ISR by itself: it would acknowledge what the others lack while the controller still takes
one of them for in sync and makes it leader.  So it asks, and until it is answered it waits for the larger of the two
sets.

    the proposal says           the image says                                answer
    a later epoch               an earlier one                                NOT_CONTROLLER: we are the old controller
    leader epoch                a later one                                   FENCED_LEADER_EPOCH: somebody else leads
    I lead                      another leads                                 INVALID_REQUEST
    partition epoch             a later one                                   INVALID_UPDATE_VERSION: based on an old ISR
    new ISR                     not replicas, or without the leader           INVALID_REQUEST
    member with its epoch       fenced, stopping, or registered anew since    INELIGIBLE_REPLICA

The member's epoch (KIP-903) closes a gap: a follower that was caught up, died, lost its tail with the power and came
back is no longer the one the leader has seen.

Source: KIP-497, KIP-841, KIP-903; Kafka `ReplicationControlManager.alterPartition`.
"""

from minikafka.controller.brokers import check_broker_epoch
from minikafka.controller.image import NO_LEADER_CHANGE, RECOVERED, RECOVERING, Partition
from minikafka.controller.partitions import change_partition
from minikafka.controller.state import ControllerState, Decision, decided
from minikafka.records.metadata import MetadataRecord
from minikafka.wire.errors import ErrorCode, KafkaError
from minikafka.wire.messages.controller import AlterPartitionRequest, AlterPartitionResponse

ANY_EPOCH = -1  # version 2 names members without epochs

Proposal = AlterPartitionRequest.Topic.Partition
Outcome = AlterPartitionResponse.Topic.Partition


def alter_partition(state: ControllerState, request: AlterPartitionRequest, now_ms: int) -> Decision:
    """Proposals of one leader, each answered for itself."""
    try:
        check_broker_epoch(state, request.broker_id, request.broker_epoch)
    except KafkaError as error:
        return decided([], AlterPartitionResponse(error_code=error.code))
    records: list[MetadataRecord] = []
    answered = []
    seen: set[tuple[bytes, int]] = set()
    for topic in request.topics:
        outcomes = []
        for proposal in topic.partitions:
            key = (topic.topic_id, proposal.partition_index)
            try:
                if key in seen:
                    raise KafkaError(ErrorCode.INVALID_REQUEST, "A partition stands twice in the request.")
                seen.add(key)
                outcomes.append(alter_one(state, request.broker_id, topic.topic_id, proposal, records))
            except KafkaError as error:
                outcomes.append(Outcome(partition_index=proposal.partition_index, error_code=error.code))
        answered.append(AlterPartitionResponse.Topic(topic_id=topic.topic_id, partitions=outcomes))
    return decided(records, AlterPartitionResponse(topics=answered))


def alter_one(
    state: ControllerState,
    broker_id: int,
    topic_id: bytes,
    proposal: Proposal,
    records: list[MetadataRecord],
) -> Outcome:
    """Adds the change, if it is one, to `records`; says how the partition stands after it.  Raises KafkaError."""
    topic = state.image.topics.get(topic_id)
    if topic is None:
        raise KafkaError(ErrorCode.UNKNOWN_TOPIC_ID)
    index = proposal.partition_index
    partition = state.image.partition(topic_id, index)
    if partition is None:
        raise KafkaError(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION)
    members = proposed_members(proposal)
    check_proposal(state, broker_id, partition, proposal, members)
    record = change_partition(
        state,
        topic,
        index,
        isr=[replica for replica in partition.replicas if replica in members],
        leader_recovery_state=proposal.leader_recovery_state,
    )
    after = partition
    if record is not None:
        records.append(record)
        after = partition.merge(record)
        if record.leader != NO_LEADER_CHANGE:
            raise KafkaError(ErrorCode.NEW_LEADER_ELECTED)
    return Outcome(
        partition_index=index,
        leader_id=after.leader,
        leader_epoch=after.leader_epoch,
        isr=list(after.isr),
        leader_recovery_state=after.leader_recovery_state,
        partition_epoch=after.partition_epoch,
    )


def proposed_members(proposal: Proposal) -> dict[int, int]:
    """Broker -> the epoch with which the leader has seen it fetch."""
    if proposal.new_isr:
        return dict.fromkeys(proposal.new_isr, ANY_EPOCH)
    return {member.broker_id: member.broker_epoch for member in proposal.new_isr_with_epochs}


def check_proposal(
    state: ControllerState,
    broker_id: int,
    partition: Partition,
    proposal: Proposal,
    members: dict[int, int],
) -> None:
    """Raises KafkaError in the order of the table above."""
    if proposal.leader_epoch > partition.leader_epoch or proposal.partition_epoch > partition.partition_epoch:
        raise KafkaError(ErrorCode.NOT_CONTROLLER)
    if proposal.leader_epoch < partition.leader_epoch:
        raise KafkaError(ErrorCode.FENCED_LEADER_EPOCH)
    if broker_id != partition.leader:
        raise KafkaError(ErrorCode.INVALID_REQUEST)
    if proposal.partition_epoch < partition.partition_epoch:
        raise KafkaError(ErrorCode.INVALID_UPDATE_VERSION)
    named = len(proposal.new_isr or proposal.new_isr_with_epochs)
    if named != len(members) or not members.keys() <= set(partition.replicas) or broker_id not in members:
        raise KafkaError(ErrorCode.INVALID_REQUEST)
    if proposal.leader_recovery_state not in (RECOVERED, RECOVERING):
        raise KafkaError(ErrorCode.INVALID_REQUEST)
    if proposal.leader_recovery_state == RECOVERING and (
        len(members) > 1 or partition.leader_recovery_state == RECOVERED
    ):
        raise KafkaError(ErrorCode.INVALID_REQUEST)
    if not all(may_be_in_sync(state, member, epoch) for member, epoch in members.items()):
        raise KafkaError(ErrorCode.INELIGIBLE_REPLICA)


def may_be_in_sync(state: ControllerState, broker_id: int, broker_epoch: int) -> bool:
    broker = state.image.brokers.get(broker_id)
    return broker is not None and broker.active and broker_epoch in (ANY_EPOCH, broker.epoch)
