"""`mini chaos`, on Debian's server: a short drill."""

from click.testing import CliRunner

from cli.main import main


def test_the_drills_are_listed():
    output = CliRunner().invoke(main, ["chaos", "list"]).output
    assert "redis-kill9 " in output
    assert "kafka-kill-leader " in output


def test_an_option_that_means_nothing_to_a_drill_is_refused():
    result = CliRunner().invoke(main, ["chaos", "run", "kafka-kill-leader", "--rounds", "2"])
    assert (result.exit_code, "--rounds means nothing to kafka-kill-leader" in result.output) == (2, True)


def test_two_rounds_against_the_real_server():
    result = CliRunner().invoke(main, ["chaos", "run", "redis-kill9", "--real", "--rounds", "2"])
    assert result.exit_code == 0, result.output
    assert "  of them lost          0" in result.output
    assert result.output.endswith("kept every promise\n")
