"""Real processes: what a shell or a supervisor sees of a server."""

import json
import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
COMMAND = [sys.executable, "-m", "tests.serving.line_server"]
DEADLINE_SECONDS = 20


class Child:
    """The line server as a child; its output is read line by line."""

    def __init__(self, *arguments, environment=None, stdin=None):
        self.process = subprocess.Popen(
            [*COMMAND, *arguments],
            cwd=ROOT,
            env={**os.environ, **(environment or {})},
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def line_with(self, text):
        """The next line of output that contains `text`."""
        for line in self.process.stdout:
            if text in line:
                return line.rstrip()
        pytest.fail(f"no {text!r} in the output; errors: {self.process.stderr.read()}")

    def end(self, stdin=None):
        """(exit code, output that was not read yet, errors)."""
        output, errors = self.process.communicate(stdin, timeout=DEADLINE_SECONDS)
        return self.process.returncode, output, errors


@pytest.fixture
def start():
    children = []

    def start(*arguments, **how):
        children.append(Child(*arguments, **how))
        return children[-1]

    yield start
    for child in children:
        child.process.kill()
        child.process.communicate()


def test_it_says_where_it_is_ready_serves_and_stops_when_asked(start, tmp_path):
    ready = tmp_path / "ready.json"
    child = start("--ready-file", str(ready), "--io-threads", "4")
    assert child.line_with("effect").endswith("notice  lines: Without effect here: io-threads")
    line = child.line_with("Ready to accept connections on 127.0.0.1:")
    port = int(line.rpartition(":")[2])
    assert json.loads(ready.read_text()) == {
        "name": "lines",
        "pid": child.process.pid,
        "addresses": [["127.0.0.1", port]],
    }
    with socket.create_connection(("127.0.0.1", port)) as client:
        client.sendall(b"hello\n")
        assert client.recv(100) == b">hello\n"
        child.process.send_signal(signal.SIGTERM)
        assert client.recv(100) == b""
    code, output, errors = child.end()
    assert (code, output.splitlines()[-1][-14:], errors) == (0, "lines: Stopped", "")
    assert not ready.exists()


def test_a_ready_file_that_cannot_be_written_ends_the_program(start, tmp_path):
    path = tmp_path / "absent" / "ready.json"
    code, output, _ = start("--ready-file", str(path)).end()
    assert code == 1
    assert f"error   lines: Cannot write the ready file {path}: No such file or directory\n" in output


def test_a_taken_port_is_one_line_and_exit_code_2(start):
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        code, output, errors = start("--port", str(port)).end()
    assert (code, errors, output.count("\n")) == (2, "", 1)
    assert output.endswith(f"error   lines: 127.0.0.1:{port} is taken: another process listens there\n")


@pytest.mark.parametrize(
    ("arguments", "error"),
    [
        (["--nosuch", "1"], "lines: --nosuch: 'nosuch 1': Bad directive or wrong number of arguments\n"),
        (["--port", "x"], "lines: --port: 'port x': argument couldn't be parsed into an integer\n"),
        (["/nonexistent/f"], "lines: configuration file: '/nonexistent/f': No such file or directory\n"),
    ],
)
def test_a_mistake_in_the_configuration_is_one_line_and_exit_code_1(start, arguments, error):
    assert start(*arguments).end() == (1, "", error)


def test_file_then_environment_then_arguments(start, tmp_path):
    (tmp_path / "more.conf").write_text("loglevel warning\nfail start\n")
    (tmp_path / "lines.conf").write_text(f"include {tmp_path}/*.conf.d\ninclude {tmp_path}/more.conf\nport 1\n")
    environment = {"MINI_LINES_LOGLEVEL": "debug", "MINI_LINES_PORT": "2", "MINI_LINES_LOG_FORMAT": "json"}
    arguments = (str(tmp_path / "lines.conf"), "--port", "0")
    code, output, _ = start(*arguments, environment=environment).end()
    log = json.loads(output)
    assert code == 1
    assert (log["level"], log["logger"], log["message"]) == ("error", "lines", "data.file, byte 17: damaged")


def test_standard_input_can_be_the_file(start):
    code, _, errors = start("-", stdin=subprocess.PIPE).end("\nport x\n")
    assert (code, errors) == (
        1,
        "lines: standard input, line 2: 'port x': argument couldn't be parsed into an integer\n",
    )


def test_a_bug_at_start_leaves_a_traceback_and_exit_code_1(start):
    code, output, _ = start("--fail", "bug").end()
    assert code == 1
    assert "critical lines: Crashed while starting\nTraceback" in output


def test_a_vital_task_that_fails_ends_the_program_with_1(start):
    code, output, _ = start("--fail", "vital").end()
    assert code == 1
    assert "heart failed" in output and output.endswith("lines: Stopped\n")


def test_a_bug_while_stopping_is_exit_code_1(start):
    child = start("--fail", "stop")
    child.line_with("Ready")
    child.process.send_signal(signal.SIGTERM)
    code, output, _ = child.end()
    assert code == 1 and "Crashed while stopping" in output


def test_a_second_signal_ends_it_at_once(start):
    child = start("--hang", "stop")
    child.line_with("Ready")
    child.process.send_signal(signal.SIGINT)
    child.line_with("Received SIGINT")
    child.process.send_signal(signal.SIGTERM)
    code, output, _ = child.end()
    assert code == 1 and output.endswith("warning lines: Asked twice: ending at once\n")


def test_a_signal_ends_a_start_that_takes_long(start):
    child = start("--hang", "start")
    child.line_with("hanging")
    child.process.send_signal(signal.SIGTERM)
    code, output, _ = child.end()
    assert code == 0 and "Stopped while starting" in output


def test_a_server_may_refuse_to_stop_and_be_asked_again(start):
    child = start("--refuse-stop", "yes")
    child.line_with("Ready")
    child.process.send_signal(signal.SIGTERM)
    assert child.line_with("Not stopping").endswith("Not stopping: the save failed")
    child.process.send_signal(signal.SIGTERM)
    assert child.end()[0] == 0


def test_hangup_reloads(start):
    child = start()
    child.line_with("Ready")
    child.process.send_signal(signal.SIGHUP)
    assert child.line_with("reloaded") == "reloaded"


def test_the_log_can_go_to_a_file(start, tmp_path):
    child = start("--logfile", str(tmp_path / "log"), "--fail", "start")
    assert child.end() == (1, "", "")
    assert (tmp_path / "log").read_text().endswith("error   lines: data.file, byte 17: damaged\n")


def test_help_and_version_are_answered_without_starting(start):
    code, output, _ = start("--help").end()
    assert code == 0 and output.startswith("lines [lines.conf] [--option value ...]\n\n  --bind word ...\n")
    assert start("--version").end() == (0, "lines 1.0\n", "")
