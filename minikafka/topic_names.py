"""What a topic may be called.

A topic's partitions are folders of its name, and metrics are named after it: hence few letters, and not too many.

Source: Kafka `org.apache.kafka.common.internals.Topic`.
"""

import re

from minikafka.wire.errors import ErrorCode, KafkaError

NAME_LENGTH_MAX = 249  # a folder is named after the topic, with the partition's number and a suffix behind
LEGAL_NAME = re.compile(r"[a-zA-Z0-9._-]+")


def check_name(name: str) -> None:
    """Raises KafkaError (17) if no topic may be called so."""

    def refused(reason: str) -> KafkaError:
        return KafkaError(ErrorCode.INVALID_TOPIC_EXCEPTION, f"Topic name is invalid: {reason}")

    if not name:
        raise refused("the empty string is not allowed")
    if name in (".", ".."):
        raise refused(f"'{name}' is not allowed")
    if len(name) > NAME_LENGTH_MAX:
        raise refused(f"the length of '{name}' is longer than the max allowed length {NAME_LENGTH_MAX}")
    if not LEGAL_NAME.fullmatch(name):
        raise refused(f"'{name}' contains one or more characters other than ASCII alphanumerics, '.', '_' and '-'")
