"""The map cut into cells: what is near is found, whatever edge of the world it lies at."""

from random import Random

import pytest

from miniredis import geohash
from miniredis.geohash import Box, Cell, Circle


def test_bits_of_both_coordinates_take_turns():
    assert geohash.interleaved(0b111, 0b000) == 0b101010
    assert geohash.interleaved(0b000, 0b111) == 0b010101


def test_a_place_is_kept_to_half_a_metre():
    random = Random(1)
    for _ in range(200):
        longitude, latitude = random.uniform(-180, 180), random.uniform(-85, 85)
        assert geohash.distance_m(longitude, latitude, *geohash.decode(geohash.encode(longitude, latitude))) < 0.5


def test_the_sphere_is_as_wide_as_it_should_be():
    quarter = geohash.EARTH_RADIUS_M * 3.141592653589793 / 2
    assert geohash.distance_m(0, 0, 90, 0) == pytest.approx(quarter)
    assert geohash.distance_m(0, 0, 0, 85) == pytest.approx(quarter * 85 / 90)


def test_a_cell_knows_its_neighbours_across_the_date_line():
    assert Cell(7, 3, 3).moved(1, 0) == Cell(0, 3, 3)
    assert Cell(0, 3, 3).moved(-1, 1) == Cell(7, 4, 3)


def test_the_scores_of_a_cell_are_those_of_the_places_in_it():
    cell = geohash.cell_at(15.08, 37.5, step=9)
    low, high = cell.scores
    west, south, east, north = cell.area
    inside = geohash.encode((west + east) / 2, (south + north) / 2)
    assert low <= inside < high
    assert not low <= geohash.encode(east + 0.001, (south + north) / 2) < high


@pytest.mark.parametrize("seed", range(6))
def test_no_place_in_a_shape_is_missed_by_the_cells_around_it(seed):
    """Away from the date line and the poles, where the bounds of a shape are no rectangle on the map."""
    random = Random(seed)
    places = [(random.uniform(-100, 100), random.uniform(-60, 60)) for _ in range(400)]
    for _ in range(30):
        longitude, latitude = random.uniform(-80, 80), random.uniform(-55, 55)
        size = 10 ** random.uniform(3, 6.3)
        shape = random.choice([Circle(longitude, latitude, size), Box(longitude, latitude, size, size / 3)])
        ranges = [cell.scores for cell in geohash.cells_around(shape)]
        for place in places:
            score = geohash.encode(*place)
            if shape.distance_to(*geohash.decode(score)) is not None:
                assert sum(low <= score < high for low, high in ranges) == 1
