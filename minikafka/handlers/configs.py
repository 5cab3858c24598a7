"""DescribeConfigs: what holds for a topic or a broker, and what else has been said of it.

Every broker can answer for topics; for a broker's own settings the client asks that broker, as only it knows its file.

Source: Kafka `ConfigHelper.describeConfigs`; KIP-226, KIP-569.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from minikafka.controller.image import ResourceType
from minikafka.controller.topics import check_name
from minikafka.effective import Effective, Said
from minikafka.topic_options import TOPIC_OPTIONS, Source, Type
from minikafka.wire.errors import ErrorCode, KafkaError
from minikafka.wire.messages.configs import DescribeConfigsRequest, DescribeConfigsResponse
from serving.kinds import Boolean, CommaList, Real, Text

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
    """Each resource's settings, or those of the names asked for (null: all)."""
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
    if asked.resource_type == ResourceType.BROKER:
        if asked.resource_name not in ("", str(broker.me)):
            if not asked.resource_name.isdecimal():
                raise KafkaError(
                    ErrorCode.INVALID_REQUEST, f"Broker id must be an integer, but it is: {asked.resource_name}"
                )
            raise KafkaError(
                ErrorCode.INVALID_REQUEST,
                f"Unexpected broker id, expected {broker.me} or empty string, but received {asked.resource_name}",
            )
        return broker_configs(broker, asked, request)
    raise KafkaError(ErrorCode.INVALID_REQUEST, f"Unsupported resource type: {asked.resource_type}")


def wanted(asked: Asked, name: str) -> bool:
    return asked.configuration_keys is None or name in asked.configuration_keys


def topic_configs(broker: Broker, asked: Asked, request: DescribeConfigsRequest) -> Iterable[Config]:
    effective = Effective(broker.image, broker.me, broker.settings)
    for name, option in TOPIC_OPTIONS.options.items():
        if wanted(asked, name):
            said = effective.of_topic(asked.resource_name, option)
            value = said[0].value
            if said[0].source not in (Source.TOPIC, Source.DEFAULT):
                value = str(effective.topic_value(asked.resource_name, name)) if option.type is Type.LONG else value
            told = effective.told_of_topic(asked.resource_name, option)
            yield config(request, name, value, told, option.type, option.doc, read_only=False)


TYPE_OF_KIND = {Boolean: Type.BOOLEAN, CommaList: Type.LIST, Real: Type.DOUBLE, Text: Type.STRING}


def broker_configs(broker: Broker, asked: Asked, request: DescribeConfigsRequest) -> Iterable[Config]:
    """Of this broker: all it knows; of all brokers (the empty name): what was set for all."""
    effective = Effective(broker.image, broker.me, broker.settings)
    for option in broker.settings.table.options:
        if option.ours or not wanted(asked, option.name):
            continue
        said = effective.of_broker(option.name)
        if not asked.resource_name:
            said = [each for each in said if each.source is Source.ALL_BROKERS]
            if not said:
                continue
        kind = next((number for kind, number in TYPE_OF_KIND.items() if isinstance(option.kind, kind)), Type.LONG)
        value = said[0].value if said else option.kind.text(getattr(broker.settings, option.attribute)) or None
        yield config(request, option.name, value, said, kind, option.doc, read_only=not option.mutable)


def config(
    request: DescribeConfigsRequest,
    name: str,
    value: str | None,
    said: list[Said],
    kind: Type,
    doc: str,
    *,
    read_only: bool,
) -> Config:
    """One setting as the client asked to see it."""
    return Config(
        name=name,
        value=value,
        read_only=read_only,
        config_source=said[0].source if said else Source.DEFAULT,
        synonyms=[
            Config.Synonym(name=each.name, value=each.value, source=each.source)
            for each in (said if request.include_synonyms else ())
        ],
        config_type=kind,
        documentation=doc if request.include_documentation else None,
    )
