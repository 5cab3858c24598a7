"""Geohashes: a place on earth as one number whose order keeps neighbours together.

Halve the world between west and east, note a bit, halve what is left between south and north, note a bit, and so on, 26
times each.  The 52 bits are a number that a double holds exactly, so a sorted set can keep places as scores; and all
places of a cell (a hash cut off after some steps) lie between two scores, so a search around a point is a search
through nine ranges: the cell of the point, at the step where a cell is about as large as the search, and its
neighbours.

    x (west to east)    bits 1 3 5 ...           a cell at step s:   (x, y), both of s bits
    y (south to north)  bits 0 2 4 ...           its scores:         interleaved(x, y) << 2*(26-s), and so many more

The north and the south end at 85.05112878°, where the square map of Web Mercator (EPSG:3857) ends.  Every computation
follows the order of Redis's, for the digits it shows depend on it.  Source: Redis 7.2 `geohash.c`, `geohash_helper.c`;
Niemeyer 2008 for the text form.
"""

from __future__ import annotations

from collections.abc import Iterator
from math import asin, cos, pi, sin, sqrt
from typing import NamedTuple

STEPS = 26
LONGITUDE_MAX, LATITUDE_MAX = 180.0, 85.05112878
EARTH_RADIUS_M = 6372797.560856
MERCATOR_MAX_M = 20037726.37
RADIANS = pi / 180.0

ALPHABET = "0123456789bcdefghjkmnpqrstuvwxyz"


class Area(NamedTuple):
    """A stretch of the map, in degrees."""

    west: float
    south: float
    east: float
    north: float


WORLD = Area(-LONGITUDE_MAX, -LATITUDE_MAX, LONGITUDE_MAX, LATITUDE_MAX)
WHOLE_WORLD = Area(-180.0, -90.0, 180.0, 90.0)


class Cell(NamedTuple):
    """A square of the map, one of 4**step."""

    x: int
    y: int
    step: int

    @property
    def bits(self) -> int:
        return interleaved(self.x, self.y)

    @property
    def scores(self) -> tuple[int, int]:
        """The lowest score inside, and the lowest behind it."""
        shift = 2 * (STEPS - self.step)
        return self.bits << shift, (self.bits + 1) << shift

    def moved(self, east: int, north: int) -> Cell:
        """The cell so many to the east and north; behind the last one comes the first.

        The very edge of the world, 180° itself, lies one cell further than there are: who does not move stays there.
        """
        mask = (1 << self.step) - 1
        return Cell(self.x + east & mask if east else self.x, self.y + north & mask if north else self.y, self.step)

    @property
    def area(self) -> Area:
        side = 1 << self.step
        return Area(
            WORLD.west + self.x / side * (WORLD.east - WORLD.west),
            WORLD.south + self.y / side * (WORLD.north - WORLD.south),
            WORLD.west + (self.x + 1) / side * (WORLD.east - WORLD.west),
            WORLD.south + (self.y + 1) / side * (WORLD.north - WORLD.south),
        )


_SPREAD = ((16, 0x0000FFFF0000FFFF), (8, 0x00FF00FF00FF00FF), (4, 0x0F0F0F0F0F0F0F0F), (2, 0x3333333333333333),
           (1, 0x5555555555555555))  # fmt: skip
"""(shift, mask): each step halves the groups of bits that still stand side by side."""


def _spread(number: int) -> int:
    """The low 32 bits of `number`, a zero before each."""
    for shift, mask in _SPREAD:
        number = (number | number << shift) & mask
    return number


def _gathered(number: int) -> int:
    """Every second bit of `number`, the lowest included."""
    number &= 0x5555555555555555
    for shift, mask in ((1, 0x3333333333333333), (2, 0x0F0F0F0F0F0F0F0F), (4, 0x00FF00FF00FF00FF),
                        (8, 0x0000FFFF0000FFFF), (16, 0x00000000FFFFFFFF)):  # fmt: skip
        number = (number | number >> shift) & mask
    return number


def interleaved(x: int, y: int) -> int:
    return _spread(x) << 1 | _spread(y)


def cell_at(longitude: float, latitude: float, step: int = STEPS, world: Area = WORLD) -> Cell:
    """The cell that a place lies in."""
    x = (longitude - world.west) / (world.east - world.west)
    y = (latitude - world.south) / (world.north - world.south)
    return Cell(int(x * (1 << step)), int(y * (1 << step)), step)


def encode(longitude: float, latitude: float) -> int:
    """The score of a place."""
    return cell_at(longitude, latitude).bits


def decode(score: float) -> tuple[float, float]:
    """(longitude, latitude) of the middle of the smallest cell."""
    bits = int(score)
    west, south, east, north = Cell(_gathered(bits >> 1), _gathered(bits), STEPS).area
    longitude, latitude = (west + east) / 2, (south + north) / 2
    return (
        min(max(longitude, -LONGITUDE_MAX), LONGITUDE_MAX),
        min(max(latitude, -LATITUDE_MAX), LATITUDE_MAX),
    )


def text(score: float) -> bytes:
    """The eleven letters that geohash.org knows the place by, whose world ends at 90°.  52 bits make ten letters and
    two bits, so the last is always 0."""
    bits = cell_at(*decode(score), world=WHOLE_WORLD).bits
    return "".join(ALPHABET[bits >> (52 - 5 * end) & 31] for end in range(1, 11)).encode() + b"0"


# -- distances --------------------------------------------------------------------------------------------------------


def distance_m(longitude1: float, latitude1: float, longitude2: float, latitude2: float) -> float:
    """Between two places, in metres, on a sphere, by the haversine formula."""
    v = sin((longitude2 * RADIANS - longitude1 * RADIANS) / 2)
    if v == 0.0:
        return latitude_distance_m(latitude1, latitude2)
    latitude1, latitude2 = latitude1 * RADIANS, latitude2 * RADIANS
    u = sin((latitude2 - latitude1) / 2)
    a = u * u + cos(latitude1) * cos(latitude2) * v * v
    return 2.0 * EARTH_RADIUS_M * asin(sqrt(a))


def latitude_distance_m(latitude1: float, latitude2: float) -> float:
    return EARTH_RADIUS_M * abs(latitude2 * RADIANS - latitude1 * RADIANS)


# -- searching --------------------------------------------------------------------------------------------------------


class Circle(NamedTuple):
    """All places within `radius_m` of a point."""

    longitude: float
    latitude: float
    radius_m: float

    @property
    def half_width_m(self) -> float:
        return self.radius_m

    @property
    def half_height_m(self) -> float:
        return self.radius_m

    @property
    def reach_m(self) -> float:
        return self.radius_m

    def distance_to(self, longitude: float, latitude: float) -> float | None:
        """From the centre, in metres; None for a place outside."""
        distance = distance_m(self.longitude, self.latitude, longitude, latitude)
        return distance if distance <= self.radius_m else None


class Box(NamedTuple):
    """All places within half of `width_m` to the west and east of a point, and half of `height_m` north and south."""

    longitude: float
    latitude: float
    width_m: float
    height_m: float

    @property
    def half_width_m(self) -> float:
        return self.width_m / 2

    @property
    def half_height_m(self) -> float:
        return self.height_m / 2

    @property
    def reach_m(self) -> float:
        """To the corners."""
        return sqrt(self.half_width_m * self.half_width_m + self.half_height_m * self.half_height_m)

    def distance_to(self, longitude: float, latitude: float) -> float | None:
        """From the centre, in metres; None for a place outside."""
        if latitude_distance_m(latitude, self.latitude) > self.half_height_m:
            return None
        if distance_m(longitude, latitude, self.longitude, latitude) > self.half_width_m:
            return None
        return distance_m(self.longitude, self.latitude, longitude, latitude)


Shape = Circle | Box


def bounds(shape: Shape) -> Area:
    """The stretch of the map that `shape` lies in."""
    height = shape.half_height_m / EARTH_RADIUS_M / RADIANS
    nearer_pole = shape.latitude + (-height if shape.latitude < 0 else height)
    width = shape.half_width_m / EARTH_RADIUS_M / cos(nearer_pole * RADIANS) / RADIANS
    return Area(shape.longitude - width, shape.latitude - height, shape.longitude + width, shape.latitude + height)


def step_for(reach_m: float, latitude: float) -> int:
    """The step at which a cell and its neighbours cover what is within `reach_m`.  Towards the poles, where the map is
    stretched, cells cover less ground: they must be larger there."""
    if reach_m == 0:
        return STEPS
    step = 1
    while reach_m < MERCATOR_MAX_M:
        reach_m *= 2
        step += 1
    step -= 2
    if abs(latitude) > 66:
        step -= 2 if abs(latitude) > 80 else 1
    return min(max(step, 1), STEPS)


NEIGHBOURS = ((0, 0), (0, 1), (0, -1), (1, 0), (-1, 0), (1, 1), (-1, 1), (1, -1), (-1, -1))
"""(east, north), in the order that unsorted results come in."""


def cells_around(shape: Shape) -> Iterator[Cell]:
    """The cells in which all of `shape` lies: nine of them, but for those it does not touch."""
    wanted = bounds(shape)
    step = step_for(shape.reach_m, shape.latitude)
    centre = cell_at(shape.longitude, shape.latitude, step)
    if step > 1 and not _covers(centre, wanted):
        step -= 1
        centre = cell_at(shape.longitude, shape.latitude, step)
    area = centre.area
    last: Cell | None = None
    for east, north in NEIGHBOURS:
        if step >= 2 and (
            (north < 0 and area.south < wanted.south)
            or (north > 0 and area.north > wanted.north)
            or (east < 0 and area.west < wanted.west)
            or (east > 0 and area.east > wanted.east)
        ):
            continue
        cell = centre.moved(east, north)
        if cell == last:  # at the coarsest step a cell is its own neighbour's neighbour
            continue
        yield cell
        if east or north:
            last = cell


def _covers(centre: Cell, wanted: Area) -> bool:
    """Whether the neighbours of `centre` reach as far as `wanted` in every direction."""
    return (
        centre.moved(0, 1).area.north >= wanted.north
        and centre.moved(0, -1).area.south <= wanted.south
        and centre.moved(1, 0).area.east >= wanted.east
        and centre.moved(-1, 0).area.west <= wanted.west
    )
