"""Memory for large requests, one bound for all connections (queued.max.request.bytes).

A small request fits into its connection's own buffer.  A large one is given memory for all of it before it is read on: if
several together had been read halfway when the memory ran out, none could ever be finished.  Who finds none waits in
line, unread, and the kernel's buffers push back on the client.  As long as some is free the next one gets all it asks for,
so that the bound may be passed by one request, and a request larger than the bound is served.

Source: Kafka `SimpleMemoryPool`, KIP-72.
"""

from __future__ import annotations

import asyncio
from typing import Protocol

WAITING = "waiting for memory"


class Reader(Protocol):
    """A connection.  `reserved`: bytes that its large request was given."""

    reserved: int

    def hold(self, reason: str) -> None: ...

    def resume(self, reason: str) -> None: ...


class RequestMemory:
    """`maximum` bytes for those that read."""

    def __init__(self, maximum: int) -> None:
        self.maximum = maximum
        self.used = 0
        self.waiting: dict[Reader, int] = {}

    def reserve(self, reader: Reader, size: int) -> bool:
        """Whether `reader` may read a request of `size` bytes; else it is held, and resumed when it may."""
        if reader.reserved:
            return True
        if self.used >= self.maximum:
            self.waiting[reader] = size
            reader.hold(WAITING)
            return False
        self.used += size
        reader.reserved = size
        return True

    def release(self, reader: Reader) -> None:
        """Its request is worked on, or it is gone."""
        self.waiting.pop(reader, None)
        self.used -= reader.reserved
        reader.reserved = 0
        while self.waiting and self.used < self.maximum:
            first = next(iter(self.waiting))
            first.reserved = self.waiting.pop(first)
            self.used += first.reserved
            asyncio.get_running_loop().call_soon(first.resume, WAITING)
