"""INFO: everything a server knows about itself, as `name:value` lines in sections.

Monitoring tools read these lines, so names and order are Redis's.  Values are honest: what has no meaning here (an
allocator's arenas, replicas, clusters) is 0, and what we measure otherwise is said where it is measured: memory in
`eviction.py`, durations in `stats.py`.

A section is a function that yields fields; the table at the end says which belong to the default, `all`, and
`everything`.

Source: Redis 7.2 `server.c`, genRedisInfoString.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

from miniredis import REDIS_VERSION
from miniredis.command import LOADING, STALE, command
from miniredis.wire.replies import Verbatim

if TYPE_CHECKING:
    from miniredis.engine import Engine
    from miniredis.session import Session

Fields = Iterator[tuple[str, Any]]


@command("INFO [section [section ...]]", LOADING | STALE, group="server")
def info(session: Session, *sections: bytes) -> Verbatim:
    """Sections of figures: the usual ones, those named, `all` or `everything`.  O(1)."""
    wanted = {word.decode("latin-1").lower() for word in sections} or {"default"}
    if "default" in wanted:
        wanted |= DEFAULT
    everything = bool(wanted & {"all", "everything"})
    shown = []
    for name, (title, fields) in SECTIONS.items():
        if name in wanted or (everything and name != "debug"):
            lines = "".join(f"{field}:{value}\r\n" for field, value in fields(session.engine))
            shown.append(f"# {title}\r\n{lines}")
    return Verbatim("\r\n".join(shown))


def human(size: int) -> str:
    """`size` as people write it: 100B, 1.50K, 2.00M."""
    if size < 1024:
        return f"{size}B"
    power = min((size.bit_length() - 1) // 10, len(HUMAN_UNITS))
    return f"{size / 1024**power:.2f}{HUMAN_UNITS[power - 1]}"


HUMAN_UNITS = "KMGTP"


def server(engine: Engine) -> Fields:
    facts, settings = engine.host.facts, engine.settings
    uptime = (engine.clock.now_ms() - engine.started_ms) // 1000
    yield "redis_version", REDIS_VERSION
    yield "redis_git_sha1", "00000000"
    yield "redis_git_dirty", 0
    yield "redis_build_id", "0000000000000000"
    yield "redis_mode", "standalone"
    yield "os", facts.system
    yield "arch_bits", 64
    yield "monotonic_clock", "POSIX clock_gettime"
    yield "multiplexing_api", "asyncio"
    yield "atomicvar_api", "none"
    yield "gcc_version", "0.0.0"
    yield "process_id", facts.process_id
    yield "process_supervised", "no"
    yield "run_id", engine.run_id
    yield "tcp_port", facts.port
    yield "server_time_usec", engine.clock.now_ms() * 1000
    yield "uptime_in_seconds", uptime
    yield "uptime_in_days", uptime // 86400
    yield "hz", settings.hz
    yield "configured_hz", settings.hz
    yield "lru_clock", engine.now_ms // 1000 & 0xFFFFFF
    yield "executable", facts.executable
    yield "config_file", facts.config_file
    yield "io_threads_active", 0
    for number, listener in enumerate(facts.listeners):
        yield f"listener{number}", listener


def clients(engine: Engine) -> Fields:
    measured = [session.measure() for session in engine.sessions.values()]
    waiting = {key for database in engine.databases for key in database.blocked}
    yield "connected_clients", len(engine.sessions)
    yield "cluster_connections", 0
    yield "maxclients", engine.settings.maxclients
    yield "client_recent_max_input_buffer", max((unread for unread, _ in measured), default=0)
    yield "client_recent_max_output_buffer", max((unsent for _, unsent in measured), default=0)
    yield "blocked_clients", sum(session.blocked for session in engine.sessions.values())
    yield "tracking_clients", 0
    yield "clients_in_timeout_table", sum(blocked.timer is not None for blocked in engine.waiting.sessions.values())
    yield "total_blocking_keys", len(waiting)
    yield "total_blocking_keys_on_nokey", 0


def memory(engine: Engine) -> Fields:
    used, resident = engine.eviction.used(), engine.host.use().resident_bytes
    engine.peak_memory = max(engine.peak_memory, used)
    peak, limit = engine.peak_memory, engine.settings.maxmemory
    client_bytes = sum(sum(session.measure()) for session in engine.sessions.values())
    system = engine.host.facts.system_memory
    yield "used_memory", used
    yield "used_memory_human", human(used)
    yield "used_memory_rss", resident
    yield "used_memory_rss_human", human(resident)
    yield "used_memory_peak", peak
    yield "used_memory_peak_human", human(peak)
    yield "used_memory_peak_perc", f"{100 * used / peak if peak else 0:.2f}%"
    yield "used_memory_overhead", client_bytes
    yield "used_memory_startup", 0
    yield "used_memory_dataset", used
    yield "used_memory_dataset_perc", f"{100 if used else 0:.2f}%"
    yield "allocator_allocated", used
    yield "allocator_active", resident
    yield "allocator_resident", resident
    yield "total_system_memory", system
    yield "total_system_memory_human", human(system)
    for field in ("used_memory_lua", "used_memory_vm_eval"):
        yield field, 0
    yield "used_memory_lua_human", human(0)
    for field in (
        "used_memory_scripts_eval", "number_of_cached_scripts", "number_of_functions", "number_of_libraries",
        "used_memory_vm_functions", "used_memory_vm_total",
    ):  # fmt: skip
        yield field, len(engine.scripts.scripts) if field == "number_of_cached_scripts" else 0
    yield "used_memory_vm_total_human", human(0)
    yield "used_memory_functions", 0
    yield "used_memory_scripts", 0
    yield "used_memory_scripts_human", human(0)
    yield "maxmemory", limit
    yield "maxmemory_human", human(limit)
    yield "maxmemory_policy", engine.settings.maxmemory_policy
    yield "allocator_frag_ratio", "1.00"
    yield "allocator_frag_bytes", 0
    yield "allocator_rss_ratio", "1.00"
    yield "allocator_rss_bytes", 0
    yield "rss_overhead_ratio", "1.00"
    yield "rss_overhead_bytes", 0
    yield "mem_fragmentation_ratio", f"{resident / used if used else 0:.2f}"
    yield "mem_fragmentation_bytes", resident - used
    yield "mem_not_counted_for_evict", 0
    yield "mem_replication_backlog", 0
    yield "mem_total_replication_buffers", 0
    yield "mem_clients_slaves", 0
    yield "mem_clients_normal", client_bytes
    yield "mem_cluster_links", 0
    yield "mem_aof_buffer", engine.persistence.state.log_buffered
    yield "mem_allocator", "pymalloc"
    yield "active_defrag_running", 0
    yield "lazyfree_pending_objects", 0
    yield "lazyfreed_objects", 0


def persistence(engine: Engine) -> Fields:
    state, now_ms = engine.persistence.state, engine.clock.now_ms()
    saving, rewriting = state.child == "rdb", state.child == "aof"
    running_s = (now_ms - state.child_started_ms) // 1000
    done, total = state.child_keys_done, state.child_keys_total
    yield "loading", int(engine.loading)
    yield "async_loading", 0
    yield "current_cow_peak", 0
    yield "current_cow_size", 0
    yield "current_cow_size_age", 0
    yield "current_fork_perc", f"{100 * done / total if total else 0:.2f}"
    yield "current_save_keys_processed", done
    yield "current_save_keys_total", total
    yield "rdb_changes_since_last_save", engine.dirty
    yield "rdb_bgsave_in_progress", int(saving)
    yield "rdb_last_save_time", state.last_save_ms // 1000
    yield "rdb_last_bgsave_status", "ok" if state.last_save_ok else "err"
    yield "rdb_last_bgsave_time_sec", state.last_save_seconds
    yield "rdb_current_bgsave_time_sec", running_s if saving else -1
    yield "rdb_saves", state.saves
    yield "rdb_last_cow_size", 0
    yield "rdb_last_load_keys_expired", state.keys_expired
    yield "rdb_last_load_keys_loaded", state.keys_loaded
    yield "aof_enabled", int(engine.settings.appendonly)
    yield "aof_rewrite_in_progress", int(rewriting)
    yield "aof_rewrite_scheduled", int(state.rewrite_scheduled)
    yield "aof_last_rewrite_time_sec", state.last_rewrite_seconds
    yield "aof_current_rewrite_time_sec", running_s if rewriting else -1
    yield "aof_last_bgrewrite_status", "ok" if state.last_rewrite_ok else "err"
    yield "aof_rewrites", state.rewrites
    yield "aof_rewrites_consecutive_failures", state.rewrite_failures
    yield "aof_last_write_status", "ok" if state.last_write_ok else "err"
    yield "aof_last_cow_size", 0
    yield "module_fork_in_progress", 0
    yield "module_fork_last_cow_size", 0
    if engine.settings.appendonly:
        yield "aof_current_size", state.log_size
        yield "aof_base_size", state.log_base_size
        yield "aof_pending_rewrite", int(state.rewrite_scheduled)
        yield "aof_buffer_length", state.log_buffered
        yield "aof_pending_bio_fsync", state.log_pending_fsyncs
        yield "aof_delayed_fsync", state.log_delayed_fsyncs
    if engine.loading:
        loaded, size = state.loading_done_bytes, state.loading_total_bytes
        elapsed = (now_ms - state.loading_started_ms) // 1000
        yield "loading_start_time", state.loading_started_ms // 1000
        yield "loading_total_bytes", size
        yield "loading_rdb_used_mem", 0
        yield "loading_loaded_bytes", loaded
        yield "loading_loaded_perc", f"{100 * loaded / size if size else 0:.2f}"
        yield "loading_eta_seconds", elapsed * (size - loaded) // (loaded + 1) if elapsed else 1


def stats(engine: Engine) -> Fields:
    counted, pubsub, rates = engine.stats, engine.pubsub, engine.rates
    yield "total_connections_received", counted.connections_received
    yield "total_commands_processed", counted.calls
    yield "instantaneous_ops_per_sec", round(rates.commands)
    yield "total_net_input_bytes", counted.input_bytes
    yield "total_net_output_bytes", counted.output_bytes
    yield "total_net_repl_input_bytes", 0
    yield "total_net_repl_output_bytes", 0
    yield "instantaneous_input_kbps", f"{rates.input_bytes / 1024:.2f}"
    yield "instantaneous_output_kbps", f"{rates.output_bytes / 1024:.2f}"
    yield "instantaneous_input_repl_kbps", "0.00"
    yield "instantaneous_output_repl_kbps", "0.00"
    yield "rejected_connections", counted.connections_rejected
    yield "sync_full", 0
    yield "sync_partial_ok", 0
    yield "sync_partial_err", 0
    yield "expired_keys", engine.expired_keys
    yield "expired_stale_perc", f"{counted.expired_stale_percent:.2f}"
    yield "expired_time_cap_reached_count", counted.expired_time_cap_reached
    yield "expire_cycle_cpu_milliseconds", 0
    yield "evicted_keys", counted.evicted_keys
    yield "evicted_clients", counted.evicted_clients
    yield "total_eviction_exceeded_time", 0
    yield "current_eviction_exceeded_time", 0
    yield "keyspace_hits", engine.keyspace_hits
    yield "keyspace_misses", engine.keyspace_misses
    yield "pubsub_channels", len(pubsub.channels)
    yield "pubsub_patterns", len(pubsub.patterns)
    yield "pubsubshard_channels", len(pubsub.shard_channels)
    yield "latest_fork_usec", engine.persistence.state.last_fork_us
    yield "total_forks", engine.persistence.state.forks
    for field in NOT_HERE:
        yield field, 0
    yield "unexpected_error_replies", counted.unexpected_errors
    yield "total_error_replies", counted.error_replies
    yield "dump_payload_sanitizations", 0
    yield "total_reads_processed", counted.total_reads
    yield "total_writes_processed", counted.total_writes
    for field in ("io_threaded_reads_processed", "io_threaded_writes_processed", "reply_buffer_shrinks",
                  "reply_buffer_expands"):  # fmt: skip
        yield field, 0
    for field in ("eventloop_cycles", "eventloop_duration_sum", "eventloop_duration_cmd_sum",
                  "instantaneous_eventloop_cycles_per_sec", "instantaneous_eventloop_duration_usec"):  # fmt: skip
        yield field, counted.microseconds if field == "eventloop_duration_cmd_sum" else 0
    yield "acl_access_denied_auth", counted.failed_logins
    yield "acl_access_denied_cmd", 0
    yield "acl_access_denied_key", 0
    yield "acl_access_denied_channel", 0


NOT_HERE = (
    "migrate_cached_sockets", "slave_expires_tracked_keys", "active_defrag_hits", "active_defrag_misses",
    "active_defrag_key_hits", "active_defrag_key_misses", "total_active_defrag_time", "current_active_defrag_time",
    "tracking_total_keys", "tracking_total_items", "tracking_total_prefixes",
)  # fmt: skip
"""Figures of what this server does not do."""


def replication(engine: Engine) -> Fields:
    yield "role", "master"
    yield "connected_slaves", 0
    yield "master_failover_state", "no-failover"
    yield "master_replid", engine.replication_id
    yield "master_replid2", "0" * 40
    yield "master_repl_offset", engine.replication_offset
    yield "second_repl_offset", -1
    yield "repl_backlog_active", 0
    yield "repl_backlog_size", engine.settings.repl_backlog_size
    yield "repl_backlog_first_byte_offset", 0
    yield "repl_backlog_histlen", 0


def cpu(engine: Engine) -> Fields:
    use = engine.host.use()
    yield "used_cpu_sys", f"{use.system_seconds:.6f}"
    yield "used_cpu_user", f"{use.user_seconds:.6f}"
    yield "used_cpu_sys_children", f"{use.children_system_seconds:.6f}"
    yield "used_cpu_user_children", f"{use.children_user_seconds:.6f}"
    yield "used_cpu_sys_main_thread", f"{use.thread_system_seconds:.6f}"
    yield "used_cpu_user_main_thread", f"{use.thread_user_seconds:.6f}"


def modules(engine: Engine) -> Fields:
    yield from ()


def commandstats(engine: Engine) -> Fields:
    for name, counters in engine.stats.commands.items():
        calls, spent_us = counters.calls, counters.microseconds
        if calls or counters.rejected or counters.failed:
            yield (
                f"cmdstat_{name}",
                f"calls={calls},usec={spent_us},usec_per_call={spent_us / calls if calls else 0:.2f},"
                f"rejected_calls={counters.rejected},failed_calls={counters.failed}",
            )


def errorstats(engine: Engine) -> Fields:
    for code, count in sorted(engine.stats.errors.items()):
        yield f"errorstat_{code.translate(UNSAFE)}", f"count={count}"


UNSAFE = str.maketrans("#:\n\r", "____")
"""A name with these in it would not be read back from its line."""


def latencystats(engine: Engine) -> Fields:
    if not engine.settings.latency_tracking:
        return
    shares = engine.settings.latency_tracking_info_percentiles
    for name, counters in engine.stats.commands.items():
        if counters:
            found = zip(shares, counters.percentiles(shares), strict=True)
            yield f"latency_percentiles_usec_{name}", ",".join(f"p{share:g}={us:.3f}" for share, us in found)


def cluster(engine: Engine) -> Fields:
    yield "cluster_enabled", 0


def keyspace(engine: Engine) -> Fields:
    for database in engine.databases:
        if database.values:
            yield (
                f"db{database.index}",
                f"keys={len(database.values)},expires={len(database.expires)},avg_ttl={average_ttl_ms(database)}",
            )


def average_ttl_ms(database: Any) -> int:
    """The mean time left to a few of the keys that have one, as Redis samples it too."""
    now_ms, expires = database.engine.now_ms, database.expires
    if not expires:
        return 0
    keys = [database.expiring.pick(database.engine.random) for _ in range(min(16, len(expires)))]
    return int(sum(max(0, expires[key] - now_ms) for key in keys) // len(keys))


SECTIONS: dict[str, tuple[str, Callable[[Engine], Fields]]] = {
    "server": ("Server", server),
    "clients": ("Clients", clients),
    "memory": ("Memory", memory),
    "persistence": ("Persistence", persistence),
    "stats": ("Stats", stats),
    "replication": ("Replication", replication),
    "cpu": ("CPU", cpu),
    "modules": ("Modules", modules),
    "commandstats": ("Commandstats", commandstats),
    "errorstats": ("Errorstats", errorstats),
    "latencystats": ("Latencystats", latencystats),
    "cluster": ("Cluster", cluster),
    "keyspace": ("Keyspace", keyspace),
}
DEFAULT = SECTIONS.keys() - {"commandstats", "latencystats"}
