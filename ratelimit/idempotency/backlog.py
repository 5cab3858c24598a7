"""Acts that a store did not take: asked again until it does, by one task that lives while there are any.

An answer that could not be stored would be executed again by the next duplicate; a key that could not be released would
block it.  The client waits for neither.  The first time is at once: a connection that is merely slow carries the release
of a key right behind the begin that had no reply.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable

from ratelimit.idempotency.store import StoreUnavailable

PAUSE_S = 0.5
ACTS_MAX = 10_000

Act = Callable[[], Awaitable[object]]


class Backlog:
    """First in, first out.  Beyond ACTS_MAX, and past its own time, an act is given up: then its lease runs out."""

    def __init__(self) -> None:
        self._acts: deque[tuple[Act, float]] = deque()
        self._task: asyncio.Task[None] | None = None

    def __len__(self) -> int:
        return len(self._acts)

    def add(self, act: Act, until: float) -> None:
        """Do `act` when the store answers again, before `until` of the loop's time.  It raises StoreUnavailable."""
        if len(self._acts) < ACTS_MAX:
            self._acts.append((act, until))
        if self._task is None or self._task.done():
            self._task = asyncio.get_running_loop().create_task(self._work())

    async def _work(self) -> None:
        now = asyncio.get_running_loop().time
        while self._acts:
            act, until = self._acts[0]
            try:
                if now() < until:
                    await act()
            except StoreUnavailable:
                await asyncio.sleep(PAUSE_S)
            else:
                self._acts.popleft()
