"""The program as a shell sees it: what is wrong is one line and an exit code."""

import json
import signal
import socket
import subprocess
import sys
from pathlib import Path
from urllib.error import HTTPError
from urllib.request import urlopen

import pytest

from lab.child import PORT_TAKEN, Child, free_port
from lab.peers import mini_redis, mini_redis_command, redis_answers
from tests.lab.waiting import until

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


# -- a server that starts ----------------------------------------------------------------------------------------------


def said(port, *lines):
    """What a server on `port` answers to inline commands, to the end: the last of `lines` closes the connection."""
    with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
        connection.sendall(b"".join(line.encode() + b"\r\n" for line in lines))
        pieces = []
        while piece := connection.recv(65536):
            pieces.append(piece)
        return b"".join(pieces)


def test_a_taken_port_is_one_line_and_exit_code_2():
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        code, output = started("--bind", "127.0.0.1", "--port", str(port))
    line = f"127.0.0.1:{port} is taken: another process listens there"
    assert (code, output.rstrip().partition("miniredis: ")[2], output.count("\n")) == (PORT_TAKEN, line, 1)


def test_an_unknown_directive_in_a_file_is_named_with_its_line(tmp_path):
    conf = tmp_path / "own.conf"
    conf.write_text("# mine\nport 0\nfrobnicate yes\n")
    done = subprocess.run(mini_redis_command(str(conf)), cwd=ROOT, capture_output=True, text=True, timeout=30)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "miniredis: own.conf, line 3: 'frobnicate yes': Bad directive or wrong number of arguments\n"


def test_port_0_means_no_tcp(tmp_path):
    path = tmp_path / "redis.sock"
    log = tmp_path / "log"
    child = Child("redis", mini_redis_command("--port", "0", "--dir", str(tmp_path), "--unixsocket", str(path)), log)
    child.start()
    try:
        until(lambda: "Ready to accept connections on" in child.last_lines())
        assert child.last_lines().endswith(f"Ready to accept connections on {path}")
        with socket.socket(socket.AF_UNIX) as connection:
            connection.connect(str(path))
            connection.sendall(b"PING\r\n")
            assert connection.recv(100) == b"+PONG\r\n"
    finally:
        child.stop()
    assert (child.exit_code, path.exists()) == (0, False)


def test_sigterm_saves_what_the_save_points_ask_for():
    with mini_redis(save="3600 1") as peer:
        assert said(peer.port, "SET k v", "QUIT") == b"+OK\r\n+OK\r\n"
        assert peer.child.stop() == 0
        assert (peer.directory / "dump.rdb").read_bytes().startswith(b"REDIS0010")
        peer.restart()
        assert said(peer.port, "GET k", "QUIT") == b"$1\r\nv\r\n+OK\r\n"


@pytest.mark.parametrize(("how", "kept"), [("NOSAVE", False), ("SAVE", True)])
def test_shutdown_ends_the_process_and_answers_nothing(how, kept):
    with mini_redis(save="3600 1" if how == "NOSAVE" else "") as peer:
        assert said(peer.port, "SET k v", f"SHUTDOWN {how}") == b"+OK\r\n"
        until(lambda: not peer.child.running)
        assert (peer.child.exit_code, (peer.directory / "dump.rdb").exists()) == (0, kept)


def test_sigterm_ends_a_server_with_waiting_and_silent_clients():
    with mini_redis() as peer, socket.create_connection(("127.0.0.1", peer.port), timeout=10) as waiting:
        waiting.sendall(b"PING\r\nBLPOP list 0\r\n")
        assert waiting.recv(100) == b"+PONG\r\n"
        peer.child.terminate()
        assert waiting.recv(100) == b""
        until(lambda: not peer.child.running)
        assert peer.child.exit_code == 0


def test_a_killed_server_leaves_no_lock_behind():
    with mini_redis("--appendonly", "yes", "--appendfsync", "always") as peer:
        assert said(peer.port, "SET k v", "QUIT") == b"+OK\r\n+OK\r\n"
        peer.child.kill()
        assert peer.child.exit_code == -signal.SIGKILL
        peer.restart()
        assert said(peer.port, "GET k", "QUIT") == b"$1\r\nv\r\n+OK\r\n"


def test_the_side_door_tells_metrics_and_health():
    admin = free_port()
    with mini_redis("--admin-port", str(admin)) as peer:
        assert said(peer.port, "SET k v", "GET k", "NOSUCH", "QUIT").startswith(b"+OK\r\n$1\r\nv\r\n-ERR unknown")
        with urlopen(f"http://127.0.0.1:{admin}/health", timeout=10) as answer:
            assert (answer.status, json.load(answer)) == (200, {"status": "ok"})
        with urlopen(f"http://127.0.0.1:{admin}/metrics", timeout=10) as answer:
            figures = dict(line.rsplit(" ", 1) for line in answer.read().decode().splitlines() if line[:1] != "#")
        assert float(figures["miniredis_connections_accepted_total"]) >= 2  # ours, and whoever asked if it was ready
        assert {name for name in figures if name.startswith("miniredis_")} >= {"miniredis_connections"}
        with pytest.raises(HTTPError, match="404"):
            urlopen(f"http://127.0.0.1:{admin}/else", timeout=10)


CONF = """\
# As a distribution would write it: comments, quotes, directives that mean nothing here.
bind 127.0.0.1 -::1
protected-mode yes
port {port}
tcp-backlog 511
timeout 0
tcp-keepalive 300
daemonize no
pidfile "{folder}/redis.pid"
loglevel notice
logfile ""
databases 4
always-show-logo no
set-proc-title yes
stop-writes-on-bgsave-error yes
dbfilename "my dump.rdb"
dir {folder}
replica-serve-stale-data yes
repl-diskless-sync yes
lazyfree-lazy-eviction no
oom-score-adj-values 0 200 800
appendonly no
appenddirname "appendonlydir"
slowlog-log-slower-than 10000
notify-keyspace-events ""
hash-max-listpack-entries 7
client-output-buffer-limit normal 0 0 0
client-output-buffer-limit pubsub 32mb 8mb 60
hz 10
dynamic-hz yes
jemalloc-bg-thread yes
save 3600 1 300 100
"""


def test_a_configuration_file_of_a_distribution_starts_us(tmp_path):
    port = free_port()
    conf = tmp_path / "redis.conf"
    conf.write_text(CONF.format(port=port, folder=tmp_path))
    child = Child("redis", mini_redis_command(str(conf), "--maxmemory", "100mb"), tmp_path / "log")
    child.start()
    try:
        child.wait_ready(lambda: redis_answers(port))
        assert "Without effect here: " in child.last_lines()
        values = said(
            port,
            "CONFIG GET databases",
            "CONFIG GET maxmemory",
            "CONFIG GET jemalloc-bg-thread",
            "CONFIG GET save",
            "SET k v",
            "SAVE",
            "SELECT 4",
            "QUIT",
        )
    finally:
        child.stop()
    assert values == (
        b"*2\r\n$9\r\ndatabases\r\n$1\r\n4\r\n"
        b"*2\r\n$9\r\nmaxmemory\r\n$9\r\n104857600\r\n"
        b"*2\r\n$18\r\njemalloc-bg-thread\r\n$3\r\nyes\r\n"
        b"*2\r\n$4\r\nsave\r\n$14\r\n3600 1 300 100\r\n"
        b"+OK\r\n+OK\r\n-ERR DB index is out of range\r\n+OK\r\n"
    )
    assert (tmp_path / "my dump.rdb").exists()


def test_config_rewrite_brings_the_file_up_to_date(tmp_path):
    port = free_port()
    conf = tmp_path / "redis.conf"
    conf.write_text(CONF.format(port=port, folder=tmp_path))
    child = Child("redis", mini_redis_command(str(conf)), tmp_path / "log")
    child.start()
    try:
        child.wait_ready(lambda: redis_answers(port))
        assert said(port, "CONFIG SET hz 50 maxmemory 1gb", "CONFIG REWRITE", "QUIT") == b"+OK\r\n" * 3
    finally:
        child.stop()
    text = conf.read_text()
    assert ("# As a distribution" in text, "\nhz 50\n" in text) == (True, True)
    assert "\nmaxmemory 1gb\n" in text or "\nmaxmemory 1073741824\n" in text
