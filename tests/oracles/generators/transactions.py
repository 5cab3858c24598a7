"""Random transactions of one client, with what else belongs to a connection."""

from random import Random

KEYS = [b"k0", b"k1", b"k2"]
CHANNELS = [b"c0", b"c1"]

DATA = [
    [b"SET", b"k0", b"1"], [b"SET", b"k1", b"x"], [b"GET", b"k0"], [b"INCR", b"k0"], [b"INCR", b"k1"],
    [b"DEL", b"k0", b"k1"],
    [b"SET", b"k2", b"v", b"PX", b"100000"], [b"APPEND", b"k1", b"y"], [b"MGET", b"k0", b"k1", b"k2"],
    [b"PERSIST", b"k2"],
    [b"GET"], [b"NOSUCH", b"a"], [b"SET", b"k0"], [b"TYPE", b"k0"], [b"EXISTS", b"k0", b"k2"],
    [b"ZADD", b"k1", b"1", b"a"],
]  # fmt: skip
TRANSACTION = [
    [b"MULTI"],
    [b"EXEC"],
    [b"EXEC"],
    [b"DISCARD"],
    [b"UNWATCH"],
    [b"WATCH"],
    [b"EXEC", b"x"],
    [b"MULTI", b"x"],
]
CONNECTION = [
    [b"PING"], [b"PING", b"hi"], [b"PING", b"a", b"b"], [b"ECHO", b"x"], [b"ECHO"], [b"SELECT", b"1"],
    [b"SELECT", b"0"],
    [b"SELECT", b"99"], [b"SELECT", b"x"], [b"SELECT", b"-1"], [b"SELECT", b"99999999999"], [b"RESET"],
    [b"HELLO", b"4"], [b"HELLO", b"x"], [b"HELLO", b"3", b"FOO"], [b"HELLO", b"3", b"AUTH", b"a"], [b"AUTH"],
    [b"AUTH", b"x"], [b"AUTH", b"default", b"x"], [b"AUTH", b"you", b"x"], [b"AUTH", b"a", b"b", b"c"],
    [b"CLIENT", b"SETNAME", b"me"], [b"CLIENT", b"SETNAME", b"a b"], [b"CLIENT", b"GETNAME"],
    [b"CLIENT", b"FOO"], [b"CLIENT"],
    [b"CLIENT", b"KILL", b"1.2.3.4:5"], [b"CLIENT", b"KILL", b"ID", b"x"], [b"CLIENT", b"KILL", b"ID", b"999999"],
    [b"CLIENT", b"KILL", b"TYPE", b"foo"], [b"CLIENT", b"KILL", b"USER", b"foo"], [b"CLIENT", b"KILL", b"SKIPME"],
    [b"CLIENT", b"KILL", b"TYPE", b"pubsub", b"SKIPME", b"yes"], [b"CLIENT", b"UNBLOCK", b"999999"],
    [b"CLIENT", b"UNBLOCK", b"x"], [b"CLIENT", b"UNBLOCK", b"1", b"FOO"], [b"CLIENT", b"GETREDIR"],
    [b"CLIENT", b"TRACKINGINFO"], [b"CLIENT", b"NO-EVICT", b"on"], [b"CLIENT", b"NO-EVICT", b"x"],
    [b"CLIENT", b"UNPAUSE"],
    [b"CLIENT", b"LIST", b"TYPE", b"foo"], [b"CLIENT", b"LIST", b"ID", b"x"], [b"CLIENT", b"LIST", b"FOO"],
    [b"CLIENT", b"PAUSE", b"x"], [b"CLIENT", b"PAUSE", b"-1"], [b"CLIENT", b"PAUSE", b"1", b"FOO"],
    [b"CLIENT", b"REPLY", b"on"],
    [b"CLIENT", b"REPLY", b"x"], [b"CLIENT", b"ID", b"x"], [b"CLIENT", b"LIST", b"TYPE", b"replica"],
]  # fmt: skip
SERVER = [
    [b"DBSIZE"], [b"FLUSHDB"], [b"FLUSHALL", b"ASYNC"], [b"FLUSHDB", b"x"], [b"SWAPDB", b"0", b"1"],
    [b"SWAPDB", b"0", b"99"],
    [b"SWAPDB", b"x", b"1"], [b"SWAPDB", b"1", b"x"], [b"CONFIG", b"GET", b"databases"],
    [b"CONFIG", b"SET", b"slowlog-max-len", b"64"], [b"CONFIG", b"SET", b"slowlog-max-len", b"x"],
    [b"CONFIG", b"SET", b"slowlog-max-len", b"64", b"nosuch", b"1"], [b"CONFIG", b"SET", b"databases", b"3"],
    [b"CONFIG", b"SET", b"slowlog-max-len", b"1", b"SLOWLOG-max-len", b"2"], [b"CONFIG", b"SET", b"a", b"b", b"c"],
    [b"CONFIG", b"GET"], [b"CONFIG", b"FOO"], [b"CONFIG", b"REWRITE"], [b"CONFIG", b"RESETSTAT"], [b"ROLE"],
    [b"COMMAND", b"GETKEYS", b"MSET", b"a", b"1", b"b", b"2"], [b"COMMAND", b"GETKEYS", b"GET"],
    [b"COMMAND", b"INFO", b"get", b"nosuch"],
    [b"COMMAND", b"GETKEYSANDFLAGS", b"SET", b"a", b"1", b"GET"], [b"COMMAND", b"FOO"], [b"COMMAND", b"LIST", b"FOO"],
    [b"COMMAND", b"GETKEYSANDFLAGS", b"RENAME", b"a", b"1"], [b"COMMAND", b"GETKEYS", b"PING", b"x"],
    [b"SLOWLOG", b"GET", b"x"], [b"SLOWLOG", b"GET", b"-2"], [b"SLOWLOG", b"FOO"], [b"LATENCY", b"LATEST"],
    [b"LATENCY", b"HISTORY", b"x"], [b"LATENCY", b"GRAPH", b"x"], [b"LATENCY", b"RESET"],
    [b"MEMORY", b"USAGE", b"nokey"],
    [b"MEMORY", b"USAGE", b"k0", b"SAMPLES"], [b"MEMORY", b"PURGE"], [b"WAIT", b"0", b"0"], [b"WAIT", b"x", b"0"],
    [b"WAIT", b"1", b"-1"], [b"DEBUG", b"SLEEP", b"0"], [b"SAVE", b"x"], [b"BGSAVE", b"x"], [b"SHUTDOWN", b"x"],
    [b"SHUTDOWN", b"ABORT"], [b"SHUTDOWN", b"SAVE", b"NOSAVE"], [b"LOLWUT", b"VERSION", b"x"],
]  # fmt: skip
LISTENING = [
    [b"PUBLISH", b"elsewhere", b"m"], [b"SPUBLISH", b"elsewhere", b"m"], [b"PUBSUB", b"CHANNELS"],
    [b"PUBSUB", b"NUMPAT"],
    [b"PUBSUB", b"NUMSUB", b"c0", b"c1"], [b"PUBSUB", b"SHARDNUMSUB", b"c0"], [b"PUBSUB", b"SHARDCHANNELS", b"c*"],
    [b"PUBSUB", b"CHANNELS", b"c0"], [b"PUBSUB", b"CHANNELS", b"a", b"b"], [b"PUBSUB", b"FOO"],
]  # fmt: skip
SUBSCRIBING = [b"SUBSCRIBE", b"PSUBSCRIBE", b"SSUBSCRIBE", b"UNSUBSCRIBE", b"PUNSUBSCRIBE", b"SUNSUBSCRIBE"]

UNORDERED = {b"PUBSUB"}


def generate(random: Random) -> list[bytes]:
    """One request."""
    dice = random.random()
    if dice < 0.35:
        return random.choice(DATA)
    if dice < 0.65:
        return random.choice([*TRANSACTION, [b"WATCH", random.choice(KEYS)], [b"WATCH", *KEYS]])
    if dice < 0.80:
        return random.choice(CONNECTION)
    if dice < 0.92:
        return random.choice(SERVER)
    if dice < 0.96:
        return [random.choice(SUBSCRIBING), random.choice(CHANNELS)]
    return random.choice(LISTENING)
