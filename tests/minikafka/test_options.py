"""The table of server.properties beside Apache Kafka 4.1.1's own."""

import re

import pytest

from minikafka.kinds import Double, told, type_of
from minikafka.options import OPTIONS, defaults, given
from serving.config import Given, SettingError
from tests.golden.files import FOLDER

ROWS = [line.split("\t") for line in (FOLDER / "broker-configs.tsv").read_text().splitlines()[1:]]
KAFKAS = {name: (type, default, bounds) for name, type, default, bounds, _ in ROWS}
OURS = {option.name: option for option in OPTIONS.options if not option.ours}

OTHERWISE = {
    "listeners": "PLAINTEXT://127.0.0.1:9092,CONTROLLER://127.0.0.1:9093",
    "log.dir": "./data/kafka",
    "broker.session.timeout.ms": "2500",
    "broker.heartbeat.interval.ms": "500",
    "controller.quorum.election.timeout.ms": "500",
}
"""Defaults that are not Kafka's."""
GONE = {"zookeeper.connect", "auto.include.jmx.reporter", "leader.imbalance.per.broker.percentage"}
"""Settings that Kafka 4 no longer has."""


def test_all_settings_are_kafkas_but_for_those_it_has_forgotten():
    assert set(OURS) - set(KAFKAS) == GONE
    assert {name for name in GONE if not OURS[name].hidden or OURS[name].effect} == set()


@pytest.mark.parametrize("name", sorted(set(OURS) & set(KAFKAS)))
def test_type_and_default_are_kafkas(name):
    type, default, _ = KAFKAS[name]
    expected = None if default in ("null", "required") else default
    if type == "LIST" and expected is not None:
        expected = expected.strip("[]").replace(", ", ",")
    ours = defaults(OPTIONS).get(name)
    assert (type_of(OURS[name].kind).name, ours) == (type, OTHERWISE.get(name, expected))


BOUNDS = {name: re.fullmatch(r"\[(-?[0-9]+),\.\.\.(?:,([0-9]+))?\]", bounds) for name, (_, _, bounds) in KAFKAS.items()}


@pytest.mark.parametrize("name", sorted(name for name, bounds in BOUNDS.items() if bounds and name in OURS))
def test_bounds_are_kafkas(name):
    lowest, highest = BOUNDS[name].groups()
    OURS[name].parse([lowest])
    with pytest.raises(ValueError, match=f"must be at least {lowest}"):
        OURS[name].parse([str(int(lowest) - 1)])
    if highest is not None:
        with pytest.raises(ValueError, match=f"must be no more than {highest}"):
            OURS[name].parse([str(int(highest) + 1)])


@pytest.mark.parametrize(
    "text, complaint",
    [
        ("log.cleanup.policy=burn", "String must be one of: compact, delete"),
        ("log.retention.ms=-5", "Value must be at least -1"),
        ("num.partitions=1.5", "Not a number of type INT"),
        ("num.partitions=" + "9" * 5000, "Not a number of type INT"),
        ("num.partitions=0", "Value must be at least 1"),
    ],
)
def test_a_file_may_say_only_what_a_topic_may_be(text, complaint):
    name, _, value = text.partition("=")
    with pytest.raises(SettingError, match=re.escape(complaint)):
        OPTIONS.load([Given(name, [value], "server.properties, line 1")])


def test_what_a_file_says_is_told_by_kafkas_names():
    said = [("node.id", "007"), ("log.retention.ms", ""), ("log.retention.hours", "5"), ("drain-seconds", "1")]
    settings = OPTIONS.load([Given(name, [value], "") for name, value in said])
    assert given(settings) == {
        "process.roles": "broker,controller",
        "node.id": "7",
        "controller.listener.names": "CONTROLLER",
        "log.retention.hours": "5",
    }


@pytest.mark.parametrize(
    "value, text",
    [
        (0.0, "0.0"),
        (0.5, "0.5"),
        (5, "5.0"),
        (0.001, "0.001"),
        (0.0001, "1.0E-4"),
        (9_999_999.5, "9999999.5"),
        (1e7, "1.0E7"),
        (-123_456_789.5, "-1.234567895E8"),
        (1.7976931348623157e308, "1.7976931348623157E308"),
    ],
)
def test_fractions_are_printed_as_java_does(value, text):
    """Double.toString."""
    assert told(Double(), value) == text
    assert Double().read(text, OPTIONS.named["log.cleaner.io.max.bytes.per.second"]) == value
