"""One port for two kinds of callers of a controller: brokers speak Kafka's frames, the other voters Raft's.

Both begin with a length of four bytes.  What comes next tells them apart: Kafka's header begins with the number of an API,
Raft's hello with a msgpack array and the words "mini-raft".  The first six bytes decide, and the door steps aside.

Kafka needs no such thing, since its quorum speaks Kafka's own requests.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import cast

HELLO_BEGINS = b"\x95\xa9"
"""An array of five, whose first is a text of nine bytes: what follows the length in `raft/transport.py`'s hello."""
PATIENCE_S = 10.0


class ControllerDoor(asyncio.Protocol):
    """Listens to the first bytes of a connection, then hands it to whom it is for."""

    def __init__(self, kafka: Callable[[], asyncio.BufferedProtocol], raft: Callable[[], asyncio.Protocol]) -> None:
        self.kafka, self.raft = kafka, raft
        self._data = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self._patience = asyncio.get_running_loop().call_later(PATIENCE_S, self.transport.abort)

    def connection_lost(self, error: Exception | None) -> None:
        self._patience.cancel()

    def data_received(self, data: bytes) -> None:
        self._data += data
        if len(self._data) < 4 + len(HELLO_BEGINS):
            return
        self._patience.cancel()
        if self._data[4:6] == HELLO_BEGINS:
            self._hand_over(peer := self.raft())
            peer.data_received(self._data)
        else:
            self._hand_over(client := self.kafka())
            feed(client, self._data)

    def _hand_over(self, protocol: asyncio.BaseProtocol) -> None:
        self.transport.pause_reading()  # uvloop chooses how to read when reading begins
        self.transport.set_protocol(protocol)
        protocol.connection_made(self.transport)
        self.transport.resume_reading()


def feed(protocol: asyncio.BufferedProtocol, data: bytes) -> None:
    """Give `data` to a protocol that has buffers of its own."""
    position = 0
    while position < len(data):
        buffer = memoryview(protocol.get_buffer(-1))
        size = min(len(buffer), len(data) - position)
        buffer[:size] = data[position : position + size]
        position += size
        protocol.buffer_updated(size)
