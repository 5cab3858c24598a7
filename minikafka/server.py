"""The shell: sockets around the broker and the controller.

    bytes -> frame -> header (key, version, correlation id) -> declared message -> handler
                                                                     ... now, or when it may ...
    one write for all that one turn of the loop has answered  <- slot, in request order  <- response

A request that must wait (a fetch without records, a produce with acks=all) keeps its slot; later requests of the same
connection are worked on meanwhile, their answers wait for it, as the protocol promises the order.  Too many waiting, and
the connection is read no further.

What closes a connection without an answer, as in Kafka: a key or version that is not served (but for ApiVersions, which
answers with what is), a frame that is no request, one larger than `socket.request.max.bytes`.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from minikafka.handlers import HANDLERS
from minikafka.wire.apis import Api, apis_by_key
from minikafka.wire.compile import WireError, decoder, encode_parts, encoder
from minikafka.wire.errors import ErrorCode
from minikafka.wire.frame import RequestHeader, request_header, response_header
from minikafka.wire.messages.cluster import ApiVersionsResponse
from serving.connection import Limits
from serving.frame_connection import BadFrame, Frame, FrameConnection
from serving.listener import Endpoint, Listener, Tcp
from serving.open_connections import OpenConnections
from serving.reply_order import ReplyOrder

if TYPE_CHECKING:
    from minikafka.node import Node

logger = logging.getLogger("minikafka")

API_VERSIONS = 18
IN_ORDER = "requests waiting for answers"
WAITING_MAX = 1000  # requests of one connection without an answer
WAITING_BYTES_MAX = 64 * 1024 * 1024  # answers of one connection that wait for an earlier one
SMALLEST_HEADER = 8


@dataclass(frozen=True)
class RequestContext:
    """Who asks.  `listener` is the name of where it came in; `principal` is for when there is authentication."""

    listener: str
    api_version: int
    client_id: str | None
    client_host: str
    principal: str = "User:ANONYMOUS"


class Client(FrameConnection):
    """One client's socket, or another broker's: frames to requests, responses back.  It knows no API."""

    def __init__(self, server: Server, listener: ListenerName) -> None:
        super().__init__(server.connections, server.limits)
        self.server = server
        self.listener = listener
        self.replies = ReplyOrder(self.send)
        self.apis = listener.apis

    def made(self) -> None:
        peer = self.transport.get_extra_info("peername")
        self.host = f"/{peer[0]}" if isinstance(peer, tuple) else ""

    def size_of_frame(self, header: bytes) -> int:
        size = int.from_bytes(header, "big", signed=True)
        if not SMALLEST_HEADER <= size <= self.server.request_bytes_max:
            raise BadFrame(f"a request of {size} bytes")
        return 4 + size

    def frame_received(self, frame: Frame) -> None:
        try:
            header = request_header(frame, 4)
            served = self.apis.get(header.api_key)
            if served is None or not served.api.serves(header.api_version):
                self._not_served(header)
                return
            request, _ = served.decoder(header.api_version)(frame, header.body)
        except WireError as error:
            logger.info("Closing the connection of %s: %s", self.host, error)
            self.abort(f"malformed request: {error}")
            return
        self._serve(served, header, request)

    def _serve(self, served: Served, header: RequestHeader, request: Any) -> None:
        slot = self.replies.reserve()
        version = header.api_version
        head = response_header(header.api_key, header.correlation_id, flexible=served.api.flexible(version))

        def reply(response: Any) -> None:
            """Answer; None where no answer is to be sent (acks=0)."""
            if response is None:
                slot.fill(b"")
            elif served.api.carries_records:
                parts = encode_parts(response, version)
                size = len(head) + sum(map(len, parts))
                slot.fill([size.to_bytes(4, "big") + head + bytes(parts[0]), *parts[1:]])
            else:
                body = served.encoder(version)(response)
                slot.fill((len(head) + len(body)).to_bytes(4, "big") + head + body)
            if self.held:
                self._resume_in_order()

        context = RequestContext(self.listener.name, version, header.client_id, self.host)
        try:
            served.handle(self.listener.serves, request, context, reply)
        except Exception:
            logger.exception("A request failed: %r", request)
            self.abort("a request failed")
            return
        if len(self.replies) > WAITING_MAX or self.replies.waiting_bytes > WAITING_BYTES_MAX:
            self.hold(IN_ORDER)

    def _resume_in_order(self) -> None:
        if len(self.replies) <= WAITING_MAX // 2 and self.replies.waiting_bytes <= WAITING_BYTES_MAX // 2:
            self.loop.call_soon(self.resume, IN_ORDER)

    def _not_served(self, header: RequestHeader) -> None:
        if header.api_key == API_VERSIONS:  # a newer client: it asks again within what this says
            body = encoder(ApiVersionsResponse, 0)(
                ApiVersionsResponse(
                    error_code=ErrorCode.UNSUPPORTED_VERSION,
                    api_keys=[ApiVersionsResponse.ApiVersion(api_key=API_VERSIONS, min_version=0, max_version=4)],
                )
            )
            head = response_header(API_VERSIONS, header.correlation_id, flexible=False)
            self.replies.reserve().fill((len(head) + len(body)).to_bytes(4, "big") + head + body)
            return
        logger.info("Closing the connection of %s: API %d version %d is not served", self.host, *header[:2])
        self.abort("unsupported API or version")

    def lost(self, why: Exception | str | None) -> None:
        self.replies.discard()


class Served:
    """One API on one listener: its compiled codecs and its handler, found once."""

    def __init__(self, api: Api, handle: Callable[..., None]) -> None:
        self.api = api
        self.handle = handle
        self._decoders: dict[int, Callable[..., Any]] = {}
        self._encoders: dict[int, Callable[..., Any]] = {}

    def decoder(self, version: int) -> Callable[..., Any]:
        found = self._decoders.get(version)
        if found is None:
            found = self._decoders[version] = decoder(self.api.request, version)
        return found

    def encoder(self, version: int) -> Callable[..., Any]:
        found = self._encoders.get(version)
        if found is None:
            found = self._encoders[version] = encoder(self.api.response, version)
        return found


@dataclass
class ListenerName:
    """One named listener: where it is, and what it serves to whom."""

    name: str
    endpoint: Endpoint
    serves: Any  # the broker, or the controller
    apis: dict[int, Served]
    sniff: Callable[[bytes], asyncio.Protocol | None] | None = None


class Server:
    """All listeners of a node."""

    def __init__(self, node: Node) -> None:
        settings = node.settings
        self.node = node
        self.request_bytes_max = settings.socket_request_max_bytes
        self.limits = Limits(query_buffer_bytes=settings.socket_request_max_bytes + 4)
        self.connections = OpenConnections(
            maximum=min(settings.max_connections, 1_000_000), idle_seconds=settings.connections_max_idle_ms / 1000
        )
        self.listeners: list[tuple[ListenerName, Listener]] = []

    @property
    def addresses(self) -> Sequence[tuple[str, int] | str]:
        return [address for _, listener in self.listeners for address in listener.addresses]

    async def listen(self, name: str, endpoint: Tcp, serves: Any, role: str) -> int:
        """Accept clients of `serves`, the broker or the controller; returns the port.  Raises ListenError."""
        apis = {
            key: Served(api, HANDLERS[key]) for key, api in apis_by_key().items() if role in api.listeners and key in HANDLERS
        }
        named = ListenerName(name, endpoint, serves, apis)
        listener = Listener(lambda: Client(self, named), backlog=self.node.settings.socket_listen_backlog_size)
        await listener.start([endpoint])
        self.listeners.append((named, listener))
        return listener.port

    def stop_accepting(self) -> None:
        for _, listener in self.listeners:
            listener.stop_accepting()

    async def stop(self, seconds: float) -> None:
        """Let clients take what was written for them, then end their connections."""
        self.stop_accepting()
        await self.connections.stop(seconds)
