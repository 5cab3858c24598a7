"""Random commands on bitmaps."""

from random import Random

KEYS = [b"k0", b"k1", b"k2", b"k3"]
OFFSETS = [b"0", b"1", b"7", b"8", b"9", b"31", b"63", b"64", b"100", b"1000", b"#0", b"#1", b"#5", b"17"]
WRONG_OFFSETS = [b"-1", b"x", b"", b"4294967296", b"4294967295000", b"9223372036854775808", b"#-1", b"#x"]
NUMBERS = [b"0", b"1", b"-1", b"2", b"-3", b"5", b"-9", b"100", b"-100"]
VALUES = [b"", b"a", b"foobar", b"\xff\xff\xff", b"\x00\x00\x01", b"\xff\xf0\x00", b"10", b"\x00" * 40, b"\xff" * 40]
TYPES = [b"u1", b"u8", b"i8", b"i5", b"u3", b"u63", b"i64", b"i1", b"u16", b"i33"]
WRONG_TYPES = [b"u64", b"i65", b"u0", b"x8", b"i", b"", b"U8", b"u08"]
INTEGERS = [b"0", b"1", b"-1", b"127", b"128", b"-128", b"-129", b"255", b"256", b"9223372036854775807",
            b"-9223372036854775808", b"1000000"]  # fmt: skip


def generate(random: Random) -> list[bytes]:
    """One request."""
    return random.choice(COMMANDS)(random, random.choice)


def _rarely(random, usual, wrong):  # type: ignore[no-untyped-def]
    return random.choice(wrong if random.random() < 0.04 else usual)


def _offset(random):  # type: ignore[no-untyped-def]
    return _rarely(random, OFFSETS[:10], WRONG_OFFSETS)


def _number(random):  # type: ignore[no-untyped-def]
    return _rarely(random, NUMBERS, [b"x", b"1.5", b""])


def _range(random, pick):  # type: ignore[no-untyped-def]
    words = [_number(random), _number(random)][: pick([0, 1, 2, 2, 2])]
    return [*words, *pick([[], [], [b"BIT"], [b"byte"], [b"BIT"], _rarely(random, [[]], [[b"FOO"], [b"BIT", b"x"]])])]


def _bitfield(random, pick):  # type: ignore[no-untyped-def]
    words = []
    for _ in range(pick([0, 1, 1, 2, 3])):
        place = [_rarely(random, TYPES, WRONG_TYPES), _rarely(random, OFFSETS, WRONG_OFFSETS)]
        words += pick(
            [
                [b"GET", *place],
                [b"SET", *place, _rarely(random, INTEGERS, [b"x"])],
                [b"INCRBY", *place, _rarely(random, INTEGERS, [b"x"])],
                [b"OVERFLOW", pick([b"WRAP", b"sat", b"FAIL", b"SAT", b"FAIL", _rarely(random, [b"SAT"], [b"x"])])],
            ]
        )
    if random.random() < 0.03:
        words = words[:-1]
    return [pick([b"BITFIELD", b"BITFIELD", b"BITFIELD", b"BITFIELD_RO"]), pick(KEYS), *words]


COMMANDS = [
    lambda random, pick: [b"SETBIT", pick(KEYS), _offset(random), pick([b"0", b"1", b"1", b"1", b"2", b"x"])],
    lambda random, pick: [b"SETBIT", pick(KEYS), _offset(random), pick([b"0", b"1"])],
    lambda random, pick: [b"GETBIT", pick(KEYS), _offset(random)],
    lambda random, pick: [b"BITCOUNT", pick(KEYS), *_range(random, pick)],
    lambda random, pick: [b"BITCOUNT", pick(KEYS), *_range(random, pick)],
    lambda random, pick: [b"BITPOS", pick(KEYS), pick([b"0", b"1", b"0", b"1", b"0", b"1", b"2", b"x"]),
                          *_range(random, pick)],
    lambda random, pick: [b"BITPOS", pick(KEYS), pick([b"0", b"1"]), *_range(random, pick)],
    lambda random, pick: [b"BITOP", pick([b"AND", b"or", b"XOR", b"XOR"]), pick(KEYS),
                          *(pick(KEYS) for _ in range(pick([1, 2, 3])))],
    lambda random, pick: [b"BITOP", pick([b"NOT", b"NOT", b"NAND"]), pick(KEYS), *pick([[b"k1"], [b"k2"], KEYS[:2]])],
    _bitfield,
    _bitfield,
    _bitfield,
    lambda random, pick: [b"SET", pick(KEYS), pick(VALUES)],
    lambda random, pick: [b"SET", pick(KEYS), pick(VALUES)],
    lambda random, pick: [b"GET", pick(KEYS)],
    lambda random, pick: [b"GET", pick(KEYS)],
    lambda random, pick: [b"OBJECT", b"ENCODING", pick(KEYS)],
    lambda random, pick: [b"DEL", pick(KEYS)],
    lambda random, pick: [b"DEL", b"k3"] if random.random() < 0.5 else [b"ZADD", b"k3", b"1", b"a"],
]  # fmt: skip
