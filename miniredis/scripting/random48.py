"""math.random of a script: a 48-bit linear congruential generator, the same sequence in every run.

Redis brings its own so that scripts throw the same dice on every platform.  Source: Redis `rand.c` (pysam's drand48).
"""

MULTIPLIER, INCREMENT, MASK = 0x5DEECE66D, 0xB, (1 << 48) - 1
INT32_MAX = 2**31 - 1


class Random48:
    """Seeded with 0 before each script."""

    def __init__(self) -> None:
        self.seed(0)

    def seed(self, value: int) -> None:
        self.state = (value & 0xFFFFFFFF) << 16 | 0x330E

    def fraction(self) -> float:
        """In [0, 1)."""
        self.state = (self.state * MULTIPLIER + INCREMENT) & MASK
        return (self.state >> 17) % INT32_MAX / INT32_MAX
