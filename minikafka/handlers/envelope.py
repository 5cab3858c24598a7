"""Envelope: a question to the active controller, from a broker, on its own behalf or a client's.

Source: KIP-590.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from minikafka.controller_channel import unwrap, wrap_answer
from minikafka.wire.messages.controller import EnvelopeRequest, EnvelopeResponse

if TYPE_CHECKING:
    from minikafka.controller.quorum import Quorum
    from minikafka.server import RequestContext


def envelope(
    quorum: Quorum, request: EnvelopeRequest, context: RequestContext, reply: Callable[[EnvelopeResponse], None]
) -> None:
    """Decide what is inside; 41 when this controller is not the active one."""

    def answered(response: Any) -> None:
        reply(wrap_answer(response))

    quorum.request(unwrap(request), answered)
