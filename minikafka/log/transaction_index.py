"""`.txnindex`: the aborted transactions of a segment, by which consumers skip what was never committed.

    int16 version 0 | int64 producer id | int64 first offset | int64 last offset | int64 last stable offset      34 bytes

An entry is written when the marker that aborts a transaction is appended, into the segment that holds the marker.  A
consumer that reads committed records gets, with what it fetched, the aborted transactions that overlap it.  The last
stable offset in the entry bounds the search: no transaction that began before it ends in a later segment.

Few segments have any entry, so the file is made with the first and read when asked.

Source: KIP-98, "Consumer"; Kafka's `TransactionIndex.java`, `AbortedTxn.java`.
"""

from struct import Struct
from typing import NamedTuple

from durable.disk import Disk

ENTRY = Struct(">hqqqq")
VERSION = 0


class AbortedTransaction(NamedTuple):
    """Offsets are of the first record and of the marker that aborted."""

    producer_id: int
    first_offset: int
    last_offset: int
    last_stable_offset: int


class TransactionIndex:
    """One segment's aborted transactions, in the order of their markers."""

    def __init__(self, disk: Disk, path: str) -> None:
        self._disk = disk
        self.path = path

    def append(self, aborted: AbortedTransaction) -> None:
        """Raises OSError."""
        file = self._disk.open(self.path, "a")
        try:
            file.append(ENTRY.pack(VERSION, *aborted))
        finally:
            file.close()

    def read(self) -> list[AbortedTransaction]:
        """All of them; a torn last entry is left out."""
        return decode(self._disk.read(self.path)) if self._disk.exists(self.path) else []

    def overlapping(self, first_offset: int, end_offset: int) -> tuple[list[AbortedTransaction], bool]:
        """Those that touch [first_offset, end_offset), and whether later segments need not be asked."""
        found = []
        for aborted in self.read():
            if aborted.last_offset >= first_offset and aborted.first_offset < end_offset:
                found.append(aborted)
            if aborted.last_stable_offset >= end_offset:
                return found, True
        return found, False

    def truncate_to(self, offset: int) -> None:
        """Drop those whose marker stands at `offset` or above."""
        before = self.read()
        kept = [aborted for aborted in before if aborted.last_offset < offset]
        if len(kept) < len(before):
            file = self._disk.open(self.path, "a")
            try:
                file.truncate(len(kept) * ENTRY.size)
            finally:
                file.close()


def decode(content: bytes) -> list[AbortedTransaction]:
    """The entries of a file.  Raises ValueError for another version."""
    found = []
    for version, *fields in ENTRY.iter_unpack(content[: len(content) - len(content) % ENTRY.size]):
        if version != VERSION:
            raise ValueError(f"version {version} of an aborted transaction, expected {VERSION}")
        found.append(AbortedTransaction(*fields))
    return found
