"""Features: what every node of the cluster may rely on, as levels in the log.  And the first entry of all.

A node supports a range of levels of each feature; the cluster runs on one level, finalized by a record.  So a new way
of writing records begins everywhere at the same offset, after an operator said that no old node will come back.

The first active controller finds an empty log and writes what a formatted Kafka carries in its bootstrap snapshot:
the cluster's id, the levels, and `min.insync.replicas` of all brokers.  The last, because ELR decisions need one
value that all agree on: with ELR, Kafka 4.1 too lifts it from the file into the log and refuses to vary it by broker.

Source: KIP-584, KIP-778; Kafka `FeatureControlManager`, `ActivationRecordsGenerator`.
"""

from base64 import urlsafe_b64encode
from dataclasses import dataclass
from random import Random

from minikafka.controller.image import ResourceType
from minikafka.controller.state import ControllerSettings, ControllerState, Decision, decided
from minikafka.records.metadata import ClusterIdRecord, ConfigRecord, FeatureLevelRecord, MetadataRecord
from minikafka.wire.errors import ErrorCode, KafkaError
from minikafka.wire.messages.cluster import UpdateFeaturesRequest, UpdateFeaturesResponse

UPGRADE, SAFE_DOWNGRADE, UNSAFE_DOWNGRADE = 1, 2, 3  # upgrade_type


@dataclass(frozen=True, slots=True)
class FeatureLevels:
    """Levels our nodes can run with, and the one a new cluster begins with; 0: not used."""

    minimum: int
    maximum: int
    initial: int


FEATURES = {
    "metadata.version": FeatureLevels(27, 27, 27),  # Kafka 4.1-IV1: the record versions we write
    "eligible.leader.replicas.version": FeatureLevels(1, 1, 1),
}


def bootstrap_records(settings: ControllerSettings, cluster_id: str) -> list[MetadataRecord]:
    return [
        ClusterIdRecord(cluster_id=cluster_id),
        *(FeatureLevelRecord(name=name, feature_level=levels.initial) for name, levels in FEATURES.items()),
        ConfigRecord(
            resource_type=ResourceType.BROKER,
            resource_name="",
            name="min.insync.replicas",
            value=str(settings.min_insync_replicas),
        ),
    ]


def new_cluster_id(random: Random) -> str:
    """16 random bytes in Kafka's text form of a Uuid."""
    return urlsafe_b64encode(random.randbytes(16)).rstrip(b"=").decode()


def update_features(state: ControllerState, request: UpdateFeaturesRequest, now_ms: int) -> Decision:
    """All updates or none."""
    records: list[MetadataRecord] = []
    try:
        for update in request.feature_updates:
            level = checked_level(state, update)
            if level != state.image.features.get(update.feature, 0):
                records.append(FeatureLevelRecord(name=update.feature, feature_level=level))
    except KafkaError as error:
        message = f"The update failed for all features since the following feature had an error: {error}"
        return decided([], UpdateFeaturesResponse(error_code=error.code, error_message=message))
    results = [  # only in the answers of versions 0 and 1
        UpdateFeaturesResponse.Result(feature=update.feature, error_message="NONE")
        for update in request.feature_updates
    ]
    return decided([] if request.validate_only else records, UpdateFeaturesResponse(results=results))


def checked_level(state: ControllerState, update: UpdateFeaturesRequest.FeatureUpdate) -> int:
    """The level asked for.  Raises KafkaError."""
    name, level = update.feature, update.max_version_level

    def refused(reason: str) -> KafkaError:
        return KafkaError(
            ErrorCode.INVALID_UPDATE_VERSION, f"Invalid update version {level} for feature {name}. {reason}"
        )

    if level < 0:
        raise refused("A feature version cannot be less than 0.")
    if update.upgrade_type not in (UPGRADE, SAFE_DOWNGRADE, UNSAFE_DOWNGRADE):
        raise refused("The controller does not support the given upgrade type.")
    known = FEATURES.get(name)
    if known is None:
        raise refused(f"Local controller {state.settings.node_id} does not support this feature.")
    if not known.minimum <= level <= known.maximum:
        raise refused(
            f"Local controller {state.settings.node_id} only supports versions {known.minimum}-{known.maximum}"
        )
    current = state.image.features.get(name, 0)
    if level < current and update.upgrade_type == UPGRADE:
        raise refused(
            "Can't downgrade the version of this feature without setting the upgrade type to either safe or "
            "unsafe downgrade."
        )
    if level > current and update.upgrade_type != UPGRADE:
        raise refused("Can't downgrade to a newer version.")
    return level
