"""Random commands on HyperLogLogs; GET shows every byte."""

from random import Random

KEYS = [b"k0", b"k1", b"k2", b"k3"]
HEAD = b"HYLL\x01\x00\x00\x00" + bytes(7) + b"\x80"
STRINGS = [b"", b"x", b"HYLL", HEAD, HEAD + b"\x7f\xff", HEAD + b"\x40\x00\x80\xfd\x3f", HEAD + b"\x7f\xff\x00",
           b"HYLL\x00" + bytes(11), b"HYLL\x02" + bytes(30), HEAD + b"\x7f\xfe\x9c"]  # fmt: skip


def generate(random: Random) -> list[bytes]:
    """One request."""
    return random.choice(COMMANDS)(random, random.choice)


def _elements(random, count):  # type: ignore[no-untyped-def]
    reach = random.choice([50, 1000, 10**6])
    return [b"e%d" % random.randrange(reach) for _ in range(count)]


def _rare(random, pick):  # type: ignore[no-untyped-def]
    if random.random() < 0.6:
        return [b"GET", pick(KEYS)]
    return pick(
        [
            [b"SET", pick(KEYS), pick(STRINGS)],
            [b"DEL", pick(KEYS)],
            [b"ZADD", b"k3", b"1", b"a"],
            [b"DEL", b"k3"],
            [b"PFDEBUG", b"TODENSE", pick(KEYS)],
            [b"PFDEBUG", b"getreg", pick(KEYS)],
            [b"PFDEBUG", b"FOO", pick(KEYS)],
        ]
    )


COMMANDS = [
    lambda random, pick: [b"PFADD", pick(KEYS), *_elements(random, pick([0, 1, 1, 2, 5, 30]))],
    lambda random, pick: [b"PFADD", pick(KEYS), *_elements(random, pick([1, 10, 60, 200]))],
    lambda random, pick: [b"PFADD", pick(KEYS), random.randbytes(pick([0, 3, 7, 8, 9, 16, 31]))],
    lambda random, pick: [b"PFCOUNT", pick(KEYS)],
    lambda random, pick: [b"PFCOUNT", pick(KEYS), pick(KEYS), pick(KEYS)],
    lambda random, pick: [b"PFMERGE", pick(KEYS), *(pick(KEYS) for _ in range(pick([0, 1, 1, 2])))],
    lambda random, pick: [b"GET", pick(KEYS)],
    lambda random, pick: [b"GET", pick(KEYS)],
    lambda random, pick: [b"PFDEBUG", pick([b"DECODE", b"encoding"]), pick(KEYS)],
    lambda random, pick: [b"OBJECT", b"ENCODING", pick(KEYS)],
    _rare,
    _rare,
]
