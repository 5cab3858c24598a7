"""Random commands on sorted sets: ranges of every kind, algebra, pops."""

from random import Random

KEYS = [b"k0", b"k1", b"k2", b"k3"]
LARGE = [b"k2", b"k3"]  # may become skip lists: what BYLEX then answers, where scores differ, is left to chance
SMALL = [b"k0", b"k1"]
EQUAL = b"l0"  # all scores alike, of any size
PLAIN = b"s0"  # a set
MEMBERS = [b"a", b"b", b"c", b"d", b"e", b"f", b"foo", b"fo", b"", b"a\x00", b"\xff", b"10", b"-5", b"m" * 64]
LONG = b"m" * 65
SCORES = [b"0", b"1", b"2", b"3", b"-1", b"1.5", b"-2.25", b"100", b"1e3", b"inf", b"-inf", b"+inf", b"-0", b"0x10",
          b"1.25e2", b"123456789"]  # fmt: skip
WRONG_SCORES = [b"nan", b"x", b"", b" 1", b"1 ", b"1e400", b"1e-400", b"--1", b"(1", b"1_0", b"NX"]
SCORE_BOUNDS = [
    b"-inf",
    b"+inf",
    b"0",
    b"1",
    b"2",
    b"(1",
    b"(2",
    b"(0",
    b"3",
    b"1.5",
    b"(1.5",
    b"(inf",
    b"(-inf",
    b"100",
]
WRONG_BOUNDS = [b"x", b"nan", b"", b"(", b" 1", b"((1", b"1\x00x", b"1e400", b"1 ", b"[a", b"-"]
LEX_BOUNDS = [b"-", b"+", b"[a", b"(a", b"[c", b"(c", b"[foo", b"(foo", b"[", b"(", b"[\xff", b"[d"]
WRONG_LEX = [b"a", b"", b"++", b"-a", b"1"]
RANKS = [b"0", b"1", b"2", b"3", b"-1", b"-2", b"-3", b"100", b"-100", b"5"]
WRONG_RANKS = [b"x", b"1.5", b"", b"9223372036854775808"]
COUNTS = [b"0", b"1", b"2", b"-1", b"100", b"x", b"-5"]

UNORDERED = {b"ZRANDMEMBER", b"ZSCAN"}


def generate(random: Random) -> list[bytes]:
    """One request."""
    pick = random.choice
    chance = random.random()
    if chance < 0.01:
        return [b"SADD", PLAIN, *random.sample(MEMBERS, 3)]
    if chance < 0.016:
        return pick([[b"SET", pick(KEYS), b"x"], [b"FLUSHALL"], [b"ZADD", pick(LARGE), b"1", LONG]])
    if chance < 0.018:  # enough to pass 128 entries
        return [b"ZADD", pick(LARGE), *(word for n in range(130) for word in (b"%d" % (n % 7), b"n%d" % n))]
    if chance < 0.02:
        return [b"ZADD", EQUAL, *(word for n in range(pick([20, 130])) for word in (b"0", b"n%d" % n))]
    if chance < 0.04:
        return [b"ZADD", EQUAL, b"0", pick(MEMBERS)]
    if chance < 0.05:
        return [b"DEL", pick([*KEYS, EQUAL])]
    return pick(COMMANDS)(random, pick)


def _rarely(random, usual, wrong):  # type: ignore[no-untyped-def]
    return random.choice(wrong if random.random() < 0.04 else usual)


def _score(random):  # type: ignore[no-untyped-def]
    return _rarely(random, SCORES, WRONG_SCORES)


def _zadd(random, pick):  # type: ignore[no-untyped-def]
    options = random.sample([b"NX", b"XX", b"gt", b"LT", b"CH", b"INCR"], pick([0, 0, 0, 1, 1, 2, 3]))
    pairs = [word for _ in range(pick([1, 1, 2, 3, 5])) for word in (_score(random), pick(MEMBERS))]
    return [b"ZADD", pick(KEYS), *options, *pairs[: len(pairs) - (random.random() < 0.03)]]


def _range_options(random, pick):  # type: ignore[no-untyped-def]
    parts = [[b"WITHSCORES"], [b"LIMIT", pick(COUNTS), pick(COUNTS)], [b"REV"], [b"LIMIT", b"1"], [b"FOO"]]
    weights = [5, 5, 4, 0.2, 0.2]
    return [word for _ in range(pick([0, 1, 1, 2, 3])) for word in random.choices(parts, weights)[0]]


def _bounds(random, kind):  # type: ignore[no-untyped-def]
    usual, wrong = {
        b"BYSCORE": (SCORE_BOUNDS, WRONG_BOUNDS),
        b"BYLEX": (LEX_BOUNDS, WRONG_LEX),
        None: (RANKS, WRONG_RANKS),
    }[kind]
    return [_rarely(random, usual, wrong), _rarely(random, usual, wrong)]


def _zrange(random, pick):  # type: ignore[no-untyped-def]
    kind = pick([None, b"BYSCORE", b"BYLEX"])
    keys = [*SMALL, EQUAL] if kind == b"BYLEX" else KEYS
    words = [b"ZRANGE", pick(keys)]
    if random.random() < 0.3:
        words = [b"ZRANGESTORE", pick(LARGE), pick(keys)] if random.random() < 0.8 else [b"ZRANGESTORE", *SMALL]
    return [*words, *_bounds(random, kind), *([kind] if kind else []), *_range_options(random, pick)]


def _old_range(random, pick):  # type: ignore[no-untyped-def]
    name, kind = pick(
        [
            (b"ZREVRANGE", None),
            (b"ZRANGEBYSCORE", b"BYSCORE"),
            (b"ZREVRANGEBYSCORE", b"BYSCORE"),
            (b"ZRANGEBYLEX", b"BYLEX"),
            (b"ZREVRANGEBYLEX", b"BYLEX"),
        ]
    )
    return [
        name,
        pick([*SMALL, EQUAL] if kind == b"BYLEX" else KEYS),
        *_bounds(random, kind),
        *_range_options(random, pick),
    ]


def _count_or_remove(random, pick):  # type: ignore[no-untyped-def]
    name, kind = pick(
        [
            (b"ZCOUNT", b"BYSCORE"),
            (b"ZLEXCOUNT", b"BYLEX"),
            (b"ZCOUNT", b"BYSCORE"),
            (b"ZLEXCOUNT", b"BYLEX"),
            (b"ZREMRANGEBYRANK", None),
            (b"ZREMRANGEBYSCORE", b"BYSCORE"),
            (b"ZREMRANGEBYLEX", b"BYLEX"),
        ]
    )
    return [name, pick([*SMALL, EQUAL] if kind == b"BYLEX" else KEYS), *_bounds(random, kind)]


def _algebra(random, pick):  # type: ignore[no-untyped-def]
    name = pick([b"ZUNION", b"ZINTER", b"ZDIFF", b"ZUNIONSTORE", b"ZINTERSTORE", b"ZDIFFSTORE", b"ZINTERCARD"])
    keys = [pick([*KEYS, EQUAL, PLAIN]) for _ in range(pick([1, 2, 2, 3]))]
    count = b"%d" % len(keys) if random.random() < 0.97 else pick([b"0", b"-1", b"x", b"9"])
    options = []
    for _ in range(pick([0, 0, 1, 2])):
        options += pick(
            [
                [b"WEIGHTS", *(pick([b"1", b"2", b"-1", b"0.5", b"inf", b"0"]) for _ in keys)],
                [b"AGGREGATE", pick([b"SUM", b"min", b"MAX", b"MIN"])],
                [b"WITHSCORES"],
                [b"WITHSCORES"],
                [b"LIMIT", pick(COUNTS)],
                pick(
                    [[b"WEIGHTS", b"x"], [b"AGGREGATE", b"avg"], [b"AGGREGATE"], [b"FOO"], [b"LIMIT"], [b"WITHSCORES"]]
                ),
            ]
        )
    destination = [pick(LARGE)] if name.endswith(b"STORE") else []
    return [name, *destination, count, *keys, *options]


def _multi_pop(random, pick):  # type: ignore[no-untyped-def]
    keys = [pick(KEYS) for _ in range(pick([1, 2, 3]))]
    count = b"%d" % len(keys) if random.random() < 0.95 else pick([b"0", b"x", b"7"])
    options = pick([[], [], [b"COUNT", pick(COUNTS)], [b"COUNT"], [b"COUNT", b"1", b"COUNT", b"1"], [b"FOO"]])
    name = pick([[b"ZMPOP"], [b"BZMPOP", pick([b"0.01", b"x", b"-1"])]])
    return [*name, count, *keys, pick([b"MIN", b"max", b"MIN", b"MAX", b"MID"]), *options]


COMMANDS = [
    _zadd,
    _zadd,
    _zadd,
    _zadd,
    _zadd,
    _zrange,
    _zrange,
    _zrange,
    _old_range,
    _old_range,
    _count_or_remove,
    _algebra,
    _algebra,
    _multi_pop,
    lambda random, pick: [b"ZINCRBY", pick(KEYS), _score(random), pick(MEMBERS)],
    lambda random, pick: [b"ZREM", pick([*KEYS, EQUAL]), *random.sample(MEMBERS, pick([1, 1, 2]))],
    lambda random, pick: [b"ZCARD", pick([*KEYS, PLAIN])],
    lambda random, pick: [b"ZSCORE", pick(KEYS), pick(MEMBERS)],
    lambda random, pick: [b"ZMSCORE", pick(KEYS), pick(MEMBERS), pick(MEMBERS)],
    lambda random, pick: [pick([b"ZRANK", b"ZREVRANK"]), pick(KEYS), pick(MEMBERS),
                          *pick([[], [], [], [b"WITHSCORE"]])],
    lambda random, pick: [b"ZRANDMEMBER", pick(KEYS), b"200", *pick([[], [b"WITHSCORES"], [b"FOO"]])],
    lambda random, pick: [b"ZRANDMEMBER", pick(KEYS), pick([b"0", b"x", b"-9223372036854775808"]), b"WITHSCORES"],
    lambda random, pick: [
        pick([b"ZPOPMIN", b"ZPOPMAX"]),
        pick(KEYS),
        *pick([[], [b"2"], [pick(COUNTS)], [b"1", b"2"]]),
    ],
    lambda random, pick: [pick([b"BZPOPMIN", b"BZPOPMAX"]), pick(KEYS), pick(KEYS), pick([b"0.01", b"x", b"-1"])],
    lambda random, pick: [b"OBJECT", b"ENCODING", pick(KEYS)],
    lambda random, pick: [b"ZSCAN", pick([*KEYS, PLAIN]), pick([b"0", b"0", b"x"]), b"COUNT", b"1000",
                          *pick([[], [b"MATCH", b"*f*"], [b"FOO"], [b"COUNT", b"0"], [b"MATCH"]])],
    lambda random, pick: [b"ZRANGE", pick(KEYS), b"0", b"-1", b"WITHSCORES"],
    lambda random, pick: [b"ZRANGE", pick(KEYS), b"0", b"-1", b"WITHSCORES"],
    lambda random, pick: [b"TYPE", pick(KEYS)],
]  # fmt: skip
