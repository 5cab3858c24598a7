"""`mini ratelimit` and its words."""

import asyncio
import contextlib
import threading
import types
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from random import Random

import pytest
from click.testing import CliRunner

from cli import ratelimit_watch
from cli.main import main
from cli.ratelimit import WORDS
from cli.ratelimit_played import NAMES, most_within, play
from cli.ratelimit_traces import TRACES
from ratelimit.limit import Limit
from ratelimit.rules_file import read_rules
from tests.ratelimit.test_server import live_service

PLOTS = Path(__file__).parents[2] / "ratelimit" / "plots"


def said(*arguments):
    return CliRunner().invoke(main, ["ratelimit", *arguments])


@contextlib.contextmanager
def running_service():
    """A service in another thread; its URL."""
    ready, urls, loop = threading.Event(), [], asyncio.new_event_loop()
    stop = asyncio.Event()

    async def run():
        async with live_service() as live:
            urls.append(f"http://127.0.0.1:{live.server.addresses()[0][1]}")
            ready.set()
            await stop.wait()

    thread = threading.Thread(target=lambda: loop.run_until_complete(run()))
    thread.start()
    assert ready.wait(10)
    try:
        yield urls[0]
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(10)
        loop.close()


@pytest.mark.parametrize("word", [word for word in WORDS if word != "start"])
def test_every_word_has_help_of_its_own(word):
    result = said(word, "--help")
    assert (result.exit_code, result.output.startswith("Usage:")) == (0, True)


def test_start_hands_its_words_on_untouched(monkeypatch):
    seen = []
    monkeypatch.setattr(
        "cli.ratelimit.import_module", lambda name: types.SimpleNamespace(main=lambda argv: seen.append(argv) or 7)
    )
    assert said("start", "rules.toml", "--override", "port=1", "--help").exit_code == 7
    assert seen == [["rules.toml", "--override", "port=1", "--help"]]


def test_the_example_is_good():
    result = said("example")
    assert [rule.name for rule in read_rules(result.output).rules] == ["per-address", "sign-in", "per-key", "writes"]


# check


@pytest.fixture
def rules(tmp_path):
    file = tmp_path / "rules.toml"
    file.write_text('[[rules]]\nname = "a"\nwho = "ip"\nlimit = "2 per minute"\n')
    return file


def test_a_good_file_is_told_as_a_table(rules):
    assert said("check", str(rules)).output.splitlines() == [
        f"{rules}: good",
        "policy  who  limit         algorithm  notes",
        "a       ip   2 per minute  gcra",
    ]


def test_a_bad_file_is_told_with_every_mistake(rules):
    rules.write_text('[[rules]]\nnme = "a"\nlimit = "lots"\n')
    result = said("check", str(rules))
    assert result.exit_code == 1
    assert "rules.toml, line 2: rules.1.nme: unknown; do you mean name?" in result.output
    assert "rules.toml, line 1: rules.1: has no name" in result.output


def test_a_request_is_decided_by_a_file_as_a_service_would(rules):
    result = said("check", str(rules), "--ip", "203.0.113.9", "--times", "3")
    assert [line[:17] for line in result.output.splitlines()] == [
        "200  a: 1 left",
        "200  a: 0 left",
        "429  a: again in ",
    ]
    assert result.exit_code == 1


def test_a_service_is_asked_and_says_no_with_its_exit_code():
    with running_service() as url:
        result = said("check", "--url", url, "--path", "/login", "--ip", "203.0.113.9", "--times", "3")
        bad = said("check", "--url", url, "--cost", "3")
    assert result.output.splitlines() == [
        "200  per-address: 1 left",
        "200  per-address: 0 left; sign-in would deny it",
        "429  per-address: again in 30 s",
    ]
    assert (result.exit_code, bad.exit_code) == (1, 2)
    assert "a cost of 3 can never pass" in bad.output


def test_nobody_there_is_one_clear_line():
    result = said("check", "--url", "http://127.0.0.1:1")
    assert result.exit_code == 1
    assert result.output.startswith("Error: no limiter answers at http://127.0.0.1:1: ")


def test_a_header_that_is_none_is_refused():
    assert "'x' is not NAME:VALUE" in said("check", "--header", "x").output


# watch


def test_the_busiest_keys_are_drawn_by_how_often_they_pass_and_are_denied():
    rows = [
        {"key": "ip=203.0.113.9", "rule": "a", "passed_per_s": 6.0, "denied_per_s": 6.0},
        {"key": "ip=203.0.113.10", "rule": "a", "passed_per_s": 1.0, "denied_per_s": 0.0},
    ]
    assert ratelimit_watch.picture(rows, {"file": "r.toml", "rules": [1], "trouble": None}) == [
        "r.toml: 1 rules",
        "",
        "key              rule  passed/s  denied/s",
        "ip=203.0.113.9   a          6.0       6.0  ████████████░░░░░░░░░░░░",
        "ip=203.0.113.10  a          1.0       0.0  ██",
    ]


def test_a_bad_file_is_shown_while_it_is_bad():
    lines = ratelimit_watch.picture([], {"file": "r.toml", "rules": [], "trouble": "line 3: no"})
    assert "line 3: no" in lines
    assert lines[-1] == "Nobody has come in the last seconds."


def test_a_service_is_watched():
    with running_service() as url:
        said("check", "--url", url, "--ip", "203.0.113.9", "--times", "2")
        result = said("watch", "--url", url, "--once")
    assert "ip=203.0.113.9  per-address" in result.output


# plot


def test_a_fixed_window_lets_twice_its_limit_through_at_the_edge_and_the_others_do_not():
    limit = Limit.parse("10 per minute")
    played = play(TRACES["boundary-burst"](limit, Random(1)), limit)
    assert {one.name: one.most for one in played} == {
        "fixed window": 20,
        "sliding log": 10,
        "sliding counter": 10,
        "token bucket": 10,
        "leaking bucket": 10,
        "leaking queue": 10,
        "GCRA": 10,
    }


def test_the_burst_at_the_edge_is_visible_at_a_glance():
    lines = said("plot", "boundary-burst", "--width", "36").output.splitlines()
    assert lines[0] == "boundary-burst: 40 requests in 4 min, 10 per minute allowed"
    assert lines[3].split("  ")[-1] == "← over the limit"
    assert [line for line in lines if "← over" in line] == [lines[3]]


@pytest.mark.parametrize("trace", TRACES)
@pytest.mark.parametrize("text", ["10 per minute", "1/s", "1000 per hour burst 50"])
def test_every_trace_is_sorted_starts_at_the_epoch_and_is_drawn_for_any_limit(trace, text):
    limit = Limit.parse(text)
    times = TRACES[trace](limit, Random(1))
    assert times == sorted(times) and times[0] >= 0 and times[-1] < 5 * limit.per_ms
    assert said("plot", trace, "--limit", text).exit_code == 0


def test_the_picture_is_svg_and_the_same_for_the_same_trace(tmp_path):
    texts = []
    for name in ("a.svg", "b.svg"):
        assert said("plot", "poisson", "--svg", str(tmp_path / name)).exit_code == 0
        texts.append((tmp_path / name).read_text())
    assert texts[0] == texts[1]
    names = [element.text for element in ElementTree.fromstring(texts[0]).iter() if element.get("class") == "name"]
    assert names[1:] == list(NAMES.values())


def test_a_queue_is_drawn_when_requests_leave_one_every_six_seconds():
    limit = Limit.parse("10 per minute")
    queued = play([0] * 12, limit, ["leaking_queue"])[0]
    assert (queued.admitted, queued.denied) == (list(range(0, 60_000, 6000)), [0, 0])


def test_one_algorithm_on_all_traces_has_a_lane_for_each():
    lines = said("plot", "all", "--algorithms", "gcra").output.splitlines()
    assert lines[0] == "GCRA: 10 per minute allowed"
    assert [line.split("  at most")[0].split()[0] for line in lines[3::2]] == list(TRACES)


@pytest.mark.parametrize("name", NAMES)
def test_the_plots_of_the_study_tour_are_what_the_code_draws_now(name, tmp_path):
    """`make plots` draws them again."""
    assert said("plot", "all", "--algorithms", name, "--svg", str(tmp_path / "now.svg")).exit_code == 0
    assert (PLOTS / f"{name}.svg").read_text() == (tmp_path / "now.svg").read_text()


def test_a_trace_may_come_from_a_file(tmp_path):
    file = tmp_path / "trace.txt"
    file.write_text("1000  # the first\n\n1500\n61000\n")
    result = said("plot", str(file), "--limit", "1 per minute", "--algorithms", "gcra")
    assert result.output.splitlines()[0] == "trace.txt: 3 requests in 2 min, 1 per minute allowed"
    assert "2 of 3" in result.output
    file.write_text("soon")
    assert "line 1: 'soon' is not a whole number of milliseconds" in said("plot", str(file)).output


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["nothing"], "'nothing' is neither a file nor one of boundary-burst, steady, poisson, spike"),
        (["--limit", "lots"], "'lots' is not a limit"),
        (["--limit", "0/s"], "nothing ever passes"),
        (["--algorithms", "dice"], "dice; there are fixed_window"),
    ],
)
def test_what_cannot_be_plotted_is_said(arguments, reason):
    result = said("plot", *arguments)
    assert result.exit_code != 0
    assert reason in result.output


def test_most_within_a_period_counts_half_open_periods():
    assert most_within([0, 10, 20, 59, 60, 61], 60) == (5, 10)
    assert most_within([0, 60], 60) == (1, 0)
    assert most_within([], 60) == (0, 0)
