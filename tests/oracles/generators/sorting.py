"""SORT with every option, of lists, sets and sorted sets, by strings and by fields of hashes.

Sets keep to integers, few enough for an intset, as nothing else has an order that two servers agree on.  And
no ALPHA BY where equal texts would come in the order of a hash table, or of a quicksort cut short by LIMIT.
"""

from random import Random

SOURCES = [b"list", b"list", b"list", b"set", b"zset", b"text", b"nothing"]
ELEMENTS = [b"1", b"2", b"3", b"10", b"-1", b"2.5", b"1e2", b"0x10", b"inf", b"-0"]
ODD = [b"", b"a", b"B", b"ab", b" 7", b"7 ", b"nan", b"a\x00b", b"a\x00a", b"5\x00x", b"\xff"]
PATTERNS = [b"w*", b"h*->f", b"h*->", b"*", b"nosort", b"#", b"w*x", b"h*->f*", b"->*", b"h->*", b"*->f", b"**", b""]
LIMITS = [(b"0", b"2"), (b"1", b"2"), (b"2", b"-1"), (b"-3", b"3"), (b"5", b"0"), (b"100", b"2"), (b"1", b"-9"),
          (b"9223372036854775807", b"9223372036854775807"), (b"x", b"1"), (b"1", b"x")]  # fmt: skip


def _sort(random: Random, source: bytes) -> list[bytes]:
    pick = random.choice
    alphabetic = [[b"ALPHA"]] if source != b"set" and (source != b"zset" or random.random() < 0.5) else []
    by = [] if source == b"zset" and alphabetic else [[b"BY", pick(PATTERNS)]]
    options = [
        [b"DESC"],
        [b"asc"],
        *by,
        [b"GET", pick(PATTERNS)],
        [b"GET", b"#"],
        [b"LIMIT", *pick(LIMITS)],
        *alphabetic,
        [b"STORE", pick([b"stored", b"list2"])],
    ]
    chosen = random.sample(options, pick([0, 1, 2, 3, 4]))
    if {b"ALPHA", b"BY", b"LIMIT"} <= {option[0] for option in chosen}:
        chosen = [option for option in chosen if option[0] != b"LIMIT"]
    ending = pick([[]] * 12 + [[b"LIMIT", b"1"], [b"BY"], [b"GET"], [b"STORE"], [b"FOO"]])
    name = b"SORT_RO" if random.random() < 0.15 else b"SORT"
    return [name, source, *(word for option in chosen for word in option), *ending]


def generate(random: Random) -> list[bytes]:
    """One request."""
    pick = random.choice
    element = pick(ELEMENTS) if random.random() < 0.9 else pick(ODD)
    if random.random() < 0.5:
        return _sort(random, pick(SOURCES))
    return pick(
        [
            [b"RPUSH", b"list", element, pick(ELEMENTS)],
            [b"LTRIM", b"list", b"-5", b"-1"],
            [b"LTRIM", b"list", b"-3", b"-1"],
            [b"SADD", b"set", *(b"%d" % random.randrange(8) for _ in range(3))],
            [b"SPOP", b"set", b"100"],
            [b"ZADD", b"zset", b"%d" % random.randrange(9), pick(ELEMENTS)],
            [b"ZREM", b"zset", *random.sample(ELEMENTS, 3)],
            [b"OBJECT", b"ENCODING", b"zset"],
            [b"SET", b"w" + element, pick(ELEMENTS)],
            [b"SET", element, pick(ELEMENTS)],
            [b"APPEND", b"w" + element, b"1"],
            [b"HSET", b"h" + element, pick([b"f", b"f*"]), pick(ELEMENTS)],
            [b"DEL", b"w" + element, b"h" + element, element],
            [b"SET", b"text", b"t"],
            [b"LRANGE", pick([b"stored", b"list2"]), b"0", b"-1"],
            [b"OBJECT", b"ENCODING", b"stored"],
            [b"TTL", b"stored"],
        ]
    )
