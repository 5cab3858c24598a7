"""The bytes of an RDB file in order: taken by number, as lengths, as strings.

Here is where lengths meet what is really there, so here is where a damaged one ends.  What is known of the file's size
is asked first; where nothing is known (a socket), bytes are gathered as they come and nothing is allocated ahead.
"""

from __future__ import annotations

from collections.abc import Callable

from miniredis.persistence import lzf
from miniredis.persistence import rdb_format as rdb
from miniredis.persistence.crc64 import crc64
from miniredis.persistence.damage import Damaged
from miniredis.persistence.rdb_format import RdbError

CHUNK = 256 * 1024  # bytes read at once


class Source:
    """The bytes of a file in order, their position and checksum."""

    def __init__(self, read: Callable[[int], bytes], size: int | None = None, position: int = 0) -> None:
        """
        read      gives at most so many bytes, b"" at the end
        size      of the whole file, when known
        position  in the file, of the first byte that `read` gives
        """
        self._read = read
        self._size = size
        self._data = b""
        self._at = 0
        self._base = position  # of self._data in the file
        self._summed = 0  # bytes of self._data that `_sum` covers
        self._sum = 0

    @property
    def position(self) -> int:
        return self._base + self._at

    def checksum(self) -> int:
        """The CRC-64 of everything taken so far."""
        self._sum = crc64(self._data[self._summed : self._at], self._sum)
        self._summed = self._at
        return self._sum

    def take(self, count: int) -> bytes:
        """The next `count` bytes.  Raises RdbError when the file has fewer."""
        end = self._at + count
        if end <= len(self._data):
            taken = self._data[self._at : end]
            self._at = end
            return taken
        position = self.position
        if self._size is not None and count > self._size - position:
            raise RdbError(f"{count} bytes are announced, only {max(self._size - position, 0)} are left", position)
        pieces, missing = [self._data[self._at :]], end - len(self._data)
        while True:
            self._at = len(self._data)
            self.checksum()
            self._base += self._at
            self._at = self._summed = 0
            self._data = self._read(max(CHUNK, min(missing, 4 * CHUNK)))
            if not self._data:
                raise RdbError("the file ends too early", self.position)
            self._at = min(missing, len(self._data))
            pieces.append(self._data[: self._at])
            missing -= self._at
            if not missing:
                return b"".join(pieces)

    def byte(self) -> int:
        at = self._at
        if at < len(self._data):
            self._at = at + 1
            return self._data[at]
        return self.take(1)[0]

    def length(self) -> int:
        """A length.  Raises RdbError when an encoded string stands there."""
        first = self.byte()
        if first < 0x40:
            return first
        if first < 0x80:
            return (first & 0x3F) << 8 | self.byte()
        if first == rdb.LENGTH32:
            return int.from_bytes(self.take(4), "big")
        if first == rdb.LENGTH64:
            return int.from_bytes(self.take(8), "big")
        raise RdbError(f"{first:#04x} is no length", self.position - 1)

    def string(self) -> bytes:
        """A string in any of its encodings.  Raises RdbError."""
        first = self.byte()
        if first < 0x40:
            return self.take(first)
        if first < 0xC0:
            self._at -= 1
            return self.take(self.length())
        if first <= rdb.INT32:
            number = self.take(1 << (first - rdb.INT8))
            return b"%d" % int.from_bytes(number, "little", signed=True)
        if first != rdb.LZF:
            raise RdbError(f"a string of unknown encoding {first:#04x}", self.position - 1)
        packed_size, size = self.length(), self.length()
        position = self.position
        try:
            return lzf.decompress(self.take(packed_size), size)
        except Damaged as damage:
            raise RdbError(str(damage), position) from None
