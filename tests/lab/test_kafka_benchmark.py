"""The benchmark measures what it says; its own figures are not judged here."""

import json

import pytest
from click.testing import CliRunner

from cli.main import main
from lab import peers
from lab.benchmarks import kafka, kafka_tables
from lab.benchmarks.kafka import ROWS, Figures, Results, Size
from lab.benchmarks.kafka_driver import Measured
from lab.benchmarks.kafka_servers import FLOOR, OURS, REAL, Contestant

TINY = Size(rounds=1, seconds=0.1)
BY_KEY = {row.key: row for row in ROWS}
RATES = ["full", "100", "10", "1", "small", "idempotent", "consume", "consume4"]


def test_every_row_of_one_broker_is_measured_on_the_floor(monkeypatch):
    monkeypatch.setattr(kafka, "FILL_BYTES", 10 * kafka.MB)
    monkeypatch.setattr(kafka, "VOLUME", 10 * kafka.MB)
    monkeypatch.setattr(kafka, "SETTLE_S", 0)
    results = kafka.run(TINY, [row for row in ROWS if row.brokers == 1], [FLOOR])
    assert (results.faults, results.absent) == ([], {})
    assert set(results.figures) == {(row.key, "floor") for row in ROWS if row.brokers == 1}
    assert all(results.figures[key, "floor"].median("rates") > 0 for key in [*RATES, "latency", "crowd"])
    assert all(len(results.figures[key, "floor"].cpu_ms) == 1 for key in RATES)  # in ticks of 10 ms: may well be 0
    assert 5 < results.figures["start", "floor"].median("memory_mb") < 200
    assert set(results.warm_up) == {(row.key, "floor") for row in ROWS if row.brokers == 1 and row.kind != "start"}


def test_a_server_that_does_not_start_is_named_and_the_rest_goes_on():
    lost = Contestant("lost", lambda size: peers.running("lost", lambda *_: ["/nonexistent/server"]), sizes=(1,))
    results = kafka.run(TINY, [BY_KEY["1"]], [lost, FLOOR])
    assert "lost cannot be started" in results.absent["lost, one broker"]
    assert set(results.figures) == {("1", "floor")}


def test_acknowledged_messages_without_an_offset_of_their_own_are_a_fault():
    sound = Measured(1, 10, 100, 10, 1.0, {}, 0.1, {})
    kafka.no_faults(sound)
    with pytest.raises(kafka.Fault, match="11 messages acknowledged, by their offsets 10"):
        kafka.no_faults(Measured(1, 11, 100, 10, 1.0, {}, 0.1, {}))
    with pytest.raises(kafka.Fault, match=r"errors by code: \{'6': 1\}"):
        kafka.no_faults(Measured(1, 10, 100, 10, 1.0, {}, 0.1, {"6": 1}))


def judged(row, figure, **medians):
    """The line of a row, each server with one figure, an outlier to each side of it."""
    results = Results(3, 1.0)
    for name, value in medians.items():
        results.figures[row, name] = Figures(**{figure: [value * 9, value, value / 9]})
    return next(line for line in kafka_tables.lines(results) if line.startswith("  " + BY_KEY[row].text))


def test_rates_are_judged_by_kafka_and_by_the_floor():
    assert judged("full", "rates", mini=150.0, kafka=100.0, floor=300.0).endswith(
        "rate >=1.5 of kafka ok, rate >=0.5 of floor ok"
    )
    assert judged("full", "rates", mini=149.0, kafka=100.0, floor=300.0).endswith(
        "rate >=1.5 of kafka SHORT, rate >=0.5 of floor SHORT"
    )
    assert judged("consume", "rates", mini=90.0, kafka=100.0).endswith("rate >=0.9 of kafka ok")
    assert judged("3-10", "rates", mini=129.0, kafka=100.0).endswith("rate >=1.3 of kafka SHORT")


@pytest.mark.parametrize(
    "row, figure, most",
    [
        ("latency", "p50_ms", 0.2),
        ("latency", "p99_ms", 0.5),
        ("crowd", "p99_ms", 10),
        ("start", "start_ms", 500),
        ("start", "memory_mb", 60),
        ("3-latency", "p50_ms", 0.55),
        ("3-start", "start_ms", 2000),
    ],
)
def test_what_has_a_bound_of_its_own_is_judged_by_it(row, figure, most):
    results = Results(1, 1.0, {(row, "mini"): Figures(**{figure: [most]})})
    assert kafka_tables.lines(results)[-1].endswith(" ok")
    results = Results(1, 1.0, {(row, "mini"): Figures(**{figure: [most * 1.01]})})
    assert kafka_tables.lines(results)[-1].endswith(" OVER")


def test_cpu_is_judged_by_kafka():
    assert judged("small", "cpu_ms", mini=1.0, kafka=2.0).endswith("CPU <=0.5 of kafka ok")
    assert judged("small", "cpu_ms", mini=1.1, kafka=2.0).endswith("CPU <=0.5 of kafka OVER")


def test_ratios_stand_in_the_table_and_gaps_are_dashes():
    assert judged("10", "rates", mini=160_000.0, kafka=80_000.0).split()[5:11] == ["80.0", "160", "-", "2.00", "-", "-"]


def test_faults_and_absences_are_printed():
    results = Results(1, 1.0, absent={"kafka, one broker": "no java"}, faults=["mini, one broker, x: y"])
    assert kafka_tables.lines(results)[1:] == [
        "kafka, one broker did not take part: no java",
        "FAULT: mini, one broker, x: y",
    ]


def test_the_command_measures_the_rows_and_servers_it_is_told_to(tmp_path, monkeypatch):
    file = tmp_path / "figures.json"
    options = ["--rounds", "1", "--seconds", "0.1", "--rows", "1,latency", "--servers", "floor", "--json", str(file)]
    result = CliRunner().invoke(main, ["bench", "kafka", *options])
    assert result.exit_code == 0, result.output
    assert "1 KB, 1 a batch" in result.output
    kept = json.loads(file.read_text())
    assert [(row["row"], row["server"], len(row["rates"])) for row in kept["rows"]] == [
        ("1", "floor", 1),
        ("latency", "floor", 1),
    ]


@pytest.mark.parametrize("wrong", [["--rows", "none"], ["--servers", "none"]])
def test_a_name_that_nobody_bears_is_refused_with_those_there_are(wrong):
    result = CliRunner().invoke(main, ["bench", "kafka", *wrong])
    assert result.exit_code == 2
    assert "none; there are" in result.output


def test_kafka_and_ours_form_clusters_of_three():
    assert [contestant.sizes for contestant in (REAL, OURS, FLOOR)] == [(1, 3), (1, 3), (1,)]
