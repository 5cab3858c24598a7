"""DescribeConfigs: what holds for a topic, a broker or a group, and what else has been said of it; and its change.

Every broker can answer for topics and groups; for a broker's own settings the client asks that broker, as only it knows
its file.  The same holds for a change of them, which the controller then writes as any other.

Source: Kafka `ConfigHelper.describeConfigs`, `ConfigAdminManager`; KIP-226, KIP-569.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

from minikafka.controller.image import ResourceType
from minikafka.effective import Said
from minikafka.group_options import GROUP_OPTIONS
from minikafka.handlers.admin import forward
from minikafka.kinds import type_of
from minikafka.topic_names import check_name
from minikafka.topic_options import TOPIC_OPTIONS, Source, Type
from minikafka.wire.errors import ErrorCode, KafkaError
from minikafka.wire.messages.configs import (
    AlterConfigsRequest,
    AlterConfigsResponse,
    DescribeConfigsRequest,
    DescribeConfigsResponse,
    IncrementalAlterConfigsRequest,
    IncrementalAlterConfigsResponse,
)

if TYPE_CHECKING:
    from minikafka.broker import Broker
    from minikafka.server import RequestContext

Result = DescribeConfigsResponse.Resource
Config = DescribeConfigsResponse.Resource.Config
Asked = DescribeConfigsRequest.Resource


def describe_configs(
    broker: Broker,
    request: DescribeConfigsRequest,
    context: RequestContext,
    reply: Callable[[DescribeConfigsResponse], None],
) -> None:
    """Each resource's settings, or those of the names asked for."""
    results = []
    for asked in request.resources:
        result = Result(
            resource_type=asked.resource_type, resource_name=asked.resource_name, error_message="", configs=[]
        )
        try:
            result.configs = list(configs_of(broker, asked, request))
        except KafkaError as error:
            result.error_code, result.error_message = error.code, str(error)
        results.append(result)
    reply(DescribeConfigsResponse(results=results))


def configs_of(broker: Broker, asked: Asked, request: DescribeConfigsRequest) -> Iterable[Config]:
    """Raises KafkaError."""
    if asked.resource_type == ResourceType.TOPIC:
        check_name(asked.resource_name)
        if asked.resource_name not in broker.image.topic_ids:
            raise KafkaError(ErrorCode.UNKNOWN_TOPIC_OR_PARTITION)
        return topic_configs(broker, asked, request)
    if asked.resource_type == ResourceType.GROUP:
        if not asked.resource_name:
            raise KafkaError(ErrorCode.INVALID_REQUEST, "Group name must not be empty")
        return group_configs(broker, asked, request)
    if asked.resource_type == ResourceType.BROKER:
        check_asked_itself(broker.me, asked.resource_name, " or empty string")
        return broker_configs(broker, asked, request)
    raise KafkaError(ErrorCode.INVALID_REQUEST, f"Unsupported resource type: {asked.resource_type}")


def check_asked_itself(me: int, name: str, or_else: str = "") -> None:
    """A broker knows its own settings and, under the empty name, those of all.  Raises KafkaError (42)."""
    if name and not name.removeprefix("-").isdecimal():
        raise KafkaError(ErrorCode.INVALID_REQUEST, f"Broker id must be an integer, but it is: {name}")
    if name not in ("", str(me)):
        raise KafkaError(
            ErrorCode.INVALID_REQUEST, f"Unexpected broker id, expected {me}{or_else}, but received {name}"
        )


def wanted(asked: Asked, names: Iterable[str]) -> Iterable[str]:
    """Of these names those asked for; asking for none is asking for all."""
    return (name for name in names if not asked.configuration_keys or name in asked.configuration_keys)


def topic_configs(broker: Broker, asked: Asked, request: DescribeConfigsRequest) -> Iterable[Config]:
    effective = broker.effective()
    for name in wanted(asked, TOPIC_OPTIONS.options):
        option = TOPIC_OPTIONS.options[name]
        value = effective.of_topic(asked.resource_name, option).value
        told = effective.told_of_topic(asked.resource_name, option)
        yield config(request, name, value, told, option.type, option.doc)


def group_configs(broker: Broker, asked: Asked, request: DescribeConfigsRequest) -> Iterable[Config]:
    """A group has settings whether it is there or not."""
    effective = broker.effective()
    for name in wanted(asked, GROUP_OPTIONS.options):
        option = GROUP_OPTIONS.options[name]
        holds = effective.of_group(asked.resource_name, option)
        yield config(request, name, holds.value, [holds], option.type, option.doc)


def broker_configs(broker: Broker, asked: Asked, request: DescribeConfigsRequest) -> Iterable[Config]:
    """Of this broker: all it knows; of all brokers (the empty name): what was set for all."""
    effective = broker.effective()
    table = broker.settings.table
    dynamic = effective.set_while_running(asked.resource_name)
    names = dict.fromkeys(dynamic)
    if asked.resource_name:
        names |= dict.fromkeys(option.name for option in table.options if not option.ours and not option.hidden)
    for name in wanted(asked, names):
        option = table.find(name)
        if option is None:
            yield unknown(request, name, dynamic[name])
            continue
        told = effective.told_of_broker(name)
        if not asked.resource_name:
            told = [each for each in told if each.source is Source.ALL_BROKERS]
        value = told[0].value if told else effective.of_broker(name)
        yield config(request, name, value, told, type_of(option.kind), option.doc, read_only=not option.mutable)


def unknown(request: DescribeConfigsRequest, name: str, source: Source) -> Config:
    """What was set and nobody knows may be a secret."""
    synonym = Config.Synonym(name=name, value=None, source=source)
    return Config(
        name=name,
        value=None,
        read_only=True,
        config_source=source,
        is_sensitive=True,
        synonyms=[synonym] if request.include_synonyms else [],
    )


def config(
    request: DescribeConfigsRequest,
    name: str,
    value: str | None,
    told: Sequence[Said],
    kind: Type,
    doc: str,
    *,
    read_only: bool = False,
) -> Config:
    """One setting as the client asked to see it."""
    return Config(
        name=name,
        value=value,
        read_only=read_only,
        config_source=told[0].source if told else Source.DEFAULT,
        synonyms=[
            Config.Synonym(name=each.name, value=each.value, source=each.source)
            for each in (told if request.include_synonyms else ())
        ],
        config_type=kind,
        documentation=doc if request.include_documentation else None,
    )


def alter_configs(
    broker: Broker,
    request: AlterConfigsRequest,
    context: RequestContext,
    reply: Callable[[AlterConfigsResponse], None],
) -> None:
    """Settings replaced as a whole."""
    change(broker, request, AlterConfigsResponse, context, reply)


def incremental_alter_configs(
    broker: Broker,
    request: IncrementalAlterConfigsRequest,
    context: RequestContext,
    reply: Callable[[IncrementalAlterConfigsResponse], None],
) -> None:
    """Settings changed one by one."""
    change(broker, request, IncrementalAlterConfigsResponse, context, reply)


def change(broker: Broker, request: Any, response: Any, context: RequestContext, reply: Callable[[Any], None]) -> None:
    """Refuse what is for other brokers to change; the rest is for the controller."""
    refused, others = [], []
    for resource in request.resources:
        try:
            if resource.resource_type == ResourceType.BROKER:
                check_asked_itself(broker.me, resource.resource_name)
            others.append(resource)
        except KafkaError as error:
            refused.append(
                response.Resource(
                    error_code=error.code,
                    error_message=str(error),
                    resource_type=resource.resource_type,
                    resource_name=resource.resource_name,
                )
            )
    if refused and not others:
        reply(response(responses=refused))
        return

    def answered(answer: Any) -> None:
        answer.responses += refused
        reply(answer)

    request.resources = others
    forward(broker, request, context, answered)
