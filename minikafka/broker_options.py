"""Settings of brokers as clients may change them while they run.

The table of server.properties (options.py) says what there is and what may change; the rows that topics follow
(topic_options.py) say it in Kafka's words.  Names nobody knows are kept: a plugin of some broker may know them.

    IncrementalAlterConfigs broker "" log.retention.ms=x    42 Invalid value x for configuration log.retention.ms: Not a ...
    IncrementalAlterConfigs broker "" node.id=7             42 Cannot update these configs dynamically: Set(node.id)

Source: KIP-226; Kafka `DynamicBrokerConfig`.
"""

from __future__ import annotations

from collections.abc import Mapping

from minikafka.kinds import type_of
from minikafka.topic_options import FOLLOWED, Type
from minikafka.wire.errors import ErrorCode, KafkaError
from serving.config import Table


class BrokerOptions:
    """What the controller asks before it writes a broker's setting (`controller.state.Options`)."""

    def __init__(self, table: Table) -> None:
        self.table = table

    def validate(self, values: Mapping[str, str]) -> None:
        """Raises KafkaError (42)."""
        fixed = [name for name in values if self._is_fixed(name)]
        if fixed:
            raise KafkaError(
                ErrorCode.INVALID_REQUEST, f"Cannot update these configs dynamically: Set({', '.join(fixed)})"
            )
        for name, text in values.items():
            self._check(name, text)

    def _is_fixed(self, name: str) -> bool:
        option = self.table.find(name)
        return option is not None and not option.mutable

    def _check(self, name: str, text: str) -> None:
        option = self.table.find(name)
        try:
            if name in FOLLOWED:
                FOLLOWED[name].parse(text)
            elif option is not None:
                option.parse([text])
        except KafkaError as error:
            raise KafkaError(ErrorCode.INVALID_REQUEST, str(error)) from None
        except ValueError as error:
            raise KafkaError(
                ErrorCode.INVALID_REQUEST, f"Invalid value {text} for configuration {name}: {error}"
            ) from None

    def is_list(self, name: str) -> bool:
        if name in FOLLOWED:
            return FOLLOWED[name].type is Type.LIST
        option = self.table.find(name)
        return option is not None and type_of(option.kind) is Type.LIST

    def default(self, name: str) -> str | None:
        if name in FOLLOWED:
            return FOLLOWED[name].default
        option = self.table.find(name)
        return None if option is None or option.default is None else option.kind.text(option.default)
