"""The index of a set or hash holds exactly its keys, whatever happened to it since it was made."""

from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from miniredis.values.hashes import Hash
from miniredis.values.sets import Set
from tests.miniredis.engine_fixtures import make_settings

SETTINGS = make_settings(set_max_listpack_entries=0, set_max_intset_entries=0, hash_max_listpack_entries=0)
KEYS = st.integers(0, 60).map(lambda number: b"%d" % number)
CHANGES = st.lists(st.tuples(st.booleans(), st.lists(KEYS, min_size=1, max_size=5)), max_size=60)


def indexed_keys(stored: Set | Hash) -> list[bytes]:
    """All keys that the index of `stored` returns, by its cursor."""
    index = stored.indexed(7)
    cursor, found = index.scan(0)
    while cursor:
        cursor, more = index.scan(cursor)
        found += more
    return sorted(found)


@settings(max_examples=60, deadline=None)
@given(CHANGES)
def test_a_set_and_its_index_agree(changes):
    stored = Set()
    stored.add([b"first"], SETTINGS)
    assert indexed_keys(stored) == [b"first"]
    for adding, members in changes:
        if adding:
            stored.add(members, SETTINGS)
        else:
            for member in members:
                stored.remove(member)
    assert stored.encoding == "hashtable"
    assert indexed_keys(stored) == sorted(stored)


@settings(max_examples=60, deadline=None)
@given(CHANGES)
def test_a_hash_and_its_index_agree(changes):
    stored = Hash()
    stored.put([b"first", b""], SETTINGS)
    assert indexed_keys(stored) == [b"first"]
    for adding, fields in changes:
        if adding:
            stored.put([word for field in fields for word in (field, b"")], SETTINGS)
        else:
            for field in fields:
                stored.remove(field)
    assert stored.encoding == "hashtable"
    assert indexed_keys(stored) == sorted(stored)


@pytest.mark.parametrize("size", [4, 40, 400])
def test_a_sample_has_no_key_twice(size):
    stored = Set()
    stored.add([b"m%d" % number for number in range(size)], SETTINGS)
    for count in (1, size // 4, size - 1):
        assert len(set(stored.sample(Random(count), count, seed=7))) == count


def test_most_collections_never_get_an_index():
    stored = Set()
    stored.add([b"a", b"b"], make_settings())
    stored.pick(Random(1), seed=7)
    assert stored.index is None
