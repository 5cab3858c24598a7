"""Kafka drills: a short one with real brokers and librdkafka, and what their report says."""

import subprocess
import sys
from pathlib import Path

import pytest

from lab.kafka_chaos import DRILLS, Report, Striker, count, report_lines
from lab.kafka_load import Outages
from scenarios.kafka_checker import History, Violated
from scenarios.kafka_wire import Stored, batch_of

ROOT = Path(__file__).parents[2]


def test_leaders_and_controllers_killed_and_frozen_lose_nothing():
    words = "chaos run kafka-kill-leader --seconds 6 --outage 20"  # tests share a machine: how long is not their matter
    command = [sys.executable, "-m", "cli.main", *words.split()]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "of them lost          0" in done.stdout
    assert "0 of the idempotent" in done.stdout
    assert "kept every promise" in done.stdout


@pytest.mark.parametrize("drill", DRILLS.values(), ids=lambda drill: drill.name)
def test_every_fault_of_a_drill_is_one_that_the_nemesis_knows(drill):
    assert all(callable(getattr(Striker, fault)) for fault in drill.faults)


def test_a_report_names_faults_losses_and_outages():
    report = Report(
        seconds=120,
        faults={"pause_leader": 2, "kill_leader": 3},
        elections=5,
        takeovers=1,
        acknowledged=12_345,
        lost=1,
        refused={"_MSG_TIMED_OUT": 2},
        twice=4,
        moved=3,
        delivered=12_350,
        outages={0: (3.456, 17.0), 1: (0.5, 2.0)},
        slowest_s=3.5,
        violations=["partition 0: gone"],
    )
    assert report_lines(report) == [
        "faults                  3 kill leader, 2 pause leader; in 120 s",
        "elections               5 of partition leaders, 1 of controllers",
        "acknowledged            12,345",
        "  of them lost          1",
        "given up by producers   2 _MSG_TIMED_OUT",
        "stored twice            4 of the plain producer, 0 of the idempotent",
        "stored out of order     3 of the plain producer, 0 of the idempotent",
        "delivered to consumers  12,350",
        "longest unavailability  3.46 s",
        "  of partition 0        3.46 s, until 17.00 s",
        "  of partition 1        0.50 s, until 2.00 s",
        "slowest record          3.50 s from the producer to its acknowledgement",
        "VIOLATION  partition 0: gone",
    ]


def test_lost_and_repeated_records_are_counted():
    history = History()
    plain, idempotent = history.producer("plain", 0, False), history.producer("idempotent", 0, True)
    plain.values, plain.offsets = [b"a", b"b", b"c"], {0: 0, 1: 1}
    idempotent.values, idempotent.offsets = [b"x"], {0: 2}
    report = Report()
    count(history, 0, [Stored(0, b"a"), Stored(1, b"a"), Stored(2, b"x"), Stored(3, b"x")], report)
    assert (report.lost, report.twice, report.twice_idempotent) == (1, 1, 1)


def test_records_that_stand_before_what_was_sent_before_them_are_counted():
    history = History()
    plain = history.producer("plain", 0, False)
    plain.values = [b"a", b"b", b"c", b"d"]
    report = Report()
    count(history, 0, [Stored(at, value) for at, value in enumerate((b"b", b"c", b"a", b"d"))], report)
    assert (report.moved, report.moved_idempotent) == (1, 0)


def test_the_checker_asks_order_only_of_clients_that_keep_it():
    log = batch_of([b"b", b"a"], 0)
    for ordered in (False, True):
        history = History()
        sent = history.producer("plain", 0, False)
        sent.values, sent.ordered = [b"a", b"b"], ordered
        if ordered:
            with pytest.raises(Violated, match="reordered"):
                history.verify({0: {1: log}})
        else:
            history.verify({0: {1: log}})


def test_an_outage_is_the_longest_pause_between_two_acknowledgements_of_a_partition():
    outages = Outages()
    for partition, now in ((0, 1.0), (1, 1.0), (0, 4.0), (1, 1.5), (0, 5.0), (1, 2.0)):
        outages.served(partition, now)
    assert outages.longest == {0: (3.0, 4.0), 1: (0.5, 1.5)}
