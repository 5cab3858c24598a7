"""One connection to a broker, over which client and broker have agreed on versions.

    connect ── ApiVersions ──> the versions of every API there ── ask(request) ──> the answer

A client speaks with brokers older and newer than itself: of each API it takes the newest version that both know
(KIP-35).  What a version cannot express is left out when encoding, see wire/types.py.  Questions may follow each other
without waiting; the broker answers in order.

Source: KIP-35, KIP-511.  Our nodes among themselves need none of that: peer_link.py, on which this stands.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from minikafka.peer_link import PeerLink, dial
from minikafka.wire.apis import API_VERSIONS, APIS, Api
from minikafka.wire.errors import ErrorCode, KafkaError, error_named
from minikafka.wire.frame import request_frame
from minikafka.wire.messages.cluster import ApiVersionsRequest, ApiVersionsResponse
from minikafka.wire.types import NEVER, Struct

if TYPE_CHECKING:
    from serving.open_connections import OpenConnections

SOFTWARE = ("mini-kafka", "0.1.0")
HELLO_VERSION = 3
"""In which ApiVersions is asked; every broker since 2.4 knows it."""

Versions = dict[int, tuple[int, int]]


class ClientConnection(PeerLink):
    """As `connect` makes it.  Lost ones answer everything with NETWORK_EXCEPTION, which may be tried again."""

    def __init__(self, connections: OpenConnections, client_id: str, on_lost: Callable[[PeerLink], None]) -> None:
        super().__init__(connections, client_id, on_lost)
        self.versions: Versions = {API_VERSIONS: (HELLO_VERSION, HELLO_VERSION)}

    def version_for(self, api: Api) -> int:
        """The newest version that both sides know.  Raises KafkaError(UNSUPPORTED_VERSION)."""
        ours = api.request.__versions__ if api.offered == NEVER else api.offered
        first, last = self.versions.get(api.key, (1, 0))
        lowest, highest = max(first, api.request.__versions__.first), min(last, ours.last or 0)
        if lowest > highest:
            raise KafkaError(ErrorCode.UNSUPPORTED_VERSION, f"the broker does not speak {api.name} as we do")
        return highest

    async def ask(self, request: Any, timeout_s: float) -> Any:
        """The response.  Raises KafkaError: NETWORK_EXCEPTION, REQUEST_TIMED_OUT, UNSUPPORTED_VERSION."""
        answer: asyncio.Future[Any] = self.loop.create_future()

        def answered(response: Struct | None) -> None:
            if not answer.done():
                answer.set_result(response)

        self.call(request, answered)
        try:
            async with asyncio.timeout(timeout_s):
                response = await answer
        except TimeoutError:
            # what comes later answers this question and not the next, so the connection is of no more use
            self.abort("no answer in time")
            raise KafkaError(ErrorCode.REQUEST_TIMED_OUT, f"no answer within {timeout_s:g} s") from None
        if response is None:
            raise KafkaError(ErrorCode.NETWORK_EXCEPTION)
        return response

    def call(self, request: Any, answered: Callable[[Any], None]) -> None:
        """Send `request` in the version agreed on.  Raises KafkaError(UNSUPPORTED_VERSION)."""
        if not self.is_open or self.closing:
            answered(None)
            return
        api = APIS[request.__api_key__]
        self.call_in(self.version_for(api), request, answered)

    def tell(self, request: Any) -> None:
        """Send `request` that has no answer: Produce with acks=0.  Raises KafkaError."""
        if not self.is_open or self.closing:
            raise KafkaError(ErrorCode.NETWORK_EXCEPTION)
        version = self.version_for(APIS[request.__api_key__])
        self.write(request_frame(request, version, self.next_correlation(), self.client_id))


async def connect(
    host: str, port: int, client_id: str, on_lost: Callable[[PeerLink], None], timeout_s: float
) -> ClientConnection:
    """Dial and agree on versions.  Raises OSError, TimeoutError, KafkaError."""
    async with asyncio.timeout(timeout_s):
        connection = await dial(ClientConnection, host, port, client_id, on_lost)
        try:
            name, version = SOFTWARE
            hello = ApiVersionsRequest(client_software_name=name, client_software_version=version)
            answer: ApiVersionsResponse = await connection.ask(hello, timeout_s)
            if answer.error_code:
                raise KafkaError(error_named(answer.error_code))
        except BaseException:
            connection.abort("no agreement")
            raise
    connection.versions = {each.api_key: (each.min_version, each.max_version) for each in answer.api_keys}
    return connection
