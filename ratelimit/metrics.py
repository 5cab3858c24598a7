"""What `/metrics` shows of the service, as a table; read when somebody asks, never counted twice."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ratelimit.failing import GuardedStore
from ratelimit.memory_store import MemoryStore
from serving.admin import Admin, Figure, Labels, Metric

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ratelimit.server import Server

BREAKER_STATES = ("closed", "half-open", "open")


def metrics_of(server: Server) -> list[Metric]:
    """One row a figure."""
    file, store = server.rules_file, server.store

    def decided() -> Mapping[Labels, Figure]:
        return {labels: count for labels, count in server.decided.items()}

    def answered() -> Mapping[Labels, Figure]:
        return {labels: count for labels, count in server.answered.items()}

    doc = "What each policy decided: allowed, denied, held back by another, would deny."
    return [
        Metric("decisions", "counter", doc, decided, ("policy", "result")),
        Metric("responses", "counter", "Answers by route and status.", answered, ("route", "status")),
        Metric("rules", "gauge", "Rules in use.", lambda: len(file.rules.rules)),
        Metric("rules_loaded", "counter", "How often rules were taken from the file.", lambda: file.loaded),
        Metric("rules_refused", "counter", "How often a changed file was not good.", lambda: file.refused),
        Metric("rules_bad", "gauge", "1 while older rules are in use.", lambda: int(file.trouble is not None)),
        *(memory_metrics(server, store) if isinstance(store, MemoryStore) else guard_metrics(store)),
    ]


def memory_metrics(server: Server, store: MemoryStore) -> list[Metric]:
    def keys() -> Mapping[Labels, Figure]:
        return {(policy.name,): len(store.table(policy.limit)) for policy in server.rules_file.rules.policies()}

    return [Metric("keys", "gauge", "Keys held for each policy.", keys, ("policy",))]


def guard_metrics(store: GuardedStore) -> list[Metric]:
    def state() -> Mapping[Labels, Figure]:
        now = store.breaker.state.value if store.breaker is not None else "closed"
        return {(one,): int(one == now) for one in BREAKER_STATES}

    return [
        Metric("store_failures", "counter", "Hits decided without the store.", lambda: store.failures),
        Metric("store_breaker", "gauge", "1 for the state of the circuit breaker.", state, ("state",)),
    ]


def admin_of(server: Server) -> Admin:
    """The side door of `server`.  A bad file is no reason to send requests elsewhere: the old rules are in use."""

    def trouble() -> str | None:
        store = server.store
        if isinstance(store, GuardedStore) and store.breaker is not None and store.breaker.state.value == "open":
            return "the store does not answer"
        return None

    return Admin("ratelimit", metrics_of(server), trouble)
