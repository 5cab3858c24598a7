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

from minikafka.controller_door import ControllerDoor
from minikafka.handlers import HANDLERS, quick_produce
from minikafka.request_memory import RequestMemory
from minikafka.wire.apis import API_VERSIONS, APIS, Api
from minikafka.wire.compile import decoder
from minikafka.wire.errors import ErrorCode
from minikafka.wire.frame import RequestHeader, request_header, response_frame, response_parts
from minikafka.wire.messages.cluster import ApiVersionsResponse
from minikafka.wire.types import WireError
from serving.connection import Limits
from serving.frame_connection import BadFrame, Frame, FrameConnection
from serving.listener import Listener, Tcp
from serving.open_connections import OpenConnections
from serving.reply_order import ReplyOrder

if TYPE_CHECKING:
    from minikafka.node import Node

logger = logging.getLogger("minikafka")

IN_ORDER = "requests waiting for answers"
STARTING = "the broker is starting"
CONTEXTS_MAX = 100
WAITING_MAX = 1000  # requests of one connection without an answer
WAITING_BYTES_MAX = 64 * 1024 * 1024  # answers of one connection that wait for an earlier one
SMALLEST_HEADER = 8
QUEUED_BYTES_MAX = (
    512 * 1024 * 1024
)  # for large requests while they are read, unless queued.max.request.bytes says else


class RequestContext:
    """Who asks.  `listener` is the name of where it came in; `principal` is for when there is authentication."""

    __slots__ = ("_client", "api_version", "client_host", "client_id", "listener", "principal")

    def __init__(self, client: Client, api_version: int, client_id: str | None) -> None:
        self._client = client
        self.listener: str = client.listener.name
        self.api_version: int = api_version
        self.client_id: str | None = client_id
        self.client_host: str = client.host
        self.principal = "User:ANONYMOUS"

    def disconnect(self, why: str) -> None:
        """End the connection: the only answer to some mistakes."""
        self._client.close(why)


class Client(FrameConnection):
    """One client's socket, or another broker's: frames to requests, responses back.  It knows no API."""

    def __init__(self, server: Server, listener: ListenerName) -> None:
        super().__init__(server.connections, server.limits)
        self.server = server
        self.listener: ListenerName = listener
        self.host: str = ""
        self.replies = ReplyOrder(self.send)
        self.served = listener.served
        self.contexts: dict[tuple[int, str | None], RequestContext] = {}
        self.reserved = 0  # see request_memory.py

    def made(self) -> None:
        peer = self.transport.get_extra_info("peername")
        self.host = f"/{peer[0]}" if isinstance(peer, tuple) else ""
        if self.listener.held:
            self.hold(STARTING)

    def size_of_frame(self, header: bytes) -> int:
        size = int.from_bytes(header, "big", signed=True)
        if not SMALLEST_HEADER <= size <= self.server.request_bytes_max:
            raise BadFrame(f"a request of {size} bytes")
        return 4 + size

    def may_begin(self, size: int) -> bool:
        return self.server.memory.reserve(self, size)

    def large_received(self) -> None:
        self.server.memory.release(self)

    def frame_received(self, frame: Frame) -> None:
        try:
            header = request_header(frame)
            served = self.served.get(header.api_key)
            if served is None or header.api_version not in served.decoders:
                self._not_served(header)
                return
            version = header.api_version
            if served.is_produce and version in quick_produce.VERSIONS:
                answer = quick_produce.quick_produce(
                    self.listener.serves, frame, header.position, header.correlation_id
                )
                if answer is not None:
                    self.replies.reserve().fill(answer)
                    return
            request, _ = served.decode(version)(frame, header.position)
        except WireError as error:
            logger.info("Closing the connection of %s: %s", self.host, error)
            self.abort(f"malformed request: {error}")
            return
        slot = self.replies.reserve()
        correlation_id = header.correlation_id
        tagged = served.tagged[version]

        def reply(response: Any) -> None:
            """Answer; None where no answer is to be sent (acks=0)."""
            if response is None:
                slot.fill(b"")
            elif served.carries_records:
                slot.fill(response_parts(response, version, correlation_id, tagged))
            else:
                slot.fill(response_frame(response, version, correlation_id, tagged))
            if self.held:
                self._resume_in_order()

        try:
            served.handle(self.listener.serves, request, self._context(version, header.client_id), reply)
        except Exception:
            logger.exception("A request failed: %r", request)
            self.abort("a request failed")
            return
        if len(self.replies) > WAITING_MAX or self.replies.waiting_bytes > WAITING_BYTES_MAX:
            self.hold(IN_ORDER)

    def _context(self, version: int, client_id: str | None) -> RequestContext:
        """A client's requests are many and its versions few: one context for each."""
        context = self.contexts.get((version, client_id))
        if context is None:
            if len(self.contexts) > CONTEXTS_MAX:
                self.contexts.clear()
            context = self.contexts[version, client_id] = RequestContext(self, version, client_id)
        return context

    def _resume_in_order(self) -> None:
        if len(self.replies) <= WAITING_MAX // 2 and self.replies.waiting_bytes <= WAITING_BYTES_MAX // 2:
            self.loop.call_soon(self.resume, IN_ORDER)

    def _not_served(self, header: RequestHeader) -> None:
        if header.api_key == API_VERSIONS:  # a newer client: it asks again within what this says
            own = ApiVersionsResponse.Api(api_key=API_VERSIONS, min_version=0, max_version=4)
            response = ApiVersionsResponse(error_code=ErrorCode.UNSUPPORTED_VERSION, api_keys=[own])
            self.replies.reserve().fill(response_frame(response, 0, header.correlation_id, tagged=False))
            return
        logger.info("Closing the connection of %s: API %d version %d is not served", self.host, *header[:2])
        self.abort("unsupported API or version")

    def lost(self, why: Exception | str | None) -> None:
        self.replies.discard()
        self.server.memory.release(self)


class Served:
    """One API on one listener: its handler, and its codecs, compiled when a version is first used."""

    def __init__(self, api: Api, handle: Callable[..., None]) -> None:
        self.api = api
        self.handle = handle
        self.carries_records = api.name == "Fetch"
        self.is_produce = api.name == "Produce"
        self.decoders: dict[int, Callable[..., Any] | None] = dict.fromkeys(api.served)
        self.tagged = {version: bool(api.response_header_version(version)) for version in api.served}

    def decode(self, version: int) -> Callable[..., Any]:
        """The function that reads a request's body."""
        found = self.decoders[version]
        if found is None:
            found = self.decoders[version] = decoder(self.api.request, version)
        return found


@dataclass
class ListenerName:
    """One named listener: what it serves to whom.  held: requests wait until the broker is ready."""

    name: str
    serves: Any  # the broker, or the controller
    served: dict[int, Served]
    held: bool


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
        queued = settings.queued_max_request_bytes
        self.memory = RequestMemory(queued if queued > 0 else QUEUED_BYTES_MAX)
        self.listeners: list[tuple[ListenerName, Listener]] = []

    @property
    def addresses(self) -> Sequence[tuple[str, int] | str]:
        return [address for _, listener in self.listeners for address in listener.addresses]

    async def listen(
        self,
        name: str,
        endpoint: Tcp,
        serves: Any,
        role: str,
        *,
        held: bool = False,
        peers: Callable[[], asyncio.Protocol] | None = None,
    ) -> int:
        """Accept clients of `serves`, the broker or the controller; returns the port.  Raises ListenError.

        held    make them wait until `open_gates`
        peers   makes what talks to another voter of the quorum, where those may come in as well
        """
        handlers = HANDLERS[role]
        served = {key: Served(APIS[key], handle) for key, handle in handlers.items()}
        named = ListenerName(name, serves, served, held)

        def client() -> Client:
            return Client(self, named)

        make = client if peers is None else lambda: ControllerDoor(client, peers)
        listener = Listener(make, backlog=self.node.settings.socket_listen_backlog_size)
        await listener.start([endpoint])
        self.listeners.append((named, listener))
        return listener.port

    def open_gates(self) -> None:
        """The broker is ready: serve those who came early, too."""
        for named, _ in self.listeners:
            named.held = False
        for connection in self.connections:
            connection.resume(STARTING)

    def stop_accepting(self) -> None:
        for _, listener in self.listeners:
            listener.stop_accepting()

    async def stop(self, seconds: float) -> None:
        """Let clients take what was written for them, then end their connections."""
        self.stop_accepting()
        await self.connections.stop(seconds)
