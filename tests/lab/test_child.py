"""One child process, from start to every kind of end."""

import signal
import socket
import sys

import pytest

from lab.child import Child, ChildError, free_port
from tests.lab.waiting import until


def python(tmp_path, program):
    return Child("python", [sys.executable, "-c", program], tmp_path / "logs" / "python.log")


def ended(child):
    return lambda: not child.running


def test_a_child_that_ends_is_reported_with_its_last_words(tmp_path):
    child = python(tmp_path, "print('first'); raise SystemExit('no luck')")
    child.start()
    with pytest.raises(ChildError, match="exit code 1\nfirst\nno luck"):
        child.wait_ready(lambda: False)


def test_the_words_of_an_earlier_run_are_not_taken_for_this_ones(tmp_path):
    child = python(tmp_path, "print('word')")
    child.start()
    until(ended(child))
    child.command = [sys.executable, "-c", "pass"]
    child.start()
    until(ended(child))
    assert child.last_lines() == ""
    assert child.log.read_text() == "word\n"


def test_one_that_answers_but_has_ended_is_not_ready(tmp_path):
    """Another program may hold the port and answer in its place."""
    child = python(tmp_path, "pass")
    child.start()
    until(ended(child))
    with pytest.raises(ChildError, match="ended with exit code 0"):
        child.wait_ready(lambda: True)


def test_one_that_never_answers_is_given_up_at_the_deadline(tmp_path):
    child = python(tmp_path, "import time; time.sleep(60)")
    child.start()
    with pytest.raises(ChildError, match="runs but does not answer"):
        child.wait_ready(lambda: False, deadline_s=0.05)
    child.kill()
    assert (child.state, child.exit_code) == ("stopped", -signal.SIGKILL)


def test_a_program_that_is_not_there_is_one_clear_line(tmp_path):
    child = Child("ghost", [str(tmp_path / "ghost")], tmp_path / "ghost.log")
    with pytest.raises(ChildError, match=r"ghost cannot be started: .*No such file"):
        child.start()


def test_a_deaf_child_is_killed_after_the_deadline(tmp_path):
    child = python(tmp_path, "import signal, time; signal.signal(15, signal.SIG_IGN); print('deaf'); time.sleep(60)")
    child.start()
    until(lambda: child.last_lines() == "deaf")
    assert child.stop(deadline_s=0.05) == -signal.SIGKILL


def test_a_paused_child_still_hears_the_request_to_end(tmp_path):
    child = python(tmp_path, "print('up'); import time; time.sleep(60)")
    child.start()
    until(lambda: child.last_lines() == "up")
    child.pause()
    assert child.state == "paused"
    assert child.stop() == -signal.SIGTERM


def test_a_child_dies_with_the_lab(tmp_path):
    """The kernel's parent-death signal: no orphan holds a port after the lab was killed with -9."""
    program = f"""
import sys; from pathlib import Path
from lab.child import Child
child = Child("inner", [sys.executable, "-c", "import time; time.sleep(60)"], Path({str(tmp_path)!r}) / "inner.log")
child.start(); print(child.pid); sys.stdin.read()
import time; time.sleep(60)
"""
    outer = python(tmp_path, program)
    outer.start()
    until(lambda: outer.last_lines().isdigit())
    inner = int(outer.last_lines())
    outer.kill()
    until(lambda: is_gone(inner))


def is_gone(pid):
    """Ended, though perhaps not yet buried by whoever inherited it."""
    try:
        with open(f"/proc/{pid}/stat") as stat:
            return stat.read().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True


def test_a_taken_port_is_passed_over():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert free_port(port) != port
