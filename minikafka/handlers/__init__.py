"""Which function answers which API: by what a listener serves, then by key.

    def produce(broker, request, context, reply): ...          reply(response) now, or when it may

A handler reads a declared message, calls the engine, writes a declared message.  It keeps nothing: what must wait hangs in
the engine with a deadline and calls `reply` later.  Reading order: cluster, metadata, produce, fetch, list_offsets; then
groups and offsets; then what goes to the controller.
"""

from __future__ import annotations

from collections.abc import Callable

from minikafka.handlers.admin import forward
from minikafka.handlers.cluster import api_versions
from minikafka.handlers.configs import alter_configs, describe_configs, incremental_alter_configs
from minikafka.handlers.envelope import envelope
from minikafka.handlers.fetch import fetch
from minikafka.handlers.groups import (
    delete_groups,
    describe_groups,
    find_coordinator,
    heartbeat,
    join_group,
    leave_group,
    list_groups,
    sync_group,
)
from minikafka.handlers.leader_epochs import offset_for_leader_epoch
from minikafka.handlers.list_offsets import list_offsets
from minikafka.handlers.metadata import metadata
from minikafka.handlers.offsets import offset_commit, offset_delete, offset_fetch
from minikafka.handlers.produce import produce
from minikafka.handlers.producer_ids import init_producer_id

HANDLERS: dict[str, dict[int, Callable[..., None]]] = {
    "broker": {
        0: produce,
        1: fetch,
        2: list_offsets,
        3: metadata,
        8: offset_commit,
        9: offset_fetch,
        10: find_coordinator,
        11: join_group,
        12: heartbeat,
        13: leave_group,
        14: sync_group,
        15: describe_groups,
        16: list_groups,
        18: api_versions,
        19: forward,  # CreateTopics
        20: forward,  # DeleteTopics
        22: init_producer_id,
        23: offset_for_leader_epoch,
        32: describe_configs,
        33: alter_configs,
        37: forward,  # CreatePartitions
        42: delete_groups,
        43: forward,  # ElectLeaders
        44: incremental_alter_configs,
        47: offset_delete,
    },
    "controller": {
        58: envelope,
    },
}
