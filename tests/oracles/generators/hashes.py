"""Random commands on hashes: small and large, numbers of every kind among the values.

Chance is kept out: HRANDFIELD asks for all fields or none.
"""

from random import Random

KEYS = [b"k0", b"k1", b"k2", b"k3"]
FIELDS = [b"a", b"b", b"c", b"", b"1", b"\x00\xff\r\n", b"f" * 64, b"g" * 65]
VALUES = [b"", b"x", b"1", b"-7", b"007", b"3.5", b" 1", b"1e3", b"0x10", b"9223372036854775807", b"inf", b"nan",
          b"v" * 64, b"w" * 65, b"1.7e308", b"1e5000", b"0.1"]  # fmt: skip
INTEGERS = [b"1", b"-1", b"0", b"9223372036854775807", b"-9223372036854775808", b"x", b"1.5", b"", b"100"]
FLOATS = [b"0.1", b"3", b"-2.5", b"1e5", b"5.0e-3", b"x", b"inf", b"-inf", b"nan", b"", b" 1", b"1e5000", b"1e-5000"]
CURSORS = [b"0", b"0", b"0", b"", b"x", b"18446744073709551616"]
SCAN_OPTIONS = [[b"COUNT", b"5"], [b"COUNT", b"0"], [b"COUNT", b"x"], [b"MATCH", b"*"], [b"MATCH", b"[a-c]"], [b"MATCH"],
                [b"match", b"f*"], [b"TYPE", b"hash"]]  # fmt: skip
WHOLE = [b"COUNT", b"1000000"]
COUNTS = [b"0", b"1000000", b"x", b"-9223372036854775808", b"4611686018427387904"]

UNORDERED = {b"HKEYS", b"HVALS", b"HGETALL", b"HSCAN", b"HRANDFIELD"}


def generate(random: Random) -> list[bytes]:
    """One request."""
    pick = random.choice
    key, field, value = pick(KEYS), pick(FIELDS[:6]), pick(VALUES[:12])
    if random.random() < 0.03:
        field, value = pick(FIELDS), pick(VALUES)
    pairs = [pick([pick(FIELDS[:6]), pick(VALUES[:12])]) for _ in range(pick([0, 1, 2, 4]))]
    first, many = random.randrange(50), pick([100, 400, 511, 512, 513])
    return pick(
        [
            [b"HSET", key, field, value, *pairs],
            [b"HSET", key, field, value],
            [b"HMSET", key, field, value, *pairs],
            [b"HSET", key, *(word for number in range(many) for word in (b"n%d" % (first + number), value))],
            [b"HSETNX", key, field, value],
            [b"HDEL", key, field, pick(FIELDS)],
            [b"HDEL", key, *(b"n%d" % number for number in range(600))],
            [b"HINCRBY", key, field, pick(INTEGERS)],
            [b"HINCRBYFLOAT", key, field, pick(FLOATS)],
            [b"HGET", key, field],
            [b"HMGET", key, field, pick(FIELDS)],
            [b"HEXISTS", key, field],
            [b"HLEN", key],
            [b"HSTRLEN", key, field],
            [pick([b"HKEYS", b"HVALS"]), key],
            [b"HGETALL", key],
            [b"HSCAN", key, pick(CURSORS), *pick(SCAN_OPTIONS), *pick(SCAN_OPTIONS), *WHOLE],
            [b"HRANDFIELD", key, pick(COUNTS), *pick([[], [b"withvalues"], [b"FOO"], [b"WITHVALUES", b"x"]])],
            [b"HRANDFIELD", key, b"-4611686018427387904", b"WITHVALUES"],
            [b"SET", key, b"text"] if random.random() < 0.1 else [b"EXISTS", key],
            [b"DEL", key] if random.random() < 0.3 else [b"TYPE", key],
            [b"OBJECT", b"ENCODING", key],
        ]
    )
