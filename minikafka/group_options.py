"""Every setting a group may have, in the table of topic_options.py.  Rows and texts are those of Apache Kafka 4.1.1."""

from __future__ import annotations

import re
from typing import Any

from minikafka.topic_options import OptionTable, Type, at_least, invalid, one_of, row

AUTO_RESET = re.compile(r"latest|earliest|by_duration:P.+")


def auto_offset_reset(name: str, value: Any) -> None:
    if not AUTO_RESET.fullmatch(value):
        raise invalid(name, value, "the value should be latest, earliest or by_duration:PnDTnHnMn.nS")


# fmt: off
GROUP_OPTIONS = OptionTable("group", [
    row("consumer.heartbeat.interval.ms", Type.INT, 5_000, at_least(1), "group.consumer.heartbeat.interval.ms",
        "How often members of a consumer group (KIP-848) should be heard."),
    row("consumer.session.timeout.ms", Type.INT, 45_000, at_least(1), "group.consumer.session.timeout.ms",
        "How long a member of a consumer group (KIP-848) may be silent."),
    row("share.auto.offset.reset", Type.STRING, "latest", auto_offset_reset, "",
        "Where a share group begins."),
    row("share.heartbeat.interval.ms", Type.INT, 5_000, at_least(1), "group.share.heartbeat.interval.ms",
        "How often members of a share group should be heard."),
    row("share.isolation.level", Type.STRING, "read_uncommitted", one_of("read_committed", "read_uncommitted"), "",
        "Whether a share group sees records of open transactions."),
    row("share.record.lock.duration.ms", Type.INT, 30_000, at_least(1_000), "group.share.record.lock.duration.ms",
        "How long a record of a share group is its taker's."),
    row("share.session.timeout.ms", Type.INT, 45_000, at_least(1), "group.share.session.timeout.ms",
        "How long a member of a share group may be silent."),
    row("streams.heartbeat.interval.ms", Type.INT, 5_000, at_least(1), "group.streams.heartbeat.interval.ms",
        "How often members of a streams group should be heard."),
    row("streams.num.standby.replicas", Type.INT, 0, at_least(0), "group.streams.num.standby.replicas",
        "Spare copies of a streams task's state."),
    row("streams.session.timeout.ms", Type.INT, 45_000, at_least(1), "group.streams.session.timeout.ms",
        "How long a member of a streams group may be silent."),
])
# fmt: on
