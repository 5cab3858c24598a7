"""A dict whose keys can be picked at random and scanned by cursor: what sets and hashes have in common.

While it is small, both are done on a list made for the purpose.  A large one, `hashtable` in Redis's words, gets an index
of its keys (`buckets.py`) from the first time that it is needed, kept up from then on; most never need it.
"""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import TypeVar

from miniredis.buckets import Buckets

V = TypeVar("V")

SAMPLE_SHARE = 3  # asked for more than a third of the keys: shuffling all is cheaper than picking until enough differ


class IndexedDict(dict[bytes, V]):
    """`encoding`: what Redis would call it; whoever adds a key tells `index`, when there is one."""

    __slots__ = ("encoding", "index", "weight")

    encoding: str
    index: Buckets | None
    weight: int  # bytes, as last counted

    def remove(self, key: bytes) -> bool:
        """Take `key` out; False when it was not there."""
        if key not in self:
            return False
        del self[key]
        if self.index is not None:
            self.index.discard(key)
        return True

    def pick(self, random: Random, seed: int) -> bytes:
        """A random key; there must be one.  `seed` is that of the index, `Engine.bucket_seed`."""
        if self.encoding != "hashtable":
            return list(self)[random.randrange(len(self))]
        return self.indexed(seed).pick(random)

    def picks(self, random: Random, count: int, seed: int) -> list[bytes]:
        """`count` random keys, one after another, so that one may come twice."""
        if self.encoding != "hashtable":
            return random.choices(list(self), k=count)
        index = self.indexed(seed)
        return [index.pick(random) for _ in range(count)]

    def sample(self, random: Random, count: int, seed: int) -> Sequence[bytes]:
        """`count` different keys, fewer than there are."""
        if self.encoding != "hashtable" or count * SAMPLE_SHARE > len(self):
            return random.sample(list(self), count)
        index = self.indexed(seed)
        picked: dict[bytes, None] = {}
        while len(picked) < count:
            picked[index.pick(random)] = None
        return list(picked)

    def indexed(self, seed: int) -> Buckets:
        """The index of the keys, made the first time it is asked for."""
        if self.index is None:
            self.index = Buckets(seed)
            for key in self:
                self.index.add(key)
        return self.index
