"""Keyspace notifications: what happens to keys, published for whoever subscribes.

Switched on by `notify-keyspace-events`, a string of letters: K for `__keyspace@0__:key` channels (the event is the
message), E for `__keyevent@0__:event` channels (the key is the message), and the classes of events wanted.

Source: Redis documentation, "Redis keyspace notifications"; `notify.c`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from miniredis.engine import Engine

CLASSES = "g$lshzxetdmn"
"""generic, string, list, set, hash, sorted set, expired, evicted, stream, module, key miss, new key."""

ALL = "g$lshzxetd"
"""What the letter A stands for: everything but m and n."""

EVENT_CLASSES = {
    **dict.fromkeys(("del", "rename_from", "rename_to", "move_from", "move_to", "copy_to", "restore", "expire",
                     "persist"), "g"),
    **dict.fromkeys(("set", "setrange", "incrby", "incrbyfloat", "append", "getdel", "setbit", "pfadd"), "$"),
    **dict.fromkeys(("lpush", "rpush", "lpop", "rpop", "linsert", "lset", "lrem", "ltrim", "sortstore"), "l"),
    **dict.fromkeys(("sadd", "srem", "spop", "sinterstore", "sunionstore", "sdiffstore"), "s"),
    **dict.fromkeys(("hset", "hincrby", "hincrbyfloat", "hdel"), "h"),
    **dict.fromkeys(("zadd", "zincr", "zrem", "zpopmin", "zpopmax", "zremrangebyscore", "zremrangebylex",
                     "zremrangebyrank", "zinterstore", "zunionstore", "zdiffstore", "zrangestore", "geosearchstore",
                     "georadiusstore"), "z"),
    "expired": "x",
    "evicted": "e",
    "keymiss": "m",
    "new": "n",
}  # fmt: skip
"""The class of each event.  An event not listed is generic."""


def parse_classes(text: str) -> str | None:
    """The canonical form of a `notify-keyspace-events` value: "A" where all are there, then K, E, m, n.

    None when a letter means nothing.
    """
    letters = set(text)
    if "A" in letters:
        letters = letters - {"A"} | set(ALL)
    if letters - set(CLASSES) - {"K", "E"}:
        return None
    classes = "A" if letters >= set(ALL) else "".join(letter for letter in ALL if letter in letters)
    return classes + "".join(letter for letter in "KEmn" if letter in letters)


class Notifications:
    """Publishes events of the classes that are switched on."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.enabled: frozenset[str] = frozenset()
        self.configure(engine.settings.notify_keyspace_events)

    def configure(self, text: str) -> None:
        """Take over a new value of `notify-keyspace-events`."""
        letters = set(text)
        if "A" in letters:
            letters |= set(ALL)
        self.enabled = frozenset(letters)
        self.engine.notifying = bool(letters & {"K", "E"})

    def publish(self, kind: str, event: str, key: bytes, database: int) -> None:
        """Tell that `event`, of class `kind`, happened to `key`."""
        if kind not in self.enabled:
            return
        name = event.encode()
        if "K" in self.enabled:
            self.engine.pubsub.publish(b"__keyspace@%d__:%b" % (database, key), name)
        if "E" in self.enabled:
            self.engine.pubsub.publish(b"__keyevent@%d__:%b" % (database, name), key)
