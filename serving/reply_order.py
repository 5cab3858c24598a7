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


class Slot:
    """The place of one answer.  Fill it once; b"" where no answer is to be sent (Kafka's acks=0)."""

    __slots__ = ("_order", "data")

    def __init__(self, order: "ReplyOrder") -> None:
        self._order = order
        self.data: bytes | None = None

    def fill(self, data: bytes) -> None:
        assert self.data is None, "a slot is filled once"
        self.data = data
        self._order._filled(self)


class ReplyOrder:
    """One connection's slots.  `send` gets the bytes that may leave: all that became free at once."""

    def __init__(self, send: Callable[[bytes], None]) -> None:
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
                self.waiting_bytes += len(slot.data)
            return
        slots.popleft()
        if not slots or slots[0].data is None:  # nothing waited for this one: the common case
            if slot.data:
                self.send(slot.data)
            return
        ready = [slot.data]
        while slots and (data := slots[0].data) is not None:
            slots.popleft()
            self.waiting_bytes -= len(data)
            ready.append(data)
        if joined := b"".join(ready):
            self.send(joined)
