"""Lists: a deque, which is what a quicklist is too: blocks of 64 in a chain, quick at both ends.

`encoding` is what Redis would call it: `listpack` while the whole list fits `list-max-listpack-size`, `quicklist` after,
and back only when it has shrunk to half of that, so that a list on the border does not flip at every push.
"""

from collections import deque


class List(deque[bytes]):
    """The elements, head first."""

    __slots__ = ("encoding",)

    def __init__(self, elements: "deque[bytes] | list[bytes] | tuple[bytes, ...]" = ()) -> None:
        super().__init__(elements)
        self.encoding = "listpack"
