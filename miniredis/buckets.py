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

    __slots__ = ("_buckets", "_count", "_full", "_mask", "_seed", "_split", "_wide_mask")

    def __init__(self, seed: int = 0) -> None:
        self._seed = seed  # unknown to clients, so that they cannot choose keys that share a bucket
        self._buckets: list[list[bytes]] = [[]]
        self._mask = 0  # of the hash: addresses the buckets that stand unsplit
        self._wide_mask = 1  # one bit more: addresses those that are split
        self._split = 0  # the next to be split; those before it are
        self._count = 0
        self._full = LOAD  # keys at which the next bucket is split

    def __len__(self) -> int:
        return self._count

    def add(self, key: bytes) -> None:
        digest = xxh3_64_intdigest(key, self._seed)
        index = digest & self._mask
        self._buckets[index if index >= self._split else digest & self._wide_mask].append(key)
        self._count += 1
        if self._count > self._full:
            self._split_next()

    def discard(self, key: bytes) -> None:
        digest = xxh3_64_intdigest(key, self._seed)
        index = digest & self._mask
        self._buckets[index if index >= self._split else digest & self._wide_mask].remove(key)
        self._count -= 1
        if self._count < self._full >> 2:
            self._merge_last()

    def _split_next(self) -> None:
        bit = self._mask + 1
        seed = self._seed
        stay: list[bytes] = []
        move: list[bytes] = []
        for key in self._buckets[self._split]:
            (move if xxh3_64_intdigest(key, seed) & bit else stay).append(key)
        self._buckets[self._split] = stay
        self._buckets.append(move)
        self._full += LOAD
        self._split += 1
        if self._split == bit:
            self._mask, self._wide_mask = self._wide_mask, self._wide_mask << 1 | 1
            self._split = 0

    def _merge_last(self) -> None:
        if len(self._buckets) == 1:
            return
        if self._split == 0:
            self._mask, self._wide_mask = self._mask >> 1, self._mask
            self._split = self._mask + 1
        self._split -= 1
        self._full -= LOAD
        self._buckets[self._split].extend(self._buckets.pop())

    def scan(self, cursor: int) -> tuple[int, list[bytes]]:
        """The keys under `cursor`, and the cursor to go on with; 0 begins, 0 returned is the end."""
        mask = self._mask
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
