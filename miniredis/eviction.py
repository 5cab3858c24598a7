"""Eviction: which key goes when memory is full.

Exact LRU would need a list through all keys, moved at every access.  Redis keeps one number per key instead, samples a
few keys when it must free something, and takes the one idle longest: with five samples and a pool of the best
candidates so far it is nearly as good as the real order (antirez, "Random notes on improving the Redis LRU algorithm").

    LRU stamp    seconds, wrapping at 24 bits
    LFU stamp    16 bits: minutes at the last decrement | 8 bits: logarithmic counter of uses
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from miniredis.command import Command
    from miniredis.database import Database
    from miniredis.engine import Engine
    from miniredis.session import Session

LRU_BITS = 24
LFU_INITIAL = 5  # a new key is not the first to go


class Eviction:
    """Keeps the account of memory and frees some when `maxmemory` is passed."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.frequency = "lfu" in engine.settings.maxmemory_policy

    def first_stamp(self) -> int:
        """The stamp of a key made now."""
        now_ms = self.engine.now_ms
        if self.frequency:
            return (now_ms // 60_000 & 0xFFFF) << 8 | LFU_INITIAL
        return now_ms // 1000 & ((1 << LRU_BITS) - 1)

    def stamp(self, old: int) -> int:
        """The stamp of a key used now, whose last was `old`."""
        return self.engine.first_stamp

    def weigh(self, database: Database, key: bytes) -> None:
        """`key` was changed."""

    def make_room(self, session: Session, command: Command) -> None:
        """Called before every command while `maxmemory` is set.  Raises OutOfMemory when room is needed and none
        can be made."""
