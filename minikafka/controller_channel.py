"""How a broker asks the active controller, wherever it is at the moment.

Only the leader of the metadata quorum answers; the others say NOT_CONTROLLER (41), and the next voter is tried.  What is
asked, a heartbeat, an ISR change, a client's CreateTopics, travels in an Envelope (KIP-590), whose own error code says 41
without a look inside.  A node that is controller as well asks itself by the same question, without a socket.

Heartbeats are told to the others as well (`tell_standbys`): any of them may be the active one next, and then knows who is
alive.

A question that got no answer may have been carried out: whoever asks again must be able to bear that.  Registrations,
heartbeats and ISR proposals are; for a client's admin call the client decides.

Source: KIP-590; Kafka `NodeToControllerChannelManager`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from minikafka.peer_link import PeerLink, connect
from minikafka.wire.apis import APIS
from minikafka.wire.compile import decode, encode
from minikafka.wire.errors import ErrorCode
from minikafka.wire.frame import request_frame, request_header
from minikafka.wire.messages.controller import EnvelopeRequest, EnvelopeResponse

SIZE_BYTES = 4
RETRY_S = 0.05
"""Between two voters: an election takes longer than the asking."""
UNANSWERED_MAX = 10
"""Of what a standby is told."""


class ControllerUnavailable(Exception):
    """No controller answered in time."""


class LocalController(Protocol):
    """The controller of this very process, if there is one."""

    def is_active(self) -> bool: ...

    def request(self, request: Any, respond: Callable[[Any], None]) -> None:
        """`respond(response)`, or `respond(None)` when it ceases to be active first."""


def wrap(request: Any) -> EnvelopeRequest:
    """A request with its header, as it would be on the wire, in an Envelope."""
    frame = request_frame(request, APIS[request.__api_key__].newest, 0)
    return EnvelopeRequest(request_data=frame[SIZE_BYTES:], client_host_address=b"")


def unwrap(envelope: EnvelopeRequest) -> Any:
    """The request inside.  Raises WireError."""
    header = request_header(envelope.request_data, 0)
    return decode(APIS[header.api_key].request, header.api_version, envelope.request_data, header.position)[0]


def wrap_answer(response: Any) -> EnvelopeResponse:
    """The answer to `wrap`; None says that this controller is not the active one."""
    if response is None:
        return EnvelopeResponse(error_code=ErrorCode.NOT_CONTROLLER, response_data=None)
    return EnvelopeResponse(response_data=encode(response, APIS[response.__api_key__].newest))


def ignore(response: Any) -> None:
    """What a standby answers: NOT_CONTROLLER."""


async def unless_silent(link: PeerLink, answer: asyncio.Future[Any], patience_s: float | None) -> Any:
    """Raises TimeoutError when nothing of the answer has come for so long: a snapshot over a slow line may take longer."""
    come = 0
    while True:
        await asyncio.wait([answer], timeout=patience_s)
        if answer.done():
            return answer.result()
        if link.partly_received <= come:
            raise TimeoutError
        come = link.partly_received


class ControllerChannel:
    """Questions of one broker to whichever controller is active.

    voters    id -> (host, port) to dial
    me        this node's id;  local: its controller, when it is one
    """

    def __init__(self, voters: Mapping[int, tuple[str, int]], me: int, local: LocalController | None) -> None:
        self.voters = dict(voters)
        self.me = me
        self.local = local
        self.active: int | None = None
        """Who answered last."""
        self._links: dict[int, PeerLink] = {}
        self._dialling: dict[int, asyncio.Lock] = {voter: asyncio.Lock() for voter in self.voters}
        self._order = sorted(self.voters)
        self._next = 0
        self._telling: dict[int, asyncio.Task[None]] = {}  # who is being dialled for it

    async def call(self, request: Any, timeout_s: float, *, try_s: float | None = None) -> Any:
        """The active controller's answer.  Raises ControllerUnavailable.

        try_s   how long one controller may be silent before the next is asked, for a question that may be asked twice; an
                answer that is still coming in is no silence
        """
        try:
            async with asyncio.timeout(timeout_s):
                while True:
                    voter = self._choose()
                    response = await self._ask(voter, request, try_s)
                    if response is not None:
                        self.active = voter
                        return response
                    if self.active == voter:
                        self.active = None
                    await asyncio.sleep(RETRY_S)
        except TimeoutError:
            raise ControllerUnavailable(f"no controller answered within {timeout_s:g} s") from None

    def _known(self) -> int | None:
        """Who is the active one, as far as we know."""
        return self.me if self.local is not None and self.local.is_active() else self.active

    def _choose(self) -> int:
        if (known := self._known()) is not None:
            return known
        self._next += 1
        return self._order[self._next % len(self._order)]

    async def _ask(self, voter: int, request: Any, try_s: float | None) -> Any:
        """One try; None when that one is not active, or not there."""
        answer: asyncio.Future[Any] = asyncio.get_running_loop().create_future()

        def answered(response: Any) -> None:
            if not answer.done():
                answer.set_result(response)

        if voter == self.me:
            if self.local is None or not self.local.is_active():
                return None
            self.local.request(request, answered)
            return await answer
        link: PeerLink | None = None
        try:
            async with asyncio.timeout(try_s):
                link = await self._link(voter)
            link.call(wrap(request), answered)
            envelope = await unless_silent(link, answer, try_s)
        except (OSError, TimeoutError):
            if link is not None:
                link.abort("no answer in time")
            return None
        if envelope is None or envelope.error_code or envelope.response_data is None:
            return None
        api = APIS[request.__api_key__]
        return decode(api.response, api.newest, envelope.response_data)[0]

    def tell_standbys(self, request: Any) -> None:
        """Send it to every controller but the active one, which is asked anyway; nobody waits for what they answer."""
        active = self._known()
        for voter in self._order:
            if voter == active:
                continue
            if voter == self.me:
                if self.local is not None:
                    self.local.request(request, ignore)
                continue
            link = self._links.get(voter)
            if link is None:
                if voter not in self._telling:
                    self._telling[voter] = asyncio.create_task(self._dial_to_tell(voter), name=f"dialling {voter}")
            elif len(link) < UNANSWERED_MAX:
                link.call(wrap(request), ignore)
            else:
                link.abort("it does not answer")

    async def _dial_to_tell(self, voter: int) -> None:
        """So that it can be told the next time."""
        try:
            await self._link(voter)
        except (OSError, TimeoutError):
            pass
        finally:
            del self._telling[voter]

    async def _link(self, voter: int) -> PeerLink:
        async with self._dialling[voter]:
            link = self._links.get(voter)
            if link is None or not link.is_open:
                host, port = self.voters[voter]
                link = await connect(host, port, f"broker-{self.me}", lambda lost: self._lost(voter, lost))
                self._links[voter] = link
        return link

    def _lost(self, voter: int, link: PeerLink) -> None:
        if self._links.get(voter) is link:
            del self._links[voter]
        if self.active == voter:
            self.active = None

    def close(self) -> None:
        for task in self._telling.values():
            task.cancel()
        for link in list(self._links.values()):
            link.close()
