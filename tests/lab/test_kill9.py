"""The drill of `mini chaos run redis-kill9` with our own server: real processes, real signals, a real disk."""

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_nothing_acknowledged_is_missing_after_kill_9_under_load():
    command = [sys.executable, "-m", "cli.main", "chaos", "run", "redis-kill9", "--rounds", "4"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "of them lost          0" in done.stdout
    assert "kept every promise" in done.stdout
