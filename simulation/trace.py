"""The trace: one line for everything that happened, and a hash over all lines.

Two runs of one seed must have the same hash; where they do not, something in the server asked the machine (the clock,
an address in memory, the order of a set), and `first_difference` says when.  Each line holds the virtual time and the
number of callbacks run so far, so even a callback that leaves no line of its own shows in the next one.
"""

import hashlib
from collections import deque
from collections.abc import Callable, Iterable
from itertools import zip_longest


class Trace:
    """Lines `time count event`; the last `keep` of them are kept (None: all), the hash covers every one."""

    def __init__(self, now: Callable[[], float], count: Callable[[], int], keep: int | None = 200) -> None:
        self._now, self._count = now, count
        self._hash = hashlib.blake2b(digest_size=16)
        self.lines: deque[str] = deque(maxlen=keep)

    def note(self, event: str) -> None:
        line = f"{self._now()!r} {self._count()} {event}"
        self._hash.update(line.encode() + b"\n")
        self.lines.append(line)

    def hash(self) -> str:
        """Of all lines so far: 32 hexadecimal digits."""
        return self._hash.hexdigest()


def first_difference(one: Iterable[str], other: Iterable[str]) -> tuple[int, str | None, str | None] | None:
    """The first line where two traces part: its number, from 0, and both lines (None where one has ended)."""
    for number, (left, right) in enumerate(zip_longest(one, other)):
        if left != right:
            return number, left, right
    return None
