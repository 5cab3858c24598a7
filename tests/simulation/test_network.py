"""The simulated TCP: errors here would look like errors of the servers, so it is held to TCP's promises first."""

import asyncio
import errno
import socket
from random import Random

import pytest

from simulation.network import NetworkOptions
from simulation.world import World

CALM = NetworkOptions(latency_min_s=0.001, latency_mean_s=0.0001, split=0.0)
ROUGH = NetworkOptions(latency_mean_s=0.01, loss=0.1, split=1.0, window_bytes=1000)


class Recorder(asyncio.Protocol):
    """Writes down all it is told."""

    def __init__(self, half_close=False):
        self.told, self.data, self.half_close = [], b"", half_close
        self.gone = asyncio.get_running_loop().create_future()

    def connection_made(self, transport):
        self.transport = transport
        self.told.append("made")

    def data_received(self, data):
        self.data += data

    def eof_received(self):
        self.told.append("eof")
        return self.half_close

    def pause_writing(self):
        self.told.append("pause")

    def resume_writing(self):
        self.told.append("resume")

    def connection_lost(self, error):
        self.told.append("lost" if error is None else type(error).__name__)
        self.gone.set_result(error)


def listening(made, protocol=Recorder, host=None, port=80):
    """Software that accepts on a port and puts its protocols into `made`."""

    async def software(_):
        def factory():
            made.append(protocol())
            return made[-1]

        server = await asyncio.get_running_loop().create_server(factory, host, port)
        await server.serve_forever()

    return software


async def connected(world, host="client", server="server", protocol=Recorder, port=80):
    """A connection from a host: the protocol of its end."""

    async def connect():
        _, made = await asyncio.get_running_loop().create_connection(protocol, server, port)
        return made

    return await world.spawn(host, connect())


def run_pair(scenario, options=CALM, seed=1, accepting=Recorder, connecting=Recorder):
    """Run `scenario(world, client, server)` with the two protocols of one connection."""
    world, made = World(seed, network=options), []
    world.start("server", listening(made, accepting))

    async def whole(world):
        client = await connected(world, protocol=connecting)
        await asyncio.sleep(0.1)
        return await scenario(world, client, made[0])

    return world.run(whole)


@pytest.mark.parametrize("seed", range(30))
def test_bytes_come_in_order_and_once_whatever_happens(seed):
    """Splits, loss, cuts, pauses, slow links: everything arrives.  With resets and kills: a prefix of it does."""
    world, received, sent = World(seed, network=ROUGH), {}, {}
    violent = seed % 2

    async def accept(reader, writer):
        number = int(await reader.readline())
        sink = received[number] = bytearray()
        while data := await reader.read(100):
            sink.extend(data)
            if world.random("reader").random() < 0.1:
                await asyncio.sleep(0.05)
        received[number] = bytes(sink)
        writer.close()

    async def server(_):
        await (await asyncio.start_server(accept, None, 80)).serve_forever()

    async def client(number):
        dice = world.random(f"client {number}")
        content = dice.randbytes(dice.randrange(20_000))
        sent[number] = content
        reader, writer = await asyncio.open_connection("server", 80)
        writer.write(b"%d\n" % number)
        position = 0
        while position < len(content):
            size = dice.randrange(1, 3000)
            writer.write(content[position : position + size])
            position += size
            if dice.random() < 0.5:
                await writer.drain()
                await asyncio.sleep(dice.random() * 0.1)
        writer.write_eof()
        await reader.read()
        writer.close()

    async def nemesis():
        dice = world.random("nemesis")
        for _ in range(20):
            await asyncio.sleep(dice.random() * 0.3)
            deeds = ["cut", "heal", "pause", "resume", "slow"] + ["reset", "kill"] * bool(violent)
            match dice.choice(deeds):
                case "cut":
                    world.network.cut(*dice.sample(["client", "server"], 2))
                case "heal":
                    world.network.heal()
                case "pause":
                    world.pause("server")
                case "resume":
                    world.resume("server")
                case "slow":
                    world.network.slow("client", "server", dice.random() * 0.1)
                case "reset":
                    world.network.reset("server")
                case "kill":
                    world.restart("server")
        world.network.heal()
        world.resume("server")

    async def scenario(world):
        world.start("server", server)
        await asyncio.sleep(0.1)
        clients = [world.spawn("client", client(number)) for number in range(5)]
        await asyncio.gather(nemesis(), *clients, return_exceptions=True)
        await asyncio.sleep(60)
        return [task.exception() for task in clients]

    world.expect(OSError)
    world.expect(ValueError)  # a connection that ended before its first line
    errors = world.run(scenario)
    for number, content in sent.items():
        got = bytes(received.get(number, b""))
        assert content.startswith(got)
        if not violent:
            assert (errors[number], len(got)) == (None, len(content))


def test_every_write_may_be_split_anywhere():
    pieces = set()

    class Counting(Recorder):
        def data_received(self, data):
            super().data_received(data)
            pieces.add(len(data))

    async def scenario(world, client, server):
        for _ in range(200):
            client.transport.write(b"abcdefgh")
            await asyncio.sleep(0.1)
        return server.data

    assert run_pair(scenario, NetworkOptions(split=1.0), accepting=Counting) == b"abcdefgh" * 200
    assert pieces == {1, 2, 3, 4, 5, 6, 7}


def test_segments_that_wait_are_read_as_one():
    async def scenario(world, client, server):
        server.transport.pause_reading()
        for _ in range(10):
            client.transport.write(b"abc")
        await asyncio.sleep(1)
        assert server.data == b""
        pieces = []
        server.data_received = pieces.append
        server.transport.resume_reading()
        await asyncio.sleep(1)
        return pieces

    assert run_pair(scenario) == [b"abc" * 10]


def test_half_close_leaves_the_other_direction_open():
    async def scenario(world, client, server):
        client.transport.write(b"question")
        client.transport.write_eof()
        with pytest.raises(RuntimeError):
            client.transport.write(b"more")
        await asyncio.sleep(1)
        assert (server.told, server.data) == (["made", "eof"], b"question")
        server.transport.write(b"answer")
        server.transport.close()
        await asyncio.sleep(1)
        return client.data, client.told, server.told

    half = lambda: Recorder(half_close=True)  # noqa: E731
    assert run_pair(scenario, accepting=half) == (b"answer", ["made", "eof", "lost"], ["made", "eof", "lost"])


def test_a_protocol_that_keeps_nothing_open_is_closed_by_the_end():
    async def scenario(world, client, server):
        client.transport.close()
        await asyncio.sleep(1)
        return client.told, server.told

    assert run_pair(scenario) == (["made", "lost"], ["made", "eof", "lost"])


def test_close_sends_what_was_written_first():
    async def scenario(world, client, server):
        client.transport.write(bytes(100_000))
        client.transport.close()
        client.transport.write(b"dropped")
        assert client.transport.is_closing()
        await asyncio.sleep(300)
        return len(server.data), client.told, server.told

    assert run_pair(scenario, ROUGH) == (
        100_000,
        ["made", "pause", "resume", "lost"],
        ["made", "eof", "lost"],
    )


def test_abort_resets_the_peer_and_tells_both_once():
    async def scenario(world, client, server):
        client.transport.abort()
        client.transport.abort()
        client.transport.close()
        await asyncio.sleep(1)
        server.transport.write(b"too late")
        await asyncio.sleep(1)
        return client.told, server.told

    assert run_pair(scenario) == (["made", "lost"], ["made", "ConnectionResetError"])


def test_closing_with_bytes_unread_resets_the_peer():
    """RFC 2525 §2.17"""

    async def scenario(world, client, server):
        server.transport.pause_reading()
        client.transport.write(b"never read")
        await asyncio.sleep(1)
        server.transport.close()
        await asyncio.sleep(1)
        return client.told, server.told

    assert run_pair(scenario) == (["made", "ConnectionResetError"], ["made", "lost"])


def test_writing_to_a_closed_peer_is_answered_by_a_reset():
    async def scenario(world, client, server):
        server.transport.close()
        await asyncio.sleep(1)
        assert client.told == ["made", "eof"]
        client.transport.write(b"anybody there?")
        await asyncio.sleep(1)
        return client.told

    half = lambda: Recorder(half_close=True)  # noqa: E731
    assert run_pair(scenario, connecting=half) == ["made", "eof", "ConnectionResetError"]


def test_a_reset_stays_unnoticed_while_reading_is_paused():
    async def scenario(world, client, server):
        client.transport.pause_reading()
        server.transport.abort()
        await asyncio.sleep(100)
        assert client.told == ["made"]
        client.transport.resume_reading()
        await asyncio.sleep(1)
        return client.told

    assert run_pair(scenario) == ["made", "ConnectionResetError"]


def test_a_receiver_that_does_not_read_pauses_the_sender():
    async def scenario(world, client, server):
        server.transport.pause_reading()
        client.transport.set_write_buffer_limits(high=5000, low=1000)
        client.transport.write(bytes(6000))
        assert client.transport.get_write_buffer_size() == 5000  # the window holds 1000
        assert client.told == ["made"]
        client.transport.write(b"x")
        assert client.told == ["made", "pause"]
        await asyncio.sleep(10)
        assert client.transport.get_write_buffer_size() == 5001
        server.transport.resume_reading()
        await asyncio.sleep(10)
        return client.told, client.transport.get_write_buffer_size(), len(server.data)

    options = NetworkOptions(window_bytes=1000, split=0.5)
    assert run_pair(scenario, options) == (["made", "pause", "resume"], 0, 6001)


def test_write_buffer_limits_are_checked_as_asyncio_checks_them():
    async def scenario(world, client, server):
        limits = [client.transport.get_write_buffer_limits()]
        for arguments in ({"high": 100}, {"low": 10}, {"high": 0}):
            client.transport.set_write_buffer_limits(**arguments)
            limits.append(client.transport.get_write_buffer_limits())
        with pytest.raises(ValueError):
            client.transport.set_write_buffer_limits(high=1, low=2)
        with pytest.raises(TypeError):
            client.transport.write("text")
        return limits

    assert run_pair(scenario) == [(16384, 65536), (25, 100), (10, 40), (0, 0)]


def test_a_buffered_protocol_is_given_its_own_buffer_filled():
    class Buffered(asyncio.BufferedProtocol):
        def __init__(self):
            self.buffer, self.data, self.sizes = bytearray(7), b"", []

        def get_buffer(self, sizehint):
            return self.buffer

        def buffer_updated(self, size):
            self.data += self.buffer[:size]
            self.sizes.append(size)
            if len(self.sizes) == 3:
                self.transport.pause_reading()

        def connection_made(self, transport):
            self.transport = transport

    async def scenario(world, client, server):
        client.transport.write(bytes(range(50)))
        await asyncio.sleep(1)
        assert server.sizes == [7, 7, 7]
        server.transport.resume_reading()
        await asyncio.sleep(1)
        return server.data, server.sizes

    assert run_pair(scenario, accepting=Buffered) == (bytes(range(50)), [7] * 7 + [1])


def test_an_exception_in_a_protocol_closes_its_connection_and_fails_the_run():
    class Broken(Recorder):
        def data_received(self, data):
            raise ValueError("no")

    async def scenario(world, client, server):
        world.expect(ValueError, host="server")
        client.transport.write(b"x")
        await asyncio.sleep(1)
        return [str(error.exception) for error in world.loop.errors], server.told, client.told

    assert run_pair(scenario, accepting=Broken) == (
        ["no"],
        ["made", "ValueError"],
        ["made", "ConnectionResetError"],
    )


def test_transports_know_their_addresses():
    async def scenario(world, client, server):
        ends = [
            [end.transport.get_extra_info(name) for name in ("sockname", "peername", "sslcontext")]
            for end in (client, server)
        ]
        endpoint = server.transport.get_extra_info("socket")
        endpoint.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return ends, endpoint.getsockname(), endpoint.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)

    ends, name, no_delay = run_pair(scenario)
    near, far = ("client", ends[0][0][1]), ("server", 80)
    assert (ends, name, no_delay) == ([[near, far, None], [far, near, None]], far, 1)


# Connecting and listening


def failing(connect, start=True):
    """The exception that a connection attempt ends with, and the seconds it took."""
    world = World(1, network=CALM)
    world.host("server")
    world.host("other")
    if start:
        world.start("server", listening([]))

    async def scenario(world):
        await asyncio.sleep(1)
        return await connect(world)

    try:
        world.run(scenario)
    except OSError as error:
        return error, world.loop.time() - 1
    pytest.fail("it connected")


def test_nobody_listening_refuses_after_a_round_trip():
    error, seconds = failing(lambda world: connected(world, port=81))
    assert (type(error), error.errno) == (ConnectionRefusedError, errno.ECONNREFUSED)
    assert 0.002 <= seconds < 0.01


def test_a_host_that_is_not_running_refuses():
    error, _ = failing(connected, start=False)
    assert type(error) is ConnectionRefusedError


def test_an_unknown_name_is_not_resolved():
    error, seconds = failing(lambda world: connected(world, server="nowhere"))
    assert (type(error), seconds) == (socket.gaierror, 0.0)


def test_connecting_through_a_cut_link_hangs_and_fails():
    def connect(world):
        world.network.partition(["client"], ["server"])
        return connected(world)

    error, seconds = failing(connect)
    assert (type(error), error.errno) == (TimeoutError, errno.ETIMEDOUT)
    assert 3 <= seconds <= 20


def test_a_machine_without_power_answers_nothing():
    def connect(world):
        world.power_loss("server")
        return connected(world)

    error, seconds = failing(connect)
    assert type(error) is TimeoutError and seconds >= 3


def test_localhost_is_ones_own_host_and_nobody_elses():
    world, made = World(1, network=CALM), []
    world.start("server", listening(made, host="127.0.0.1"))

    async def scenario(world):
        await asyncio.sleep(0.1)
        with pytest.raises(ConnectionRefusedError):
            await connected(world)
        client = await connected(world, host="server", server="localhost")
        return client.transport.get_extra_info("peername")

    assert world.run(scenario) == ("server", 80)


def test_a_taken_port_and_a_strange_address_cannot_be_bound():
    world = World(1)

    async def bind(host, port):
        server = await asyncio.get_running_loop().create_server(asyncio.Protocol, host, port)
        return server.sockets[0].getsockname()[1]

    async def scenario(world):
        assert await world.spawn("a", bind("a", 80)) == 80
        assert await world.spawn("b", bind("0.0.0.0", 80)) == 80
        free = [await world.spawn("a", bind(None, 0)) for _ in range(3)]
        errors = []
        for host, port in (("a", 80), ("b", 81)):
            with pytest.raises(OSError) as raised:
                await world.spawn("a", bind(host, port))
            errors.append(raised.value.errno)
        return len(set(free)), errors

    assert world.run(scenario) == (3, [errno.EADDRINUSE, errno.EADDRNOTAVAIL])


def test_one_port_can_be_bound_once_for_each_family():
    world, made = World(1, network=CALM), {"0.0.0.0": [], "::": [], "::1": []}

    async def software(_):
        loop = asyncio.get_running_loop()
        for host in ("0.0.0.0", "::"):
            await loop.create_server(lambda host=host: made[host].append(Recorder()) or made[host][-1], host, 80)
        for host in ("0.0.0.0", "::1", None):
            with pytest.raises(OSError):
                await loop.create_server(asyncio.Protocol, host, 80)
        await asyncio.Event().wait()

    async def scenario(world):
        world.start("server", software)
        await asyncio.sleep(0.1)
        for host, server in (("client", "server"), ("server", "127.0.0.1"), ("server", "::1"), ("server", "localhost")):
            await connected(world, host=host, server=server)
        return {host: len(protocols) for host, protocols in made.items()}

    assert world.run(scenario) == {"0.0.0.0": 3, "::": 1, "::1": 0}


def test_a_closed_server_refuses_and_lets_its_connections_be():
    world, made = World(1, network=CALM), []

    async def software(_):
        server = await asyncio.get_running_loop().create_server(lambda: made.append(Recorder()) or made[-1], None, 80)
        await asyncio.sleep(1)
        server.close()
        assert not server.is_serving() and server.sockets == ()
        await server.wait_closed()

    async def scenario(world):
        world.start("server", software)
        await asyncio.sleep(0.5)
        client = await connected(world)
        await asyncio.sleep(1)
        with pytest.raises(ConnectionRefusedError):
            await connected(world)
        client.transport.write(b"still here")
        await asyncio.sleep(1)
        assert made[0].data == b"still here"
        client.transport.close()
        await asyncio.sleep(1)
        return world.host("server").running, world.host("server").exit_code

    assert world.run(scenario) == (False, 0)


# Partitions


def test_bytes_cross_a_partition_when_it_heals():
    async def scenario(world, client, server):
        client.transport.write(b"one ")
        world.network.partition(["client"], ["server"])  # with the first segment under way
        client.transport.write(b"two ")
        await asyncio.sleep(2)
        assert server.data == b""
        client.transport.write(b"three")
        world.network.heal()
        await asyncio.sleep(1)
        return server.data, client.told

    assert run_pair(scenario) == (b"one two three", ["made"])


def test_a_partition_may_be_one_way():
    async def scenario(world, client, server):
        world.network.cut("server", "client")
        client.transport.write(b"question")
        await asyncio.sleep(1)
        server.transport.write(b"answer")
        await asyncio.sleep(1)
        assert (server.data, client.data) == (b"question", b"")
        world.network.heal(("server", "client"))
        await asyncio.sleep(1)
        return client.data

    assert run_pair(scenario) == b"answer"


def test_a_sender_gives_up_in_a_long_partition_and_its_peer_learns_later():
    async def scenario(world, client, server):
        world.network.isolate("server")
        client.transport.write(b"lost")
        await asyncio.sleep(30)
        assert (client.told, server.told) == (["made", "TimeoutError"], ["made"])
        world.network.heal()
        await asyncio.sleep(1)
        return server.told, server.data

    assert run_pair(scenario) == (["made", "ConnectionResetError"], b"")


def test_an_idle_connection_outlives_a_partition():
    async def scenario(world, client, server):
        world.network.partition(["client"], ["server"])
        await asyncio.sleep(300)
        world.network.heal()
        client.transport.write(b"hello")
        await asyncio.sleep(1)
        return server.data

    assert run_pair(scenario) == b"hello"


def test_a_reset_breaks_both_ends_and_loses_what_was_under_way():
    async def scenario(world, client, server):
        client.transport.write(b"under way")
        world.network.reset("client", "server")
        await asyncio.sleep(1)
        return client.told, server.told, server.data

    both = ["made", "ConnectionResetError"]
    assert run_pair(scenario) == (both, both, b"")


def test_loss_is_delay():
    async def scenario(world, client, server):
        late = 0
        for sent in range(1, 301):
            client.transport.write(b"x")
            await asyncio.sleep(0.15)
            late += len(server.data) < sent
            await asyncio.sleep(5)
            assert len(server.data) == sent
        return late

    assert 15 < run_pair(scenario, NetworkOptions(loss=0.1)) < 50


def test_drawn_options_differ_by_seed_and_repeat():
    drawn = [NetworkOptions.drawn(Random(seed)) for seed in range(20)]
    assert drawn == [NetworkOptions.drawn(Random(seed)) for seed in range(20)]
    assert len(set(drawn)) > 10


@pytest.mark.parametrize("seed", range(40))
def test_a_connection_that_breaks_while_it_is_made_is_told_of_both(seed):
    """Made and lost, in this order, or never made at all: no protocol may wait for an end that nobody tells."""

    async def scenario(world):
        connecting = asyncio.create_task(connected(world))
        while not connecting.done():
            await asyncio.sleep(world.random("resets").random() * 0.0004)
            world.network.reset("server")
        try:
            client = await connecting
        except OSError:
            return ["made", "ConnectionResetError"]
        async with asyncio.timeout(10):
            while not client.gone.done():
                world.network.reset("server")
                await asyncio.sleep(0.001)
        return client.told

    world = World(seed, network=CALM)
    world.start("server", listening([]))
    assert world.run(scenario) == ["made", "ConnectionResetError"]


def test_a_connection_reset_during_its_handshake_cannot_be_had():
    world = World(1, network=NetworkOptions(latency_min_s=0.1, latency_mean_s=0.0001, split=0.0))

    async def scenario(world):
        world.start("server", listening)
        await asyncio.sleep(1)
        connecting = asyncio.ensure_future(asyncio.open_connection("server", 80))
        await asyncio.sleep(0.15)
        world.network.reset("server")
        with pytest.raises(ConnectionResetError):
            await connecting

    async def listening(host):
        await asyncio.start_server(lambda *streams: None, port=80)
        await asyncio.Event().wait()

    world.run(scenario)
