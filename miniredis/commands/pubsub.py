"""Publish and subscribe: messages to whoever listens now.

SUBSCRIBE answers once for each channel, and unasked messages come between replies.  A RESP2 client could not tell one
from the other, so while it is subscribed it may say little else; RESP3 marks what is pushed, and knows no such limit.

Shard channels (SSUBSCRIBE) are Redis Cluster's: a channel belongs to a slot as a key does, so a message need not go to
every node.  On one node they are a second set of channels.

Source: Redis 7.2 `pubsub.c`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from miniredis.command import FAST, LOADING, MAY_REPLICATE, NOSCRIPT, PUBSUB, STALE, command
from miniredis.command_help import add_help
from miniredis.errors import RedisError, wrong_subcommand
from miniredis.glob import matches
from miniredis.wire.replies import NO_REPLY, Push

if TYPE_CHECKING:
    from miniredis.session import Session

LISTENING = PUBSUB | NOSCRIPT | LOADING | STALE
ASKING = PUBSUB | LOADING | STALE

KINDS = {"": "channels", "p": "patterns", "s": "shard_channels"}
"""What stands before `subscribe` -> the table, of the session and of the server."""


def _subscribe(session: Session, kind: str, names: tuple[bytes, ...]) -> Any:
    if session.in_script or (kind == "s" and session.in_exec):
        raise RedisError(f"ERR {kind.upper()}SUBSCRIBE isn't allowed for a DENY BLOCKING client")
    mine, all_ = getattr(session, KINDS[kind]), getattr(session.engine.pubsub, KINDS[kind])
    for name in names:
        if name not in mine:
            mine[name] = None
            session.engine.pubsub.add(all_, name, session)
        session.confirm(Push([f"{kind}subscribe".encode(), name, _count(session, kind)]))
    session.settle()
    return NO_REPLY


def _unsubscribe(session: Session, kind: str, names: tuple[bytes, ...]) -> Any:
    mine, all_ = getattr(session, KINDS[kind]), getattr(session.engine.pubsub, KINDS[kind])
    word = f"{kind}unsubscribe".encode()
    leaving = names or list(mine) or [None]  # whoever listens to nothing is told about nothing, once
    for name in leaving:
        if name in mine:
            del mine[name]
            session.engine.pubsub.remove(all_, name, session)
        session.confirm(Push([word, name, _count(session, kind)]))
    session.settle()
    return NO_REPLY


def _count(session: Session, kind: str) -> int:
    """What the client is still subscribed to: channels and patterns together, shard channels apart."""
    return len(session.shard_channels) if kind == "s" else len(session.channels) + len(session.patterns)


@command("SUBSCRIBE channel [channel ...]", LISTENING, since="2.0.0")
def subscribe(session: Session, *channels: bytes) -> Any:
    """Listen to channels.  O(N) in the channels."""
    return _subscribe(session, "", channels)


@command("UNSUBSCRIBE [channel [channel ...]]", LISTENING, since="2.0.0")
def unsubscribe(session: Session, *channels: bytes) -> Any:
    """Stop listening to channels, to all when none is named.  O(N) in the channels."""
    return _unsubscribe(session, "", channels)


@command("PSUBSCRIBE pattern [pattern ...]", LISTENING, since="2.0.0")
def psubscribe(session: Session, *patterns: bytes) -> Any:
    """Listen to all channels that match a glob pattern.  O(N) in the patterns."""
    return _subscribe(session, "p", patterns)


@command("PUNSUBSCRIBE [pattern [pattern ...]]", LISTENING, since="2.0.0")
def punsubscribe(session: Session, *patterns: bytes) -> Any:
    """Give up patterns, all when none is named.  O(N) in the patterns."""
    return _unsubscribe(session, "p", patterns)


@command("SSUBSCRIBE shardchannel [shardchannel ...]", LISTENING, since="7.0.0")
def ssubscribe(session: Session, *channels: bytes) -> Any:
    """Listen to shard channels.  O(N) in the channels."""
    return _subscribe(session, "s", channels)


@command("SUNSUBSCRIBE [shardchannel [shardchannel ...]]", LISTENING, since="7.0.0")
def sunsubscribe(session: Session, *channels: bytes) -> Any:
    """Stop listening to shard channels, to all when none is named.  O(N) in the channels."""
    return _unsubscribe(session, "s", channels)


@command("PUBLISH channel message", PUBSUB | LOADING | STALE | FAST | MAY_REPLICATE, since="2.0.0")
def publish(session: Session, channel: bytes, message: bytes) -> int:
    """Send a message to a channel; the reply counts who got it.  O(N+M) in listeners and patterns."""
    return session.engine.pubsub.publish(channel, message)


@command("SPUBLISH shardchannel message", PUBSUB | LOADING | STALE | FAST | MAY_REPLICATE, since="7.0.0")
def spublish(session: Session, channel: bytes, message: bytes) -> int:
    """Send a message to a shard channel; the reply counts who got it.  O(N) in the listeners."""
    return session.engine.pubsub.publish_shard(channel, message)


@command("PUBSUB CHANNELS [pattern]", ASKING, since="2.8.0")
def pubsub_channels(session: Session, *pattern: bytes) -> list[bytes]:
    """The channels somebody listens to.  O(N) in the channels."""
    return _matching(session, session.engine.pubsub.channels, pattern)


@command("PUBSUB SHARDCHANNELS [pattern]", ASKING, since="7.0.0")
def pubsub_shardchannels(session: Session, *pattern: bytes) -> list[bytes]:
    """The shard channels somebody listens to.  O(N) in the channels."""
    return _matching(session, session.engine.pubsub.shard_channels, pattern)


def _matching(session: Session, table: dict[bytes, Any], pattern: tuple[bytes, ...]) -> list[bytes]:
    if len(pattern) > 1:
        raise wrong_subcommand(session.engine.request[1], "PUBSUB")
    return [channel for channel in table if not pattern or matches(pattern[0], channel)]


@command("PUBSUB NUMSUB [channel [channel ...]]", ASKING, since="2.8.0")
def pubsub_numsub(session: Session, *channels: bytes) -> list[Any]:
    """How many listen to each of these channels.  O(N) in the channels named."""
    table = session.engine.pubsub.channels
    return [item for channel in channels for item in (channel, len(table.get(channel, ())))]


@command("PUBSUB SHARDNUMSUB [shardchannel [shardchannel ...]]", ASKING, since="7.0.0")
def pubsub_shardnumsub(session: Session, *channels: bytes) -> list[Any]:
    """How many listen to each of these shard channels.  O(N) in the channels named."""
    table = session.engine.pubsub.shard_channels
    return [item for channel in channels for item in (channel, len(table.get(channel, ())))]


@command("PUBSUB NUMPAT", ASKING, since="2.8.0")
def pubsub_numpat(session: Session) -> int:
    """How many different patterns are listened to.  O(1)."""
    return len(session.engine.pubsub.patterns)


add_help("PUBSUB", since="6.2.0")
