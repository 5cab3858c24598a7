"""Ziplists, zipmaps, intsets and quicklists by themselves."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from miniredis.persistence import intset, listpack, quicklist, ziplist, zipmap
from miniredis.persistence.damage import Damaged
from tests.miniredis.persistence import old_encodings as old

numbers = st.integers(-(2**63), 2**63 - 1).map(lambda number: b"%d" % number)
elements = st.binary(max_size=300) | numbers


@given(st.lists(elements))
def test_a_ziplist_gives_its_elements_back(values):
    assert ziplist.decode(old.ziplist(values)) == values


def test_a_ziplist_drawn_by_hand_is_read():
    """The example in the comment at the top of Redis's `ziplist.c`: "2", "5"."""
    assert ziplist.decode(bytes.fromhex("0f000000 0c000000 0200 00f3 02f6 ff")) == [b"2", b"5"]


@given(st.dictionaries(st.binary(max_size=300), st.binary(max_size=300), max_size=8), st.integers(0, 4))
def test_a_zipmap_gives_its_pairs_back(pairs, free):
    items = zipmap.decode(old.zipmap(pairs, free))
    assert dict(zip(items[::2], items[1::2], strict=True)) == pairs


def test_a_zipmap_drawn_by_hand_is_read():
    """The example in the comment at the top of Redis 2.4's `zipmap.c`: foo => bar, hello => world."""
    packed = b"\x02\x03foo\x03\x00bar\x05hello\x05\x00world\xff"
    assert zipmap.decode(packed) == [b"foo", b"bar", b"hello", b"world"]


@given(st.sets(st.integers(-(2**63), 2**63 - 1) | st.integers(-40_000, 40_000)))
def test_an_intset_gives_its_members_back_in_order(members):
    assert intset.decode(intset.encode(members)) == tuple(sorted(members))


@pytest.mark.parametrize(("largest", "width"), [(32767, 2), (-32768, 2), (32768, 4), (-(2**31), 4), (2**31, 8)])
def test_the_largest_member_sets_the_width_of_all(largest, width):
    packed = intset.encode([0, largest])
    assert (packed[:4], len(packed)) == (width.to_bytes(4, "little"), 8 + 2 * width)


@pytest.mark.parametrize("decode", [ziplist.decode, zipmap.decode, intset.decode, listpack.decode])
@given(data=st.data())
def test_damaged_bytes_raise_damaged_and_nothing_else(decode, data):
    whole = {
        ziplist.decode: old.ziplist([b"one", b"2", b"x" * 300, b"40000", b""]),
        zipmap.decode: old.zipmap({b"one": b"2", b"three": b"x" * 260}, 2),
        intset.decode: intset.encode([1, 2, 3_000_000]),
        listpack.decode: listpack.encode([b"one", b"2", b"x" * 300, b"40000", b""]),
    }[decode]
    packed = bytearray(whole[: data.draw(st.integers(0, len(whole)))])
    for _ in range(data.draw(st.integers(0, 3))):
        if packed:
            packed[data.draw(st.integers(0, len(packed) - 1))] = data.draw(st.integers(0, 255))
    try:
        decode(bytes(packed))
    except Damaged as damage:
        assert 0 <= damage.offset <= len(whole) + 5


def test_a_quicklist_node_holds_eight_kilobytes():
    sizes = [len(node) for _, node in quicklist.nodes([b"x" * 100] * 1_000)]
    assert (max(sizes) <= 8192, min(sizes[:-1]) > 8000, len(sizes)) == (True, True, 13)


def test_a_quicklist_node_holds_so_many_elements_when_the_fill_is_positive():
    nodes = [listpack.decode(node) for _, node in quicklist.nodes([b"a", b"b", b"c", b"d", b"e"], fill=2)]
    assert nodes == [[b"a", b"b"], [b"c", b"d"], [b"e"]]


def test_an_element_past_the_threshold_has_a_plain_node_of_its_own():
    nodes = list(quicklist.nodes([b"a", b"x" * 10, b"b"], packed_threshold=10))
    assert nodes == [(2, listpack.encode([b"a"])), (1, b"x" * 10), (2, listpack.encode([b"b"]))]
