"""Sets: a dict whose values are all None.

Not Python's own set: a dict keeps the order of insertion, as a listpack does, and iterates alike in every process,
which a simulation that must replay needs (sets of bytes are ordered by a hash that differs per process).

`encoding` is what Redis would call it, and as in Redis it only ever grows: `intset` while every member is an integer,
`listpack` while few and short, `hashtable` after.
"""

from collections.abc import Iterable


class Set(dict[bytes, None]):
    """The members, in the order they came; an intset answers in numeric order."""

    __slots__ = ("encoding", "index")

    def __init__(self, members: Iterable[bytes] = ()) -> None:
        super().__init__(dict.fromkeys(members))
        self.encoding = "intset"
        self.index = None
