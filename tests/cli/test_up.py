"""The words for the lab, without a lab."""

import pytest
from click.testing import CliRunner

from cli.main import main


@pytest.mark.parametrize("arguments", [["ps"], ["kill", "redis"], ["start", "redis"]])
def test_without_a_lab_the_second_terminal_is_told_so(tmp_path, arguments):
    result = CliRunner().invoke(main, [*arguments, "--data", str(tmp_path)])
    assert result.exit_code == 1
    assert result.output.startswith(f"Error: no `mini up` answers in {tmp_path}")


@pytest.mark.parametrize("word", ["redis", "rabbit=1", "redis=x", "redis=99999"])
def test_a_port_that_is_none_is_refused(tmp_path, word):
    result = CliRunner().invoke(main, ["up", "--data", str(tmp_path), "--port", word])
    assert result.exit_code == 2
    assert f"{word!r} is not NAME=PORT with NAME one of redis, kafka, ratelimit" in result.output
