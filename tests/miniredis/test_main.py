"""The program as a shell sees it: what is wrong is one line and an exit code."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def started(*arguments: str) -> tuple[int, str]:
    """(exit code, all that was printed) of a start that fails."""
    command = [sys.executable, "-m", "cli.main", "redis", "start", "--port", "0", *arguments]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=30)
    return done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--prot", "1"], "--prot: 'prot 1': Bad directive or wrong number of arguments"),
        (["--hz", "often"], "--hz: 'hz often': argument couldn't be parsed into an integer"),
        (["--appendfsync", "sometimes"], "must be one of the following: everysec, always, no"),
        (["--dir", "/no/such/folder"], "cannot enter the folder '/no/such/folder': No such file or directory"),
    ],
)
def test_a_mistake_is_one_line_that_names_it(arguments, said):
    code, output = started(*arguments)
    assert code == 1
    assert said in output
    assert output.count("\n") == 1


def test_damaged_data_is_refused_with_file_reason_and_position(tmp_path):
    (tmp_path / "dump.rdb").write_bytes(b"REDIS0010" + b"\xff" + bytes(range(8)))
    code, output = started("--dir", str(tmp_path))
    assert code == 1
    assert f"cannot read {tmp_path}/dump.rdb: wrong checksum" in output
    assert "(at byte 10)" in output


def test_a_snapshot_that_holds_a_stream_is_refused_and_not_dropped(tmp_path):
    """Type 21 is a stream of Redis 7.2: not built here, so its data would be lost by going on."""
    (tmp_path / "dump.rdb").write_bytes(b"REDIS0011" + b"\xfe\x03" + b"\x15" + b"\x06events" + bytes(20))
    code, output = started("--dir", str(tmp_path))
    assert code == 1
    assert "dump.rdb" in output and "stream" in output and "events" in output and "database 3" in output
