"""The stories in tests/traces/kafka/groups happen as they are told."""

import pytest

from tests.minikafka.groups.traces import FOLDER, told_anew


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.txt")), ids=lambda path: path.stem)
def test_a_story(path):
    assert told_anew(path.read_text()) == path.read_text()


def test_there_are_stories():
    assert len(list(FOLDER.glob("*.txt"))) >= 5
