"""Random commands on lists; the blocking ones with something to take, or inside MULTI."""

from random import Random

KEYS = [b"k0", b"k1", b"k2"]
ELEMENTS = [b"a", b"b", b"c", b"1", b"-200", b"", b"x" * 70, b"\r\n"]
INDEXES = [b"0", b"1", b"-1", b"2", b"-3", b"100", b"-100", b"x"]
SIDES = [b"LEFT", b"RIGHT", b"left", b"UP"]
COUNTS = [b"0", b"1", b"2", b"-1", b"x", b"100"]


def generate(random: Random) -> list[bytes]:
    """One request."""
    pick = random.choice
    key, other, element = pick(KEYS), pick(KEYS), pick(ELEMENTS)
    return pick(
        [
            [b"RPUSH", key, element, pick(ELEMENTS), pick(ELEMENTS)],
            [b"LPUSH", key, element, pick(ELEMENTS)],
            [pick([b"LPUSHX", b"RPUSHX"]), key, element],
            [b"LINSERT", key, pick([b"BEFORE", b"after", b"UP"]), pick(ELEMENTS), element],
            [pick([b"LPOP", b"RPOP"]), key],
            [pick([b"LPOP", b"RPOP"]), key, pick(COUNTS)],
            [b"LPOP", key, b"1", b"2"],
            [b"LMPOP", b"2", key, other, pick(SIDES), *pick([[], [b"COUNT", pick(COUNTS)], [b"COUNT"], [b"FOO", b"1"]])],
            [b"LMPOP", pick(COUNTS), key, b"LEFT"],
            [b"LMOVE", key, other, pick(SIDES), pick(SIDES)],
            [b"RPOPLPUSH", key, other],
            [b"BLPOP", key, other, pick([b"-1", b"x", b"nan"])],
            [b"LLEN", key],
            [b"LINDEX", key, pick(INDEXES)],
            [b"LRANGE", key, pick(INDEXES), pick(INDEXES)],
            [b"LRANGE", key, b"0", b"-1"],
            [b"LRANGE", key, b"0", b"-1"],
            [b"LPOS", key, element, *pick([[], [b"RANK", pick(INDEXES)], [b"COUNT", pick(COUNTS)], [b"COUNT", b"0",
             b"MAXLEN", pick(COUNTS)], [b"RANK", b"-1", b"COUNT", b"2"], [b"RANK"], [b"FOO", b"1"]])],
            [b"LSET", key, pick(INDEXES), element],
            [b"LREM", key, pick(COUNTS), element],
            [b"LTRIM", key, pick([b"0", b"1", b"-10", b"5", b"x"]), pick([b"-1", b"20", b"3", b"-2"])],
            [b"SET", b"k2", b"string"] if random.random() < 0.1 else [b"LLEN", other],
            [b"DEL", key] if random.random() < 0.2 else [b"EXISTS", key],
            [b"TYPE", key],
        ]
    )  # fmt: skip
