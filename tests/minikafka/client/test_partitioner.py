"""Where records go: the same place that other clients would send them to."""

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from kafka.partitioner.default import murmur2 as murmur2_of_kafka_python

from minikafka.client.partitioner import Partitioner, murmur2, partition_of_key


@pytest.mark.parametrize(
    ("key", "hashed"),
    [
        (b"21", -973932308),
        (b"foobar", -790332482),
        (b"a-little-bit-long-string", -985981536),
        (b"a-little-bit-longer-string", -1486304829),
        (b"lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8", -58897971),
        (b"abc", 479470107),
    ],
)
def test_the_hash_gives_the_numbers_of_kafkas_own_test(key, hashed):
    """`UtilsTest.testMurmur2`; Java prints them signed."""
    assert murmur2(key) == hashed % 2**32


@given(st.binary(max_size=64))
def test_the_hash_agrees_with_kafka_python(key):
    assert murmur2(key) == murmur2_of_kafka_python(key) % 2**32


def test_a_key_stays_in_its_partition_whoever_leads_it():
    partitioner = Partitioner(Random(1))
    assert {partitioner.choose("t", b"key", 6, available) for available in ([], [0], range(6))} == {
        partition_of_key(b"key", 6)
    }


def test_records_without_key_stay_together_until_their_batch_is_full():
    partitioner = Partitioner(Random(1))
    turns = []
    for _ in range(4):
        turns.append([partitioner.choose("t", None, 3, [0, 1, 2]) for _ in range(3)])
        partitioner.batch_is_full("t")
    first = turns[0][0]
    assert turns == [[(first + turn) % 3] * 3 for turn in range(4)]


def test_records_without_key_avoid_partitions_without_a_leader():
    partitioner = Partitioner(Random(1))
    chosen = set()
    for _ in range(6):
        chosen.add(partitioner.choose("t", None, 4, [1, 3]))
        partitioner.batch_is_full("t")
    assert chosen == {1, 3}
