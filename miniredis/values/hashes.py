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

    def put(self, words: Sequence[bytes], settings: Any) -> int:
        """Set fields, new or not: fields and values in turn.  Converts where Redis would; how many fields were new."""
        before = len(self)
        if self.encoding == "listpack":
            self._make_room(words, settings)
        if self.index is not None:
            for field in dict.fromkeys(words[::2]):
                if field not in self:
                    self.index.add(field)
        if len(words) == 2:
            self[words[0]] = words[1]
        else:
            self.update(zip(words[::2], words[1::2], strict=True))
        if len(self) > settings.hash_max_listpack_entries:
            self.encoding = "hashtable"
        return len(self) - before

    def _make_room(self, words: Sequence[bytes], settings: Any) -> None:
        """The guess is that all the fields are new, so that a hash that will be large is never packed first."""
        longest = settings.hash_max_listpack_value
        if len(words) == 2:
            if len(words[0]) > longest or len(words[1]) > longest:
                self.encoding = "hashtable"
        elif len(words) > 2 * settings.hash_max_listpack_entries or max(map(len, words)) > longest:
            self.encoding = "hashtable"
