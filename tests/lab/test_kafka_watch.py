"""What the lab sees of a cluster, from answers as brokers give them."""

import asyncio

import pytest

from lab.kafka_watch import Sight, Watch, figures_of
from scenarios.kafka_wire import Led


@pytest.fixture
async def watch():
    said = []
    watch = Watch("chaos", 1, {1: 0, 2: 0, 3: 0}, {1: 0, 2: 0, 3: 0}, said.append)
    watch.said = said
    return watch


def sight(leaders, **figures):
    return Sight(0.0, leaders, figures)


def test_metrics_are_read_without_labels_and_prefix():
    text = (
        "# HELP minikafka_leaders Partitions led here.\n"
        "minikafka_leaders 3.0\n"
        "minikafka_isr_shrinks_total 2.0\n"
        'minikafka_connections_dropped_total{limit="idle"} 0.0\n'
        "process_open_fds 12.0\n"
    )
    assert figures_of(text) == {"leaders": 3.0, "isr_shrinks": 2.0}


async def test_a_higher_leader_epoch_is_news_and_a_lower_one_is_not(watch):
    watch._compare(1, sight({0: Led(1, 0, (1, 2, 3))}))
    watch._compare(2, sight({0: Led(2, 1, (2, 3))}))
    watch._compare(1, sight({0: Led(1, 0, (1, 2, 3))}))
    assert watch.leaders == {0: Led(2, 1, (2, 3))}
    assert (watch.said, watch.elections) == (["  partition 0: led by 2 in epoch 1, in sync 2 3"], 1)


async def test_of_an_in_sync_set_the_leader_is_believed(watch):
    watch._compare(1, sight({0: Led(1, 0, (1, 2, 3))}))
    watch._compare(2, sight({0: Led(1, 0, (1, 2))}))
    assert watch.said == []
    watch._compare(1, sight({0: Led(1, 0, (1, 3))}))
    assert watch.said == ["  partition 0: in sync 1 3"]


async def test_the_active_controller_is_the_one_of_the_highest_term(watch):
    watch._compare(1, sight({}, active_controller=1, quorum_term=1))
    watch._compare(2, sight({}, active_controller=1, quorum_term=2))
    watch._compare(1, sight({}, active_controller=1, quorum_term=1))
    assert (watch.controller(), watch.takeovers) == (2, 1)
    assert watch.said == ["  broker 2 is the active controller, term 2"]


async def test_what_a_node_is_in_charge_of_is_told_with_its_fault(watch):
    watch._compare(2, sight({0: Led(2, 0, (1, 2, 3))}, active_controller=1, quorum_term=1))
    assert (watch.office(1), watch.office(2)) == ("", " (leads 0, active controller)")


async def test_what_is_missing_to_be_whole_is_named(watch):
    watch._compare(2, sight({0: Led(2, 0, (2, 3))}))
    now = asyncio.get_running_loop().time()
    watch.sights[1] = Sight(now, {}, {"fenced": 1})
    watch.sights[2] = Sight(now, {}, {"fenced": 0, "under_replicated_partitions": 2})
    assert watch.missing() == [
        "broker 1 is fenced",
        "broker 2 leads 2 partitions that are under-replicated",
        "broker 3 does not answer",
        "partition 0 has in sync 2 3",
    ]
