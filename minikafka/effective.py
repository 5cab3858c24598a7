"""What a setting is for a topic or a broker, out of all the places that may say so.

    topic       its own setting                           kafka-configs --entity-type topics
    broker      a dynamic setting of this very broker     --entity-type brokers --entity-name 1
    brokers     a dynamic setting for all                 --entity-default
    file        server.properties, environment, arguments
    default     the table's

The first that says something wins; DescribeConfigs lists all that do, in this order, as `synonyms`.  A topic's setting
follows a broker's of another name (`retention.ms` follows `log.retention.ms`, then minutes, then hours).

Source: Kafka `LogConfig`, `ConfigHelper`, `DynamicBrokerConfig`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

from minikafka.controller.image import MetadataImage, ResourceType
from minikafka.topic_options import TOPIC_OPTIONS, Follows, Source, TopicOption


class Said(NamedTuple):
    """One place that says something.  `name` is the setting's there."""

    name: str
    value: str
    source: Source


class Effective:
    """Settings as broker `me` sees them now: its file, and the metadata's dynamic settings over it."""

    def __init__(self, image: MetadataImage, me: int, settings: Any) -> None:
        self.image, self.me, self.settings = image, me, settings

    def of_topic(self, topic: str, option: TopicOption) -> list[Said]:
        """All that is said of a topic's setting, the one that holds first."""
        said = []
        own = self.image.config(ResourceType.TOPIC, topic, option.name)
        if own is not None:
            said.append(Said(option.name, own, Source.TOPIC))
        for follows in option.follows:
            said += self._of_broker(follows)
        if not option.follows or not any(each.source is Source.DEFAULT for each in said):
            said.append(Said(option.follows[0].name if option.follows else option.name, option.default, Source.DEFAULT))
        return sorted(said, key=lambda each: each.source)

    def told_of_topic(self, topic: str, option: TopicOption) -> list[Said]:
        """The same as DescribeConfigs lists it, which knows of several broker settings only the first, and of a default
        only where that one has it: a retention by `log.retention.hours` holds, and is told without saying whence."""
        said = self.of_topic(topic, option)
        if not option.follows:
            return said
        first = option.follows[0].name
        broker_option = self.settings.table.find(first)
        has_default = broker_option is None or broker_option.default is not None
        return [
            each
            for each in said
            if each.source is Source.TOPIC
            or (each.name == first and (each.source is not Source.DEFAULT or has_default))
        ]

    def of_broker(self, name: str) -> list[Said]:
        """All that is said of a broker's setting."""
        said = list(self._of_broker(Follows(name)))
        option = self.settings.table.find(name)
        if option is not None and option.default not in (None, ""):
            said.append(Said(name, option.kind.text(option.default), Source.DEFAULT))
        return said

    def _of_broker(self, follows: Follows) -> Iterator[Said]:
        for resource, source in ((str(self.me), Source.BROKER), ("", Source.ALL_BROKERS)):
            value = self.image.config(ResourceType.BROKER, resource, follows.name)
            if value is not None:
                yield Said(follows.name, value, source)
        option = self.settings.table.find(follows.name)
        if option is not None and option.name in self.settings.where:
            value = self.settings.text(option.name)
            if value:
                yield Said(follows.name, value, Source.FILE)

    def topic_value(self, topic: str, name: str) -> Any:
        """The value that holds for a topic, with its type."""
        option = TOPIC_OPTIONS.options[name]
        holds = self.of_topic(topic, option)[0]
        factor = next((each.factor for each in option.follows if each.name == holds.name), 1)
        if holds.source in (Source.TOPIC, Source.DEFAULT):
            return option.parse(holds.value)
        value = option.parse(holds.value) if factor == 1 else int(holds.value)
        return value * factor if factor != 1 and value > 0 else value
