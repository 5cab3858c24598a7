"""Long work in short turns: whoever has much to do lets others run now and then.

    turns = Turns()
    for each in many:
        ...
        await turns.give()      goes on at once, until TURN_S have passed since it last let others run

While one callback runs, nobody else is served: no heartbeat goes out, Raft does not tick.  The budget is that of one
callback; two of them in a row still leave a heartbeat in time.

Kafka has threads for this; an event loop has manners.
"""

from __future__ import annotations

import asyncio

TURN_S = 0.004


class Turns:
    """The turns of one piece of work, which begins now."""

    __slots__ = ("_began", "_loop")

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._began = self._loop.time()

    async def give(self) -> None:
        """Let others run, if this turn has lasted long enough."""
        if self._loop.time() - self._began > TURN_S:
            await asyncio.sleep(0)
            self._began = self._loop.time()
