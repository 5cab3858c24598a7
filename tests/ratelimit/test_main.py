"""The program: from a command line to an exit code, in processes of its own."""

import json
import signal
import socket
import subprocess
import sys
import time
from contextlib import contextmanager
from urllib.request import urlopen

import pytest

from ratelimit.main import arguments_of, main
from serving.config import SettingError

RULES = '[server]\nport = 0\n[[rules]]\nname = "a"\nlimit = "2/h"\n'


def until(condition):
    """What `condition` returns, once it is something."""
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        if found := condition():
            return found
        time.sleep(0.02)
    raise TimeoutError


@contextmanager
def started(folder, rules, *arguments):
    """A running service: its process, its URL, its log."""
    (folder / "rules.toml").write_text(rules)
    ready, log = folder / "ready", folder / "log"
    command = [sys.executable, "-m", "cli.main", "ratelimit", "start", str(folder / "rules.toml"), *arguments]
    with log.open("w") as output:
        process = subprocess.Popen([*command, "--ready-file", str(ready)], stdout=output, stderr=subprocess.STDOUT)
    try:
        until(ready.exists)
        host, port = json.loads(ready.read_text())["addresses"][0]
        yield process, f"http://{host}:{port}", log
    finally:
        process.kill()
        process.wait()


def refused(*arguments):
    """Exit code and all that was printed, of a start that fails."""
    command = [sys.executable, "-m", "cli.main", "ratelimit", "start", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30)
    return done.returncode, done.stdout + done.stderr


def rules_of(url):
    with urlopen(f"{url}/rules", timeout=5) as answer:
        return json.load(answer)


def test_it_starts_follows_its_file_hears_sighup_and_stops(tmp_path):
    with started(tmp_path, RULES, "--override", "max_keys=100") as (process, url, log):
        assert rules_of(url)["rules"][0]["limits"][0]["limit"] == "2 per hour"
        (tmp_path / "rules.toml").write_text(RULES.replace("2/h", "3/h"))
        process.send_signal(signal.SIGHUP)
        assert (
            until(lambda: rules_of(url)["loaded"] == 2 and rules_of(url))["rules"][0]["limits"][0]["limit"]
            == "3 per hour"
        )
        (tmp_path / "rules.toml").write_text("[[rules]]\n")
        trouble = until(lambda: rules_of(url)["trouble"])  # seen by itself
        assert trouble.startswith("rules.toml, line 1: rules.1: has no name")
        process.send_signal(signal.SIGTERM)
        assert process.wait(20) == 0
        assert "The old rules stay" in log.read_text()


def test_a_bad_file_is_told_with_every_mistake_and_exit_code_1(tmp_path):
    rules = tmp_path / "rules.toml"
    rules.write_text('[[rules]]\nname = "a"\nlimt = "2/h"\ncost = 0\n')
    code, said = refused(str(rules))
    assert code == 1
    for mistake in ("line 1: rules.a: has no limit", "line 3: rules.a.limt: unknown; do", "line 4: rules.a.cost"):
        assert mistake in said


def test_a_taken_port_is_exit_code_2(tmp_path):
    (tmp_path / "rules.toml").write_text(RULES)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        code, said = refused(str(tmp_path / "rules.toml"), "--port", str(port))
    assert (code, f"127.0.0.1:{port} is taken" in said) == (2, True)


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        ([], "which rules? mini ratelimit start rules.toml"),
        (["nowhere.toml"], "'nowhere.toml': No such file or directory"),
        (["--override", "port"], "'--override port': expected key=value"),
        (["--store", "mysql://x"], "expected memory, or redis://host:port"),
    ],
)
def test_what_is_said_wrongly_is_told(words, reason):
    code, said = refused(*words)
    assert (code, reason in said) == (1, True)


def test_help_names_every_option(capsys):
    assert main(["--help"]) == 0
    said = capsys.readouterr().out
    assert all(f"--{name}" in said for name in ("port", "store", "store-timeout-ms", "nodes", "max-keys", "admin-port"))


def test_override_is_another_word_for_an_option():
    assert arguments_of(["r.toml", "--override", "max_keys=7", "--override=port=1", "--bind", "::1"]) == [
        "r.toml", "--max-keys", "7", "--port", "1", "--bind", "::1",
    ]  # fmt: skip
    with pytest.raises(SettingError):
        arguments_of(["--override", "=7"])
