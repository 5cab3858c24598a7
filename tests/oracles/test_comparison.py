"""The same random commands to redis-server 7.0.15 and to ours, chapter by chapter, in both protocols.

Some seeds run here; `python -m tests.oracles.comparer CHAPTER --seeds 1000` runs as many as you like.
"""

import importlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.oracles.comparer import compare, known_differences
from tests.oracles.real_redis import RawClient, real_redis

CHAPTERS = sorted(path.stem for path in (Path(__file__).parent / "generators").glob("*.py") if path.stem != "__init__")
REQUESTS = 1500


@pytest.fixture(params=CHAPTERS)
def chapter(request):
    return importlib.import_module(f"tests.oracles.generators.{request.param}")


@pytest.fixture
def real(chapter) -> Iterator[RawClient]:
    with real_redis(*getattr(chapter, "OPTIONS", ())) as client:
        yield client


@pytest.mark.parametrize("protocol", [2, 3])
def test_ours_answers_as_the_real_server_does(chapter, real, protocol):
    for seed in range(4):
        compare(chapter, seed, REQUESTS, real, protocol)


def test_every_known_difference_says_why():
    assert [one for one in known_differences() if len(one.why) < 10] == []
