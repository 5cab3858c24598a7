"""What the six chapters have in common: the words in which a store speaks to them."""

from abc import ABC, abstractmethod
from typing import Any

from ratelimit.decision import Decision
from ratelimit.limit import Limit


class Algorithm(ABC):
    """One limit, for any number of keys; their state is kept by whoever asks."""

    limit: Limit
    capacity: int
    """The largest cost that can ever pass."""
    horizon_ms: int
    """No state means anything for longer than this after the hit that made it."""
    remembered_ms: int = 0
    """For so long a state is kept after nothing is spent any more: see `limit.REMEMBERED_MS`."""
    keeps_denied: bool = False
    """Whether a denied hit, which consumes nothing, may still change the state: an empty bucket begins to fill then, and
    a clock that was set back is followed."""

    @abstractmethod
    def take(self, state: Any, now_ms: int, cost: int = 1) -> tuple[Any, Decision]:
        """What to remember now, and the answer.  Raises CostTooHigh."""

    @abstractmethod
    def expires_ms(self, state: Any) -> int:
        """The moment from which on the state says no more than None does."""

    def peek(self, state: Any, now_ms: int, cost: int = 1) -> Decision:
        """Whether `take` would admit it, and how things stand while nothing has been taken."""
        reset_ms = 0 if state is None else max(0, self.expires_ms(state) - self.remembered_ms - now_ms)
        decision = self.take(state, now_ms, cost)[1]
        if not decision.allowed:
            return decision
        return Decision(True, decision.remaining + cost, 0, reset_ms, decision.delay_ms)
