"""What COMMAND INFO tells of a command beyond its declaration: categories, tips, and what it does to which keys.

Clients and proxies read this: a cluster client finds the keys by it, a connection pool sends reads to replicas by it.
Most follows from the declaration (a WRITE command of the chapter on lists is in @write and @list); what does not stands
in the tables here, grouped by what it says, since forty commands say the same.

Source: Redis 7.2, `src/commands/*.json`; documentation, "Key specifications", "Command tips".
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from miniredis.command import Command, Flag
from miniredis.wire.requests import Request

# -- groups and categories ------------------------------------------------------------------------------------------

GROUPS = {"keys": "generic", "strings": "string", "lists": "list", "sets": "set", "hashes": "hash",
          "sorted_sets": "sorted-set", "bitmaps": "bitmap", "dump": "generic", "sorting": "generic"}  # fmt: skip
"""Our chapter -> the group of the documentation, where the two differ."""

GROUP_CATEGORIES = {"generic": "keyspace", "string": "string", "list": "list", "set": "set", "hash": "hash",
                    "sorted-set": "sortedset", "bitmap": "bitmap", "hyperloglog": "hyperloglog", "geo": "geo",
                    "stream": "stream", "connection": "connection", "transactions": "transaction",
                    "scripting": "scripting"}  # fmt: skip

CATEGORIES = (
    "keyspace", "read", "write", "set", "sortedset", "list", "hash", "string", "bitmap", "hyperloglog", "geo",
    "stream", "pubsub", "admin", "fast", "slow", "blocking", "dangerous", "connection", "transaction", "scripting",
)  # fmt: skip
"""In the order COMMAND INFO lists them."""

OWN_CATEGORIES = {
    "keyspace dangerous": "flushall flushdb keys migrate restore swapdb",
    "keyspace": "dbsize",
    "dangerous": "info",
    "admin dangerous": "lastsave role",
    "connection":
        "command wait waitaof command|count command|docs command|getkeys command|getkeysandflags command|help "
        "command|info command|list",
    "set sortedset list dangerous": "sort sort_ro",
}  # fmt: skip
"""Categories -> the commands that are in these instead of their group's."""


@cache
def categories(row: Command) -> list[str]:
    """The access control categories of a command, with their @."""
    own = _by_name(OWN_CATEGORIES).get(row.name)
    if own is None:
        own = GROUP_CATEGORIES.get(group(row), "") if row.handler is not None else ""
    names = set(own.split())
    flags = row.flags
    names |= {"write"} if flags & Flag.WRITE else set()
    if flags & Flag.READONLY and "scripting" not in names:
        names.add("read")
    names |= {"admin", "dangerous"} if flags & Flag.ADMIN else set()
    names |= {"pubsub"} if flags & Flag.PUBSUB else set()
    names |= {"blocking"} if flags & Flag.BLOCKING else set()
    names.add("fast" if flags & Flag.FAST else "slow")
    return [f"@{name}" for name in CATEGORIES if name in names]


def group(row: Command) -> str:
    """The documentation's group."""
    return GROUPS.get(row.group, row.group)


HIDDEN_FLAGS = Flag.MAY_REPLICATE | Flag.TOUCHES_ARBITRARY_KEYS

FLAG_ORDER = ("write", "readonly", "denyoom", "module", "admin", "pubsub", "noscript", "blocking", "loading", "stale",
              "skip_monitor", "skip_slowlog", "asking", "fast", "no_auth", "may_replicate", "no_mandatory_keys",
              "protected", "no_async_loading", "no_multi", "movablekeys", "allow_busy")  # fmt: skip


@cache
def flag_names(row: Command) -> list[str]:
    """The flags, as COMMAND INFO spells and orders them."""
    names = {flag.name.lower() for flag in Flag if flag.name and row.flags & flag & ~HIDDEN_FLAGS}
    return [name for name in FLAG_ORDER if name in names]


# -- tips -----------------------------------------------------------------------------------------------------------

TIPS = {
    "nondeterministic_output":
        "client|info client|list dump hrandfield hscan lastsave object|encoding object|freq object|idletime "
        "object|refcount pttl spop srandmember sscan time ttl zrandmember zscan",
    "nondeterministic_output_order":
        "command command|docs command|info command|list hgetall hkeys hvals sdiff sinter smembers sunion",
    "request_policy:all_nodes response_policy:all_succeeded":
        "client|setinfo config|set latency|reset script|flush script|load slowlog|reset",
    "request_policy:all_shards response_policy:agg_sum": "dbsize",
    "request_policy:multi_shard response_policy:agg_sum": "del exists touch unlink",
    "request_policy:all_shards response_policy:all_succeeded": "flushall flushdb memory|purge ping",
    "nondeterministic_output request_policy:all_shards response_policy:special":
        "info memory|doctor memory|malloc-stats memory|stats",
    "request_policy:all_shards nondeterministic_output_order": "keys",
    "nondeterministic_output request_policy:all_nodes response_policy:special":
        "latency|doctor latency|graph latency|histogram latency|history latency|latest",
    "request_policy:multi_shard": "mget",
    "request_policy:multi_shard response_policy:all_succeeded": "mset",
    "request_policy:all_shards response_policy:special nondeterministic_output": "randomkey",
    "nondeterministic_output request_policy:special response_policy:special": "scan",
    "request_policy:all_shards response_policy:agg_logical_and": "script|exists",
    "request_policy:all_shards response_policy:one_succeeded": "script|kill",
    "request_policy:all_nodes nondeterministic_output": "slowlog|get",
    "request_policy:all_nodes response_policy:agg_sum nondeterministic_output": "slowlog|len",
    "request_policy:all_shards response_policy:agg_min": "wait waitaof",
}  # fmt: skip


def tips(row: Command) -> list[str]:
    """Advice to clients and proxies: how to spread a request over a cluster, whether two replies can be compared."""
    return _by_name(TIPS).get(row.name, "").split()


# -- keys -----------------------------------------------------------------------------------------------------------

KEY_SPECS = {
    "1 RO access":
        "bitcount bitfield_ro bitpos dump expiretime geodist geohash geopos georadius_ro georadiusbymember_ro "
        "geosearch get getbit getrange hget hgetall hkeys hmget hrandfield hscan hvals lindex lpos lrange pexpiretime "
        "pttl smembers smismember srandmember sscan substr ttl zcount zlexcount zmscore zrandmember zrange "
        "zrangebylex zrangebyscore zrank zrevrange zrevrangebylex zrevrangebyscore zrevrank zscan zscore",
    "1 RW access update":
        "decr decrby getset hincrby hincrbyfloat incr incrby incrbyfloat move setbit zincrby",
    "1 RW update": "expire expireat geoadd hmset hset lset persist pexpire pexpireat setrange zadd",
    "1 RW insert": "append hsetnx linsert lpush lpushx pfadd rpush rpushx sadd",
    "1 RO": "hexists hlen hstrlen llen scard sismember strlen type zcard",
    "1 RW delete": "hdel lrem ltrim srem zrem zremrangebylex zremrangebyrank zremrangebyscore",
    "1 RW access delete": "getdel lpop rpop spop zpopmax zpopmin",
    "1 RW access delete; 2 RW insert": "blmove brpoplpush lmove rpoplpush smove",
    "2 RO": "memory|usage object|encoding object|freq object|idletime object|refcount",
    "1# RO access": "sintercard zdiff zinter zintercard zunion",
    "1..-2 RW access delete": "blpop brpop bzpopmax bzpopmin",
    "1..-1 RO access": "mget sdiff sinter sunion",
    "1..-1 RO": "exists touch watch",
    "1 OW update": "psetex restore setex",
    "1 OW update; 2# RO access": "zdiffstore zinterstore zunionstore",
    "1 RW access update variable_flags !options decide between reading and writing": "bitfield set",
    "2# RW access delete": "blmpop bzmpop",
    "1..-1 RM delete": "del unlink",
    "1 OW update; 2 RO access": "geosearchstore zrangestore",
    "1# RW access delete": "lmpop zmpop",
    "1 OW update; 2..-1 RO access": "sdiffstore sunionstore",
    "1..-1 not_key": "ssubscribe sunsubscribe",
    "1 not_key": "spublish",
    "2 OW update; 3..-1 RO access": "bitop",
    "1 RO access; 2 OW update": "copy",
    "2# RW access update !a script may do anything": "eval",
    "2# RO access !a script may read anything": "eval_ro",
    "2# RW access update": "evalsha",
    "2# RO access": "evalsha_ro",
    "1 RO access; STORE>6 OW update; STOREDIST>6 OW update": "georadius",
    "1 RO access; STORE>5 OW update; STOREDIST>5 OW update": "georadiusbymember",
    "1 RW access update !the time to live may change": "getex",
    "1..1 RO access": "lcs",
    "1..-1/2 OW update": "mset",
    "1..-1/2 OW insert": "msetnx",
    "1..-1 RW access !a cached cardinality may be written": "pfcount",
    "2 RW access": "pfdebug",
    "1 RW access insert; 2..-1 RO access": "pfmerge",
    "1 RW access delete; 2 OW update": "rename",
    "1 RW access delete; 2 OW insert": "renamenx",
    "1 OW insert": "setnx",
    "1 RW update; 2..-1 RO access": "sinterstore",
    "1 RO access; ? RO access !of BY and GET: names made of elements; ? OW update !of STORE: anywhere": "sort",
    "1 RO access; ? RO access !of BY and GET: names made of elements": "sort_ro",
}  # fmt: skip
"""What is done to keys that stand where -> the commands that do.

    1            the word at position 1        1..-1    from there to the last     1..-1/2   every second of them
    2#           a count at 2, the keys behind STORE>6  behind the word STORE, looked for from position 6
    ?            not to be told from the words alone
    RO RW OW RM  reads, reads and writes, overwrites, removes; access update insert delete: what of the value
    !            a remark
"""


@dataclass(frozen=True)
class KeySpec:
    """Where keys stand in a request, and what is done to them."""

    flags: tuple[str, ...]
    note: str = ""
    index: int | None = None
    keyword: str = ""
    start_from: int = 0
    last: int = 0  # relative to the first, or negative: from the end
    step: int = 1
    counted: bool = False  # a count stands at the beginning

    def description(self) -> dict[str, Any]:
        """As COMMAND INFO shows it."""
        shown: dict[str, Any] = {"notes": self.note} if self.note else {}
        shown["flags"] = self.flags
        if self.keyword:
            begin = {"type": "keyword", "spec": {"keyword": self.keyword, "startfrom": self.start_from}}
        elif self.index is not None:
            begin = {"type": "index", "spec": {"index": self.index}}
        else:
            begin = {"type": "unknown", "spec": {}}
        find: dict[str, Any]
        if self.counted:
            find = {"type": "keynum", "spec": {"keynumidx": 0, "firstkey": 1, "keystep": 1}}
        elif begin["type"] == "unknown":
            find = begin
        else:
            find = {"type": "range", "spec": {"lastkey": self.last, "keystep": self.step, "limit": 0}}
        return {**shown, "begin_search": begin, "find_keys": find}

    def positions(self, request: Request) -> Sequence[int]:
        """Where the keys of `request` stand; none where that cannot be told.  Raises ValueError when a count of keys
        is not one."""
        begin = self.index
        if self.keyword:
            words = [word.upper() for word in request]
            word = self.keyword.encode()
            begin = words.index(word, self.start_from) + 1 if word in words[self.start_from :] else None
        if begin is None or begin >= len(request):
            return ()
        if self.counted:
            end = begin + 1 + int(request[begin])
            if end > len(request):
                raise ValueError("fewer keys than their number says")
            return range(begin + 1, end)
        last = len(request) + self.last if self.last < 0 else begin + self.last
        return range(begin, min(last, len(request) - 1) + 1, self.step)


@cache
def key_specs(row: Command) -> tuple[KeySpec, ...]:
    """The specifications of a command's keys, parsed from the table."""
    text = _by_name(KEY_SPECS).get(row.name, "")
    return tuple(_parse(part.strip()) for part in text.split(";") if part)


def _parse(text: str) -> KeySpec:
    what, _, note = text.partition(" !")
    place, *flags = what.split()
    if place == "?":
        return KeySpec(tuple(flags), note)
    if ">" in place:
        keyword, start = place.split(">")
        return KeySpec(tuple(flags), note, keyword=keyword, start_from=int(start))
    if place.endswith("#"):
        return KeySpec(tuple(flags), note, int(place[:-1]), counted=True)
    place, _, step = place.partition("/")
    first, _, last = place.partition("..")
    return KeySpec(tuple(flags), note, int(first), last=int(last or 0), step=int(step or 1))


def names_keys(row: Command) -> bool:
    """Whether requests of `row` can name keys at all; channels are not."""
    return any("not_key" not in spec.flags for spec in key_specs(row))


def keys_and_flags(row: Command, request: Request) -> list[tuple[bytes, tuple[str, ...]]]:
    """The keys of `request` in order, each with what is done to it; none when they cannot be told."""
    specs = key_specs(row)
    try:
        found = {place: spec.flags for spec in specs for place in spec.positions(request)}
    except ValueError:
        return []
    if row.name in VARIABLE:
        return [(request[place], VARIABLE[row.name](request)) for place in sorted(found)]
    named = [(request[place], found[place]) for place in sorted(found)]
    if row.find_keys is None or all(spec.index is not None or spec.keyword for spec in specs):
        return named
    # Some keys only the command itself can find: those are what the last specification says.
    rest = list(row.keys(request))
    for key, _ in named:
        rest.remove(key)
    return named + [(key, specs[-1].flags) for key in rest]


def _set_flags(request: Request) -> tuple[str, ...]:
    reads = any(word.upper() == b"GET" for word in request[3:])
    return ("RW", "access", "update") if reads else ("OW", "update")


def _bitfield_flags(request: Request) -> tuple[str, ...]:
    writes = any(word.upper() in (b"SET", b"INCRBY") for word in request[2:])
    return ("RW", "access", "update") if writes else ("RO", "access")


VARIABLE: dict[str, Callable[[Request], tuple[str, ...]]] = {"set": _set_flags, "bitfield": _bitfield_flags}
"""Where the options decide what is done to the key."""


# -- deprecated, internal -------------------------------------------------------------------------------------------

DEPRECATED = {
    "brpoplpush": ("6.2.0", "BLMOVE with RIGHT and LEFT"),
    "georadius": ("6.2.0", "GEOSEARCH and GEOSEARCHSTORE with BYRADIUS"),
    "georadius_ro": ("6.2.0", "GEOSEARCH with BYRADIUS"),
    "georadiusbymember": ("6.2.0", "GEOSEARCH and GEOSEARCHSTORE with BYRADIUS and FROMMEMBER"),
    "georadiusbymember_ro": ("6.2.0", "GEOSEARCH with BYRADIUS and FROMMEMBER"),
    "getset": ("6.2.0", "SET with GET"),
    "hmset": ("4.0.0", "HSET with several fields"),
    "psetex": ("2.6.12", "SET with PX"),
    "quit": ("7.2.0", "closing the connection"),
    "rpoplpush": ("6.2.0", "LMOVE with RIGHT and LEFT"),
    "setex": ("2.6.12", "SET with EX"),
    "setnx": ("2.6.12", "SET with NX"),
    "substr": ("2.0.0", "GETRANGE"),
    "zrangebylex": ("6.2.0", "ZRANGE with BYLEX"),
    "zrangebyscore": ("6.2.0", "ZRANGE with BYSCORE"),
    "zrevrange": ("6.2.0", "ZRANGE with REV"),
    "zrevrangebylex": ("6.2.0", "ZRANGE with REV and BYLEX"),
    "zrevrangebyscore": ("6.2.0", "ZRANGE with REV and BYSCORE"),
}
"""Command -> since when, and what to say instead."""

INTERNAL = {"debug", "pfdebug", "pfselftest"}


def _by_name(table: dict[str, str]) -> dict[str, str]:
    """A table turned over: command -> what is said of it."""
    turned = _TURNED.get(id(table))
    if turned is None:
        turned = _TURNED[id(table)] = {name: said for said, names in table.items() for name in names.split()}
    return turned


_TURNED: dict[int, dict[str, str]] = {}
