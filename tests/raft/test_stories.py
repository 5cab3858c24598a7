"""The stories in tests/traces/raft, told again and compared line by line.  stories.py says how they are written."""

import pytest

from tests.raft.stories import FOLDER, Story

STORIES = sorted(FOLDER.glob("*.txt"))


@pytest.mark.parametrize("path", STORIES, ids=lambda path: path.stem)
def test_the_story_goes_as_it_is_told(path):
    text = path.read_text()
    assert Story().run(text).splitlines() == text.splitlines()
