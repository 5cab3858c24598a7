"""Requests that may be sent twice and are executed once.

Read record.py (the states of a key), field.py (which key it is), answer.py (what is said), policy.py (the options),
store.py with memory_store.py and redis_store.py (where it is remembered), handler.py with backlog.py (the decision),
asgi.py (a face).
"""

from ratelimit.idempotency.answer import Answer
from ratelimit.idempotency.asgi import IdempotencyMiddleware
from ratelimit.idempotency.field import Request, anyone, cookie, header, user
from ratelimit.idempotency.handler import Execution, Handler
from ratelimit.idempotency.memory_store import MemoryStore
from ratelimit.idempotency.policy import Policy, PolicyError
from ratelimit.idempotency.redis_store import RedisStore
from ratelimit.idempotency.store import Store, StoreUnavailable

__all__ = [
    "Answer", "Execution", "Handler", "IdempotencyMiddleware", "MemoryStore", "Policy", "PolicyError", "RedisStore",
    "Request", "Store", "StoreUnavailable", "anyone", "cookie", "header", "user",
]  # fmt: skip
