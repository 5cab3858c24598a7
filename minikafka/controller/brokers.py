"""Brokers come, live, go: registration, heartbeats, fencing, controlled shutdown.

               registers               heartbeat, own registration applied
    (unknown) ──────────> fenced ─────────────────────────────────────────> unfenced
                          ^  ^                                               │    │
                          │  └── silent for the session timeout, wants_fence─┘    │ wants to shut down, leads
                          │                                                       v
                          └── all active brokers know who leads instead ── controlled shutdown

Fenced: it leads nothing, stands in no ISR, and clients are not sent to it.  It must have applied its own registration
before it is unfenced, so that what it then does rests on a state in which it exists.  In controlled shutdown it leads
nothing any more but still serves, until those who lead instead, and those who follow them, know.

A **registration** names the broker's process (incarnation id) and the epoch under which it last stopped in good
order. Is that the epoch the image shows, the stop was clean and its disk holds all it said it held.  Otherwise
(killed, power lost, an older stop) it leaves every ISR and ELR; profile A of the durability promise rests on this
line.  Two processes of one id do not take turns: while one has a session, the other is refused.

Kafka: `ClusterControlManager.registerBroker`, `BrokerHeartbeatManager.calculateNextBrokerState`.
"""

from dataclasses import replace
from enum import Enum, auto

from minikafka.controller.image import EPOCH_OF_THIS_RECORD, Broker, Endpoint, Feature, registration_record
from minikafka.controller.partitions import elect_leaderless, forget_unclean, leads_anything, leave
from minikafka.controller.state import ControllerState, Decision, decided
from minikafka.records.metadata import BrokerRegistrationChangeRecord, MetadataRecord, UnregisterBrokerRecord
from minikafka.wire.errors import ErrorCode, KafkaError
from minikafka.wire.messages.cluster import UnregisterBrokerRequest, UnregisterBrokerResponse
from minikafka.wire.messages.controller import (
    BrokerHeartbeatRequest,
    BrokerHeartbeatResponse,
    BrokerRegistrationRequest,
    BrokerRegistrationResponse,
)

FENCE, UNFENCE = 1, -1  # in a BrokerRegistrationChangeRecord
SHUTTING_DOWN = 1


def register(state: ControllerState, request: BrokerRegistrationRequest, now_ms: int) -> Decision:
    """A broker that starts, or asks again because it saw no answer."""
    image = state.image
    existing = image.brokers.get(request.broker_id)
    try:
        check_registration(state, request, existing, now_ms)
    except KafkaError as error:
        return decided([], BrokerRegistrationResponse(error_code=error.code, broker_epoch=-1))
    again = existing is not None and existing.incarnation_id == request.incarnation_id
    broker = Broker(
        id=request.broker_id,
        epoch=existing.epoch if existing is not None and again else EPOCH_OF_THIS_RECORD,
        incarnation_id=request.incarnation_id,
        endpoints=tuple(
            Endpoint(listener.name, listener.host, listener.port, listener.security_protocol)
            for listener in request.listeners
        ),
        features=tuple(
            Feature(feature.name, feature.min_supported_version, feature.max_supported_version)
            for feature in request.features
        ),
        rack=request.rack,
        directories=tuple(request.log_dirs),
    )
    if existing is not None and again:
        # What heartbeats said since then stands.
        broker = replace(broker, fenced=existing.fenced, in_controlled_shutdown=existing.in_controlled_shutdown)
        state.sessions.heard(broker.id, broker.epoch, now_ms)
        changed = [] if broker == existing else [registration_record(broker)]
        return decided(changed, BrokerRegistrationResponse(broker_epoch=existing.epoch))
    records: list[MetadataRecord] = []
    if existing is not None:
        clean = existing.epoch == request.previous_broker_epoch
        records += leave(state, broker.id) if clean else forget_unclean(state, broker.id)
    records.append(registration_record(broker))
    return Decision(records, lambda offset: BrokerRegistrationResponse(broker_epoch=offset))


def check_registration(
    state: ControllerState, request: BrokerRegistrationRequest, existing: Broker | None, now_ms: int
) -> None:
    """Raises KafkaError if this broker may not register."""
    image = state.image
    if request.cluster_id != image.cluster_id:
        raise KafkaError(
            ErrorCode.INCONSISTENT_CLUSTER_ID,
            f"Expected cluster ID {image.cluster_id}, but got cluster ID {request.cluster_id}",
        )
    if (
        existing is not None
        and existing.incarnation_id != request.incarnation_id
        and not existing.in_controlled_shutdown
        and state.sessions.alive(existing, now_ms)
    ):
        raise KafkaError(
            ErrorCode.DUPLICATE_BROKER_REGISTRATION,
            "Another broker is registered with that broker id. If the broker was recently restarted this should "
            "self-resolve once the heartbeat manager expires the broker's session.",
        )
    if not request.log_dirs:
        raise KafkaError(ErrorCode.INVALID_REGISTRATION, "No directories specified in request")
    if len(set(request.log_dirs)) < len(request.log_dirs):
        raise KafkaError(ErrorCode.INVALID_REGISTRATION, "Duplicate directory ID in request")
    for other in image.brokers.values():
        for directory in request.log_dirs:
            if other.id != request.broker_id and directory in other.directories:
                raise KafkaError(
                    ErrorCode.INVALID_REGISTRATION, f"Broker {other.id} is already registered with this directory"
                )
    supported = {feature.name: feature for feature in request.features}
    for name, level in image.features.items():
        feature = supported.get(name)
        if feature is not None and not feature.min_supported_version <= level <= feature.max_supported_version:
            raise KafkaError(
                ErrorCode.UNSUPPORTED_VERSION,
                f"Unable to register because the broker does not support finalized version {level} of {name}. "
                f"The broker wants a version between {feature.min_supported_version} and "
                f"{feature.max_supported_version}, inclusive.",
            )


def check_broker_epoch(state: ControllerState, broker_id: int, broker_epoch: int) -> Broker:
    """The broker that speaks, if this is its registration.  Raises KafkaError (77)."""
    broker = state.image.brokers.get(broker_id)
    if broker is None:
        raise KafkaError(ErrorCode.STALE_BROKER_EPOCH, f"No broker registration found for broker id {broker_id}")
    if broker.epoch != broker_epoch:
        raise KafkaError(
            ErrorCode.STALE_BROKER_EPOCH,
            f"Expected broker epoch {broker.epoch}, but got broker epoch {broker_epoch}",
        )
    return broker


class Standing(Enum):
    """Where a broker stands with the controller."""

    FENCED = auto()
    UNFENCED = auto()
    CONTROLLED_SHUTDOWN = auto()
    SHUTDOWN_NOW = auto()  # fenced, and told to stop

    @classmethod
    def of(cls, broker: Broker) -> "Standing":
        if broker.fenced:
            return cls.FENCED
        return cls.CONTROLLED_SHUTDOWN if broker.in_controlled_shutdown else cls.UNFENCED


def heartbeat(state: ControllerState, request: BrokerHeartbeatRequest, now_ms: int) -> Decision:
    """A sign of life.  It writes nothing unless the broker's standing or its directories change."""
    try:
        broker = check_broker_epoch(state, request.broker_id, request.broker_epoch)
    except KafkaError as error:
        return decided([], BrokerHeartbeatResponse(error_code=error.code))
    state.sessions.heard(broker.id, broker.epoch, now_ms, request.current_metadata_offset)
    lost = set(request.offline_log_dirs).intersection(broker.directories)
    working = [directory for directory in broker.directories if directory not in lost]
    before = Standing.of(broker)
    after = next_standing(state, broker, request)
    if after is Standing.UNFENCED and after is not before and lost:
        after = before  # first the directories, so that no partition in a lost one is led from here
    if lost and not working and after is not Standing.SHUTDOWN_NOW:
        after = Standing.FENCED
    if after is Standing.SHUTDOWN_NOW:
        state.sessions.forget(broker.id)  # this was its last word: the next process need not wait for a silence
    records = change_standing(state, broker, before, after)
    if lost and working:
        if after is before:
            records += leave(state, broker.id, lambda partition: partition.directory_of(broker.id) in lost)
        records.append(BrokerRegistrationChangeRecord(broker_id=broker.id, broker_epoch=broker.epoch, log_dirs=working))
    response = BrokerHeartbeatResponse(
        is_caught_up=request.current_metadata_offset >= broker.epoch,
        is_fenced=after in (Standing.FENCED, Standing.SHUTDOWN_NOW),
        should_shut_down=after is Standing.SHUTDOWN_NOW,
    )
    return decided(records, response)


def next_standing(state: ControllerState, broker: Broker, request: BrokerHeartbeatRequest) -> Standing:
    standing = Standing.of(broker)
    match standing:
        case Standing.FENCED if request.want_shut_down:
            return Standing.SHUTDOWN_NOW
        case Standing.FENCED if not request.want_fence and request.current_metadata_offset >= broker.epoch:
            return Standing.UNFENCED
        case Standing.UNFENCED if request.want_fence:
            return Standing.SHUTDOWN_NOW if request.want_shut_down else Standing.FENCED
        case Standing.UNFENCED if request.want_shut_down:
            leads = leads_anything(state, broker.id)
            return Standing.CONTROLLED_SHUTDOWN if leads else Standing.SHUTDOWN_NOW
        case Standing.CONTROLLED_SHUTDOWN if may_stop(state, broker):
            return Standing.SHUTDOWN_NOW
    return standing


def may_stop(state: ControllerState, broker: Broker) -> bool:
    """Whether a broker in controlled shutdown is needed no longer: it leads nothing, and everyone else knows."""
    if leads_anything(state, broker.id):
        return False
    known = state.sessions.applied_by_all(state.image.brokers.values())
    session = state.sessions.by_broker[broker.id]
    return known is None or session.leaving_at is None or session.leaving_at <= known


def change_standing(state: ControllerState, broker: Broker, before: Standing, after: Standing) -> list[MetadataRecord]:
    if after is before or (before is Standing.FENCED and after is Standing.SHUTDOWN_NOW):
        return []
    match after:
        case Standing.UNFENCED:
            return unfence(state, broker)
        case Standing.CONTROLLED_SHUTDOWN:
            changed = BrokerRegistrationChangeRecord(
                broker_id=broker.id, broker_epoch=broker.epoch, in_controlled_shutdown=SHUTTING_DOWN
            )
            return [changed, *leave(state, broker.id)]
        case _:
            return fence(state, broker)


def fence(state: ControllerState, broker: Broker) -> list[MetadataRecord]:
    """It leaves every ISR, which moves what it led; it stays in the ELR where it held all that counts."""
    fenced = BrokerRegistrationChangeRecord(broker_id=broker.id, broker_epoch=broker.epoch, fenced=FENCE)
    return [*leave(state, broker.id), fenced]


def unfence(state: ControllerState, broker: Broker) -> list[MetadataRecord]:
    """Partitions that wait for a leader may have found one."""
    unfenced = BrokerRegistrationChangeRecord(broker_id=broker.id, broker_epoch=broker.epoch, fenced=UNFENCE)
    return [unfenced, *elect_leaderless(state, coming=broker.id)]


def fence_silent(state: ControllerState, now_ms: int) -> list[MetadataRecord]:
    """One broker that is silent for longer than its session lasts, if any: its partitions may need the next one alive."""
    for broker in state.sessions.silent(state.image.brokers.values(), now_ms):
        state.sessions.forget(broker.id)
        return fence(state, broker)
    return []


def unregister(state: ControllerState, request: UnregisterBrokerRequest, now_ms: int) -> Decision:
    """A broker that will not come back."""
    broker = state.image.brokers.get(request.broker_id)
    if broker is None:
        unknown = ErrorCode.BROKER_ID_NOT_REGISTERED
        message = f"Broker ID {request.broker_id} is not currently registered"
        return decided([], UnregisterBrokerResponse(error_code=unknown, error_message=message))
    state.sessions.forget(broker.id)
    records = [
        *leave(state, broker.id),
        UnregisterBrokerRecord(broker_id=broker.id, broker_epoch=broker.epoch),
    ]
    return decided(records, UnregisterBrokerResponse())
