"""What a setting is for a topic, a group or a broker, out of all the places that may say so.

    topic       its own setting                           kafka-configs --entity-type topics
    broker      a dynamic setting of this very broker     --entity-type brokers --entity-name 1
    brokers     a dynamic setting for all                 --entity-default
    file        server.properties, environment, arguments
    default     the table's

The first that says something wins.  A topic's setting follows a broker's of another name, sometimes several in different
units: `retention.ms` follows `log.retention.ms`, then minutes, then hours.

DescribeConfigs lists all that is said, in this order, as `synonyms`, with gaps of its own: of several units it begins
with the name asked for, and of a topic's it asks for the first.  A retention by `log.retention.hours` alone so holds,
and is told without saying whence.

Source: Kafka `LogConfig`, `ConfigHelper`, `DynamicBrokerConfig`, `KafkaConfigSchema`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from itertools import dropwhile
from typing import Any, NamedTuple

from minikafka.controller.image import MetadataImage, ResourceType
from minikafka.options import defaults, given
from minikafka.topic_options import TOGETHER, TOPIC_OPTIONS, Source, TopicOption
from serving.config import Settings


class Said(NamedTuple):
    """One place that says something.  `name` is the setting's there."""

    name: str
    value: str
    source: Source


Layers = Sequence[tuple[Source, Mapping[str, str]]]
"""Brokers' settings by who says them, the one that goes before first."""


def broker_layers(image: MetadataImage, broker: int, file: Mapping[str, str]) -> Layers:
    """What is said to one broker, but for the defaults.  `file`: what its own file says."""
    return (
        (Source.BROKER, image.configs.get((ResourceType.BROKER, str(broker)), {})),
        (Source.ALL_BROKERS, image.configs.get((ResourceType.BROKER, ""), {})),
        (Source.FILE, file),
    )


def said(layers: Layers, *names: str) -> list[Said]:
    """All that is said under these names, the one that holds first."""
    return [Said(name, values[name], source) for source, values in layers for name in names if name in values]


def holding(option: TopicOption, own: Mapping[str, str], layers: Layers) -> Said:
    """What holds for a topic whose own settings are `own`; the value in the topic's unit."""
    if option.name in own:
        return Said(option.name, own[option.name], Source.TOPIC)
    factors = {follows.name: follows for follows in option.follows}
    for name, value, source in said(layers, *factors):
        return Said(name, factors[name].converted(value), source)
    return Said(option.name, option.default, Source.DEFAULT)


class Effective:
    """Settings as broker `me` sees them now: its file, and the metadata's dynamic settings over it."""

    def __init__(self, image: MetadataImage, me: int, settings: Settings) -> None:
        self.image, self.settings = image, settings
        self.layers = broker_layers(image, me, given(settings))

    def topic_value(self, topic: str, name: str) -> Any:
        """The value that holds for a topic, with its type."""
        option = TOPIC_OPTIONS.options[name]
        return option.parse(self.of_topic(topic, option).value)

    def of_topic(self, topic: str, option: TopicOption) -> Said:
        """What holds for a topic."""
        return holding(option, self._own(ResourceType.TOPIC, topic), self.layers)

    def of_group(self, group: str, option: TopicOption) -> Said:
        """What holds for a group: its own setting, or a default that brokers may give."""
        own = self._own(ResourceType.GROUP, group)
        value = holding(option, own, self.layers).value
        return Said(option.name, value, Source.GROUP if option.name in own else Source.DEFAULT)

    def broker_value(self, name: str) -> Any:
        """The value that holds for a setting of this broker, with its type."""
        option = self.settings.table.named[name]
        dynamic = said(self.layers, name)
        return option.parse([dynamic[0].value]) if dynamic else getattr(self.settings, option.attribute)

    def of_broker(self, name: str) -> str | None:
        """The same as text; None is null."""
        return next((each.value for each in said(self.with_defaults, name)), None)

    def told_of_topic(self, topic: str, option: TopicOption) -> list[Said]:
        """All that DescribeConfigs tells of a topic's setting."""
        own = self._own(ResourceType.TOPIC, topic).get(option.name)
        told = [] if own is None else [Said(option.name, own, Source.TOPIC)]
        return told + (self.told_of_broker(option.follows[0].name) if option.follows else [])

    def told_of_broker(self, name: str) -> list[Said]:
        """All that DescribeConfigs tells of a setting of this broker."""
        everything = said(self.with_defaults, *TOGETHER.get(name, (name,)))
        return list(dropwhile(lambda each: each.name != name, everything))

    def set_while_running(self, broker: str) -> dict[str, Source]:
        """The dynamic settings of this broker, or under the empty name of all, each with who it is of."""
        layers = [(source, values) for source, values in self.layers if source is not Source.FILE]
        if not broker:
            layers = [(source, values) for source, values in layers if source is Source.ALL_BROKERS]
        return {name: source for source, values in reversed(layers) for name in values}

    @cached_property
    def with_defaults(self) -> Layers:
        """The layers, and the defaults beneath."""
        return (*self.layers, (Source.DEFAULT, defaults(self.settings.table)))

    def _own(self, kind: ResourceType, name: str) -> Mapping[str, str]:
        return self.image.configs.get((kind, name), {})
