"""The benchmark measures what it says; its own figures are not judged here."""

import json

from click.testing import CliRunner

from cli.main import main
from lab.benchmarks import redis, redis_tables
from lab.benchmarks.redis import FLOOR, OURS, REAL, Figures, Load, Results, Size

TINY = Size(rounds=1, requests=500, keys=2000, load_rounds=1)
BY_NAME = {test.name: test for test in redis.TESTS}


def test_each_test_runs_on_the_real_server_and_on_the_floor():
    results = Results(1, TINY.keys)
    redis.measure_rates(results, "off", redis.OFF, (REAL, FLOOR), TINY, lambda _: None)
    measured = {(depth, test, name) for _, depth, test, name in results.figures}
    everywhere = {(16, test.name, name) for test in redis.TESTS for name in ("redis-server", "floor")}
    unpipelined = {
        (1, test.name, name) for test in redis.TESTS if not test.pipelined_only for name in ("redis-server", "floor")
    }
    assert measured == everywhere | unpipelined
    assert all(figures.rate > 0 for figures in results.figures.values())


def test_a_server_that_does_not_start_is_named_and_the_rest_goes_on():
    import lab.peers

    lost = redis.Contestant("lost", lambda *_: lab.peers.running("lost", lambda *_: ["/nonexistent/server"]))
    results = Results(1, TINY.keys)
    redis.measure_rates(results, "off", (), (lost,), TINY, lambda _: None)
    assert "lost cannot be started" in results.absent["lost"]


def test_a_load_is_counted_and_weighed():
    results = Results(1, TINY.keys)
    redis.measure_loads(results, (REAL,), TINY, lambda _: None)
    load = results.loads["redis-server"]
    assert load.rates[0] > 0
    assert 1 < load.private_mb[0] <= load.resident_mb[0] < 100


def test_the_file_of_sets_is_what_a_client_would_send(tmp_path):
    redis.write_sets(str(tmp_path / "sets"), 2)
    assert (tmp_path / "sets").read_bytes() == (
        b"*3\r\n$3\r\nSET\r\n$16\r\nkey:000000000000\r\n$7\r\nvalue:0\r\n"
        b"*3\r\n$3\r\nSET\r\n$16\r\nkey:000000000001\r\n$7\r\nvalue:1\r\n"
    )


def judged(test, depth, ours, real, floor):
    results = Results(1, 10)
    for contestant, rate in ((OURS, ours), (REAL, real), (FLOOR, floor)):
        results.figures["off", depth, test, contestant.name] = Figures([rate, rate * 9, rate / 9], [1.0])
    return next(line for line in redis_tables.lines(results) if line.startswith(test))


def test_medians_ratios_and_aims_stand_in_the_table():
    assert "100.0" in judged("GET", 1, 90_000, 100_000, 100_000)
    assert "0.9 of redis-server ok" in judged("GET", 1, 90_000, 100_000, 50_000)
    assert "0.9 of redis-server SHORT" in judged("GET", 1, 89_000, 100_000, 50_000)
    assert "0.6 of floor ok" in judged("SET", 16, 60_000, 900_000, 100_000)
    assert "0.45 of floor SHORT" in judged("ZADD", 16, 44_000, 900_000, 100_000)
    assert "0.3 of redis-server ok" in judged("MSET", 16, 30_000, 100_000, 900_000)


def test_memory_and_load_are_judged_too():
    results = Results(1, 10, loads={"mini": Load([240_000.0], [401.0], [500.0])})
    assert redis_tables.lines(results)[-1].endswith("250k/s SHORT, 400 MB OVER")


def test_the_command_prints_the_tables_and_keeps_every_figure(tmp_path, monkeypatch):
    monkeypatch.setattr(redis, "QUICK", TINY)
    monkeypatch.setattr(redis, "OURS", REAL)
    monkeypatch.setattr(
        redis,
        "measure_rates",
        lambda results, kind, *_: results.figures.update({(kind, 1, "GET", "mini"): Figures([5.0], [2.0])}),
    )
    monkeypatch.setattr(redis, "measure_loads", lambda *_: None)
    file = tmp_path / "figures.json"
    result = CliRunner().invoke(main, ["bench", "redis", "--quick", "--json", str(file)])
    assert result.exit_code == 0, result.output
    assert "-P 1, persistence off" in result.output
    assert [(row["test"], row["requests_per_s"]) for row in json.loads(file.read_text())["rates"]] == [
        ("GET", [5.0])
    ] * 2
