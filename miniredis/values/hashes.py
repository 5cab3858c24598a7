"""Hashes: a dict of fields.

`encoding` is what Redis would call it, and as in Redis it only ever grows: `listpack` while there are at most
`hash-max-listpack-entries` fields and none longer than `hash-max-listpack-value`, `hashtable` after.
"""

from collections.abc import Iterable, Mapping


class Hash(dict[bytes, bytes]):
    """field -> value, in the order the fields came."""

    __slots__ = ("encoding", "index")

    def __init__(self, pairs: Mapping[bytes, bytes] | Iterable[tuple[bytes, bytes]] = ()) -> None:
        super().__init__(pairs)
        self.encoding = "listpack"
        self.index = None
