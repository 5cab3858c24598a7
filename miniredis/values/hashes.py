"""Hashes: a dict of fields.

`encoding` is what Redis would call it, and as in Redis it only ever grows: `listpack` while there are at most
`hash-max-listpack-entries` fields, and no field or value longer than `hash-max-listpack-value`; `hashtable` after.

Source: Redis 7.2 `t_hash.c`, hashTypeTryConversion and hashTypeSet.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from miniredis.values.indexed_dict import IndexedDict


class Hash(IndexedDict[bytes]):
    """field -> value, in the order the fields came.  Changed by `put` and `remove` only."""

    __slots__ = ()

    def __init__(self, pairs: Mapping[bytes, bytes] | Iterable[tuple[bytes, bytes]] = ()) -> None:
        super().__init__(pairs)
        self.encoding = "listpack"
        self.index = None
        self.weight = 0

    def make_room(self, words: Sequence[bytes], settings: Any) -> None:
        """Convert a listpack where Redis would, before `words`, fields and values in turn, come in.

        The guess is that all the fields are new, so that a hash that will be large is never packed first.
        """
        if (
            len(words) > 2 * settings.hash_max_listpack_entries
            or max(map(len, words)) > settings.hash_max_listpack_value
        ):
            self.encoding = "hashtable"

    def put(self, field: bytes, value: bytes, settings: Any) -> None:
        """Set a field, new or not."""
        if self.index is not None and field not in self:
            self.index.add(field)
        self[field] = value
        if self.encoding == "listpack" and len(self) > settings.hash_max_listpack_entries:
            self.encoding = "hashtable"
