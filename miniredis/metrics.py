"""What `/metrics` shows of a Redis server, as a table; read when somebody asks, never counted twice.

The names follow the Prometheus exporter for Redis that people already have dashboards for, under our own prefix.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from serving.admin import Admin, Metric, connection_metrics

if TYPE_CHECKING:
    from miniredis.server import Server


def metrics_of(server: Server) -> list[Metric]:
    """One row a figure."""
    engine = server.engine
    stats, state = engine.stats, server.persistence.state

    def per_database(read: str) -> dict[tuple[str, ...], float]:
        return {(str(one.index),): len(getattr(one, read)) for one in engine.databases if one.values}

    return [
        *connection_metrics(server.connections),
        Metric("commands_processed", "counter", "Commands carried out.", lambda: stats.calls),
        Metric("command_calls", "counter", "Calls of each command.",
               lambda: {(name,): one.calls for name, one in list(stats.commands.items())}, labels=("cmd",)),
        Metric("command_seconds", "counter", "Seconds spent in each command.",
               lambda: {(name,): one.microseconds / 1e6 for name, one in list(stats.commands.items())},
               labels=("cmd",)),
        Metric("errors", "counter", "Error replies by their code.",
               lambda: {(code,): count for code, count in stats.errors.items()}, labels=("err",)),
        Metric("db_keys", "gauge", "Keys in each database.", lambda: per_database("values"), labels=("db",)),
        Metric("db_keys_expiring", "gauge", "Keys with a time to live.", lambda: per_database("expires"),
               labels=("db",)),
        Metric("keyspace_hits", "counter", "Look-ups that found a key.", lambda: engine.keyspace_hits),
        Metric("keyspace_misses", "counter", "Look-ups that found none.", lambda: engine.keyspace_misses),
        Metric("expired_keys", "counter", "Keys whose time had come.", lambda: engine.expired_keys),
        Metric("evicted_keys", "counter", "Keys removed to make room.", lambda: stats.evicted_keys),
        Metric("memory_used_bytes", "gauge", "Bytes of data, estimated.", lambda: engine.eviction.used()),
        Metric("memory_max_bytes", "gauge", "The limit; 0 is none.", lambda: engine.settings.maxmemory),
        Metric("blocked_clients", "gauge", "Clients that wait in a command.",
               lambda: len(engine.waiting.sessions)),
        Metric("net_input_bytes", "counter", "Bytes received.", lambda: stats.input_bytes),
        Metric("net_output_bytes", "counter", "Bytes sent.", lambda: stats.output_bytes),
        Metric("changes_since_save", "gauge", "Changes no snapshot holds yet.", lambda: engine.dirty),
        Metric("aof_size_bytes", "gauge", "Size of the append-only file.", lambda: state.log_size),
        Metric("last_save_timestamp_seconds", "gauge", "When a snapshot last succeeded.",
               lambda: state.last_save_ms / 1000),
    ]  # fmt: skip


def admin_of(server: Server) -> Admin:
    """The side door of `server`."""

    def trouble() -> str | None:
        if server.engine.loading:
            return "loading"
        return "cannot write" if server.engine.write_error else None

    return Admin("miniredis", metrics_of(server), trouble)
