"""Spread: leaders, replicas, racks, and what a dead broker leaves behind."""

from collections import Counter
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from minikafka.controller.image import Broker
from minikafka.controller.placement import CannotPlace, in_turns_of_racks, place


def brokers(racks, fenced=()):
    """A broker per letter; "-" for no rack."""
    return [
        Broker(id, 0, b"", rack=None if rack == "-" else rack, fenced=id in fenced) for id, rack in enumerate(racks)
    ]


def test_racks_take_turns():
    assert [broker.id for broker in in_turns_of_racks(brokers("aabbbc"))] == [0, 2, 5, 1, 3, 4]


@given(
    racks=st.text("abc-", min_size=1, max_size=8),
    count=st.integers(1, 30),
    replicas=st.integers(1, 4),
    seed=st.integers(0, 9),
)
def test_replicas_are_distinct_and_use_a_rack_again_only_when_they_must(racks, count, replicas, seed):
    replicas = min(replicas, len(racks))
    for placed in place(brokers(racks), 0, count, replicas, Random(seed)):
        assert len(set(placed)) == len(placed) == replicas
        uses = Counter(racks[broker] for broker in placed)
        del uses["-"]
        for rack, times in uses.items():
            for other in set(racks) - {rack, "-"}:
                assert uses[other] >= times - 1 or uses[other] == racks.count(other)


@pytest.mark.parametrize("racks", ["----", "abab", "aabbcc", "abcde"])
def test_a_full_round_gives_every_broker_as_many_leaders(racks):
    placed = place(brokers(racks), 0, 6 * len(racks), 2, Random(3))
    assert Counter(replicas[0] for replicas in placed) == dict.fromkeys(range(len(racks)), 6)


def test_every_broker_holds_as_many_replicas():
    placed = place(brokers("-----"), 0, 20, 3, Random(3))
    assert Counter(broker for replicas in placed for broker in replicas) == dict.fromkeys(range(5), 12)


def test_what_a_dead_broker_led_falls_to_all_others():
    placed = place(brokers("-----"), 0, 20, 3, Random(3))
    heirs = Counter(replicas[1] for replicas in placed if replicas[0] == 0)
    assert heirs == {1: 1, 2: 1, 3: 1, 4: 1}


def test_topics_of_one_partition_begin_at_different_brokers():
    random = Random(3)
    leaders = Counter(place(brokers("---"), 0, 1, 1, random)[0][0] for _ in range(300))
    assert set(leaders) == {0, 1, 2}
    assert min(leaders.values()) > 70


def test_fenced_brokers_come_last_and_only_if_needed():
    assert {tuple(sorted(replicas)) for replicas in place(brokers("----", {3}), 0, 12, 3, Random(1))} == {(0, 1, 2)}
    for replicas in place(brokers("----", {1, 3}), 0, 12, 3, Random(1)):
        assert set(replicas[:2]) == {0, 2}


@pytest.mark.parametrize(
    "cluster, complaint",
    [
        (
            brokers("--"),
            "The target replication factor of 3 cannot be reached because only 2 broker(s) are registered.",
        ),
        (brokers("---", {0, 1, 2}), "All brokers are currently fenced."),
    ],
)
def test_too_few_brokers_is_said_in_kafkas_words(cluster, complaint):
    with pytest.raises(CannotPlace) as refusal:
        place(cluster, 0, 1, 3, Random(1))
    assert str(refusal.value) == complaint
