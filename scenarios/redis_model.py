"""The obvious twin: a dozen Redis commands on plain dicts, to say what a reply and a key ought to be.

A client that owns its keys can predict every reply, and after a crash the keys must look like the model after some
number of its commands: no fewer than were acknowledged, no more than were sent.  That number is the *cut*, and one cut
must explain all keys of a connection at once, since a log that is a prefix has only one end.

    draw(random, prefix)  ->  a command on one of six keys, one per data type
    model.apply(command)  ->  the reply, as scenarios.resp reads it
    READS(prefix)         ->  the commands that read all six keys back;  model.reading(prefix): what they must answer
"""

from collections.abc import Callable
from random import Random
from typing import cast

from scenarios.resp import Command, Reply

FAR_FUTURE_MS = (4_102_444_800_000, 4_133_980_800_000)  # 2100 and 2101: a deadline that no run will reach

Hash = dict[bytes, bytes]
Scores = dict[bytes, int]


# Two writes that stand or fall together, as those of a transaction do.
SCRIPT = b"redis.call('SET', KEYS[1], ARGV[1]) return redis.call('RPUSH', KEYS[2], ARGV[1])"


class Model:
    """What the keys hold: strings as bytes, lists, sets, hashes as dicts, sorted sets as member -> whole score."""

    def __init__(self) -> None:
        self.keys: dict[bytes, object] = {}
        self.deadlines: dict[bytes, int] = {}

    def apply(self, command: Command) -> Reply:
        method: Callable[..., Reply] = getattr(self, "_" + command[0].decode().lower())
        return method(*command[1:])

    def _set(self, key: bytes, value: bytes) -> Reply:
        self.keys[key] = value
        self.deadlines.pop(key, None)
        return b"OK"

    def _append(self, key: bytes, tail: bytes) -> Reply:
        value = cast(bytes, self.keys.get(key, b"")) + tail
        self.keys[key] = value
        return len(value)

    def _incrby(self, key: bytes, increment: bytes) -> Reply:
        total = int(cast(bytes, self.keys.get(key, b"0"))) + int(increment)
        self.keys[key] = b"%d" % total
        return total

    def _rpush(self, key: bytes, *values: bytes) -> Reply:
        held = cast(list[bytes], self.keys.setdefault(key, []))
        held.extend(values)
        return len(held)

    def _lpop(self, key: bytes) -> Reply:
        held = cast(list[bytes], self.keys.get(key))
        if not held:
            return None
        first = held.pop(0)
        if not held:
            self._drop(key)
        return first

    def _sadd(self, key: bytes, *members: bytes) -> Reply:
        held = cast(set[bytes], self.keys.setdefault(key, set()))
        before = len(held)
        held.update(members)
        return len(held) - before

    def _srem(self, key: bytes, member: bytes) -> Reply:
        held = cast(set[bytes], self.keys.get(key, set()))
        if member not in held:
            return 0
        held.remove(member)
        if not held:
            self._drop(key)
        return 1

    def _hset(self, key: bytes, field: bytes, value: bytes) -> Reply:
        held = cast(Hash, self.keys.setdefault(key, {}))
        new = field not in held
        held[field] = value
        return int(new)

    def _hdel(self, key: bytes, field: bytes) -> Reply:
        held = cast(Hash, self.keys.get(key, {}))
        if held.pop(field, None) is None:
            return 0
        if not held:
            self._drop(key)
        return 1

    def _zadd(self, key: bytes, score: bytes, member: bytes) -> Reply:
        held = cast(Scores, self.keys.setdefault(key, {}))
        new = member not in held
        held[member] = int(score)
        return int(new)

    def _zincrby(self, key: bytes, increment: bytes, member: bytes) -> Reply:
        held = cast(Scores, self.keys.setdefault(key, {}))
        held[member] = held.get(member, 0) + int(increment)
        return b"%d" % held[member]

    def _pexpireat(self, key: bytes, deadline_ms: bytes) -> Reply:
        if key not in self.keys:
            return 0
        self.deadlines[key] = int(deadline_ms)
        return 1

    def _persist(self, key: bytes) -> Reply:
        return int(self.deadlines.pop(key, None) is not None)

    def _eval(self, script: bytes, count: bytes, string: bytes, values: bytes, value: bytes) -> Reply:
        assert (script, count) == (SCRIPT, b"2")
        self._set(string, value)
        return self._rpush(values, value)

    def _del(self, key: bytes) -> Reply:
        return int(self._drop(key))

    def _drop(self, key: bytes) -> bool:
        self.deadlines.pop(key, None)
        return self.keys.pop(key, None) is not None

    def reading(self, prefix: bytes) -> list[Reply]:
        """The replies to `reads(prefix)`, brought into one order by `in_order`."""
        value = self.keys.get
        scores = cast(Scores, value(prefix + b"zset", {}))
        ranked = sorted(scores.items(), key=lambda item: (item[1], item[0]))
        fields = cast(Hash, value(prefix + b"hash", {}))
        return [
            value(prefix + b"string"),
            value(prefix + b"counter"),
            list(cast(list[bytes], value(prefix + b"list", []))),
            sorted(cast(set[bytes], value(prefix + b"set", set()))),
            [part for item in sorted(fields.items()) for part in item],
            [part for member, score in ranked for part in (member, b"%d" % score)],
            *[self.deadlines.get(prefix + kind, -1) if prefix + kind in self.keys else -2 for kind in KINDS],
        ]


KINDS = (b"string", b"counter", b"list", b"set", b"hash", b"zset")


def reads(prefix: bytes) -> list[Command]:
    """Commands that read everything under `prefix`: the six values, then their six deadlines."""
    return [
        (b"GET", prefix + b"string"),
        (b"GET", prefix + b"counter"),
        (b"LRANGE", prefix + b"list", b"0", b"-1"),
        (b"SMEMBERS", prefix + b"set"),
        (b"HGETALL", prefix + b"hash"),
        (b"ZRANGE", prefix + b"zset", b"0", b"-1", b"WITHSCORES"),
        *[(b"PEXPIRETIME", prefix + kind) for kind in KINDS],
    ]


def in_order(replies: list[Reply]) -> list[Reply]:
    """Replies to `reads` with sets and hashes sorted: their order is the server's own affair."""
    members, fields = replies[3], replies[4]
    if isinstance(members, list):
        replies[3] = sorted(members)
    if isinstance(fields, list):
        pairs = sorted(zip(fields[::2], fields[1::2], strict=True))
        replies[4] = [part for pair in pairs for part in pair]
    return replies


def draw(random: Random, prefix: bytes, unique: bytes) -> Command:
    """A command on a key under `prefix`; whatever it stores holds `unique`, so no two writes look alike."""
    slot = b"%d" % random.randrange(8)  # few names, so that later writes meet earlier ones
    small = b"%d" % random.randrange(1, 100)
    return random.choices(
        [
            (b"SET", prefix + b"string", unique),
            (b"APPEND", prefix + b"string", b"," + unique),
            (b"INCRBY", prefix + b"counter", small),
            (b"RPUSH", prefix + b"list", unique, unique + b"+\r\n"),
            (b"LPOP", prefix + b"list"),
            (b"SADD", prefix + b"set", unique, slot),
            (b"SREM", prefix + b"set", slot),
            (b"HSET", prefix + b"hash", slot, unique),
            (b"HDEL", prefix + b"hash", slot),
            (b"ZADD", prefix + b"zset", small, unique),
            (b"ZINCRBY", prefix + b"zset", small, slot),
            (b"PEXPIREAT", prefix + random.choice(KINDS), b"%d" % random.choice(FAR_FUTURE_MS)),
            (b"PERSIST", prefix + random.choice(KINDS)),
            (b"DEL", prefix + random.choice(KINDS)),
            (b"EVAL", SCRIPT, b"2", prefix + b"string", prefix + b"list", unique),
        ],
        weights=[8, 4, 8, 8, 4, 8, 3, 8, 3, 8, 4, 3, 2, 1, 4],
    )[0]
