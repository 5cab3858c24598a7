"""Damage: what every reader in this package raises when bytes are not what they claim to be.

The packed structures (listpack, ziplist, ...) are read out of a blob and know only their place in it; the RDB reader
turns their complaint into an RdbError that gives the place in the file.
"""


class Damaged(Exception):
    """`reason`, noticed `offset` bytes into the structure."""

    def __init__(self, reason: str, offset: int) -> None:
        super().__init__(f"{reason} (byte {offset} of it)")
        self.reason = reason
        self.offset = offset
