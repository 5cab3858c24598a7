"""The active controller's mind: which request goes to which chapter, and what is due without a request.

    state machine of the shell, the node that leads the Raft group:

    lead, and all of the own log is committed      Controller(image, settings, random), then activate(now_ms)
    a request, or a tick                           decision = controller.decide(request, now_ms)
    decision.records                               propose them as one entry, at offset n;
                                                   controller.appended(records, n, term, now_ms) at once;
                                                   decision.answer(n) goes out when n is committed
    no records                                     decision.answer(image.offset) goes out at once
    leadership lost, a proposal refused            throw the Controller away: its image holds what may never be

`appended` before the commit is what lets decisions follow each other without waiting for a disk: the next one stands
on the last one, and if the last one is never committed, nor is the next.  Answers wait, so nobody acts on what may
vanish.

Kafka: `QuorumController`, whose event queue is this object's caller and whose timeline data structures are a
thrown-away image.
"""

from collections.abc import Callable, Mapping, Sequence
from random import Random
from typing import Any

from minikafka.controller.brokers import fence_silent, heartbeat, register, unregister
from minikafka.controller.configs import alter_configs, incremental_alter_configs
from minikafka.controller.directories import assign_replicas
from minikafka.controller.elect_leaders import elect_leaders
from minikafka.controller.features import bootstrap_records, new_cluster_id, update_features
from minikafka.controller.image import Delta, MetadataImage
from minikafka.controller.isr import alter_partition
from minikafka.controller.partitions import elect_leaderless, rebalance
from minikafka.controller.producer_ids import allocate
from minikafka.controller.sessions import Overheard, Sessions
from minikafka.controller.state import ControllerSettings, ControllerState, Decision, decided
from minikafka.controller.topics import create_partitions, create_topics, delete_topics
from minikafka.records.metadata import MetadataRecord
from minikafka.wire.messages.cluster import UnregisterBrokerRequest, UpdateFeaturesRequest
from minikafka.wire.messages.configs import AlterConfigsRequest, IncrementalAlterConfigsRequest
from minikafka.wire.messages.controller import (
    AllocateProducerIdsRequest,
    AlterPartitionRequest,
    AssignReplicasToDirsRequest,
    BrokerHeartbeatRequest,
    BrokerRegistrationRequest,
)
from minikafka.wire.messages.topics import (
    CreatePartitionsRequest,
    CreateTopicsRequest,
    DeleteTopicsRequest,
    ElectLeadersRequest,
)

DECIDE: dict[type, Callable[[ControllerState, Any, int], Decision]] = {
    BrokerRegistrationRequest: register,
    BrokerHeartbeatRequest: heartbeat,
    UnregisterBrokerRequest: unregister,
    AlterPartitionRequest: alter_partition,
    AssignReplicasToDirsRequest: assign_replicas,
    ElectLeadersRequest: elect_leaders,
    CreateTopicsRequest: create_topics,
    CreatePartitionsRequest: create_partitions,
    DeleteTopicsRequest: delete_topics,
    AlterConfigsRequest: alter_configs,
    IncrementalAlterConfigsRequest: incremental_alter_configs,
    AllocateProducerIdsRequest: allocate,
    UpdateFeaturesRequest: update_features,
}
"""Each returns records and an answer, and changes nothing but sessions."""


class Controller:
    """Decides for the cluster, on its own copy of `image`.  See the module for the order of calls."""

    def __init__(self, image: MetadataImage, settings: ControllerSettings, random: Random) -> None:
        sessions = Sessions(settings.broker_session_timeout_ms)
        self.state = ControllerState(image.copy(), settings, random, sessions)
        self.next_rebalance_ms = 0
        self.next_unclean_ms = 0

    @property
    def image(self) -> MetadataImage:
        """All that was decided, ahead of what is committed."""
        return self.state.image

    def activate(
        self, now_ms: int, cluster_id: str = "", overheard: Mapping[int, Overheard] | None = None
    ) -> list[Decision]:
        """Begin to decide.  In an empty log: the first entry, with a cluster id of our own unless one is given.

        overheard   heartbeats that came while another was the active controller, by broker
        """
        settings = self.state.settings
        self.state.sessions.start(self.image.brokers.values(), self.image.offset, now_ms, overheard or {})
        self.next_rebalance_ms = now_ms + settings.leader_imbalance_check_interval_ms
        self.next_unclean_ms = now_ms + settings.unclean_leader_election_interval_ms
        if self.image.cluster_id:
            return []
        first = bootstrap_records(settings, cluster_id or new_cluster_id(self.state.random))
        return [decided(first, None)]

    def decide(self, request: Any, now_ms: int) -> Decision:
        """What to write and to answer.  Every error is in the answer.  KeyError: not a request to a controller."""
        return DECIDE[type(request)](self.state, request, now_ms)

    def appended(self, records: Sequence[MetadataRecord], offset: int, epoch: int, now_ms: int) -> Delta:
        """`records` stand in the log at `offset`, Raft term `epoch`; decisions from now on stand on them."""
        delta = self.image.apply(list(records), offset, epoch)
        for broker_id, before in delta.brokers.items():
            broker = self.image.brokers.get(broker_id)
            if broker is None:
                continue
            if before is None or before.epoch != broker.epoch:
                self.state.sessions.heard(broker_id, broker.epoch, now_ms)
            if broker.in_controlled_shutdown:
                self.state.sessions.leaving(broker, offset)
        return delta

    def stood_still(self, for_ms: int, now_ms: int) -> None:
        """This process did not run for so long: heartbeats may wait that it has not read."""
        self.state.sessions.excuse(for_ms, now_ms)

    def tick(self, now_ms: int) -> list[Decision]:
        """What is due by the clock: at most one decision, as each must stand on the last.

        Call again once it is appended, until there is none.
        """
        records: Sequence[MetadataRecord] = fence_silent(self.state, now_ms)
        settings = self.state.settings
        if not records and now_ms >= self.next_rebalance_ms:
            self.next_rebalance_ms = now_ms + settings.leader_imbalance_check_interval_ms
            records = rebalance(self.state) if settings.auto_leader_rebalance_enable else []
        if not records and now_ms >= self.next_unclean_ms:
            # Where unclean elections are allowed since the last leader went.
            self.next_unclean_ms = now_ms + settings.unclean_leader_election_interval_ms
            records = elect_leaderless(self.state)
        return [decided(records, None)] if records else []

    def next_deadline_ms(self) -> int:
        """When `tick` may have something to do."""
        silent = self.state.sessions.next_deadline_ms(self.image.brokers.values())
        periodic = min(self.next_rebalance_ms, self.next_unclean_ms)
        return periodic if silent is None else min(silent, periodic)
