"""From elements that were read to values that are kept: duplicates refused, the encoding chosen.

A file may come from a server with other settings, so the encoding is not taken from the file but decided anew, by the
limits of this server, as it would be had the elements been added one by one.  The exceptions are Redis's own: what
comes packed is not unpacked because an element is long, only because there are too many; and what comes as a chain of
nodes stays one.
"""

from __future__ import annotations

import math

from miniredis.numbers import parse_integer
from miniredis.persistence import listpack, quicklist
from miniredis.persistence.damage import Damaged
from miniredis.persistence.rdb_format import Limits
from miniredis.values.hashes import Hash
from miniredis.values.lists import List
from miniredis.values.sets import Set
from miniredis.values.sorted_sets import SortedSet


def make_list(elements: list[bytes], limits: Limits, *, chained: bool = False) -> List:
    """`chained`: they come from more than one node, and stay a quicklist however few they are."""
    value = List(elements)
    bytes_max, count_max = quicklist.limits(limits.list_max_listpack_size)
    small = (
        not chained
        and (count_max is None or len(elements) <= count_max)
        and len(elements) <= bytes_max // 2  # an entry takes two bytes at least
        and listpack.size_of(elements) <= bytes_max
    )
    value.encoding = "listpack" if small else "quicklist"
    return value


def make_set(members: list[bytes], limits: Limits, *, packed: bool = False) -> Set:
    """`packed`: they come from one block, and only their number can end that."""
    value = Set(members)
    if len(value) != len(members):
        raise Damaged("a set with the same member twice", 0)
    value.encoding = _set_encoding(members, limits, packed)
    return value


def _set_encoding(members: list[bytes], limits: Limits, packed: bool) -> str:
    if packed:
        return "listpack" if len(members) <= limits.set_max_listpack_entries else "hashtable"
    if len(members) > limits.set_max_intset_entries:  # then Redis builds a hash table from the start
        return "hashtable"
    if all(parse_integer(member) is not None for member in members):
        return "intset"
    few = len(members) <= limits.set_max_listpack_entries
    return "listpack" if few and _longest(members) <= limits.set_max_listpack_value else "hashtable"


def make_hash(items: list[bytes], limits: Limits, *, packed: bool = False) -> Hash:
    """`items`: fields and values in turn."""
    if len(items) % 2:
        raise Damaged("a hash whose last field has no value", 0)
    value = Hash(zip(items[::2], items[1::2], strict=True))
    if len(value) * 2 != len(items):
        raise Damaged("a hash with the same field twice", 0)
    small = len(value) <= limits.hash_max_listpack_entries and (
        packed or _longest(items) <= limits.hash_max_listpack_value
    )
    value.encoding = "listpack" if small else "hashtable"
    return value


def make_sorted_set(pairs: list[tuple[bytes, float]], limits: Limits, *, packed: bool = False) -> SortedSet:
    if any(math.isnan(score) for _, score in pairs):
        raise Damaged("a score that is not a number", 0)
    value = SortedSet(pairs)
    if len(value) != len(pairs):
        raise Damaged("a sorted set with the same member twice", 0)
    small = len(value) <= limits.zset_max_listpack_entries and (
        packed or _longest([member for member, _ in pairs]) <= limits.zset_max_listpack_value
    )
    value.encoding = "listpack" if small else "skiplist"
    return value


def _longest(texts: list[bytes]) -> int:
    return max(map(len, texts), default=0)
