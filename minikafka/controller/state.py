"""What the chapters of the controller share: the state they decide on, the settings, the shape of a decision.

    request, now_ms ──chapter(state, ...)──> Decision(records, answer)

A chapter reads the state and changes nothing but what is nobody else's business (when a broker was last heard).  The
records it returns change the image once they are in the log; until then nothing has happened.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any, Protocol

from minikafka.controller.image import MetadataImage, ResourceType
from minikafka.controller.sessions import Sessions
from minikafka.group_options import GROUP_OPTIONS
from minikafka.records.metadata import MetadataRecord
from minikafka.topic_options import TOPIC_OPTIONS


class Options(Protocol):
    """A table of settings that requests may change, e.g. `topic_options.TOPIC_OPTIONS`."""

    def validate(self, values: Mapping[str, str]) -> None:
        """Raises KafkaError (INVALID_CONFIG) for an unknown name, a bad value, or values that contradict each other."""

    def is_list(self, name: str) -> bool:
        """Whether values can be appended to it."""

    def default(self, name: str) -> str | None:
        """What holds when nobody sets it."""


OPTIONS: Mapping[ResourceType, Options] = {ResourceType.TOPIC: TOPIC_OPTIONS, ResourceType.GROUP: GROUP_OPTIONS}


@dataclass(frozen=True, slots=True, kw_only=True)
class ControllerSettings:
    """Settings of the node that decide what a controller decides; Kafka's names with `_` for `.`.

    broker_values  what this node's file says, by Kafka's names: the defaults that topics inherit
    options        the tables for Config requests; a resource type without one takes any name and value
    """

    node_id: int = 0
    broker_session_timeout_ms: int = 2_500  # Kafka: 9000
    num_partitions: int = 1
    default_replication_factor: int = 1
    min_insync_replicas: int = 1
    unclean_leader_election_enable: bool = False
    unclean_leader_election_interval_ms: int = 300_000
    auto_leader_rebalance_enable: bool = True
    leader_imbalance_check_interval_ms: int = 300_000
    delete_topic_enable: bool = True
    broker_values: Mapping[str, str] = field(default_factory=dict)
    options: Mapping[ResourceType, Options] = field(default_factory=lambda: OPTIONS)


@dataclass(slots=True)
class ControllerState:
    """The working image, ahead of the committed one by what is on its way, and what is in no image."""

    image: MetadataImage
    settings: ControllerSettings
    random: Random
    sessions: Sessions


@dataclass(frozen=True, slots=True)
class Decision:
    """Records to write as one entry, and the answer once they are committed at `offset`; at once if there are none."""

    records: Sequence[MetadataRecord]
    answer: Callable[[int], Any]


def decided(records: Sequence[MetadataRecord], response: Any) -> Decision:
    """A decision whose answer does not depend on where the records stand."""
    return Decision(records, lambda offset: response)
