"""Random commands on strings."""

from random import Random

KEYS = [b"k0", b"k1", b"k2", b"k3"]
VALUES = [b"", b"a", b"10", b"-3", b"007", b"3.5", b"hello world", b"\x00\xff\r\n", b"9223372036854775807", b"x" * 44,
          b"x" * 45, b"1e3", b" 1", b"+1", b"0x10", b"inf", b"nan", b"1.7e308"]  # fmt: skip
INTEGERS = [b"0", b"1", b"-1", b"5", b"-100", b"9223372036854775807", b"-9223372036854775808", b"x", b"1.5", b""]
FLOATS = [b"0.1", b"3", b"-2.5", b"1e5", b"5.0e-3", b"x", b"inf", b"1.0000000001"]
EXPIRIES = [[b"EX", b"100"], [b"PX", b"100000"], [b"EX", b"0"], [b"EX", b"x"], [b"EX"], [b"KEEPTTL"], [b"NX"], [b"XX"],
            [b"GET"], [b"FOO"], [b"PXAT", b"1"], [b"EXAT", b"99999999999"], [b"EX", b"9223372036854775807"]]  # fmt: skip


def generate(random: Random) -> list[bytes]:
    """One request."""
    key, value, pick = random.choice(KEYS), random.choice(VALUES), random.choice
    return pick(COMMANDS)(key, value, pick, random)


def _set(key, value, pick, random):  # type: ignore[no-untyped-def]
    options = [word for _ in range(random.choice([0, 0, 1, 1, 2, 3])) for word in pick(EXPIRIES)]
    return [pick([b"SET", b"set", b"Set"]), key, value, *options]


COMMANDS = [
    _set,
    _set,
    lambda key, value, pick, random: [b"GET", key],
    lambda key, value, pick, random: [b"GETSET", key, value],
    lambda key, value, pick, random: [b"GETDEL", key],
    lambda key, value, pick, random: [b"GETEX", key, *pick([[], [b"PERSIST"], *EXPIRIES])],
    lambda key, value, pick, random: [b"SETNX", key, value],
    lambda key, value, pick, random: [b"SETEX", key, pick([b"100", b"0", b"-5", b"x", b"9223372036854775807"]), value],
    lambda key, value, pick, random: [b"PSETEX", key, pick([b"100000", b"0", b"-5", b"x"]), value],
    lambda key, value, pick, random: [b"MSET", key, value, pick(KEYS), pick(VALUES)],
    lambda key, value, pick, random: [b"MSET", key, value, pick(KEYS)],
    lambda key, value, pick, random: [b"MSETNX", key, value, pick(KEYS), pick(VALUES)],
    lambda key, value, pick, random: [b"MGET", key, pick(KEYS), b"nokey"],
    lambda key, value, pick, random: [b"APPEND", key, value],
    lambda key, value, pick, random: [b"STRLEN", key],
    lambda key, value, pick, random: [b"SETRANGE", key, pick([b"0", b"3", b"-1", b"50", b"x"]), value],
    lambda key, value, pick, random: [b"GETRANGE", key, pick(INTEGERS), pick(INTEGERS)],
    lambda key, value, pick, random: [b"SUBSTR", key, b"%d" % random.randint(-8, 8), b"%d" % random.randint(-8, 8)],
    lambda key, value, pick, random: [pick([b"INCR", b"DECR"]), key],
    lambda key, value, pick, random: [pick([b"INCRBY", b"DECRBY"]), key, pick(INTEGERS)],
    lambda key, value, pick, random: [b"INCRBYFLOAT", key, pick(FLOATS)],
    lambda key, value, pick, random: [b"LCS", key, pick(KEYS), *pick([[], [b"LEN"], [b"IDX"], [b"IDX", b"WITHMATCHLEN"],
                                      [b"IDX", b"MINMATCHLEN", b"2"], [b"LEN", b"IDX"], [b"FOO"]])],
    lambda key, value, pick, random: [b"NOSUCH", key, value],
    lambda key, value, pick, random: [b"GET", key, key],
]  # fmt: skip
