"""A cluster of registrations for tests: the controller, its log, and a second image that only ever reads the log."""

from collections.abc import Mapping
from random import Random
from typing import Any

from minikafka.controller.controller import Controller
from minikafka.controller.image import MetadataImage, Partition
from minikafka.controller.sessions import Overheard
from minikafka.controller.state import ControllerSettings, Decision
from minikafka.records.metadata_entries import decode_records, encode_records
from minikafka.wire.errors import ErrorCode
from minikafka.wire.messages.controller import (
    AlterPartitionRequest,
    BrokerHeartbeatRequest,
    BrokerRegistrationRequest,
)
from minikafka.wire.messages.topics import CreateTopicsRequest

CLUSTER_ID = "bWluaSBjbHVzdGVyIDEyMw"
TERM = 1


class Cluster:
    """Every decision is appended and committed at once; time stands still until it is moved."""

    def __init__(self, brokers: int = 0, seed: int = 1, racks: str = "", **settings: Any) -> None:
        """`racks`: a letter per broker."""
        self.random = Random(seed)
        self.settings = ControllerSettings(**settings)
        self.now_ms = 1_000_000
        self.log: list[list[Any]] = []
        self.follower = MetadataImage()
        self.incarnations = 0
        self.controller = Controller(MetadataImage(), self.settings, self.random)
        for decision in self.controller.activate(self.now_ms, CLUSTER_ID):
            self.commit(decision)
        for broker_id in range(brokers):
            self.register(broker_id, rack=racks[broker_id] if racks else None)
            self.heartbeat(broker_id)

    @property
    def image(self) -> MetadataImage:
        return self.controller.image

    def commit(self, decision: Decision) -> Any:
        if not decision.records:
            return decision.answer(self.image.offset)
        offset = len(self.log)
        self.log.append(list(decision.records))
        self.controller.appended(decision.records, offset, TERM, self.now_ms)
        self.follower.apply(decode_records(encode_records(decision.records)), offset, TERM)
        assert self.follower == self.image
        return decision.answer(offset)

    def ask(self, request: Any) -> Any:
        return self.commit(self.controller.decide(request, self.now_ms))

    def tick(self) -> int:
        """All that is due; the number of decisions."""
        count = 0
        while decisions := self.controller.tick(self.now_ms):
            for decision in decisions:
                self.commit(decision)
                count += 1
        return count

    def fail_over(self, overheard: Mapping[int, Overheard] | None = None) -> None:
        """Another controller, which knows the log, and what it has overheard, and nothing else."""
        self.controller = Controller(self.follower, self.settings, self.random)
        for decision in self.controller.activate(self.now_ms, overheard=overheard):
            self.commit(decision)

    def register(
        self, broker_id: int, *, previous_epoch: int = -1, rack: str | None = None, again: bool = False
    ) -> Any:
        """`previous_epoch`: of a clean stop.  `again`: the same process."""
        self.incarnations += not again
        incarnation = self.incarnations.to_bytes(16)
        if again:
            incarnation = self.image.brokers[broker_id].incarnation_id
        return self.ask(
            BrokerRegistrationRequest(
                broker_id=broker_id,
                cluster_id=CLUSTER_ID,
                incarnation_id=incarnation,
                rack=rack,
                log_dirs=[directory(broker_id)],
                previous_broker_epoch=previous_epoch,
            )
        )

    def heartbeat(self, broker_id: int, *, applied: int | None = None, **wants: Any) -> Any:
        return self.ask(
            BrokerHeartbeatRequest(
                broker_id=broker_id,
                broker_epoch=self.image.brokers[broker_id].epoch,
                current_metadata_offset=self.image.offset if applied is None else applied,
                **wants,
            )
        )

    def silence(self, *broker_ids: int) -> None:
        """These are not heard for a session's time; the others are."""
        self.now_ms += self.settings.broker_session_timeout_ms
        for broker in list(self.image.brokers.values()):
            if broker.id not in broker_ids and not broker.fenced:
                self.heartbeat(broker.id)
        self.tick()

    def crash(self, broker_id: int) -> None:
        """It stops uncleanly and comes back."""
        self.silence(broker_id)
        self.register(broker_id)
        self.heartbeat(broker_id)

    def create(self, name: str, *assignments: list[int], **configs: str) -> Any:
        """A topic with these replicas; `configs` with _ for dots."""
        return self.ask(
            CreateTopicsRequest(
                topics=[
                    CreateTopicsRequest.Topic(
                        name=name,
                        num_partitions=-1,
                        replication_factor=-1,
                        assignments=[
                            CreateTopicsRequest.Topic.Assignment(partition_index=index, broker_ids=replicas)
                            for index, replicas in enumerate(assignments)
                        ],
                        configs=[
                            CreateTopicsRequest.Topic.Config(name=key.replace("_", "."), value=value)
                            for key, value in configs.items()
                        ],
                    )
                ]
            )
        )

    def partition(self, name: str, index: int = 0) -> Partition:
        topic = self.image.topic(name)
        assert topic is not None
        return topic.partitions[index]

    def propose_unknown(self, topic_id: bytes) -> ErrorCode:
        """The outcome for a partition of a topic that is not there."""
        response = self.ask(
            AlterPartitionRequest(
                broker_id=0,
                broker_epoch=self.image.brokers[0].epoch,
                topics=[
                    AlterPartitionRequest.Topic(topic_id=topic_id, partitions=[AlterPartitionRequest.Topic.Partition()])
                ],
            )
        )
        return ErrorCode(response.topics[0].partitions[0].error_code)

    def propose(self, name: str, isr: list[int], index: int = 0, **changed: Any) -> Any:
        """The leader asks for this ISR; `changed`: other fields of the proposal.  The outcome of the partition."""
        partition = self.partition(name, index)
        leader = changed.pop("broker_id", partition.leader)
        epochs = changed.pop("epochs", {})
        fields = {
            "partition_index": index,
            "leader_epoch": partition.leader_epoch,
            "partition_epoch": partition.partition_epoch,
            "new_isr_with_epochs": [
                AlterPartitionRequest.Topic.Partition.BrokerState(
                    broker_id=member,
                    broker_epoch=epochs.get(member, self.image.brokers[member].epoch),
                )
                for member in isr
            ],
        }
        fields.update(changed)
        response = self.ask(
            AlterPartitionRequest(
                broker_id=leader,
                broker_epoch=epochs.get("leader", self.image.brokers[leader].epoch),
                topics=[
                    AlterPartitionRequest.Topic(
                        topic_id=self.image.topic_ids[name],
                        partitions=[AlterPartitionRequest.Topic.Partition(**fields)],
                    )
                ],
            )
        )
        if response.error_code:
            return ErrorCode(response.error_code)
        (outcome,) = response.topics[0].partitions
        return outcome if outcome.error_code == 0 else ErrorCode(outcome.error_code)


def directory(broker_id: int) -> bytes:
    return bytes([0xD0 + broker_id]) * 16


def shown(partition: Partition) -> str:
    """A partition in a line: leader, ISR, ELR, last known leader, epochs."""
    text = f"leader {partition.leader} isr {list(partition.isr)}"
    if partition.elr:
        text += f" elr {list(partition.elr)}"
    if partition.last_known_elr:
        text += f" last {list(partition.last_known_elr)}"
    if partition.leader_recovery_state:
        text += " recovering"
    return f"{text} epochs {partition.leader_epoch}/{partition.partition_epoch}"
