import pytest
from hypothesis import given
from hypothesis import strategies as st

from miniredis.persistence import listpack
from miniredis.persistence.damage import Damaged

numbers = st.integers(-(2**63), 2**63 - 1).map(lambda number: b"%d" % number)
elements = st.binary(max_size=200) | numbers | st.integers(0, 20_000).map(lambda size: b"x" * size)

EDGES = {
    b"0": "0001",
    b"127": "7f01",
    b"128": "c08002",
    b"4095": "cfff02",
    b"-1": "dfff02",
    b"-4096": "d00002",
    b"4096": "f1001003",
    b"-4097": "f1ffef03",
    b"32768": "f200800004",
    b"-8388608": "f200008004",
    b"8388608": "f30000800005",
    b"2147483648": "f4000000800000000009",
    b"-9223372036854775808": "f4000000000000008009",
    b"": "8001",
    b"a": "816102",
    b"01": "82303103",
    b"-0": "822d3003",
    b"9223372036854775808": "93" + b"9223372036854775808".hex() + "14",
    b"x" * 64: "e040" + "78" * 64 + "42",
    b"x" * 126: "e07e" + "78" * 126 + "0180",
    b"x" * 4096: "f000100000" + "78" * 4096 + "2085",
}
"""element -> entry, both sides of every border of the specification"""


@pytest.mark.parametrize("element", EDGES)
def test_an_entry_is_as_the_specification_draws_it(element):
    """Listpack specification, "Elements representation"."""
    assert listpack.encode_entry(element).hex() == EDGES[element]


def test_a_listpack_states_its_size_and_its_count():
    assert listpack.encode([b"a", b"5"]).hex() == "0c0000000200" + "816102" + "0501" + "ff"


@given(st.lists(elements))
def test_what_was_packed_comes_back(values):
    assert listpack.decode(listpack.encode(values)) == values


@given(elements)
def test_the_size_of_an_entry_is_known_without_making_it(element):
    assert listpack.entry_size(element) == len(listpack.encode_entry(element))


def test_a_count_of_65535_means_too_many_to_say():
    values = [b"1"] * 70_000
    packed = listpack.encode(values)
    assert (packed[4:6], listpack.decode(packed)) == (b"\xff\xff", values)


@given(st.lists(st.binary(max_size=70) | numbers, max_size=6), st.data())
def test_a_damaged_listpack_is_told_apart_or_reads_as_another(values, data):
    packed = bytearray(listpack.encode(values))
    packed[data.draw(st.integers(0, len(packed) - 1))] ^= data.draw(st.integers(1, 255))
    try:
        assert all(isinstance(value, bytes) for value in listpack.decode(bytes(packed)))
    except Damaged as damage:
        assert 0 <= damage.offset <= len(packed)


@pytest.mark.parametrize(
    ("packed", "reason"),
    [
        ("", "a listpack whose size is not the size it states"),
        ("080000000000ff", "a listpack whose size is not the size it states"),
        ("07000000000000", "a listpack without its end mark"),
        ("090000000200" + "0501" + "ff", "a listpack of 1 elements that states 2"),
        ("090000000100" + "0502" + "ff", "a listpack entry that does not end in its length"),
        ("090000000100" + "f501" + "ff", "a listpack entry of unknown kind 0xf5"),
    ],
)
def test_each_kind_of_damage_has_its_name(packed, reason):
    with pytest.raises(Damaged) as damage:
        listpack.decode(bytes.fromhex(packed))
    assert damage.value.reason == reason
