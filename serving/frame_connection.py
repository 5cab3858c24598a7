"""A client's socket for large frames: each frame is read straight into the memory it will live in.

     0        4                     4+n
    +--------+---------------------+
    | n u32  | n bytes             |  ... `size_of_frame` reads the length, here Kafka's
    +--------+---------------------+

Small frames arrive together: they are cut from one shared buffer and copied out.  A frame that does not fit
into it gets a buffer of its own, and the kernel writes into that until it is full: no list of pieces to join.
Its buffer doubles as bytes arrive, since a size that a stranger announces is no reason to hand out memory.
Large frames come in rows, so behind one of them nothing but the header of the next is read first: what follows goes where
it belongs and is copied no more.

Why not for all: with small requests `BufferedProtocol` saves nothing over `Protocol`, and is harder to
follow.
"""

from __future__ import annotations

import asyncio
from sys import getrefcount
from typing import TYPE_CHECKING

from serving.connection import Limits, Link

if TYPE_CHECKING:
    from serving.open_connections import OpenConnections

SHARED_BYTES = 64 * 1024
FIRST_BYTES = 256 * 1024
"""What a large frame gets before its bytes have come."""
SPARE_BYTES = 1024 * 1024
"""The largest buffer that a connection keeps for its next frame."""
NOBODY_ELSE = 2
"""What `getrefcount` says of a frame that nobody kept, views of it included: our name for it, and its own argument."""

Frame = bytes | bytearray


class BadFrame(Exception):
    """Raised by `size_of_frame` for bytes that begin no frame; the connection is aborted with its text."""


class FrameConnection(Link, asyncio.BufferedProtocol):
    """The base for large frames.  Override `size_of_frame` and `frame_received`."""

    header_bytes = 4
    """How much of a frame says how long it is."""

    def __init__(self, connections: OpenConnections, limits: Limits | None = None) -> None:
        super().__init__(connections, limits)
        self._shared = bytearray(SHARED_BYTES)
        self._start = 0  # of what is not cut yet, in the shared buffer
        self._filled = 0  # end of what has come
        self._large: bytearray | None = None
        self._spare: bytearray | None = None  # of an earlier large frame
        self._large_filled = 0
        self._large_size = 0
        self._header_first = False  # the frame before was large

    def size_of_frame(self, header: bytes) -> int:
        """The whole size of a frame, header included.  Raises BadFrame."""
        return 4 + int.from_bytes(header, "big")

    def frame_received(self, frame: Frame) -> None:
        """One whole frame, header included.  It is yours to keep."""

    def may_begin(self, size: int) -> bool:
        """Whether a large frame may be read now.  One that says no holds the connection; after `resume` it is asked again."""
        return True

    def large_received(self) -> None:
        """A large frame was received, and worked on."""

    @property
    def partly_received(self) -> int:
        """Bytes of a frame that is not whole yet."""
        return self._large_filled if self._large is not None else self._filled - self._start

    def get_buffer(self, sizehint: int) -> memoryview:
        if self._large is not None:
            return memoryview(self._large)[self._large_filled :]
        if self._header_first and self._filled < self.header_bytes:
            return memoryview(self._shared)[self._filled : self.header_bytes]
        return memoryview(self._shared)[self._filled :]

    def buffer_updated(self, size: int) -> None:
        if self._large is None:
            self._filled += size
        else:
            self._large_filled += size
            if self._large_filled == len(self._large) < self._large_size:
                self._grow()
        if self.held:
            self.read_ahead(size)
        else:
            self._work()
        self._make_room()

    def resumed(self) -> None:
        self._work()
        self._make_room()

    def _work(self) -> None:
        """Hand out every frame that is whole."""
        if self._large is not None:
            if self._large_filled < self._large_size:
                return
            frame, self._large = self._large, None
            self.heard = True
            self.frame_received(frame)
            self._spare = frame if len(frame) <= SPARE_BYTES else None
            self._header_first = True
            self.large_received()
        header = self.header_bytes
        while not self.held and self._filled - self._start >= header:
            try:
                size = self.size_of_frame(bytes(self._shared[self._start : self._start + header]))
            except BadFrame as error:
                self.abort(str(error))
                return
            assert size >= header, "a frame is at least its header"
            self.check_query_buffer(size)
            if self.closing:
                return
            end = self._start + size
            if end > self._filled:
                if size > SHARED_BYTES and self.may_begin(size):
                    self._begin_large(size)
                return
            whole = bytes(memoryview(self._shared)[self._start : end])
            self._start = end
            self._header_first = False
            self.heard = True
            self.frame_received(whole)

    def _begin_large(self, size: int) -> None:
        self._large_size = size
        self._large_filled = self._filled - self._start
        self._large = self._buffer(min(size, FIRST_BYTES))
        self._large[: self._large_filled] = memoryview(self._shared)[self._start : self._filled]
        self._start = self._filled = 0

    def _buffer(self, size: int) -> bytearray:
        """One of `size` bytes; that of the frame before, if nobody kept it: fresh memory costs a page fault each 4 KiB."""
        spare, self._spare = self._spare, None
        if spare is None or getrefcount(spare) > NOBODY_ELSE or len(spare) < size // 2:
            return bytearray(size)
        if len(spare) < size:
            spare.extend(bytes(size - len(spare)))
        elif len(spare) > size:
            del spare[size:]
        return spare

    def _grow(self) -> None:
        """Twice the buffer, or what the frame needs.  A new one: the transport may still look at the old."""
        assert self._large is not None
        grown = bytearray(min(2 * len(self._large), self._large_size))
        grown[: self._large_filled] = self._large
        self._large = grown

    def _make_room(self) -> None:
        """See to it that `get_buffer` has some, or leave what comes to the kernel."""
        if self._large is not None:
            if self._large_filled == self._large_size:  # whole, and held
                self._stop_reading()
        elif self._start == self._filled:
            self._start = self._filled = 0
        elif self._filled == SHARED_BYTES and self._start:
            rest = self._filled - self._start
            self._shared[:rest] = self._shared[self._start : self._filled]
            self._start, self._filled = 0, rest
        elif self._filled == SHARED_BYTES:
            self._stop_reading()
