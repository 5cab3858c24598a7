"""The values: what a key can hold, as Python sees it.

    type      value                what Redis calls its encoding
    string    bytes, bytearray     int, embstr, raw
    list      List                 listpack, quicklist
    set       Set                  intset, listpack, hashtable
    hash      Hash                 listpack, hashtable
    zset      SortedSet            listpack, skiplist

The encodings are Redis's, not ours: a Python dict is a Python dict at any size.  But clients can ask for them (OBJECT
ENCODING), snapshots are written in them, and some replies come in the order they imply; so each collection carries the
name, and converts where Redis would.
"""

from typing import Any

from miniredis.values import strings
from miniredis.values.hashes import Hash
from miniredis.values.lists import List
from miniredis.values.sets import Set
from miniredis.values.sorted_sets import SortedSet

TYPES = {bytes: "string", bytearray: "string", List: "list", Set: "set", Hash: "hash", SortedSet: "zset"}
"""What TYPE answers."""


def encoding(value: Any) -> str:
    """What OBJECT ENCODING answers."""
    return strings.encoding(value) if isinstance(value, strings.STRING) else str(value.encoding)


def duplicate(value: Any) -> Any:
    """A copy that shares nothing that can change."""
    if type(value) is bytes:
        return value
    if type(value) is bytearray:
        return bytearray(value)
    copy = SortedSet(value.scores.items()) if type(value) is SortedSet else type(value)(value)
    copy.encoding = value.encoding
    return copy
