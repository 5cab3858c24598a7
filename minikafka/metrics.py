"""What `/metrics` shows of a node, as a table; read when somebody asks, never counted twice.

Without these a chaos report explains nothing: they say who was fenced, which in-sync sets shrank, what waited, and how late
the loop was.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from serving.admin import Admin, Metric, connection_metrics

if TYPE_CHECKING:
    from minikafka.node import Node
    from minikafka.replication.partition import Partition


def metrics_of(node: Node) -> list[Metric]:
    """One row a figure."""
    return [
        *connection_metrics(node.server.connections),
        Metric(
            "loop_lag_seconds", "gauge", "How late the event loop was at its worst of late.", lambda: node.loop_lag_s
        ),
        *(broker_metrics(node) if node.is_broker else ()),
        *(controller_metrics(node) if node.is_controller else ()),
    ]


def broker_metrics(node: Node) -> list[Metric]:
    def partitions() -> list[Partition]:
        return list(node.broker.partitions.values()) if node.broker is not None else []

    def leading(when: Callable[[Partition], bool]) -> Callable[[], float]:
        return lambda: sum(1 for each in partitions() if each.leading and when(each))

    def total(read: Callable[[Partition], float]) -> Callable[[], float]:
        return lambda: sum(map(read, partitions()))

    broker = node.broker
    assert broker is not None and node.lifecycle is not None
    lifecycle = node.lifecycle
    return [
        Metric("partitions", "gauge", "Replicas held here.", lambda: len(partitions())),
        Metric("leaders", "gauge", "Partitions led here.", leading(lambda _: True)),
        Metric("under_replicated_partitions", "gauge", "Led here, with replicas out of sync.",
               leading(lambda each: len(each.isr) < len(each.replicas))),
        Metric("under_min_isr_partitions", "gauge", "Led here, with too few in sync for acks=all.",
               leading(lambda each: each.under_min_isr)),
        Metric("offline_partitions", "gauge", "Without any leader.", total(lambda each: each.leader < 0)),
        Metric("isr_shrinks", "counter", "In-sync sets that lost a member, while led here.",
               total(lambda each: each.isr_shrinks)),
        Metric("isr_expands", "counter", "In-sync sets that gained one.", total(lambda each: each.isr_expands)),
        Metric("high_watermark_lag_records", "gauge", "Records not committed yet, of partitions led here.",
               total(lambda each: each.log.log_end_offset - each.log.high_watermark if each.leading else 0)),
        Metric("waiting_requests", "gauge", "Produces and fetches that wait.", lambda: len(broker.deadlines)),
        Metric("fetch_sessions", "gauge", "Fetch sessions, of followers and consumers.", lambda: len(broker.sessions)),
        Metric("fenced", "gauge", "1 while the controller keeps this broker fenced.",
               lambda: int(lifecycle.standing.fenced)),
        Metric("records_in", "counter", "Records produced to leaders here.", lambda: broker.records_in),
        Metric("bytes_out", "counter", "Bytes of records given to consumers.", lambda: broker.bytes_out),
        Metric("replication_bytes_in", "counter", "Bytes copied from leaders.",
               lambda: sum(link.fetcher.bytes_in for link in broker.fetchers.links.values())),
        Metric("log_size_bytes", "gauge", "Bytes of all logs.", total(lambda each: each.log.size)),
        Metric("metadata_offset", "gauge", "Of the metadata log, as applied here.", lambda: broker.image.offset),
    ]  # fmt: skip


def controller_metrics(node: Node) -> list[Metric]:
    quorum = node.quorum
    assert quorum is not None
    return [
        Metric("active_controller", "gauge", "1 on the controller that decides.", lambda: int(quorum.is_active())),
        Metric("controller_elections", "counter", "How often this one took over.", lambda: quorum.elections),
        Metric("quorum_term", "gauge", "Raft's term.", lambda: quorum.term),
        Metric("quorum_committed_offset", "gauge", "Of the metadata log.", lambda: quorum.image.offset),
        Metric("fenced_brokers", "gauge", "Registered and fenced.",
               lambda: sum(broker.fenced for broker in quorum.image.brokers.values())),
        Metric("topics", "gauge", "Topics there are.", lambda: len(quorum.image.topics)),
    ]  # fmt: skip


def admin_of(node: Node) -> Admin:
    """The side door of `node`."""

    def trouble() -> str | None:
        if not node.ready:
            return "starting"
        if node.lifecycle is not None and node.lifecycle.standing.fenced:
            return "fenced"
        return None

    return Admin("minikafka", metrics_of(node), trouble)
