"""Which partition a record goes to: the one it names, else by its key, else by turns that last a batch.

    explicit partition       as it says
    a key                    murmur2(key) & 0x7fffffff, modulo the number of partitions
    no key                   one partition until its batch is full, then the next (KIP-480, "sticky")

The hash is part of the contract: records of one key lie in one partition, in order, whichever client wrote them, and so
every client must hash alike.  It breaks when partitions are added: keys move from then on.  A record without key is free
to go anywhere, so it goes where it fills a batch: turns by record would send many small batches instead of few large ones.

Java's own client weighs partitions by the length of their queues, too (KIP-794); turns are left out of that here.

Source: Austin Appleby's MurmurHash2, with Kafka's seed (`Utils.murmur2`); KIP-480.
"""

from collections.abc import Sequence
from random import Random

SEED = 0x9747B28C
MULTIPLIER = 0x5BD1E995
MASK = 0xFFFFFFFF


def murmur2(data: bytes) -> int:
    """The 32 bits, unsigned, that Kafka's clients hash `data` to."""
    length = len(data)
    whole = length & ~3
    state = SEED ^ length
    for start in range(0, whole, 4):
        word = int.from_bytes(data[start : start + 4], "little") * MULTIPLIER & MASK
        word = (word ^ word >> 24) * MULTIPLIER & MASK
        state = state * MULTIPLIER & MASK ^ word
    if length != whole:
        state = (state ^ int.from_bytes(data[whole:], "little")) * MULTIPLIER & MASK
    state = (state ^ state >> 13) * MULTIPLIER & MASK
    return state ^ state >> 15


def partition_of_key(key: bytes, partitions: int) -> int:
    """Where records of `key` lie in a topic of that many partitions."""
    return (murmur2(key) & 0x7FFFFFFF) % partitions


class Partitioner:
    """Chooses for every topic of one producer.  `random` gives each topic its first turn, so that not all begin at 0."""

    def __init__(self, random: Random) -> None:
        self._random = random
        self._turns: dict[str, int] = {}

    def choose(self, topic: str, key: bytes | None, partitions: int, available: Sequence[int]) -> int:
        """The partition for a record that names none.

        partitions  how many the topic has; keys are spread over all of them, led or not, as they must stay where they are
        available   those that have a leader now; only they get records without key
        """
        if key is not None:
            return partition_of_key(key, partitions)
        choices = available or range(partitions)
        if topic not in self._turns:
            self._turns[topic] = self._random.randrange(partitions)
        return choices[self._turns[topic] % len(choices)]

    def batch_is_full(self, topic: str) -> None:
        """The next record without key begins a batch elsewhere."""
        if topic in self._turns:
            self._turns[topic] += 1
