"""Answers that are ready in any order, sent in the order of their questions.

    requests     1   2   3   4        a fetch that waits (1) holds back 2 and 3, which are ready;
    ready            x   x            when it is filled, all three leave in one write
    sent         -   -   -   -

Kafka promises this order on each connection, and Redis has it by nature; an AMQP delivery or a RESP push is
no answer and needs no slot.  What waits here is memory: `len` slots and `waiting_bytes` say how much, for a
server to hold reading by.

Source: Kafka protocol guide, "Network": one connection's requests are answered in the order they were sent.
"""

from collections import deque
from collections.abc import Callable

Piece = bytes | bytearray | memoryview
Answer = Piece | list[Piece]
"""An answer in one piece, or in several that need not be joined: a head of ours, and a buffer from a file."""


class Slot:
    """The place of one answer.  Fill it once; b"" where no answer is to be sent (Kafka's acks=0)."""

    __slots__ = ("_order", "data")

    def __init__(self, order: "ReplyOrder") -> None:
        self._order = order
        self.data: Answer | None = None

    def fill(self, data: Answer) -> None:
        assert self.data is None, "a slot is filled once"
        self.data = data
        self._order._filled(self)


class ReplyOrder:
    """One connection's slots.  `send` gets the pieces that may leave, one by one: it gathers them for one write."""

    def __init__(self, send: Callable[[Piece], None]) -> None:
        self.send = send
        self.waiting_bytes = 0
        self._slots: deque[Slot] = deque()

    def __len__(self) -> int:
        """Requests that are not answered to the client yet."""
        return len(self._slots)

    def reserve(self) -> Slot:
        """The next place in the order: take it when the request is read."""
        slot = Slot(self)
        self._slots.append(slot)
        return slot

    def discard(self) -> None:
        """The client is gone: what is filled from now on goes nowhere."""
        self._slots.clear()
        self.waiting_bytes = 0

    def _filled(self, slot: Slot) -> None:
        slots = self._slots
        assert slot.data is not None
        if not slots or slots[0] is not slot:
            if slots:
                self.waiting_bytes += size_of(slot.data)
            return
        slots.popleft()
        self._send(slot.data)
        while slots and (data := slots[0].data) is not None:  # those that waited for this one
            slots.popleft()
            self.waiting_bytes -= size_of(data)
            self._send(data)

    def _send(self, data: Answer) -> None:
        if isinstance(data, list):
            for piece in data:
                self.send(piece)
        elif data:
            self.send(data)


def size_of(answer: Answer) -> int:
    """Bytes of an answer, however many its pieces."""
    return sum(map(len, answer)) if isinstance(answer, list) else len(answer)
