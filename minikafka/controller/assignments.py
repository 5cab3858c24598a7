"""Partitions to be created: from a client's own assignment, or placed; checked in Kafka's order and words.

A replica on a broker that is fenced or stopping is taken, but not into the ISR; a partition whose ISR would be empty is
refused, as nobody could ever lead it.

Kafka: `ReplicationControlManager.validateManualPartitionAssignment`, `buildPartitionRegistration`.
"""

from collections.abc import Sequence

from minikafka.controller.image import UNASSIGNED_DIRECTORY, Partition
from minikafka.controller.placement import CannotPlace, place
from minikafka.controller.state import ControllerState
from minikafka.wire.errors import ErrorCode, KafkaError


def assigned(state: ControllerState, number: int, replicas: Sequence[int], replication_factor: int | None) -> Partition:
    """Partition `number` on brokers a client chose; all partitions have the same replication factor.

    Raises KafkaError (39).
    """
    check_assignment(state, replicas, replication_factor)
    partition = new_partition(state, replicas)
    if partition is None:
        raise KafkaError(
            ErrorCode.INVALID_REPLICA_ASSIGNMENT,
            f"All brokers specified in the manual partition assignment for partition {number} are fenced or in "
            "controlled shutdown.",
        )
    return partition


def check_assignment(state: ControllerState, replicas: Sequence[int], replication_factor: int | None) -> None:
    def refused(reason: str) -> KafkaError:
        return KafkaError(ErrorCode.INVALID_REPLICA_ASSIGNMENT, f"The manual partition assignment includes {reason}")

    if not replicas:
        raise refused("an empty replica list.")
    previous = None
    for broker_id in sorted(replicas):
        if broker_id not in state.image.brokers:
            raise refused(f"broker {broker_id}, but no such broker is registered.")
        if broker_id == previous:
            raise refused(f"the broker {broker_id} more than once.")
        previous = broker_id
    if replication_factor is not None and len(replicas) != replication_factor:
        raise refused(
            f"a partition with {len(replicas)} replica(s), but this is not consistent with previous partitions, "
            f"which have {replication_factor} replica(s)."
        )


def placed(state: ControllerState, first: int, count: int, replication_factor: int) -> list[Partition]:
    """`count` partitions from number `first` on, spread over the brokers.  Raises KafkaError (38)."""
    times = f"Unable to replicate the partition {replication_factor} time(s): "
    try:
        spread = place(state.image.brokers.values(), first, count, replication_factor, state.random)
    except CannotPlace as error:
        raise KafkaError(ErrorCode.INVALID_REPLICATION_FACTOR, f"{times}{error}") from None
    partitions = []
    for replicas in spread:
        partition = new_partition(state, replicas)
        if partition is None:
            raise KafkaError(
                ErrorCode.INVALID_REPLICATION_FACTOR,
                f"{times}All brokers are currently fenced or in controlled shutdown.",
            )
        partitions.append(partition)
    return partitions


def new_partition(state: ControllerState, replicas: Sequence[int]) -> Partition | None:
    """Led by the first replica that can; None if none can."""
    brokers = [state.image.brokers[replica] for replica in replicas]
    isr = tuple([broker.id for broker in brokers if broker.active])
    if not isr:
        return None
    directories = [
        broker.directories[0] if len(broker.directories) == 1 else UNASSIGNED_DIRECTORY for broker in brokers
    ]
    return Partition(replicas=tuple(replicas), directories=tuple(directories), isr=isr, leader=isr[0])
