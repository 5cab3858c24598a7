"""Lists: a deque, which is what a quicklist is too: blocks of 64 in a chain, quick at both ends.

`encoding` is what Redis would call it: `listpack` while the whole list fits `list-max-listpack-size`, `quicklist` after,
and back only when it has shrunk to half of that, so that a list on the border does not flip at every push.  The size is
that of the listpack in bytes; it is kept while it can matter and forgotten (None) when a list has become long.

Redis looks at its nodes when it converts back: a list whose last few elements happen to lie in two of them stays a
quicklist a little longer than here.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Sequence
from typing import Any

from miniredis.persistence import listpack, quicklist

ENTRY_MIN = 2  # bytes that an element takes at least


class List(deque[bytes]):
    """The elements, head first."""

    __slots__ = ("encoding", "packed_size", "weight")

    def __init__(self, elements: Iterable[bytes] = ()) -> None:
        super().__init__(elements)
        self.encoding = "listpack"
        self.packed_size: int | None = listpack.EMPTY_SIZE if not self else None
        self.weight = 0

    @classmethod
    def from_chain(cls, elements: Sequence[bytes], settings: Any) -> List:
        """A list that Redis builds as a quicklist and then looks at: a listpack where one node took all of it."""
        made = cls(elements)
        bytes_max, count_max = quicklist.limits(settings.list_max_listpack_size)
        size = listpack.EMPTY_SIZE
        for number, element in enumerate(elements):
            expected = size + len(element) + quicklist.ESTIMATED_OVERHEAD
            if number and (expected > bytes_max or (count_max is not None and number >= count_max)):
                made.encoding = "quicklist"
                return made
            size += listpack.entry_size(element)
        made.packed_size = size
        return made

    def make_room(self, added: Iterable[bytes], settings: Any) -> None:
        """Convert where Redis would, before `added` come in."""
        if self.encoding != "listpack":
            if self.packed_size is not None:
                self.packed_size += sum(map(listpack.entry_size, added))
            return
        added = list(added)
        bytes_max, count_max = quicklist.limits(settings.list_max_listpack_size)
        size = self._size()
        # Redis counts the bytes of what comes, without the headers they will get
        too_large = size + sum(map(len, added)) > bytes_max
        if too_large or (count_max is not None and len(self) + len(added) > count_max):
            self.encoding = "quicklist"
            self.packed_size = None
        else:
            self.packed_size = size + sum(map(listpack.entry_size, added))

    def give_back(self, removed: Iterable[bytes], settings: Any) -> None:
        """Convert back where Redis would, after `removed` have gone out."""
        if self.packed_size is not None:
            self.packed_size -= sum(map(listpack.entry_size, removed))
        if self.encoding == "listpack":
            return
        bytes_max, count_max = quicklist.limits(settings.list_max_listpack_size)
        if len(self) * ENTRY_MIN > bytes_max // 2 or (count_max is not None and len(self) > count_max // 2):
            return
        if self._size() <= bytes_max // 2:
            self.encoding = "listpack"

    def forget_size(self) -> None:
        """Elements were changed in the middle: count anew when it matters."""
        self.packed_size = None

    def _size(self) -> int:
        if self.packed_size is None:
            self.packed_size = listpack.size_of(self)
        return self.packed_size
