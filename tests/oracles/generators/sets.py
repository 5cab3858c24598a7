"""Random commands on sets: integers and words, few and long, and all that combines them.

Chance is kept out: SPOP takes all or the only one, SRANDMEMBER asks for all or none.
"""

from random import Random

KEYS = [b"k0", b"k1", b"k2", b"k3", b"k4"]
INTEGERS = [b"%d" % number for number in (0, 1, -1, 5, 127, 128, -4096, 32768, 2**31, -(2**63), 2**63 - 1)]
WORDS = [b"a", b"b", b"c", b"", b"007", b"+1", b"9223372036854775808", b"x" * 64, b"y" * 65, b"\x00\xff\r\n"]
CURSORS = [b"0", b"0", b"0", b"", b"x", b" 0", b"1-", b"18446744073709551616"]
SCAN_OPTIONS = [[b"COUNT", b"5"], [b"COUNT", b"0"], [b"COUNT", b"x"], [b"MATCH", b"*"], [b"MATCH", b"[0-9a]*"], [b"MATCH"],
           [b"match", b"x*"], [b"TYPE", b"set"], [b"NOVALUES"]]  # fmt: skip
WHOLE = [b"COUNT", b"1000000"]
"""One SSCAN goes through the whole set, as cursors and what they return differ from server to server."""

UNORDERED = {b"SMEMBERS", b"SUNION", b"SINTER", b"SDIFF", b"SSCAN", b"SPOP", b"SRANDMEMBER"}


def generate(random: Random) -> list[bytes]:
    """One request."""
    pick = random.choice
    key, other = pick(KEYS), pick(KEYS)
    pool = pick([INTEGERS, INTEGERS, WORDS, INTEGERS + WORDS])
    few = random.choices(pool, k=pick([1, 1, 2, 5]))
    start, step = random.randrange(1000), pick([1, 3])
    return pick(
        [
            [b"SADD", key, *few],
            [b"SADD", key, *few],
            [b"SADD", key, *(b"%d" % (start + step * number) for number in range(pick([100, 200, 511, 512, 513])))],
            [b"SADD", key, *(b"m%d" % number for number in range(pick([100, 127, 128, 129])))],
            [b"SREM", key, *few],
            [b"SMOVE", key, other, few[0]],
            [b"SISMEMBER", key, few[0]],
            [b"SMISMEMBER", key, *few],
            [b"SCARD", key],
            [b"SMEMBERS", key],
            [b"SMEMBERS", key],
            [b"SPOP", key, b"1000000"] if random.random() < 0.5 else [b"SPOP", key, pick([b"0", b"-1", b"x", b""])],
            [b"SPOP", key, b"1", b"2"],
            [b"SRANDMEMBER", key, pick([b"1000000", b"0", b"x", b"-9223372036854775808"])],
            [b"SRANDMEMBER", key, b"1", b"2"],
            [pick([b"SINTER", b"SUNION", b"SDIFF"]), key, other],
            [pick([b"SINTER", b"SUNION", b"SDIFF"]), key, other, pick(KEYS)],
            [pick([b"SINTERSTORE", b"SUNIONSTORE", b"SDIFFSTORE"]), pick(KEYS), key, other],
            [pick([b"SINTERSTORE", b"SUNIONSTORE", b"SDIFFSTORE"]), pick(KEYS), key],
            [b"SINTERCARD", pick([b"2", b"1", b"0", b"3", b"x"]), key, other],
            [b"SINTERCARD", b"2", key, other, *pick([[b"LIMIT", b"2"], [b"LIMIT", b"-1"], [b"LIMIT"], [b"FOO", b"1"]])],
            [b"SSCAN", key, pick(CURSORS), *pick(SCAN_OPTIONS), *pick(SCAN_OPTIONS), *WHOLE],
            [b"SET", key, b"text"] if random.random() < 0.1 else [b"EXISTS", key],
            [b"DEL", key] if random.random() < 0.3 else [b"TYPE", key],
            [b"OBJECT", b"ENCODING", key],
            [b"OBJECT", b"ENCODING", key],
        ]
    )
