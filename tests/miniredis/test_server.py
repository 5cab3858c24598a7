"""The shell around the engine, by raw bytes: what a client library never shows."""

import asyncio
import os
import shutil
import socket
import ssl
import subprocess

import pytest

from serving import open_connections
from serving.listener import Bound, Unix, tls_context
from tests.miniredis.live_server import live_server, request


@pytest.fixture(autouse=True)
def in_a_folder_of_its_own(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def quiet_log(caplog):
    """Fails the test when the server has logged a fault of its own."""
    yield caplog
    assert [record.getMessage() for record in caplog.records if record.exc_info] == []


pytestmark = pytest.mark.usefixtures("quiet_log")


# -- requests and their order ------------------------------------------------------------------------------------------


async def test_a_pipeline_is_answered_in_order():
    async with live_server() as live:
        client = await live.dial()
        client.send(b"".join(request("INCR", "n") for _ in range(2000)))
        expected = b"".join(b":%d\r\n" % n for n in range(1, 2001))
        assert await client.receive(expected) == expected


async def test_a_request_may_come_byte_by_byte():
    async with live_server() as live:
        client = await live.dial()
        client.writer.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for byte in request("SET", "k", b"a\r\nb") + b"GET k\r\n":
            client.send(bytes([byte]))
            await asyncio.sleep(0)
        assert await client.receive(b"+OK\r\n$4\r\na\r\nb\r\n") == b"+OK\r\n$4\r\na\r\nb\r\n"


async def test_a_line_of_words_is_a_request_too():
    async with live_server() as live:
        client = await live.dial()
        client.send(b'SET greeting "hello \\x41"\r\n\r\nGET greeting\n')
        expected = b"+OK\r\n$7\r\nhello A\r\n"
        assert await client.receive(expected) == expected


@pytest.mark.parametrize(
    ("sent", "answer"),
    [
        (b"*1\r\n:5\r\n", b"-ERR Protocol error: expected '$', got ':'\r\n"),
        (b"*99999999999\r\n", b"-ERR Protocol error: invalid multibulk length\r\n"),
        (b"*1\r\n$-7\r\n", b"-ERR Protocol error: invalid bulk length\r\n"),
        (b'SET k "open\r\n', b"-ERR Protocol error: unbalanced quotes in request\r\n"),
    ],
)
async def test_a_protocol_error_is_answered_and_ends_the_connection(sent, answer):
    async with live_server() as live:
        client = await live.dial()
        client.send(request("PING") + sent + request("PING"))
        assert await client.rest() == b"+PONG\r\n" + answer


async def test_quit_is_answered_and_what_follows_it_is_not():
    async with live_server() as live:
        client = await live.dial()
        client.send(request("PING") + request("QUIT") + request("PING"))
        assert await client.rest() == b"+PONG\r\n+OK\r\n"


async def test_what_stands_behind_a_waiting_command_waits_too():
    async with live_server() as live:
        client, other = await live.dial(), await live.dial()
        client.send(request("PING") + request("BLPOP", "list", 0) + request("GET", "k") + request("PING"))
        assert await client.receive(b"+PONG\r\n") == b"+PONG\r\n"
        await live.until(lambda: live.server.engine.sessions[1].blocked)
        other.send(request("SET", "k", "later") + request("RPUSH", "list", "x"))
        expected = b"*2\r\n$4\r\nlist\r\n$1\r\nx\r\n$5\r\nlater\r\n+PONG\r\n"
        assert await client.receive(expected) == expected


async def test_a_client_that_waits_reads_ahead_only_so_much():
    async with live_server() as live:
        client, other = await live.dial(), await live.dial()
        client.call("BLPOP", "list", 0)
        await live.until(lambda: live.server.engine.sessions[1].blocked)
        pings = 400_000
        client.send(request("PING") * pings)  # 5.6 MB
        session = live.server.engine.sessions[1]
        await live.until(lambda: session.wake._stopped)
        other.call("RPUSH", "list", "x")
        expected = b"*2\r\n$4\r\nlist\r\n$1\r\nx\r\n" + b"+PONG\r\n" * pings
        assert await client.receive(expected) == expected


async def test_a_client_that_hangs_up_while_it_waits_takes_nothing():
    async with live_server() as live:
        client, other = await live.dial(), await live.dial()
        client.call("BLPOP", "list", 0)
        await live.until(lambda: live.server.engine.sessions[1].blocked)
        client.writer.close()
        await live.until(lambda: 1 not in live.server.engine.sessions)
        other.send(request("RPUSH", "list", "x") + request("LLEN", "list"))
        assert await other.receive(b":1\r\n:1\r\n") == b":1\r\n:1\r\n"


async def test_a_wait_ends_at_its_timeout():
    async with live_server() as live:
        client = await live.dial()
        client.send(request("BLPOP", "list", "0.05") + request("PING"))
        assert await client.receive(b"*-1\r\n+PONG\r\n") == b"*-1\r\n+PONG\r\n"


# -- limits ------------------------------------------------------------------------------------------------------------


async def test_one_client_too_many_is_told_so_and_shut_out():
    async with live_server(maxclients=2) as live:
        first, second = await live.dial(), await live.dial()
        for client in (first, second):
            client.call("PING")
            assert await client.receive(b"+PONG\r\n") == b"+PONG\r\n"
        assert await (await live.dial()).rest() == b"-ERR max number of clients reached\r\n"
        second.writer.close()
        await live.until(lambda: len(live.server.connections) == 1)
        third = await live.dial()
        third.call("PING")
        assert await third.receive(b"+PONG\r\n") == b"+PONG\r\n"


async def test_the_idle_are_closed_and_those_who_wait_by_right_are_not(monkeypatch):
    monkeypatch.setattr(open_connections, "LOOK_SECONDS", 0.02)
    async with live_server(timeout=0.2) as live:
        idle, waiting, listening = await live.dial(), await live.dial(), await live.dial()
        waiting.call("BLPOP", "list", 0)
        listening.call("SUBSCRIBE", "news")
        assert await idle.rest() == b""
        writer = await live.dial()
        writer.send(request("RPUSH", "list", "x") + request("PUBLISH", "news", "y"))
        popped = b"*2\r\n$4\r\nlist\r\n$1\r\nx\r\n"
        assert await waiting.receive(popped) == popped
        told = b"*3\r\n$9\r\nsubscribe\r\n$4\r\nnews\r\n:1\r\n*3\r\n$7\r\nmessage\r\n$4\r\nnews\r\n$1\r\ny\r\n"
        assert await listening.receive(told) == told


async def test_a_subscriber_that_does_not_read_is_dropped_at_its_limit():
    limits = {"normal": (0, 0, 0), "replica": (0, 0, 0), "pubsub": (2**20, 2**19, 60)}
    async with live_server(client_output_buffer_limit=limits) as live:
        deaf, talker = await live.dial(), await live.dial()
        deaf.writer.transport.pause_reading()
        deaf.call("SUBSCRIBE", "news")
        await live.until(lambda: live.server.engine.sessions[1].subscriptions)
        for _ in range(400):  # 40 MB: more than the kernel keeps between the two
            talker.call("PUBLISH", "news", b"x" * 100_000)
            if await talker.line() == b":0\r\n":
                break
        assert live.server.connections.dropped_output == 1
        assert list(live.server.engine.sessions) == [2]


async def test_a_request_that_never_ends_is_dropped_at_its_limit():
    async with live_server(client_query_buffer_limit=2**20) as live:
        client = await live.dial()
        client.send(b"*2\r\n$4\r\nECHO\r\n$100000000\r\n")
        for _ in range(40):
            client.send(b"x" * 100_000)
        assert await client.rest() == b""
        assert live.server.connections.dropped_query_buffer == 1


async def test_a_stranger_may_send_only_little_before_the_password():
    async with live_server(requirepass="secret") as live:
        client = await live.dial()
        client.send(request("GET", "k") + b"*11\r\n")
        assert await client.rest() == (
            b"-NOAUTH Authentication required.\r\n-ERR Protocol error: unauthenticated multibulk length\r\n"
        )


async def test_the_password_may_stand_in_front_of_the_pipeline():
    async with live_server(requirepass="secret") as live:
        client = await live.dial()
        client.send(request("AUTH", "secret") + request("MSET", *range(20)))
        assert await client.receive(b"+OK\r\n+OK\r\n") == b"+OK\r\n+OK\r\n"


# -- ways in -----------------------------------------------------------------------------------------------------------


async def test_a_unix_socket(tmp_path):
    path = tmp_path / "redis.sock"
    async with live_server(Unix(str(path), 0o700)) as live:
        client = await live.dial_at(asyncio.open_unix_connection(str(path)))
        client.send(request("PING") + request("CLIENT", "INFO"))
        assert await client.receive(b"+PONG\r\n") == b"+PONG\r\n"
        assert b"laddr=%b:0 " % os.fsencode(path) in await client.bulk()


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl makes the certificate")
async def test_tls(tmp_path):
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    await asyncio.to_thread(
        subprocess.run,
        [
            *("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"),
            *("-days", "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost"),
            *("-keyout", key, "-out", certificate),
        ],
        check=True,
        capture_output=True,
    )
    context = tls_context(certificate=str(certificate), key=str(key), clients="no")
    listening = socket.create_server(("127.0.0.1", 0))
    port = listening.getsockname()[1]
    trust = ssl.create_default_context(cafile=str(certificate))
    async with live_server(Bound(listening, context)) as live:
        client = await live.dial_at(
            asyncio.open_connection("127.0.0.1", port, ssl=trust, server_hostname="localhost", limit=2**26)
        )
        client.send(request("SET", "k", b"v" * 1_000_000) + request("GET", "k"))
        expected = b"+OK\r\n$1000000\r\n" + b"v" * 1_000_000 + b"\r\n"
        assert await client.receive(expected) == expected


async def test_protected_mode_turns_away_whoever_is_not_on_this_machine(monkeypatch):
    monkeypatch.setattr("miniredis.session.Session.is_local", False)
    async with live_server(protected_mode=True) as live:
        answer = await (await live.dial()).rest()
    assert answer.startswith(b"-DENIED Redis is running in protected mode because protected mode is enabled and")
    assert answer.endswith(b"\r\n")


async def test_a_password_ends_protected_mode(monkeypatch):
    monkeypatch.setattr("miniredis.session.Session.is_local", False)
    async with live_server(protected_mode=True, requirepass="secret") as live:
        client = await live.dial()
        client.send(request("AUTH", "secret") + request("PING"))
        assert await client.receive(b"+OK\r\n+PONG\r\n") == b"+OK\r\n+PONG\r\n"


# -- the end of a connection -------------------------------------------------------------------------------------------


async def test_client_kill_ends_another_connection():
    async with live_server() as live:
        victim, killer = await live.dial(), await live.dial()
        victim.call("PING")
        await victim.receive(b"+PONG\r\n")
        killer.call("CLIENT", "KILL", "ADDR", victim.address)
        assert await killer.receive(b":1\r\n") == b":1\r\n"
        assert await victim.rest() == b""


async def test_a_reply_larger_than_the_socket_takes_is_whole():
    async with live_server() as live:
        client = await live.dial()
        client.send(request("SET", "k", b"v" * 20_000_000) + request("GET", "k") + request("PING"))
        expected = b"+OK\r\n$20000000\r\n" + b"v" * 20_000_000 + b"\r\n+PONG\r\n"
        assert await client.receive(expected) == expected


async def test_every_reply_waits_for_the_file_under_appendfsync_always(tmp_path):
    async with live_server(appendonly=True, appendfsync="always") as live:
        client = await live.dial()
        client.send(request("SET", "k", "v") + request("GET", "k"))
        assert await client.receive(b"+OK\r\n$1\r\nv\r\n") == b"+OK\r\n$1\r\nv\r\n"
        [log] = (tmp_path / "appendonlydir").glob("*.incr.aof")
        assert log.read_bytes().endswith(request("SET", "k", "v"))
