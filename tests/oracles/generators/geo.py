"""Random commands on places."""

from random import Random

KEYS = [b"k0", b"k1", b"k2"]
MEMBERS = [b"Palermo", b"Catania", b"Oslo", b"Perth", b"Lima", b"Suva", b"a", b"b", b"c", b"d"]
PLACES = [(b"13.361389", b"38.115556"), (b"15.087269", b"37.502669"), (b"10.75", b"59.91"), (b"115.86", b"-31.95"),
          (b"-77.03", b"-12.05"), (b"178.44", b"-18.14"), (b"-179.9", b"0"), (b"179.9", b"0.1"), (b"0", b"0"),
          (b"180", b"85.05112878"), (b"-180", b"-85.05112878"), (b"13.5", b"84"), (b"1e1", b"-70.5")]  # fmt: skip
WRONG_PLACES = [(b"180.1", b"0"), (b"0", b"85.06"), (b"x", b"0"), (b"0", b"x"), (b"inf", b"0"), (b"-181", b"-91")]
RADII = [b"0", b"1", b"10", b"200", b"1000", b"5000", b"20000", b"0.5", b"12345.678", b"100000"]
WRONG_RADII = [b"-1", b"x", b"", b"nan"]
UNITS = [b"m", b"km", b"KM", b"ft", b"mi"]
WRONG_UNITS = [b"cm", b""]


def generate(random: Random) -> list[bytes]:
    """One request."""
    return random.choice(COMMANDS)(random, random.choice)


def _rarely(random, usual, wrong):  # type: ignore[no-untyped-def]
    return random.choice(wrong if random.random() < 0.02 else usual)


def _somewhere(random):  # type: ignore[no-untyped-def]
    return b"%.6f" % random.uniform(-180, 180), b"%.6f" % random.uniform(-85, 85)


def _place(random):  # type: ignore[no-untyped-def]
    if random.random() < 0.6:
        return list(_somewhere(random))
    return list(_rarely(random, PLACES, WRONG_PLACES))


def _radius(random):  # type: ignore[no-untyped-def]
    return [_rarely(random, RADII, WRONG_RADII), _rarely(random, UNITS, WRONG_UNITS)]


def _geoadd(random, pick):  # type: ignore[no-untyped-def]
    options = random.sample([b"NX", b"XX", b"CH"], pick([0, 0, 0, 1, 2]))
    triples = []
    for _ in range(pick([1, 2, 3, 5])):
        number = random.randrange(40)  # no two at one place: which of them comes first is nowhere said
        member = MEMBERS[number] if number < len(MEMBERS) else b"m%d" % number
        place = PLACES[number] if number < len(PLACES) and random.random() < 0.5 else _somewhere(random)
        triples += [*_rarely(random, [place], WRONG_PLACES), member]
    return [b"GEOADD", pick(KEYS), *options, *triples[: len(triples) - (random.random() < 0.02)]]


def _options(random, pick, storing):  # type: ignore[no-untyped-def]
    words = []
    for _ in range(pick([0, 1, 1, 2, 3])):
        words += pick(
            [
                [b"ASC"],
                [b"desc"],
                [b"COUNT", _rarely(random, [b"1", b"2", b"5", b"100"], [b"0", b"-1", b"x"])],
                [b"COUNT", pick([b"1", b"3"]), b"ANY"],
                _rarely(random, [[]], [[b"ANY"], [b"FOO"], [b"COUNT"]]),
                *([[b"WITHCOORD"], [b"WITHDIST"], [b"WITHHASH"]] if not storing or random.random() < 0.1 else [[]]),
            ]
        )
    return words


def _search(random, pick):  # type: ignore[no-untyped-def]
    storing = random.random() < 0.2
    start = pick([[b"FROMMEMBER", pick(MEMBERS)], [b"FROMLONLAT", *_place(random)], [b"FROMLONLAT", *_place(random)]])
    shape = pick([[b"BYRADIUS", *_radius(random)], [b"BYBOX", _rarely(random, RADII, WRONG_RADII), *_radius(random)]])
    parts = [start, shape, _options(random, pick, storing)]
    if random.random() < 0.06:
        parts[pick([0, 1])] = pick([[], start, shape])
    random.shuffle(parts)
    words = [word for part in parts for word in part]
    if storing:
        return [b"GEOSEARCHSTORE", b"k9", pick(KEYS), *words, *pick([[], [b"STOREDIST"]])]
    return [b"GEOSEARCH", pick(KEYS), *words]


def _georadius(random, pick):  # type: ignore[no-untyped-def]
    storing = random.random() < 0.2
    words = [*_radius(random), *_options(random, pick, storing)]
    if storing:
        words += [pick([b"STORE", b"STOREDIST"]), b"k9"]
    suffix = pick([b"", b"", b"_RO"])
    if random.random() < 0.5:
        return [b"GEORADIUS" + suffix, pick(KEYS), *_place(random), *words]
    return [b"GEORADIUSBYMEMBER" + suffix, pick(KEYS), pick(MEMBERS), *words]


COMMANDS = [
    _geoadd,
    _geoadd,
    _search,
    _search,
    _search,
    _search,
    _georadius,
    _georadius,
    lambda random, pick: [b"GEOPOS", pick(KEYS), pick(MEMBERS), pick(MEMBERS)],
    lambda random, pick: [b"GEOHASH", pick(KEYS), pick(MEMBERS), pick(MEMBERS)],
    lambda random, pick: [b"GEODIST", pick(KEYS), pick(MEMBERS), pick(MEMBERS),
                          *pick([[], [pick(UNITS)], [_rarely(random, UNITS, WRONG_UNITS)], [b"m", b"km"]])],
    lambda random, pick: [b"ZRANGE", b"k9", b"0", b"-1"],
    lambda random, pick: [b"OBJECT", b"ENCODING", b"k9"],
    lambda random, pick: [b"DEL", pick(KEYS)] if random.random() < 0.1 else [b"ZCARD", pick(KEYS)],
    lambda random, pick: [b"SET", b"k2", b"x"] if random.random() < 0.05 else [b"TYPE", b"k9"],
]  # fmt: skip
