"""`mini` and its words."""

import subprocess
import sys
import types

import pytest
from click.testing import CliRunner

from cli.main import WORDS, main


def said(*arguments):
    return CliRunner().invoke(main, list(arguments))


def test_help_names_every_word_and_examples_to_type():
    result = said("--help")
    assert result.exit_code == 0
    assert all(f"  {word} " in result.output for word in WORDS)
    assert "mini up" in result.output


@pytest.mark.parametrize("word", [word for word in WORDS if word != "redis"])
def test_every_word_has_help_of_its_own(word):
    result = said(word, "--help")
    assert (result.exit_code, result.output.startswith("Usage:")) == (0, True)


def test_help_imports_nothing_that_does_the_work():
    """So it stays quick however many servers join."""
    program = (
        "import sys; from click.testing import CliRunner; from cli.main import main;"
        "CliRunner().invoke(main, ['--help']);"
        "print(sorted({name.partition('.')[0] for name in sys.modules}"
        " & {'asyncio', 'lab', 'miniredis', 'serving', 'simulation', 'uvloop', 'aiohttp', 'lupa'}))"
    )
    assert subprocess.check_output([sys.executable, "-c", program], text=True) == "[]\n"


def test_an_unknown_word_is_named():
    result = said("memcached")
    assert result.exit_code == 2
    assert "No such command 'memcached'" in result.output


def test_redis_start_hands_its_words_on_untouched(monkeypatch):
    seen = []
    program = types.SimpleNamespace(main=lambda argv: seen.append(argv) or 7)
    monkeypatch.setitem(sys.modules, "miniredis.main", program)
    monkeypatch.setattr("miniredis.main", program, raising=False)
    words = ["redis.conf", "--save", "60 1000", "--save", "", "--port", "0", "--help"]
    assert said("redis", "start", *words).exit_code == 7
    assert seen == [words]
