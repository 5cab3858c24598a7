"""The link against servers that answer, stay silent, hang up or talk nonsense; time is virtual where it matters."""

import asyncio
import shutil
import socket
import subprocess
from functools import partial
from itertools import pairwise
from random import Random

import pytest

from ratelimit.redis_link import AddressError, RedisAddress, RedisLink, ReplyError, StoreUnavailable
from serving.listener import Bound, Unix, tls_context
from simulation.network import NetworkOptions
from simulation.world import World
from tests.miniredis.live_server import live_server

CALM = NetworkOptions(latency_min_s=0.001, latency_mean_s=0.00001, split=0.0)


class Scripted(asyncio.Protocol):
    """PING is answered, INCR counted and answered, HANG hangs up, MUTE is the last command that is heard."""

    def __init__(self, seen):
        self.seen, self.count, self.mute = seen, 0, False
        seen.connections += 1

    def connection_made(self, transport):
        self.transport = transport

    def data_received(self, data):
        self.seen.chunks.append(data)
        words = data.split(b"\r\n")
        for word in words:
            if self.mute:
                return
            if word == b"PING":
                self.transport.write(b"+PONG\r\n")
            elif word == b"INCR":
                self.count += 1
                self.seen.incremented += 1
                self.transport.write(b":%d\r\n" % self.count)
            elif word == b"LATE":
                asyncio.get_running_loop().call_later(0.15, self.transport.write, b"+late\r\n")
            elif word == b"BABBLE":
                self.transport.write(b"+1\r\n+2\r\n+3\r\n")
            elif word == b"NONSENSE":
                self.transport.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
            elif word == b"HANG":
                self.transport.close()
            elif word == b"MUTE":
                self.mute = True


class Seen:
    """What a scripted server has seen in all its lives."""

    def __init__(self):
        self.chunks, self.connections, self.incremented = [], 0, 0


def in_world(scenario, *, up=True):
    """Run `scenario(world, link, seen)` beside a scripted server, 1 ms away, under virtual time."""
    world, seen = World(1, network=CALM), Seen()

    async def software(_):
        server = await asyncio.get_running_loop().create_server(partial(Scripted, seen), None, 6379)
        await server.serve_forever()

    async def whole(world):
        world.start("server", software)
        if not up:
            world.kill("server")
        link = RedisLink("redis://server", timeout_ms=100, waiting_max=200, random=Random(1))
        try:
            await scenario(world, link, seen)
        finally:
            await link.close()

    world.run(whole, until=600)


async def failure(call):
    """(seconds it took, the StoreUnavailable)."""
    loop = asyncio.get_running_loop()
    asked = loop.time()
    with pytest.raises(StoreUnavailable) as caught:
        await call
    return round(loop.time() - asked, 6), caught.value


def test_who_finds_the_link_idle_leaves_at_once_and_what_is_asked_behind_it_in_one_write():
    async def scenario(world, link, seen):
        await link.connect()
        del seen.chunks[:]
        assert await asyncio.gather(*[link.call("INCR", "k") for _ in range(100)]) == list(range(1, 101))
        assert [chunk.count(b"INCR") for chunk in seen.chunks] == [1, 99]

    in_world(scenario)


def test_a_caller_that_gave_up_does_not_shift_the_replies_of_the_others():
    async def scenario(world, link, seen):
        await link.connect()
        calls = [link.call("INCR", "k") for _ in range(3)]
        calls[1].cancel()
        assert (await calls[0], await calls[2]) == (1, 3)

    in_world(scenario)


def test_a_lost_connection_fails_what_has_left_and_it_is_not_sent_again():
    async def scenario(world, link, seen):
        await link.connect()
        calls = [link.call("MUTE"), link.call("INCR", "k")]
        await asyncio.sleep(0.01)
        world.restart("server")
        for call in calls:
            took, error = await failure(call)
            assert (error.sent, took < 0.1) == (True, True)
        assert await link.call("INCR", "k") == 1
        assert (seen.incremented, link.dials) == (1, 2)

    in_world(scenario)


def test_what_had_not_left_goes_with_the_next_connection():
    async def scenario(world, link, seen):
        await link.connect()
        world.restart("server")
        await asyncio.sleep(0.002)
        assert await link.call("INCR", "k") == 1

    in_world(scenario)


def test_a_server_that_is_down_costs_the_timeout():
    async def scenario(world, link, seen):
        for _ in range(3):
            took, error = await failure(link.call("INCR", "k"))
            assert (took, error.sent) == (0.1, False)
        assert "Connect call failed" in str(error)

    in_world(scenario, up=False)


def test_what_its_caller_gave_up_on_never_leaves():
    async def scenario(world, link, seen):
        calls = [link.call("INCR", "k") for _ in range(5)]
        await asyncio.gather(*calls, return_exceptions=True)
        world.start("server")
        await asyncio.sleep(3)
        assert await link.call("INCR", "k") == 1
        assert seen.incremented == 1

    in_world(scenario, up=False)


def test_a_late_reply_belongs_to_nobody():
    async def scenario(world, link, seen):
        await link.connect()
        await failure(link.call("LATE"))
        await asyncio.sleep(0.1)
        assert await link.call("INCR", "k") == 1
        assert link.dials == 1

    in_world(scenario)


def test_a_silent_server_is_dialled_anew():
    async def scenario(world, link, seen):
        await link.connect()
        failures = [await failure(link.call("MUTE"))]
        for _ in range(10):
            failures.append(await failure(link.call("INCR", "k")))
        assert all(took <= 0.1 and error.sent for took, error in failures)
        assert await link.call("INCR", "k") == 1
        assert link.dials == 2

    in_world(scenario)


def test_a_machine_without_power_is_noticed_as_well():
    async def scenario(world, link, seen):
        await link.connect()
        world.power_loss("server")
        asked = asyncio.get_running_loop().time()
        while True:
            try:
                assert await link.call("INCR", "k") == 1
            except StoreUnavailable:
                if asyncio.get_running_loop().time() > asked + 5 and not world.host("server").running:
                    world.start("server")
            else:
                break
        assert asyncio.get_running_loop().time() < asked + 8

    in_world(scenario)


def test_only_so_many_may_wait():
    async def scenario(world, link, seen):
        calls = [link.call("INCR", "k") for _ in range(201)]
        took, error = await failure(calls[-1])
        assert (took, str(error)) == (0.0, "Redis at server:6379: 200 calls wait already")
        await asyncio.gather(*calls, return_exceptions=True)
        await failure(link.call("INCR", "k"))  # there is room again

    in_world(scenario, up=False)


def test_steady_callers_of_a_dead_server_do_not_fill_the_queue():
    async def scenario(world, link, seen):
        errors = []
        for _ in range(1000):
            call = link.call("INCR", "k")
            call.add_done_callback(lambda call: errors.append(str(call.exception())))
            await asyncio.sleep(0.002)
        assert len(errors) > 900
        assert not any("wait already" in error for error in errors)

    in_world(scenario, up=False)


def test_redialling_waits_longer_each_time_up_to_a_second():
    async def scenario(world, link, seen):
        dials = []
        connected = link._connected

        async def counted():
            dials.append(asyncio.get_running_loop().time())
            return await connected()

        link._connected = counted
        await failure(link.call("PING"))
        await asyncio.sleep(20)
        waits = [later - earlier for earlier, later in pairwise(dials)]
        assert 0.01 <= waits[0] <= 0.03
        assert all(0.5 <= wait <= 1.1 for wait in waits[-5:])
        assert 20 <= len(dials) <= 45

    in_world(scenario, up=False)


@pytest.mark.parametrize(("word", "reason"), [("BABBLE", "more replies than questions"), ("NONSENSE", "not a reply")])
def test_a_server_that_talks_nonsense_is_hung_up_on(word, reason):
    async def scenario(world, link, seen):
        await link.connect()
        _, error = await failure(link.call(word))
        assert reason in str(error)
        assert await link.call("INCR", "k") == 1
        assert link.dials == 2

    in_world(scenario)


def test_closing_fails_whatever_waits():
    async def scenario(world, link, seen):
        await link.connect()
        sent = link.call("MUTE")
        await asyncio.sleep(0.01)
        unsent = link.call("INCR", "k")
        await link.close()
        assert [(await failure(call))[1].sent for call in (sent, unsent, link.call("INCR", "k"))] == [
            True,
            False,
            False,
        ]
        assert seen.incremented == 0

    in_world(scenario)


async def test_a_name_that_cannot_be_is_told():
    link = RedisLink(f"redis://{'a' * 64}.example", timeout_ms=200)
    with pytest.raises(StoreUnavailable, match="not connected: encoding with 'idna' codec failed"):
        await link.call("PING")
    await link.close()


async def test_an_error_reply_is_its_callers_alone():
    async with live_server() as live:
        link = RedisLink(f"redis://127.0.0.1:{live.port}", timeout_ms=10_000)
        good, bad, after = link.call("SET", "k", 1), link.call("LPUSH", "k", "v"), link.call("GET", "k")
        with pytest.raises(ReplyError, match="WRONGTYPE"):
            await bad
        assert (await good, await after) == (b"OK", b"1")
        await link.close()


async def test_password_and_database_come_first():
    async with live_server(requirepass="secret") as live:
        link = RedisLink(f"redis://:secret@127.0.0.1:{live.port}/3", timeout_ms=10_000)
        assert await link.call("SET", "k", "v") == b"OK"
        assert [len(database) for database in live.server.engine.databases[:4]] == [0, 0, 0, 1]
        await link.close()


@pytest.mark.parametrize(
    ("login", "reason"),
    [("", "NOAUTH"), (":wrong@", "WRONGPASS"), ("nobody:secret@", "WRONGPASS")],
)
async def test_a_wrong_password_is_told_to_every_caller(login, reason):
    async with live_server(requirepass="secret") as live:
        link = RedisLink(f"redis://{login}127.0.0.1:{live.port}", timeout_ms=200)
        with pytest.raises(StoreUnavailable, match=reason):
            await link.call("PING")
        await link.close()


async def test_a_unix_socket(tmp_path):
    async with live_server(Unix(str(tmp_path / "redis.sock"))):
        link = RedisLink(f"unix://{tmp_path}/redis.sock?db=2", timeout_ms=10_000)
        assert await link.call("PING") == b"PONG"
        await link.close()


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl makes the certificate")
async def test_tls_verifies_the_servers_name(tmp_path):
    certificate, key = tmp_path / "cert.pem", tmp_path / "key.pem"
    subject = ("-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost")
    new_key = ("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "1")
    await asyncio.to_thread(
        subprocess.run,
        ["openssl", *new_key, *subject, "-out", certificate, "-keyout", key],
        check=True,
        capture_output=True,
    )
    listening = socket.create_server(("127.0.0.1", 0))
    port = listening.getsockname()[1]
    context = tls_context(certificate=str(certificate), key=str(key), clients="no")
    async with live_server(Bound(listening, context)):
        for name, reason in (("localhost", None), ("127.0.0.1", "IP address mismatch")):
            link = RedisLink(f"rediss://{name}:{port}?ca={certificate}", timeout_ms=1000)
            if reason is None:
                assert await link.call("PING") == b"PONG"
            else:
                with pytest.raises(StoreUnavailable, match=reason):
                    await link.call("PING")
            await link.close()


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("redis://", RedisAddress()),
        ("redis://redis.example:7000/4", RedisAddress("redis.example", 7000, database=4)),
        ("redis://:p%40ss@h", RedisAddress("h", password="p@ss")),
        ("redis://limiter:secret@[::1]:6380", RedisAddress("::1", 6380, user="limiter", password="secret")),
        (
            "rediss://h?ca=ca.pem&cert=c.pem&key=k.pem",
            RedisAddress("h", tls=True, ca="ca.pem", certificate="c.pem", key="k.pem"),
        ),
        ("unix:///run/redis.sock?db=1", RedisAddress(path="/run/redis.sock", database=1)),
        ("unix://:secret@/run/redis.sock", RedisAddress(path="/run/redis.sock", password="secret")),
    ],
)
def test_urls(url, address):
    assert RedisAddress.parse(url) == address


@pytest.mark.parametrize(
    "url",
    [
        "http://h",
        "h:6379",
        "redis://h/first",
        "redis://h?database=1",
        "redis://h:port",
        "unix://",
        "redis://h?x",
        "redis://:secret@h:x",
    ],
)
def test_what_is_no_url_of_a_redis(url):
    with pytest.raises(AddressError) as caught:
        RedisAddress.parse(url)
    assert "secret" not in str(caught.value)
