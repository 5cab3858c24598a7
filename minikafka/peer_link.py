"""A connection to another node: requests go out, answers come back in the same order.

    link.call(request, answered)      answered(response), or answered(None) when the connection is lost first

Brokers copy each other over these (replication/fetcher.py), and ask the controller over these (controller_channel.py).
No task waits for an answer: a fetcher takes the records out of the buffer that they were received in, writes them, and
sends its next fetch, all in one callback.  Between our own nodes every message goes in its newest version.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from typing import Any, TypeVar

from minikafka.wire.apis import APIS, Api
from minikafka.wire.frame import read_response, request_frame
from minikafka.wire.types import WireError
from serving.connection import Limits
from serving.frame_connection import BadFrame, Frame, FrameConnection
from serving.open_connections import OpenConnections

Answered = Callable[[Any], None]
FRAME_MAX = 100 * 1024 * 1024


class PeerLink(FrameConnection):
    """One open connection, as `connect` makes it.  `client_id` shows in the other node's log."""

    def __init__(self, connections: OpenConnections, client_id: str, on_lost: Callable[[PeerLink], None]) -> None:
        super().__init__(connections, Limits(slow_reader_bytes=0))
        self.client_id = client_id
        self.on_lost = on_lost
        self.is_open = True
        self._correlation = 0
        self._asked: deque[tuple[int, Api, int, Answered]] = deque()

    def __len__(self) -> int:
        """Questions without an answer yet."""
        return len(self._asked)

    def call(self, request: Any, answered: Answered) -> None:
        """Send `request` in its newest version."""
        api = APIS[request.__api_key__]
        self.call_in(api.newest, request, answered)

    def call_in(self, version: int, request: Any, answered: Answered) -> None:
        """Send `request` in a version that the other side is known to speak."""
        api = APIS[request.__api_key__]
        correlation = self.next_correlation()
        self._asked.append((correlation, api, version, answered))
        self.write(request_frame(request, version, correlation, self.client_id))

    def next_correlation(self) -> int:
        self._correlation = (self._correlation + 1) & 0x7FFFFFFF
        return self._correlation

    def size_of_frame(self, header: bytes) -> int:
        size = int.from_bytes(header, "big")
        if size > FRAME_MAX:
            raise BadFrame(f"an answer of {size} bytes")
        return 4 + size

    def frame_received(self, frame: Frame) -> None:
        if not self._asked:
            self.abort("an answer to nothing")
            return
        correlation, api, version, answered = self._asked[0]
        try:
            found, response = read_response(frame, api.response, version)
        except WireError as error:
            self.abort(f"an answer that cannot be read: {error}")
            return
        if found != correlation:
            self.abort("an answer to another question")
            return
        self._asked.popleft()
        answered(response)

    def lost(self, why: Exception | str | None) -> None:
        self.is_open = False
        asked, self._asked = self._asked, deque()
        for *_, answered in asked:
            answered(None)
        self.on_lost(self)


LinkType = TypeVar("LinkType", bound=PeerLink)


async def dial(
    kind: type[LinkType], host: str, port: int, client_id: str, on_lost: Callable[[PeerLink], None]
) -> LinkType:
    """A link of that kind, open.  Raises OSError."""
    connections = OpenConnections()
    _, link = await asyncio.get_running_loop().create_connection(
        lambda: kind(connections, client_id, on_lost), host, port
    )
    return link


async def connect(
    host: str, port: int, client_id: str, on_lost: Callable[[PeerLink], None], timeout_s: float = 2.0
) -> PeerLink:
    """Dial another node.  Raises OSError, TimeoutError."""
    async with asyncio.timeout(timeout_s):
        return await dial(PeerLink, host, port, client_id, on_lost)
