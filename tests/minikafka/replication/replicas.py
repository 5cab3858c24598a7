"""A replica on a simulated disk, and the brokers around it, for the tests of this folder."""

from dataclasses import dataclass, field
from random import Random

from minikafka.controller.image import Partition as Registration
from minikafka.log.partition_log import LogSettings, PartitionLog
from minikafka.log_settings import FOREVER, PartitionSettings
from minikafka.records.batch import build_batch
from minikafka.records.record import Record
from minikafka.replication.partition import Partition
from simulation.disk import DiskOptions, SimulatedDisk

TOPIC_ID = bytes(range(16))
WALL = 1_700_000_000_000
NO_DIRECTORY = bytes(16)


@dataclass
class Brokers:
    """Who is registered with which epoch; all of them may join an in-sync set, but for `barred`."""

    epochs: dict[int, int] = field(default_factory=lambda: {1: 11, 2: 12, 3: 13})
    barred: set[int] = field(default_factory=set)

    def may_join_isr(self, broker_id: int, broker_epoch: int) -> bool:
        return broker_id not in self.barred and self.epochs.get(broker_id) == broker_epoch

    def epoch_of(self, broker_id: int) -> int:
        return self.epochs.get(broker_id, -1)


def registration(
    leader: int = 1,
    isr: tuple[int, ...] = (1, 2, 3),
    *,
    replicas: tuple[int, ...] = (1, 2, 3),
    leader_epoch: int = 0,
    partition_epoch: int = 0,
) -> Registration:
    return Registration(
        replicas=replicas,
        directories=(NO_DIRECTORY,) * len(replicas),
        isr=isr,
        leader=leader,
        leader_epoch=leader_epoch,
        partition_epoch=partition_epoch,
    )


def replica(me: int = 1, *, min_isr: int = 2, lag_time_ms: int = 1000, flush_counts: bool = False) -> Partition:
    """One that belongs to nobody yet; what it proposes is in `wanted`."""
    disk = SimulatedDisk(Random(me), DiskOptions(fsync_s=(0, 0), stall=0))
    log = PartitionLog.open(disk, "data/t-0", topic_id=TOPIC_ID, settings=LogSettings(), now_ms=WALL)
    partition = Partition(
        "t",
        TOPIC_ID,
        0,
        me=me,
        log=log,
        brokers=Brokers(),
        isr_wanted=lambda _: None,
        lag_time_ms=lag_time_ms,
        settings=PartitionSettings(min_isr=min_isr, flush_messages=FOREVER, flush_ms=FOREVER),
        flush_counts=flush_counts,
    )
    return partition


def leader(**arguments: int | bool) -> Partition:
    """Broker 1 leads, 2 and 3 are in sync."""
    partition = replica(**arguments)  # type: ignore[arg-type]
    partition.update(registration(), now_ms=0)
    return partition


def batch(*values: str) -> bytes:
    return bytes(build_batch([Record(None, value.encode()) for value in values], timestamp_ms=WALL))


def append(partition: Partition, *values: str, acks: int = -1, now_ms: int = 0) -> int:
    """Returns the base offset."""
    return partition.append(batch(*(values or ("v",))), acks, now_ms, WALL).base_offset


def fetched(partition: Partition, broker: int, offset: int, now_ms: int = 0, epoch: int | None = None) -> None:
    """A fetch of `broker` from `offset`."""
    known = {1: 11, 2: 12, 3: 13}[broker] if epoch is None else epoch
    partition.follower_fetched(broker, known, offset, 0, now_ms)
