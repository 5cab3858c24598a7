"""Publish and subscribe: channels, patterns and shard channels, and who listens to them.

Nothing is kept: a message goes to those who listen at that moment, in the order they subscribed, patterns after
channels.  A subscriber that does not read fast enough is cut off by its output buffer limit, or the server would hold
its messages for ever.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from miniredis.glob import matches
from miniredis.wire.replies import Push

if TYPE_CHECKING:
    from miniredis.engine import Engine
    from miniredis.session import Session


class PubSub:
    """Who listens where.  Dicts keep the order in which they came."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.channels: dict[bytes, dict[Session, None]] = {}
        self.patterns: dict[bytes, dict[Session, None]] = {}
        self.shard_channels: dict[bytes, dict[Session, None]] = {}

    def publish(self, channel: bytes, message: bytes) -> int:
        """Send `message` to the listeners of `channel` and of patterns that match; returns how many."""
        receivers = 0
        for session in self.channels.get(channel, ()):
            session.push(Push([b"message", channel, message]))
            receivers += 1
        for pattern, listeners in self.patterns.items():
            if matches(pattern, channel):
                for session in listeners:
                    session.push(Push([b"pmessage", pattern, channel, message]))
                    receivers += 1
        return receivers

    def publish_shard(self, channel: bytes, message: bytes) -> int:
        """The same for SPUBLISH, which knows no patterns."""
        listeners = self.shard_channels.get(channel, ())
        for session in listeners:
            session.push(Push([b"smessage", channel, message]))
        return len(listeners)

    @staticmethod
    def add(table: dict[bytes, dict[Session, None]], name: bytes, session: Session) -> None:
        table.setdefault(name, {})[session] = None

    @staticmethod
    def remove(table: dict[bytes, dict[Session, None]], name: bytes, session: Session) -> None:
        listeners = table[name]
        del listeners[session]
        if not listeners:
            del table[name]
