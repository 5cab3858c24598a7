"""Geo: places in a sorted set, found by where they are.

There is no type of its own: a place is a member, its score the geohash of where it is (see `geohash.py`), and ZRANGE,
ZREM and the rest work on it.  GEOADD is ZADD once the scores are known, and is written down as such.

GEOSEARCH took the place of the four GEORADIUS commands, which remain.  All six read their options by one function.

Source: Redis 7.2 `geo.c`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from miniredis import geohash
from miniredis.command import DENYOOM, READONLY, WRITE, command
from miniredis.commands.sorted_set_algebra import make_sorted_set
from miniredis.commands.sorted_set_ranges import store_result
from miniredis.commands.sorted_sets import zadd
from miniredis.errors import RedisError, SyntaxFault
from miniredis.geohash import Box, Circle, Shape
from miniredis.numbers import float_number, integer
from miniredis.values.sorted_sets import ScoreRange, SortedSet
from miniredis.wire.replies import NULL_ARRAY, LongDouble

if TYPE_CHECKING:
    from miniredis.database import Database
    from miniredis.wire.requests import Request

UNITS_M = {b"M": 1.0, b"KM": 1000.0, b"FT": 0.3048, b"MI": 1609.34}


def _unit(text: bytes) -> float:
    """Metres of a unit.  Raises RedisError."""
    unit = UNITS_M.get(text.upper())
    if unit is None:
        raise RedisError("ERR unsupported unit provided. please use M, KM, FT, MI")
    return unit


def _place(longitude: bytes, latitude: bytes) -> tuple[float, float]:
    """(longitude, latitude) in degrees.  Raises RedisError."""
    x, y = float_number(longitude), float_number(latitude)
    if not (abs(x) <= geohash.LONGITUDE_MAX and abs(y) <= geohash.LATITUDE_MAX):
        raise RedisError(f"ERR invalid longitude,latitude pair {x:f},{y:f}")
    return x, y


def _place_of(stored: SortedSet, member: bytes) -> tuple[float, float]:
    score = stored.scores.get(member)
    if score is None:
        raise RedisError("ERR could not decode requested zset member")
    return geohash.decode(score)


def _printed(metres: float, unit: float) -> bytes:
    """A distance as it is answered: four decimals, rounded once they are whole numbers (7.0 rounds the text)."""
    return b"%d.%04d" % divmod(round(metres / unit * 10_000), 10_000)


@command("GEOADD key [NX | XX] [CH] longitude latitude member [longitude latitude member ...]", WRITE | DENYOOM,
         since="3.2.0")  # fmt: skip
def geoadd(db: Database, key: bytes, *arguments: bytes) -> Any:
    """Add places, or move them; the reply counts the new ones.  O(log N) for each."""
    options: list[bytes] = []
    while len(options) < len(arguments) and (word := arguments[len(options)].upper()) in (b"NX", b"XX", b"CH"):
        options.append(word)
    places = arguments[len(options) :]
    if len(places) % 3 or not places or {b"NX", b"XX"} <= set(options):
        raise SyntaxFault
    words = list(options)
    for longitude, latitude, member in zip(places[0::3], places[1::3], places[2::3], strict=True):
        words += b"%d" % geohash.encode(*_place(longitude, latitude)), member
    dirty = db.engine.dirty
    reply = zadd(db, key, *words)
    if db.engine.dirty != dirty:
        db.engine.propagate_instead(db.index, [b"ZADD", key, *words])
    return reply


@command("GEOPOS key [member [member ...]]", READONLY, since="3.2.0")
def geopos(db: Database, key: bytes, *members: bytes) -> list[Any]:
    """Longitude and latitude of places, nil for who is not there.  O(1) for each."""
    scores = _scores(db, key, members)
    return [NULL_ARRAY if score is None else _coordinates(*geohash.decode(score)) for score in scores]


@command("GEOHASH key [member [member ...]]", READONLY, since="3.2.0")
def geohash_(db: Database, key: bytes, *members: bytes) -> list[bytes | None]:
    """Places as geohash.org writes them.  O(1) for each."""
    return [None if score is None else geohash.text(score) for score in _scores(db, key, members)]


def _scores(db: Database, key: bytes, members: Sequence[bytes]) -> list[float | None]:
    stored = db.read(key, SortedSet)
    return [None] * len(members) if stored is None else list(map(stored.scores.get, members))


def _coordinates(longitude: float, latitude: float) -> list[LongDouble]:
    return [LongDouble(longitude), LongDouble(latitude)]


@command("GEODIST key member1 member2 [M | KM | FT | MI]", READONLY, since="3.2.0")
def geodist(db: Database, key: bytes, member1: bytes, member2: bytes, *unit: bytes) -> bytes | None:
    """How far apart two places are.  O(1)."""
    if len(unit) > 1:
        raise SyntaxFault
    unit_m = _unit(unit[0]) if unit else 1.0
    one, other = _scores(db, key, (member1, member2))
    if one is None or other is None:
        return None
    return _printed(geohash.distance_m(*geohash.decode(one), *geohash.decode(other)), unit_m)


# -- searching --------------------------------------------------------------------------------------------------------


class Found(NamedTuple):
    """A place in the shape that was searched."""

    distance_m: float
    score: float
    member: bytes
    longitude: float
    latitude: float


class Search:
    """What a search is told: around which place, in which shape, what to answer.

    GEORADIUS and GEORADIUSBYMEMBER have their place and shape before the options.  A place that is a member of a key
    that does not exist is left open: the search will find nothing, but its other arguments are still checked.
    """

    def __init__(self, stored: SortedSet | None) -> None:
        self.stored = stored
        self.place: tuple[float, float] | None = None
        self.from_member = self.from_place = False
        self.size: tuple[float, ...] | None = None  # radius, or width and height, in units
        self.unit_m = 1.0
        self.with_distance = self.with_hash = self.with_coordinates = False
        self.any = False
        self.count = 0  # 0: all
        self.order: bytes | None = None  # ASC, DESC
        self.destination: bytes | None = None
        self.store_distance = False

    def set_member(self, member: bytes) -> None:
        self.from_member = True
        if self.stored is not None:
            self.place = _place_of(self.stored, member)

    def set_radius(self, radius: bytes, unit: bytes) -> None:
        number = float_number(radius, "ERR need numeric radius")
        if number < 0:
            raise RedisError("ERR radius cannot be negative")
        self.size, self.unit_m = (number,), _unit(unit)

    def set_box(self, width: bytes, height: bytes, unit: bytes) -> None:
        size = float_number(width, "ERR need numeric width"), float_number(height, "ERR need numeric height")
        if min(size) < 0:
            raise RedisError("ERR height or width cannot be negative")
        self.size, self.unit_m = size, _unit(unit)

    def read_options(self, words: Sequence[bytes], *, search: bool, may_store: bool) -> None:
        """`search`: those of GEOSEARCH; `may_store`: STORE and STOREDIST of GEORADIUS, STOREDIST of GEOSEARCHSTORE."""
        at = 0
        while at < len(words):
            word, rest = words[at].upper(), words[at + 1 :]
            at += 1
            if word == b"WITHDIST":
                self.with_distance = True
            elif word == b"WITHHASH":
                self.with_hash = True
            elif word == b"WITHCOORD":
                self.with_coordinates = True
            elif word == b"ANY":
                self.any = True
            elif word in (b"ASC", b"DESC"):
                self.order = word
            elif word == b"COUNT" and rest:
                self.count = integer(rest[0])
                if self.count <= 0:
                    raise RedisError("ERR COUNT must be > 0")
                at += 1
            elif not search and may_store and word in (b"STORE", b"STOREDIST") and rest:
                self.destination, self.store_distance = rest[0], word == b"STOREDIST"
                at += 1
            elif search and may_store and word == b"STOREDIST":
                self.store_distance = True
            elif search and word == b"FROMMEMBER" and rest and not self.from_place:
                self.set_member(rest[0])
                at += 1
            elif search and word == b"FROMLONLAT" and len(rest) > 1 and not self.from_member:
                self.place, self.from_place = _place(*rest[:2]), True
                at += 2
            elif search and word == b"BYRADIUS" and len(rest) > 1 and (self.size is None or len(self.size) == 1):
                self.set_radius(*rest[:2])
                at += 2
            elif search and word == b"BYBOX" and len(rest) > 2 and (self.size is None or len(self.size) == 2):
                self.set_box(*rest[:3])
                at += 3
            else:
                raise SyntaxFault

    def check(self, name: str, *, search: bool) -> None:
        """Whether the options make sense together.  Raises RedisError."""
        if self.destination is not None and (self.with_distance or self.with_hash or self.with_coordinates):
            who = name if search else "STORE option in GEORADIUS"
            raise RedisError(f"ERR {who} is not compatible with WITHDIST, WITHHASH and WITHCOORD options")
        if search and not (self.from_member or self.from_place):
            raise RedisError(f"ERR exactly one of FROMMEMBER or FROMLONLAT can be specified for {name}")
        if search and self.size is None:
            raise RedisError(f"ERR exactly one of BYRADIUS and BYBOX can be specified for {name}")
        if self.any and not self.count:
            raise RedisError("ERR the ANY argument requires COUNT argument")

    def found(self) -> list[Found]:
        """What there is, in the order and up to the number asked for."""
        if self.stored is None:
            return []
        assert self.place is not None and self.size is not None
        metres = [number * self.unit_m for number in self.size]
        shape = Circle(*self.place, *metres) if len(metres) == 1 else Box(*self.place, *metres)
        found = _within(self.stored, shape, self.count if self.any else 0)
        if self.order or (self.count and not self.any):
            found.sort(key=lambda place: place.distance_m, reverse=self.order == b"DESC")
        return found[: self.count] if self.count else found

    def reply(self) -> list[Any]:
        if not (self.with_distance or self.with_hash or self.with_coordinates):
            return [place.member for place in self.found()]
        rows: list[Any] = []
        for place in self.found():
            row: list[Any] = [place.member]
            if self.with_distance:
                row.append(_printed(place.distance_m, self.unit_m))
            if self.with_hash:
                row.append(int(place.score))
            if self.with_coordinates:
                row.append(_coordinates(place.longitude, place.latitude))
            rows.append(row)
        return rows

    def store(self, db: Database, event: str) -> int:
        """Keep what was found at `destination`, its scores the geohashes or the distances; how many there are."""
        assert self.destination is not None
        scores = {
            place.member: place.distance_m / self.unit_m if self.store_distance else place.score
            for place in self.found()
        }
        return store_result(db, self.destination, make_sorted_set(db, scores), event, changes=len(scores))


def _within(stored: SortedSet, shape: Shape, limit: int) -> list[Found]:
    """The places in `shape`, the first `limit` that are met; 0 for all."""
    found: list[Found] = []
    for cell in geohash.cells_around(shape):
        low, high = cell.scores
        start, stop = stored.slice_by_score(ScoreRange(low, high, False, True))
        for score, member in stored.order[start:stop]:
            longitude, latitude = geohash.decode(score)
            distance = shape.distance_to(longitude, latitude)
            if distance is not None:
                found.append(Found(distance, score, member, longitude, latitude))
                if len(found) == limit:
                    return found
    return found


SEARCH_USAGE = (
    "<FROMMEMBER member | FROMLONLAT longitude latitude> "
    "<BYRADIUS radius <M | KM | FT | MI> | BYBOX width height <M | KM | FT | MI>> "
    "[ASC | DESC] [COUNT count [ANY]]"
)


@command(f"GEOSEARCH key {SEARCH_USAGE} [WITHCOORD] [WITHDIST] [WITHHASH]", READONLY, since="6.2.0")
def geosearch(db: Database, key: bytes, *options: bytes) -> list[Any]:
    """Places within a circle or a box.  O(N + log M), N places in and around it, M in all."""
    search = Search(db.read(key, SortedSet))
    search.read_options(options, search=True, may_store=False)
    search.check("GEOSEARCH", search=True)
    return search.reply()


@command(f"GEOSEARCHSTORE destination source {SEARCH_USAGE} [STOREDIST]", WRITE | DENYOOM, since="6.2.0")
def geosearchstore(db: Database, destination: bytes, source: bytes, *options: bytes) -> int:
    """Keep the places within a circle or a box in a sorted set.  O(N + log M), N places in and around it, M in all."""
    search = Search(db.read(source, SortedSet))
    search.destination = destination
    search.read_options(options, search=True, may_store=True)
    search.check("GEOSEARCHSTORE", search=True)
    return search.store(db, "geosearchstore")


def _radius(db: Database, search: Search, options: Sequence[bytes], *, may_store: bool) -> list[Any] | int:
    search.read_options(options, search=False, may_store=may_store)
    search.check("", search=False)
    return search.reply() if search.destination is None else search.store(db, "georadiusstore")


def _around_place(
    db: Database, key: bytes, longitude: bytes, latitude: bytes, radius: bytes, unit: bytes, options: Sequence[bytes],
    *, may_store: bool,
) -> list[Any] | int:  # fmt: skip
    stored = db.read(key, SortedSet)
    search = Search(stored)
    search.place = _place(longitude, latitude)
    search.set_radius(radius, unit)
    return _radius(db, search, options, may_store=may_store)


def _around_member(
    db: Database, key: bytes, member: bytes, radius: bytes, unit: bytes, options: Sequence[bytes], *, may_store: bool
) -> list[Any] | int:
    stored = db.read(key, SortedSet)
    search = Search(stored)
    if stored is not None:
        search.set_member(member)
        search.set_radius(radius, unit)
    return _radius(db, search, options, may_store=may_store)


RADIUS_USAGE = "radius <M | KM | FT | MI> [WITHCOORD] [WITHDIST] [WITHHASH] [COUNT count [ANY]] [ASC | DESC]"
STORE_USAGE = "[STORE destination-key | STOREDIST destination-key]"


def _key_and_destination(request: Request) -> list[bytes]:
    keys = list(request[1:2])
    stores = [at for at in range(5, len(request) - 1) if request[at].upper() in (b"STORE", b"STOREDIST")]
    return keys + ([request[stores[-1] + 1]] if stores else [])


@command(
    f"GEORADIUS key longitude latitude {RADIUS_USAGE} {STORE_USAGE}",
    WRITE | DENYOOM,
    since="3.2.0",
    keys=_key_and_destination,
)
def georadius(db: Database, key: bytes, x: bytes, y: bytes, radius: bytes, unit: bytes, *options: bytes) -> Any:
    """Places around a point, answered or stored.  O(N + log M), N places in and around it, M in all."""
    return _around_place(db, key, x, y, radius, unit, options, may_store=True)


@command(f"GEORADIUS_RO key longitude latitude {RADIUS_USAGE}", READONLY, since="3.2.10")
def georadius_ro(db: Database, key: bytes, x: bytes, y: bytes, radius: bytes, unit: bytes, *options: bytes) -> Any:
    """GEORADIUS that cannot store.  O(N + log M), N places in and around it, M in all."""
    return _around_place(db, key, x, y, radius, unit, options, may_store=False)


@command(
    f"GEORADIUSBYMEMBER key member {RADIUS_USAGE} {STORE_USAGE}",
    WRITE | DENYOOM,
    since="3.2.0",
    keys=_key_and_destination,
)
def georadiusbymember(db: Database, key: bytes, member: bytes, radius: bytes, unit: bytes, *options: bytes) -> Any:
    """Places around one of them, answered or stored.  O(N + log M), N places in and around it, M in all."""
    return _around_member(db, key, member, radius, unit, options, may_store=True)


@command(f"GEORADIUSBYMEMBER_RO key member {RADIUS_USAGE}", READONLY, since="3.2.10")
def georadiusbymember_ro(db: Database, key: bytes, member: bytes, radius: bytes, unit: bytes, *options: bytes) -> Any:
    """GEORADIUSBYMEMBER that cannot store.  O(N + log M), N places in and around it, M in all."""
    return _around_member(db, key, member, radius, unit, options, may_store=False)
