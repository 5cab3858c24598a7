"""Random commands on keys of any type, and on their times to live."""

from random import Random

KEYS = [b"k0", b"k1", b"k2", b"k3", b"other"]
TIMES = [b"100", b"200", b"-1", b"0", b"x", b"9223372036854775807", b"-9223372036854775808", b"99999999999"]
CONDITIONS = [[], [], [b"NX"], [b"XX"], [b"GT"], [b"LT"], [b"nx", b"gt"], [b"GT", b"LT"], [b"FOO"], [b"XX", b"GT"]]
UNORDERED = {b"KEYS", b"RANDOMKEY"}


def generate(random: Random) -> list[bytes]:
    """One request."""
    pick = random.choice
    key, other = pick(KEYS), pick(KEYS)
    return pick(
        [
            [b"SET", key, pick([b"1", b"abc", b"x" * 50, b"10000", b"9999", b"-1"])],
            [b"APPEND", key, b"y"],
            [b"DEL", key, other],
            [b"UNLINK", key],
            [b"EXISTS", key, other, key],
            [b"TOUCH", key, other],
            [b"TYPE", key],
            [b"KEYS", pick([b"*", b"k*", b"k[0-2]", b"k?", b"[^k]*", b"o*r", b"\\k1", b"k[1", b""])],
            [b"RENAME", key, other],
            [b"RENAMENX", key, other],
            [b"COPY", key, other, *pick([[], [b"REPLACE"], [b"DB", b"0"], [b"DB", b"99"], [b"DB", b"x"], [b"FOO"]])],
            [b"MOVE", key, pick([b"1", b"0", b"99", b"x"])],
            [b"SELECT", pick([b"0", b"1", b"0", b"16", b"x"])],
            [pick([b"EXPIRE", b"PEXPIREAT", b"EXPIREAT"]), key, pick(TIMES), *pick(CONDITIONS)],
            [b"PEXPIRE", key, pick([b"1000000", b"-1", b"x", b"0"]), *pick(CONDITIONS)],
            [b"TTL", key],
            [b"EXPIRETIME", key] if random.random() < 0.1 else [b"TTL", other],
            [b"PERSIST", key],
            [b"OBJECT", b"ENCODING", key],
            [b"OBJECT", b"FREQ", key],
            [b"OBJECT", b"FOO", key],
            [b"OBJECT", b"ENCODING"],
            [b"OBJECT"],
        ]
    )
