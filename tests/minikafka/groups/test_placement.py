"""Which partition keeps a group: Java's String.hashCode."""

import pytest

from minikafka.groups.placement import java_hash, partition_for


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("", 0),
        ("a", 97),
        ("hello", 99162322),
        ("polygenelubricants", -(2**31)),
        ("😀", 1772899),
        ("my-group", -1906497762),
        ("groupe-été", 1286042903),
    ],
)
def test_the_hash_is_javas(text, value):
    assert java_hash(text) == value


@pytest.mark.parametrize(("group", "partition"), [("", 0), ("polygenelubricants", 0), ("hello", 22), ("my-group", 12)])
def test_of_fifty_partitions(group, partition):
    assert partition_for(group, 50) == partition
