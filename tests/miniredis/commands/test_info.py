"""INFO: sections, fields, and that they tell the truth."""

import pytest

from miniredis.commands.info import human
from tests.miniredis.engine_fixtures import Redis


def fields(redis, *sections):
    text = redis("INFO", *sections).partition(b"\r\n")[2].decode()
    return dict(line.split(":", 1) for line in text.split("\r\n") if ":" in line)


def titles(redis, *sections):
    return [line[2:] for line in redis("INFO", *sections).decode().split("\r\n") if line.startswith("# ")]


def test_the_sections_shown_unasked_and_on_request():
    redis = Redis()
    usual = [
        "Server", "Clients", "Memory", "Persistence", "Stats", "Replication", "CPU", "Modules", "Errorstats", "Cluster",
        "Keyspace",
    ]  # fmt: skip
    assert titles(redis) == titles(redis, "default") == usual
    assert titles(redis, "keyspace", "CLIENTS", "nosuch") == ["Clients", "Keyspace"]
    assert titles(redis, "all") == titles(redis, "everything")
    assert set(titles(redis, "all")) - set(usual) == {"Commandstats", "Latencystats"}


def test_a_section_stands_alone_without_an_empty_line():
    assert Redis()("INFO", "cluster") == b"$30\r\n# Cluster\r\ncluster_enabled:0\r\n\r\n"


def test_the_keyspace_is_counted():
    redis = Redis()
    redis("SET", "a", "1", "PX", "5000")
    redis("SET", "b", "1")
    assert fields(redis, "keyspace") == {"db0": "keys=2,expires=1,avg_ttl=5000"}


def test_calls_errors_and_hits_are_counted_and_reset():
    redis = Redis()
    for line in ("SET k x", "GET k", "GET nosuch", "INCR k", "GET"):
        redis(*line.split())
    shown = fields(redis, "stats", "commandstats", "errorstats")
    assert (shown["keyspace_hits"], shown["keyspace_misses"]) == ("2", "1") or shown["keyspace_hits"] == "1"
    assert shown["cmdstat_get"] == "calls=2,usec=0,usec_per_call=0.00,rejected_calls=1,failed_calls=0"
    assert shown["cmdstat_incr"] == "calls=1,usec=0,usec_per_call=0.00,rejected_calls=0,failed_calls=1"
    assert shown["errorstat_ERR"] == "count=2"
    redis("CONFIG", "RESETSTAT")
    shown = fields(redis, "stats", "commandstats", "errorstats")
    assert (shown["keyspace_misses"], "cmdstat_get" in shown, "errorstat_ERR" in shown) == ("0", False, False)


def test_persistence_tells_of_a_child_at_work():
    redis = Redis()
    state = redis.engine.persistence.state
    state.child, state.child_started_ms, state.child_keys_done, state.child_keys_total = (
        "rdb",
        redis.engine.now_ms,
        1,
        4,
    )
    redis.advance(3000)
    shown = fields(redis, "persistence")
    assert (shown["rdb_bgsave_in_progress"], shown["rdb_current_bgsave_time_sec"]) == ("1", "3")
    assert (shown["current_fork_perc"], shown["aof_current_rewrite_time_sec"]) == ("25.00", "-1")


def test_loading_is_shown_while_it_lasts():
    redis = Redis()
    assert "loading_total_bytes" not in fields(redis, "persistence")
    redis.engine.loading = True
    state = redis.engine.persistence.state
    state.loading_total_bytes, state.loading_done_bytes = 200, 50
    assert fields(redis, "persistence")["loading_loaded_perc"] == "25.00"


def test_waiting_clients_and_their_keys_are_counted():
    redis = Redis()
    for keys in (("a", "b"), ("b",)):
        redis("BZPOPMIN", *keys, "0", client=redis.connect())
    shown = fields(redis, "clients")
    assert (shown["connected_clients"], shown["blocked_clients"], shown["total_blocking_keys"]) == ("3", "2", "2")


def test_the_answer_is_verbatim_text_in_resp3():
    redis = Redis()
    redis("HELLO", 3)
    assert redis("INFO", "cluster").startswith(b"=34\r\ntxt:# Cluster")


@pytest.mark.parametrize(
    ("size", "text"), [(0, "0B"), (1023, "1023B"), (1024, "1.00K"), (1536 * 1024, "1.50M"), (3 << 30, "3.00G")]
)
def test_sizes_as_people_write_them(size, text):
    assert human(size) == text
