"""Frames between peers: whole, in order, lost at worst, and never for somebody else."""

import asyncio
from random import Random

import msgpack
import pytest

from raft import transport
from raft.transport import Accepted, Transport, frame
from simulation.network import NetworkOptions
from simulation.world import World

PORT = 9093
CALM = NetworkOptions(split=0.5)


def node(node_id, heard, *, cluster="c", addresses=None):
    """Software of a host: a transport that notes what it hears, and sends what is put into its `outbox`."""

    async def software(host):
        links = Transport(
            node_id, lambda *message: heard.append((node_id, *message)), cluster=cluster, random=host.random
        )
        host.links = links
        await links.listen(None, PORT)
        links.dial(addresses or {1: ("n1", PORT), 2: ("n2", PORT)})
        await asyncio.get_running_loop().create_future()

    return software


def run(scenario, **options):
    return World(seed=3, network=CALM, **options).run(scenario, until=300)


async def connected(host, to=2):
    host.links.send(to, b"first")  # nobody is dialled before; this one is dropped
    async with asyncio.timeout(5):
        while not host.links.peers[to].connected:  # noqa: ASYNC110
            await asyncio.sleep(0.01)


async def pair(world, heard, **options):
    hosts = world.start("n1", node(1, heard, **options)), world.start("n2", node(2, heard))
    await asyncio.sleep(0)
    await connected(hosts[0])
    return hosts


def test_payloads_arrive_whole_and_in_order():
    async def scenario(world):
        heard = []
        one, two = await pair(world, heard)
        await connected(two, to=1)
        payloads = [bytes([size % 251]) * size for size in (1, 100, 70_000, 5, 1_000_000)]
        for payload in payloads:
            one.links.send(2, payload)
        two.links.send(1, b"hello back")
        await asyncio.sleep(5)
        assert [message for message in heard if message[0] == 2] == [(2, 1, payload) for payload in payloads]
        assert [message for message in heard if message[0] == 1] == [(1, 2, b"hello back")]

    run(scenario)


def test_nothing_is_kept_for_a_peer_that_is_away_and_it_is_dialled_again():
    async def scenario(world):
        heard = []
        one, _ = await pair(world, heard)
        world.kill("n2")
        await asyncio.sleep(1)
        one.links.send(2, b"nobody hears this")
        assert (one.links.peers[2].connected, one.links.peers[2].dropped) == (False, 2)
        world.start("n2")
        await connected(one)
        one.links.send(2, b"but this")
        await asyncio.sleep(1)
        assert heard == [(2, 1, b"but this")]

    run(scenario)


def test_a_peer_without_power_is_noticed_and_dialled_again_when_it_is_back():
    """Its kernel answers nothing: without the empty frames the connection would look healthy for minutes."""

    async def scenario(world):
        heard = []
        one, _ = await pair(world, heard)
        world.power_loss("n2")
        await asyncio.sleep(transport.SILENCE_S + 2 * transport.ASK_S)
        assert not one.links.peers[2].connected
        await asyncio.sleep(30)
        world.start("n2")
        async with asyncio.timeout(transport.CONNECT_S + 2 * transport.BACKOFF_S[1]):
            await connected(one)

    run(scenario)


def test_what_piles_up_for_a_peer_that_stands_still_is_dropped():
    async def scenario(world):
        heard = []
        one, _ = await pair(world, heard)
        world.pause("n2")
        one.links.peers[2].dropped = 0
        for _ in range(100):
            one.links.send(2, bytes(1_000_000))
            await asyncio.sleep(0.001)
        assert 85 <= one.links.peers[2].dropped <= 92  # QUEUE_BYTES, a frame more, and what the kernels hold
        world.resume("n2")
        await asyncio.sleep(10)
        assert len(heard) == 100 - one.links.peers[2].dropped

    run(scenario)


@pytest.mark.parametrize("options", [{"cluster": "another"}, {"addresses": {3: ("n2", PORT)}}])
def test_a_node_of_another_cluster_and_one_that_means_another_node_are_refused(options):
    async def scenario(world):
        heard = []
        one = world.start("n1", node(1, heard, **options))
        two = world.start("n2", node(2, heard, addresses={}))
        for _ in range(20):
            await asyncio.sleep(0.1)
            for peer in one.links.peers:
                one.links.send(peer, b"let me in")
        assert (heard, any(peer.connected for peer in one.links.peers.values())) == ([], False)
        assert [each.sender for each in two.links.accepted] in ([], [None])

    run(scenario)


def test_a_peer_that_dials_anew_replaces_its_older_connection():
    async def scenario(world):
        heard = []
        one, two = await pair(world, heard)
        hello = msgpack.packb(["mini-raft", 1, "c", 1, 2])
        _, writer = await asyncio.open_connection("n2", PORT)
        writer.write(frame(hello) + frame(b"from the newer"))
        await asyncio.sleep(0.04)
        assert heard == [(2, 1, b"from the newer")]
        assert len([each for each in two.links.accepted if each.sender == 1]) == 1
        writer.close()
        one.links.close()

    run(scenario)


def test_peers_may_come_and_go():
    async def scenario(world):
        heard = []
        one, _ = await pair(world, heard)
        one.links.dial({1: ("n1", PORT)})
        one.links.send(2, b"to nobody")
        await asyncio.sleep(1)
        one.links.dial({2: ("n2", PORT)})
        await connected(one)
        one.links.send(2, b"again")
        await asyncio.sleep(1)
        assert heard == [(2, 1, b"again")]

    run(scenario)


def test_who_is_not_spoken_to_any_more_is_hung_up_on():
    async def scenario(world):
        one, two = await pair(world, [])
        await asyncio.sleep(2.5 * transport.IDLE_S)
        assert (one.links.peers, [each.sender for each in two.links.accepted]) == ({}, [])

    run(scenario)


class Wire:
    """A transport that notes what is written."""

    def __init__(self):
        self.written, self.closing = b"", False

    def write(self, data):
        self.written += data

    def get_write_buffer_size(self):
        return 0

    def is_closing(self):
        return self.closing

    def abort(self):
        self.closing = True


HELLO = frame(msgpack.packb(["mini-raft", 1, "c", 2, 1]))
STREAM = HELLO + frame(b"one") + frame(b"") + frame(b"three")


@pytest.mark.parametrize("cut", range(len(STREAM) + 1))
async def test_the_same_payloads_come_out_wherever_the_stream_is_cut(cut):
    heard = []
    wire, accepted = (
        Wire(),
        Accepted(Transport(1, lambda *message: heard.append(message), cluster="c", random=Random(1))),
    )
    accepted.connection_made(wire)
    for piece in (STREAM[:cut], STREAM[cut:]):
        if piece:
            accepted.data_received(piece)
    assert (heard, wire.written, wire.closing) == ([(2, b"one"), (2, b"three")], bytes(8), False)


@pytest.mark.parametrize(
    "garbage",
    [
        b"GET / HTTP/1.1\r\n\r\n",
        frame(b"\xc1"),
        frame(msgpack.packb(["mini-raft", 2, "c", 2, 1])),
        frame(msgpack.packb(["mini-raft", 1, "c", "two", 1])),
        frame(msgpack.packb(7)),
        b"\xff\xff\xff\xff",
    ],
)
async def test_bytes_that_are_no_hello_end_the_connection(garbage):
    heard = []
    wire, accepted = (
        Wire(),
        Accepted(Transport(1, lambda *message: heard.append(message), cluster="c", random=Random(1))),
    )
    accepted.connection_made(wire)
    accepted.data_received(garbage)
    assert (heard, wire.written, wire.closing) == ([], b"", True)
