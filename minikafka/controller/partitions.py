"""Changes of partitions under the rules of their topics: who leaves, who comes, who takes over.  State in, records out.

elections.py knows one partition and no topic.  Here stands what it must be told: the topic's `min.insync.replicas`,
whether it may be elected uncleanly, who is about to leave; and which partitions an event touches.

    broker fenced, stopping, a directory lost     every partition with it in the ISR          `leave`
    broker back                                   every partition without a leader            `elect_leaderless`
    broker registered after an unclean stop       every one with it in the ISR or the ELR     `forget_unclean`
    now and then                                  preferred leader in the ISR, not leading    `rebalance`

Kafka: `ReplicationControlManager.generateLeaderAndIsrUpdates`, `maybeBalancePartitionLeaders`.
"""

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

from minikafka.controller.elections import Election, can_lead, change
from minikafka.controller.image import NO_LEADER, Partition, ResourceType, Topic
from minikafka.controller.state import ControllerState
from minikafka.effective import broker_layers, holding
from minikafka.records.metadata import PartitionChangeRecord
from minikafka.topic_options import TOPIC_OPTIONS

REBALANCED_AT_ONCE_MAX = 1_000  # elections in one decision, as in Kafka


def setting(state: ControllerState, topic_name: str, name: str, in_the_file: str) -> Any:
    """A setting of a topic as this controller sees it, with its type.  `in_the_file`: what its own file says."""
    option = TOPIC_OPTIONS.options[name]
    own = state.image.configs.get((ResourceType.TOPIC, topic_name), {})
    layers = broker_layers(state.image, state.settings.node_id, {name: in_the_file})
    return option.parse(holding(option, own, layers).value)


def min_isr(state: ControllerState, topic_name: str) -> int:
    return int(setting(state, topic_name, "min.insync.replicas", str(state.settings.min_insync_replicas)))


def unclean_allowed(state: ControllerState, topic_name: str) -> bool:
    in_the_file = str(state.settings.unclean_leader_election_enable)
    return bool(setting(state, topic_name, "unclean.leader.election.enable", in_the_file))


class Rules(NamedTuple):
    """What the settings of a topic say about elections."""

    min_isr: int
    unclean_allowed: bool


def rules_of(state: ControllerState, topic: Topic) -> Rules:
    return Rules(min_isr(state, topic.name), unclean_allowed(state, topic.name))


def change_partition(
    state: ControllerState,
    topic: Topic,
    index: int,
    *,
    isr: Iterable[int] | None = None,
    leaving: int | None = None,
    coming: int | None = None,
    unclean_stopped: Iterable[int] = (),
    election: Election | None = None,
    leader_recovery_state: int | None = None,
    rules: Rules | None = None,
) -> PartitionChangeRecord | None:
    """The change of one partition, as `elections.change`.

    leaving, coming  a broker that may not lead although the image says it may, and the other way round: the same
                     decision is about to say so
    election         None: online, or unclean where the topic allows it
    rules            of the topic, by who changes many of its partitions
    """
    partition = topic.partitions[index]
    if rules is None:
        rules = rules_of(state, topic)
    if election is None:
        election = Election.UNCLEAN if rules.unclean_allowed else Election.ONLINE
    in_image = can_lead(state.image, partition)

    def may_lead(replica: int) -> bool:
        return replica != leaving and (replica == coming or in_image(replica))

    return change(
        partition,
        topic.id,
        index,
        may_lead=may_lead,
        min_isr=rules.min_isr,
        isr=isr,
        unclean_stopped=unclean_stopped,
        election=election,
        leader_recovery_state=leader_recovery_state,
    )


def leave(
    state: ControllerState, broker_id: int, where: Callable[[Partition], bool] = lambda partition: True
) -> list[PartitionChangeRecord]:
    """`broker_id` leaves every ISR and leads nothing any more; only of the partitions `where` says."""
    return _without(state, broker_id, lambda partition: broker_id in partition.isr and where(partition))


def forget_unclean(state: ControllerState, broker_id: int) -> list[PartitionChangeRecord]:
    """`broker_id` may have lost what it held: it leaves every ISR and every ELR."""
    return _without(
        state,
        broker_id,
        lambda partition: broker_id in partition.isr or broker_id in partition.elr,
        unclean_stopped=(broker_id,),
    )


def _without(
    state: ControllerState,
    broker_id: int,
    where: Callable[[Partition], bool],
    unclean_stopped: Iterable[int] = (),
) -> list[PartitionChangeRecord]:
    changes = []
    for topic in state.image.topics.values():
        rules = None
        for index, partition in enumerate(topic.partitions):
            if not where(partition):
                continue
            rules = rules or rules_of(state, topic)
            record = change_partition(
                state,
                topic,
                index,
                isr=[replica for replica in partition.isr if replica != broker_id],
                leaving=broker_id,
                unclean_stopped=unclean_stopped,
                rules=rules,
            )
            if record is not None:
                changes.append(record)
    return changes


def elect_leaderless(state: ControllerState, coming: int | None = None) -> list[PartitionChangeRecord]:
    """Leaders for partitions that have none, now that `coming` is back."""
    changes = (
        change_partition(state, topic, index, coming=coming)
        for topic, index, partition in state.image.partitions()
        if partition.leader == NO_LEADER
    )
    return [record for record in changes if record is not None]


def rebalance(state: ControllerState) -> list[PartitionChangeRecord]:
    """Preferred replicas that could lead and do not get their place, a bounded number at a time."""
    changes = []
    for topic, index, partition in state.image.partitions():
        if partition.leader == partition.preferred_leader or partition.preferred_leader not in partition.isr:
            continue
        record = change_partition(state, topic, index, election=Election.PREFERRED)
        if record is not None:
            changes.append(record)
            if len(changes) == REBALANCED_AT_ONCE_MAX:
                break
    return changes


def leads_anything(state: ControllerState, broker_id: int) -> bool:
    return any(partition.leader == broker_id for _, _, partition in state.image.partitions())
