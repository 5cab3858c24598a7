"""Rate limiting by the book: the textbook's algorithms, over memory or Redis, behind every kind of door."""

from ratelimit.decision import Ask, CostTooHigh, Decision
from ratelimit.limit import Limit, LimitError
from ratelimit.limiter import AsyncLimiter, Limiter, RateLimited
from ratelimit.memory_store import MemoryStore

__all__ = [
    "Ask", "AsyncLimiter", "CostTooHigh", "Decision", "Limit", "LimitError", "Limiter", "MemoryStore", "RateLimited",
]  # fmt: skip
