"""Who leads a partition, and who may: one partition's state in, one PartitionChangeRecord out.

    who may lead, in this order                        it holds                                recovery state
    1. a member of the ISR                             every acknowledged record               RECOVERED
    2. no ISR: an eligible leader replica (ELR)        everything below the high watermark     RECOVERED
    3. neither: the last known leader                  what its disk kept                      RECOVERING
    4. if unclean.leader.election.enable: any replica  whatever it has                         RECOVERING

and of several the first in the order of the replicas.  Only brokers that are active (neither fenced nor stopping) and
whose log directory works are considered.  Nobody left: the partition has no leader (-1) and waits.

The **ELR** (KIP-966) is why a cluster may lose its ISR one by one and still lose nothing.  While the ISR is smaller
than `min.insync.replicas` the high watermark stands still; so who leaves the ISR then, by failing, still holds all
that was ever acknowledged, and is remembered.  Once the ISR is large enough to acknowledge again, the memory is
void.  It is void at once for a broker that comes back from an unclean stop: its page cache may have gone with it.

Epochs: see image.py.  A smaller or larger ISR raises only the partition epoch; leader epochs rise when a leader is
named.

Source: KIP-966, Kafka 4.1 `PartitionChangeBuilder`.  Who is asked when, is in brokers.py, isr.py and topics.py.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import IntEnum

from minikafka.controller.image import (
    NO_LEADER,
    NO_LEADER_CHANGE,
    NO_RECOVERY_CHANGE,
    RECOVERING,
    MetadataImage,
    Partition,
)
from minikafka.records.metadata import PartitionChangeRecord


class Election(IntEnum):
    """What an election may do.  The first two as ElectLeaders numbers them."""

    PREFERRED = 0  # give the first replica its place if it can lead
    UNCLEAN = 1  # rather lose records than have no leader
    ONLINE = 2  # keep a leader that can lead, else take the first that can


@dataclass(frozen=True, slots=True)
class Elected:
    leader: int
    from_elr: bool = False
    unclean: bool = False  # records may be lost


def elect(partition: Partition, may_lead: Callable[[int], bool], election: Election) -> Elected:
    """The leader that `partition`, with its ISR and ELR as they shall be, should have."""

    def clean(replica: int) -> bool:
        eligible = partition.isr or partition.elr
        return replica in eligible and may_lead(replica)

    if election is Election.PREFERRED:
        candidates = [partition.preferred_leader, partition.leader, *partition.replicas]
    else:
        candidates = [partition.leader, *partition.replicas]
    for replica in candidates:
        if replica != NO_LEADER and clean(replica):
            return Elected(replica, from_elr=not partition.isr)
    if not partition.isr and not partition.elr and len(partition.last_known_elr) == 1:
        (last_leader,) = partition.last_known_elr
        if may_lead(last_leader):
            return Elected(last_leader, unclean=True)
    if election is Election.UNCLEAN:
        for replica in partition.replicas:
            if may_lead(replica):
                return Elected(replica, unclean=True)
    return Elected(NO_LEADER)


def eligible_after(
    partition: Partition, isr: Iterable[int], min_isr: int, unclean_stopped: Iterable[int] = ()
) -> tuple[int, ...]:
    """The ELR beside the new `isr`: who left it, or was eligible already, and did not stop uncleanly."""
    isr = set(isr)
    if len(isr) >= min(min_isr, len(partition.replicas)):
        return ()
    lost = isr.union(unclean_stopped)
    return tuple(replica for replica in dict.fromkeys(partition.elr + partition.isr) if replica not in lost)


def change(
    partition: Partition,
    topic_id: bytes,
    index: int,
    *,
    may_lead: Callable[[int], bool],
    min_isr: int,
    isr: Iterable[int] | None = None,
    unclean_stopped: Iterable[int] = (),
    election: Election = Election.ONLINE,
    leader_recovery_state: int | None = None,
) -> PartitionChangeRecord | None:
    """The record that gives `partition` the ISR `isr` and the leader it then must have; None when nothing changes.

    isr              None: as it is
    unclean_stopped  brokers that may have lost what they had
    min_isr          of the topic, at least 1
    """
    target_isr = partition.isr if isr is None else tuple(isr)
    target_elr = eligible_after(partition, target_isr, min_isr, unclean_stopped)
    recovery = partition.leader_recovery_state if leader_recovery_state is None else leader_recovery_state
    elected = elect(partition._replace(isr=target_isr, elr=target_elr), may_lead, election)
    if elected.unclean:
        # What the others hold beyond this leader's log is given up: they are neither in sync nor eligible.
        target_isr, target_elr, recovery = (elected.leader,), (), RECOVERING
    elif elected.from_elr:
        target_isr, target_elr = (elected.leader,), tuple(one for one in target_elr if one != elected.leader)
    last_known = last_known_after(partition, target_isr, elected.leader)
    record = PartitionChangeRecord(
        partition_id=index,
        topic_id=topic_id,
        isr=None if target_isr == partition.isr else list(target_isr),
        leader=NO_LEADER_CHANGE if elected.leader == partition.leader else elected.leader,
        leader_recovery_state=NO_RECOVERY_CHANGE if recovery == partition.leader_recovery_state else recovery,
        eligible_leader_replicas=None if target_elr == partition.elr else list(target_elr),
        last_known_elr=None if last_known == partition.last_known_elr else list(last_known),
    )
    return None if changes_nothing(record) else record


def last_known_after(partition: Partition, isr: tuple[int, ...], leader: int) -> tuple[int, ...]:
    """Remembered while there is no leader and no ISR: who led last."""
    if leader != NO_LEADER:
        return ()
    if not isr and partition.leader != NO_LEADER:
        return (partition.leader,)
    return partition.last_known_elr


def changes_nothing(record: PartitionChangeRecord) -> bool:
    return (
        record.isr is None
        and record.leader == NO_LEADER_CHANGE
        and record.leader_recovery_state == NO_RECOVERY_CHANGE
        and record.eligible_leader_replicas is None
        and record.last_known_elr is None
    )


def can_lead(image: MetadataImage, partition: Partition) -> Callable[[int], bool]:
    """Whether a replica of `partition` may lead: active, and with a log directory that works."""

    def may_lead(replica: int) -> bool:
        broker = image.brokers.get(replica)
        return broker is not None and broker.active and broker.has_online(partition.directory_of(replica))

    return may_lead
