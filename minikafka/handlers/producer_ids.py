"""InitProducerId: a number for a producer, unlike any other in the cluster, ever.

The controller gives brokers blocks of a thousand; a broker counts through its block and asks for the next before the last
number is gone.  A number lost in a crash is just not used.

Producers with a transactional id are refused for now, in a way that is final: there is no coordinator for them yet.

Source: KIP-98, KIP-730; Kafka `RPCProducerIdManager`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from minikafka.controller_channel import ControllerUnavailable
from minikafka.wire.errors import ErrorCode
from minikafka.wire.messages.controller import AllocateProducerIdsRequest
from minikafka.wire.messages.transactions import InitProducerIdRequest, InitProducerIdResponse

if TYPE_CHECKING:
    from minikafka.broker import Broker
    from minikafka.server import RequestContext

FETCH_AHEAD = 0.9
"""The part of a block after which the next is asked for."""
ANSWER_S = 5.0
NONE = -1  # what a producer without an id says of id and epoch


class ProducerIds:
    """The block of one broker, and the next one when there is need."""

    def __init__(self, broker: Broker) -> None:
        self.broker = broker
        self._next = self._end = 0
        self._ahead: tuple[int, int] | None = None
        self._ask_at = 0
        self._asking = False

    def take(self) -> int | None:
        """A fresh id; None while the first block is on its way."""
        if self._next >= self._end and self._ahead is not None:
            self._use(self._ahead)
            self._ahead = None
        if self._next >= self._end:
            self.prefetch()
            return None
        taken, self._next = self._next, self._next + 1
        if self._next >= self._ask_at and self._ahead is None:
            self.prefetch()
        return taken

    def _use(self, block: tuple[int, int]) -> None:
        start, length = block
        self._next, self._end = start, start + length
        self._ask_at = start + int(length * FETCH_AHEAD)

    def prefetch(self) -> None:
        """Have a block at hand soon."""
        if not self._asking:
            self._asking = True
            self.broker.background.start(self._ask(), "producer ids")

    async def _ask(self) -> None:
        broker = self.broker
        request = AllocateProducerIdsRequest(broker_id=broker.me, broker_epoch=broker.lifecycle.epoch)
        try:
            answer = await broker.admin.call(request, ANSWER_S, try_s=1.0)
        except ControllerUnavailable:
            return
        finally:
            self._asking = False
        if answer.error_code == ErrorCode.NONE:
            self._ahead = answer.producer_id_start, answer.producer_id_len


def init_producer_id(
    broker: Broker,
    request: InitProducerIdRequest,
    context: RequestContext,
    reply: Callable[[InitProducerIdResponse], None],
) -> None:
    """A new id with epoch 0; 14, which clients repeat, while the block is fetched.  An id without its epoch is no id."""
    if (request.producer_id == NONE) != (request.producer_epoch == NONE):
        reply(InitProducerIdResponse(error_code=ErrorCode.INVALID_REQUEST, producer_epoch=NONE))
        return
    if request.transactional_id is not None:
        empty = ErrorCode.INVALID_REQUEST
        final = ErrorCode.TRANSACTIONAL_ID_AUTHORIZATION_FAILED
        reply(InitProducerIdResponse(error_code=final if request.transactional_id else empty, producer_epoch=-1))
        return
    producer_id = broker.producer_ids.take()
    if producer_id is None:
        reply(InitProducerIdResponse(error_code=ErrorCode.COORDINATOR_LOAD_IN_PROGRESS, producer_epoch=-1))
    else:
        reply(InitProducerIdResponse(producer_id=producer_id, producer_epoch=0))
