"""A broker of ours in a process of its own, for tests that speak with it as anyone would."""

from collections.abc import Iterator
from random import Random

import pytest

from lab.kafka_peers import Kafka, mini_kafka_cluster
from minikafka.client.cluster import Cluster, Timeouts, parse_bootstrap

QUICK = ("group.initial.rebalance.delay.ms=0", "num.partitions=3")


@pytest.fixture(scope="module")
def kafka() -> Iterator[Kafka]:
    with mini_kafka_cluster(1, *QUICK) as running:
        yield running


def client(kafka: Kafka, **options) -> Cluster:
    """To be entered: a client of `kafka`, with dice that fall the same way each time."""
    return Cluster(parse_bootstrap(kafka.bootstrap), Random(7), timeouts=Timeouts(5.0, 10.0, 15.0), **options)
