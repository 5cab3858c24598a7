"""What the controller decides: topics, partitions, settings, elections.  A broker passes it on, whoever it is asked by.

The answer comes when the decision is committed; a CreateTopics with a timeout waits besides until this broker has seen the
topics in its own copy of the metadata, so that a client that asks here next finds them.

Source: KIP-590; Kafka `ForwardingManager`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from minikafka.controller_channel import ControllerUnavailable
from minikafka.wire.messages.topics import DeleteTopicsRequest

if TYPE_CHECKING:
    from minikafka.broker import Broker
    from minikafka.server import RequestContext

WAIT_FOR_IMAGE_S = 1.0


def forward(broker: Broker, request: Any, context: RequestContext, reply: Callable[[Any], None]) -> None:
    """Ask the active controller, answer what it answers."""

    newest_form(request)

    async def ask() -> None:
        timeout_s = broker.settings.request_timeout_ms / 1000
        try:
            response = await broker.admin.call(request, timeout_s)
        except ControllerUnavailable:
            context.disconnect("no controller answers")
            return
        await broker.caught_up(WAIT_FOR_IMAGE_S)
        reply(response)

    broker.background.start(ask(), "forwarded request")


def newest_form(request: Any) -> None:
    """Move what older versions say in fields of their own to where the newest says it, in which brokers ask controllers."""
    if isinstance(request, DeleteTopicsRequest):
        request.topics += [DeleteTopicsRequest.Topic(name=name) for name in request.topic_names]
        request.topic_names = []
