"""Settings of topics, brokers and groups, changed while the cluster runs: AlterConfigs, IncrementalAlterConfigs.

    AlterConfigs              these are the settings; what is not named goes back to its default
    IncrementalAlterConfigs   set, delete, append to or subtract from a list; what is not named stays

A resource's settings are checked as they would be afterwards, all together.  The image holds only what was set;
defaults and what a broker's file says are for who asks (effective.py).

`min.insync.replicas` is more than a setting.  Who is eligible to lead was decided by the old value, so a new one
voids the ELR of the topics concerned; and every node must see the same value, so no single broker may have its own.

Source: KIP-133, KIP-339, KIP-966; Kafka `ConfigurationControlManager`, `ConfigAdminManager`.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum

from minikafka.controller.image import ResourceType
from minikafka.controller.state import ControllerState, Decision, decided
from minikafka.records.metadata import ClearElrRecord, ConfigRecord, MetadataRecord
from minikafka.topic_names import check_name
from minikafka.topic_options import TOPIC_OPTIONS
from minikafka.wire.errors import ErrorCode, KafkaError
from minikafka.wire.messages.configs import (
    AlterConfigsRequest,
    AlterConfigsResponse,
    IncrementalAlterConfigsRequest,
    IncrementalAlterConfigsResponse,
)

MIN_ISR = "min.insync.replicas"
VALUE_LENGTH_MAX = 32_767


class Operation(IntEnum):
    """What IncrementalAlterConfigs does to a setting."""

    SET = 0
    DELETE = 1
    APPEND = 2
    SUBTRACT = 3


@dataclass(frozen=True, slots=True)
class Change:
    """One change of one setting; `value` is None for DELETE only."""

    name: str
    operation: int
    value: str | None


def incremental_alter_configs(state: ControllerState, request: IncrementalAlterConfigsRequest, now_ms: int) -> Decision:
    """Each resource is answered for itself, all that are good are one entry."""
    records: list[MetadataRecord] = []
    responses = []
    times = Counter((resource.resource_type, resource.resource_name) for resource in request.resources)
    for resource in request.resources:
        code, message = ErrorCode.NONE, None
        try:
            check_once(times[resource.resource_type, resource.resource_name])
            changes = [Change(config.name, config.config_operation, config.value) for config in resource.configs]
            check_values(changes)
            records += with_cleared_elr(
                checked_changes(state, known_type(resource.resource_type), resource.resource_name, changes)
            )
        except KafkaError as error:
            code, message = error.code, str(error) or None
        responses.append(
            IncrementalAlterConfigsResponse.Resource(
                error_code=code,
                error_message=message,
                resource_type=resource.resource_type,
                resource_name=resource.resource_name,
            )
        )
    response = IncrementalAlterConfigsResponse(responses=responses)
    return decided([] if request.validate_only else records, response)


def alter_configs(state: ControllerState, request: AlterConfigsRequest, now_ms: int) -> Decision:
    """The older call: what is not named is deleted.  Two tools at once undo each other, hence the newer one."""
    records: list[MetadataRecord] = []
    responses = []
    times = Counter((resource.resource_type, resource.resource_name) for resource in request.resources)
    for resource in request.resources:
        code, message = ErrorCode.NONE, None
        try:
            check_once(times[resource.resource_type, resource.resource_name])
            changes = [Change(config.name, Operation.SET, config.value) for config in resource.configs]
            check_values(changes)
            named = {change.name for change in changes}
            current = state.image.configs.get((resource.resource_type, resource.resource_name), {})
            changes += [Change(name, Operation.DELETE, None) for name in current if name not in named]
            records += with_cleared_elr(
                checked_changes(state, known_type(resource.resource_type), resource.resource_name, changes)
            )
        except KafkaError as error:
            code, message = error.code, str(error)
        responses.append(
            AlterConfigsResponse.Resource(
                error_code=code,
                error_message=message,
                resource_type=resource.resource_type,
                resource_name=resource.resource_name,
            )
        )
    return decided([] if request.validate_only else records, AlterConfigsResponse(responses=responses))


def check_once(times: int) -> None:
    if times > 1:
        raise KafkaError(ErrorCode.INVALID_REQUEST, "Each resource must appear at most once.")


def check_values(changes: Sequence[Change]) -> None:
    """What can be said of changes without knowing their resource.  Raises KafkaError (42)."""
    if len({change.name for change in changes}) < len(changes):
        raise KafkaError(ErrorCode.INVALID_REQUEST, "Error due to duplicate config keys")
    without_value = [change.name for change in changes if change.value is None and change.operation != Operation.DELETE]
    if without_value:
        raise KafkaError(ErrorCode.INVALID_REQUEST, f"Null value not supported for : {','.join(without_value)}")


def known_type(resource_type: int) -> ResourceType:
    """Raises KafkaError (42) for types whose settings are not kept in the log."""
    if resource_type not in (ResourceType.TOPIC, ResourceType.BROKER, ResourceType.GROUP):
        raise KafkaError(ErrorCode.INVALID_REQUEST, f"Unknown resource type {resource_type}")
    return ResourceType(resource_type)


def checked_changes(
    state: ControllerState, resource_type: ResourceType, name: str, changes: Sequence[Change], new: bool = False
) -> list[ConfigRecord]:
    """The records of `changes`, once the resource would be valid with them; `new`: it is created with them.

    Raises KafkaError.
    """
    current = state.image.configs.get((resource_type, name), {})
    after = dict(current)
    records = []
    for change in changes:
        value = value_after(state, resource_type, current.get(change.name), change)
        check_min_isr(resource_type, name, change.name, value)
        if value is None:
            after.pop(change.name, None)
        elif len(value) > VALUE_LENGTH_MAX:
            raise KafkaError(
                ErrorCode.INVALID_CONFIG,
                "The configuration value cannot be added because it exceeds the maximum value size of 32767 bytes.",
            )
        else:
            after[change.name] = value
        # Equal values of brokers are written too: they reload files (keystores) when told to set them again.
        if value != current.get(change.name) or resource_type is ResourceType.BROKER:
            records.append(ConfigRecord(resource_type=resource_type, resource_name=name, name=change.name, value=value))
    check_resource_name(resource_type, name)
    options = state.settings.options.get(resource_type)
    if options is not None:
        options.validate(after)
    if not new:
        check_resource(state, resource_type, name)
    return records


def value_after(state: ControllerState, resource_type: ResourceType, current: str | None, change: Change) -> str | None:
    """What the setting is after `change`.  Raises KafkaError (40)."""
    if change.operation in (Operation.SET, Operation.DELETE):
        return change.value if change.operation == Operation.SET else None
    if change.operation not in (Operation.APPEND, Operation.SUBTRACT):
        raise unknown_operation(resource_type, change.operation)
    operation = Operation(change.operation)
    options = state.settings.options.get(resource_type)
    if options is None or not options.is_list(change.name):
        raise KafkaError(
            ErrorCode.INVALID_CONFIG,
            f"Can't {operation.name} to key {change.name} because its type is not LIST.",
        )
    text = options.default(change.name) if current is None else current
    words = text.split(",") if text else []
    for word in (change.value or "").split(","):
        if operation is Operation.SUBTRACT and word in words:
            words.remove(word)
        elif operation is Operation.APPEND and word not in words:
            words.append(word)
    return ",".join(words)


def unknown_operation(resource_type: ResourceType, operation: int) -> KafkaError:
    """Kafka's brokers look at it in changes of their own settings; its controller fails with a message of null."""
    if resource_type is ResourceType.BROKER:
        return KafkaError(ErrorCode.INVALID_REQUEST, f"Unknown operations type {operation}")
    return KafkaError(ErrorCode.UNKNOWN_SERVER_ERROR, "")


def check_min_isr(resource_type: ResourceType, resource_name: str, name: str, value: str | None) -> None:
    if name != MIN_ISR or resource_type is not ResourceType.BROKER:
        return
    if resource_name:
        raise KafkaError(
            ErrorCode.INVALID_CONFIG, "Broker-level min.insync.replicas cannot be altered while ELR is enabled."
        )
    if value is None:
        raise KafkaError(
            ErrorCode.INVALID_CONFIG, "Cluster-level min.insync.replicas cannot be removed while ELR is enabled."
        )
    try:
        TOPIC_OPTIONS.parse(MIN_ISR, value)
    except KafkaError as error:
        raise KafkaError(ErrorCode.INVALID_REQUEST, str(error)) from None


def check_resource_name(resource_type: ResourceType, name: str) -> None:
    """Raises KafkaError (17, 42)."""
    match resource_type:
        case ResourceType.TOPIC | ResourceType.GROUP if not name:
            kind = resource_type.name.lower()
            raise KafkaError(ErrorCode.INVALID_REQUEST, f"Default {kind} resources are not allowed.")
        case ResourceType.TOPIC:
            check_name(name)
        case ResourceType.BROKER if name:
            if not name.removeprefix("-").isdecimal():
                raise KafkaError(ErrorCode.INVALID_REQUEST, f"Node id must be an integer, but it is: {name}")
            if int(name) < 0:
                raise KafkaError(ErrorCode.INVALID_REQUEST, "Invalid negative broker ID.")


def check_resource(state: ControllerState, resource_type: ResourceType, name: str) -> None:
    """Raises KafkaError (3, 102) if there is nothing of that name; groups need not exist yet."""
    if resource_type is ResourceType.TOPIC and name not in state.image.topic_ids:
        raise KafkaError(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION, f"The topic '{name}' does not exist.")
    if resource_type is ResourceType.BROKER and name and int(name) not in state.image.brokers:
        raise KafkaError(ErrorCode.BROKER_ID_NOT_REGISTERED, f"No node with id {name} found.")


def with_cleared_elr(records: Sequence[ConfigRecord]) -> list[MetadataRecord]:
    """`records`, and what another `min.insync.replicas` voids."""
    cleared = [
        ClearElrRecord(topic_name=record.resource_name if record.resource_type == ResourceType.TOPIC else "")
        for record in records
        if record.name == MIN_ISR
    ]
    return [*records, *cleared]
