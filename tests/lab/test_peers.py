"""The real servers as children."""

import os
import socket

import pytest

from lab import peers


def test_redis_server_answers_and_is_gone_afterwards():
    with peers.redis_server("--maxmemory", "10mb") as peer:
        assert peers.redis_answers(peer.port)
        assert peer.directory.is_dir()
    assert peer.child.exit_code == 0
    assert not peer.directory.exists()
    assert not peers.redis_answers(peer.port)


def test_a_killed_server_starts_again_on_what_it_left():
    with peers.redis_server("--appendonly", "yes", "--appendfsync", "always") as peer:
        assert told(peer.port, b"SET k v\r\n") == b"+OK\r\n"
        peer.child.kill()
        peer.restart()
        assert told(peer.port, b"GET k\r\n") == b"$1\r\nv\r\n"


def told(port, request):
    with socket.create_connection(("127.0.0.1", port), timeout=5) as connection:
        connection.sendall(request)
        return connection.recv(100)


@pytest.mark.parametrize("start", [peers.fakeredis_server, peers.floor_server])
def test_the_others_answer_too(start):
    with start() as peer:
        assert told(peer.port, b"*3\r\n$3\r\nSET\r\n$1\r\nk\r\n$1\r\nv\r\n") == b"+OK\r\n"


def test_redis_check_rdb_serves_by_the_name_of_redis_server(tmp_path, monkeypatch):
    (tmp_path / "redis-check-rdb").symlink_to(os.path.realpath(peers.tool("redis-check-rdb")))
    monkeypatch.setenv("PATH", str(tmp_path))
    binary = peers.redis_server_binary()
    assert os.path.basename(binary) == "redis-server"
    assert os.path.realpath(binary) == os.path.realpath(tmp_path / "redis-check-rdb")


def test_a_missing_server_is_named_with_the_remedy(monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(peers.PeerMissing, match=r"redis-server is not here; `make peers`"):
        peers.redis_server_binary()
    with pytest.raises(peers.PeerMissing, match="redis-benchmark is not here"):
        peers.tool("redis-benchmark")


def test_a_wrong_directive_is_reported_in_the_servers_own_words():
    with (
        pytest.raises(peers.ChildError, match="no-such-directive"),
        peers.redis_server("--no-such-directive", "1"),
    ):
        pass
