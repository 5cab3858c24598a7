"""Buckets: the two things a Python dict cannot do, a cursor that survives changes and a random pick.

A dict keeps its entries in order of insertion and shows no position to stop at and come back to.  So beside the dict
that answers look-ups stands this index of its keys: lists of about a dozen, filled by hash.  A pick takes a random
bucket, a scan returns bucket by bucket.

It grows by *linear hashing* (Litwin 1980): instead of doubling all at once, each few insertions split one bucket, the
next in turn, so no single SET pays for a million.

    level 2, next to split 1:      buckets  0   1   2   3 | 4          4 came out of 0
                                   by       h%8 h%4 h%4 h%4 h%8

The scan's guarantee, Redis's own: a key that is there from the first call to the last is returned at least once, however
the table grows or shrinks meanwhile.  It holds because the cursor counts with its bits reversed (Pieter Noordhuis'
algorithm, `dict.c` dictScan): the buckets that a bucket splits into are exactly those the reversed count visits next to
each other.
"""

from random import Random

from xxhash import xxh3_64_intdigest

LOAD = 12  # keys a bucket holds on average before the next is split
CURSOR_BITS = 64


class Buckets:
    """The keys of one dict.  The owner adds each key once and discards it once."""

    __slots__ = ("_buckets", "_count", "_level", "_seed", "_split")

    def __init__(self, seed: int = 0) -> None:
        self._seed = seed  # unknown to clients, so that they cannot choose keys that share a bucket
        self._buckets: list[list[bytes]] = [[]]
        self._level = 0  # buckets that stand unsplit are addressed by this many bits of the hash
        self._split = 0  # the next one to be split; those before it are addressed by one bit more
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def _bucket(self, key: bytes) -> list[bytes]:
        digest = xxh3_64_intdigest(key, self._seed)
        index = digest & ((1 << self._level) - 1)
        if index < self._split:
            index = digest & ((2 << self._level) - 1)
        return self._buckets[index]

    def add(self, key: bytes) -> None:
        self._bucket(key).append(key)
        self._count += 1
        if self._count > LOAD * len(self._buckets):
            self._split_next()

    def discard(self, key: bytes) -> None:
        self._bucket(key).remove(key)
        self._count -= 1
        if self._count < LOAD * len(self._buckets) // 4:
            self._merge_last()

    def _split_next(self) -> None:
        keys = self._buckets[self._split]
        bit = 1 << self._level
        stay: list[bytes] = []
        move: list[bytes] = []
        for key in keys:
            (move if xxh3_64_intdigest(key, self._seed) & bit else stay).append(key)
        self._buckets[self._split] = stay
        self._buckets.append(move)
        self._split += 1
        if self._split == bit:
            self._level += 1
            self._split = 0

    def _merge_last(self) -> None:
        if len(self._buckets) == 1:
            return
        if self._split == 0:
            self._level -= 1
            self._split = 1 << self._level
        self._split -= 1
        self._buckets[self._split].extend(self._buckets.pop())

    def scan(self, cursor: int) -> tuple[int, list[bytes]]:
        """The keys under `cursor`, and the cursor to go on with; 0 begins, 0 returned is the end."""
        mask = (1 << self._level) - 1
        index = cursor & mask
        keys = list(self._buckets[index])
        if index < self._split:
            keys += self._buckets[index + mask + 1]
        cursor |= ~mask & ((1 << CURSOR_BITS) - 1)  # counting starts at the highest bit that addresses a bucket
        return _reversed_bits(_reversed_bits(cursor) + 1), keys

    def pick(self, random: Random) -> bytes:
        """A random key.  As in Redis not quite uniform: keys in fuller buckets come a little less often."""
        while not (bucket := self._buckets[random.randrange(len(self._buckets))]):
            pass
        return bucket[random.randrange(len(bucket))]


_REVERSED_BYTES = [int(f"{byte:08b}"[::-1], 2) for byte in range(256)]


def _reversed_bits(number: int) -> int:
    """The 64 bits of `number` from last to first; what overflows beyond them is dropped."""
    data = (number & ((1 << CURSOR_BITS) - 1)).to_bytes(8, "little")
    return int.from_bytes(bytes(_REVERSED_BYTES[byte] for byte in data), "big")
