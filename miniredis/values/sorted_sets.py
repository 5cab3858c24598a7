"""Sorted sets: a dict from member to score, and the pairs (score, member) in order.

The order is by score, then by the member's bytes: the order of Python's tuples.  Redis keeps a skip list whose links
count what they jump over, so that a rank is found in O(log n); `SortedList` keeps blocks of about a thousand with a
tree of their sizes, which gives the same and is quicker in Python.

`encoding` is what Redis would call it, and only ever grows: `listpack` while few and short, `skiplist` after.
"""

from collections.abc import Iterable

from sortedcontainers import SortedList


class SortedSet:
    """`scores`: member -> score.  `order`: (score, member), ascending."""

    __slots__ = ("encoding", "index", "order", "scores")

    def __init__(self, pairs: Iterable[tuple[bytes, float]] = ()) -> None:
        self.scores: dict[bytes, float] = dict(pairs)
        self.order: SortedList = SortedList((score, member) for member, score in self.scores.items())
        self.encoding = "listpack"
        self.index = None

    def __len__(self) -> int:
        return len(self.scores)

    def set(self, member: bytes, score: float) -> None:
        """Add `member`, or move it to its new place."""
        old = self.scores.get(member)
        if old is not None:
            if old == score:
                return
            self.order.remove((old, member))
        self.scores[member] = score
        self.order.add((score, member))

    def remove(self, member: bytes) -> bool:
        score = self.scores.pop(member, None)
        if score is None:
            return False
        self.order.remove((score, member))
        return True

    def rank(self, member: bytes) -> int | None:
        """Position counted from the lowest score, 0 first.  O(log n)."""
        score = self.scores.get(member)
        return None if score is None else self.order.index((score, member))
