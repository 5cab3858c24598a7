"""SLOWLOG, LATENCY, MEMORY: what the server notices about itself."""

from miniredis.latency import ago, sparkline
from miniredis.stats import CommandStats, Rates, Stats, rough
from tests.miniredis.engine_fixtures import Redis


def slow(redis, ms):
    """Let the next commands take so long."""
    call = redis.engine.databases[0].__class__.string

    def slowly(database, key):
        redis.clock.us += ms * 1000
        return call(database, key)

    return slowly


def test_a_slow_command_is_kept_with_who_sent_it(monkeypatch):
    redis = Redis()
    monkeypatch.setattr(redis.engine.databases[0].__class__, "string", slow(redis, 20))
    redis("CLIENT", "SETNAME", "me")
    redis("GET", "k")
    assert redis("SLOWLOG", "GET") == (
        b"*1\r\n*6\r\n:0\r\n:1700000000\r\n:20000\r\n*2\r\n$3\r\nGET\r\n$1\r\nk\r\n$15\r\n127.0.0.1:50000\r\n$2\r\nme\r\n"
    )
    assert (redis("SLOWLOG", "LEN"), redis("SLOWLOG", "RESET"), redis("SLOWLOG", "LEN")) == (
        b":1\r\n",
        b"+OK\r\n",
        b":0\r\n",
    )


def test_slowlog_get_counts():
    redis = Redis(slowlog_log_slower_than=0)
    for _ in range(12):
        redis("PING")
    assert redis("SLOWLOG", "GET")[:5] == b"*10\r\n"
    assert redis("SLOWLOG", "GET", -1)[:5] == b"*13\r\n"
    assert redis("SLOWLOG", "GET", 2)[:4] == b"*2\r\n"
    assert redis("SLOWLOG", "GET", -2) == b"-ERR count should be greater than or equal to -1\r\n"


def test_latency_events_are_kept_by_the_second_with_the_worst_of_each(monkeypatch):
    redis = Redis(latency_monitor_threshold=10)
    engine = redis.engine
    engine.take_settings(engine.settings)
    monkeypatch.setattr(engine.databases[0].__class__, "string", slow(redis, 20))
    redis("GET", "k")
    engine.latency.note("fork", 5)  # below the threshold
    engine.latency.note("fork", 30)
    engine.latency.note("fork", 15)
    redis.advance(2000)
    engine.latency.note("fork", 12)
    assert redis("LATENCY", "HISTORY", "fork") == b"*2\r\n*2\r\n:1700000000\r\n:30\r\n*2\r\n:1700000002\r\n:12\r\n"
    assert redis("LATENCY", "LATEST") == (
        b"*2\r\n*4\r\n$12\r\nfast-command\r\n:1700000000\r\n:20\r\n:20\r\n*4\r\n$4\r\nfork\r\n:1700000002\r\n:12\r\n:30\r\n"
    )
    assert b"fork: 2 spikes (average 21 ms" in redis("LATENCY", "DOCTOR")
    assert (redis("LATENCY", "RESET", "fork", "x"), redis("LATENCY", "RESET")) == (b":1\r\n", b":1\r\n")


def test_the_graph_stands_on_its_labels():
    assert sparkline([1, 5, 9], ["3s", "2s", "1s"], 0, 3) == "  #\n _|\n ||\n_||\n   \n321\nsss\n"
    assert [ago(seconds) for seconds in (7, 61, 7200, 200_000)] == ["7s", "1m", "2h", "2d"]


def test_a_histogram_counts_up_to_powers_of_two():
    redis = Redis()
    redis.engine.stats.commands["get"].update({0: 3, 1: 1, 3: 2, 100: 1})
    redis("HELLO", 3)
    assert redis("LATENCY", "HISTOGRAM", "get", "nosuch") == (
        b"%1\r\n$3\r\nget\r\n%2\r\n$5\r\ncalls\r\n:7\r\n$14\r\nhistogram_usec\r\n%3\r\n:1\r\n:4\r\n:4\r\n:6\r\n:128\r\n:7\r\n"
    )


def test_percentiles_come_out_of_the_durations():
    counters = CommandStats()
    for duration in range(1, 101):
        counters[duration] += 1
    assert counters.percentiles([50, 99, 99.9, 0]) == [50, 99, 100, 1]
    assert (counters.calls, counters.microseconds) == (100, 5050)


def test_long_durations_are_counted_roughly_but_not_far_off():
    for duration in (5, 999, 1000, 1234, 99_999, 10**9):
        assert rough(duration) <= duration <= rough(duration) * 1.01 + 1


def test_rates_are_the_mean_of_the_last_samples():
    rates, stats = Rates(), Stats()
    assert rates.commands == 0
    for tenth in range(30):
        rates.sample(tenth * 100, stats)
        stats.commands["get"][1] += 5
        stats.input_bytes += 100
    assert (rates.commands, rates.input_bytes) == (50.0, 1000.0)


def test_memory_usage_weighs_a_key():
    redis = Redis()
    assert redis("MEMORY", "USAGE", "nokey") == b"$-1\r\n"
    redis("SET", "k", "x" * 1000)
    assert 1000 < int(redis("MEMORY", "USAGE", "k", "SAMPLES", 0)[1:]) < 1500
    assert redis("MEMORY", "USAGE", "k", "SAMPLES", -1) == b"-ERR syntax error\r\n"
    assert redis("MEMORY", "USAGE", "k", "SAMPLES") == b"-ERR syntax error\r\n"


def test_memory_stats_name_every_database_that_holds_something():
    redis = Redis()
    redis("SELECT", 3)
    redis("SET", "k", "1")
    reply = redis("MEMORY", "STATS")
    assert b"$4\r\ndb.3\r\n" in reply and b"db.0" not in reply and b"keys.count\r\n:1\r\n" in reply


def test_work_beside_the_commands_is_timed_while_the_monitor_is_on():
    redis = Redis(latency_monitor_threshold=5)
    for event, ms in (("expire-cycle", 7), ("aof-write", 4)):
        with redis.engine.latency.timed(event):
            redis.clock.us += ms * 1000
    second = redis.clock.us // 1_000_000
    assert redis("LATENCY", "LATEST") == b"*1\r\n*4\r\n$12\r\nexpire-cycle\r\n:%d\r\n:7\r\n:7\r\n" % second
